// SPDX-License-Identifier: LGPL-2.1-or-later
/* vhdx: images whose blocks, tables and headers are as they should be, and as they should not. */
#include "tests/unit/test.h"

#include "formats/base/alloc.h"
#include "formats/base/bytes.h"
#include "formats/base/crc32c.h"
#include "formats/block/block_fault.h"
#include "formats/block/block_mem.h"
#include "formats/vhdx/vhdx.h"
#include "tests/support/mkvhdx.h"

/* Three blocks of 1 MiB, the last one partly used: full, empty, full; in the file the last first. */
#define SIZE (2 * MiB + 512 * 7)

static uint8_t *make(size_t *len)
{
	struct mkvhdx how = {.size = SIZE, .data = 2 * MiB};
	uint8_t *file = mkvhdx(&how, len);

	memset(file + MKVHDX_DATA, 'c', MiB);
	memset(file + MKVHDX_DATA + MiB, 'a', MiB);
	mkvhdx_set(file, 0, 6, MKVHDX_DATA + MiB);
	mkvhdx_set(file, 2, 6, MKVHDX_DATA);
	return file;
}

static int open_block(struct block **ret, struct block *file, bool damaged_ok, struct err *err)
{
	struct image_open how = {.damaged_ok = damaged_ok};
	int r = image_vhdx.open(ret, file, &how, err);

	if (r < 0)
		block_free(file);
	return r;
}

static int open_bytes(
	struct block **ret, const uint8_t *bytes, size_t len, bool damaged_ok, struct err *err)
{
	return open_block(ret, block_mem_from(bytes, len, "vm.vhdx"), damaged_ok, err);
}

/* [off, off + len) of the disk is this byte throughout. */
static void assert_filled(struct block *b, uint64_t off, size_t len, int byte)
{
	_auto_(mem) uint8_t *got = xmalloc(len);
	_auto_(mem) uint8_t *want = xmalloc(len);
	struct err err = {0};

	memset(want, byte, len);
	assert_ok(block_pread(b, got, len, off, &err));
	assert_memory_equal(got, want, len);
}

static void assert_is_made(struct block *b)
{
	assert_int_equal(b->size, SIZE);
	assert_filled(b, 0, MiB, 'a');
	assert_filled(b, MiB, MiB, 0);
	assert_filled(b, 2 * MiB, 512 * 7, 'c');
}

static void the_check_is_that_of_rfc_3720(void **state)
{
	uint8_t zeros[32] = {0}, ones[32], up[32], down[32];

	memset(ones, 0xff, 32);
	for (unsigned i = 0; i < 32; i++) {
		up[i] = (uint8_t)i;
		down[i] = (uint8_t)(31 - i);
	}
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(crc32c(0, zeros, 32), 0x8a9136aa);
	assert_int_equal(crc32c(0, ones, 32), 0x62a8ab43);
	assert_int_equal(crc32c(0, up, 32), 0x46dd794e);
	assert_int_equal(crc32c(0, down, 32), 0x113fdb5c);
	assert_int_equal(crc32c(crc32c(0, up, 5), up + 5, 27), 0x46dd794e);
	assert_int_equal(crc32c_by_table(0, "123456789", 9), 0xe3069283);
	assert_int_equal(
		crc32c_by_table(crc32c_by_table(0, down, 9), down + 9, 23), 0x113fdb5c);
}

static void blocks_are_read_from_wherever_they_are(void **state)
{
	_auto_(block) struct block *b = NULL;
	size_t len;
	_auto_(mem) uint8_t *file = make(&len);
	uint8_t across[4];
	struct err err = {0};

	assert_ok(open_bytes(&b, file, len, false, &err));
	assert_is_made(b);
	assert_ok(block_pread(b, across, 4, MiB - 2, &err));
	assert_memory_equal(across, "aa\0\0", 4);
}

static void every_state_reads_as_it_should(void **state)
{
	static const struct {
		unsigned state, flags;
		const char *error;
	} states[] = {
		{0, BLOCK_ZERO | BLOCK_HOLE, NULL},
		{1, BLOCK_ZERO | BLOCK_HOLE, NULL},
		{2, BLOCK_ZERO, NULL},
		{3, BLOCK_ZERO | BLOCK_HOLE, NULL},
		{4, 0, "a state that is not known"},
		{5, BLOCK_ZERO | BLOCK_HOLE, NULL},
		{7, 0, "partly present"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		_auto_(block) struct block *b = NULL;
		size_t len;
		_auto_(mem) uint8_t *file = make(&len);
		struct extent e;
		struct err err = {0};

		/* It still has a place in the file, with something in it. */
		mkvhdx_set(file, 0, states[i].state, MKVHDX_DATA + MiB);
		assert_ok(open_bytes(&b, file, len, false, &err));
		if (states[i].error) {
			assert_fails(block_pread(b, &e, 1, 0, &err), EINVAL, states[i].error);
			continue;
		}
		assert_filled(b, 0, 2 * MiB, 0);
		assert_ok(block_extent(b, 0, MiB, &e, &err));
		assert_int_equal(e.flags, states[i].flags);
	}
}

/* After each chunk of blocks the table has an entry for a bitmap, whatever is in it. */
static void entries_of_bitmaps_are_passed_over(void **state)
{
	static const struct {
		uint32_t sector, block, ratio;
	} cases[] = {{512, MiB, 4096}, {4096, MiB, 32768}, {512, 2 * MiB, 2048},
		{4096, 256 * MiB, 128}, {512, 256 * MiB, 16}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_auto_(block) struct block *b = NULL;
		uint64_t ratio = cases[i].ratio, before = ratio * cases[i].block;
		struct mkvhdx how = {.size = before + 8192,
			.block_size = cases[i].block,
			.sector = cases[i].sector,
			.data = 8192};
		size_t len;
		_auto_(mem) uint8_t *file = mkvhdx(&how, &len);
		struct err err = {0};

		memset(file + MKVHDX_DATA, 'x', 8192);
		mkvhdx_set(file, ratio, 0, 77 * MiB);
		mkvhdx_set(file, ratio + 1, 6, MKVHDX_DATA);
		assert_ok(open_bytes(&b, file, len, false, &err));
		assert_int_equal(b->size, before + 8192);
		assert_filled(b, before, 8192, 'x');
		assert_filled(b, before - 8192, 8192, 0);
	}
}

/* ---- headers ---- */

static void the_newer_whole_header_counts(void **state)
{
	_auto_(block) struct block *b = NULL;
	size_t len;
	_auto_(mem) uint8_t *file = make(&len);
	struct err err = {0};

	/* What the older one says is of no importance ... */
	le16_store(file + 64 * KiB + 66, 9);
	mkvhdx_seal(file, false);
	assert_ok(open_bytes(&b, file, len, false, &err));
	assert_is_made(b);
	block_free(STEAL(b));
	/* ... until the newer one is damaged. */
	file[128 * KiB + 100] ^= 1;
	assert_fails(open_bytes(&b, file, len, false, &err), ENOTSUP, "header: version 9");
	file[64 * KiB + 100] ^= 1;
	assert_fails(open_bytes(&b, file, len, false, &err), EINVAL,
		"neither the one at 64 KiB nor the one at 128 KiB is whole");
}

static void two_headers_of_one_number_must_be_the_same(void **state)
{
	_auto_(block) struct block *b = NULL;
	size_t len;
	_auto_(mem) uint8_t *file = make(&len);
	struct err err = {0};

	memcpy(file + 64 * KiB, file + 128 * KiB, 4096);
	assert_ok(open_bytes(&b, file, len, false, &err));
	assert_is_made(b);
	block_free(STEAL(b));
	file[64 * KiB + 20] ^= 1;
	mkvhdx_seal(file, false);
	assert_fails(open_bytes(&b, file, len, false, &err), EINVAL, "sequence number 11");
}

static void a_damaged_region_table_is_replaced_by_the_other(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		_auto_(block) struct block *b = NULL;
		size_t len;
		_auto_(mem) uint8_t *file = make(&len);
		struct err err = {0};

		memset(file + (3 + i) * 64 * KiB + 16, 0xee, 100);
		assert_ok(open_bytes(&b, file, len, false, &err));
		assert_is_made(b);
	}
}

#define H (128 * KiB) /* the newer header */
#define R (192 * KiB) /* the region table that counts: BAT, metadata */
#define M MKVHDX_METADATA

static void each_hostile_field_is_refused_by_name(void **state)
{
	static const struct {
		uint64_t at, value;
		unsigned bytes;
		int code;
		const char *text;
	} cases[] = {
		{0, 0, 1, EINVAL, "does not begin with \"vhdxfile\""},
		{H + 64, 1, 2, ENOTSUP, "log version 1"},
		{H + 66, 0, 2, ENOTSUP, "header: version 0"},
		{H + 66, 2, 2, ENOTSUP, "header: version 2"},
		{H + 68, 4096, 4, EINVAL, "log of 4096 bytes"},
		{H + 72, 0, 8, EINVAL, "log of 1048576 bytes at 0"},
		{H + 72, MiB + 512, 8, EINVAL, "not whole MiB"},
		{H + 72, MKVHDX_BAT, 8, EINVAL, "overlaps"},
		{H + 72, UINT64_MAX << 20, 8, EINVAL, "not whole MiB"},
		{R + 8, 2048, 4, EINVAL, "2048 entries"},
		{R + 8, UINT32_MAX, 4, EINVAL, "4294967295 entries"},
		{R + 8, 0, 4, EINVAL, "no region BAT"},
		{R + 8, 1, 4, EINVAL, "no region metadata"},
		{R + 16, 0, 4, ENOTSUP,
			"region 00000000-f623-4200-9d64-115e9bfd4a08: is required"},
		{R + 32, 0, 8, EINVAL, "region BAT"},
		{R + 32, MKVHDX_BAT + 4096, 8, EINVAL, "region BAT"},
		{R + 32, MKVHDX_METADATA, 8, EINVAL, "overlaps"},
		{R + 32, MKVHDX_LOG, 8, EINVAL, "overlaps"},
		{R + 32, UINT64_MAX << 20, 8, EINVAL, "region BAT"},
		{R + 32, TiB, 8, EINVAL, "BAT: 3 entries at 1099511627776: outside"},
		{R + 40, 0, 4, EINVAL, "region BAT of 0 bytes"},
		{R + 40, 4096, 4, EINVAL, "region BAT of 4096 bytes"},
		{R + 64, TiB, 8, EINVAL, "metadata: region at 1099511627776: outside"},
		{R + 72, 0, 4, EINVAL, "region metadata"},
		{M, 0, 1, EINVAL, "does not begin as one"},
		{M + 10, 2048, 2, EINVAL, "2048 entries"},
		{M + 10, 0, 2, EINVAL, "has no file parameters"},
		{M + 10, 1, 2, EINVAL, "has no virtual disk size"},
		{M + 10, 3, 2, EINVAL, "has no logical sector size"},
		{M + 32, 0, 4, ENOTSUP, "item 00000000-...: is required"},
		{M + 32 + 16, 0, 4, EINVAL, "file parameters of 8 bytes at 0: outside"},
		{M + 32 + 16, MiB - 4, 4, EINVAL, "outside the region"},
		{M + 32 + 16, UINT32_MAX, 4, EINVAL, "outside the region"},
		{M + 32 + 20, 4, 4, EINVAL, "file parameters of 4 bytes"},
		{M + 64 + 20, UINT32_MAX, 4, EINVAL, "virtual disk size of 4294967295"},
		{M + 32 + 24, 5, 4, ENOTSUP, "is required, and not known"},
		{MKVHDX_ITEM(MKVHDX_PARAMETERS), 0, 4, EINVAL, "block size 0"},
		{MKVHDX_ITEM(MKVHDX_PARAMETERS), 512 * KiB, 4, EINVAL, "block size 524288"},
		{MKVHDX_ITEM(MKVHDX_PARAMETERS), 3 * MiB, 4, EINVAL, "block size 3145728"},
		{MKVHDX_ITEM(MKVHDX_PARAMETERS), 512 * MiB, 4, EINVAL, "block size 536870912"},
		{MKVHDX_ITEM(MKVHDX_PARAMETERS) + 4, 2, 4, ENOTSUP, "differencing"},
		{MKVHDX_ITEM(MKVHDX_SIZE), 100, 8, EINVAL, "disk of 100 bytes"},
		{MKVHDX_ITEM(MKVHDX_SIZE), 65 * TiB, 8, EINVAL, "more than 64 TiB"},
		{MKVHDX_ITEM(MKVHDX_SIZE), UINT64_MAX - 511, 8, EINVAL, "more than 64 TiB"},
		{MKVHDX_ITEM(MKVHDX_SIZE), TiB, 8, EINVAL, "BAT: 1048831 entries"},
		{MKVHDX_ITEM(MKVHDX_LOGICAL), 0, 4, EINVAL, "logical sector size 0"},
		{MKVHDX_ITEM(MKVHDX_LOGICAL), 1024, 4, EINVAL, "logical sector size 1024"},
		{MKVHDX_ITEM(MKVHDX_LOGICAL), 4096, 4, EINVAL, "no whole sectors of 4096"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct block *b = NULL;
		size_t len;
		_auto_(mem) uint8_t *file = make(&len);
		uint8_t value[8];
		struct err err = {0};

		le64_store(value, cases[i].value);
		memcpy(file + cases[i].at, value, cases[i].bytes);
		mkvhdx_seal(file, false);
		assert_fails(
			open_bytes(&b, file, len, false, &err), cases[i].code, cases[i].text);
		assert_non_null(strstr(err.text, "vm.vhdx: "));
	}
}

static void a_region_that_is_not_required_may_be_unknown(void **state)
{
	_auto_(block) struct block *b = NULL;
	size_t len;
	_auto_(mem) uint8_t *file = make(&len);
	struct err err = {0};

	for (unsigned i = 0; i < 2; i++) {
		uint8_t *r = file + (3 + i) * 64 * KiB;

		le32_store(r + 8, 3);
		memset(r + 80, 0x33, 16);
		le64_store(r + 96, 5 * MiB); /* where the first block is */
		le32_store(r + 104, MiB);
	}
	mkvhdx_seal(file, false);
	assert_ok(open_bytes(&b, file, len, false, &err));
	assert_filled(b, 2 * MiB, 512 * 7, 'c');
	assert_fails(block_pread(b, &err, 1, 0, &err), EINVAL, "or a region of the image");
}

static void a_differencing_image_is_refused_with_its_parents_name(void **state)
{
	struct mkvhdx how = {.size = MiB, .parent = ".\\base disk.vhdx"};
	struct block *b = NULL;
	size_t len;
	_auto_(mem) uint8_t *file = mkvhdx(&how, &len);
	uint8_t *locator = file + MKVHDX_ITEM(MKVHDX_PARENT);
	struct err err = {0};

	assert_fails(open_bytes(&b, file, len, false, &err), ENOTSUP,
		"needs its parent: .\\base disk.vhdx;");
	le32_store(locator + 24, UINT32_MAX); /* no name then */
	assert_fails(open_bytes(&b, file, len, false, &err), ENOTSUP, "needs its parent;");
}

/* ---- damage ---- */

static void a_damaged_entry_is_lost_and_named(void **state)
{
	static const struct {
		uint64_t entry;
		const char *text;
	} cases[] = {
		{6, "within the header"},
		{MKVHDX_LOG | 6, "within the header, the log"},
		{MKVHDX_METADATA | 6, "or a region of the image"},
		{MKVHDX_BAT | 6, "or a region of the image"},
		{6 * MiB | 6, "outside the file (the file has 6291456 bytes)"},
		{(UINT64_MAX << 20) | 6, "outside the file"},
		{(MKVHDX_DATA + MiB) | 14, "reserved bits are set"},
		{(MKVHDX_DATA + MiB) | 7, "partly present"},
		{4, "a state that is not known"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct block *b = NULL;
		size_t len;
		_auto_(mem) uint8_t *file = make(&len);
		struct err err = {0};
		struct extent e;
		uint8_t byte;

		le64_store(file + MKVHDX_ENTRY(0), cases[i].entry);
		assert_ok(open_bytes(&b, file, len, false, &err));
		assert_fails(block_pread(b, &byte, 1, 5000, &err), EINVAL, cases[i].text);
		assert_non_null(
			strstr(err.text, "vm.vhdx: block 0 (guest bytes at 0): BAT entry 0"));
		assert_fails(block_extent(b, 0, SIZE, &e, &err), EINVAL, cases[i].text);
		assert_filled(b, 2 * MiB, 512 * 7, 'c'); /* the rest is there */
		block_free(b);

		assert_ok(open_bytes(&b, file, len, true, &err));
		assert_filled(b, 0, 2 * MiB, 0);
		assert_filled(b, 2 * MiB, 512 * 7, 'c');
		assert_ok(block_extent(b, 0, SIZE, &e, &err));
		assert_int_equal(e.flags, 0); /* not known to be zeros */
		assert_int_equal(e.len, MiB);
		assert_int_equal(((struct vhdx *)b->self)->lost, MiB);
		block_free(b);
	}
}

static void a_file_cut_anywhere_is_never_read_wrongly(void **state)
{
	size_t len;
	_auto_(mem) uint8_t *file = make(&len);
	uint64_t refused = 0, read = 0;

	for (size_t cut = 0; cut < len; cut += cut < 300 * KiB ? 4093 : 131072 - 511) {
		struct block *b = NULL;
		struct err err = {0};
		_auto_(mem) uint8_t *got = xmalloc(MiB);

		if (open_bytes(&b, file, cut, false, &err) < 0) {
			refused++;
			continue;
		}
		assert_int_equal(b->size, SIZE);
		if (block_pread(b, got, MiB, 0, &err) == 0) /* at the file's end */
			fail_msg("read though cut at %zu", cut);
		if (block_pread(b, got, 512 * 7, 2 * MiB, &err) == 0) {
			assert_int_equal(got[0], 'c');
			assert_memory_equal(got, got + 1, 512 * 7 - 1);
			read++;
		}
		block_free(b);
	}
	assert_in_range(refused, 20, 1000);
	assert_in_range(read, 1, 1000);
}

static void a_failure_at_any_request_is_an_error(void **state)
{
	size_t len;
	_auto_(mem) uint8_t *file = make(&len);

	for (unsigned nth = 0;; nth++) {
		struct block *fault = block_fault_new(block_mem_from(file, len, "vm.vhdx"));
		struct block *b = NULL;
		struct err err = {0};
		_auto_(mem) uint8_t *got = xmalloc(SIZE);
		bool hit;
		int r;

		block_fault_set(fault, &(struct block_fault){.kinds = BLOCK_FAULT_READ,
					       .nth = nth,
					       .times = 1,
					       .code = EIO});
		r = open_block(&b, block_ref(fault), false, &err);
		if (r == 0)
			r = block_pread(b, got, SIZE, 0, &err);
		hit = block_fault_injected(fault) != 0;
		block_fault_set(fault, &(struct block_fault){0});
		if (hit) {
			assert_int_equal(r, -EIO);
			assert_non_null(strstr(err.text, "injected fault"));
		} else {
			assert_ok(r);
			assert_is_made(b);
		}
		block_free(b);
		block_free(fault);
		if (!hit) {
			assert_in_range(nth, 8, 100);
			break;
		}
	}
}

/* ---- size ---- */

static void a_huge_empty_disk_is_mapped_with_few_reads(void **state)
{
	struct mkvhdx how = {.size = TiB, .block_size = 16 * MiB, .data = 16 * MiB};
	_auto_(block) struct block *b = NULL;
	size_t len;
	_auto_(mem) uint8_t *file = mkvhdx(&how, &len);
	struct block *fault;
	struct err err = {0};
	struct extent e;
	uint64_t off = 0, data = 0;
	unsigned extents = 0;

	/* Block 40000, behind 156 chunks of 256. */
	mkvhdx_set(file, 40000 + 156, 6, MKVHDX_DATA);
	fault = block_fault_new(block_mem_from(file, len, "vm.vhdx"));
	assert_ok(open_block(&b, block_ref(fault), false, &err));
	block_fault_set(fault, &(struct block_fault){0});
	for (; off < b->size; off += e.len, extents++) {
		assert_ok(block_extent(b, off, b->size - off, &e, &err));
		if (!(e.flags & BLOCK_ZERO)) {
			assert_int_equal(e.off, UINT64_C(40000) * 16 * MiB);
			data += e.len;
		}
	}
	assert_int_equal(data, 16 * MiB);
	assert_in_range(extents, 3, 12);
	/* 65536 entries and those of bitmaps, 8192 at a time. */
	assert_in_range(block_fault_count(fault, BLOCK_FAULT_READ), 1, 9);
	block_free(fault);
}

static void writing_in_place_is_refused(void **state)
{
	size_t len;
	_auto_(mem) uint8_t *file = make(&len);
	_auto_(block) struct block *mem = block_mem_from(file, len, "vm.vhdx"), *b = NULL;
	struct image_open how = {.write = true};
	struct err err = {0};

	assert_fails(image_vhdx.open(&b, mem, &how, &err), ENOTSUP, "only read");
	assert_ok(open_bytes(&b, file, len, false, &err));
	assert_fails(block_pwrite(b, "x", 1, 0, &err), EROFS, "vm.vhdx");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_check_is_that_of_rfc_3720),
		cmocka_unit_test(blocks_are_read_from_wherever_they_are),
		cmocka_unit_test(every_state_reads_as_it_should),
		cmocka_unit_test(entries_of_bitmaps_are_passed_over),
		cmocka_unit_test(the_newer_whole_header_counts),
		cmocka_unit_test(two_headers_of_one_number_must_be_the_same),
		cmocka_unit_test(a_damaged_region_table_is_replaced_by_the_other),
		cmocka_unit_test(each_hostile_field_is_refused_by_name),
		cmocka_unit_test(a_region_that_is_not_required_may_be_unknown),
		cmocka_unit_test(a_differencing_image_is_refused_with_its_parents_name),
		cmocka_unit_test(a_damaged_entry_is_lost_and_named),
		cmocka_unit_test(a_file_cut_anywhere_is_never_read_wrongly),
		cmocka_unit_test(a_failure_at_any_request_is_an_error),
		cmocka_unit_test(a_huge_empty_disk_is_mapped_with_few_reads),
		cmocka_unit_test(writing_in_place_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
