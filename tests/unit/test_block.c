// SPDX-License-Identifier: LGPL-2.1-or-later
/* block: the chokepoint's promises to drivers and callers. */
#include "tests/unit/test.h"

#include "formats/base/alloc.h"
#include "formats/block/block_mem.h"

static void reads_beyond_the_end_are_refused(void **state)
{
	_auto_(block) struct block *b = block_mem_new(1000, "disk");
	struct err err = {0};
	char buf[10];

	assert_ok(block_pread(b, buf, 10, 990, &err));
	assert_fails(block_pread(b, buf, 10, 991, &err), EINVAL,
		"disk: cannot read 10 bytes at 991");
	assert_fails(block_pread(b, buf, 10, UINT64_MAX - 2, &err), EINVAL, "cannot read");
	assert_fails(block_pwrite(b, buf, 1, 1000, &err), EINVAL, "cannot write");
	assert_fails(block_zero(b, 0, UINT64_MAX, 0, &err), EINVAL, "cannot zero");
}

static void a_read_only_block_is_not_written(void **state)
{
	_auto_(block) struct block *b = block_mem_new(1000, "disk");
	struct err err = {0};

	b->read_only = true;
	assert_fails(block_pwrite(b, "x", 1, 0, &err), EROFS, "read-only");
	assert_fails(block_zero(b, 0, 1, 0, &err), EROFS, "read-only");
	assert_fails(block_discard(b, 0, 1, &err), EROFS, "read-only");
	assert_int_equal(block_mem_bytes(b)[0], 0);
}

static void zeros_are_found_wherever_the_other_byte_is(void **state)
{
	uint8_t buf[200] = {0};

	for (size_t len = 0; len <= sizeof(buf); len++)
		assert_true(bytes_are_zero(buf, len));
	for (size_t i = 0; i < sizeof(buf); i++) {
		buf[i] = 1;
		assert_false(bytes_are_zero(buf, sizeof(buf)));
		assert_true(bytes_are_zero(buf, i));
		buf[i] = 0;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_beyond_the_end_are_refused),
		cmocka_unit_test(a_read_only_block_is_not_written),
		cmocka_unit_test(zeros_are_found_wherever_the_other_byte_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
