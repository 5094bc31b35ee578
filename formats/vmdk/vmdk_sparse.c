// SPDX-License-Identifier: LGPL-2.1-or-later
/* vmdk_sparse: reading a hosted sparse extent at any place from any thread. */
#include "formats/vmdk/vmdk_sparse.h"

#include "formats/base/alloc.h"
#include "formats/vmdk/vmdk_cache.h"
#include "formats/vmdk/vmdk_tables.h"

#include <assert.h>
#include <inttypes.h>
#include <libdeflate.h>
#include <pthread.h>
#include <stdatomic.h>

/* Grains looked up at a time. */
#define WINDOW 256

/* Compressed bytes read at a time, where one grain does not need more. */
#define READ_BYTES (2 * MiB)

/* Bytes between two compressed grains that are cheaper read than skipped (a grain table). */
#define MAX_GAP (16 * KiB)

/* What one thread needs to inflate; kept for the next that comes. */
struct scratch {
	struct scratch *next;
	struct libdeflate_decompressor *inflater;
	uint8_t *in;    /* in_room bytes */
	uint8_t *grain; /* one grain */
};

struct sparse {
	struct block *file;
	struct vmdk_header h;
	size_t grain;   /* bytes */
	uint64_t count; /* grains */
	size_t in_room;
	bool damaged_ok;
	struct vmdk_tables *tables;
	struct vmdk_cache *cache; /* compressed extents only */

	pthread_mutex_t lock; /* idle, lost_map */
	struct scratch *idle;
	uint8_t *lost_map; /* a bit for each grain; damaged_ok only */
	_Atomic uint64_t lost;
};

static void scratch_free(struct scratch *s)
{
	libdeflate_free_decompressor(s->inflater);
	free(s->in);
	free(s->grain);
	free(s);
}

static struct scratch *scratch_get(struct sparse *s, struct err *err)
{
	struct scratch *c;

	pthread_mutex_lock(&s->lock);
	c = s->idle;
	if (c)
		s->idle = c->next;
	pthread_mutex_unlock(&s->lock);
	if (c)
		return c;
	c = xnew(struct scratch);
	c->inflater = libdeflate_alloc_decompressor();
	if (!c->inflater) {
		free(c);
		err_set(err, ENOMEM, "%s: no memory to inflate", s->file->label);
		return NULL;
	}
	c->in = xmalloc(s->in_room);
	c->grain = xmalloc(s->grain);
	return c;
}

static void scratch_put(struct sparse *s, struct scratch *c)
{
	pthread_mutex_lock(&s->lock);
	c->next = s->idle;
	s->idle = c;
	pthread_mutex_unlock(&s->lock);
}

static void sparse_free(struct block *b)
{
	struct sparse *s = b->self;

	for (struct scratch *c = s->idle, *next; c; c = next) {
		next = c->next;
		scratch_free(c);
	}
	vmdk_cache_free(s->cache);
	vmdk_tables_free(s->tables);
	block_free(s->file);
	free(s->lost_map);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/*
 * Grain g cannot be had, for the reason r and *err. With damaged_ok that is noted and 0 is
 * returned: the caller fills in zeros. Trouble of the file below stays an error, it may pass.
 */
static int lose(struct sparse *s, uint64_t g, int r, struct err *err)
{
	if (!s->damaged_ok || (r != -EINVAL && r != -EBADMSG)) {
		err_prefix(err, "%s", s->file->label);
		return r;
	}
	err_clear(err);
	pthread_mutex_lock(&s->lock);
	if (!(s->lost_map[g / 8] & 1 << g % 8)) {
		s->lost_map[g / 8] |= 1 << g % 8;
		s->lost++;
	}
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static bool is_hole(const struct sparse *s, uint32_t gte)
{
	return gte == VMDK_GTE_HOLE ||
	       (gte == VMDK_GTE_ZERO && (s->h.flags & VMDK_ZERO_GRAINS));
}

/* ---- plain grains -------------------------------------------------------------------- */

/* Reads [off, off + len), whose grains' entries begin with *gte, as far as they lie side by side.
 * Returns how many bytes that was, or an error. */
static ssize_t read_plain(struct sparse *s, uint8_t *buf, size_t len, uint64_t off,
	const uint32_t *gte, struct err *err)
{
	uint64_t g = off / s->grain;
	size_t in = off % s->grain;
	size_t n = MIN(len, s->grain - in);
	int r = vmdk_tables_check(s->tables, g, gte[0], err);

	if (r < 0) {
		r = lose(s, g, r, err);
		memset(buf, 0, n);
		return r < 0 ? r : (ssize_t)n;
	}
	for (size_t i = 1; n < len && gte[i] == gte[i - 1] + s->h.grain_sectors; i++) {
		if (vmdk_tables_check(s->tables, g + i, gte[i], NULL) < 0)
			break;
		n += MIN(len - n, s->grain);
	}
	r = block_pread(s->file, buf, n, (uint64_t)gte[0] * VMDK_SECTOR + in, err);
	if (r < 0)
		return err_prefix(err, "grain %" PRIu64 " (LBA %" PRIu64 ") at sector %u", g,
			g * s->h.grain_sectors, gte[0]);
	return n;
}

/* ---- compressed grains --------------------------------------------------------------- */

/*
 * Inflates grain g, whose marker is at data[0] and of which `avail` bytes were read, into out
 * (a whole grain). The marker must name this grain: an entry that points anywhere else is found
 * out here.
 */
static int inflate_grain(struct sparse *s, struct scratch *c, uint64_t g, uint32_t gte,
	const uint8_t *data, size_t avail, uint8_t *out, struct err *err)
{
	uint64_t lba = g * s->h.grain_sectors;
	struct vmdk_marker m;
	size_t got = 0;
	enum libdeflate_result r;

	if (avail < VMDK_MARKER_LEN)
		return err_set(err, EINVAL,
			"grain %" PRIu64 " (LBA %" PRIu64
			"): its marker at sector %u is cut off",
			g, lba, gte);
	m = vmdk_marker_parse(data);
	if (!m.size || m.value != lba)
		return err_set(err, EINVAL,
			"grain %" PRIu64 " (LBA %" PRIu64
			"): at sector %u is not its marker but "
			"one of %u bytes for LBA %" PRIu64,
			g, lba, gte, m.size, m.value);
	if (m.size > vmdk_deflate_max(&s->h))
		return err_set(err, EINVAL,
			"grain %" PRIu64 " (LBA %" PRIu64
			") at sector %u: %u compressed bytes for a grain of %zu",
			g, lba, gte, m.size, s->grain);
	if (m.size > avail - VMDK_MARKER_DATA)
		return err_set(err, EINVAL,
			"grain %" PRIu64 " (LBA %" PRIu64
			") at sector %u: its %u compressed bytes reach into the next grain or "
			"beyond the file of %" PRIu64 " bytes",
			g, lba, gte, m.size, s->file->size);
	r = libdeflate_zlib_decompress(
		c->inflater, data + VMDK_MARKER_DATA, m.size, out, s->grain, &got);
	if (r)
		return err_set(err, EBADMSG,
			"grain %" PRIu64 " (LBA %" PRIu64
			") at sector %u: its %u compressed bytes do "
			"not inflate to %zu, or their checksum is wrong",
			g, lba, gte, m.size, s->grain);
	if (got < vmdk_grain_used(&s->h, g))
		return err_set(err, EINVAL,
			"grain %" PRIu64 " (LBA %" PRIu64
			") at sector %u: its %u compressed bytes "
			"inflate to %zu, not %zu",
			g, lba, gte, m.size, got, s->grain);
	if (got < s->grain) /* the last grain of a disk may be short */
		memset(out + got, 0, s->grain - got);
	return 0;
}

/* Bytes from a grain's first sector that may belong to it: to the next one's, if that is known
 * and near, and never beyond the file. */
static size_t reach(const struct sparse *s, uint32_t gte, uint32_t next)
{
	uint64_t at = (uint64_t)gte * VMDK_SECTOR;
	uint64_t n = align_up(VMDK_MARKER_DATA + vmdk_deflate_max(&s->h), VMDK_SECTOR);

	if (next > gte)
		n = MIN(n, (uint64_t)(next - gte) * VMDK_SECTOR);
	return MIN(n, s->file->size - at);
}

/* How many of the n grains can come in one read: they rise, are near each other, and fit. */
static size_t neighbours(const struct sparse *s, uint64_t g, const uint32_t *gte, size_t n)
{
	uint64_t gap = vmdk_deflate_max(&s->h) + MAX_GAP;
	size_t k = 1;

	while (k < n && gte[k] > gte[k - 1] &&
		(uint64_t)(gte[k] - gte[k - 1]) * VMDK_SECTOR <= gap &&
		(uint64_t)(gte[k] - gte[0]) * VMDK_SECTOR + reach(s, gte[k], 0) <= s->in_room &&
		!vmdk_tables_check(s->tables, g + k, gte[k], NULL))
		k++;
	return k;
}

/*
 * Inflates whole grains g .. g + n - 1 into out, all of them allocated. gte[n] is the entry
 * behind the last, or 0.
 */
static int read_grains(struct sparse *s, struct scratch *c, uint64_t g, size_t n,
	const uint32_t *gte, uint8_t *out, struct err *err)
{
	while (n) {
		size_t k = 1, len;
		int r = vmdk_tables_check(s->tables, g, gte[0], err);

		if (r < 0) {
			r = lose(s, g, r, err);
			if (r < 0)
				return r;
			memset(out, 0, s->grain);
			goto next;
		}
		k = neighbours(s, g, gte, n);
		len = (size_t)(gte[k - 1] - gte[0]) * VMDK_SECTOR +
		      reach(s, gte[k - 1], gte[k]);
		r = block_pread(s->file, c->in, len, (uint64_t)gte[0] * VMDK_SECTOR, err);
		if (r < 0)
			return err_prefix(err,
				"grain %" PRIu64 " (LBA %" PRIu64 ") at sector %u", g,
				g * s->h.grain_sectors, gte[0]);
		for (size_t i = 0; i < k; i++) {
			size_t at = (size_t)(gte[i] - gte[0]) * VMDK_SECTOR;
			size_t end =
				i + 1 < k ? (size_t)(gte[i + 1] - gte[0]) * VMDK_SECTOR : len;

			r = inflate_grain(s, c, g + i, gte[i], c->in + at, end - at,
				out + i * s->grain, err);
			if (r < 0) {
				r = lose(s, g + i, r, err);
				if (r < 0)
					return r;
				memset(out + i * s->grain, 0, s->grain);
			}
		}
	next:
		g += k;
		gte += k;
		out += k * s->grain;
		n -= k;
	}
	return 0;
}

/* Reads from off on: whole grains as far as they are allocated, or part of one. Returns how many
 * bytes that was. Entries end with a 0 behind the last. */
static ssize_t read_compressed(struct sparse *s, struct scratch *c, uint8_t *buf, size_t len,
	uint64_t off, const uint32_t *gte, struct err *err)
{
	uint64_t g = off / s->grain;
	size_t in = off % s->grain;
	size_t n = MIN(len, s->grain - in), whole = 0;
	int r;

	if (!in)
		while (whole < len / s->grain && !is_hole(s, gte[whole]))
			whole++;
	if (whole) {
		r = read_grains(s, c, g, whole, gte, buf, err);
		return r < 0 ? r : (ssize_t)(whole * s->grain);
	}
	if (vmdk_cache_get(s->cache, g, in, n, buf))
		return n;
	r = read_grains(s, c, g, 1, gte, c->grain, err);
	if (r < 0)
		return r;
	memcpy(buf, c->grain + in, n);
	vmdk_cache_put(s->cache, g, c->grain);
	return n;
}

/* ---- the block ----------------------------------------------------------------------- */

static int sparse_pread(struct block *b, void *data, size_t len, uint64_t off, struct err *err)
{
	struct sparse *s = b->self;
	struct scratch *c = NULL;
	uint8_t *buf = data;
	int r = 0;

	if (s->h.compressed) {
		c = scratch_get(s, err);
		if (!c)
			return -ENOMEM;
	}
	while (len && !r) {
		uint64_t g = off / s->grain, first = g;
		size_t count = MIN(div_up(off + len, s->grain) - g, (uint64_t)WINDOW);
		uint64_t stop = MIN(off + len, (g + count) * s->grain);
		uint32_t gte[WINDOW + 1];
		/* One more, to know where the last one ends. */
		size_t known = MIN(s->count - g, count + 1);

		gte[known - 1] = gte[count] = 0;
		r = vmdk_tables_get(s->tables, g, known, gte, err);
		if (r < 0)
			err_prefix(err, "%s", s->file->label);
		while (off < stop && !r) {
			const uint32_t *e = &gte[off / s->grain - first];
			ssize_t n;

			if (is_hole(s, *e)) {
				n = MIN(stop - off, s->grain - off % s->grain);
				memset(buf, 0, n);
			} else if (c) {
				n = read_compressed(s, c, buf, stop - off, off, e, err);
			} else {
				n = read_plain(s, buf, stop - off, off, e, err);
			}
			if (n < 0) {
				r = n;
				break;
			}
			buf += n;
			off += n;
			len -= n;
		}
	}
	if (c)
		scratch_put(s, c);
	return r;
}

static int sparse_extent(struct block *b, uint64_t off, uint64_t max, uint64_t *len,
	unsigned *flags, struct err *err)
{
	struct sparse *s = b->self;
	uint64_t g = off / s->grain, end = off + max, count = 0;
	enum vmdk_run kind = VMDK_RUN_DATA;
	int r = vmdk_tables_run(s->tables, g, div_up(end, s->grain) - g, &kind, &count, err);

	if (r < 0) {
		err_prefix(err, "%s", s->file->label);
		return r;
	}
	for (uint64_t i = 0; kind == VMDK_RUN_LOST && i < count; i++) {
		uint32_t gte = 0;
		struct err why = {0};

		r = vmdk_tables_get(s->tables, g + i, 1, &gte, &why);
		if (!r)
			r = vmdk_tables_check(s->tables, g + i, gte, &why);
		r = lose(s, g + i, r, &why);
		if (r < 0) {
			err_pass(err, &why);
			return r;
		}
	}
	*flags = kind == VMDK_RUN_DATA ? 0 : BLOCK_ZERO | BLOCK_HOLE;
	*len = MIN((g + count) * s->grain, end) - off;
	return 0;
}

static const struct block_ops sparse_ops = {
	.name = "vmdk",
	.free = sparse_free,
	.pread = sparse_pread,
	.extent = sparse_extent,
};

int vmdk_sparse_new(struct block **ret, struct block *take_file, const struct vmdk_header *h,
	unsigned share, bool damaged_ok, struct err *err)
{
	_auto_(vmdk_tables) struct vmdk_tables *tables = NULL;
	struct sparse *s;
	int r = vmdk_tables_open(&tables, take_file, h, share, damaged_ok, err);

	if (r < 0)
		return r;
	s = xnew(struct sparse);
	pthread_mutex_init(&s->lock, NULL);
	s->file = take_file;
	s->h = *h;
	s->grain = vmdk_grain_len(h);
	s->count = vmdk_grains(h);
	s->in_room = MAX((uint64_t)READ_BYTES,
		align_up(VMDK_MARKER_DATA + vmdk_deflate_max(h), VMDK_SECTOR));
	s->damaged_ok = damaged_ok;
	s->tables = STEAL(tables);
	if (h->compressed)
		s->cache = vmdk_cache_new(s->grain);
	if (damaged_ok)
		s->lost_map = xcalloc(s->count / 8 + 1, 1);
	*ret = block_alloc(&sparse_ops, s, h->capacity * VMDK_SECTOR, take_file->label);
	(*ret)->preferred = MAX(s->grain, (size_t)(64 * KiB));
	return 0;
}

uint64_t vmdk_sparse_lost(const struct block *b)
{
	const struct sparse *s = b->self;

	assert(b->ops == &sparse_ops);
	return s->lost;
}
