/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vhd: Microsoft's Virtual Hard Disk as a row of the image table, under the name that QEMU and
 * virt-v2v give it: vpc. Read: fixed and dynamic. A differencing disk (a snapshot, an AVHD) is
 * refused with the name of its parent (-ENOTSUP); it is never read without it.
 *
 *	vhd.c           the row: probe, which footer counts, fixed disks
 *	vhd_header.c    the footer and the dynamic header: decoded and checked
 *	vhd_dynamic.c   the block allocation table and the blocks
 *
 * Microsoft, "Virtual Hard Disk Image Format Specification", version 1.0.
 */
#pragma once

#include "formats/image.h"

/* Read-only. The row for image_formats[]. */
extern const struct image_format image_vhd;

/* Blocks that read as zeros because they are lost, of a block that image_vhd opened with
 * damaged_ok; known when it is open. Any thread. */
uint64_t vhd_lost_blocks(const struct block *b);
