// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * qcow2_refcount: allocation and the counts of users of each host cluster.
 *
 * Allocation is a bump pointer, so what the file does not know yet is exactly the clusters from
 * `counted` to `next`: all of them have one user, less what is on the list of freed ones. A flush
 * writes that in one pass; between flushes no count is touched.
 */
#include "formats/qcow2/qcow2.h"

#include "formats/base/alloc.h"

#include <inttypes.h>

/* Refcount table entry whose block is not in the file yet; on disk the bit is reserved. */
#define BLOCK_IS_NEW UINT64_C(1)

/* So many refcount blocks for clusters beyond the end of the file are looked through when an
 * image is opened for writing. */
#define MAX_BLOCKS_BEYOND 1024

static uint64_t per_block(const struct qcow2 *q)
{
	return q->cluster * 8 >> q->refcount_order;
}

/* ---- entries of a block: 1 to 64 bits ---- */

static uint64_t count_get(const struct qcow2 *q, const uint8_t *block, uint64_t i)
{
	unsigned bits = 1u << q->refcount_order;

	switch (q->refcount_order) {
	case 3:
		return block[i];
	case 4:
		return be16_load(block + i * 2);
	case 5:
		return be32_load(block + i * 4);
	case 6:
		return be64_load(block + i * 8);
	default:
		return block[i * bits / 8] >> (i * bits % 8) & ((1u << bits) - 1);
	}
}

static void count_set(const struct qcow2 *q, uint8_t *block, uint64_t i, uint64_t v)
{
	unsigned bits = 1u << q->refcount_order, shift = i * bits % 8;
	uint8_t *byte = block + i * bits / 8;

	switch (q->refcount_order) {
	case 3:
		*byte = (uint8_t)v;
		break;
	case 4:
		be16_store(byte, (uint16_t)v);
		break;
	case 5:
		be32_store(byte, (uint32_t)v);
		break;
	case 6:
		be64_store(byte, v);
		break;
	default:
		*byte = (uint8_t)((*byte & ~(((1u << bits) - 1) << shift)) | v << shift);
	}
}

/* ---- blocks ---- */

/* Refcount block i, which must exist, to buf (a cluster). */
static int read_block(struct qcow2 *q, uint64_t i, uint8_t *buf, struct err *err)
{
	uint64_t entry = i < q->rt_size ? q->rt[i] : 0;

	if (entry & BLOCK_IS_NEW) {
		memset(buf, 0, q->cluster);
		return 0;
	}
	if (!entry || !is_aligned(entry, q->cluster) || entry >> 56 ||
		!qcow2_in_file(q, entry, q->cluster) || qcow2_in_tables(q, entry, q->cluster))
		return err_set(err, EINVAL,
			"%s: refcount table entry %" PRIu64 ": block at %" PRIu64
			": not a cluster of the file of %" PRIu64 " bytes",
			q->name, i, entry, q->file_size);
	return block_pread(q->file, buf, q->cluster, entry, err);
}

static int write_block(struct qcow2 *q, uint64_t i, const uint8_t *buf, struct err *err)
{
	int r = block_pwrite(q->file, buf, q->cluster, q->rt[i] & ~BLOCK_IS_NEW, err);

	if (r == 0)
		q->rt[i] &= ~BLOCK_IS_NEW;
	return r;
}

/* ---- opening ---- */

/* The first cluster number from which on all counts are zero, at least `from`. */
static int find_end(struct qcow2 *q, uint64_t from, uint64_t *ret, struct err *err)
{
	_auto_(mem) uint8_t *buf = xaligned(4096, q->cluster);
	uint64_t looked = 0;

	*ret = from;
	for (uint64_t i = q->rt_size; i-- > from / per_block(q);) {
		int r;

		if (!q->rt[i])
			continue;
		if (looked++ == MAX_BLOCKS_BEYOND)
			return err_set(err, EINVAL,
				"%s: more than %u refcount blocks for what is beyond the end of "
				"the file",
				q->name, MAX_BLOCKS_BEYOND);
		r = read_block(q, i, buf, err);
		if (r < 0)
			return r;
		for (uint64_t k = per_block(q); k-- > 0;) {
			uint64_t cluster = i * per_block(q) + k;

			if (cluster >= from && count_get(q, buf, k)) {
				*ret = cluster + 1;
				return 0;
			}
		}
	}
	return 0;
}

int qcow2_refcount_open(struct qcow2 *q, struct err *err)
{
	uint64_t end = div_up(q->file_size, q->cluster);
	int r = alloc_limited(
		(void **)&q->rt, q->rt_size, 8, QCOW2_MAX_RT_BYTES / 8, "refcount table", err);

	if (r == 0)
		r = block_pread(q->file, q->rt, q->rt_size * 8, q->rt_off, err);
	if (r < 0)
		return r;
	for (uint64_t i = 0; i < q->rt_size; i++) {
		q->rt[i] = be64toh(q->rt[i]);
		if (q->rt[i] & 511)
			return err_set(err, EINVAL,
				"%s: refcount table entry %" PRIu64 ": 0x%" PRIx64
				": reserved bits are set",
				q->name, i, q->rt[i]);
	}
	r = find_end(q, end, &end, err);
	if (r < 0)
		return r;
	q->next = q->counted = end;
	q->first_new = end << q->cluster_bits;
	return 0;
}

/* ---- allocation ---- */

int qcow2_alloc(struct qcow2 *q, uint64_t n, uint64_t *ret, struct err *err)
{
	/* What L2 entries can name, and off_t. */
	uint64_t limit = UINT64_C(1) << (55 - q->cluster_bits);

	if (q->next > limit || n > limit - q->next)
		return err_set(err, EFBIG,
			"%s: the image would be larger than the format allows", q->name);
	*ret = q->next << q->cluster_bits;
	q->next += n;
	return 0;
}

void qcow2_release(struct qcow2 *q, uint64_t off, uint64_t len)
{
	uint64_t first = off >> q->cluster_bits, last = (off + len - 1) >> q->cluster_bits;

	for (uint64_t c = first; c <= last; c++) {
		if (q->freed_count == q->freed_cap) {
			q->freed_cap = q->freed_cap ? q->freed_cap * 2 : 64;
			q->freed = xrealloc(q->freed, q->freed_cap, sizeof(*q->freed));
		}
		q->freed[q->freed_count++] = c;
	}
}

void qcow2_release_entry(struct qcow2 *q, uint64_t entry)
{
	uint64_t off = entry & QCOW2_OFFSET_MASK, len = q->cluster;

	if (entry & QCOW2_COMPRESSED) {
		qcow2_compressed_range(q, entry, &off, &len);
		qcow2_release(q, off, len);
	} else if (off) {
		qcow2_release(q, off, len);
	}
}

void qcow2_alloc_undo(struct qcow2 *q, uint64_t host, uint64_t n)
{
	uint64_t first = host >> q->cluster_bits;

	if (first + n == q->next && first >= q->counted)
		q->next = first;
	else
		qcow2_release(q, host, n << q->cluster_bits);
}

/* ---- flushing ---- */

/* A refcount table of `entries` at least, at a new place. */
static int grow_table(struct qcow2 *q, uint64_t entries, struct err *err)
{
	uint64_t clusters = div_up(entries * 8, q->cluster);
	uint64_t size = clusters * q->cluster / 8, off;
	int r;

	if (size * 8 > QCOW2_MAX_RT_BYTES)
		return err_set(err, EFBIG,
			"%s: the image would need a refcount table of more than %" PRIu64
			" bytes: use larger clusters",
			q->name, QCOW2_MAX_RT_BYTES);
	r = qcow2_alloc(q, clusters, &off, err);
	if (r < 0)
		return r;
	if (q->rt_size)
		qcow2_release(q, q->rt_off, q->rt_size * 8);
	q->rt = xrealloc(q->rt, size, 8);
	memset(q->rt + q->rt_size, 0, (size - q->rt_size) * 8);
	q->rt_size = size;
	q->rt_off = off;
	q->rt_dirty = true;
	return 0;
}

/* Gives every cluster from `counted` to `next` a refcount block. The blocks, and the table they
 * may need, are clusters that need one too: so until nothing is added. */
static int make_blocks(struct qcow2 *q, struct err *err)
{
	for (uint64_t i = q->counted / per_block(q); i < div_up(q->next, per_block(q)); i++) {
		uint64_t off;
		int r;

		if (i >= q->rt_size) {
			/* Room for what the new table and its blocks add. */
			uint64_t want = div_up(q->next, per_block(q));

			r = grow_table(q, want + want / 4 + 1, err);
			if (r < 0)
				return r;
		}
		if (q->rt[i])
			continue;
		r = qcow2_alloc(q, 1, &off, err);
		if (r < 0)
			return r;
		q->rt[i] = off | BLOCK_IS_NEW;
		q->rt_dirty = true;
	}
	return 0;
}

/* One user for every cluster from `counted` to `next`. */
static int count_new(struct qcow2 *q, struct err *err)
{
	_auto_(mem) uint8_t *buf = xaligned(4096, q->cluster);

	while (q->counted < q->next) {
		uint64_t i = q->counted / per_block(q);
		uint64_t end = MIN((i + 1) * per_block(q), q->next);
		int r = read_block(q, i, buf, err);

		if (r < 0)
			return r;
		for (uint64_t c = q->counted; c < end; c++)
			count_set(q, buf, c % per_block(q), 1);
		r = write_block(q, i, buf, err);
		if (r < 0)
			return r;
		q->counted = end;
	}
	return 0;
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* One user less for every cluster of the list, from its end: what is done leaves the list, so
 * that a flush that failed can be repeated. */
static int count_freed(struct qcow2 *q, struct err *err)
{
	_auto_(mem) uint8_t *buf = xaligned(4096, q->cluster);

	if (q->freed_count)
		qsort(q->freed, q->freed_count, sizeof(*q->freed), compare_u64);
	while (q->freed_count) {
		size_t n = q->freed_count;
		uint64_t i = q->freed[n - 1] / per_block(q);
		int r = read_block(q, i, buf, err);

		if (r < 0)
			return r;
		for (; n && q->freed[n - 1] / per_block(q) == i; n--) {
			uint64_t k = q->freed[n - 1] % per_block(q), v = count_get(q, buf, k);

			if (!v)
				return err_set(err, EINVAL,
					"%s: cluster %" PRIu64
					" was in use, but its refcount is 0: run qemu-img check",
					q->name, q->freed[n - 1]);
			count_set(q, buf, k, v - 1);
		}
		r = write_block(q, i, buf, err);
		if (r < 0)
			return r;
		q->freed_count = n;
	}
	return 0;
}

static int write_table(struct qcow2 *q, struct err *err)
{
	_auto_(mem) uint8_t *raw = NULL;
	int r;

	if (!q->rt_dirty)
		return 0;
	raw = xaligned(4096, align_up(q->rt_size * 8, 4096));
	for (uint64_t i = 0; i < q->rt_size; i++)
		be64_store(raw + i * 8, q->rt[i] & ~BLOCK_IS_NEW);
	r = block_pwrite(q->file, raw, q->rt_size * 8, q->rt_off, err);
	if (r == 0)
		q->rt_dirty = false;
	return r;
}

int qcow2_flush_refcounts(struct qcow2 *q, struct err *err)
{
	int r = make_blocks(q, err);

	if (r == 0)
		r = count_new(q, err);
	if (r == 0)
		r = count_freed(q, err);
	return r < 0 ? r : write_table(q, err);
}
