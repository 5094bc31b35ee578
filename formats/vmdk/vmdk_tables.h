/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmdk_tables: where the grains of a sparse extent are.
 *
 *	grain directory (read and checked when opened)      grain tables (512 entries each,
 *	  [0] ---------------------------------------------->  read when needed, cached)
 *	  [1]   0 = none of its grains is allocated             [0] sector of the grain
 *	  ...                                                   [1] 0 = not allocated, 1 = zero
 *
 * Every entry is checked before it is believed: inside the file, and not on the header, the
 * descriptor, a directory or a table. A directory with a bad entry is not used; the redundant
 * one, or the one that the footer names, is taken instead when it is whole. Where both tables of
 * a pair are there, an entry that one has lost (zero or impossible) is taken from the other;
 * entries that contradict each other are an error.
 *
 * Memory: 4 bytes a table for each directory, and at most 4 MiB of tables whatever the disk's
 * size. Threads: any, the tables lock themselves.
 */
#pragma once

#include "formats/vmdk/vmdk_header.h"

struct vmdk_tables;

/* What an entry can be besides a sector number. */
enum {
	VMDK_GTE_HOLE = 0,
	VMDK_GTE_ZERO = 1,         /* as handed out: only where the header allows it */
	VMDK_GTE_LOST = UINT32_MAX /* its table cannot be read, or its copies contradict */
};

/* A run of grains alike. */
enum vmdk_run { VMDK_RUN_HOLE, VMDK_RUN_ZERO, VMDK_RUN_DATA, VMDK_RUN_LOST };

/*
 * Reads and checks the directory. `file` is borrowed and must live longer. `h` is copied.
 * `share`: of how many extents of the disk this is one; each keeps fewer tables in memory then.
 * damaged_ok: tables with bad entries are VMDK_GTE_LOST, and a stream without a whole directory
 * is walked from its first marker to find its grains. Without it, these are errors; a stream
 * that was cut off says how far its grains go.
 */
int vmdk_tables_open(struct vmdk_tables **ret, struct block *file, const struct vmdk_header *h,
	unsigned share, bool damaged_ok, struct err *err);
void vmdk_tables_free(struct vmdk_tables *t);
DEFINE_AUTO(vmdk_tables)

/* The entries of grains first .. first + count - 1 (which must exist). */
int vmdk_tables_get(
	struct vmdk_tables *t, uint64_t first, size_t count, uint32_t *gte, struct err *err);

/*
 * What grain `first` is, and how many grains from it on (at most max, at least 1) are the same.
 * May stop early where it gets long. Holes cost nothing: whole tables are skipped.
 */
int vmdk_tables_run(struct vmdk_tables *t, uint64_t first, uint64_t max, enum vmdk_run *kind,
	uint64_t *count, struct err *err);

/* Is this an entry that a grain can be read by? If not, -EINVAL names grain, table and place. */
int vmdk_tables_check(
	const struct vmdk_tables *t, uint64_t grain, uint32_t gte, struct err *err);
