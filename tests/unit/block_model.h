/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* block_model: a property test for writable blocks: any sequence of requests leaves what the same
 * sequence leaves in memory. */
#pragma once

#include "tests/unit/test.h"

#include "formats/base/alloc.h"
#include "formats/block/block.h"

#include <stdlib.h>

/*
 * Random writes, zeros and reads at random places: b always reads as the model does, and extents
 * called zero are zero. `initial` is what b reads as at first, NULL = zeros.
 */
static inline void block_behaves_as_memory(
	struct block *b, const uint8_t *initial, unsigned seed)
{
	size_t size = b->size;
	_auto_(mem) uint8_t *model =
		initial ? (uint8_t *)xmemdup(initial, size) : (uint8_t *)xcalloc(size, 1);
	_auto_(mem) uint8_t *got = xaligned(4096, size);
	_auto_(mem) uint8_t *data = xaligned(4096, size);
	struct err err = {0};

	for (size_t i = 0; i < size; i++)
		data[i] = (uint8_t)(1 + rand_r(&seed) % 255);
	for (unsigned i = 0; i < 300; i++) {
		uint64_t off = rand_r(&seed) % size, from;
		uint64_t len = rand_r(&seed) % (rand_r(&seed) % 4 ? 9000 : 700000);

		if (rand_r(&seed) % 2)
			off &= ~4095ULL;
		len = MIN(len, size - off);
		from = off % 4096; /* buffer alignment follows the offset half of the time */
		if (rand_r(&seed) % 2)
			from = rand_r(&seed) % 4096;
		from = MIN(from, size - len);
		switch (rand_r(&seed) % 4) {
		case 0:
		case 1:
			assert_ok(block_pwrite(b, data + from, len, off, &err));
			memcpy(model + off, data + from, len);
			break;
		case 2:
			assert_ok(block_zero(
				b, off, len, rand_r(&seed) % 2 ? BLOCK_MAY_UNMAP : 0, &err));
			memset(model + off, 0, len);
			break;
		default:
			assert_ok(block_pread(b, got + from, len, off, &err));
			assert_memory_equal(got + from, model + off, len);
		}
	}
	assert_ok(block_flush(b, &err));
	assert_ok(block_pread(b, got, size, 0, &err));
	assert_memory_equal(got, model, size);
	for (uint64_t off = 0; off < size;) {
		struct extent e;

		assert_ok(block_extent(b, off, UINT64_MAX, &e, &err));
		assert_int_equal(e.off, off);
		if (e.flags & BLOCK_ZERO)
			assert_true(bytes_are_zero(model + off, e.len));
		off += e.len;
	}
}
