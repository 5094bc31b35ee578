// SPDX-License-Identifier: LGPL-2.1-or-later
/* vhdx_log: images as a crash leaves them: their log is laid over the file in memory. */
#include "tests/unit/test.h"

#include "formats/base/alloc.h"
#include "formats/base/bytes.h"
#include "formats/block/block_mem.h"
#include "formats/vhdx/vhdx.h"
#include "formats/vhdx/vhdx_overlay.h"
#include "tests/support/mkvhdx.h"

#define FILE_SIZE (MKVHDX_DATA + 2 * MiB)

/* A disk of two blocks, none of them in the BAT; in the file are 'a's and then 'b's. */
static uint8_t *make(void)
{
	struct mkvhdx how = {.size = 2 * MiB, .data = 2 * MiB};
	size_t len;
	uint8_t *file = mkvhdx(&how, &len);

	assert_int_equal(len, FILE_SIZE);
	memset(file + MKVHDX_DATA, 'a', MiB);
	memset(file + MKVHDX_DATA + MiB, 'b', MiB);
	return file;
}

/* A sector of the BAT with these two blocks; 0 = not there. */
static const uint8_t *bat_of(uint8_t *sector, uint64_t first, uint64_t second)
{
	memset(sector, 0, 4096);
	le64_store(sector, first ? first | 6 : 0);
	le64_store(sector + 8, second ? second | 6 : 0);
	return sector;
}

#define A MKVHDX_DATA
#define B (MKVHDX_DATA + MiB)

/* Logs one write: the BAT with these blocks. */
static void log_bat(uint8_t *file, uint32_t sector, uint32_t tail, uint64_t sequence,
	uint64_t first, uint64_t second)
{
	uint8_t bat[4096];
	struct mkvhdx_write w = {MKVHDX_BAT, 0, bat_of(bat, first, second)};

	mkvhdx_log(file,
		&(struct mkvhdx_entry){sector, tail, sequence, FILE_SIZE, FILE_SIZE, &w, 1});
}

static int open_damaged(
	struct block **ret, const uint8_t *file, bool damaged_ok, struct err *err)
{
	struct image_open how = {.damaged_ok = damaged_ok};
	struct block *mem = block_mem_from(file, FILE_SIZE, "vm.vhdx");
	int r = image_vhdx.open(ret, mem, &how, err);

	if (r < 0)
		block_free(mem);
	return r;
}

static int open_file(struct block **ret, const uint8_t *file, struct err *err)
{
	return open_damaged(ret, file, false, err);
}

/* The first bytes of the two blocks: 'a', 'b', or 0. */
static void assert_reads(const uint8_t *file, int first, int second)
{
	_auto_(block) struct block *b = NULL;
	struct err err = {0};
	uint8_t got[2];

	assert_ok(open_file(&b, file, &err));
	assert_ok(block_pread(b, &got[0], 1, 0, &err));
	assert_ok(block_pread(b, &got[1], 1, MiB, &err));
	assert_int_equal(got[0], first);
	assert_int_equal(got[1], second);
}

static void the_log_is_laid_over_a_file_that_stays_as_it_is(void **state)
{
	_auto_(mem) uint8_t *file = make();
	_auto_(mem) uint8_t *before = NULL;
	struct block *mem, *b = NULL;
	struct image_open how = {0};
	struct extent e;
	struct err err = {0};

	assert_reads(file, 0, 0);
	log_bat(file, 0, 0, 1, A, B);
	assert_reads(file, 'a', 'b');
	before = xmemdup(file, FILE_SIZE);
	mem = block_mem_from(file, FILE_SIZE, "vm.vhdx");
	assert_ok(image_vhdx.open(&b, mem, &how, &err));
	assert_ok(block_extent(b, 0, 2 * MiB, &e, &err));
	assert_int_equal(e.flags, 0);
	assert_int_equal(e.len, 2 * MiB);
	assert_memory_equal(block_mem_bytes(mem), before, FILE_SIZE);
	block_free(b);
}

static void entries_are_replayed_from_the_tail_to_the_head(void **state)
{
	_auto_(mem) uint8_t *file = make();

	log_bat(file, 0, 0, 1, A, B);
	log_bat(file, 2, 0, 2, B, A);
	log_bat(file, 4, 0, 3, B, 0);
	assert_reads(file, 'b', 0);
}

static void what_is_before_the_tail_is_not_replayed(void **state)
{
	_auto_(mem) uint8_t *file = make();
	uint8_t sector[4096];
	/* Another sector of the file, so that nothing hides it if it were. */
	struct mkvhdx_write w = {MKVHDX_DATA, 0, sector};

	memset(sector, 'X', 4096);
	mkvhdx_log(file, &(struct mkvhdx_entry){0, 0, 1, FILE_SIZE, FILE_SIZE, &w, 1});
	log_bat(file, 2, 2, 2, A, B);
	assert_reads(file, 'a', 'b');
	log_bat(file, 2, 0, 2, A, B); /* and now it is in the sequence */
	assert_reads(file, 'X', 'b');
}

static void a_torn_entry_ends_the_sequence(void **state)
{
	_auto_(mem) uint8_t *file = make();

	log_bat(file, 0, 0, 1, A, B);
	log_bat(file, 2, 0, 2, B, A);
	assert_reads(file, 'b', 'a');
	file[MKVHDX_LOG + 3 * 4096 + 1000] ^= 1; /* in its data sector */
	assert_reads(file, 'a', 'b');
}

static void the_newest_sequence_counts_wherever_it_is(void **state)
{
	_auto_(mem) uint8_t *file = make();

	log_bat(file, 0, 0, 7, A, B);
	log_bat(file, 100, 100, 9, B, A);
	log_bat(file, 50, 50, 8, 0, A);
	assert_reads(file, 'b', 'a');
	log_bat(file, 20, 20, UINT64_C(1) << 40, 0, A); /* the high half counts */
	assert_reads(file, 0, 'a');
}

static void a_sequence_goes_round_the_end_of_the_log(void **state)
{
	_auto_(mem) uint8_t *file = make();

	log_bat(file, 253, 253, 5, A, B);
	log_bat(file, 255, 253, 6, B, A); /* its data is in sector 0 */
	assert_reads(file, 'b', 'a');
	log_bat(file, 1, 253, 7, 0, B);
	assert_reads(file, 0, 'b');
}

static void entries_of_another_log_are_not_replayed(void **state)
{
	_auto_(mem) uint8_t *file = make();

	log_bat(file, 0, 0, 1, A, B);
	log_bat(file, 2, 0, 2, B, A);
	file[MKVHDX_LOG + 2 * 4096 + 32] ^= 1;
	mkvhdx_seal(file, true);
	assert_reads(file, 'a', 'b');
}

static void a_sequence_without_its_tail_is_none(void **state)
{
	_auto_(mem) uint8_t *file = make();

	log_bat(file, 0, 0, 1, A, B);
	log_bat(file, 20, 10, 5, B, A);
	assert_reads(file, 'a', 'b');
}

static void zeros_are_written_over_ranges(void **state)
{
	_auto_(mem) uint8_t *file = make();
	uint8_t bat[4096], fill[4096];
	struct mkvhdx_write w[] = {
		{MKVHDX_BAT, 0, bat_of(bat, A, B)},
		{A, 2 * MiB, NULL},
		{B, 0, fill},
		{B, 0, bat}, /* and over that */
		{B, 0, fill},
		{B + 8192, 0, fill},
	};
	_auto_(block) struct block *b = NULL;
	_auto_(mem) uint8_t *got = xmalloc(2 * MiB);
	struct extent e;
	struct err err = {0};

	memset(fill, 'f', 4096);
	mkvhdx_log(
		file, &(struct mkvhdx_entry){0, 0, 1, FILE_SIZE, FILE_SIZE, w, ARRAY_SIZE(w)});
	assert_ok(open_file(&b, file, &err));
	assert_ok(block_pread(b, got, 2 * MiB, 0, &err));
	assert_true(bytes_are_zero(got, MiB));
	assert_memory_equal(got + MiB, fill, 4096);
	assert_true(bytes_are_zero(got + MiB + 4096, 4096));
	assert_memory_equal(got + MiB + 8192, fill, 4096);
	assert_true(bytes_are_zero(got + MiB + 12288, MiB - 12288));
	assert_ok(block_extent(b, 0, 2 * MiB, &e, &err));
	assert_int_equal(e.flags & BLOCK_ZERO, BLOCK_ZERO);
	assert_int_equal(e.len, MiB);
}

static void many_descriptors_take_further_sectors(void **state)
{
	enum { COUNT = 200 };
	_auto_(mem) uint8_t *file = make();
	uint8_t sectors[COUNT][4096], bat[4096];
	struct mkvhdx_write w[COUNT + 1];
	_auto_(block) struct block *b = NULL;
	struct err err = {0};

	for (unsigned i = 0; i < COUNT; i++) {
		memset(sectors[i], (int)i, 4096);
		w[i] = (struct mkvhdx_write){A + i * 4096, 0, sectors[i]};
	}
	w[COUNT] = (struct mkvhdx_write){MKVHDX_BAT, 0, bat_of(bat, A, 0)};
	mkvhdx_log(
		file, &(struct mkvhdx_entry){200, 200, 1, FILE_SIZE, FILE_SIZE, w, COUNT + 1});
	assert_ok(open_file(&b, file, &err));
	for (unsigned i = 0; i < COUNT; i++) {
		uint8_t got[4096];

		assert_ok(block_pread(b, got, 4096, i * 4096, &err));
		assert_memory_equal(got, sectors[i], 4096);
	}
}

static void the_file_is_longer_once_the_log_is_replayed(void **state)
{
	_auto_(mem) uint8_t *file = make();
	uint8_t bat[4096], fill[4096];
	struct mkvhdx_write w[] = {
		{MKVHDX_BAT, 0, bat_of(bat, A, FILE_SIZE)}, {FILE_SIZE + 4096, 0, fill}};
	struct mkvhdx_entry e = {0, 0, 1, FILE_SIZE, FILE_SIZE + MiB, w, 2};
	_auto_(block) struct block *b = NULL;
	uint8_t got[3 * 4096];
	struct err err = {0};

	memset(fill, 'f', 4096);
	mkvhdx_log(file, &e);
	assert_ok(open_file(&b, file, &err));
	assert_ok(block_pread(b, got, sizeof(got), MiB, &err));
	assert_true(bytes_are_zero(got, 4096));
	assert_memory_equal(got + 4096, fill, 4096);
	assert_true(bytes_are_zero(got + 8192, 4096));
	block_free(STEAL(b));
	e.last = FILE_SIZE; /* then the block is not in the file */
	mkvhdx_log(file, &e);
	assert_ok(open_file(&b, file, &err));
	assert_fails(block_pread(b, got, 1, MiB, &err), EINVAL, "outside the file");
}

static void a_file_shorter_than_the_log_knew_is_refused(void **state)
{
	_auto_(mem) uint8_t *file = make();
	uint8_t bat[4096];
	struct mkvhdx_write w = {MKVHDX_BAT, 0, bat_of(bat, A, B)};
	struct block *b = NULL;
	struct err err = {0};

	mkvhdx_log(
		file, &(struct mkvhdx_entry){0, 0, 1, FILE_SIZE + MiB, FILE_SIZE + MiB, &w, 1});
	assert_fails(open_file(&b, file, &err), EINVAL, "had 7340032 bytes");
}

static void a_log_without_a_whole_sequence_is_refused(void **state)
{
	_auto_(mem) uint8_t *file = make();
	_auto_(block) struct block *b = NULL;
	struct err err = {0};
	uint8_t byte;

	log_bat(file, 0, 0, 1, A, B);
	file[MKVHDX_LOG + 4096 + 1000] ^= 1;
	assert_fails(open_file(&b, file, &err), EINVAL, "vm.vhdx: log: is not empty, and has");
	assert_ok(open_damaged(&b, file, true, &err)); /* what was there before */
	assert_ok(block_pread(b, &byte, 1, 0, &err));
	assert_int_equal(byte, 0);
}

static void each_hostile_field_of_the_log_is_refused(void **state)
{
	static const struct {
		uint64_t at, value;
		unsigned bytes;
		const char *text;
	} cases[] = {
		/* Such entries are none at all. */
		{0, 0, 4, "no whole sequence"},
		{8, 0, 4, "no whole sequence"},
		{8, 4097, 4, "no whole sequence"},
		{8, 2 * MiB, 4, "no whole sequence"},
		{8, UINT32_MAX, 4, "no whole sequence"},
		{12, 512, 4, "no whole sequence"},
		{12, MiB, 4, "no whole sequence"},
		{12, 4096, 4, "no whole sequence"},
		{16, 0, 8, "no whole sequence"},
		/* These are, and make no sense. */
		{24, 2, 4, "descriptor 1 (file offset 0): has another sequence number"},
		{24, UINT32_MAX, 4, "4294967295 descriptors in 2 sectors"},
		{24, 65537, 4, "65537 descriptors"},
		{24, 127, 4, "descriptor 0 (file offset 3145728): has no data sector"},
		{48, UINT64_MAX, 8, "it was cut off"},
		{56, UINT64_MAX, 8, "a file of 18446744073709551615 bytes"},
		{64, 0, 4, "is neither data nor zeros"},
		{80, 100, 8, "not whole sectors"},
		{80, UINT64_MAX - 4095, 8, "not whole sectors"},
		{80, 128 * KiB, 8, "on the header"},
		{80, MiB + 4096, 8, "on the log itself"},
		{88, 2, 8, "has another sequence number"},
		{4096, 0, 1, "has a data sector of something else"},
		{4096 + 4, 1, 4, "has a data sector of something else"},
		{8192 - 4, 0, 4, "has a data sector of something else"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_auto_(mem) uint8_t *file = make();
		struct block *b = NULL;
		uint8_t value[8];
		struct err err = {0};

		log_bat(file, 0, 0, 1, A, B);
		le64_store(value, cases[i].value);
		memcpy(file + MKVHDX_LOG + cases[i].at, value, cases[i].bytes);
		mkvhdx_seal(file, true);
		assert_fails(open_file(&b, file, &err), EINVAL, cases[i].text);
	}
}

static void a_log_that_is_no_place_for_one_is_refused(void **state)
{
	_auto_(mem) uint8_t *file = make();
	struct block *b = NULL;
	struct err err = {0};

	log_bat(file, 0, 0, 1, A, B);
	le32_store(file + 128 * KiB + 68, 64 * MiB);
	mkvhdx_seal(file, false);
	assert_fails(
		open_file(&b, file, &err), ENOTSUP, "of 67108864 bytes (at most 33554432)");
	le32_store(file + 128 * KiB + 68, 16 * MiB);
	mkvhdx_seal(file, false);
	assert_fails(
		open_file(&b, file, &err), EINVAL, "log: 16777216 bytes at 1048576: outside");
	le32_store(file + 128 * KiB + 68, 0);
	mkvhdx_seal(file, false);
	assert_fails(open_file(&b, file, &err), EINVAL, "log: 0 bytes");
}

/* Every sector claims to begin an entry as long as the log. */
static void a_log_of_overlapping_entries_is_refused_soon(void **state)
{
	_auto_(mem) uint8_t *file = make();
	struct block *b = NULL;
	struct err err = {0};

	log_bat(file, 0, 0, 1, A, B);
	for (unsigned i = 1; i < 256; i++)
		memcpy(file + MKVHDX_LOG + i * 4096, file + MKVHDX_LOG, 64);
	for (unsigned i = 0; i < 256; i++)
		le32_store(file + MKVHDX_LOG + i * 4096 + 8, MiB);
	assert_fails(open_file(&b, file, &err), EINVAL, "overlap each other (sector 4)");
}

/* Random writes, against the same done to an array. */
static void overlapping_writes_end_as_the_last_one(void **state)
{
	enum { UNITS = 64, WRITES = 40 };
	uint32_t seed = 7;

	for (unsigned round = 0; round < 200; round++) {
		struct vhdx_write w[WRITES];
		uint8_t want[UNITS * 16], got[UNITS * 16];
		uint8_t *bytes = xmalloc(WRITES * UNITS * 16);
		struct block *file, *b;
		struct err err = {0};

		memset(want, 'w', sizeof(want));
		memset(want + sizeof(want) / 2, 0, sizeof(want) / 2);
		file = block_mem_from(want, sizeof(want) / 2, "f");
		for (unsigned i = 0; i < WRITES; i++) {
			uint64_t off, len;

			seed = seed * 1664525 + 1013904223;
			off = (seed >> 10) % UNITS * 16;
			len = MIN((uint64_t)((seed >> 20) % 12 + 1) * 16, sizeof(want) - off);
			memset(bytes + i * UNITS * 16, (int)i + 1, UNITS * 16);
			w[i] = (struct vhdx_write){
				off, len, seed >> 31 ? NULL : bytes + i * UNITS * 16};
			memset(want + off, w[i].bytes ? (int)i + 1 : 0, len);
		}
		b = vhdx_overlay_new(file, sizeof(want), w, WRITES, bytes);
		assert_ok(block_pread(b, got, sizeof(got), 0, &err));
		assert_memory_equal(got, want, sizeof(want));
		for (uint64_t off = 0; off < sizeof(want);) {
			struct extent e;

			assert_ok(block_extent(b, off, sizeof(want) - off, &e, &err));
			if (e.flags & BLOCK_ZERO)
				assert_true(bytes_are_zero(want + off, e.len));
			off += e.len;
		}
		block_free(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_log_is_laid_over_a_file_that_stays_as_it_is),
		cmocka_unit_test(entries_are_replayed_from_the_tail_to_the_head),
		cmocka_unit_test(what_is_before_the_tail_is_not_replayed),
		cmocka_unit_test(a_torn_entry_ends_the_sequence),
		cmocka_unit_test(the_newest_sequence_counts_wherever_it_is),
		cmocka_unit_test(a_sequence_goes_round_the_end_of_the_log),
		cmocka_unit_test(entries_of_another_log_are_not_replayed),
		cmocka_unit_test(a_sequence_without_its_tail_is_none),
		cmocka_unit_test(zeros_are_written_over_ranges),
		cmocka_unit_test(many_descriptors_take_further_sectors),
		cmocka_unit_test(the_file_is_longer_once_the_log_is_replayed),
		cmocka_unit_test(a_file_shorter_than_the_log_knew_is_refused),
		cmocka_unit_test(a_log_without_a_whole_sequence_is_refused),
		cmocka_unit_test(each_hostile_field_of_the_log_is_refused),
		cmocka_unit_test(a_log_that_is_no_place_for_one_is_refused),
		cmocka_unit_test(a_log_of_overlapping_entries_is_refused_soon),
		cmocka_unit_test(overlapping_writes_end_as_the_last_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
