/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmdk: VMware's disks as a row of the image table: a file is opened as what its header and
 * descriptor say it is. Read: monolithicSparse and streamOptimized in one file, and disks whose
 * descriptor names flat and sparse extents in files beneath image_open.dirfd. Everything else is
 * refused by its name, with what can be done about it (-ENOTSUP).
 *
 * The descriptor and the header of the extent must agree about the size (-EINVAL).
 */
#pragma once

#include "formats/image.h"

/* Read-only. The row for image_formats[]. */
extern const struct image_format image_vmdk;

/* Grains filled with zeros because they are lost, of a block that image_vmdk opened with
 * damaged_ok; it grows as the disk is read. Any thread. */
uint64_t vmdk_lost_grains(const struct block *b);
