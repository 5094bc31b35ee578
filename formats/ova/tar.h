/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tar: walks the members of an uncompressed tar without copying any: each one's name, and where
 * its bytes lie in the file.
 *
 *	| header 512 | data, padded to 512 | header | data ... | 512 zeros | 512 zeros |
 *	             `-- member.offset, member.size
 *
 * Read: ustar (POSIX.1-1988), GNU tar (long names, base-256 sizes), pax (POSIX.1-2001: path and
 * size), and the old form without a magic. Positions only grow, so members can neither overlap
 * nor form a circle; each header has a checksum; each member lies within the file.
 *
 * Names are given without "./" in front and without doubled slashes; absolute ones and ".." are
 * refused (EPERM). Links, devices and directories are reported with their type and have no bytes.
 *
 *	struct tar_reader t;
 *	tar_begin(&t, block, "vm.ova");
 *	while ((r = tar_next(&t, &member, err)) > 0)
 *		...
 *	tar_end(&t);
 *
 * Threads: a reader belongs to one thread at a time.
 */
#pragma once

#include "formats/block/block.h"

#define TAR_NAME_MAX       4096      /* bytes of a member's name */
#define TAR_PAX_MAX        (1 * MiB) /* bytes of one extended header */
#define TAR_EXTENSIONS_MAX 16        /* extended headers before one member */

enum tar_type { TAR_FILE, TAR_DIRECTORY, TAR_OTHER };

struct tar_member {
	const char *name; /* good until the next call */
	enum tar_type type;
	uint64_t offset; /* of its bytes in the file */
	uint64_t size;   /* bytes */
};

struct tar_reader {
	struct block *file; /* borrowed */
	const char *label;  /* for errors; borrowed */
	uint64_t next;      /* where the next header is */
	bool terminated;    /* the end marker was there (else the file just ended) */
	char *name;         /* of the current member */
};

/* Does the block begin with a tar header (one whose checksum is right)? */
bool tar_probe(struct block *file);

void tar_begin(struct tar_reader *t, struct block *file, const char *label);
/* 1: *m is the next member. 0: the end. EINVAL (damaged or cut, with the position), EPERM,
 * ENOTSUP (sparse and multi-volume members). */
int tar_next(struct tar_reader *t, struct tar_member *m, struct err *err);
void tar_end(struct tar_reader *t);

/* A member name as used here: "./a//b/" is "a/b". Caller frees. EPERM, EINVAL. */
int tar_clean_name(const char *name, char **ret, struct err *err);
