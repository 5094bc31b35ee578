/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * block_file: a regular file or a block device as a block.
 *
 *	small or unaligned requests ----> buffered descriptor --.
 *	                                                        +--> the file
 *	large aligned requests --> O_DIRECT descriptor (opt.) --'
 *
 * BLOCK_FILE_DIRECT opens the file a second time with O_DIRECT and sends the large requests that
 * suit it there (writes of an image are then as fast as the disk, whatever the page cache does);
 * all others go through the page cache. The kernel keeps the two coherent. Where O_DIRECT is not
 * to be had (tmpfs, some network file systems) everything is buffered. To profit, pass buffers
 * aligned to BLOCK_FILE_BUFFER_ALIGN and requests of BLOCK_FILE_DIRECT_MIN or more; what is
 * ragged at the two ends is buffered.
 *
 * Holes of a regular file are its extents (SEEK_DATA, SEEK_HOLE). A file that is found shorter
 * than when it was opened is an error (EIO, "the file ends at ..."), never zeros.
 *
 * Zeroing a range punches a hole (BLOCK_MAY_UNMAP) or makes it unwritten (ZERO_RANGE), and
 * writes zeros only where the file system can do neither.
 *
 * Errors: EIO and what the kernel says; EINVAL for what is neither file nor block device.
 * Threads: as in block.h.
 */
#pragma once

#include "formats/block/block.h"

enum {
	BLOCK_FILE_WRITE = 1,  /* writable */
	BLOCK_FILE_DIRECT = 2, /* large requests past the page cache, where possible */
	BLOCK_FILE_GROW = 4,   /* growable, see block.h; regular files only */
};

#define BLOCK_FILE_BUFFER_ALIGN 4096
#define BLOCK_FILE_DIRECT_MIN   (64 * 1024)

/* Opens an existing file or device. */
int block_file_open(struct block **ret, const char *path, unsigned flags, struct err *err);

/* Creates a file that must not exist yet (EEXIST), mode 0644; writable and growable, empty. */
int block_file_create(struct block **ret, const char *path, unsigned flags, struct err *err);

/* A descriptor that is open already (for writing if BLOCK_FILE_WRITE); taken on success. `label`
 * names it in errors. BLOCK_FILE_DIRECT needs /proc. */
int block_file_from_fd(
	struct block **ret, int take_fd, const char *label, unsigned flags, struct err *err);
