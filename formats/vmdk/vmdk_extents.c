// SPDX-License-Identifier: LGPL-2.1-or-later
/* vmdk_extents: opening what the lines of a descriptor name, one kind per row of a table. */
#include "formats/vmdk/vmdk_extents.h"

#include "formats/base/io.h"
#include "formats/base/str.h"
#include "formats/block/block_concat.h"
#include "formats/block/block_file.h"
#include "formats/block/block_filter.h"
#include "formats/block/block_null.h"
#include "formats/block/block_window.h"
#include "formats/vmdk/vmdk_sparse.h"

#include <inttypes.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define SNAPSHOT_ADVICE                                                                        \
	"a snapshot of ESX: consolidate the snapshots in VMware, or export the machine as OVA"
#define DEVICE_ADVICE                                                                          \
	"a mapping of a device of the ESX host, which holds the data: copy the device"

/* The bytes of a file that an extent stands on. */
struct range {
	dev_t dev;
	ino_t ino;
	uint64_t from, to;
	size_t extent;
};

/* All that is open so far. */
struct opening {
	const struct vmdk_desc *d;
	int dirfd;
	bool damaged_ok;
	size_t files; /* that there are to open */
	struct block **parts;
	size_t part_count;
	struct range *ranges; /* of the files */
	size_t range_count;
	struct block **sparse; /* those parts that may lose grains; borrowed */
	size_t sparse_count;
};

/* The disk: the concat below, and what is in it. */
struct extents {
	struct block_filter filter;
	struct block **sparse; /* borrowed from the block below */
	size_t sparse_count;
};

/* ---- one extent ---------------------------------------------------------------------- */

static int open_flat(struct block **ret, struct opening *o, const struct vmdk_extent_line *e,
	struct block *take_file, struct err *err)
{
	uint64_t at = e->file_sector * VMDK_SECTOR, len = e->sectors * VMDK_SECTOR;

	if (!range_ok(at, len, take_file->size))
		return err_set(err, EINVAL,
			"%s: %" PRIu64 " sectors at sector %" PRIu64 " (to byte %" PRIu64
			"): the file has only %" PRIu64 " bytes",
			e->file, e->sectors, e->file_sector, at + len, take_file->size);
	o->ranges[o->range_count].from = at;
	o->ranges[o->range_count].to = at + len;
	return block_window_open(ret, take_file, at, len, err);
}

/* A whole file, whatever is asked of it. */
static int check_start(const struct vmdk_extent_line *e, struct err *err)
{
	return e->file_sector ? err_set(err, ENOTSUP,
					"%s: a %s extent that begins at sector %" PRIu64
					" of its file, not at 0",
					e->file, vmdk_extent_type_name(e->type), e->file_sector)
			      : 0;
}

static int open_vmfs(struct block **ret, struct opening *o, const struct vmdk_extent_line *e,
	struct block *take_file, struct err *err)
{
	int r = check_start(e, err);

	return r < 0 ? r : open_flat(ret, o, e, take_file, err);
}

static int open_sparse(struct block **ret, struct opening *o, const struct vmdk_extent_line *e,
	struct block *take_file, struct err *err)
{
	uint8_t head[VMDK_SECTOR] = {0};
	struct vmdk_header h;
	int r = check_start(e, err);

	if (r >= 0)
		r = block_pread(
			take_file, head, MIN((uint64_t)sizeof(head), take_file->size), 0, err);
	if (r < 0)
		return r;
	r = vmdk_header_parse(&h, head, err);
	if (r < 0)
		return err_prefix(err, "%s", e->file);
	if (h.capacity != e->sectors)
		return err_set(err, EINVAL,
			"%s: the descriptor says %" PRIu64 " sectors, its header %" PRIu64,
			e->file, e->sectors, h.capacity);
	/* Each would have its own cache of inflated grains. */
	if (h.compressed && o->files > 1)
		return err_set(err, ENOTSUP,
			"%s: a compressed extent, of a disk in %zu files: only a disk in one "
			"file is read compressed",
			e->file, o->files);
	r = vmdk_sparse_new(ret, take_file, &h, o->files, o->damaged_ok, err);
	if (r < 0)
		return err_prefix(err, "%s", e->file);
	o->ranges[o->range_count].to = UINT64_MAX;
	o->sparse[o->sparse_count++] = *ret;
	return 0;
}

/* What each type is: how it is read, or why it is not and what helps. ZERO needs no file. */
static const struct {
	int (*open)(struct block **ret, struct opening *o, const struct vmdk_extent_line *e,
		struct block *take_file, struct err *err);
	const char *refusal;
} kinds[] = {
	[VMDK_EXTENT_FLAT] = {.open = open_flat},
	[VMDK_EXTENT_SPARSE] = {.open = open_sparse},
	[VMDK_EXTENT_ZERO] = {0},
	[VMDK_EXTENT_VMFS] = {.open = open_vmfs},
	[VMDK_EXTENT_VMFSSPARSE] = {.refusal = SNAPSHOT_ADVICE},
	[VMDK_EXTENT_SESPARSE] = {.refusal = SNAPSHOT_ADVICE},
	[VMDK_EXTENT_VMFSRDM] = {.refusal = DEVICE_ADVICE},
	[VMDK_EXTENT_VMFSRAW] = {.refusal = DEVICE_ADVICE},
};

/* Does it stand on a file that is read? */
static bool has_file(const struct vmdk_extent_line *e)
{
	return e->access != VMDK_NOACCESS && e->type != VMDK_EXTENT_ZERO;
}

static int open_file(struct block **ret, const struct opening *o, const char *name,
	struct range *range, struct err *err)
{
	_auto_(fd) int fd = -1;
	struct stat st;
	int r = io_open_beneath(o->dirfd, name, &fd, err);

	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return err_set_errno(err, errno, "%s", name);
	range->dev = st.st_dev;
	range->ino = st.st_ino;
	r = block_file_from_fd(ret, fd, name, 0, err);
	if (r >= 0)
		steal_fd(&fd);
	return r;
}

static int open_extent(struct opening *o, size_t i, struct err *err)
{
	const struct vmdk_extent_line *e = &o->d->extents[i];
	_auto_(block) struct block *file = NULL;
	struct block **part = &o->parts[i];
	int r;

	if (!has_file(e)) {
		*part = block_null_new(e->sectors * VMDK_SECTOR, "zeros");
		(*part)->read_only = true;
		o->part_count++;
		return 0;
	}
	o->ranges[o->range_count].extent = i;
	r = open_file(&file, o, e->file, &o->ranges[o->range_count], err);
	if (r >= 0)
		r = kinds[e->type].open(part, o, e, file, err);
	if (r < 0)
		return r;
	STEAL(file);
	o->part_count++;
	o->range_count++;
	return 0;
}

/* ---- all extents --------------------------------------------------------------------- */

int vmdk_extents_supported(const struct vmdk_desc *d, struct err *err)
{
	static const char *const devices[] = {"fullDevice", "partitionedDevice"};
	const char *type = d->create_type ? d->create_type : "(none)";

	if (d->parent_cid != VMDK_NO_PARENT)
		return err_set(err, ENOTSUP,
			"a snapshot (parentCID %08" PRIx32
			"%s%.200s): its parent holds the rest; consolidate the snapshots in VMware, "
			"or export the machine as OVA",
			d->parent_cid, d->parent_file ? ", parent " : "",
			d->parent_file ? d->parent_file : "");
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
		if (!strcasecmp(type, devices[i]))
			return err_set(err, ENOTSUP,
				"createType %s: the data is on a device of the host where VMware "
				"ran: copy the device",
				type);
	for (size_t i = 0; i < d->extent_count; i++) {
		const struct vmdk_extent_line *e = &d->extents[i];

		if (has_file(e) && kinds[e->type].refusal)
			return err_set(err, ENOTSUP,
				"createType %s, extent %zu of type %s is not read: %s", type,
				i + 1, vmdk_extent_type_name(e->type), kinds[e->type].refusal);
	}
	return 0;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	return x->to < y->to ? -1 : x->to > y->to;
}

/* No byte of a file is in a disk twice. */
static int check_overlap(const struct opening *o, struct err *err)
{
	if (o->range_count)
		qsort(o->ranges, o->range_count, sizeof(*o->ranges), compare_ranges);
	for (size_t i = 1; i < o->range_count; i++) {
		const struct range *x = &o->ranges[i - 1], *y = &o->ranges[i];

		if (x->dev == y->dev && x->ino == y->ino && y->from < x->to && y->from < y->to)
			return err_set(err, EINVAL,
				"extents %zu and %zu are the same bytes of \"%.200s\"",
				MIN(x->extent, y->extent) + 1, MAX(x->extent, y->extent) + 1,
				o->d->extents[x->extent].file);
	}
	return 0;
}

static void opening_end(struct opening *o)
{
	for (size_t i = 0; i < o->part_count; i++)
		block_free(o->parts[i]);
	free(o->parts);
	free(o->ranges);
	free(o->sparse);
}

static void extents_free(struct block *b)
{
	struct extents *x = b->self;

	free(x->sparse);
	block_filter_free(b);
}

static const struct block_ops extents_ops = {
	.name = "vmdk-extents",
	.free = extents_free,
	.pread = block_filter_pread,
	.extent = block_filter_extent,
};

static int open_all(struct block **ret, struct opening *o, const char *label, struct err *err)
{
	struct block *whole;
	struct extents *x;
	int r = 0;

	for (size_t i = 0; i < o->d->extent_count && r >= 0; i++) {
		r = open_extent(o, i, err);
		if (r < 0)
			err_prefix(err, "extent %zu", i + 1);
	}
	if (r >= 0)
		r = check_overlap(o, err);
	if (r >= 0)
		r = block_concat_new(&whole, o->parts, o->d->extent_count, label, err);
	if (r < 0)
		return r;
	o->part_count = 0;
	x = xnew(struct extents);
	x->sparse_count = o->sparse_count;
	x->sparse = STEAL(o->sparse);
	*ret = block_filter_new(&extents_ops, &x->filter, whole);
	(*ret)->read_only = true;
	(*ret)->preferred = 64 * KiB; /* the usual grain */
	return 0;
}

int vmdk_extents_open(struct block **ret, const struct vmdk_desc *d, int dirfd, bool damaged_ok,
	const char *label, struct err *err)
{
	struct opening o = {.d = d, .dirfd = dirfd, .damaged_ok = damaged_ok};
	const char *first = NULL;
	int r;

	for (size_t i = 0; i < d->extent_count; i++)
		if (has_file(&d->extents[i]) && !o.files++)
			first = d->extents[i].file;
	if (o.files && dirfd < 1)
		return err_set(err, ENOTSUP,
			"a disk whose data is in %zu other files (the first is \"%.200s\"), which "
			"are not opened from here: unpack the archive that it is in, or say that its "
			"format is vmdk",
			o.files, first);
	if (o.files > VMDK_EXTENTS_MAX_FILES)
		return err_set(err, ENOTSUP, "a disk in %zu files (at most %d are read)",
			o.files, VMDK_EXTENTS_MAX_FILES);
	o.parts = xcalloc(d->extent_count, sizeof(*o.parts));
	o.ranges = xcalloc(o.files + 1, sizeof(*o.ranges));
	o.sparse = xcalloc(o.files + 1, sizeof(*o.sparse));
	r = open_all(ret, &o, label, err);
	opening_end(&o);
	return r;
}

bool vmdk_extents_is(const struct block *b)
{
	return b->ops == &extents_ops;
}

uint64_t vmdk_extents_lost(const struct block *b)
{
	const struct extents *x = b->self;
	uint64_t lost = 0;

	for (size_t i = 0; i < x->sparse_count; i++)
		lost += vmdk_sparse_lost(x->sparse[i]);
	return lost;
}

void vmdk_extents_files(const struct vmdk_desc *d, char ***list)
{
	for (size_t i = 0; i < d->extent_count; i++)
		if (has_file(&d->extents[i]) && !strv_has(*list, d->extents[i].file))
			strv_add(list, d->extents[i].file);
}
