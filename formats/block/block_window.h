/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * block_window: a range of another block as a block of its own: a member of a tar, a partition,
 * a flat extent. Everything passes through, extents too.
 *
 *	block below   |.......|==============|..........|
 *	                      off            off + len
 *
 * To put several windows on one block, give each a reference: block_window_open(&w,
 * block_ref(file), ...); on failure the caller gives that reference back with block_free().
 */
#pragma once

#include "formats/block/block.h"

/* EINVAL when the range is not within the block below. The label is the one below; see
 * block_set_label(). Read-only if the block below is. */
int block_window_open(struct block **ret, struct block *take_below, uint64_t off, uint64_t len,
	struct err *err);
