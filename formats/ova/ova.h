/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ova: an OVF package (DMTF DSP0243): a descriptor (.ovf), disks, a manifest (.mf).
 *
 *	vm.ova  = tar [ vm.ovf | vm.mf | vm-disk1.vmdk | ... ]      read in place, nothing unpacked
 *	folder/ = vm.ovf, vm.mf, vm-disk1.vmdk ...                  or folder/vm.ovf itself
 *
 * At open the descriptor and all small files are checked against the manifest, and every file
 * that the descriptor refers to must be there with the size it says. Disks are checked with
 * ova_verify_members(), which is meant to run in a thread beside the copy.
 *
 * Names of members are the descriptor's references, as written; they are found as they are, with
 * percent-encoding undone, and, with a warning, with other letter case. Names never lead out of
 * the package. A file split into NAME.000000000, NAME.000000001 ... is one member.
 *
 * Threads: ova_open() and ova_free() by one; everything between from any number at a time.
 */
#pragma once

#include "formats/base/digest.h"
#include "formats/base/progress.h"
#include "formats/block/block.h"

#define OVA_MEMBERS_MAX  10000     /* of a tar */
#define OVA_FOLDER_MAX   100000    /* files beside an .ovf */
#define OVA_CHUNKS_MAX   4096      /* pieces of one split file */
#define OVA_WARNINGS_MAX 256       /* kept */
#define OVA_SMALL_MAX    (1 * MiB) /* bytes; up to here a file is checked at open */

struct ova;

/* Opens the package at `path`. EINVAL (damaged, incomplete), EPERM (names that lead out),
 * EBADMSG (the manifest disagrees), ENOTSUP (compressed as a whole, several machines' .ovf). */
int ova_open(struct ova **ret, const char *path, struct err *err);
/* Blocks got from it stay good. */
void ova_free(struct ova *o);
DEFINE_AUTO(ova)

/* The descriptor: NUL-terminated, `len` bytes; belongs to the package. */
const char *ova_ovf(const struct ova *o, size_t *len);

/* What was odd but tolerated: at most OVA_WARNINGS_MAX sentences, NULL-terminated (or NULL). Belongs to the package. */
char *const *ova_warnings(const struct ova *o);

/* The stored bytes of a member, read-only. ENOENT, ENOTSUP when the descriptor says that it is
 * compressed. */
int ova_member(struct ova *o, const char *name, struct block **ret, struct err *err);

/* 1: the manifest has a digest of this member; 0: it has none, or one per chunk. */
int ova_manifest(const struct ova *o, const char *name, enum digest_algo *algo,
	uint8_t expected[DIGEST_MAX]);

/* The folder that a member is in, for files that it names itself: a descriptor that the caller
 * closes; -1 in an archive, whose members have none. */
int ova_folder(const struct ova *o, const char *name, int *ret, struct err *err);

/*
 * Reads members (NULL-terminated) from their first bytes to their last and compares their digests
 * (all their chunks', if they are split) with the manifest. 1: they agree. 0: the manifest does
 * not have one of them. EBADMSG with both digests; ECANCELED. `p` (may be NULL) hears of bytes
 * read.
 */
int ova_verify_members(
	struct ova *o, char *const *members, const struct progress *p, struct err *err);

static inline int ova_verify_member(
	struct ova *o, const char *name, const struct progress *p, struct err *err)
{
	char *const members[] = {(char *)name, NULL};

	return ova_verify_members(o, members, p, err);
}
