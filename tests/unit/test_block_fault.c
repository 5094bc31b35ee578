// SPDX-License-Identifier: LGPL-2.1-or-later
/* block_fault: the tool of all fault tests has to do what it says itself. */
#include "tests/unit/block_model.h"
#include "tests/unit/test.h"

#include "formats/block/block_fault.h"
#include "formats/block/block_mem.h"

static void without_faults_everything_passes(void **state)
{
	_auto_(block) struct block *b = block_fault_new(block_mem_new(1000000, "disk"));

	block_behaves_as_memory(b, NULL, 1);
	assert_int_equal(block_fault_injected(b), 0);
}

static void requests_are_counted_by_kind(void **state)
{
	_auto_(block) struct block *b = block_fault_new(block_mem_new_growable(1000, "disk"));
	struct err err = {0};
	struct extent e;
	char buf[4];

	assert_ok(block_pwrite(b, "abcd", 4, 0, &err));
	assert_ok(block_pwrite(b, "abcd", 4, 4, &err));
	assert_ok(block_pread(b, buf, 4, 2, &err));
	assert_ok(block_zero(b, 0, 1, 0, &err));
	assert_ok(block_discard(b, 0, 1, &err));
	assert_ok(block_flush(b, &err));
	assert_ok(block_extent(b, 0, 8, &e, &err));
	assert_ok(block_resize(b, 6, &err));
	assert_int_equal(block_fault_count(b, BLOCK_FAULT_WRITE), 2);
	assert_int_equal(block_fault_count(b, BLOCK_FAULT_READ), 1);
	assert_int_equal(block_fault_count(b, BLOCK_FAULT_ANY), 8);
	block_fault_set(b, &(struct block_fault){0});
	assert_int_equal(block_fault_count(b, BLOCK_FAULT_ANY), 0);
}

static void the_nth_request_fails_as_often_as_asked(void **state)
{
	_auto_(block) struct block *b = block_fault_new(block_mem_new(1000, "disk"));
	struct err err = {0};

	block_fault_set(
		b, &(struct block_fault){
			   .kinds = BLOCK_FAULT_WRITE, .nth = 1, .times = 2, .code = ENOSPC});
	assert_ok(block_pwrite(b, "a", 1, 0, &err));
	assert_ok(block_flush(b, &err));
	assert_fails(block_pwrite(b, "b", 1, 0, &err), ENOSPC,
		"disk: injected fault: write 1 bytes at 0");
	assert_fails(block_pwrite(b, "c", 1, 7, &err), ENOSPC, "write 1 bytes at 7");
	assert_ok(block_pwrite(b, "d", 1, 1, &err));
	assert_int_equal(block_fault_injected(b), 2);
}

static void a_range_fails_and_its_neighbours_do_not(void **state)
{
	_auto_(block) struct block *b = block_fault_new(block_mem_new(1000, "disk"));
	struct err err = {0};
	char buf[100];

	block_fault_set(
		b, &(struct block_fault){.kinds = BLOCK_FAULT_READ, .off = 100, .len = 10});
	assert_ok(block_pread(b, buf, 100, 0, &err));
	assert_ok(block_pread(b, buf, 100, 110, &err));
	assert_fails(block_pread(b, buf, 100, 1, &err), EIO, "injected fault");
	assert_fails(block_pread(b, buf, 1, 109, &err), EIO, "injected fault");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_faults_everything_passes),
		cmocka_unit_test(requests_are_counted_by_kind),
		cmocka_unit_test(the_nth_request_fails_as_often_as_asked),
		cmocka_unit_test(a_range_fails_and_its_neighbours_do_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
