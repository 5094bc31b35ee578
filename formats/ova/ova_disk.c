// SPDX-License-Identifier: LGPL-2.1-or-later
/* ova_disk: disks of a package. */
#include "formats/ova/ova_disk.h"

#include "formats/base/str.h"
#include "formats/block/block_null.h"
#include "formats/image.h"

#include <inttypes.h>

static int find_format(const struct vm_disk *d, struct block *file,
	const struct image_format **ret, struct err *err)
{
	int r;

	if (d->format) {
		*ret = image_format_find(d->format);
		return *ret ? 0
			    : err_set(err, ENOTSUP, "%s: no reader for the format %s", d->file,
				      d->format);
	}
	r = image_probe(file, ret, err);
	if (r >= 0 && !strcmp((*ret)->name, "raw"))
		return err_set(err, ENOTSUP,
			"%s: the descriptor does not say its format, and its bytes do not either",
			d->file);
	return r;
}

static int open_image(
	struct ova *o, const struct vm_disk *d, struct block **ret, struct err *err)
{
	struct image_open how = {.dirfd = -1};
	_auto_(fd) int folder = -1;
	_auto_(block) struct block *file = NULL;
	const struct image_format *f;
	int r = ova_member(o, d->file, &file, err);

	if (r >= 0)
		r = find_format(d, file, &f, err);
	if (r >= 0)
		r = ova_folder(o, d->file, &folder, err);
	if (r >= 0) {
		how.dirfd = folder;
		r = f->open(ret, file, &how, err);
	}
	if (r >= 0)
		STEAL(file);
	return r;
}

int ova_disk_open(struct ova *o, const struct vm_disk *d, struct block **ret, struct err *err)
{
	_auto_(block) struct block *b = NULL;
	int r;

	if (!d->file) {
		*ret = block_null_new(d->size, d->id ? d->id : "empty disk");
		(*ret)->read_only = true;
		return 0;
	}
	r = open_image(o, d, &b, err);
	if (r >= 0 && b->size != d->size)
		r = err_set(err, EINVAL,
			"%s: the image has %" PRIu64 " bytes, the descriptor says %" PRIu64,
			d->file, b->size, d->size);
	if (r < 0)
		return err_prefix(err, "disk %s", d->id ? d->id : d->file);
	*ret = STEAL(b);
	return 0;
}

/* The name, which is relative to the disk's folder, as a reference of the descriptor would be. */
static char *as_reference(const char *disk_file, const char *name)
{
	const char *slash = strrchr(disk_file, '/');
	struct str s = STR_INIT;

	str_addn(&s, disk_file, slash ? (size_t)(slash - disk_file) + 1 : 0);
	for (; *name; name++)
		if (*name == '%')
			str_add(&s, "%25");
		else
			str_addc(&s, *name);
	return str_steal(&s);
}

int ova_disk_verify(
	struct ova *o, const struct vm_disk *d, const struct progress *p, struct err *err)
{
	_auto_(block) struct block *file = NULL;
	const struct image_format *f = NULL;
	char **names = NULL, **members = NULL;
	int r;

	if (!d->file)
		return 0;
	r = ova_member(o, d->file, &file, err);
	if (r >= 0)
		r = find_format(d, file, &f, err);
	if (r >= 0 && f->files)
		r = f->files(&names, file, err);
	strv_add(&members, d->file);
	strv_foreach (n, names)
		strv_take(&members, as_reference(d->file, *n));
	if (r >= 0)
		r = ova_verify_members(o, members, p, err);
	strv_free(names);
	strv_free(members);
	return r;
}
