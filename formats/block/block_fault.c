// SPDX-License-Identifier: LGPL-2.1-or-later
/* block_fault: counting requests and failing chosen ones. */
#include "formats/block/block_fault.h"

#include "formats/base/alloc.h"
#include "formats/block/block_filter.h"

#include <assert.h>
#include <inttypes.h>

#define KINDS 7

static const char *const verbs[KINDS] = {
	"read", "write", "zero", "discard", "flush", "map", "resize"};

struct fault {
	struct block_filter filter;
	pthread_mutex_t lock; /* all below */
	struct block_fault what;
	uint64_t matched;
	uint64_t injected;
	uint64_t counts[KINDS];
};

static bool touches(const struct block_fault *w, uint64_t off, uint64_t len)
{
	return !w->len || (off < w->off + w->len && w->off < off + len);
}

/* Counts the request; 0 when it may pass. */
static int check(struct block *b, enum block_fault_kind kind, uint64_t off, uint64_t len,
	struct err *err)
{
	struct fault *f = b->self;
	unsigned k = (unsigned)__builtin_ctz(kind);
	bool fail = false;
	int code;

	pthread_mutex_lock(&f->lock);
	f->counts[k]++;
	if ((f->what.kinds & kind) && touches(&f->what, off, len)) {
		uint64_t i = f->matched++;

		fail = i >= f->what.nth && (!f->what.times || i - f->what.nth < f->what.times);
		f->injected += fail;
	}
	code = f->what.code ? f->what.code : EIO;
	pthread_mutex_unlock(&f->lock);
	if (!fail)
		return 0;
	return err_set(err, code, "%s: injected fault: %s %" PRIu64 " bytes at %" PRIu64,
		b->label, verbs[k], len, off);
}

static void fault_free(struct block *b)
{
	struct fault *f = b->self;

	pthread_mutex_destroy(&f->lock);
	block_filter_free(b);
}

static int fault_pread(struct block *b, void *buf, size_t len, uint64_t off, struct err *err)
{
	int r = check(b, BLOCK_FAULT_READ, off, len, err);

	return r < 0 ? r : block_filter_pread(b, buf, len, off, err);
}

static int fault_pwrite(
	struct block *b, const void *buf, size_t len, uint64_t off, struct err *err)
{
	int r = check(b, BLOCK_FAULT_WRITE, off, len, err);

	return r < 0 ? r : block_filter_pwrite(b, buf, len, off, err);
}

static int fault_zero(
	struct block *b, uint64_t off, uint64_t len, unsigned flags, struct err *err)
{
	int r = check(b, BLOCK_FAULT_ZERO, off, len, err);

	return r < 0 ? r : block_filter_zero(b, off, len, flags, err);
}

static int fault_discard(struct block *b, uint64_t off, uint64_t len, struct err *err)
{
	int r = check(b, BLOCK_FAULT_DISCARD, off, len, err);

	return r < 0 ? r : block_filter_discard(b, off, len, err);
}

static int fault_flush(struct block *b, struct err *err)
{
	int r = check(b, BLOCK_FAULT_FLUSH, 0, block_size(b), err);

	return r < 0 ? r : block_filter_flush(b, err);
}

static int fault_extent(struct block *b, uint64_t off, uint64_t max, uint64_t *len,
	unsigned *flags, struct err *err)
{
	int r = check(b, BLOCK_FAULT_EXTENT, off, max, err);

	return r < 0 ? r : block_filter_extent(b, off, max, len, flags, err);
}

static int fault_resize(struct block *b, uint64_t size, struct err *err)
{
	int r = check(b, BLOCK_FAULT_RESIZE, 0, size, err);

	return r < 0 ? r : block_filter_resize(b, size, err);
}

static const struct block_ops fault_ops = {
	.name = "fault",
	.free = fault_free,
	.pread = fault_pread,
	.pwrite = fault_pwrite,
	.zero = fault_zero,
	.discard = fault_discard,
	.flush = fault_flush,
	.extent = fault_extent,
	.resize = fault_resize,
};

struct block *block_fault_new(struct block *take_below)
{
	struct fault *f = xnew(struct fault);

	pthread_mutex_init(&f->lock, NULL);
	return block_filter_new(&fault_ops, &f->filter, take_below);
}

static struct fault *self(struct block *b)
{
	assert(b->ops == &fault_ops);
	return b->self;
}

void block_fault_set(struct block *b, const struct block_fault *fault)
{
	struct fault *f = self(b);

	pthread_mutex_lock(&f->lock);
	f->what = *fault;
	f->matched = f->injected = 0;
	memset(f->counts, 0, sizeof(f->counts));
	pthread_mutex_unlock(&f->lock);
}

uint64_t block_fault_count(struct block *b, unsigned kinds)
{
	struct fault *f = self(b);
	uint64_t sum = 0;

	pthread_mutex_lock(&f->lock);
	for (unsigned k = 0; k < KINDS; k++)
		if (kinds & (1u << k))
			sum += f->counts[k];
	pthread_mutex_unlock(&f->lock);
	return sum;
}

uint64_t block_fault_injected(struct block *b)
{
	struct fault *f = self(b);
	uint64_t n;

	pthread_mutex_lock(&f->lock);
	n = f->injected;
	pthread_mutex_unlock(&f->lock);
	return n;
}
