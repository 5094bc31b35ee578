// SPDX-License-Identifier: LGPL-2.1-or-later
// linux_names: names of disks that hang on the bus (/dev/sda5) become names that do not.
//
// A name becomes UUID= where the volume has one, PARTUUID= where only the partition has, else what
// the disk is called in the target (/dev/vda). What cannot be mapped is left as it is and becomes
// a to-do: a guess could mount the wrong disk.
#include "guestfix/rules/rules.h"

#include <ctype.h>

static const char reason[] = "the disks have other names on another bus";

/* ---- one name ---- */

/* A disk name of Linux that depends on the driver: "/dev/sda1", "/dev/nvme0n1p2" ... */
static bool hangs_on_bus(const char *name)
{
	static const char *const prefixes[] = {"sd", "hd", "xvd", "vd"};

	if (!starts_with(name, "/dev/"))
		return false;
	name += strlen("/dev/");
	for (unsigned i = 0; i < ARRAY_SIZE(prefixes); i++) {
		size_t n = strlen(prefixes[i]);

		if (!strncmp(name, prefixes[i], n) && islower((unsigned char)name[n]))
			return true;
	}
	return starts_with(name, "nvme") && isdigit((unsigned char)name[4]);
}

/* Names by the place on the bus, or by the serial number of a virtual disk: both change. */
static bool is_by_path(const char *name)
{
	static const char *const prefixes[] = {"/dev/disk/by-path/", "/dev/disk/by-id/scsi-",
		"/dev/disk/by-id/ata-", "/dev/disk/by-id/wwn-", "/dev/disk/by-id/nvme-"};

	for (unsigned i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (starts_with(name, prefixes[i]))
			return true;
	return false;
}

/* With a single disk, "...-part1" can only be its first partition. */
static int find_by_path(const struct facts *f, const char *name)
{
	const char *part = strstr(name, "-part");
	uint64_t n;

	if (f->n_disks != 1 || !part || parse_u64(part + strlen("-part"), 1024, &n) < 0 || !n)
		return -1;
	for (size_t i = 0; i < f->n_volumes; i++)
		if (!f->volumes[i].lv && f->volumes[i].part == n)
			return (int)i;
	return -1;
}

/* What disk i is called in the target; NULL = nobody knows. */
static char *target_disk(const struct rules *r, unsigned i)
{
	switch (r->p->caps.disk_bus) {
	case VM_BUS_VIRTIO_BLK:
		return i < 26 ? xasprintf("/dev/vd%c", 'a' + i) : NULL;
	case VM_BUS_VIRTIO_SCSI:
	case VM_BUS_SATA:
	case VM_BUS_IDE:
		return i < 26 ? xasprintf("/dev/sd%c", 'a' + i) : NULL;
	default:
		return NULL;
	}
}

/* A whole disk: "/dev/sda". */
static char *map_disk(const struct rules *r, const char *name)
{
	for (unsigned i = 0; i < r->f->n_disks; i++)
		if (r->f->disk_name[i] && !strcmp(name + strlen("/dev/"), r->f->disk_name[i]))
			return target_disk(r, i);
	return NULL;
}

static char *map_volume(const struct rules *r, int index)
{
	const struct facts_volume *v = &r->f->volumes[index];
	_auto_(mem) char *disk = NULL;

	if (v->uuid)
		return xasprintf("UUID=%s", v->uuid);
	if (v->partuuid)
		return xasprintf("PARTUUID=%s", v->partuuid);
	disk = target_disk(r, v->disk);
	if (!disk)
		return NULL;
	return v->part ? xasprintf("%s%u", disk, v->part) : STEAL(disk);
}

/* PARTUUID= is the only one of these names that a kernel without an initramfs understands (Linux
 * documentation: admin-guide/kernel-parameters, root=). */
static char *map_root(const struct rules *r, int index)
{
	const struct facts_volume *v = &r->f->volumes[index];

	for (size_t i = 0; v->partuuid && i < r->f->n_kernels; i++)
		if (!r->f->kernels[i].initrd_path)
			return xasprintf("PARTUUID=%s", v->partuuid);
	return map_volume(r, index);
}

static char *map_name(const struct rules *r, const char *name,
	char *(*map)(const struct rules *, int), bool *unknown)
{
	bool by_path = is_by_path(name);
	char *mapped;
	int volume;

	*unknown = false;
	if (!by_path && !hangs_on_bus(name))
		return NULL;
	volume = by_path ? find_by_path(r->f, name) : facts_find_volume(r->f, name);
	mapped = volume >= 0 ? map(r, volume) : by_path ? NULL : map_disk(r, name);
	if (!mapped) {
		*unknown = true;
		return NULL;
	}
	if (!strcmp(mapped, name)) {
		free(mapped);
		return NULL;
	}
	return mapped;
}

/* ---- texts ---- */

/* A text being copied with some names replaced. */
struct change {
	const struct rules *r;
	struct str out;
	const char *copied; /* up to here it is in out */
	bool changed;
	char ***unknown; /* names that are not known; NULL = nobody asks */
};

static void map_span(
	struct change *c, struct span name, char *(*map)(const struct rules *, int))
{
	_auto_(mem) char *old = span_dup(name);
	_auto_(mem) char *new = NULL;
	bool unknown;

	if (strlen(old) != name.len)
		return; /* a NUL byte */
	new = map_name(c->r, old, map, &unknown);
	if (unknown && c->unknown && !strv_has(*c->unknown, old))
		strv_add(c->unknown, old);
	if (!new)
		return;
	str_addn(&c->out, c->copied, (size_t)(name.s - c->copied));
	str_add(&c->out, new);
	c->copied = name.s + name.len;
	c->changed = true;
}

/* NULL when nothing changed. */
static char *change_end(struct change *c, const char *end, size_t *ret_len)
{
	if (!c->changed) {
		str_clear(&c->out);
		return NULL;
	}
	str_addn(&c->out, c->copied, (size_t)(end - c->copied));
	*ret_len = c->out.len;
	return str_steal(&c->out);
}

/* Field number `field` of each line that is no comment (fstab: 0, crypttab: 1). */
static char *map_table(const struct rules *r, const char *text, size_t len, unsigned field,
	char ***unknown, size_t *ret_len)
{
	struct change c = {.r = r, .out = STR_INIT, .copied = text, .unknown = unknown};
	const char *pos = text, *end = text + len;
	struct span line, word;

	while (text_line(&pos, end, &line)) {
		size_t at = 0;
		unsigned i = 0;

		if (!text_first_word(&line, &word))
			continue;
		while (text_word(&line, &at, &word) && i++ < field)
			;
		if (i == field + 1)
			map_span(&c, word, map_volume);
	}
	return change_end(&c, end, ret_len);
}

/* Words "root=X" and "resume=X" inside a span of parameters. */
static void map_parameters(struct change *c, struct span params)
{
	static const char *const keys[] = {"root=", "resume="};
	struct span word;
	size_t at = 0;

	while (text_word(&params, &at, &word))
		for (unsigned i = 0; i < ARRAY_SIZE(keys); i++)
			if (span_starts(word, keys[i])) {
				size_t n = strlen(keys[i]);

				map_span(c, (struct span){word.s + n, word.len - n},
					i ? map_volume : map_root);
			}
}

char *names_map_table(const struct rules *r, const char *text, size_t len, unsigned field,
	const char *file, size_t *ret_len)
{
	return map_table(r, text, len, field, NULL, ret_len);
}

/* The value of RESUME= in every line that sets it. */
static char *map_resume(
	const struct rules *r, const char *text, size_t len, char ***unknown, size_t *ret_len)
{
	struct change c = {.r = r, .out = STR_INIT, .copied = text, .unknown = unknown};
	const char *pos = text, *end = text + len;
	struct span line, value;

	while (text_line(&pos, end, &line))
		if (text_shell_span(line.s, line.len, "RESUME", &value))
			map_span(&c, value, map_volume);
	return change_end(&c, end, ret_len);
}

char *names_map_resume(const struct rules *r, const char *text, size_t len, size_t *ret_len)
{
	return map_resume(r, text, len, NULL, ret_len);
}

/* Kernel lines of grub.cfg. */
static char *map_grub_cfg(
	const struct rules *r, const char *text, size_t len, char ***unknown, size_t *ret_len)
{
	struct change c = {.r = r, .out = STR_INIT, .copied = text, .unknown = unknown};
	const char *pos = text, *end = text + len;
	struct span line, word;

	while (text_line(&pos, end, &line))
		if (text_first_word(&line, &word) && span_starts(word, "linux"))
			map_parameters(&c, line);
	return change_end(&c, end, ret_len);
}

/* GRUB_CMDLINE_LINUX and its variants in /etc/default/grub. */
static char *map_grub_default(
	const struct rules *r, const char *text, size_t len, char ***unknown, size_t *ret_len)
{
	struct change c = {.r = r, .out = STR_INIT, .copied = text, .unknown = unknown};
	const char *pos = text, *end = text + len;
	struct span line, value;

	while (text_line(&pos, end, &line)) {
		struct span t = span_trim(line);
		const char *equal = memchr(t.s, '=', t.len);
		_auto_(mem) char *key = NULL;

		if (!span_starts(t, "GRUB_CMDLINE_LINUX") || !equal)
			continue;
		key = xstrndup(t.s, (size_t)(equal - t.s));
		if (text_shell_span(line.s, line.len, key, &value))
			map_parameters(&c, value);
	}
	return change_end(&c, end, ret_len);
}

/* ---- files ---- */

typedef char *mapper(
	const struct rules *r, const char *text, size_t len, char ***unknown, size_t *ret_len);

static char *map_fstab(
	const struct rules *r, const char *text, size_t len, char ***unknown, size_t *ret_len)
{
	return map_table(r, text, len, 0, unknown, ret_len);
}

/* crypttab: the source device; device.map: what "(hd0)" is. */
static char *map_second(
	const struct rules *r, const char *text, size_t len, char ***unknown, size_t *ret_len)
{
	return map_table(r, text, len, 1, unknown, ret_len);
}

static void map_file(struct rules *r, const char *path, mapper *map, const char *summary)
{
	char **unknown = NULL;
	const char *text;
	char *changed;
	size_t len;

	if (!rules_text(r, path, &text, &len))
		return;
	changed = map(r, text, len, &unknown, &len);
	if (changed)
		rules_write(r, path, changed, len, summary, reason);
	strv_foreach (name, unknown)
		rules_todo(r, "%s: %s: it is not known which disk this is; give it a UUID",
			path, *name);
	strv_free(unknown);
}

static void map_folder(struct rules *r, const char *dir, mapper *map, const char *summary)
{
	for (size_t i = 0; i < r->f->n_files; i++)
		if (starts_with(r->f->files[i].path, dir))
			map_file(r, r->f->files[i].path, map, summary);
}

/* md arrays are put together by their UUIDs; a line that names devices would look for old ones. */
static void check_mdadm(struct rules *r)
{
	static const char path[] = "/etc/mdadm/mdadm.conf";
	const char *text, *pos;
	struct span line, word;
	size_t len;

	if (!rules_text(r, path, &text, &len))
		return;
	pos = text;
	while (text_line(&pos, text + len, &line))
		if (text_first_word(&line, &word) && memmem(line.s, line.len, "/dev/sd", 7))
			rules_todo(r, "%s: \"%.*s\" names disks of the old bus", path,
				(int)MIN(line.len, (size_t)120), line.s);
}

int rule_names(struct rules *r, struct err *err)
{
	map_file(r, "/etc/fstab", map_fstab, "name file systems by UUID");
	map_file(r, "/etc/crypttab", map_second, "name encrypted volumes by UUID");
	map_folder(r, "/etc/initramfs-tools/conf.d/", map_resume,
		"name the resume device by UUID");
	map_file(r, "/etc/default/grub", map_grub_default, "name root= and resume= by UUID");
	map_folder(
		r, "/etc/default/grub.d/", map_grub_default, "name root= and resume= by UUID");
	map_file(r, "/boot/grub/grub.cfg", map_grub_cfg, "name root= and resume= by UUID");
	map_file(r, "/boot/grub/device.map", map_second, "name the disk as it is called now");
	check_mdadm(r);
	if (r->f->firmware != VM_FIRMWARE_UEFI && facts_package(r->f, "grub-pc") &&
		r->p->caps.disk_bus == VM_BUS_VIRTIO_BLK)
		rules_todo(r,
			"grub-pc remembers the disk it was installed on (debconf grub-pc/install_devices); "
			"before its next update, run: dpkg-reconfigure grub-pc, and choose /dev/vda");
	return 0;
}
