// SPDX-License-Identifier: LGPL-2.1-or-later
// linux_initramfs: appends what an initramfs lacks to start from virtio disks.
//
// Nothing in it is changed: a segment goes behind it (lib/initrd.h). It holds the modules, the
// indexes by which kmod and udev find them, and corrected copies of the few configuration files
// of the guest that were built into it.
#include "guestfix/lib/initrd.h"
#include "guestfix/lib/kmod.h"
#include "guestfix/lib/unpack.h"
#include "guestfix/rules/rules.h"

#include <sys/stat.h>

const char *const boot_modules[] = {"virtio_pci", "virtio_blk", "virtio_scsi", "sd_mod", NULL};

/* Always from the guest's module folder: what they say about new modules matters. */
static const char *const indexes[] = {
	"modules.dep", "modules.dep.bin", "modules.alias.bin", "modules.softdep"};
/* Only where the initramfs has none. */
static const char *const constant_indexes[] = {"modules.builtin", "modules.builtin.bin",
	"modules.builtin.alias.bin", "modules.builtin.modinfo", "modules.order"};
/* Read by busybox' modprobe, not by kmod. */
static const char *const text_indexes[] = {"modules.alias", "modules.symbols"};

/* Paths of the modules that are needed and not in there. */
static char **missing_modules(const struct facts_kernel *k)
{
	char **all = NULL, **missing = NULL;

	for (const char *const *m = boot_modules; *m; m++)
		kmod_closure(k->modules_dep, k->modules_builtin, *m, &all);
	strv_foreach (path, all) {
		_auto_(mem) char *name = kmod_name(*path);

		if (!initrd_has_module(k->initrd, k->version, name))
			strv_add(&missing, *path);
	}
	strv_free(all);
	return missing;
}

static bool has_kmod(const struct initrd *rd)
{
	static const char *const names[] = {"bin/kmod", "usr/bin/kmod", "sbin/kmod"};

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		if (initrd_find(rd, names[i]))
			return true;
	return false;
}

/* The module folder inside the initramfs, links followed: "usr/lib/modules/VERSION". */
static char *module_folder(const struct facts_kernel *k)
{
	_auto_(mem) char *path = xasprintf("lib/modules/%s/x", k->version);
	char *real = initrd_real_path(k->initrd, path);

	if (real)
		real[strlen(real) - strlen("/x")] = '\0';
	return real;
}

char **initramfs_wanted_files(const struct facts_kernel *k)
{
	char **wanted = k->initrd ? missing_modules(k) : NULL;
	_auto_(mem) char *folder = NULL;

	if (!wanted)
		return NULL;
	folder = module_folder(k);
	for (unsigned i = 0; i < ARRAY_SIZE(indexes); i++)
		strv_add(&wanted, indexes[i]);
	for (unsigned i = 0; folder && i < ARRAY_SIZE(constant_indexes); i++) {
		_auto_(mem) char *path = xasprintf("%s/%s", folder, constant_indexes[i]);

		if (!initrd_find(k->initrd, path))
			strv_add(&wanted, constant_indexes[i]);
	}
	for (unsigned i = 0; !has_kmod(k->initrd) && i < ARRAY_SIZE(text_indexes); i++)
		strv_add(&wanted, text_indexes[i]);
	return wanted;
}

/* ---- the segment ---- */

/* Bytes of a segment before it is packed. Modules and indexes of a large kernel have about 10 MB. */
#define SEGMENT_MAX (32 * 1024 * 1024)

struct segment {
	struct rules *r;
	const struct facts_kernel *k;
	struct cpio cpio;
	unsigned files;
	char **modules; /* names of those that are in it */
};

static void add(
	struct segment *s, const char *path, unsigned mode, const void *data, size_t len)
{
	cpio_add_file(&s->cpio, path, mode, data, len);
	s->files++;
}

/* How modules are packed in the initramfs ("", ".xz" ...); NULL = there are none. */
static const char *packed_suffix(const struct facts_kernel *k, const char *folder)
{
	_auto_(mem) char *prefix = xasprintf("%s/", folder);

	for (size_t i = 0; i < k->initrd->n_entries; i++) {
		const struct initrd_entry *e = &k->initrd->entries[i];

		if (S_ISREG(e->mode) && starts_with(e->path, prefix) && kmod_suffix(e->path))
			return kmod_suffix(e->path);
	}
	return NULL;
}

/* A packed module into one that lies plainly in an initramfs. */
static int add_unpacked(
	struct segment *s, const char *folder, const struct facts_file *file, struct err *err)
{
	size_t stem = strlen(file->path) - strlen(kmod_suffix(file->path));
	_auto_(mem) char *path = xasprintf("%s/%.*s", folder, (int)stem, file->path);
	_auto_(mem) void *data = NULL;
	enum initrd_compression c;
	size_t len;
	int r;

	if (!unpack_detect((const uint8_t *)file->data, file->len, &c))
		return err_set(err, EINVAL, "%s: not a compressed file", file->path);
	r = unpack_all(c, file->data, file->len, FACTS_MAX_MODULE, &data, &len, err);
	if (r < 0)
		return err_prefix(err, "%s", file->path);
	if (len > SEGMENT_MAX - MIN(s->cpio.out.len, (size_t)SEGMENT_MAX))
		return err_set(err, EINVAL,
			"%s: with it more than the %d bytes of modules allowed", file->path,
			SEGMENT_MAX);
	add(s, path, 0644, data, len);
	return 0;
}

/* modules.dep and its index for modules without a compression suffix. */
static int add_plain_indexes(struct segment *s, const char *folder, struct err *err)
{
	_auto_(mem) char *dep = kmod_rename_dep(s->k->modules_dep, "");
	_auto_(mem) char *dep_path = xasprintf("%s/modules.dep", folder);
	_auto_(mem) char *bin_path = xasprintf("%s/modules.dep.bin", folder);
	_auto_(mem) void *bin = NULL;
	size_t len;
	int r = kmod_dep_index(dep, &bin, &len, err);

	if (r < 0)
		return r;
	add(s, dep_path, 0644, dep, strlen(dep));
	add(s, bin_path, 0644, bin, len);
	return 0;
}

static int add_modules(struct segment *s, struct err *err)
{
	const struct facts_kernel *k = s->k;
	_auto_(mem) char *folder = module_folder(k);
	const char *suffix;
	bool unpack = false;
	int r = 0;

	if (!k->n_files)
		return 0;
	if (!folder)
		return err_set(err, EINVAL, "initramfs: links that lead in a circle");
	suffix = packed_suffix(k, folder);
	for (size_t i = 0; r >= 0 && i < k->n_files; i++) {
		const struct facts_file *file = &k->files[i];
		_auto_(mem) char *path = xasprintf("%s/%s", folder, file->path);
		const char *own = kmod_suffix(file->path);

		if (own)
			strv_take(&s->modules, kmod_name(file->path));
		if (own && *own && suffix && !*suffix) {
			unpack = true;
			r = add_unpacked(s, folder, file, err);
		} else if (own || !starts_with(file->path, "modules.dep")) {
			add(s, path, 0644, file->data, file->len);
		}
	}
	for (size_t i = 0; r >= 0 && !unpack && i < k->n_files; i++) {
		const struct facts_file *file = &k->files[i];
		_auto_(mem) char *path = xasprintf("%s/%s", folder, file->path);

		if (starts_with(file->path, "modules.dep"))
			add(s, path, 0644, file->data, file->len);
	}
	return r >= 0 && unpack ? add_plain_indexes(s, folder, err) : r;
}

/* initramfs-tools loads what conf/modules lists, whether udev asks for it or not. */
static void add_module_list(struct segment *s)
{
	const struct initrd_entry *e = initrd_find(s->k->initrd, "conf/modules");
	_auto_str_ struct str text = STR_INIT;

	if (!e || !e->data || !s->modules)
		return;
	str_addn(&text, e->data, e->size);
	if (text.len && text.s[text.len - 1] != '\n')
		str_addc(&text, '\n');
	for (const char *const *m = boot_modules; *m; m++) {
		char **paths = NULL;
		int r = kmod_closure(s->k->modules_dep, s->k->modules_builtin, *m, &paths);

		strv_free(paths);
		if (r == 0)
			str_addf(&text, "%s\n", *m);
	}
	add(s, "conf/modules", 0644, text.s, text.len);
}

/* Copies of the guest's configuration with old names of disks. */
static void add_corrected(struct segment *s)
{
	const struct initrd *rd = s->k->initrd;

	for (size_t i = 0; i < rd->n_entries; i++) {
		const struct initrd_entry *e = &rd->entries[i];
		_auto_(mem) char *text = NULL;
		size_t len;

		if (!e->data)
			continue;
		if (starts_with(e->path, "conf/conf.d/"))
			text = names_map_resume(s->r, e->data, e->size, &len);
		else if (!strcmp(e->path, "cryptroot/crypttab"))
			text = names_map_table(s->r, e->data, e->size, 1, NULL, &len);
		if (text)
			add(s, e->path, e->mode & 07777, text, len);
	}
}

/* udev in the initramfs gives interfaces their names when the driver is loaded there. */
static void add_links(struct segment *s)
{
	const struct facts_kernel *k = s->k;
	bool early_net = initrd_has_module(k->initrd, k->version, "virtio_net") ||
			 kmod_has(NULL, k->modules_builtin, "virtio_net");

	for (size_t i = 0; i < s->r->p->n_edits && early_net; i++) {
		const struct edit *e = &s->r->p->edits[i];

		if (e->kind == EDIT_WRITE && starts_with(e->path, "/etc/systemd/network/") &&
			ends_with(e->path, ".link") && !initrd_find(k->initrd, e->path + 1))
			add(s, e->path + 1, 0644, e->data, e->len);
	}
}

static char *describe(const struct segment *s)
{
	_auto_str_ struct str names = STR_INIT;

	strv_foreach (m, s->modules)
		str_addf(&names, "%s%s", names.len ? ", " : "", *m);
	if (!names.len)
		return xasprintf("append %u corrected files", s->files);
	return xasprintf("append a segment of %u files: modules %s", s->files, names.s);
}

static int plan_append(struct segment *s, struct err *err)
{
	const struct facts_kernel *k = s->k;
	_auto_(mem) char *summary = describe(s);
	struct edit *e;
	void *data;
	size_t len;
	int r = cpio_finish(&s->cpio, k->initrd->compression, &data, &len, err);

	if (r < 0)
		return r;
	e = rules_edit(s->r, EDIT_APPEND, k->initrd_path, summary,
		s->modules ? "the kernel finds its disk only with drivers for virtio"
			   : "names of disks change with the disk's bus");
	e->data = data;
	e->len = len;
	e->old_len = k->initrd_size;
	/* The kernel looks for archives at multiples of 4. An lz4 stream (legacy format) has no
	 * end of its own: four zero bytes make one. */
	e->offset = align_up(k->initrd_size, 4);
	if (k->initrd->compression == INITRD_LZ4)
		e->offset += 4;
	return 0;
}

static int plan_kernel(struct rules *r, const struct facts_kernel *k, struct err *err)
{
	struct segment s = {.r = r, .k = k, .cpio = {.out = STR_INIT, .rd = k->initrd}};
	int x = add_modules(&s, err);

	if (x >= 0) {
		add_module_list(&s);
		add_corrected(&s);
		add_links(&s);
	}
	if (x >= 0 && s.files)
		x = plan_append(&s, err);
	str_clear(&s.cpio.out);
	strv_free(s.cpio.folders);
	strv_free(s.modules);
	return x < 0 ? err_prefix(err, "%s", k->initrd_path) : 0;
}

/* All segments together must fit into the file system of /boot. */
static int check_space(struct rules *r, struct err *err)
{
	const struct facts_mount *m = facts_mount_of(r->f, "/boot/initrd.img");
	uint64_t need = 0;

	for (size_t i = 0; i < r->p->n_edits; i++)
		if (r->p->edits[i].kind == EDIT_APPEND)
			need += align_up(r->p->edits[i].len, 4096) + 4096;
	if (m && need > m->free_bytes)
		return err_set(err, ENOSPC,
			"%s has %llu bytes free, its initramfs files need %llu more", m->dir,
			(unsigned long long)m->free_bytes,
			(unsigned long long)(need - m->free_bytes));
	return 0;
}

int rule_initramfs(struct rules *r, struct err *err)
{
	for (size_t i = 0; i < r->f->n_kernels; i++) {
		const struct facts_kernel *k = &r->f->kernels[i];
		struct err e = {0};
		int x = k->initrd ? plan_kernel(r, k, &e) : 0;

		if (x < 0 && k == rules_default_kernel(r->f))
			return err_pass(err, &e);
		if (x < 0) /* the guest starts without it */
			rules_warn(r, "kernel %s cannot start on KVM: %s", k->version, e.text);
	}
	return check_space(r, err);
}
