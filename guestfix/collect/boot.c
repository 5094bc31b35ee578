// SPDX-License-Identifier: LGPL-2.1-or-later
// boot: kernels with their modules and initramfs, the firmware the disks are made for, the ESP.
#include "guestfix/collect/collect.h"

#include "guestfix/lib/initrd.h"
#include "guestfix/lib/kmod.h"
#include "guestfix/rules/rules.h"

#include <sys/stat.h>

#define MAX_EFI_FILES 256

/* ---- kernels ---- */

/* Newest first, numbers compared as numbers. */
static int by_version(const void *a, const void *b)
{
	return -strverscmp(((const struct facts_kernel *)a)->version,
		((const struct facts_kernel *)b)->version);
}

/* Bytes that the next file of a kernel may have. */
static uint64_t max_bytes(const struct facts *f)
{
	return MIN((uint64_t)FACTS_MAX_MODULE, FACTS_MAX_BYTES - f->bytes);
}

/* An optional text file of the module folder. */
static int read_text(struct facts *f, struct guest *g, const char *dir, const char *name,
	char **ret, struct err *err)
{
	_auto_(mem) char *path = xasprintf("%s/%s", dir, name);
	struct guest_stat st;
	size_t len;
	int r = guest_stat(g, path, &st, err);

	if (r <= 0 || !S_ISREG(st.mode))
		return r < 0 ? r : 0;
	r = guest_read(g, path, max_bytes(f), ret, &len, err);
	if (r >= 0)
		f->bytes += len;
	return r;
}

static int collect_modules(
	struct facts *f, struct facts_kernel *k, struct guest *g, struct err *err)
{
	_auto_(mem) char *dir = xasprintf("/lib/modules/%s", k->version);
	struct guest_stat st;
	int r = guest_stat(g, dir, &st, err);

	if (r <= 0 || !S_ISDIR(st.mode))
		return r < 0 ? r : 0;
	k->module_dir = STEAL(dir);
	r = read_text(f, g, k->module_dir, "modules.dep", &k->modules_dep, err);
	return r < 0 ? r
		     : read_text(f, g, k->module_dir, "modules.builtin", &k->modules_builtin,
			       err);
}

static int collect_initrd(struct facts_kernel *k, struct guest *g, struct err *err)
{
	_auto_(mem) char *path = xasprintf("/boot/initrd.img-%s", k->version);
	_auto_(mem) char *bytes = NULL;
	struct guest_stat st;
	struct err e = {0};
	size_t len;
	int r = guest_stat(g, path, &st, err);

	if (r <= 0 || !S_ISREG(st.mode))
		return r < 0 ? r : 0;
	/* The file itself, not a link to it: it will be copied and replaced. */
	r = guest_realpath(g, path, &k->initrd_path, err);
	if (r < 0)
		return r;
	k->initrd_size = st.size;
	/* A damaged one is the guest's affair: its kernel cannot be helped, others can. */
	if (guest_read(g, k->initrd_path, FACTS_MAX_INITRD, &bytes, &len, &e) < 0 ||
		initrd_parse(&k->initrd, bytes, len, &e) < 0)
		k->initrd_error = xstrdup(e.text);
	return 0;
}

/* The files that the initramfs rule will want to add. */
static int collect_missing(
	struct facts *f, struct facts_kernel *k, struct guest *g, struct err *err)
{
	char **wanted = initramfs_wanted_files(k);
	int r = 0;

	strv_foreach (name, wanted) {
		_auto_(mem) char *path = xasprintf("%s/%s", k->module_dir, *name);
		_auto_(mem) char *data = NULL;
		struct guest_stat st;
		size_t len;

		r = guest_stat(g, path, &st, err);
		if (r > 0 && S_ISREG(st.mode)) {
			r = guest_read(g, path, max_bytes(f), &data, &len, err);
			if (r >= 0) {
				f->bytes += len;
				facts_kernel_add_file(k, *name, data, len);
			}
		} else if (r >= 0 && kmod_suffix(*name)) {
			facts_warn(f, "%s: is listed in modules.dep, but not there", path);
		}
		if (r < 0)
			break;
	}
	strv_free(wanted);
	return r < 0 ? r : 0;
}

static int collect_kernel(
	struct facts *f, struct guest *g, const char *version, struct err *err)
{
	struct facts_kernel *k = facts_add_kernel(f);
	int r;

	k->version = xstrdup(version);
	k->image = xasprintf("/boot/vmlinuz-%s", version);
	r = collect_modules(f, k, g, err);
	if (r >= 0)
		r = collect_initrd(k, g, err);
	if (r >= 0 && k->initrd && k->module_dir)
		r = collect_missing(f, k, g, err);
	return r < 0 ? err_prefix(err, "kernel %s", version) : 0;
}

static bool is_saved_copy(const char *name)
{
	return ends_with(name, ".old") || ends_with(name, ".bak") ||
	       ends_with(name, ".dpkg-tmp") || ends_with(name, ".dpkg-new") ||
	       ends_with(name, ".dpkg-bak") || ends_with(name, "~");
}

static int collect_kernels(struct facts *f, struct guest *g, struct err *err)
{
	static const char prefix[] = "vmlinuz-";
	char **names = NULL;
	int r = guest_list(g, "/boot", &names, err);

	strv_foreach (name, names) {
		if (!starts_with(*name, prefix) || !(*name)[strlen(prefix)] ||
			is_saved_copy(*name))
			continue;
		if (f->n_kernels == FACTS_MAX_KERNELS) {
			facts_warn(f, "more than %d kernels, the rest is left alone",
				FACTS_MAX_KERNELS);
			break;
		}
		r = collect_kernel(f, g, *name + strlen(prefix), err);
		if (r < 0)
			break;
	}
	strv_free(names);
	if (f->n_kernels)
		qsort(f->kernels, f->n_kernels, sizeof(f->kernels[0]), by_version);
	return r < 0 ? r : 0;
}

/* The kernel of the first entry in GRUB's menu; without one, the newest. */
static void mark_default(struct facts *f)
{
	const struct facts_file *cfg = facts_file(f, "/boot/grub/grub.cfg");
	const char *pos = cfg && cfg->data ? cfg->data : "";
	const char *end = pos + (cfg && cfg->data ? cfg->len : 0);
	struct span line, word, image;

	while (text_line(&pos, end, &line)) {
		size_t at = 0;

		if (!text_word(&line, &at, &word) ||
			!(span_is(word, "linux") || span_is(word, "linux16") ||
				span_is(word, "linuxefi")) ||
			!text_word(&line, &at, &image))
			continue;
		for (size_t i = 0; i < f->n_kernels; i++) {
			_auto_(mem) char *name =
				xasprintf("/vmlinuz-%s", f->kernels[i].version);
			size_t n = strlen(name);

			if (image.len >= n && !memcmp(image.s + image.len - n, name, n)) {
				f->kernels[i].is_default = true;
				return;
			}
		}
	}
	if (f->n_kernels)
		f->kernels[0].is_default = true;
}

/* ---- firmware ---- */

static bool has_suffix_nocase(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && !strcasecmp(s + n - m, suffix);
}

/* Files in <esp>/EFI/VENDOR: loaders and their configuration. */
static int list_efi(struct facts *f, struct guest *g, struct err *err)
{
	_auto_(mem) char *efi = xasprintf("%s/EFI", f->esp_dir);
	char **vendors = NULL;
	struct guest_stat st;
	int r = guest_stat(g, efi, &st, err);

	if (r <= 0 || !S_ISDIR(st.mode))
		return r < 0 ? r : 0;
	r = guest_list(g, efi, &vendors, err);
	strv_foreach (vendor, vendors) {
		_auto_(mem) char *dir = xasprintf("%s/%s", efi, *vendor);
		char **names = NULL;

		r = guest_stat(g, dir, &st, err);
		if (r > 0 && S_ISDIR(st.mode))
			r = guest_list(g, dir, &names, err);
		strv_foreach (name, names) {
			if (strv_len(f->efi_files) < MAX_EFI_FILES)
				strv_take(
					&f->efi_files, xasprintf("EFI/%s/%s", *vendor, *name));
			if (has_suffix_nocase(*name, ".cfg") && r >= 0) {
				_auto_(mem) char *cfg = xasprintf("%s/%s", dir, *name);

				r = collect_file(f, g, cfg, err);
			}
		}
		strv_free(names);
		if (r < 0)
			break;
	}
	strv_free(vendors);
	return r < 0 ? r : 0;
}

/* The files of the ESP that is mounted on f->esp_dir. A damaged one is a warning: the guest may start
 * without it. */
static void note_efi(struct facts *f, struct guest *g)
{
	struct err e = {0};

	if (list_efi(f, g, &e) < 0)
		facts_warn(f, "EFI system partition on %s: %s", f->esp_dir, e.text);
}

/* Finds the ESP and mounts it when fstab did not. */
static int collect_esp(struct facts *f, struct guest *g, struct err *err)
{
	static const char *const dirs[] = {"/boot/efi", "/efi"};
	struct facts_mount *m;
	struct guest_stat st;
	struct err e = {0};
	int r = 0;

	for (size_t i = 0; i < f->n_mounts; i++) {
		const struct facts_volume *v = &f->volumes[f->mounts[i].volume];

		/* An ESP in the table, or what the guest itself uses as one. */
		if (v->type && !strcmp(v->type, "vfat") &&
			(v->esp || !strcmp(f->mounts[i].dir, "/boot/efi"))) {
			f->esp = (int)f->mounts[i].volume;
			f->esp_dir = xstrdup(f->mounts[i].dir);
			note_efi(f, g);
			return 0;
		}
	}
	for (size_t i = 0; f->esp < 0 && i < f->n_volumes; i++)
		if (f->volumes[i].esp && f->volumes[i].type &&
			!strcmp(f->volumes[i].type, "vfat"))
			f->esp = (int)i;
	if (f->esp < 0)
		return 0;
	for (size_t i = 0; r >= 0 && !f->esp_dir && i < ARRAY_SIZE(dirs); i++) {
		r = guest_stat(g, dirs[i], &st, err);
		if (r > 0 && S_ISDIR(st.mode))
			f->esp_dir = xstrdup(dirs[i]);
	}
	if (r < 0 || !f->esp_dir)
		return r < 0 ? r : 0;
	if (guest_mount(g, f->volumes[f->esp].device, f->esp_dir, NULL, &e) < 0) {
		facts_warn(f, "EFI system partition: %s", e.text);
		free(STEAL(f->esp_dir));
		return 0;
	}
	m = facts_add_mount(f);
	m->dir = xstrdup(f->esp_dir);
	m->volume = (unsigned)f->esp;
	r = guest_free_space(g, m->dir, &m->free_bytes, &m->free_inodes, err);
	if (r >= 0)
		note_efi(f, g);
	return r;
}

/* GRUB's boot code in the first sector of a disk says its own name. */
static int has_bios_grub(const struct facts *f, struct guest *g, bool *ret, struct err *err)
{
	*ret = false;
	for (size_t i = 0; i < f->n_disks; i++) {
		uint8_t sector[512];
		int r;

		if (f->disk_size[i] < sizeof(sector))
			continue;
		r = block_pread(guest_disk(g, i), sector, sizeof(sector), 0, err);
		if (r < 0)
			return r;
		if (memmem(sector, 440, "GRUB", 4))
			*ret = true;
	}
	return 0;
}

static int collect_firmware(struct facts *f, struct guest *g, struct err *err)
{
	bool loader = false, bios;
	int r = has_bios_grub(f, g, &bios, err);

	strv_foreach (name, f->efi_files)
		loader = loader || has_suffix_nocase(*name, ".efi");
	if (loader && !bios)
		f->firmware = VM_FIRMWARE_UEFI;
	else if (!loader)
		f->firmware = VM_FIRMWARE_BIOS;
	/* both: the disks boot either way, so they do not say */
	return r;
}

int collect_boot(struct facts *f, struct guest *g, struct err *err)
{
	int r = collect_kernels(f, g, err);

	if (r < 0)
		return r;
	mark_default(f);
	r = collect_esp(f, g, err);
	return r < 0 ? r : collect_firmware(f, g, err);
}
