/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * block: a fixed number of bytes that can be read, and perhaps written. Every disk image, every
 * window into one, every overlay is a struct block; they stack:
 *
 *	    libguestfs      copy engine     boot check
 *	        |               |               |
 *	    nbd server          |          nbd server
 *	        `-------.       |       .-------'
 *	              block_cow (changes)
 *	                    |
 *	              vmdk stream (grains inflated)
 *	                    |
 *	              block_window (a member of the OVA)
 *	                    |
 *	              block_file (the .ova)
 *
 * All calls go through the functions here, the chokepoint. It checks the range against the
 * size, the read-only flag and the alignment a driver asked for, splits what is too large, and
 * emulates what a driver lacks; so drivers stay naive: they are never called with a length of
 * zero, beyond the end, or with a write on a read-only block.
 *
 * Growing: a block is fixed in size unless the driver sets `growable` (a file that an image is
 * being written to). Then block_pwrite() and block_zero() may reach past the end; the size
 * becomes the end of the furthest one that succeeded, and what lies between reads as zeros. Reads
 * never reach past the size. block_resize() sets the size of blocks whose driver can.
 *
 * Ownership: block_free() closes. A block that sits on another takes it ("take_") only when its
 * own constructor succeeds; on failure the caller still owns it. Several blocks may sit on the
 * same one (many windows on one OVA): each takes a reference of its own,
 *
 *	block_window_open(&disk, block_ref(file), off, len, err)      on failure: block_free(file)
 *
 * and the last block_free() closes.
 *
 * Threads: pread and extents of one block may be called from any number of threads at a time.
 * pwrite, zero, discard and flush too, as long as the ranges do not overlap each other or a
 * concurrent pread; drivers lock what they must. Writes to different parts of one aligned unit
 * are kept apart by the chokepoint. block_resize() alone: no other call may be running. Free only
 * when no call is running.
 */
#pragma once

#include "formats/base/err.h"

#include <pthread.h>

struct block;

/* What lies in a range. BLOCK_ZERO: reads as zeros. BLOCK_HOLE: occupies no space here (in a
 * block without a layer below it, holes read as zeros too and carry both flags). 0: data. */
enum { BLOCK_ZERO = 1, BLOCK_HOLE = 2 };

/* For block_zero(): the driver may deallocate the range (it must still read as zeros). */
enum { BLOCK_MAY_UNMAP = 1 };

struct extent {
	uint64_t off;
	uint64_t len;
	unsigned flags; /* BLOCK_ZERO | BLOCK_HOLE */
};

struct block_ops {
	const char *name; /* "file", "cow", "vmdk" ... */

	/* Frees b->self. Not called when open failed. */
	void (*free)(struct block *b);

	/* Exactly len bytes at off. Required. */
	int (*pread)(struct block *b, void *buf, size_t len, uint64_t off, struct err *err);

	/* Missing: the block is read-only. */
	int (*pwrite)(
		struct block *b, const void *buf, size_t len, uint64_t off, struct err *err);

	/* Missing: emulated with pwrite. -ENOTSUP for a range: emulated for that range. The
	 * range is a multiple of b->align. */
	int (*zero)(
		struct block *b, uint64_t off, uint64_t len, unsigned flags, struct err *err);

	/* The content may be forgotten; a hint. Missing or -ENOTSUP: nothing happens. The range
	 * is a multiple of b->align. */
	int (*discard)(struct block *b, uint64_t off, uint64_t len, struct err *err);

	/* What was written is on stable storage. Missing: nothing to do. */
	int (*flush)(struct block *b, struct err *err);

	/* The extent that starts at off: sets *len (1..max) and *flags, as long as the driver
	 * can tell cheaply. Missing: everything is data. */
	int (*extent)(struct block *b, uint64_t off, uint64_t max, uint64_t *len,
		unsigned *flags, struct err *err);

	/* Makes the block this long; new bytes read as zeros. Missing: not possible. The
	 * chokepoint sets b->size afterwards. */
	int (*resize)(struct block *b, uint64_t size, struct err *err);
};

struct block {
	const struct block_ops *ops;
	void *self;     /* the driver's state */
	uint64_t size;  /* bytes; need not be a multiple of anything. While others may write
			   to a growable block, read it with block_size() */
	uint32_t align; /* pread/pwrite ranges the driver wants to see (power of two; 0 or 1 =
			   any) */
	uint32_t preferred;   /* good request size and alignment in bytes (grain, cluster); 0 =
				 unknown */
	uint32_t max_request; /* longest pread/pwrite the driver wants to see; 0 =
				 BLOCK_MAX_REQUEST */
	bool read_only;
	bool growable; /* writes past the end make it longer */
	char *label;   /* for errors: "web01-disk1.vmdk" */

	unsigned refs;             /* owners; atomic */
	pthread_mutex_t unit_lock; /* read-modify-write of parts of an aligned unit */
};

#define BLOCK_MAX_REQUEST (32 * 1024 * 1024)

/* No block is longer than this: what off_t can say. */
#define BLOCK_MAX_SIZE ((uint64_t)INT64_MAX)

/* For drivers: a zeroed block with these ops; `label` is copied. */
struct block *block_alloc(
	const struct block_ops *ops, void *self, uint64_t size, const char *label);

/* One more owner of the same block: returns b. Each owner calls block_free(). Any thread. */
struct block *block_ref(struct block *b);

/* Gives up the caller's ownership; the last owner's call closes the block and all it took. NULL
 * is fine. Does not flush. */
void block_free(struct block *b);
DEFINE_AUTO(block)

/* The size now, also while other threads write to a growable block. */
uint64_t block_size(const struct block *b);

/* Another name for errors; copied. Before other threads use the block. */
void block_set_label(struct block *b, const char *label);

/* -EIO and others from the driver, -EINVAL outside the block, -EROFS. */
int block_pread(struct block *b, void *buf, size_t len, uint64_t off, struct err *err);
int block_pwrite(struct block *b, const void *buf, size_t len, uint64_t off, struct err *err);
int block_zero(struct block *b, uint64_t off, uint64_t len, unsigned flags, struct err *err);
int block_discard(struct block *b, uint64_t off, uint64_t len, struct err *err);
int block_flush(struct block *b, struct err *err);

/* Makes the block `size` bytes long; new bytes read as zeros. -ENOTSUP if the driver cannot. */
int block_resize(struct block *b, uint64_t size, struct err *err);

/*
 * The extent at `off`, at most `max` bytes (cut at the block's end): ret->off = off, ret->len
 * in 1..max. Neighbours with equal flags are merged as long as the driver answers quickly, so a
 * caller that walks a block sees long extents. off must be below the size.
 */
int block_extent(
	struct block *b, uint64_t off, uint64_t max, struct extent *ret, struct err *err);

/* For drivers: the extent of a block below as the answer of an extent call. */
int block_extent_below(struct block *below, uint64_t off, uint64_t max, uint64_t *len,
	unsigned *flags, struct err *err);

/* Is every byte zero? Fast (word-wise with early exit). */
bool bytes_are_zero(const void *p, size_t len);
