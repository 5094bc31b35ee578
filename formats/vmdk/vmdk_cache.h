/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmdk_cache: inflated grains that were read in part, the least recently used go first. A file
 * system driver reads 4 KiB here and there; without this each would inflate a whole grain.
 *
 * Memory: at most 16 MiB, or 8 grains where that is more. Threads: any; eight parts, each with a
 * lock of its own, so that readers of different grains rarely meet.
 */
#pragma once

#include "formats/base/util.h"

struct vmdk_cache;

struct vmdk_cache *vmdk_cache_new(size_t grain_len);
void vmdk_cache_free(struct vmdk_cache *c);

/* Copies len bytes at `at` of the grain into buf if it is there. */
bool vmdk_cache_get(struct vmdk_cache *c, uint64_t grain, size_t at, size_t len, void *buf);

/* Keeps a copy of the grain. */
void vmdk_cache_put(struct vmdk_cache *c, uint64_t grain, const void *data);
