/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * manifest: the .mf file of an OVF package (DSP0243 section 5.1): one digest per file.
 *
 *	SHA256(vm.ovf)= 3a7bd3...        as VMware writes it
 *	SHA1 (vm-disk1.vmdk) = 0beec7... as others do
 *
 * SHA-1, SHA-256 and SHA-512 may stand in one file; lines end in LF or CRLF. A digest is of the
 * file as it is stored in the package. Lines of no known form are warnings; a line that names
 *an algorithm we know but has no digest of its length is damage, and an error.
 *
 * Threads: a parsed manifest never changes.
 */
#pragma once

#include "formats/base/digest.h"
#include "formats/base/err.h"

#define MANIFEST_BYTES_MAX    (1 * MiB) /* of text */
#define MANIFEST_ENTRIES_MAX  10000     /* files of one package */
#define MANIFEST_WARNINGS_MAX 16        /* odd lines that are told one by one */

struct manifest_entry {
	char *name; /* as written: relative to the manifest's folder */
	enum digest_algo algo;
	uint8_t sum[DIGEST_MAX]; /* digest_len(algo) bytes */
};

struct manifest {
	struct manifest_entry *entries;
	size_t n_entries;
	char **warnings; /* sentences about odd lines, or NULL */
};

/*
 * Parses `len` bytes; `file` names the manifest in messages. A file that is listed with several
 * algorithms keeps the strongest; listed with two different digests of one algorithm: EINVAL.
 */
int manifest_parse(
	struct manifest **ret, const char *text, size_t len, const char *file, struct err *err);
void manifest_free(struct manifest *m);
DEFINE_AUTO(manifest)

/* The entry for a file of exactly this name, or NULL. */
const struct manifest_entry *manifest_find(const struct manifest *m, const char *name);
