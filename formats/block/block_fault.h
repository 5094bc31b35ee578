/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * block_fault: passes everything on, counts it, and fails the requests it is told to. For tests
 * that let every single request of an operation fail once:
 *
 *	run once; n = block_fault_count(b, BLOCK_FAULT_ANY);
 *	for (i = 0; i < n; i++)
 *		block_fault_set(b, &(struct block_fault){.kinds = BLOCK_FAULT_ANY,
 *						 .nth = i, .times = 1, .code = EIO});
 *		run: an error with context, nothing hangs, nothing leaks
 *
 * A failed request is not passed on. The text is "LABEL: injected fault: READ 512 bytes at 0".
 *
 * Threads: set and count at any time; which request is the nth is up to the threads' race.
 */
#pragma once

#include "formats/block/block.h"

enum block_fault_kind {
	BLOCK_FAULT_READ = 1,
	BLOCK_FAULT_WRITE = 2,
	BLOCK_FAULT_ZERO = 4,
	BLOCK_FAULT_DISCARD = 8,
	BLOCK_FAULT_FLUSH = 16,
	BLOCK_FAULT_EXTENT = 32,
	BLOCK_FAULT_RESIZE = 64,
	BLOCK_FAULT_ANY = 127,
};

struct block_fault {
	unsigned kinds; /* which requests: BLOCK_FAULT_*; 0 = none, no faults */
	uint64_t off;   /* only those that touch [off, off + len); len 0 = anywhere */
	uint64_t len;
	uint64_t nth;   /* this many of them succeed first */
	uint64_t times; /* then this many fail; 0 = all that follow */
	int code;       /* errno; 0 = EIO */
};

/* Takes `take_below`; cannot fail. No faults until block_fault_set(). */
struct block *block_fault_new(struct block *take_below);

/* From now on this fault, nothing of it used up; all counts restart at 0. */
void block_fault_set(struct block *b, const struct block_fault *fault);

/* Requests of these kinds since the last block_fault_set(), failed ones too. */
uint64_t block_fault_count(struct block *b, unsigned kinds);

/* Faults injected since the last block_fault_set(). */
uint64_t block_fault_injected(struct block *b);
