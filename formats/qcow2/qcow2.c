// SPDX-License-Identifier: LGPL-2.1-or-later
/* qcow2: the format's row in the table of images; opening, creating, reading. */
#include "formats/qcow2/qcow2.h"

#include "formats/base/alloc.h"
#include "formats/base/log.h"

#include <inttypes.h>

static int qcow2_probe(const uint8_t *head, size_t len, uint64_t size)
{
	/* Version 1 (qcow) is claimed too: open() then says what it is. */
	return len >= 8 && be32_load(head) == QCOW2_MAGIC ? 100 : 0;
}

static void qcow2_free(struct qcow2 *q)
{
	if (!q)
		return;
	for (size_t i = 0; q->slots && i < q->slot_count; i++)
		free(q->slots[i].table);
	free(q->slots);
	free(q->l1);
	free(q->rt);
	free(q->freed);
	qcow2_inflate_free(q->inflate);
	pthread_mutex_destroy(&q->lock);
	pthread_mutex_destroy(&q->part_lock);
	free(q);
}
DEFINE_AUTO(qcow2)

static void free_block(struct block *b)
{
	struct qcow2 *q = b->self;

	if (q->lost)
		log_debug("qcow2",
			"%s: %" PRIu64 " bytes were read as zeros because they are lost",
			q->name, q->lost);
	block_free(q->file);
	qcow2_free(q);
}

/* ---- reading ---- */

int qcow2_pread(struct block *b, void *buf, size_t len, uint64_t off, struct err *err)
{
	struct qcow2 *q = b->self;
	uint8_t *p = buf;

	while (len) {
		struct qcow2_run run;
		int r;

		pthread_mutex_lock(&q->lock);
		r = qcow2_map(q, off, len, true, &run, err);
		pthread_mutex_unlock(&q->lock);
		if (r < 0)
			return r;
		switch (run.kind) {
		case QCOW2_LOST:
			__atomic_add_fetch(&q->lost, run.len, __ATOMIC_RELAXED);
			/* fall through */
		case QCOW2_HOLE:
		case QCOW2_ZEROED:
			memset(p, 0, run.len);
			break;
		case QCOW2_DATA:
			r = block_pread(q->file, p, run.len, run.host, err);
			break;
		case QCOW2_DEFLATED:
			r = qcow2_inflate_read(
				q, run.entry, off, off & (q->cluster - 1), run.len, p, err);
			break;
		}
		if (r < 0)
			return r;
		p += run.len;
		off += run.len;
		len -= run.len;
	}
	return 0;
}

static int qcow2_extent(struct block *b, uint64_t off, uint64_t max, uint64_t *len,
	unsigned *flags, struct err *err)
{
	static const unsigned flags_of[] = {
		[QCOW2_HOLE] = BLOCK_ZERO | BLOCK_HOLE,
		[QCOW2_ZEROED] = BLOCK_ZERO,
		[QCOW2_DATA] = 0,
		[QCOW2_DEFLATED] = 0,
		[QCOW2_LOST] = 0, /* so that the reader comes and it is noticed */
	};
	struct qcow2 *q = b->self;
	struct qcow2_run run;
	int r;

	pthread_mutex_lock(&q->lock);
	r = qcow2_map(q, off, max, false, &run, err);
	pthread_mutex_unlock(&q->lock);
	if (r < 0)
		return r;
	*len = run.len;
	*flags = flags_of[run.kind];
	return 0;
}

static const struct block_ops qcow2_ops = {
	.name = "qcow2",
	.free = free_block,
	.pread = qcow2_pread,
	.pwrite = qcow2_pwrite,
	.zero = qcow2_zero,
	.discard = qcow2_discard,
	.flush = qcow2_flush,
	.extent = qcow2_extent,
};

/* ---- opening ---- */

static struct qcow2 *qcow2_new(struct block *file, bool writable)
{
	struct qcow2 *q = xnew(struct qcow2);

	q->file = file;
	q->name = file->label;
	q->writable = writable;
	q->file_size = block_size(file);
	q->state = QCOW2_CLEAN;
	pthread_mutex_init(&q->lock, NULL);
	pthread_mutex_init(&q->part_lock, NULL);
	return q;
}

/* What both open and create need once the constant fields are known; takes *q. */
static void finish(struct block **ret, struct qcow2 **take_q)
{
	struct qcow2 *q = STEAL(*take_q);
	struct block *b;

	q->slot_count = MAX(MIN(q->l1_size, QCOW2_L2_CACHE / q->cluster), UINT64_C(1));
	q->slots = xcalloc(q->slot_count, sizeof(*q->slots));
	q->inflate = qcow2_inflate_new(q);
	b = block_alloc(&qcow2_ops, q, q->size, q->name);
	b->preferred = (uint32_t)q->cluster;
	b->read_only = !q->writable;
	*ret = b;
}

static int load_l1(struct qcow2 *q, struct err *err)
{
	int r = alloc_limited(
		(void **)&q->l1, q->l1_size, 8, QCOW2_MAX_L1_BYTES / 8, "L1 table", err);

	if (r == 0 && q->l1_size)
		r = block_pread(q->file, q->l1, q->l1_size * 8, q->l1_off, err);
	if (r < 0)
		return err_prefix(err, "L1 table");
	for (uint64_t i = 0; i < q->l1_size; i++)
		q->l1[i] = be64toh(q->l1[i]);
	return 0;
}

static int qcow2_open(struct block **ret, struct block *take_file, const struct image_open *how,
	struct err *err)
{
	_auto_(qcow2) struct qcow2 *q = qcow2_new(take_file, how->write);
	int r;

	if (how->write && how->damaged_ok)
		return err_set(err, EINVAL, "%s: a damaged image is not written", q->name);
	q->damaged_ok = how->damaged_ok;
	r = qcow2_header_read(q, how->write, err);
	if (r == 0)
		r = load_l1(q, err);
	if (r == 0 && how->write)
		r = qcow2_refcount_open(q, err);
	if (r < 0)
		return r;
	finish(ret, &q);
	return 0;
}

/* ---- creating ---- */

static int check_create(const struct qcow2 *q, uint64_t cluster, const struct image_create *how,
	struct err *err)
{
	/* An L2 table of cluster / 8 entries, each a cluster. */
	uint64_t max = QCOW2_MAX_L1_BYTES / 8 * (cluster / 8) * cluster;

	if (!is_power_of_2(cluster) || cluster < UINT64_C(1) << QCOW2_MIN_CLUSTER_BITS ||
		cluster > UINT64_C(1) << QCOW2_MAX_CLUSTER_BITS)
		return err_set(err, EINVAL,
			"%s: cluster size %" PRIu64 ": not a power of two from 512 to 2 MiB",
			q->name, cluster);
	if (how->size > BLOCK_MAX_SIZE || how->size > max)
		return err_set(err, EINVAL,
			"%s: a disk of %" PRIu64 " bytes: clusters of %" PRIu64
			" bytes can hold %" PRIu64,
			q->name, how->size, cluster, MIN(max, BLOCK_MAX_SIZE));
	if (q->file_size)
		return err_set(err, EINVAL, "%s: is not empty: %" PRIu64 " bytes", q->name,
			q->file_size);
	if (how->preallocate)
		return err_set(err, ENOTSUP, "%s: qcow2 is not created preallocated", q->name);
	return 0;
}

static int qcow2_create(struct block **ret, struct block *take_file,
	const struct image_create *how, struct err *err)
{
	_auto_(qcow2) struct qcow2 *q = qcow2_new(take_file, true);
	uint64_t cluster = how->cluster_size ? how->cluster_size : QCOW2_DEFAULT_CLUSTER;
	int r = check_create(q, cluster, how, err);

	if (r < 0)
		return r;
	q->version = 3;
	q->cluster = cluster;
	q->cluster_bits = (unsigned)__builtin_ctzll(cluster);
	q->l2_bits = q->cluster_bits - 3;
	q->refcount_order = 4;
	q->size = how->size;
	/* Cluster 0 is the header's, the next ones are the L1 table's; then what comes. */
	q->l1_off = cluster;
	q->l1_size = MAX(div_up(q->size, qcow2_table_span(q)), UINT64_C(1));
	q->l1 = xcalloc(q->l1_size, 8);
	q->l1_dirty = true;
	q->next = 1 + div_up(q->l1_size * 8, cluster);
	q->state = QCOW2_NEW;
	qcow2_header_make(q);
	finish(ret, &q);
	return 0;
}

const struct image_format image_qcow2 = {
	.name = "qcow2",
	.description = "QEMU copy on write, versions 2 and 3",
	.can = IMAGE_CAN_READ | IMAGE_CAN_WRITE | IMAGE_CAN_CREATE,
	.suffixes = "qcow2",
	.probe = qcow2_probe,
	.open = qcow2_open,
	.create = qcow2_create,
};
