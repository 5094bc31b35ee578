// SPDX-License-Identifier: LGPL-2.1-or-later
/* qcow2_write: changing the disk. Data first, outside the lock; then the entries. */
#include "formats/qcow2/qcow2.h"

#include "formats/base/alloc.h"

/* Can new content go where the entry's cluster is? */
static bool in_place(const struct qcow2 *q, uint64_t entry)
{
	uint64_t host = entry & QCOW2_OFFSET_MASK;

	return !(entry & QCOW2_COMPRESSED) && (entry & QCOW2_COPIED) && host &&
	       qcow2_in_file(q, host, 1) && !qcow2_in_tables(q, host, q->cluster);
}

/* Where a run of whole clusters is to be written. */
struct place {
	uint64_t host;
	uint64_t clusters;
	bool fresh;  /* allocated for this; entries must be set */
	bool zeroed; /* has entries with the zero flag, to be set as well */
};

/* As many clusters from off, at most `max`, as one write to the file can take: all in a row
 * there, or all new. Lock held. */
static int find_place(
	struct qcow2 *q, uint64_t off, uint64_t max, struct place *p, struct err *err)
{
	uint64_t left = qcow2_table_span(q) - (off & (qcow2_table_span(q) - 1));
	uint64_t entry, n;
	int r;

	max = MIN(max, left >> q->cluster_bits);
	r = qcow2_entry(q, off, &entry, err);
	if (r < 0)
		return r;
	*p = (struct place){
		.host = entry & QCOW2_OFFSET_MASK,
		.fresh = !in_place(q, entry),
		.zeroed = entry & QCOW2_ZERO_FLAG,
	};
	for (n = 1; n < max; n++) {
		/* What is wrong with an entry is said when the run begins there. */
		r = qcow2_entry(q, off + (n << q->cluster_bits), &entry, NULL);
		if (r < 0 || in_place(q, entry) == p->fresh)
			break;
		if (!p->fresh &&
			(entry & QCOW2_OFFSET_MASK) != p->host + (n << q->cluster_bits))
			break;
		p->zeroed |= entry & QCOW2_ZERO_FLAG;
	}
	p->clusters = n;
	return p->fresh ? qcow2_alloc(q, n, &p->host, err) : 0;
}

/* Points the entry at a new host cluster, or at nothing; lock held. */
static int replace_entry(struct qcow2 *q, uint64_t off, uint64_t entry, struct err *err)
{
	uint64_t old;
	int r = qcow2_entry(q, off, &old, err);

	if (r == 0)
		r = qcow2_set_entry(q, off, entry, err);
	if (r == 0 && (old & QCOW2_OFFSET_MASK) != (entry & QCOW2_OFFSET_MASK))
		qcow2_release_entry(q, old);
	return r;
}

/* The data is in the file: make it the guest's. Lock held. */
static int publish(struct qcow2 *q, uint64_t off, const struct place *p, struct err *err)
{
	for (uint64_t i = 0; i < p->clusters; i++) {
		uint64_t host = p->host + (i << q->cluster_bits);
		int r = replace_entry(
			q, off + (i << q->cluster_bits), host | QCOW2_COPIED, err);

		if (r < 0) {
			if (p->fresh)
				qcow2_alloc_undo(q, host, p->clusters - i);
			return r;
		}
	}
	return 0;
}

/* Up to `clusters` whole clusters at off; *done says how many were written. */
static int write_run(struct qcow2 *q, const uint8_t *buf, uint64_t clusters, uint64_t off,
	uint64_t *done, struct err *err)
{
	struct place p;
	int r;

	pthread_mutex_lock(&q->lock);
	r = find_place(q, off, clusters, &p, err);
	pthread_mutex_unlock(&q->lock);
	if (r < 0)
		return r;
	*done = p.clusters;
	r = block_pwrite(q->file, buf, p.clusters << q->cluster_bits, p.host, err);
	if (r == 0 && !p.fresh && !p.zeroed)
		return 0;
	pthread_mutex_lock(&q->lock);
	if (r == 0)
		r = publish(q, off, &p, err);
	else if (p.fresh)
		qcow2_alloc_undo(q, p.host, p.clusters);
	pthread_mutex_unlock(&q->lock);
	return r;
}

/* Is there a host cluster into which a part can be written as it is? */
static int part_in_place(
	struct qcow2 *q, uint64_t off, uint64_t *host, bool *yes, struct err *err)
{
	uint64_t entry;
	int r;

	pthread_mutex_lock(&q->lock);
	r = qcow2_entry(q, off, &entry, err);
	*yes = r == 0 && in_place(q, entry) && !(entry & QCOW2_ZERO_FLAG);
	*host = (entry & QCOW2_OFFSET_MASK) + (off & (q->cluster - 1));
	pthread_mutex_unlock(&q->lock);
	return r;
}

/* The cluster with new bytes in its midst, written as a whole; part_lock held. */
static int write_merged(
	struct block *b, const void *buf, size_t len, uint64_t off, struct err *err)
{
	struct qcow2 *q = b->self;
	uint64_t start = align_down(off, q->cluster), done;
	size_t valid = MIN(q->cluster, q->size - start);
	_auto_(mem) uint8_t *whole = xaligned(4096, q->cluster);
	int r = len == valid ? 0 : qcow2_pread(b, whole, valid, start, err);

	if (r < 0)
		return r;
	memset(whole + valid, 0, q->cluster - valid);
	memcpy(whole + (off - start), buf, len);
	return write_run(q, whole, 1, start, &done, err);
}

/* A part of one cluster. */
static int write_part(
	struct block *b, const void *buf, size_t len, uint64_t off, struct err *err)
{
	struct qcow2 *q = b->self;
	uint64_t host;
	bool yes;
	int r = part_in_place(q, off, &host, &yes, err);

	if (r < 0)
		return r;
	if (yes)
		return block_pwrite(q->file, buf, len, host, err);
	/* Two writers of two parts of the same cluster: the second one finds the cluster that
	 * the first one made. */
	pthread_mutex_lock(&q->part_lock);
	r = part_in_place(q, off, &host, &yes, err);
	if (r == 0)
		r = yes ? block_pwrite(q->file, buf, len, host, err)
			: write_merged(b, buf, len, off, err);
	pthread_mutex_unlock(&q->part_lock);
	return r;
}

int qcow2_pwrite(struct block *b, const void *buf, size_t len, uint64_t off, struct err *err)
{
	struct qcow2 *q = b->self;
	const uint8_t *p = buf;

	while (len) {
		uint64_t in = off & (q->cluster - 1);
		size_t n;
		int r;

		if (in || len < q->cluster) {
			n = MIN((uint64_t)len, q->cluster - in);
			r = write_part(b, p, n, off, err);
		} else {
			uint64_t done = 0;

			r = write_run(q, p, len >> q->cluster_bits, off, &done, err);
			n = done << q->cluster_bits;
		}
		if (r < 0)
			return r;
		p += n;
		off += n;
		len -= n;
	}
	return 0;
}

/* ---- zeros ---- */

/* Makes the cluster at off read as zeros. *host: the bytes it had and keeps in reserve, or 0.
 * Lock held. */
static int zero_cluster(struct qcow2 *q, uint64_t off, uint64_t *host, struct err *err)
{
	uint64_t entry;
	int r = qcow2_entry(q, off, &entry, err);

	*host = 0;
	if (r < 0 || !entry || (!(entry & QCOW2_COMPRESSED) && (entry & QCOW2_ZERO_FLAG)))
		return r;
	if (!in_place(q, entry))
		return replace_entry(q, off, 0, err);
	*host = entry & QCOW2_OFFSET_MASK;
	return qcow2_set_entry(q, off, entry | QCOW2_ZERO_FLAG, err);
}

/* Bytes of the file that hold nothing any more. */
static int unmap(struct qcow2 *q, uint64_t *host, uint64_t *len, struct err *err)
{
	int r = *len ? block_discard(q->file, *host, *len, err) : 0;

	*len = 0;
	return r;
}

/* Whole clusters from off to end. */
static int zero_whole(
	struct qcow2 *q, uint64_t off, uint64_t end, bool may_unmap, struct err *err)
{
	uint64_t span = qcow2_table_span(q), host = 0, len = 0;

	while (off < end) {
		uint64_t at = 0;
		bool none;
		int r;

		pthread_mutex_lock(&q->lock);
		none = qcow2_no_table(q, off);
		r = none ? 0 : zero_cluster(q, off, &at, err);
		pthread_mutex_unlock(&q->lock);
		if (r == 0 && at && may_unmap) {
			if (at != host + len)
				r = unmap(q, &host, &len, err);
			if (!len)
				host = at;
			len += q->cluster;
		}
		if (r < 0)
			return r;
		off = none ? align_down(off, span) + span : off + q->cluster;
	}
	return unmap(q, &host, &len, err);
}

/* A part of one cluster, unless it reads as zeros anyway. */
static int zero_part(struct block *b, uint64_t off, uint64_t len, struct err *err)
{
	struct qcow2 *q = b->self;
	_auto_(mem) uint8_t *zeros = NULL;
	struct qcow2_run run;
	int r;

	pthread_mutex_lock(&q->lock);
	r = qcow2_map(q, off, len, false, &run, err);
	pthread_mutex_unlock(&q->lock);
	if (r < 0 || run.kind == QCOW2_HOLE || run.kind == QCOW2_ZEROED)
		return r;
	zeros = xcalloc(1, len);
	return write_part(b, zeros, len, off, err);
}

/* Splits [off, off+len) into a part, whole clusters, a part; the disk's last cluster is whole
 * when all that it has is meant. */
static int zero_range(struct block *b, uint64_t off, uint64_t len, bool may_unmap, bool parts,
	struct err *err)
{
	struct qcow2 *q = b->self;
	uint64_t end = off + len, first = align_up(off, q->cluster);
	uint64_t last =
		end == q->size ? align_up(end, q->cluster) : align_down(end, q->cluster);
	int r = 0;

	if (first > last || (first == last && first > end))
		return parts ? zero_part(b, off, len, err) : 0;
	if (parts && off < first)
		r = zero_part(b, off, MIN(first, end) - off, err);
	if (r == 0)
		r = zero_whole(q, first, last, may_unmap, err);
	if (r == 0 && parts && last < end)
		r = zero_part(b, last, end - last, err);
	return r;
}

int qcow2_zero(struct block *b, uint64_t off, uint64_t len, unsigned flags, struct err *err)
{
	return zero_range(b, off, len, flags & BLOCK_MAY_UNMAP, true, err);
}

int qcow2_discard(struct block *b, uint64_t off, uint64_t len, struct err *err)
{
	return zero_range(b, off, len, true, false, err);
}

int qcow2_flush(struct block *b, struct err *err)
{
	struct qcow2 *q = b->self;
	int r = 0;

	if (!q->writable)
		return 0;
	pthread_mutex_lock(&q->lock);
	if (q->state == QCOW2_CLEAN) {
		r = block_flush(q->file, err);
		goto out;
	}
	r = qcow2_flush_l2(q, err);
	if (r == 0)
		r = qcow2_flush_refcounts(q, err);
	if (r == 0)
		r = qcow2_flush_l1(q, err);
	if (r == 0)
		r = block_flush(q->file, err);
	if (r < 0)
		goto out;
	q->state = QCOW2_UNMARKED;
	r = qcow2_header_write(q, false, err);
	if (r == 0)
		q->state = QCOW2_CLEAN;
out:
	pthread_mutex_unlock(&q->lock);
	return r;
}
