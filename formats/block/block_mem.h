/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * block_mem: a block whose bytes are in memory. For tests, for small members of packages, for
 * disks composed of pieces.
 */
#pragma once

#include "formats/block/block.h"

/* `size` zero bytes, writable. */
struct block *block_mem_new(uint64_t size, const char *label);

/* Empty, writable, grows as it is written up to `limit` bytes (memory is used only for what is
 * written); then ENOSPC. block_resize() works too. */
struct block *block_mem_new_growable(uint64_t limit, const char *label);

/* A copy of these bytes, writable. */
struct block *block_mem_from(const void *bytes, size_t len, const char *label);

/* The bytes themselves (borrowed; b must be a memory block). */
uint8_t *block_mem_bytes(struct block *b);
