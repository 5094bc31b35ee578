/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * copy: the one engine that copies a disk, in parallel.
 *
 *	            .-> worker: extents, pread (= inflate), zero test --.
 *	 plan: next |                                                   |  ring of items,
 *	 chunk or --+-> worker: ...                                     +- in source order
 *	 hole       |                                                   |      |
 *	            `-> worker: ...                                   --'      v
 *	                                                  the caller's thread: pwrite, zero,
 *	                                                  progress, cancel
 *
 * The plan walks the source's extents: what they say is zero is never read. Everything else is
 * cut into chunks, which workers read and look through for zeros in units of the target's
 * clusters. The caller's thread is the only writer. It writes in source order whatever the
 * threads did, in large aligned requests from aligned buffers (what O_DIRECT wants), while the
 * workers are already busy with the next chunks. So the same source gives the same sequence of
 * writes, and the same bytes in the target.
 *
 * Memory: chunks that are read and not yet written never take more than copy_opts.memory; workers
 * wait while the writer is behind.
 *
 * Errors: the one nearest to the start of the disk ends the copy, with everything before it
 * written; prefixed with the place. All threads are joined before copy_run() returns.
 */
#pragma once

#include "formats/base/progress.h"
#include "formats/block/block.h"

struct copy_opts {
	unsigned threads; /* workers; 0 = one per online CPU, at most 16 */
	size_t memory;    /* bytes of buffers; 0 = 64 MiB */
	/* Hears of bytes of the source that are done (written or zero), of its size. Also a few
	 * times a second while nothing gets done, so that a copy from a slow source can be
	 * cancelled. NULL = nobody. Called from the thread that runs copy_run(). */
	const struct progress *progress;
	bool target_is_zero; /* reads as zeros everywhere now: zeros need not be written */
	uint64_t bandwidth;  /* bytes written per second; 0 = no limit */
};

/* In bytes. After success read + holes = written + zeros = the source's size. */
struct copy_stats {
	uint64_t read;    /* from the source */
	uint64_t holes;   /* not read: the source says that they are zero */
	uint64_t written; /* to the target as data */
	uint64_t zeros;   /* zeroed in the target, or left as they were if that is zero */
	double seconds;
};

/*
 * Copies all of src to the start of dst and flushes dst. dst must be at least as long (a growable
 * one is made so); what it has beyond the source is made zero unless target_is_zero. `opts` and
 * `stats` may be NULL. -ECANCELED when progress said so, EINVAL when dst is too short, else the
 * blocks' errors.
 */
int copy_run(struct block *src, struct block *dst, const struct copy_opts *opts,
	struct copy_stats *stats, struct err *err);
