/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * block_concat: several blocks one after the other: the chunks of a disk in an OVA, the extents
 * of a flat VMDK. A zero block (block_null) fills gaps.
 *
 *	   part 0      part 1        part 2
 *	|=========|===========|===================|
 *
 * A read over a border becomes one read per part. Writable if all parts are; its parts do not
 * grow. Threads: as in block.h.
 */
#pragma once

#include "formats/block/block.h"

/* More parts than any disk is cut into: 1 MiB chunks of 1 TiB. */
#define BLOCK_CONCAT_MAX_PARTS (1u << 20)

/*
 * Takes the `count` blocks in take_parts[] (the array itself is copied) on success; none of them
 * on failure. EINVAL for no parts, too many, or a sum above BLOCK_MAX_SIZE.
 */
int block_concat_new(struct block **ret, struct block **take_parts, size_t count,
	const char *label, struct err *err);
