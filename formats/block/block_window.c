// SPDX-License-Identifier: LGPL-2.1-or-later
/* block_window: offset and length of a shared block. */
#include "formats/block/block_window.h"

#include "formats/base/alloc.h"

#include <inttypes.h>

struct window {
	struct block *below;
	uint64_t off;
};

static void window_free(struct block *b)
{
	struct window *w = b->self;

	block_free(w->below);
	free(w);
}

static int window_pread(struct block *b, void *buf, size_t len, uint64_t off, struct err *err)
{
	struct window *w = b->self;

	return block_pread(w->below, buf, len, w->off + off, err);
}

static int window_pwrite(
	struct block *b, const void *buf, size_t len, uint64_t off, struct err *err)
{
	struct window *w = b->self;

	return block_pwrite(w->below, buf, len, w->off + off, err);
}

static int window_zero(
	struct block *b, uint64_t off, uint64_t len, unsigned flags, struct err *err)
{
	struct window *w = b->self;

	return block_zero(w->below, w->off + off, len, flags, err);
}

static int window_discard(struct block *b, uint64_t off, uint64_t len, struct err *err)
{
	struct window *w = b->self;

	return block_discard(w->below, w->off + off, len, err);
}

static int window_flush(struct block *b, struct err *err)
{
	struct window *w = b->self;

	return block_flush(w->below, err);
}

static int window_extent(struct block *b, uint64_t off, uint64_t max, uint64_t *len,
	unsigned *flags, struct err *err)
{
	struct window *w = b->self;

	return block_extent_below(w->below, w->off + off, max, len, flags, err);
}

static const struct block_ops window_ops = {
	.name = "window",
	.free = window_free,
	.pread = window_pread,
	.pwrite = window_pwrite,
	.zero = window_zero,
	.discard = window_discard,
	.flush = window_flush,
	.extent = window_extent,
};

int block_window_open(struct block **ret, struct block *take_below, uint64_t off, uint64_t len,
	struct err *err)
{
	uint32_t preferred = take_below->preferred;
	struct window *w;

	if (!range_ok(off, len, block_size(take_below)))
		return err_set(err, EINVAL,
			"%s: %" PRIu64 " bytes at %" PRIu64 " are outside of its %" PRIu64
			" bytes",
			take_below->label, len, off, block_size(take_below));
	w = xnew(struct window);
	w->below = take_below;
	w->off = off;
	*ret = block_alloc(&window_ops, w, len, take_below->label);
	(*ret)->read_only = take_below->read_only;
	if (preferred && off % preferred == 0)
		(*ret)->preferred = preferred;
	return 0;
}
