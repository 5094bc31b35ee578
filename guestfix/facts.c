// SPDX-License-Identifier: LGPL-2.1-or-later
// facts: making, freeing, looking up and printing what was found inside a guest.
#include "guestfix/facts.h"

#include "formats/base/json.h"
#include "guestfix/lib/initrd.h"

#include <ctype.h>
#include <stdarg.h>

const char *initrd_compression_name(enum initrd_compression c)
{
	static const char *const names[] = {
		[INITRD_PLAIN] = "none",
		[INITRD_GZIP] = "gzip",
		[INITRD_ZSTD] = "zstd",
		[INITRD_XZ] = "xz",
		[INITRD_LZMA] = "lzma",
		[INITRD_LZ4] = "lz4",
		[INITRD_BZIP2] = "bzip2",
		[INITRD_LZOP] = "lzop",
	};

	return names[c];
}

struct facts *facts_new(void)
{
	struct facts *f = xnew(struct facts);

	f->root = -1;
	f->esp = -1;
	return f;
}

static void file_done(struct facts_file *file)
{
	free(file->path);
	free(file->real);
	free(file->data);
	free(file->link);
}

static void kernel_done(struct facts_kernel *k)
{
	free(k->version);
	free(k->image);
	free(k->module_dir);
	free(k->initrd_path);
	initrd_free(k->initrd);
	free(k->initrd_error);
	free(k->modules_dep);
	free(k->modules_builtin);
	for (size_t i = 0; i < k->n_files; i++)
		file_done(&k->files[i]);
	free(k->files);
}

static void volume_done(struct facts_volume *v)
{
	free(v->device);
	free(v->type);
	free(v->uuid);
	free(v->label);
	free(v->partuuid);
	free(v->partlabel);
}

void facts_free(struct facts *f)
{
	if (!f)
		return;
	free(f->os_id);
	free(f->os_like);
	free(f->os_version);
	free(f->os_name);
	free(f->hostname);
	free(f->arch);
	for (size_t i = 0; i < VM_MAX_DISKS; i++)
		free(f->disk_name[i]);
	for (size_t i = 0; i < f->n_volumes; i++)
		volume_done(&f->volumes[i]);
	free(f->volumes);
	for (size_t i = 0; i < f->n_mounts; i++)
		free(f->mounts[i].dir);
	free(f->mounts);
	strv_free(f->efi_files);
	free(f->esp_dir);
	for (size_t i = 0; i < f->n_kernels; i++)
		kernel_done(&f->kernels[i]);
	free(f->kernels);
	for (size_t i = 0; i < f->n_files; i++)
		file_done(&f->files[i]);
	free(f->files);
	strv_free(f->packages);
	strv_free(f->warnings);
	free(f);
}

/* One more zeroed item at the end of an array; returns it. */
static void *grow(void **items, size_t *count, size_t size)
{
	char *p = xrealloc(*items, *count + 1, size);

	*items = p;
	p += *count * size;
	memset(p, 0, size);
	(*count)++;
	return p;
}

struct facts_volume *facts_add_volume(struct facts *f)
{
	return grow((void **)&f->volumes, &f->n_volumes, sizeof(*f->volumes));
}

struct facts_mount *facts_add_mount(struct facts *f)
{
	return grow((void **)&f->mounts, &f->n_mounts, sizeof(*f->mounts));
}

struct facts_kernel *facts_add_kernel(struct facts *f)
{
	return grow((void **)&f->kernels, &f->n_kernels, sizeof(*f->kernels));
}

static void file_fill(struct facts_file *file, const char *path, const void *data, size_t len)
{
	file->path = xstrdup(path);
	file->mode = 0644;
	if (data) {
		file->data = xcalloc(len + 1, 1);
		memcpy(file->data, data, len);
		file->len = len;
	}
}

struct facts_file *facts_add_file(
	struct facts *f, const char *path, const void *data, size_t len)
{
	struct facts_file *file = grow((void **)&f->files, &f->n_files, sizeof(*f->files));

	file_fill(file, path, data, len);
	return file;
}

struct facts_file *facts_kernel_add_file(
	struct facts_kernel *k, const char *path, const void *data, size_t len)
{
	struct facts_file *file = grow((void **)&k->files, &k->n_files, sizeof(*k->files));

	file_fill(file, path, data, len);
	return file;
}

void facts_warn(struct facts *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strv_take(&f->warnings, xvasprintf(fmt, ap));
	va_end(ap);
}

const struct facts_file *facts_file(const struct facts *f, const char *path)
{
	for (size_t i = 0; i < f->n_files; i++)
		if (!strcmp(f->files[i].path, path))
			return &f->files[i];
	return NULL;
}

const struct facts_file *facts_kernel_file(const struct facts_kernel *k, const char *path)
{
	for (size_t i = 0; i < k->n_files; i++)
		if (!strcmp(k->files[i].path, path))
			return &k->files[i];
	return NULL;
}

const char *facts_package(const struct facts *f, const char *name)
{
	size_t n = strlen(name);

	strv_foreach (p, f->packages)
		if (!strncmp(*p, name, n) && (*p)[n] == ' ')
			return *p + n + 1;
	return NULL;
}

/* Is path at or below dir? */
static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	if (!strcmp(dir, "/"))
		return path[0] == '/';
	return !strncmp(path, dir, n) && (path[n] == '\0' || path[n] == '/');
}

const struct facts_mount *facts_mount_of(const struct facts *f, const char *path)
{
	const struct facts_mount *best = NULL;

	for (size_t i = 0; i < f->n_mounts; i++) {
		const struct facts_mount *m = &f->mounts[i];

		if (is_below(path, m->dir) && (!best || strlen(m->dir) > strlen(best->dir)))
			best = m;
	}
	return best;
}

/* "sda1" with the disk named "sda" (or "nvme0n1p1" with "nvme0n1"): 1; the disk itself: 0; not
 * on this disk: -1. */
static int partition_of(const char *name, const char *disk)
{
	size_t n = strlen(disk);
	uint64_t part;

	if (strncmp(name, disk, n))
		return -1;
	name += n;
	if (!*name)
		return 0;
	if (isdigit((unsigned char)disk[n - 1])) {
		if (*name != 'p')
			return -1;
		name++;
	}
	if (*name == '0' || parse_u64(name, 1024, &part) < 0)
		return -1;
	return (int)part;
}

static int find_by_disk_name(const struct facts *f, const char *name)
{
	for (size_t d = 0; d < f->n_disks; d++) {
		int part = f->disk_name[d] ? partition_of(name, f->disk_name[d]) : -1;

		for (size_t i = 0; part >= 0 && i < f->n_volumes; i++)
			if (!f->volumes[i].lv && f->volumes[i].disk == d &&
				f->volumes[i].part == (unsigned)part)
				return (int)i;
	}
	return -1;
}

/* Does /dev/mapper's `name` ("vg-lv", where each hyphen of a name is written twice) mean the volume
 * `device` ("/dev/vg/lv")? */
static bool is_mapper_name(const char *name, const char *device)
{
	_auto_str_ struct str s = STR_INIT;

	if (!starts_with(device, "/dev/"))
		return false;
	for (const char *p = device + strlen("/dev/"); *p; p++) {
		if (*p == '-')
			str_add(&s, "--");
		else
			str_addc(&s, *p == '/' ? '-' : *p);
	}
	return !strcmp(s.s, name);
}

enum tag { TAG_UUID, TAG_LABEL, TAG_PARTUUID, TAG_PARTLABEL };

static const struct {
	const char *prefix;
	enum tag tag;
} tags[] = {
	{"UUID=", TAG_UUID},
	{"LABEL=", TAG_LABEL},
	{"PARTUUID=", TAG_PARTUUID},
	{"PARTLABEL=", TAG_PARTLABEL},
	{"/dev/disk/by-uuid/", TAG_UUID},
	{"/dev/disk/by-label/", TAG_LABEL},
	{"/dev/disk/by-partuuid/", TAG_PARTUUID},
	{"/dev/disk/by-partlabel/", TAG_PARTLABEL},
};

static const char *volume_tag(const struct facts_volume *v, enum tag tag)
{
	switch (tag) {
	case TAG_UUID:
		return v->uuid;
	case TAG_LABEL:
		return v->label;
	case TAG_PARTUUID:
		return v->partuuid;
	case TAG_PARTLABEL:
		return v->partlabel;
	}
	return NULL;
}

static int find_by_tag(const struct facts *f, enum tag tag, const char *value)
{
	_auto_(mem) char *v = xstrdup(value);
	size_t n = strlen(v);

	if (n >= 2 && (v[0] == '"' || v[0] == '\'') && v[n - 1] == v[0]) {
		v[n - 1] = '\0';
		memmove(v, v + 1, n - 1);
	}
	for (size_t i = 0; *v && i < f->n_volumes; i++) {
		const char *have = volume_tag(&f->volumes[i], tag);

		/* UUIDs are written in either case; labels are not the same then. */
		if (have && (tag == TAG_LABEL || tag == TAG_PARTLABEL ? !strcmp(have, v)
								      : !strcasecmp(have, v)))
			return (int)i;
	}
	return -1;
}

int facts_find_volume(const struct facts *f, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(tags); i++)
		if (starts_with(name, tags[i].prefix))
			return find_by_tag(f, tags[i].tag, name + strlen(tags[i].prefix));
	if (!starts_with(name, "/dev/"))
		return -1;
	for (size_t i = 0; i < f->n_volumes; i++) {
		const struct facts_volume *v = &f->volumes[i];

		if (v->lv && (!strcmp(v->device, name) ||
				     (starts_with(name, "/dev/mapper/") &&
					     is_mapper_name(name + strlen("/dev/mapper/"),
						     v->device))))
			return (int)i;
	}
	return find_by_disk_name(f, name + strlen("/dev/"));
}

static void set(json_t *o, const char *key, const char *value)
{
	if (value)
		json_object_set_new(o, key, json_text(value));
}

static json_t *volume_json(const struct facts *f, const struct facts_volume *v)
{
	json_t *o = json_object();

	set(o, "device", v->device);
	if (!v->lv)
		json_object_set_new(o, "disk", json_integer(v->disk));
	if (v->part)
		json_object_set_new(o, "partition", json_integer(v->part));
	json_object_set_new(o, "size", json_integer((json_int_t)v->size));
	set(o, "type", v->type);
	set(o, "uuid", v->uuid);
	set(o, "label", v->label);
	set(o, "partuuid", v->partuuid);
	if (v->esp)
		json_object_set_new(o, "esp", json_true());
	for (size_t i = 0; i < f->n_mounts; i++)
		if (&f->volumes[f->mounts[i].volume] == v)
			set(o, "mounted", f->mounts[i].dir);
	return o;
}

static json_t *kernel_json(const struct facts_kernel *k)
{
	json_t *o = json_object(), *missing = json_array();

	set(o, "version", k->version);
	set(o, "image", k->image);
	set(o, "modules", k->module_dir);
	set(o, "initramfs", k->initrd_path);
	json_object_set_new(o, "default", json_boolean(k->is_default));
	if (k->initrd)
		set(o, "compression", initrd_compression_name(k->initrd->compression));
	set(o, "initramfs_error", k->initrd_error);
	for (size_t i = 0; i < k->n_files; i++)
		if (strstr(k->files[i].path, ".ko"))
			json_array_append_new(missing, json_text(k->files[i].path));
	json_object_set_new(o, "missing_in_initramfs", missing);
	return o;
}

json_t *facts_json(const struct facts *f)
{
	json_t *o = json_object(), *os = json_object(), *a;

	set(os, "id", f->os_id);
	set(os, "like", f->os_like);
	set(os, "version", f->os_version);
	set(os, "name", f->os_name);
	set(os, "hostname", f->hostname);
	set(os, "arch", f->arch);
	json_object_set_new(o, "os", os);
	set(o, "firmware", vm_firmware_name(f->firmware));
	if (f->root >= 0)
		set(o, "root", f->volumes[f->root].device);

	a = json_array();
	for (size_t i = 0; i < f->n_disks; i++) {
		json_t *d = json_object();

		json_object_set_new(d, "size", json_integer((json_int_t)f->disk_size[i]));
		set(d, "name", f->disk_name[i]);
		json_array_append_new(a, d);
	}
	json_object_set_new(o, "disks", a);

	a = json_array();
	for (size_t i = 0; i < f->n_volumes; i++)
		json_array_append_new(a, volume_json(f, &f->volumes[i]));
	json_object_set_new(o, "volumes", a);

	a = json_array();
	for (size_t i = 0; i < f->n_kernels; i++)
		json_array_append_new(a, kernel_json(&f->kernels[i]));
	json_object_set_new(o, "kernels", a);
	json_object_set_new(o, "warnings", json_texts(f->warnings));
	return o;
}
