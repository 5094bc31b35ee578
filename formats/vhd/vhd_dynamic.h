/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vhd_dynamic: the blocks of a dynamic disk.
 *
 *	table (in memory)          file
 *	  [0] sector ------------> | bitmap | data of the block           |
 *	  [1] ffffffff = none        bit 1: this sector was written
 *	  ...                        bit 0: it was not, and is zeros
 *
 * The whole table is checked when the disk is opened: every block inside the file, on no structure
 * and on no other block. So reading needs no further checks, and a damaged table is known at once.
 *
 * The bitmap counts: a sector that was not written reads as zeros whatever lies in the file there.
 * XenServer keeps VHDs on volumes that it does not clear, where that is what somebody else left.
 *
 * Memory: five bytes a block (5 MiB for 2 TiB in blocks of 2 MiB), and eight more while a table is
 * checked whose blocks are in no order. Threads: any.
 */
#pragma once

#include "formats/vhd/vhd_header.h"

/*
 * Reads and checks the table. Takes `take_file` on success. `data_end`: where the file's blocks
 * must end (in front of the footer). damaged_ok: blocks with a bad entry read as zeros and are
 * counted; without it they are errors (EINVAL).
 */
int vhd_dynamic_new(struct block **ret, struct block *take_file, const struct vhd_footer *f,
	const struct vhd_header *h, uint64_t data_end, bool damaged_ok, struct err *err);

/* Blocks that are lost; 0 for a block that is no dynamic VHD. */
uint64_t vhd_dynamic_lost(const struct block *b);
