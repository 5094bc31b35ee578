// SPDX-License-Identifier: LGPL-2.1-or-later
/* block_concat, block_verify, block_stats: blocks that sit on blocks. */
#include "tests/unit/block_model.h"
#include "tests/unit/test.h"

#include "formats/base/alloc.h"
#include "formats/block/block_concat.h"
#include "formats/block/block_cow.h"
#include "formats/block/block_fault.h"
#include "formats/block/block_mem.h"
#include "formats/block/block_stats.h"
#include "formats/block/block_verify.h"

static void parts_behave_as_one_memory(void **state)
{
	static const uint64_t sizes[] = {1, 0, 100000, 511, 0, 0, 70000, 1, 300000, 0};
	struct block *parts[ARRAY_SIZE(sizes)];
	_auto_(block) struct block *b = NULL;
	struct err err = {0};

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
		parts[i] = block_mem_new(sizes[i], "part");
	assert_ok(block_concat_new(&b, parts, ARRAY_SIZE(sizes), "whole", &err));
	assert_int_equal(b->size, 470513);
	block_behaves_as_memory(b, NULL, 11);
}

static void extents_of_parts_are_extents_of_the_whole(void **state)
{
	struct block *parts[3];
	_auto_(block) struct block *b = NULL;
	struct err err = {0};
	struct extent e;

	for (unsigned i = 0; i < 3; i++) {
		assert_ok(block_cow_new(
			&parts[i], block_mem_new(BLOCK_COW_UNIT, "part"), NULL, &err));
		if (i)
			assert_ok(block_zero(parts[i], 0, BLOCK_COW_UNIT, 0, &err));
	}
	assert_ok(block_concat_new(&b, parts, 3, "whole", &err));
	assert_ok(block_extent(b, 0, UINT64_MAX, &e, &err));
	assert_int_equal(e.flags, 0);
	assert_int_equal(e.len, BLOCK_COW_UNIT);
	assert_ok(block_extent(b, BLOCK_COW_UNIT, UINT64_MAX, &e, &err));
	assert_int_equal(e.flags, BLOCK_ZERO | BLOCK_HOLE);
	assert_int_equal(e.len, 2 * BLOCK_COW_UNIT);
}

static void parts_that_make_no_disk_are_refused(void **state)
{
	_auto_(block) struct block *huge = block_mem_new(1000, "part");
	struct block *parts[2] = {huge, huge}, *b = NULL;
	struct err err = {0};

	assert_fails(block_concat_new(&b, parts, 0, "whole", &err), EINVAL, "0 parts");
	huge->size = BLOCK_MAX_SIZE - 1;
	assert_fails(block_concat_new(&b, parts, 2, "whole", &err), EINVAL,
		"whole: part 1 makes the disk too long");
	assert_null(b);
}

static void a_disk_with_a_read_only_part_is_read_only(void **state)
{
	struct block *parts[2] = {block_mem_new(10, "a"), block_mem_new(10, "b")};
	_auto_(block) struct block *b = NULL;
	struct err err = {0};

	parts[1]->read_only = true;
	assert_ok(block_concat_new(&b, parts, 2, "whole", &err));
	assert_fails(block_pwrite(b, "x", 1, 0, &err), EROFS, "whole");
}

static void a_byte_that_differs_is_found_and_told(void **state)
{
	struct block *x = block_mem_new(3 * MiB, "copy"), *y = block_mem_new(3 * MiB, "disk");
	_auto_(mem) uint8_t *buf = xmalloc(3 * MiB);
	_auto_(block) struct block *b = NULL;
	struct err err = {0};

	assert_ok(block_verify_new(&b, x, y, &err));
	assert_ok(block_pread(b, buf, 3 * MiB, 0, &err));
	block_mem_bytes(y)[2345678] = 0x7f;
	assert_fails(block_pread(b, buf, 3 * MiB, 0, &err), EIO,
		"copy: byte 2345678 is 00, in disk it is 7f");
	assert_ok(block_pread(b, buf, 2345678, 0, &err));
	assert_ok(block_pread(b, buf, 1000, 2345679, &err));
	assert_fails(block_pwrite(b, buf, 1, 0, &err), EROFS, "copy");
}

static void a_hole_over_data_of_the_reference_is_found(void **state)
{
	struct block *x = NULL, *y = block_mem_new(2 * MiB, "disk");
	_auto_(block) struct block *b = NULL;
	struct err err = {0};
	struct extent e;

	assert_ok(block_cow_new(&x, block_mem_new(2 * MiB, "copy"), NULL, &err));
	assert_ok(block_zero(x, 0, 2 * MiB, 0, &err));
	assert_ok(block_verify_new(&b, x, y, &err));
	assert_ok(block_extent(b, 0, UINT64_MAX, &e, &err));
	assert_int_equal(e.flags & BLOCK_ZERO, BLOCK_ZERO);
	block_mem_bytes(y)[MiB + 3] = 1;
	assert_fails(block_extent(b, 0, UINT64_MAX, &e, &err), EIO,
		"copy: byte 1048579 is 00, in disk it is 01");
}

static void blocks_of_two_lengths_are_not_compared(void **state)
{
	_auto_(block) struct block *x = block_mem_new(10, "copy");
	_auto_(block) struct block *y = block_mem_new(11, "disk");
	struct block *b = NULL;
	struct err err = {0};

	assert_fails(
		block_verify_new(&b, x, y, &err), EINVAL, "copy has 10 bytes, disk has 11");
	assert_null(b);
}

static void what_passes_is_counted(void **state)
{
	struct block *fault = block_fault_new(block_mem_new(1000, "disk"));
	_auto_(block) struct block *b = block_stats_new(fault);
	struct block_stats s[BLOCK_STATS_KINDS];
	struct err err = {0};
	struct extent e;
	char buf[100];

	assert_ok(block_pread(b, buf, 100, 0, &err));
	assert_ok(block_pread(b, buf, 50, 7, &err));
	assert_ok(block_pwrite(b, buf, 30, 0, &err));
	assert_ok(block_zero(b, 0, 500, 0, &err));
	assert_ok(block_extent(b, 0, 1000, &e, &err));
	assert_ok(block_flush(b, &err));
	block_fault_set(fault, &(struct block_fault){.kinds = BLOCK_FAULT_READ});
	assert_fails(block_pread(b, buf, 100, 0, &err), EIO, "injected");
	block_stats_get(b, s);
	assert_int_equal(s[BLOCK_STATS_READ].requests, 3);
	assert_int_equal(s[BLOCK_STATS_READ].failed, 1);
	assert_int_equal(s[BLOCK_STATS_READ].bytes, 150);
	assert_int_equal(s[BLOCK_STATS_WRITE].bytes, 30);
	assert_int_equal(s[BLOCK_STATS_ZERO].bytes, 500);
	assert_int_equal(s[BLOCK_STATS_EXTENT].bytes, 1000);
	assert_int_equal(s[BLOCK_STATS_FLUSH].requests, 1);
	assert_int_equal(s[BLOCK_STATS_DISCARD].requests, 0);
}

static void counting_disturbs_nothing(void **state)
{
	_auto_(block) struct block *b = block_stats_new(block_mem_new(1000000, "disk"));

	block_behaves_as_memory(b, NULL, 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_behave_as_one_memory),
		cmocka_unit_test(extents_of_parts_are_extents_of_the_whole),
		cmocka_unit_test(parts_that_make_no_disk_are_refused),
		cmocka_unit_test(a_disk_with_a_read_only_part_is_read_only),
		cmocka_unit_test(a_byte_that_differs_is_found_and_told),
		cmocka_unit_test(a_hole_over_data_of_the_reference_is_found),
		cmocka_unit_test(blocks_of_two_lengths_are_not_compared),
		cmocka_unit_test(what_passes_is_counted),
		cmocka_unit_test(counting_disturbs_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
