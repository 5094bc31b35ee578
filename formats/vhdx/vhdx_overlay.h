/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vhdx_overlay: a file with writes laid over it in memory; the file is not touched.
 *
 * Writes may overlap: the later one in the list counts. They are cut into disjoint pieces once,
 * and found by bisection.
 *
 * Threads: as for every block; there is no state that changes.
 */
#pragma once

#include "formats/block/block.h"

/* `len` bytes at `off`: bytes, or zeros where bytes is NULL. */
struct vhdx_write {
	uint64_t off, len;
	const uint8_t *bytes;
};

/*
 * A read-only block of `size` bytes (at least the file's; what is beyond the file reads as zeros)
 * with these writes, all within size. Takes the file and `take_bytes` (what the writes point
 * into; free()d); the list is only borrowed for the call.
 */
struct block *vhdx_overlay_new(struct block *take_file, uint64_t size,
	const struct vhdx_write *writes, size_t count, void *take_bytes);
