// SPDX-License-Identifier: LGPL-2.1-or-later
/* guest_model: see guest_model.h. */
#include "tests/unit/test.h"

#include "tests/support/guest_model.h"

#include "guestfix/lib/initrd.h"
#include "guestfix/rules/rules.h"

#include <sys/stat.h>

static const char dep[] =
	"kernel/drivers/virtio/virtio_pci.ko: kernel/drivers/virtio/virtio.ko "
	"kernel/drivers/virtio/virtio_ring.ko\n"
	"kernel/drivers/virtio/virtio.ko: kernel/drivers/virtio/virtio_ring.ko\n"
	"kernel/drivers/virtio/virtio_ring.ko:\n"
	"kernel/drivers/block/virtio_blk.ko: kernel/drivers/virtio/virtio.ko "
	"kernel/drivers/virtio/virtio_ring.ko\n"
	"kernel/drivers/scsi/virtio_scsi.ko: kernel/drivers/virtio/virtio.ko "
	"kernel/drivers/virtio/virtio_ring.ko\n"
	"kernel/drivers/net/virtio_net.ko: kernel/drivers/virtio/virtio.ko\n"
	"kernel/drivers/scsi/sd_mod.ko:\n";

static void add_volume(struct facts *f, unsigned part, const char *type, const char *uuid)
{
	struct facts_volume *v = facts_add_volume(f);

	v->device = xasprintf("/dev/sda%u", part);
	v->part = part;
	v->type = xstrdup(type);
	v->uuid = xstrdup(uuid);
}

void model_initrd(struct model *m, const char *const *entries)
{
	struct facts_kernel *k = &m->f->kernels[0];
	struct initrd *rd = xnew(struct initrd);
	size_t n = 0;

	while (entries[n])
		n++;
	rd->entries = xcalloc(n ? n : 1, sizeof(*rd->entries));
	/* entries are given in order of their names */
	for (rd->n_entries = 0; rd->n_entries < n; rd->n_entries++) {
		struct initrd_entry *e = &rd->entries[rd->n_entries];
		const char *text = entries[rd->n_entries];
		size_t len = strcspn(text, "=>");

		e->path = xstrndup(text, len);
		if (len && e->path[len - 1] == '/') {
			e->path[len - 1] = '\0';
			e->mode = S_IFDIR | 0755;
		} else if (text[len] == '>') {
			e->mode = S_IFLNK | 0777;
			e->link = xstrdup(text + len + 1);
		} else {
			e->mode = S_IFREG | 0644;
			e->data = text[len] ? xstrdup(text + len + 1) : NULL;
			e->size = e->data ? strlen(e->data) : 0;
		}
	}
	initrd_free(k->initrd);
	k->initrd = rd;
}

/* What collecting would have fetched from the module folder. */
static void fetch_files(struct facts_kernel *k)
{
	char **wanted = initramfs_wanted_files(k);

	strv_foreach (path, wanted) {
		if (!strcmp(*path, "modules.dep"))
			facts_kernel_add_file(k, *path, k->modules_dep, strlen(k->modules_dep));
		else
			facts_kernel_add_file(k, *path, *path, strlen(*path));
	}
	strv_free(wanted);
}

void model_init(struct model *m)
{
	static const char *const entries[] = {"bin>usr/bin", "conf/", "conf/conf.d/",
		"conf/conf.d/resume=RESUME=/dev/sda5\n", "conf/modules=dm_mod\n", "lib>usr/lib",
		"usr/", "usr/bin/", "usr/bin/kmod", "usr/lib/", "usr/lib/modules/",
		"usr/lib/modules/6.1.0-1/",
		"usr/lib/modules/6.1.0-1/kernel/drivers/scsi/sd_mod.ko",
		"usr/lib/modules/6.1.0-1/modules.builtin",
		"usr/lib/modules/6.1.0-1/modules.builtin.alias.bin",
		"usr/lib/modules/6.1.0-1/modules.builtin.bin",
		"usr/lib/modules/6.1.0-1/modules.builtin.modinfo",
		"usr/lib/modules/6.1.0-1/modules.order", NULL};
	struct facts *f = facts_new();
	struct facts_kernel *k;
	struct facts_mount *mount;
	struct vm_nic *nic;

	*m = (struct model){.f = f, .vm = vmspec_new()};
	vmspec_add_disk(m->vm)->bus = VM_BUS_SCSI;
	nic = vmspec_add_nic(m->vm);
	nic->mac = xstrdup("00:50:56:00:00:01");
	nic->pci_slot = 192;
	f->os_id = xstrdup("debian");
	f->arch = xstrdup("x86_64");
	f->family_debian = true;
	f->systemd_version = 252;
	f->firmware = VM_FIRMWARE_BIOS;
	f->n_disks = 1;
	f->disk_name[0] = xstrdup("sda");
	add_volume(f, 1, "ext4", "1111");
	add_volume(f, 5, "swap", "5555");
	f->root = 0;
	mount = facts_add_mount(f);
	mount->dir = xstrdup("/");
	mount->free_bytes = GiB;
	facts_add_file(f, "/usr/sbin/update-initramfs", NULL, 0);
	k = facts_add_kernel(f);
	k->version = xstrdup("6.1.0-1");
	k->image = xstrdup("/boot/vmlinuz-6.1.0-1");
	k->module_dir = xstrdup("/lib/modules/6.1.0-1");
	k->initrd_path = xstrdup("/boot/initrd.img-6.1.0-1");
	k->initrd_size = 1001;
	k->modules_dep = xstrdup(dep);
	k->modules_builtin = xstrdup("kernel/fs/ext4.ko\n");
	k->is_default = true;
	model_initrd(m, entries);
}

void model_done(struct model *m)
{
	plan_free(m->p);
	facts_free(m->f);
	vmspec_free(m->vm);
}

void model_file(struct model *m, const char *path, const char *text)
{
	facts_add_file(m->f, path, text, strlen(text));
}

void model_plan(struct model *m)
{
	struct err err = {0};

	for (size_t i = 0; i < m->f->n_kernels; i++)
		if (m->f->kernels[i].initrd && !m->f->kernels[i].n_files)
			fetch_files(&m->f->kernels[i]);
	plan_free(m->p);
	m->p = NULL;
	assert_ok(guestfix_plan(&m->p, m->f, m->vm, &m->o, &err));
}

const struct edit *model_edit(const struct model *m, const char *path)
{
	for (size_t i = 0; i < m->p->n_edits; i++)
		if (!strcmp(m->p->edits[i].path, path))
			return &m->p->edits[i];
	return NULL;
}

const char *model_after(const struct model *m, const char *path)
{
	const struct edit *e = model_edit(m, path);

	return e ? e->data : NULL;
}
