// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * qcow2_inflate: compressed clusters. Each thread that inflates takes a worker (decompressor and
 * input buffer) from a pool; the pool never has more of them than threads were at work. Whole
 * clusters go straight to the caller's buffer; for parts of clusters the last ones are kept.
 */
#include "formats/qcow2/qcow2.h"

#include "formats/base/alloc.h"

#include <inttypes.h>
#include <libdeflate.h>
#include <zlib.h>
#include <zstd.h>

/* Inflated clusters kept for small reads: bytes, and at most this many. */
#define KEEP_BYTES (4 * MiB)
#define KEEP_MAX   16

struct worker {
	struct worker *next;
	struct libdeflate_decompressor *deflate;
	ZSTD_DCtx *zstd;
	uint8_t *in; /* two clusters, the most an entry can name */
};

struct kept {
	uint64_t entry; /* 0 = empty; the space of an entry is not reused while we run */
	uint8_t *bytes;
};

struct qcow2_inflate {
	pthread_mutex_t lock;
	struct worker *idle;
	struct kept kept[KEEP_MAX];
	size_t keep;
};

struct qcow2_inflate *qcow2_inflate_new(const struct qcow2 *q)
{
	struct qcow2_inflate *z = xnew(struct qcow2_inflate);

	pthread_mutex_init(&z->lock, NULL);
	z->keep = MIN(KEEP_BYTES / q->cluster, (uint64_t)KEEP_MAX);
	return z;
}

static void worker_free(struct worker *w)
{
	libdeflate_free_decompressor(w->deflate);
	ZSTD_freeDCtx(w->zstd);
	free(w->in);
	free(w);
}

void qcow2_inflate_free(struct qcow2_inflate *z)
{
	if (!z)
		return;
	while (z->idle) {
		struct worker *w = z->idle;

		z->idle = w->next;
		worker_free(w);
	}
	for (size_t i = 0; i < KEEP_MAX; i++)
		free(z->kept[i].bytes);
	pthread_mutex_destroy(&z->lock);
	free(z);
}

static int worker_get(const struct qcow2 *q, struct worker **ret, struct err *err)
{
	struct qcow2_inflate *z = q->inflate;
	struct worker *w;

	pthread_mutex_lock(&z->lock);
	w = z->idle;
	if (w)
		z->idle = w->next;
	pthread_mutex_unlock(&z->lock);
	if (!w) {
		w = xnew(struct worker);
		w->in = xmalloc(2 * q->cluster);
		w->deflate = libdeflate_alloc_decompressor();
		w->zstd = q->compression == QCOW2_ZSTD ? ZSTD_createDCtx() : NULL;
		if (!w->deflate || (q->compression == QCOW2_ZSTD && !w->zstd)) {
			worker_free(w);
			return err_set(
				err, ENOMEM, "%s: no memory for a decompressor", q->name);
		}
	}
	*ret = w;
	return 0;
}

static void worker_put(const struct qcow2 *q, struct worker *w)
{
	pthread_mutex_lock(&q->inflate->lock);
	w->next = q->inflate->idle;
	q->inflate->idle = w;
	pthread_mutex_unlock(&q->inflate->lock);
}

/* Decompression ends when the cluster is full, says the specification: so whatever follows is of
 * no interest. Streams without an end are what libdeflate refuses. */
static bool inflate_zlib(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len)
{
	z_stream s = {
		.next_in = (uint8_t *)in,
		.avail_in = (uInt)in_len,
		.next_out = out,
		.avail_out = (uInt)out_len,
	};

	if (inflateInit2(&s, -15) != Z_OK)
		return false;
	inflate(&s, Z_FINISH);
	inflateEnd(&s);
	return s.avail_out == 0;
}

static bool inflate_deflate(struct worker *w, size_t in_len, uint8_t *out, size_t out_len)
{
	/* Without a place for the actual length it insists on exactly out_len bytes. */
	return libdeflate_deflate_decompress(w->deflate, w->in, in_len, out, out_len, NULL) ==
		       LIBDEFLATE_SUCCESS ||
	       inflate_zlib(w->in, in_len, out, out_len);
}

static bool inflate_zstd(struct worker *w, size_t in_len, uint8_t *out, size_t out_len)
{
	/* The sectors hold more than the frame. */
	size_t frame = ZSTD_findFrameCompressedSize(w->in, in_len);

	return !ZSTD_isError(frame) &&
	       ZSTD_decompressDCtx(w->zstd, out, out_len, w->in, frame) == out_len;
}

/* The whole cluster to `out`. */
static int inflate_cluster(const struct qcow2 *q, struct worker *w, uint64_t entry,
	uint64_t guest_off, uint8_t *out, struct err *err)
{
	uint64_t off, len, size = block_size(q->file);
	bool ok;
	int r;

	qcow2_compressed_range(q, entry, &off, &len);
	if (off >= size)
		return err_set(err, EIO,
			"%s: guest bytes at %" PRIu64 ": compressed cluster at %" PRIu64
			": the file ends at %" PRIu64,
			q->name, guest_off, off, size);
	len = MIN(len, size - off);
	r = block_pread(q->file, w->in, len, off, err);
	if (r < 0)
		return r;
	ok = q->compression == QCOW2_ZSTD ? inflate_zstd(w, len, out, q->cluster)
					  : inflate_deflate(w, len, out, q->cluster);
	if (!ok)
		return err_set(err, EINVAL,
			"%s: guest bytes at %" PRIu64 ": compressed cluster of %" PRIu64
			" bytes at %" PRIu64 ": does not inflate to %" PRIu64 " bytes",
			q->name, guest_off, len, off, q->cluster);
	return 0;
}

static struct kept *kept_of(const struct qcow2 *q, uint64_t guest_off)
{
	return &q->inflate->kept[(guest_off >> q->cluster_bits) % q->inflate->keep];
}

static bool read_kept(const struct qcow2 *q, uint64_t entry, uint64_t guest_off, size_t in,
	size_t len, void *buf)
{
	struct kept *k = kept_of(q, guest_off);
	bool found;

	pthread_mutex_lock(&q->inflate->lock);
	found = k->entry == entry;
	if (found)
		memcpy(buf, k->bytes + in, len);
	pthread_mutex_unlock(&q->inflate->lock);
	return found;
}

/* Takes `bytes`, a whole cluster. */
static void keep(const struct qcow2 *q, uint64_t entry, uint64_t guest_off, uint8_t *take_bytes)
{
	struct kept *k = kept_of(q, guest_off);
	uint8_t *old;

	pthread_mutex_lock(&q->inflate->lock);
	old = k->bytes;
	*k = (struct kept){.entry = entry, .bytes = take_bytes};
	pthread_mutex_unlock(&q->inflate->lock);
	free(old);
}

int qcow2_inflate_read(const struct qcow2 *q, uint64_t entry, uint64_t guest_off, size_t in,
	size_t len, void *buf, struct err *err)
{
	_auto_(mem) uint8_t *part = NULL;
	struct worker *w;
	int r;

	if (len < q->cluster) {
		if (read_kept(q, entry, guest_off, in, len, buf))
			return 0;
		part = xmalloc(q->cluster);
	}
	r = worker_get(q, &w, err);
	if (r < 0)
		return r;
	r = inflate_cluster(q, w, entry, guest_off, part ? part : buf, err);
	worker_put(q, w);
	if (r < 0 || !part)
		return r;
	memcpy(buf, part + in, len);
	keep(q, entry, guest_off, STEAL(part));
	return 0;
}
