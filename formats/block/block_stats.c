// SPDX-License-Identifier: LGPL-2.1-or-later
/* block_stats: counting what passes. */
#include "formats/block/block_stats.h"

#include "formats/base/alloc.h"
#include "formats/block/block_filter.h"

#include <assert.h>
#include <time.h>

struct stats {
	struct block_filter filter;
	struct block_stats kinds[BLOCK_STATS_KINDS]; /* each field atomic */
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void add(uint64_t *counter, uint64_t n)
{
	__atomic_add_fetch(counter, n, __ATOMIC_RELAXED);
}

/* Counts a request that began at `start` and returned r; returns r. */
static int count(
	struct block *b, enum block_stats_kind kind, uint64_t start, uint64_t bytes, int r)
{
	struct stats *s = b->self;
	struct block_stats *k = &s->kinds[kind];

	add(&k->requests, 1);
	add(&k->ns, now_ns() - start);
	add(r < 0 ? &k->failed : &k->bytes, r < 0 ? 1 : bytes);
	return r;
}

static int stats_pread(struct block *b, void *buf, size_t len, uint64_t off, struct err *err)
{
	uint64_t start = now_ns();

	return count(
		b, BLOCK_STATS_READ, start, len, block_filter_pread(b, buf, len, off, err));
}

static int stats_pwrite(
	struct block *b, const void *buf, size_t len, uint64_t off, struct err *err)
{
	uint64_t start = now_ns();

	return count(
		b, BLOCK_STATS_WRITE, start, len, block_filter_pwrite(b, buf, len, off, err));
}

static int stats_zero(
	struct block *b, uint64_t off, uint64_t len, unsigned flags, struct err *err)
{
	uint64_t start = now_ns();

	return count(
		b, BLOCK_STATS_ZERO, start, len, block_filter_zero(b, off, len, flags, err));
}

static int stats_discard(struct block *b, uint64_t off, uint64_t len, struct err *err)
{
	uint64_t start = now_ns();

	return count(
		b, BLOCK_STATS_DISCARD, start, len, block_filter_discard(b, off, len, err));
}

static int stats_flush(struct block *b, struct err *err)
{
	uint64_t start = now_ns();

	return count(b, BLOCK_STATS_FLUSH, start, 0, block_filter_flush(b, err));
}

static int stats_extent(struct block *b, uint64_t off, uint64_t max, uint64_t *len,
	unsigned *flags, struct err *err)
{
	uint64_t start = now_ns();
	int r = block_filter_extent(b, off, max, len, flags, err);

	return count(b, BLOCK_STATS_EXTENT, start, *len, r);
}

static const struct block_ops stats_ops = {
	.name = "stats",
	.free = block_filter_free,
	.pread = stats_pread,
	.pwrite = stats_pwrite,
	.zero = stats_zero,
	.discard = stats_discard,
	.flush = stats_flush,
	.extent = stats_extent,
	.resize = block_filter_resize,
};

struct block *block_stats_new(struct block *take_below)
{
	struct stats *s = xnew(struct stats);

	return block_filter_new(&stats_ops, &s->filter, take_below);
}

void block_stats_get(struct block *b, struct block_stats ret[BLOCK_STATS_KINDS])
{
	struct stats *s = b->self;

	assert(b->ops == &stats_ops);
	for (unsigned i = 0; i < BLOCK_STATS_KINDS; i++) {
		struct block_stats *k = &s->kinds[i];

		ret[i] = (struct block_stats){
			.requests = __atomic_load_n(&k->requests, __ATOMIC_RELAXED),
			.failed = __atomic_load_n(&k->failed, __ATOMIC_RELAXED),
			.bytes = __atomic_load_n(&k->bytes, __ATOMIC_RELAXED),
			.ns = __atomic_load_n(&k->ns, __ATOMIC_RELAXED),
		};
	}
}
