/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * initrd: what an initramfs holds, and one more segment for its end.
 *
 * An initramfs is one or more cpio archives (newc) behind each other; each may be compressed, and
 * zeros may lie between them (kernel documentation: driver-api/early-userspace/buffer-format).
 * Debian's has up to two uncompressed ones with processor microcode, then the main one. The kernel
 * unpacks them in order, later files replacing earlier ones; that is why a segment at the end can
 * add modules without touching what is there:
 *
 *	[microcode cpio][gzip: cpio ........][zeros to 4 bytes][gzip: cpio with our files]
 *
 * Two traps. A folder entry whose name is a symbolic link in an earlier archive (usrmerge:
 * lib -> usr/lib) would make the kernel delete the link and all modules be lost, so names are
 * taken through links and folders that exist get no entry. And modules packed with zstd or xz
 * need a kmod in the initramfs that can unpack them, which is the case for the ones that were
 * built into it the same way.
 *
 * Threads: plain data.
 */
#pragma once

#include "guestfix/facts.h"

#define INITRD_MAX_ENTRIES  (256 * 1024)
#define INITRD_MAX_SEGMENTS 64
#define INITRD_MAX_UNPACKED (UINT64_C(2) << 30) /* all archives together, unpacked */
#define INITRD_MAX_KEPT     (1024 * 1024)       /* a small file whose content is kept */
#define INITRD_MAX_MEMORY   (32 * 1024 * 1024)  /* names, links and contents that are kept */
#define INITRD_MAX_PATH     4096

struct initrd_entry {
	char *path;    /* without leading "/" or "./" */
	unsigned mode; /* S_IFMT and permissions */
	uint64_t size;
	char *link; /* target of a symbolic link */
	char *data; /* of files under conf/, NUL-terminated; else NULL */
	size_t seq; /* order of appearance, for entries of equal path: the last counts */
};

struct initrd {
	struct initrd_entry *entries; /* sorted by path; one per path, the last one unpacked */
	size_t n_entries;
	unsigned n_segments;
	enum initrd_compression compression; /* of the largest archive */
};

/* Reads the bytes of an initramfs. EINVAL malformed or beyond a limit, ENOTSUP a compression that
 * is not known. */
int initrd_parse(struct initrd **ret, const void *bytes, size_t len, struct err *err);
void initrd_free(struct initrd *rd);
DEFINE_AUTO(initrd)

/* NULL = no such path. Symbolic links are not followed. */
const struct initrd_entry *initrd_find(const struct initrd *rd, const char *path);

/* `path` with every symbolic link in its folders followed, as the running initramfs would
 * ("lib/modules/x" -> "usr/lib/modules/x"). Caller frees. NULL: a loop. */
char *initrd_real_path(const struct initrd *rd, const char *path);

/* Is the module (by its name, "virtio_blk", hyphens as underscores) in there for this kernel? */
bool initrd_has_module(const struct initrd *rd, const char *version, const char *name);

/*
 * A cpio archive in the making. Paths are as in initrd_find(), links followed already; folders above
 * them that `rd` lacks are added by themselves. A path may be added once.
 */
struct cpio {
	struct str out;
	const struct initrd *rd; /* borrowed; NULL = nothing is there */
	char **folders;          /* entries made for folders so far */
	unsigned next_ino;
};
void cpio_add_file(
	struct cpio *c, const char *path, unsigned mode, const void *data, size_t len);
/* Ends the archive and packs it like the initramfs (gzip or zstd; anything else: not packed).
 * *ret and *ret_len: caller frees. */
int cpio_finish(struct cpio *c, enum initrd_compression compression, void **ret,
	size_t *ret_len, struct err *err);
