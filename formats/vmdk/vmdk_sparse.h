/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmdk_sparse: a hosted sparse extent (header versions 1 to 3), plain or compressed, as a block.
 *
 *	pread ----> entries of the grains (vmdk_tables)
 *	              |
 *	              |-- hole, zero           memset
 *	              |-- plain                one read for grains that lie side by side
 *	              |-- compressed, whole    one read for up to 2 MiB of neighbouring grains, each
 *	              |                        inflated into the caller's buffer
 *	              '-- compressed, in part  grain cache (vmdk_cache)
 *
 * Lost data is never read as zeros: a grain whose entry, marker or checksum is wrong is -EINVAL
 * (-EBADMSG where it does not inflate to its Adler-32), named with its LBA and place. With
 * damaged_ok it is zeros, and counted.
 *
 * Threads: as for every block, any number of readers at a time.
 */
#pragma once

#include "formats/vmdk/vmdk_header.h"

/* The extent that `h`, which was read from this file, describes. `take_file` is taken on success.
 * `share` (1 or more): of how many extents of the disk this is one; it needs the less memory.
 * Errors carry no file name of their own for the opening; those of reads begin with the label. */
int vmdk_sparse_new(struct block **ret, struct block *take_file, const struct vmdk_header *h,
	unsigned share, bool damaged_ok, struct err *err);

/* Grains that were asked for and filled with zeros because they are lost (damaged_ok). `b` must
 * come from vmdk_sparse_new(). Any thread. */
uint64_t vmdk_sparse_lost(const struct block *b);
