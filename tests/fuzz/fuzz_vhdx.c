// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * fuzz_vhdx: VHDX images, mapped and read, strictly and leniently. An image is megabytes of
 * nothing, so the input has only the pages of it that are something:
 *
 *	flags (1: set the checksums right)   { page number (16 bits)   4096 bytes } ...
 */
#include "tests/fuzz/fuzz.h"

#include "formats/base/bytes.h"
#include "formats/block/block_mem.h"
#include "tests/fuzz/fuzz_image.h"
#include "tests/support/mkvhdx.h"

#define PAGE     4096
#define MAX_FILE (6 * MiB)

extern const struct image_format image_vhdx;

/* The image that the input stands for: at least the header section and the log. */
static struct block *unpack(const uint8_t *data, size_t size)
{
	struct block *file = block_mem_new(MAX_FILE, "fuzz");
	bool seal = size && data[0] & 1;

	for (size_t at = 1; at + 2 < size; at += 2 + PAGE) {
		uint64_t off = le16_load(data + at) % (MAX_FILE / PAGE) * PAGE;
		size_t n = MIN(size - at - 2, (size_t)PAGE);

		memcpy(block_mem_bytes(file) + off, data + at + 2, n);
	}
	if (seal)
		mkvhdx_seal(block_mem_bytes(file), true);
	return file;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct block *file = unpack(data, size);

	image_vhdx.probe(data, MIN(size, (size_t)IMAGE_PROBE_LEN), size);
	fuzz_image(&image_vhdx, block_ref(file), &(struct image_open){0}, NULL);
	fuzz_image(&image_vhdx, file, &(struct image_open){.damaged_ok = true}, NULL);
	return 0;
}

/* ---- seeds ---- */

static uint8_t *pack(const uint8_t *file, size_t len, size_t *ret_len)
{
	uint8_t *out = xcalloc(len / PAGE, PAGE + 2);
	size_t n = 0;

	out[n++] = 1;
	for (size_t page = 0; page < len / PAGE; page++) {
		if (bytes_are_zero(file + page * PAGE, PAGE))
			continue;
		le16_store(out + n, (uint16_t)page);
		memcpy(out + n + 2, file + page * PAGE, PAGE);
		n += 2 + PAGE;
	}
	*ret_len = n;
	return out;
}

static void add_log(uint8_t *file, const uint8_t *page)
{
	struct mkvhdx_write w[] = {{MKVHDX_BAT, 0, page}, {MKVHDX_DATA, 8192, NULL},
		{MKVHDX_DATA + 4096, 0, page}};
	struct mkvhdx_entry e = {254, 254, 7, MAX_FILE, MAX_FILE + MiB, w, 3};

	mkvhdx_log(file, &e);
	e = (struct mkvhdx_entry){3, 254, 8, MAX_FILE, MAX_FILE + MiB, w, 2};
	mkvhdx_log(file, &e);
}

void fuzz_seeds(void (*use_seed)(const char *name, const void *data, size_t size, void *opaque),
	void *opaque)
{
	static const struct {
		const char *name;
		struct mkvhdx how;
		bool log;
	} ways[] = {
		{"plain", {.size = 2 * MiB + 512, .data = 2 * MiB}, false},
		{"sectors", {.size = 4 * MiB, .sector = 4096, .data = 2 * MiB}, false},
		{"chunks", {.size = 6 * GiB, .block_size = 256 * MiB, .data = 2 * MiB}, false},
		{"parent", {.size = MiB, .data = 2 * MiB, .parent = "base.vhdx"}, false},
		{"log", {.size = 2 * MiB + 4096, .data = 2 * MiB}, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		_auto_(mem) uint8_t *file = NULL, *packed = NULL;
		size_t len;

		file = mkvhdx(&ways[i].how, &len);
		memset(file + MKVHDX_DATA, 'a', PAGE * 2);
		memset(file + MKVHDX_DATA + MiB, 'b', PAGE);
		mkvhdx_set(file, 0, 6, MKVHDX_DATA + MiB);
		mkvhdx_set(file, 1, 2, 0);
		mkvhdx_set(file, 2, 6, MKVHDX_DATA);
		if (ways[i].log)
			add_log(file, file + MKVHDX_BAT);
		packed = pack(file, len, &len);
		use_seed(ways[i].name, packed, len, opaque);
	}
}
