// SPDX-License-Identifier: LGPL-2.1-or-later
/* block_filter: passing requests on to the block below. */
#include "formats/block/block_filter.h"

#include "formats/base/alloc.h"

static struct block *below(struct block *b)
{
	struct block_filter *f = b->self;

	return f->below;
}

struct block *block_filter_new(
	const struct block_ops *ops, struct block_filter *state, struct block *take_below)
{
	struct block *b = block_alloc(ops, state, block_size(take_below), take_below->label);

	state->below = take_below;
	b->read_only = take_below->read_only;
	b->growable = take_below->growable;
	b->preferred = take_below->preferred;
	return b;
}

void block_filter_free(struct block *b)
{
	block_free(below(b));
	free(b->self);
}

int block_filter_pread(struct block *b, void *buf, size_t len, uint64_t off, struct err *err)
{
	return block_pread(below(b), buf, len, off, err);
}

int block_filter_pwrite(
	struct block *b, const void *buf, size_t len, uint64_t off, struct err *err)
{
	return block_pwrite(below(b), buf, len, off, err);
}

int block_filter_zero(
	struct block *b, uint64_t off, uint64_t len, unsigned flags, struct err *err)
{
	return block_zero(below(b), off, len, flags, err);
}

int block_filter_discard(struct block *b, uint64_t off, uint64_t len, struct err *err)
{
	return block_discard(below(b), off, len, err);
}

int block_filter_flush(struct block *b, struct err *err)
{
	return block_flush(below(b), err);
}

int block_filter_extent(struct block *b, uint64_t off, uint64_t max, uint64_t *len,
	unsigned *flags, struct err *err)
{
	return block_extent_below(below(b), off, max, len, flags, err);
}

int block_filter_resize(struct block *b, uint64_t size, struct err *err)
{
	return block_resize(below(b), size, err);
}
