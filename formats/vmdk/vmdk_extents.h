/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmdk_extents: a disk whose data is in other files than its descriptor, as a block.
 *
 *	RW 4194304 SPARSE "a-s001.vmdk"      vmdk_sparse -.
 *	RW 63 FLAT "a-f002.vmdk" 100         window       +--> concat = the disk
 *	RDONLY 1000 VMFS "a-flat.vmdk"       window       |
 *	NOACCESS 8 FLAT "b.vmdk" 0           zeros        |
 *	RW 100 ZERO                          zeros       -'
 *
 * Each line counts with all its sectors, so that what follows stays in its place. RDONLY extents
 * are read as others are; NOACCESS ones are zeros, their files are not opened.
 *
 * Names of files are opened beneath one folder only. A file that is shorter than its line says,
 * a sparse extent of another size, and two extents over the same bytes of a file are errors.
 *
 * Virtual Disk Format 5.0, "The Extent Description".
 */
#pragma once

#include "formats/block/block.h"
#include "formats/vmdk/vmdk_desc.h"

/* Files of one disk, each open all the time: 8 TiB in pieces of 2 GiB. */
#define VMDK_EXTENTS_MAX_FILES 4096

/*
 * Is this a disk that can be read here at all? -ENOTSUP with advice for a snapshot, a device and
 * extent types that are not read.
 */
int vmdk_extents_supported(const struct vmdk_desc *d, struct err *err);

/*
 * Opens all extents beneath the folder `dirfd` (borrowed; < 1: there is none, -ENOTSUP), which
 * vmdk_extents_supported() has found good. `label` names the disk in errors of reads. damaged_ok
 * as for vmdk_sparse_new(); a flat extent is whole in any case. -EINVAL, -ENOENT, -EPERM for a
 * name that leads out of the folder; the text begins with the extent. *ret is read-only; any
 * thread may read.
 */
int vmdk_extents_open(struct block **ret, const struct vmdk_desc *d, int dirfd, bool damaged_ok,
	const char *label, struct err *err);

/* Is this a block from vmdk_extents_open()? Any thread. */
bool vmdk_extents_is(const struct block *b);

/* As vmdk_sparse_lost(), of all extents of such a block together. Any thread. */
uint64_t vmdk_extents_lost(const struct block *b);

/* Adds the names of all files that vmdk_extents_open() opens to the list. */
void vmdk_extents_files(const struct vmdk_desc *d, char ***list);
