// SPDX-License-Identifier: LGPL-2.1-or-later
/* vmdk: sparse extents and streams, as writers make them and as they arrive damaged. */
#include "tests/unit/test.h"

#include "formats/base/alloc.h"
#include "formats/base/bytes.h"
#include "formats/block/block_fault.h"
#include "formats/block/block_mem.h"
#include "formats/vmdk/vmdk.h"
#include "tests/support/mkvmdk.h"

#include <pthread.h>

#define GRAIN (64 * 1024)

/* Bytes that do not repeat, the same in each run. */
static uint32_t noise(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

/* A disk of `len` bytes: thirds of zeros, of text and of noise, by pieces of 32 KiB. */
static uint8_t *make_disk(size_t len)
{
	uint8_t *raw = xcalloc(len, 1);
	uint32_t seed = 12345;

	for (size_t at = 0; at < len; at += 32 * 1024) {
		unsigned kind = noise(&seed) % 3;

		for (size_t i = at; i < MIN(at + 32 * 1024, len); i++)
			raw[i] = kind == 0   ? 0
				 : kind == 1 ? (uint8_t) "grain table "[i % 12]
					     : noise(&seed);
	}
	return raw;
}

static int open_bytes(
	struct block **ret, const void *bytes, size_t len, bool damaged_ok, struct err *err)
{
	struct image_open how = {.damaged_ok = damaged_ok};
	struct block *file = block_mem_from(bytes, len, "vm.vmdk");
	int r = image_vmdk.open(ret, file, &how, err);

	if (r < 0)
		block_free(file);
	return r;
}

static void assert_disk_is(struct block *b, const uint8_t *raw, size_t len)
{
	_auto_(mem) uint8_t *got = xmalloc(len);
	struct err err = {0};
	uint64_t off = 0;

	assert_int_equal(b->size, len);
	assert_ok(block_pread(b, got, len, 0, &err));
	assert_memory_equal(got, raw, len);
	/* What the map calls zero is zero. */
	while (off < len) {
		struct extent e;

		assert_ok(block_extent(b, off, len - off, &e, &err));
		if (e.flags & BLOCK_ZERO)
			assert_true(bytes_are_zero(raw + off, e.len));
		off += e.len;
	}
}

static void round_trip(const char *options, size_t len)
{
	_auto_(block) struct block *b = NULL;
	_auto_(mem) uint8_t *raw = make_disk(len);
	_auto_(mem) char *list = xstrdup(options);
	struct mkvmdk how = {0};
	struct mkvmdk_file f;
	struct err err = {0};

	for (char *o = strtok(list, " "); o; o = strtok(NULL, " "))
		assert_true(mkvmdk_option(&how, o));
	mkvmdk(&f, raw, len, &how);
	if (open_bytes(&b, f.bytes, f.len, false, &err) < 0)
		fail_msg("%s: %s", options, err.text);
	assert_disk_is(b, raw, len);
	mkvmdk_free(&f);
}

static void every_way_to_write_one_is_read(void **state)
{
	static const char *const ways[] = {"", "front", "both", "shuffle", "stored",
		"stored front", "short_last", "no_markers", "no_end", "no_markers no_end",
		"padding=512", "padding=1000", "padding=700000", "keep_zeros", "zero_grains",
		"version=1", "version=2", "shuffle front", "sparse", "sparse redundant",
		"sparse zero_grains", "sparse redundant zero_grains shuffle",
		"sparse short_last", "sparse version=3", "sparse shuffle keep_zeros",
		"sparse padding=1234"};
	static const unsigned grains[] = {8, 16, 128, 2048};

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		for (size_t k = 0; k < ARRAY_SIZE(grains); k++) {
			_auto_(mem) char *o = xasprintf("%s grain=%u", ways[i], grains[k]);

			round_trip(o, 2500 * 1024);
			round_trip(o, 512);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_way_to_write_one_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
