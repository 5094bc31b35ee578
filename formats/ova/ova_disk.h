/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ova_disk: a disk of a package, as its guest sees it.
 *
 *	struct vm_disk (from ovf_parse)  -->  image format over a member  -->  struct block
 *
 * Threads: as ova.h.
 */
#pragma once

#include "formats/ova/ova.h"
#include "formats/vm/vmspec.h"

/*
 * Opens disk `d` of the descriptor, read-only (with the files that it names beside it, if the
 * package is a folder), in the format the descriptor says (else what its first bytes say; raw
 * only if it is said). A disk without a file reads as zeros. The size in the image must be the
 * descriptor's capacity. EINVAL, ENOENT, ENOTSUP, EIO.
 */
int ova_disk_open(struct ova *o, const struct vm_disk *d, struct block **ret, struct err *err);

/* Compares all files that the disk's bytes are in with the manifest: as ova_verify_members(); 0
 * for a disk without a file. */
int ova_disk_verify(
	struct ova *o, const struct vm_disk *d, const struct progress *p, struct err *err);
