// SPDX-License-Identifier: LGPL-2.1-or-later
/* vmdk_walk: following the markers of a stream. */
#include "formats/vmdk/vmdk_walk.h"

#include "formats/base/alloc.h"
#include "formats/base/bytes.h"

#include <inttypes.h>

/* Grains remembered: 512 GiB of data in grains of 64 KiB. */
#define MAX_FOUND (8 * MiB)

/* Markers looked at, whatever they are. */
#define MAX_MARKERS (16 * MiB)

struct found {
	uint32_t grain_low, grain_high; /* two halves: no padding */
	uint32_t sector;
};

struct vmdk_walk {
	struct found *found; /* by grain, once the walk is over */
	size_t count, room;
	uint64_t end;      /* bytes: where the walk ended */
	uint64_t last_lba; /* of the last whole grain */
	bool complete;     /* the metadata behind the last grain was reached */
	uint64_t file_size;
};

static uint64_t grain_of(const struct found *f)
{
	return (uint64_t)f->grain_high << 32 | f->grain_low;
}

static int by_grain(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (grain_of(x) != grain_of(y))
		return grain_of(x) < grain_of(y) ? -1 : 1;
	return x->sector < y->sector ? -1 : x->sector > y->sector;
}

static int remember(struct vmdk_walk *w, uint64_t grain, uint64_t at, struct err *err)
{
	if (w->count == MAX_FOUND)
		return err_set(err, ENOTSUP,
			"no usable grain directory, and more than %" PRIu64
			" grains: too many to find one by one",
			MAX_FOUND);
	if (w->count == w->room) {
		w->room = MAX(w->room * 2, (size_t)1024);
		w->found = xrealloc(w->found, w->room, sizeof(*w->found));
	}
	w->found[w->count++] = (struct found){
		.grain_low = grain, .grain_high = grain >> 32, .sector = at / VMDK_SECTOR};
	return 0;
}

/* One step. 1 and *at behind this marker's matter; 0 where the stream ends or is cut. */
static int step(struct vmdk_walk *w, struct block *file, const struct vmdk_header *h,
	uint64_t *at, struct err *err)
{
	uint8_t raw[VMDK_MARKER_LEN];
	struct vmdk_marker m;
	uint64_t next;
	int r;

	if (!range_ok(*at, VMDK_SECTOR, file->size) || *at / VMDK_SECTOR >= UINT32_MAX)
		return 0;
	r = block_pread(file, raw, sizeof(raw), *at, err);
	if (r < 0)
		return r;
	m = vmdk_marker_parse(raw);
	if (m.size) {
		if (m.size > vmdk_deflate_max(h) || m.value >= h->capacity ||
			m.value % h->grain_sectors)
			return 0;
		next = align_up(*at + VMDK_MARKER_DATA + m.size, VMDK_SECTOR);
		if (*at + VMDK_MARKER_DATA + m.size > file->size)
			return 0;
		r = remember(w, m.value / h->grain_sectors, *at, err);
		if (r < 0)
			return r;
		w->last_lba = m.value + h->grain_sectors - 1;
	} else {
		if (m.type == VMDK_MARK_END || m.type > VMDK_MARK_FOOTER ||
			m.value > VMDK_MAX_TABLES)
			return 0;
		w->complete = m.type != VMDK_MARK_TABLE;
		next = *at + (1 + m.value) * VMDK_SECTOR;
	}
	*at = next;
	return 1;
}

int vmdk_walk_new(struct vmdk_walk **ret, struct block *file, const struct vmdk_header *h,
	struct err *err)
{
	struct vmdk_walk *w = xnew(struct vmdk_walk);
	uint64_t at = MIN(h->overhead, VMDK_MAX_SECTORS) * VMDK_SECTOR;
	int r = 1;

	w->file_size = file->size;
	for (uint64_t i = 0; i < MAX_MARKERS && r > 0; i++)
		r = step(w, file, h, &at, err);
	if (r < 0) {
		vmdk_walk_free(w);
		return r;
	}
	w->end = at;
	if (w->count)
		qsort(w->found, w->count, sizeof(*w->found), by_grain);
	*ret = w;
	return 0;
}

void vmdk_walk_free(struct vmdk_walk *w)
{
	if (!w)
		return;
	free(w->found);
	free(w);
}

int vmdk_walk_describe(const struct vmdk_walk *w, const char *why, struct err *err)
{
	if (!w->count)
		return err_set(err, EINVAL, "%s; no whole grain is there either", why);
	return err_set(err, EINVAL,
		"%s; the file ends at %" PRIu64 ", its stream at %" PRIu64
		": %zu whole grains, up "
		"to LBA %" PRIu64 ", are there",
		why, w->file_size, w->end, w->count, w->last_lba);
}

void vmdk_walk_table(const struct vmdk_walk *w, uint64_t table, uint8_t *raw)
{
	size_t lo = 0, hi = w->count;

	/* What may have been behind the cut is lost, not empty. */
	memset(raw, 0, VMDK_GT_LEN);
	for (unsigned k = 0; !w->complete && k < VMDK_GTES; k++)
		if (!w->count || table * VMDK_GTES + k > grain_of(&w->found[w->count - 1]))
			le32_store(raw + k * 4, UINT32_MAX);
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (grain_of(&w->found[mid]) < table * VMDK_GTES)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < w->count && grain_of(&w->found[lo]) < (table + 1) * VMDK_GTES; lo++)
		le32_store(raw + grain_of(&w->found[lo]) % VMDK_GTES * 4, w->found[lo].sector);
}
