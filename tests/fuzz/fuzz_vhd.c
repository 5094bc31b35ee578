// SPDX-License-Identifier: LGPL-2.1-or-later
/* fuzz_vhd: any bytes as a VHD, opened strictly and leniently, mapped and read. Checksums are made
 * right in one of three ways of each, so that what they guard is reached. */
#include "tests/fuzz/fuzz.h"

#include "formats/block/block_mem.h"
#include "formats/vhd/vhd.h"
#include "tests/fuzz/fuzz_image.h"
#include "tests/support/mkvhd.h"

static void try(const uint8_t *data, size_t size, bool damaged_ok)
{
	fuzz_image(&image_vhd, block_mem_from(data, size, "fuzz"),
		&(struct image_open){.damaged_ok = damaged_ok}, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mkvhd_file f = {.len = size};
	size_t end = MIN(size, (size_t)IMAGE_PROBE_END);

	image_vhd.probe(data, MIN(size, (size_t)IMAGE_PROBE_LEN), size);
	image_vhd.probe_end(data + size - end, end, size);
	for (unsigned i = 0; i < 2; i++)
		try(data, size, i);
	if (size < MKVHD_TABLE + 512)
		return 0;
	f.bytes = xmemdup(data, size);
	f.footer = size - 512;
	mkvhd_sum_footer(&f);
	if (memcmp(f.bytes + f.footer + 60, "\0\0\0\2", 4)) {
		mkvhd_sum_copy(&f);
		mkvhd_sum_header(&f);
	}
	for (unsigned i = 0; i < 2; i++)
		try(f.bytes, size, i);
	mkvhd_free(&f);
	return 0;
}

void fuzz_seeds(void (*use_seed)(const char *name, const void *data, size_t size, void *opaque),
	void *opaque)
{
	static const struct {
		const char *name;
		struct mkvhd how;
	} ways[] = {
		{"dynamic", {0}},
		{"fixed", {.type = 2}},
		{"differencing", {.type = 4, .parent = "base.vhd"}},
		{"geometry", {.creator = "vpc ", .cylinders = 3, .heads = 2, .sectors = 7}},
		{"shuffled", {.shuffle = true, .bitmaps = true}},
		{"old", {.old_footer = true, .short_last = true}},
	};
	uint8_t raw[6 * 4096 + 512] = {0};

	for (size_t i = 0; i < sizeof(raw); i++)
		raw[i] = i / 8192 % 2 ? 0 : i * i >> 5;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct mkvhd how = ways[i].how;
		struct mkvhd_file f;

		how.block = 4096;
		mkvhd(&f, raw, sizeof(raw), &how);
		use_seed(ways[i].name, f.bytes, f.len, opaque);
		mkvhd_free(&f);
	}
}
