/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * block_cow: an overlay. Reads come from the block below until a range is written; writes go to
 * a sparse temporary file that has no name, so that nothing is left behind whatever happens. The
 * block below is never written.
 *
 *	state of each 64 KiB unit     BELOW            DATA              ZERO
 *	                                |                |                 |
 *	                          block below     temporary file         zeros
 *
 * Writing part of a unit copies the rest of it up first. Zeroing or discarding whole units only
 * changes their state: nothing is written, and the space in the temporary file is given back.
 * Parts of units are written as zeros, or for a discard ignored.
 *
 * Extents: BELOW as the block below says, DATA is data, ZERO is a hole that reads as zeros.
 *
 * Errors: ENOSPC and others name the temporary file's folder. EINVAL above 64 TiB.
 * Threads: as in block.h; writers of the same unit are kept apart by a lock.
 */
#pragma once

#include "formats/block/block.h"

#define BLOCK_COW_UNIT (64 * 1024)

/* `dir` for the temporary file; NULL = $TMPDIR, or /var/tmp (not /tmp, which may be memory). */
int block_cow_new(
	struct block **ret, struct block *take_below, const char *dir, struct err *err);

/* Bytes (whole units) that no longer come from the block below, zeroed ones included. */
uint64_t block_cow_changed(struct block *b);
