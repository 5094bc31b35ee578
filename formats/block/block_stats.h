/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * block_stats: passes everything on and counts requests, bytes and time per kind. Put between two
 * layers it says what the upper one asks of the lower one:
 *
 *	*ret = block_stats_new(file);  ...  block_stats_get(b, &counts);
 *
 * Threads: any; the counts are atomic, a reading of all of them is not.
 */
#pragma once

#include "formats/block/block.h"

enum block_stats_kind {
	BLOCK_STATS_READ,
	BLOCK_STATS_WRITE,
	BLOCK_STATS_ZERO,
	BLOCK_STATS_DISCARD,
	BLOCK_STATS_FLUSH,
	BLOCK_STATS_EXTENT,
	BLOCK_STATS_KINDS,
};

struct block_stats {
	uint64_t requests; /* failed ones too */
	uint64_t failed;
	uint64_t bytes; /* of requests that succeeded; for extents what they covered */
	uint64_t ns;    /* spent below, added up over all threads */
};

/* Takes `take_below`; cannot fail. */
struct block *block_stats_new(struct block *take_below);

/* What has passed so far. */
void block_stats_get(struct block *b, struct block_stats ret[BLOCK_STATS_KINDS]);
