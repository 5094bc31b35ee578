// SPDX-License-Identifier: LGPL-2.1-or-later
/* vhd_dynamic: checking the block allocation table, reading through it at any place. */
#include "formats/vhd/vhd_dynamic.h"

#include "formats/base/alloc.h"

#include <inttypes.h>
#include <stdatomic.h>

/* Entries of the table that are no sectors. LOST is ours: data_end is never beyond that sector, so
 * no block that the file has can begin there. */
#define NONE UINT32_MAX
#define LOST (UINT32_MAX - 1)

/* Entries of the table read at a time. */
#define TABLE_PIECE (64 * KiB)

/* What is known about a block's bitmap. */
enum { UNKNOWN, FULL, PARTIAL };

struct dynamic {
	struct block *file;
	uint64_t header_at, table_at, table_len;
	uint64_t data_end;
	uint64_t size;   /* of the disk */
	uint64_t block;  /* bytes */
	size_t bitmap;   /* bytes */
	uint64_t count;  /* blocks */
	uint32_t *table; /* sectors, NONE, LOST */
	_Atomic uint8_t *known;
	uint64_t lost;
};

static void dynamic_delete(struct dynamic *d)
{
	free(d->table);
	free(d->known);
	free(d);
}

static void dynamic_free(struct block *b)
{
	struct dynamic *d = b->self;

	block_free(d->file);
	dynamic_delete(d);
}

/* ---- the table ----------------------------------------------------------------------- */

/* Bytes of block i that belong to the disk: the last one may have fewer, and a writer may have
 * stored no more. */
static uint64_t used(const struct dynamic *d, uint64_t i)
{
	return MIN(d->block, d->size - i * d->block);
}

static bool is_block(uint32_t entry)
{
	return entry < LOST;
}

static bool overlaps(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
	return a < b + b_len && b < a + a_len;
}

static int refuse(
	const struct dynamic *d, uint64_t i, struct err *err, const char *why, uint64_t number)
{
	return err_set(err, EINVAL,
		"block %" PRIu64 " (disk offset %" PRIu64 "): table entry at offset %" PRIu64
		": sector %" PRIu32 ": it %s %" PRIu64,
		i, i * d->block, d->table_at + i * 4, d->table[i], why, number);
}

/* Does this entry lead to a place where a block can be? */
static int check_entry(const struct dynamic *d, uint64_t i, struct err *err)
{
	uint64_t at = (uint64_t)d->table[i] * VHD_SECTOR, len = d->bitmap + used(d, i);

	if (at < VHD_FOOTER_LEN)
		return refuse(d, i, err, "lies on the copy of the footer, at offset", 0);
	if (overlaps(at, len, d->header_at, VHD_HEADER_LEN))
		return refuse(d, i, err, "lies on the dynamic header, at offset", d->header_at);
	if (overlaps(at, len, d->table_at, d->table_len))
		return refuse(d, i, err, "lies on the table, at offset", d->table_at);
	if (!range_ok(at, len, d->data_end))
		return refuse(d, i, err,
			"reaches beyond the end of the file's blocks, which is at offset",
			d->data_end);
	return 0;
}

/* A block that can only be read wrongly becomes one that is known to be lost. */
static void lose(struct dynamic *d, uint64_t i)
{
	d->lost++;
	d->table[i] = LOST;
}

/* A block by where it lies. */
struct place {
	uint32_t sector;
	uint32_t block;
};

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return x->sector < y->sector ? -1 : x->sector > y->sector;
}

/* Are the blocks in the file in the order of the disk? Most are, and need no sorting. */
static bool in_order(const struct dynamic *d)
{
	uint64_t end = 0;

	for (uint64_t i = 0; i < d->count; i++) {
		uint64_t at = (uint64_t)d->table[i] * VHD_SECTOR;

		if (!is_block(d->table[i]))
			continue;
		if (at < end)
			return false;
		end = at + d->bitmap + used(d, i);
	}
	return true;
}

/* No two blocks share a byte: of those that do, at least one would be read wrongly. */
static int check_overlaps(struct dynamic *d, bool damaged_ok, struct err *err)
{
	_auto_(mem) struct place *places = NULL;
	uint64_t n = 0, end = 0;
	uint32_t last = 0;

	if (in_order(d))
		return 0;
	places = xcalloc(d->count, sizeof(*places));
	for (uint64_t i = 0; i < d->count; i++)
		if (is_block(d->table[i]))
			places[n++] = (struct place){d->table[i], (uint32_t)i};
	qsort(places, n, sizeof(*places), compare_places);
	for (uint64_t k = 0; k < n; k++) {
		uint64_t at = (uint64_t)places[k].sector * VHD_SECTOR;
		uint32_t i = places[k].block;
		uint64_t stop = at + d->bitmap + used(d, i);

		if (at < end && !damaged_ok)
			return refuse(d, i, err, "lies on block", last);
		if (at < end) {
			if (is_block(d->table[last]))
				lose(d, last);
			lose(d, i);
		}
		if (stop > end) {
			end = stop;
			last = i;
		}
	}
	return 0;
}

static int read_table(struct dynamic *d, struct err *err)
{
	uint64_t len = d->count * 4;

	for (uint64_t at = 0; at < len; at += TABLE_PIECE) {
		size_t n = MIN(len - at, (uint64_t)TABLE_PIECE);
		int r = block_pread(
			d->file, (uint8_t *)d->table + at, n, d->table_at + at, err);

		if (r < 0)
			return err_prefix(err, "block allocation table");
	}
	for (uint64_t i = 0; i < d->count; i++)
		d->table[i] = be32_load(&d->table[i]);
	return 0;
}

static int check_table(struct dynamic *d, bool damaged_ok, struct err *err)
{
	for (uint64_t i = 0; i < d->count; i++) {
		int r = d->table[i] == NONE ? 0 : check_entry(d, i, err);

		if (r < 0 && !damaged_ok)
			return r;
		if (r < 0)
			lose(d, i);
	}
	if (damaged_ok)
		err_clear(err);
	return check_overlaps(d, damaged_ok, err);
}

/* Where the table is and how long, against the disk's size and the file's. */
static int check_place(const struct dynamic *d, const struct vhd_header *h, struct err *err)
{
	if (d->size > VHD_MAX_DYNAMIC)
		return err_set(err, EINVAL,
			"a dynamic disk of %" PRIu64 " bytes (at most %" PRIu64 ")", d->size,
			VHD_MAX_DYNAMIC);
	if (d->count > VHD_MAX_BLOCKS)
		return err_set(err, ENOTSUP,
			"%" PRIu64 " blocks of %" PRIu32 " bytes (at most %" PRIu64
			" are read)",
			d->count, h->block, VHD_MAX_BLOCKS);
	if (h->entries < d->count)
		return err_set(err, EINVAL,
			"block allocation table of %" PRIu32 " entries for %" PRIu64
			" blocks: %" PRIu64 " bytes in blocks of %" PRIu32,
			h->entries, d->count, d->size, h->block);
	if (!range_ok(d->table_at, d->table_len, d->data_end))
		return err_set(err, EINVAL,
			"block allocation table of %" PRIu32 " entries at offset %" PRIu64
			": outside the file's %" PRIu64 " bytes",
			h->entries, d->table_at, d->data_end);
	if (d->table_at < VHD_FOOTER_LEN ||
		overlaps(d->table_at, d->table_len, d->header_at, VHD_HEADER_LEN))
		return err_set(err, EINVAL,
			"block allocation table of %" PRIu32 " entries at offset %" PRIu64
			": it lies on the headers",
			h->entries, d->table_at);
	return 0;
}

/* ---- the block ----------------------------------------------------------------------- */

static bool bit(const uint8_t *bitmap, size_t sector)
{
	return bitmap[sector / 8] & 0x80 >> sector % 8;
}

/* Block i's bitmap; notes whether it is full. */
static int read_bitmap(struct dynamic *d, uint64_t i, uint8_t *bitmap, struct err *err)
{
	size_t sectors = used(d, i) / VHD_SECTOR, k = 0;
	size_t len = div_up(sectors, 8);
	int r = block_pread(d->file, bitmap, len, (uint64_t)d->table[i] * VHD_SECTOR, err);

	if (r < 0)
		return err_prefix(
			err, "bitmap of block %" PRIu64 " at sector %" PRIu32, i, d->table[i]);
	while (k < sectors && bit(bitmap, k))
		k++;
	d->known[i] = k == sectors ? FULL : PARTIAL;
	return 0;
}

/* Zeros where the bitmap has no bit. buf holds len bytes from `in` of the block on. */
static void clear_unwritten(const uint8_t *bitmap, uint8_t *buf, size_t in, size_t len)
{
	for (size_t at = in; at < in + len;) {
		size_t n = MIN(VHD_SECTOR - at % VHD_SECTOR, in + len - at);

		if (!bit(bitmap, at / VHD_SECTOR))
			memset(buf + (at - in), 0, n);
		at += n;
	}
}

/* len bytes from `in` of block i on. */
static int read_block(
	struct dynamic *d, uint64_t i, uint8_t *buf, size_t in, size_t len, struct err *err)
{
	uint8_t bitmap[VHD_MAX_BLOCK / VHD_SECTOR / 8];
	uint64_t data = (uint64_t)d->table[i] * VHD_SECTOR + d->bitmap;
	bool full = d->known[i] == FULL;
	int r = full ? 0 : read_bitmap(d, i, bitmap, err);

	if (r < 0)
		return r;
	r = block_pread(d->file, buf, len, data + in, err);
	if (r < 0)
		return err_prefix(err, "block %" PRIu64 " at sector %" PRIu32, i, d->table[i]);
	if (!full)
		clear_unwritten(bitmap, buf, in, len);
	return 0;
}

static int dynamic_pread(struct block *b, void *data, size_t len, uint64_t off, struct err *err)
{
	struct dynamic *d = b->self;
	uint8_t *buf = data;

	while (len) {
		uint64_t i = off / d->block, in = off % d->block;
		size_t n = MIN((uint64_t)len, d->block - in);
		int r = 0;

		if (is_block(d->table[i]))
			r = read_block(d, i, buf, in, n, err);
		else
			memset(buf, 0, n);
		if (r < 0)
			return err_prefix(err, "%s", d->file->label);
		buf += n;
		off += n;
		len -= n;
	}
	return 0;
}

static int dynamic_extent(struct block *b, uint64_t off, uint64_t max, uint64_t *len,
	unsigned *flags, struct err *err)
{
	const struct dynamic *d = b->self;
	uint64_t i = off / d->block, end = off + max;
	bool data = is_block(d->table[i]);

	for (i++; i < d->count && i * d->block < end && is_block(d->table[i]) == data;)
		i++;
	*flags = data ? 0 : BLOCK_ZERO | BLOCK_HOLE;
	*len = MIN(i * d->block, end) - off;
	return 0;
}

static const struct block_ops dynamic_ops = {
	.name = "vhd",
	.free = dynamic_free,
	.pread = dynamic_pread,
	.extent = dynamic_extent,
};

int vhd_dynamic_new(struct block **ret, struct block *take_file, const struct vhd_footer *f,
	const struct vhd_header *h, uint64_t data_end, bool damaged_ok, struct err *err)
{
	struct dynamic *d = xnew(struct dynamic);
	int r;

	*d = (struct dynamic){
		.file = take_file,
		.header_at = f->header_at,
		.table_at = h->table_at,
		.table_len = (uint64_t)h->entries * 4,
		.data_end = MIN(data_end, (uint64_t)LOST * VHD_SECTOR),
		.size = f->size,
		.block = h->block,
		.bitmap = vhd_bitmap_len(h->block),
		.count = div_up(f->size, h->block),
	};
	r = check_place(d, h, err);
	if (r == 0) {
		d->table = xcalloc(d->count, sizeof(*d->table));
		d->known = xcalloc(d->count, sizeof(*d->known));
		r = read_table(d, err);
	}
	if (r == 0)
		r = check_table(d, damaged_ok, err);
	if (r < 0) {
		dynamic_delete(d);
		return r;
	}
	*ret = block_alloc(&dynamic_ops, d, f->size, take_file->label);
	(*ret)->preferred = MAX(h->block, (uint32_t)(64 * KiB));
	return 0;
}

uint64_t vhd_dynamic_lost(const struct block *b)
{
	return b->ops == &dynamic_ops ? ((const struct dynamic *)b->self)->lost : 0;
}
