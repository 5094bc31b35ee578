// SPDX-License-Identifier: LGPL-2.1-or-later
/* rules: what is planned for a guest that was made by hand (guest_model.h). */
#include "tests/unit/test.h"

#include "tests/support/guest_model.h"

#include "guestfix/lib/initrd.h"

static struct err err;

/* Does one of the sentences say `part`? */
static bool says(char *const *list, const char *part)
{
	strv_foreach (s, list)
		if (strstr(*s, part))
			return true;
	return false;
}

/* ---- names ---- */

static void expect_names(const char *path, const char *before, const char *after)
{
	struct model m;

	model_init(&m);
	model_file(&m, path, before);
	model_plan(&m);
	if (after)
		assert_string_equal(model_after(&m, path) ?: "(no edit)", after);
	else
		assert_null(model_after(&m, path));
	model_done(&m);
}

static void fstab_names_disks_by_uuid_and_keeps_its_form(void **state)
{
	expect_names("/etc/fstab",
		"# /dev/sda1 was here\n\n  /dev/sda1\t/  ext4 errors=remount-ro 0\t1 # root\r\n"
		"/dev/sda5 none swap sw 0 0\nUUID=7 /x ext4\nproc /proc proc\n/dev/sr0 /media/cdrom0",
		"# /dev/sda1 was here\n\n  UUID=1111\t/  ext4 errors=remount-ro 0\t1 # root\r\n"
		"UUID=5555 none swap sw 0 0\nUUID=7 /x ext4\nproc /proc proc\n/dev/sr0 /media/cdrom0");
	expect_names("/etc/fstab", "UUID=1111 / ext4 defaults 0 1\n", NULL);
	expect_names("/etc/fstab", "", NULL);
}

static void a_disk_by_its_path_is_known_when_there_is_only_one(void **state)
{
	struct model m;

	expect_names("/etc/fstab",
		"/dev/disk/by-path/pci-0000:03:00.0-scsi-0:0:0:0-part5 none swap\n",
		"UUID=5555 none swap\n");
	model_init(&m);
	m.f->n_disks = 2;
	model_file(&m, "/etc/fstab", "/dev/disk/by-path/pci-0-part5 none swap\n");
	model_plan(&m);
	assert_null(model_after(&m, "/etc/fstab"));
	assert_true(says(m.p->todo, "by-path/pci-0-part5"));
	model_done(&m);
}

static void a_disk_that_is_not_known_becomes_a_todo(void **state)
{
	struct model m;

	model_init(&m);
	model_file(&m, "/etc/fstab", "/dev/sdb1 /data ext4\n/dev/sdb1 /again ext4\n");
	model_plan(&m);
	assert_null(model_after(&m, "/etc/fstab"));
	assert_true(says(m.p->todo, "/etc/fstab: /dev/sdb1: it is not known"));
	/* once, not twice */
	assert_int_equal(strv_len(m.p->todo), 1);
	model_done(&m);
}

static void crypttab_resume_grub_and_device_map_are_mapped(void **state)
{
	expect_names("/etc/crypttab", "# x\nswap /dev/sda5 /dev/urandom swap\n",
		"# x\nswap UUID=5555 /dev/urandom swap\n");
	expect_names(
		"/etc/initramfs-tools/conf.d/resume", "RESUME=/dev/sda5", "RESUME=UUID=5555");
	expect_names("/etc/initramfs-tools/conf.d/resume", "# c\nRESUME=\"/dev/sda5\"\n",
		"# c\nRESUME=\"UUID=5555\"\n");
	expect_names("/etc/initramfs-tools/conf.d/resume", "RESUME=none\n", NULL);
	expect_names("/etc/default/grub",
		"GRUB_CMDLINE_LINUX_DEFAULT=\"quiet resume=/dev/sda5\"\n"
		"GRUB_CMDLINE_LINUX=\"root=/dev/sda1\"\nX=root=/dev/sda1\n",
		"GRUB_CMDLINE_LINUX_DEFAULT=\"quiet resume=UUID=5555\"\n"
		"GRUB_CMDLINE_LINUX=\"root=UUID=1111\"\nX=root=/dev/sda1\n");
	expect_names("/boot/grub/grub.cfg",
		"menuentry 'x' {\n\tlinux\t/boot/vmlinuz-6.1.0-1 root=/dev/sda1 ro quiet\n}\n",
		"menuentry 'x' {\n\tlinux\t/boot/vmlinuz-6.1.0-1 root=UUID=1111 ro quiet\n}\n");
	expect_names("/boot/grub/device.map", "(hd0)\t/dev/sda\n", "(hd0)\t/dev/vda\n");
}

static void a_kernel_without_an_initramfs_gets_a_root_it_understands(void **state)
{
	struct facts_kernel *k;
	struct model m;

	model_init(&m);
	k = &m.f->kernels[0];
	free(k->initrd_path);
	k->initrd_path = NULL;
	initrd_free(k->initrd);
	k->initrd = NULL;
	free(k->modules_builtin);
	k->modules_builtin = xstrdup("k/virtio_pci.ko\nk/virtio_blk.ko\n");
	m.f->volumes[0].partuuid = xstrdup("abcd-01");
	m.f->volumes[1].partuuid = xstrdup("abcd-05");
	model_file(&m, "/etc/fstab", "/dev/sda1 / ext4\n");
	model_file(&m, "/boot/grub/grub.cfg",
		"\tlinux /vmlinuz-6.1.0-1 root=/dev/sda1 resume=/dev/sda5 ro\n");
	model_plan(&m);
	assert_string_equal(model_after(&m, "/boot/grub/grub.cfg"),
		"\tlinux /vmlinuz-6.1.0-1 root=PARTUUID=abcd-01 resume=UUID=5555 ro\n");
	assert_string_equal(model_after(&m, "/etc/fstab"), "UUID=1111 / ext4\n");
	model_done(&m);
}

static void a_volume_without_a_uuid_is_named_by_its_partition_or_place(void **state)
{
	struct model m;

	model_init(&m);
	m.f->volumes[1].uuid = (free(m.f->volumes[1].uuid), NULL);
	model_file(&m, "/etc/crypttab", "swap /dev/sda5 /dev/urandom swap\n");
	model_plan(&m);
	assert_string_equal(
		model_after(&m, "/etc/crypttab"), "swap /dev/vda5 /dev/urandom swap\n");
	m.f->volumes[1].partuuid = xstrdup("abcd-05");
	model_plan(&m);
	assert_string_equal(
		model_after(&m, "/etc/crypttab"), "swap PARTUUID=abcd-05 /dev/urandom swap\n");
	model_done(&m);
}

static void hostile_texts_change_nothing_and_end(void **state)
{
	static const char *const paths[] = {"/etc/fstab", "/etc/crypttab", "/etc/default/grub",
		"/boot/grub/grub.cfg", "/boot/grub/device.map", "/etc/network/interfaces",
		"/etc/initramfs-tools/conf.d/x", "/etc/netplan/a.yaml",
		"/etc/systemd/network/a.network", "/etc/udev/rules.d/70-persistent-net.rules",
		"/etc/mdadm/mdadm.conf"};
	size_t len = 10 * MiB;
	char *text = xmalloc(len);

	/* lines of 10 MB: blanks, letters, NULs, slashes */
	for (unsigned k = 0; k < 4; k++) {
		struct model m;

		model_init(&m);
		memset(text, " x\0/"[k], len);
		for (unsigned i = 0; i < ARRAY_SIZE(paths); i++)
			facts_add_file(m.f, paths[i], text, len);
		model_plan(&m);
		for (unsigned i = 0; i < ARRAY_SIZE(paths); i++)
			assert_null(model_edit(&m, paths[i]));
		model_done(&m);
	}
	free(text);
}

static void a_name_with_a_nul_byte_in_it_is_left_alone(void **state)
{
	static const char text[] = "/dev/sda1\0x / ext4\n";
	struct model m;

	model_init(&m);
	facts_add_file(m.f, "/etc/fstab", text, sizeof(text) - 1);
	model_plan(&m);
	assert_null(model_edit(&m, "/etc/fstab"));
	model_done(&m);
}

/* ---- kernels ---- */

static void the_default_kernel_decides_the_bus(void **state)
{
	struct model m;

	model_init(&m);
	model_plan(&m);
	assert_int_equal(m.p->caps.disk_bus, VM_BUS_VIRTIO_BLK);
	assert_string_equal(m.p->caps.nic_model, "virtio");
	assert_false(m.p->caps.rng);
	model_done(&m);
}

static void a_kernel_without_virtio_gets_the_bus_it_can_start_from_and_a_warning(void **state)
{
	static const char *const with_ahci[] = {"lib/modules/6.1.0-1/kernel/ahci.ko",
		"lib/modules/6.1.0-1/kernel/sd_mod.ko", NULL};
	struct model m;

	model_init(&m);
	free(m.f->kernels[0].modules_dep);
	m.f->kernels[0].modules_dep =
		xstrdup("kernel/ahci.ko:\nkernel/sd_mod.ko:\nkernel/e1000e.ko:\n");
	model_initrd(&m, with_ahci);
	model_plan(&m);
	assert_int_equal(m.p->caps.disk_bus, VM_BUS_SATA);
	assert_string_equal(m.p->caps.nic_model, "e1000e");
	assert_true(says(m.p->warnings, "emulated"));
	/* nothing to append, nothing to persist */
	assert_int_equal(m.p->n_edits, 0);
	model_done(&m);
}

static void a_guest_without_a_kernel_that_can_start_is_refused(void **state)
{
	struct plan *p = NULL;
	struct model m;

	model_init(&m);
	free(m.f->kernels[0].modules_dep);
	m.f->kernels[0].modules_dep = xstrdup("kernel/xen_blkfront.ko:\n");
	assert_fails(guestfix_plan(&p, m.f, NULL, NULL, &err), ENOTSUP, "kernel 6.1.0-1");
	m.f->n_kernels = 0;
	assert_fails(guestfix_plan(&p, m.f, NULL, NULL, &err), ENOTSUP, "no kernel");
	m.f->n_kernels = 1;
	assert_null(p);
	model_done(&m);
}

static void a_module_that_is_listed_but_gone_counts_as_none(void **state)
{
	struct facts_kernel *k;
	struct plan *p = NULL;
	struct model m;

	model_init(&m);
	model_plan(&m);
	assert_int_equal(m.p->caps.disk_bus, VM_BUS_VIRTIO_BLK);
	k = &m.f->kernels[0];
	for (size_t i = 0; i < k->n_files; i++)
		if (strstr(k->files[i].path, "virtio_blk.ko"))
			memcpy(strstr(k->files[i].path, "virtio"), "gone__", 6);
	model_plan(&m);
	assert_int_equal(m.p->caps.disk_bus, VM_BUS_VIRTIO_SCSI);
	for (size_t i = 0; i < k->n_files; i++)
		if (strstr(k->files[i].path, "virtio_pci.ko"))
			memcpy(strstr(k->files[i].path, "virtio_pci"), "gone__", 6);
	assert_fails(guestfix_plan(&p, m.f, m.vm, NULL, &err), ENOTSUP, "not installed");
	model_done(&m);
}

static void a_damaged_initramfs_of_the_default_kernel_is_named(void **state)
{
	struct plan *p = NULL;
	struct model m;

	model_init(&m);
	initrd_free(m.f->kernels[0].initrd);
	m.f->kernels[0].initrd = NULL;
	m.f->kernels[0].initrd_error = xstrdup("initramfs: archive 2 is cut short");
	assert_fails(
		guestfix_plan(&p, m.f, NULL, NULL, &err), ENOTSUP, "archive 2 is cut short");
	model_done(&m);
}

/* ---- initramfs ---- */

/* The segment that was planned, read again. */
static struct initrd *segment(const struct model *m)
{
	const struct edit *e = model_edit(m, "/boot/initrd.img-6.1.0-1");
	struct initrd *rd = NULL;

	assert_non_null(e);
	assert_int_equal(e->kind, EDIT_APPEND);
	assert_ok(initrd_parse(&rd, e->data, e->len, &err));
	return rd;
}

static void what_is_missing_is_appended_behind_real_folders(void **state)
{
	static const char m1[] = "usr/lib/modules/6.1.0-1/kernel/drivers/block/virtio_blk.ko";
	struct initrd *rd;
	struct model m;

	model_init(&m);
	model_plan(&m);
	rd = segment(&m);
	assert_non_null(initrd_find(rd, m1));
	assert_non_null(initrd_find(rd, "usr/lib/modules/6.1.0-1/modules.dep.bin"));
	assert_non_null(initrd_find(rd, "usr/lib/modules/6.1.0-1/modules.alias.bin"));
	/* there already: the module, the link and the folders */
	assert_false(initrd_has_module(rd, "6.1.0-1", "sd_mod"));
	assert_null(initrd_find(rd, "lib"));
	assert_null(initrd_find(rd, "usr"));
	assert_null(initrd_find(rd, "usr/lib/modules/6.1.0-1"));
	assert_non_null(initrd_find(rd, "usr/lib/modules/6.1.0-1/kernel/drivers/block"));
	/* configuration that was built in */
	assert_string_equal(initrd_find(rd, "conf/modules")->data,
		"dm_mod\nvirtio_pci\nvirtio_blk\nvirtio_scsi\nsd_mod\n");
	assert_string_equal(initrd_find(rd, "conf/conf.d/resume")->data, "RESUME=UUID=5555\n");
	initrd_free(rd);
	assert_int_equal(model_edit(&m, "/boot/initrd.img-6.1.0-1")->offset, 1004);
	model_done(&m);
}

static void an_initramfs_that_has_everything_is_left_alone(void **state)
{
	static const char *const full[] = {"lib/modules/6.1.0-1/sd_mod.ko",
		"lib/modules/6.1.0-1/virtio.ko.xz", "lib/modules/6.1.0-1/virtio_blk.ko",
		"lib/modules/6.1.0-1/virtio_pci.ko", "lib/modules/6.1.0-1/virtio_ring.ko",
		"lib/modules/6.1.0-1/virtio_scsi.ko", NULL};
	struct model m;

	model_init(&m);
	model_initrd(&m, full);
	model_plan(&m);
	assert_null(model_edit(&m, "/boot/initrd.img-6.1.0-1"));
	model_done(&m);
}

static void built_in_drivers_need_nothing(void **state)
{
	struct model m;

	model_init(&m);
	free(m.f->kernels[0].modules_builtin);
	m.f->kernels[0].modules_builtin = xstrdup(
		"k/virtio_pci.ko\nk/virtio_blk.ko\nk/virtio_scsi.ko\nk/sd_mod.ko\nk/virtio.ko\n");
	m.f->kernels[0].initrd->entries[3].data[0] = '#'; /* no resume device to correct */
	model_plan(&m);
	assert_null(model_edit(&m, "/boot/initrd.img-6.1.0-1"));
	assert_null(model_edit(&m, "/etc/initramfs-tools/modules"));
	model_done(&m);
}

static void packed_modules_are_unpacked_for_an_initramfs_with_plain_ones(void **state)
{
	/* gzip of "hello", made by gzip(1) */
	static const uint8_t gz[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xcb, 0x48, 0xcd, 0xc9,
		0xc9, 7, 0, 0x86, 0xa6, 0x10, 0x36, 5, 0, 0, 0};
	static const char packed_dep[] =
		"k/virtio_pci.ko.gz:\nk/virtio_blk.ko.gz: k/virtio_pci.ko.gz\n";
	static const char *const entries[] = {
		"bin/kmod", "lib/modules/6.1.0-1/k/sd_mod.ko", NULL};
	struct facts_kernel *k;
	struct initrd *rd;
	struct model m;

	model_init(&m);
	k = &m.f->kernels[0];
	free(k->modules_dep);
	k->modules_dep = xstrdup(packed_dep);
	model_initrd(&m, entries);
	facts_kernel_add_file(k, "k/virtio_pci.ko.gz", gz, sizeof(gz));
	facts_kernel_add_file(k, "k/virtio_blk.ko.gz", gz, sizeof(gz));
	facts_kernel_add_file(k, "modules.dep", packed_dep, strlen(packed_dep));
	facts_kernel_add_file(k, "modules.dep.bin", "x", 1);
	model_plan(&m);
	rd = segment(&m);
	assert_int_equal(initrd_find(rd, "lib/modules/6.1.0-1/k/virtio_blk.ko")->size, 5);
	assert_null(initrd_find(rd, "lib/modules/6.1.0-1/k/virtio_blk.ko.gz"));
	/* the index is not the guest's, which names the packed files */
	assert_true(initrd_find(rd, "lib/modules/6.1.0-1/modules.dep.bin")->size > 1);
	assert_int_equal(initrd_find(rd, "lib/modules/6.1.0-1/modules.dep")->size,
		strlen("k/virtio_pci.ko:\nk/virtio_blk.ko: k/virtio_pci.ko\n"));
	initrd_free(rd);
	model_done(&m);
}

/* A kernel whose only module, gzip of 40 MB of zeros, is not in its initramfs. */
static void add_bomb(struct facts_kernel *k)
{
	static const char *const entries[] = {
		"bin/kmod", "lib/modules/6.1.0-1/k/sd_mod.ko", NULL};
	struct model m = {0};
	struct cpio c = {.out = STR_INIT};
	char *zeros = xcalloc(1, 40 * MiB);
	struct facts f = {.kernels = k, .n_kernels = 1};
	void *gz;
	size_t len;

	str_addn(&c.out, zeros, 40 * MiB);
	free(zeros);
	assert_ok(cpio_finish(&c, INITRD_GZIP, &gz, &len, &err));
	m.f = &f;
	model_initrd(&m, entries);
	free(k->modules_dep);
	k->modules_dep = xstrdup("k/virtio_pci.ko.gz:\nk/virtio_blk.ko.gz:\n");
	facts_kernel_add_file(k, "k/virtio_pci.ko.gz", gz, len);
	facts_kernel_add_file(k, "k/virtio_blk.ko.gz", gz, len);
	free(gz);
}

static void modules_that_unpack_to_too_much_are_refused(void **state)
{
	struct plan *p = NULL;
	struct model m;

	model_init(&m);
	add_bomb(&m.f->kernels[0]);
	assert_fails(
		guestfix_plan(&p, m.f, NULL, NULL, &err), EINVAL, "bytes of modules allowed");
	model_done(&m);
}

static void a_kernel_that_is_not_the_default_fails_alone(void **state)
{
	struct facts_kernel *old;
	struct model m;

	model_init(&m);
	old = facts_add_kernel(m.f);
	old->version = xstrdup("6.1.0-1");
	old->module_dir = xstrdup("/lib/modules/6.1.0-1");
	old->initrd_path = xstrdup("/boot/initrd.img-old");
	add_bomb(old);
	model_plan(&m);
	assert_non_null(model_edit(&m, "/boot/initrd.img-6.1.0-1"));
	assert_null(model_edit(&m, "/boot/initrd.img-old"));
	assert_true(says(m.p->warnings, "cannot start on KVM: /boot/initrd.img-old"));
	model_done(&m);
}

static void the_segment_is_packed_like_the_initramfs(void **state)
{
	static const struct {
		enum initrd_compression c, segment;
		uint64_t offset; /* of 1001 bytes */
	} cases[] = {{INITRD_GZIP, INITRD_GZIP, 1004}, {INITRD_ZSTD, INITRD_ZSTD, 1004},
		{INITRD_XZ, INITRD_PLAIN, 1004}, {INITRD_LZ4, INITRD_PLAIN, 1008}};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct initrd *rd;
		struct model m;

		model_init(&m);
		m.f->kernels[0].initrd->compression = cases[i].c;
		model_plan(&m);
		rd = segment(&m);
		assert_int_equal(rd->compression, cases[i].segment);
		assert_int_equal(
			model_edit(&m, "/boot/initrd.img-6.1.0-1")->offset, cases[i].offset);
		initrd_free(rd);
		model_done(&m);
	}
}

static void a_full_boot_file_system_is_refused_with_numbers(void **state)
{
	struct plan *p = NULL;
	struct model m;

	model_init(&m);
	model_plan(&m);
	m.f->mounts[0].free_bytes = 1000;
	assert_fails(guestfix_plan(&p, m.f, m.vm, &m.o, &err), ENOSPC, "/ has 1000 bytes free");
	model_done(&m);
}

/* ---- persist ---- */

static void the_modules_are_listed_once_for_the_next_initramfs(void **state)
{
	static const char path[] = "/etc/initramfs-tools/modules";
	struct model m;
	char *first;

	model_init(&m);
	model_file(&m, path, "# list\nvirtio_blk\nloop");
	model_plan(&m);
	first = xstrdup(model_after(&m, path));
	assert_string_equal(first,
		"# list\nvirtio_blk\nloop\n# drivers for KVM's disks, added by wherry\n"
		"virtio_pci\nvirtio_scsi\nsd_mod\n");
	model_done(&m);
	model_init(&m);
	model_file(&m, path, first);
	model_plan(&m);
	assert_null(model_edit(&m, path));
	model_done(&m);
	free(first);
}

static void dracut_gets_a_file_of_its_own(void **state)
{
	struct model m;

	model_init(&m);
	facts_add_file(m.f, "/usr/bin/dracut", NULL, 0);
	model_plan(&m);
	assert_non_null(strstr(model_after(&m, "/etc/dracut.conf.d/10-wherry.conf"),
		"add_drivers+=\" virtio_pci virtio_blk virtio_scsi sd_mod \""));
	model_done(&m);
}

/* ---- tools ---- */

static void vmwares_services_are_masked_unless_they_are_or_shall_stay(void **state)
{
	struct model m;

	model_init(&m);
	facts_add_file(m.f, "/lib/systemd/system/open-vm-tools.service", NULL, 0);
	facts_add_file(m.f, "/lib/systemd/system/vgauth.service", NULL, 0);
	facts_add_file(m.f, "/etc/systemd/system/vgauth.service", NULL, 0)->link =
		xstrdup("/dev/null");
	facts_add_file(m.f, "/etc/init.d/vmware-tools", NULL, 0);
	model_plan(&m);
	assert_string_equal(model_edit(&m, "/etc/systemd/system/open-vm-tools.service")->target,
		"/dev/null");
	assert_null(model_edit(&m, "/etc/systemd/system/vgauth.service"));
	assert_non_null(model_edit(&m, "/etc/systemd/system/vmware-tools.service"));
	assert_null(model_edit(&m, "/etc/systemd/system/vmware-tools-thinprint.service"));
	m.o.keep_tools = true;
	model_plan(&m);
	assert_null(model_edit(&m, "/etc/systemd/system/open-vm-tools.service"));
	model_done(&m);
}

/* ---- console ---- */

static const char cfg[] =
	"menuentry 'a' {\n\tlinux /vmlinuz-6.1.0-1 root=UUID=1111 ro quiet \n}\n";

static void a_console_is_added_only_when_asked_for(void **state)
{
	struct model m;

	model_init(&m);
	model_file(&m, "/boot/grub/grub.cfg", cfg);
	model_file(&m, "/etc/default/grub", "GRUB_CMDLINE_LINUX=\"\"\n");
	model_plan(&m);
	assert_null(model_edit(&m, "/boot/grub/grub.cfg"));
	assert_false(m.p->caps.serial_console);
	m.o.serial_console = true;
	model_plan(&m);
	assert_string_equal(model_after(&m, "/boot/grub/grub.cfg"),
		"menuentry 'a' {\n\tlinux /vmlinuz-6.1.0-1 root=UUID=1111 ro quiet console=tty0 "
		"console=ttyS0,115200 \n}\n");
	assert_string_equal(model_after(&m, "/etc/default/grub"),
		"GRUB_CMDLINE_LINUX=\"console=tty0 console=ttyS0,115200\"\n");
	assert_true(m.p->caps.serial_console);
	model_done(&m);
}

static void a_console_that_is_there_is_kept(void **state)
{
	struct plan *p = NULL;
	struct model m;

	model_init(&m);
	model_file(&m, "/boot/grub/grub.cfg", "\tlinux /vmlinuz-6.1.0-1 console=ttyS0,9600\n");
	assert_ok(guestfix_plan_console(&p, m.f, &err));
	assert_int_equal(p->n_edits, 0);
	assert_true(p->caps.serial_console);
	plan_free(p);
	model_done(&m);
}

static void names_and_console_change_the_same_file_together(void **state)
{
	struct model m;
	unsigned edits = 0;

	model_init(&m);
	m.o.serial_console = true;
	model_file(&m, "/boot/grub/grub.cfg", "\tlinux /vmlinuz-6.1.0-1 root=/dev/sda1\n");
	model_plan(&m);
	assert_string_equal(model_after(&m, "/boot/grub/grub.cfg"),
		"\tlinux /vmlinuz-6.1.0-1 root=UUID=1111 console=tty0 console=ttyS0,115200\n");
	for (size_t i = 0; i < m.p->n_edits; i++)
		edits += !strcmp(m.p->edits[i].path, "/boot/grub/grub.cfg");
	assert_int_equal(edits, 1);
	assert_string_equal(model_edit(&m, "/boot/grub/grub.cfg")->old,
		"\tlinux /vmlinuz-6.1.0-1 root=/dev/sda1\n");
	model_done(&m);
}

static void a_file_behind_a_link_is_edited_once_by_two_rules(void **state)
{
	struct model m;
	unsigned edits = 0;

	model_init(&m);
	m.o.serial_console = true;
	model_file(&m, "/boot/grub/grub.cfg", "\tlinux /vmlinuz-6.1.0-1 root=/dev/sda1\n");
	m.f->files[m.f->n_files - 1].real = xstrdup("/boot/other/real.cfg");
	model_plan(&m);
	assert_string_equal(model_after(&m, "/boot/other/real.cfg"),
		"\tlinux /vmlinuz-6.1.0-1 root=UUID=1111 console=tty0 console=ttyS0,115200\n");
	for (size_t i = 0; i < m.p->n_edits; i++)
		edits += m.p->edits[i].kind == EDIT_WRITE &&
			 (strstr(m.p->edits[i].path, "grub.cfg") ||
				 strstr(m.p->edits[i].path, "real.cfg"));
	assert_int_equal(edits, 1);
	model_done(&m);
}

static void a_protected_quote_does_not_end_a_value(void **state)
{
	struct model m;

	model_init(&m);
	m.o.serial_console = true;
	model_file(&m, "/boot/grub/grub.cfg", "\tlinux /vmlinuz-6.1.0-1\n");
	model_file(&m, "/etc/default/grub",
		"GRUB_CMDLINE_LINUX=\"dyndbg=\\\"file x +p\\\" quiet\"\n");
	model_plan(&m);
	assert_string_equal(model_after(&m, "/etc/default/grub"),
		"GRUB_CMDLINE_LINUX=\"dyndbg=\\\"file x +p\\\" quiet console=tty0 "
		"console=ttyS0,115200\"\n");
	model_done(&m);
}

static void the_console_plan_alone_has_nothing_else(void **state)
{
	struct plan *p = NULL;
	struct model m;

	model_init(&m);
	model_file(&m, "/boot/grub/grub.cfg", "\tlinux /vmlinuz root=/dev/sda1\n");
	assert_ok(guestfix_plan_console(&p, m.f, &err));
	assert_int_equal(p->n_edits, 1);
	assert_string_equal(p->edits[0].data,
		"\tlinux /vmlinuz root=/dev/sda1 console=tty0 console=ttyS0,115200\n");
	plan_free(p);
	model_done(&m);
}

/* ---- network, see also test_rules_network.c ---- */

static const char link192[] = "/etc/systemd/network/10-wherry-ens192.link";

static void the_link_file_goes_into_an_initramfs_that_loads_the_driver(void **state)
{
	static const char *const entries[] = {"bin/kmod", "lib/modules/6.1.0-1/sd_mod.ko",
		"lib/modules/6.1.0-1/virtio_net.ko", NULL};
	struct initrd *rd;
	struct model m;

	model_init(&m);
	model_initrd(&m, entries);
	model_file(&m, "/etc/network/interfaces", "iface ens192 inet dhcp\n");
	model_plan(&m);
	rd = segment(&m);
	assert_non_null(initrd_find(rd, link192 + 1));
	initrd_free(rd);
	model_done(&m);
}

/* ---- UEFI ---- */

static void uefi_model(struct model *m, const char *const *files)
{
	model_init(m);
	m->f->firmware = VM_FIRMWARE_UEFI;
	m->f->esp_dir = xstrdup("/boot/efi");
	for (; *files; files++)
		strv_add(&m->f->efi_files, *files);
	model_plan(m);
}

static void the_vendors_loaders_are_copied_to_the_fallback_place(void **state)
{
	static const char *const files[] = {"EFI/debian/shimx64.efi", "EFI/debian/grubx64.efi",
		"EFI/debian/mmx64.efi", "EFI/debian/grub.cfg", NULL};
	struct model m;

	uefi_model(&m, files);
	assert_string_equal(model_edit(&m, "/boot/efi/EFI/BOOT/BOOTX64.EFI")->target,
		"/boot/efi/EFI/debian/shimx64.efi");
	assert_string_equal(model_edit(&m, "/boot/efi/EFI/BOOT/grubx64.efi")->target,
		"/boot/efi/EFI/debian/grubx64.efi");
	assert_non_null(model_edit(&m, "/boot/efi/EFI/BOOT/mmx64.efi"));
	assert_non_null(model_edit(&m, "/boot/efi/EFI/BOOT/grub.cfg"));
	assert_int_equal(m.p->caps.firmware, VM_FIRMWARE_UEFI);
	model_done(&m);
}

static void without_shim_grub_itself_is_the_fallback(void **state)
{
	static const char *const files[] = {"EFI/Debian/GRUBX64.EFI", NULL};
	struct model m;

	uefi_model(&m, files);
	assert_string_equal(model_edit(&m, "/boot/efi/EFI/BOOT/BOOTX64.EFI")->target,
		"/boot/efi/EFI/Debian/GRUBX64.EFI");
	assert_null(model_edit(&m, "/boot/efi/EFI/BOOT/grubx64.efi"));
	model_done(&m);
}

static void a_fallback_loader_that_is_there_is_left_alone(void **state)
{
	static const char *const files[] = {"EFI/BOOT/bootx64.efi", "EFI/debian/shimx64.efi",
		"EFI/debian/grubx64.efi", NULL};
	struct model m;

	uefi_model(&m, files);
	assert_null(model_edit(&m, "/boot/efi/EFI/BOOT/BOOTX64.EFI"));
	assert_null(model_edit(&m, "/boot/efi/EFI/BOOT"));
	assert_null(model_edit(&m, "/boot/efi/EFI/BOOT/grubx64.efi"));
	model_done(&m);
}

static void the_disks_decide_the_firmware_with_a_warning(void **state)
{
	struct model m;

	model_init(&m);
	m.vm->firmware = VM_FIRMWARE_UEFI;
	model_plan(&m);
	assert_int_equal(m.p->caps.firmware, VM_FIRMWARE_BIOS);
	assert_true(says(m.p->warnings, "firmware uefi, but the disks are made for bios"));
	m.f->firmware = VM_FIRMWARE_UNKNOWN;
	model_plan(&m);
	assert_int_equal(m.p->caps.firmware, VM_FIRMWARE_UEFI);
	model_done(&m);
}

/* ---- the plan as a whole ---- */

static void the_same_facts_give_the_same_plan(void **state)
{
	struct model m;
	struct plan *p;

	model_init(&m);
	model_file(&m, "/etc/fstab", "/dev/sda1 / ext4\n");
	model_file(&m, "/etc/network/interfaces", "iface ens192 inet dhcp\n");
	model_plan(&m);
	assert_ok(guestfix_plan(&p, m.f, m.vm, &m.o, &err));
	assert_int_equal(p->n_edits, m.p->n_edits);
	for (size_t i = 0; i < p->n_edits; i++) {
		assert_string_equal(p->edits[i].path, m.p->edits[i].path);
		assert_int_equal(p->edits[i].len, m.p->edits[i].len);
		assert_memory_equal(p->edits[i].data, m.p->edits[i].data, p->edits[i].len);
	}
	plan_free(p);
	model_done(&m);
}

static void every_edit_has_a_rule_a_summary_and_a_reason_in_json(void **state)
{
	const char *keys[] = {"rule", "kind", "path", "summary", "reason"};
	struct model m;
	json_t *j, *edits, *e;
	size_t i;

	model_init(&m);
	model_file(&m, "/etc/fstab", "/dev/sda1 /\xff ext4\n");
	model_plan(&m);
	j = plan_json(m.p);
	edits = json_object_get(j, "edits");
	assert_true(json_array_size(edits) >= 3);
	json_array_foreach(edits, i, e) for (unsigned k = 0; k < ARRAY_SIZE(keys); k++)
		assert_true(json_string_length(json_object_get(e, keys[k])) > 0);
	json_decref(j);
	model_done(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fstab_names_disks_by_uuid_and_keeps_its_form),
		cmocka_unit_test(a_disk_by_its_path_is_known_when_there_is_only_one),
		cmocka_unit_test(a_disk_that_is_not_known_becomes_a_todo),
		cmocka_unit_test(a_kernel_without_an_initramfs_gets_a_root_it_understands),
		cmocka_unit_test(crypttab_resume_grub_and_device_map_are_mapped),
		cmocka_unit_test(a_volume_without_a_uuid_is_named_by_its_partition_or_place),
		cmocka_unit_test(hostile_texts_change_nothing_and_end),
		cmocka_unit_test(a_name_with_a_nul_byte_in_it_is_left_alone),
		cmocka_unit_test(the_default_kernel_decides_the_bus),
		cmocka_unit_test(
			a_kernel_without_virtio_gets_the_bus_it_can_start_from_and_a_warning),
		cmocka_unit_test(a_guest_without_a_kernel_that_can_start_is_refused),
		cmocka_unit_test(a_module_that_is_listed_but_gone_counts_as_none),
		cmocka_unit_test(a_damaged_initramfs_of_the_default_kernel_is_named),
		cmocka_unit_test(what_is_missing_is_appended_behind_real_folders),
		cmocka_unit_test(an_initramfs_that_has_everything_is_left_alone),
		cmocka_unit_test(built_in_drivers_need_nothing),
		cmocka_unit_test(packed_modules_are_unpacked_for_an_initramfs_with_plain_ones),
		cmocka_unit_test(modules_that_unpack_to_too_much_are_refused),
		cmocka_unit_test(a_kernel_that_is_not_the_default_fails_alone),
		cmocka_unit_test(the_segment_is_packed_like_the_initramfs),
		cmocka_unit_test(a_full_boot_file_system_is_refused_with_numbers),
		cmocka_unit_test(the_modules_are_listed_once_for_the_next_initramfs),
		cmocka_unit_test(dracut_gets_a_file_of_its_own),
		cmocka_unit_test(vmwares_services_are_masked_unless_they_are_or_shall_stay),
		cmocka_unit_test(a_console_is_added_only_when_asked_for),
		cmocka_unit_test(a_console_that_is_there_is_kept),
		cmocka_unit_test(a_file_behind_a_link_is_edited_once_by_two_rules),
		cmocka_unit_test(a_protected_quote_does_not_end_a_value),
		cmocka_unit_test(names_and_console_change_the_same_file_together),
		cmocka_unit_test(the_console_plan_alone_has_nothing_else),
		cmocka_unit_test(the_link_file_goes_into_an_initramfs_that_loads_the_driver),
		cmocka_unit_test(the_vendors_loaders_are_copied_to_the_fallback_place),
		cmocka_unit_test(without_shim_grub_itself_is_the_fallback),
		cmocka_unit_test(a_fallback_loader_that_is_there_is_left_alone),
		cmocka_unit_test(the_disks_decide_the_firmware_with_a_warning),
		cmocka_unit_test(the_same_facts_give_the_same_plan),
		cmocka_unit_test(every_edit_has_a_rule_a_summary_and_a_reason_in_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
