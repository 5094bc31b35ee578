/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmdk_walk: the grains of a stream, found by following its markers from the first to where they
 * stop making sense, as a reader without tables would. Used when the directory or the footer is
 * lost (a download that was cut off): to say how far the stream goes, or to read what is there.
 *
 * Memory: 12 bytes a grain, at most 96 MiB. Threads: read-only once made.
 */
#pragma once

#include "formats/vmdk/vmdk_header.h"

struct vmdk_walk;

/* Walks. Damage is where the walk ends, not an error; errors are those of the file below, and
 * -ENOTSUP for more grains than the limit. `file` is not kept. */
int vmdk_walk_new(struct vmdk_walk **ret, struct block *file, const struct vmdk_header *h,
	struct err *err);
void vmdk_walk_free(struct vmdk_walk *w);

/* Sets *err to `why` and how far the grains go: -EINVAL. */
int vmdk_walk_describe(const struct vmdk_walk *w, const char *why, struct err *err);

/* The grain table as it would lie in a file: VMDK_GT_LEN bytes. Where the stream was cut off, the
 * entries behind its last grain are UINT32_MAX: what they held is not known. */
void vmdk_walk_table(const struct vmdk_walk *w, uint64_t table, uint8_t *raw);
