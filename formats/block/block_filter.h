/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * block_filter: for drivers that sit on one block of the same size and only watch or disturb
 * what passes. A filter's state starts with a struct block_filter; the operations that it does
 * not care about are the functions here.
 *
 *	struct spy { struct block_filter filter; ... };
 *	static const struct block_ops spy_ops = {
 *		.name = "spy", .free = block_filter_free, .pread = spy_pread,
 *		.pwrite = block_filter_pwrite, ...
 *	};
 *	*ret = block_filter_new(&spy_ops, &spy->filter, take_below);
 */
#pragma once

#include "formats/block/block.h"

struct block_filter {
	struct block *below;
};

/* A block that looks as `take_below` does; `state` (from malloc, starting with the filter) and
 * `take_below` are taken. Cannot fail. */
struct block *block_filter_new(
	const struct block_ops *ops, struct block_filter *state, struct block *take_below);

/* The operations of struct block_ops, passed on. block_filter_free() frees the state too. */
void block_filter_free(struct block *b);
int block_filter_pread(struct block *b, void *buf, size_t len, uint64_t off, struct err *err);
int block_filter_pwrite(
	struct block *b, const void *buf, size_t len, uint64_t off, struct err *err);
int block_filter_zero(
	struct block *b, uint64_t off, uint64_t len, unsigned flags, struct err *err);
int block_filter_discard(struct block *b, uint64_t off, uint64_t len, struct err *err);
int block_filter_flush(struct block *b, struct err *err);
int block_filter_extent(struct block *b, uint64_t off, uint64_t max, uint64_t *len,
	unsigned *flags, struct err *err);
int block_filter_resize(struct block *b, uint64_t size, struct err *err);
