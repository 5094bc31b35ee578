/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_image: what the targets for image formats do with an image: open it, map it, read it. The
 * same bytes must come whatever the requests are, and zeros where the map says zero.
 */
#pragma once

#include "formats/base/alloc.h"
#include "formats/image.h"
#include "tests/fuzz/fuzz.h"

/* A disk may claim terabytes: so much of it is mapped and read at its beginning and end. */
#define FUZZ_EXTENTS 50
#define FUZZ_BYTES   (256 * KiB)

/* Small reads beside the large one: they go another way. */
#define FUZZ_SMALL 100

static inline void fuzz_image_read(struct block *b, uint64_t from, uint8_t *buf)
{
	uint64_t n = MIN(b->size - from, FUZZ_BYTES);
	bool whole = block_pread(b, buf, n, from, NULL) >= 0;
	uint8_t small[FUZZ_SMALL];

	for (uint64_t i = 0; i < 64 && n > FUZZ_SMALL; i++) {
		uint64_t at = i * (n - FUZZ_SMALL) / 64;

		if (block_pread(b, small, FUZZ_SMALL, from + at, NULL) >= 0 && whole)
			fuzz_check(!memcmp(small, buf + at, FUZZ_SMALL));
	}
}

static inline void fuzz_image_map(struct block *b, uint8_t *buf)
{
	uint64_t off = 0;

	for (unsigned i = 0; i < FUZZ_EXTENTS && off < b->size; i++) {
		struct extent e;
		uint64_t n;

		if (block_extent(b, off, b->size - off, &e, NULL) < 0)
			break;
		n = MIN(e.len, FUZZ_BYTES);
		if ((e.flags & BLOCK_ZERO) && block_pread(b, buf, n, off, NULL) >= 0)
			fuzz_check(bytes_are_zero(buf, n));
		off += e.len;
	}
}

/* Opens, changes (with `change`, which may be NULL; `buf` has FUZZ_BYTES), maps and reads. Takes
 * the file in any case. */
static inline void fuzz_image(const struct image_format *format, struct block *take_file,
	const struct image_open *how, void (*change)(struct block *b, uint8_t *buf))
{
	_auto_(mem) uint8_t *buf = NULL;
	struct block *b = NULL;

	if (format->open(&b, take_file, how, NULL) < 0) {
		block_free(take_file);
		return;
	}
	buf = xcalloc(FUZZ_BYTES, 1);
	fuzz_image_map(b, buf);
	if (change)
		change(b, buf);
	fuzz_image_map(b, buf);
	fuzz_image_read(b, 0, buf);
	fuzz_image_read(b, b->size - MIN(b->size, FUZZ_BYTES), buf);
	block_free(b);
}
