/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * concat: several blocks one behind the other as one block, read-only: a file that was split
 * into chunks.
 *
 *	| part 0 | part 1 | ... | part n-1 |
 *
 * Threads: as in block.h, if the parts are.
 */
#pragma once

#include "formats/block/block.h"

/* Takes the n >= 1 parts (not the array) on success. EINVAL when the sizes overflow. */
int concat_open(struct block **ret, struct block *const *take_parts, size_t n,
	const char *label, struct err *err);
