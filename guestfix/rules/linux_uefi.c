// SPDX-License-Identifier: LGPL-2.1-or-later
// linux_uefi: a boot loader where firmware looks that remembers nothing.
//
// The firmware's boot entries (NVRAM) do not travel with a disk. Without them it starts only
// EFI/BOOT/BOOT<ARCH>.EFI (UEFI specification 3.5.1.1), which Debian does not install. The
// loaders of the guest are copied there, with the file that tells GRUB where its menu is: GRUB
// looks for it in EFI/debian first as it was built, but an image started as EFI/BOOT reads
// EFI/BOOT/grub.cfg too.
#include "guestfix/rules/rules.h"

static const struct {
	const char *arch;
	const char *fallback, *shim, *grub, *mm;
} loaders[] = {
	{"x86_64", "BOOTX64.EFI", "shimx64.efi", "grubx64.efi", "mmx64.efi"},
	{"i686", "BOOTIA32.EFI", "shimia32.efi", "grubia32.efi", "mmia32.efi"},
	{"aarch64", "BOOTAA64.EFI", "shimaa64.efi", "grubaa64.efi", "mmaa64.efi"},
};

static const char reason[] = "the firmware's boot entries do not travel with the disk";

/* vfat does not tell case. */
static const char *find_efi(const struct facts *f, const char *dir, const char *name)
{
	_auto_(mem) char *path = xasprintf("EFI/%s/%s", dir, name);

	strv_foreach (p, f->efi_files)
		if (!strcasecmp(*p, path))
			return *p;
	return NULL;
}

/* A folder of EFI/ with this loader, the distribution's own first. Caller frees. */
static char *find_vendor(const struct facts *f, const char *grub)
{
	if (f->os_id && find_efi(f, f->os_id, grub))
		return xstrdup(f->os_id);
	strv_foreach (p, f->efi_files) {
		const char *dir = *p + strlen("EFI/");
		size_t n = strcspn(dir, "/");

		if (dir[n] == '/' && !strcasecmp(dir + n + 1, grub) &&
			strncasecmp(dir, "BOOT/", 5))
			return xstrndup(dir, n);
	}
	return NULL;
}

static void copy(struct rules *r, const char *vendor, const char *from, const char *to)
{
	const char *src = find_efi(r->f, vendor, from);
	_auto_(mem) char *source = NULL, *path = NULL, *summary = NULL;
	struct edit *e;

	if (!src || find_efi(r->f, "BOOT", to))
		return;
	source = xasprintf("%s/%s", r->f->esp_dir, src);
	path = xasprintf("%s/EFI/BOOT/%s", r->f->esp_dir, to);
	summary = xasprintf("copy %s", src);
	e = rules_edit(r, EDIT_COPY, path, summary, reason);
	e->target = STEAL(source);
}

static void make_folder(struct rules *r)
{
	_auto_(mem) char *dir = xasprintf("%s/EFI/BOOT", r->f->esp_dir);

	strv_foreach (p, r->f->efi_files)
		if (!strncasecmp(*p, "EFI/BOOT/", 9))
			return;
	rules_edit(r, EDIT_MKDIR, dir, "make the folder for the fallback loader", reason)
		->mode = 0755;
}

static int plan_fallback(struct rules *r, unsigned i, struct err *err)
{
	_auto_(mem) char *vendor = find_vendor(r->f, loaders[i].grub);
	bool shim;

	if (find_efi(r->f, "BOOT", loaders[i].fallback))
		return 0;
	if (!vendor) {
		rules_todo(r,
			"there is no EFI/BOOT/%s and no GRUB to make it of; the firmware needs a boot "
			"entry by hand",
			loaders[i].fallback);
		return 0;
	}
	make_folder(r);
	shim = find_efi(r->f, vendor, loaders[i].shim);
	copy(r, vendor, shim ? loaders[i].shim : loaders[i].grub, loaders[i].fallback);
	if (shim) {
		copy(r, vendor, loaders[i].grub, loaders[i].grub);
		copy(r, vendor, loaders[i].mm, loaders[i].mm);
	}
	copy(r, vendor, "grub.cfg", "grub.cfg");
	return 0;
}

/* What the disks are made for counts: a description can be edited, a boot loader cannot. */
static void check_description(struct rules *r)
{
	enum vm_firmware disks = r->f->firmware, said;

	said = r->source ? r->source->firmware : VM_FIRMWARE_UNKNOWN;
	if (disks != VM_FIRMWARE_UNKNOWN && said != VM_FIRMWARE_UNKNOWN && disks != said)
		rules_warn(r,
			"the description says firmware %s, but the disks are made for %s; the disks "
			"decide",
			vm_firmware_name(said), vm_firmware_name(disks));
	r->p->caps.firmware = disks != VM_FIRMWARE_UNKNOWN ? disks : said;
}

int rule_uefi(struct rules *r, struct err *err)
{
	check_description(r);
	if (r->p->caps.firmware != VM_FIRMWARE_UEFI)
		return 0;
	if (!r->f->esp_dir) {
		rules_todo(r, "the EFI system partition cannot be mounted in this guest (no "
			      "/boot/efi); the firmware may need a boot entry by hand");
		return 0;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(loaders); i++)
		if (r->f->arch && !strcmp(r->f->arch, loaders[i].arch))
			return plan_fallback(r, i, err);
	return 0;
}
