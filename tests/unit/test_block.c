// SPDX-License-Identifier: LGPL-2.1-or-later
/* block: the chokepoint's promises to drivers and callers. */
#include "tests/unit/test.h"

#include "tests/unit/block_model.h"

#include "formats/base/alloc.h"
#include "formats/block/block_filter.h"
#include "formats/block/block_mem.h"

/* ---- a driver that insists on what it asked for ------------------------------------------- */

struct strict {
	struct block_filter filter;
	uint64_t broken;     /* requests that no driver should see; atomic */
	uint64_t longest;    /* request */
	uint64_t zeroed;     /* bytes through zero() */
	bool cannot_zero;    /* -ENOTSUP */
	uint64_t map_answer; /* what extent() says; 0 = whole MiBs alternating */
};

static void watch(struct block *b, uint64_t off, uint64_t len, bool grows)
{
	struct strict *s = b->self;
	uint64_t size = block_size(b);
	bool tail = off + len == size;

	if (!len || (!grows && !range_ok(off, len, size)) || !is_aligned(off, b->align) ||
		(!is_aligned(len, b->align) && !tail))
		__atomic_add_fetch(&s->broken, 1, __ATOMIC_RELAXED);
	s->longest = MAX(s->longest, len);
}

static int strict_pread(struct block *b, void *buf, size_t len, uint64_t off, struct err *err)
{
	watch(b, off, len, false);
	return block_filter_pread(b, buf, len, off, err);
}

static int strict_pwrite(
	struct block *b, const void *buf, size_t len, uint64_t off, struct err *err)
{
	watch(b, off, len, b->growable);
	return block_filter_pwrite(b, buf, len, off, err);
}

static int strict_zero(
	struct block *b, uint64_t off, uint64_t len, unsigned flags, struct err *err)
{
	struct strict *s = b->self;

	watch(b, off, len, b->growable);
	if (s->cannot_zero)
		return err_set(err, ENOTSUP, "must not be seen");
	s->zeroed += len;
	return block_filter_zero(b, off, len, flags, err);
}

static int strict_discard(struct block *b, uint64_t off, uint64_t len, struct err *err)
{
	watch(b, off, len, false);
	return err_set(err, ENOTSUP, "must not be seen");
}

static int strict_extent(struct block *b, uint64_t off, uint64_t max, uint64_t *len,
	unsigned *flags, struct err *err)
{
	struct strict *s = b->self;

	*flags = off / MiB % 2 ? BLOCK_ZERO : 0;
	*len = s->map_answer ? s->map_answer : MIN(max, (uint64_t)1000);
	return 0;
}

static const struct block_ops strict_ops = {
	.name = "strict",
	.free = block_filter_free,
	.pread = strict_pread,
	.pwrite = strict_pwrite,
	.zero = strict_zero,
	.discard = strict_discard,
	.extent = strict_extent,
};

static struct block *strict_new(struct block *take_below, uint32_t align)
{
	struct strict *s = xnew(struct strict);
	struct block *b = block_filter_new(&strict_ops, &s->filter, take_below);

	b->align = align;
	return b;
}

static struct strict *strict_of(struct block *b)
{
	return b->self;
}

static void a_driver_sees_aligned_requests_only(void **state)
{
	static const uint32_t aligns[] = {1, 512, 4096, 65536};
	static const uint64_t sizes[] = {65536 * 5, 65536 * 5 + 1, 700};

	for (unsigned a = 0; a < ARRAY_SIZE(aligns); a++)
		for (unsigned i = 0; i < ARRAY_SIZE(sizes) * 2; i++) {
			_auto_(block) struct block *b =
				strict_new(block_mem_new(sizes[i / 2], "disk"), aligns[a]);

			strict_of(b)->cannot_zero = i % 2;
			block_behaves_as_memory(b, NULL, i);
			assert_int_equal(strict_of(b)->broken, 0);
		}
}

static void a_driver_sees_no_longer_request_than_it_wants(void **state)
{
	_auto_(block) struct block *b = strict_new(block_mem_new(300000, "disk"), 512);

	b->max_request = 5000; /* no multiple of the alignment: 4608 */
	block_behaves_as_memory(b, NULL, 5);
	assert_int_equal(strict_of(b)->broken, 0);
	strict_of(b)->longest = 0;
	assert_int_equal(
		block_pwrite(b, block_mem_bytes(strict_of(b)->filter.below), 100000, 0, NULL),
		0);
	assert_int_equal(strict_of(b)->longest, 4608);
}

static void ragged_ends_of_a_zero_are_written_and_the_middle_is_not(void **state)
{
	_auto_(block) struct block *b = strict_new(block_mem_new(100000, "disk"), 4096);
	struct err err = {0};

	assert_ok(block_zero(b, 4000, 9000, 0, &err));
	assert_int_equal(strict_of(b)->zeroed, 8192);
	assert_ok(block_zero(b, 4097, 4000, 0, &err));
	assert_int_equal(strict_of(b)->zeroed, 8192);
	assert_ok(block_discard(b, 4000, 9000, &err));
	assert_ok(block_discard(b, 4097, 4000, &err));
	assert_int_equal(strict_of(b)->broken, 0);
}

static void a_growing_block_of_units_grows_by_whole_units(void **state)
{
	_auto_(block) struct block *b =
		strict_new(block_mem_new_growable(100000, "disk"), 4096);
	struct err err = {0};
	char buf[6];

	assert_ok(block_pwrite(b, "abc", 3, 5000, &err));
	assert_int_equal(block_size(b), 8192);
	assert_ok(block_pwrite(b, "def", 3, 4999, &err));
	assert_ok(block_zero(b, 12000, 10000, 0, &err));
	assert_int_equal(block_size(b), 24576);
	assert_ok(block_pread(b, buf, 6, 4998, &err));
	assert_memory_equal(buf, "\0defc\0", 6);
	assert_int_equal(strict_of(b)->broken, 0);
}

static void short_answers_are_merged_to_long_extents(void **state)
{
	_auto_(block) struct block *b = strict_new(block_mem_new(10 * MiB, "disk"), 1);
	struct err err = {0};
	struct extent e;

	assert_ok(block_extent(b, 0, UINT64_MAX, &e, &err));
	assert_int_equal(e.flags, 0);
	assert_in_range(e.len, MiB, MiB + 1000);
	assert_ok(block_extent(b, 1500000, 10, &e, &err));
	assert_int_equal(e.len, 10);
	assert_int_equal(e.flags, BLOCK_ZERO);
	assert_fails(block_extent(b, 10 * MiB, 1, &e, &err), EINVAL, "cannot map");
}

static void a_driver_that_answers_too_much_is_caught(void **state)
{
	_auto_(block) struct block *b = strict_new(block_mem_new(5000, "disk"), 1);
	struct err err = {0};
	struct extent e;

	strict_of(b)->map_answer = 5001;
	assert_fails(block_extent(b, 0, UINT64_MAX, &e, &err), EIO,
		"disk: driver strict answered a map of 5001 bytes for 5000");
}

static void writers_of_parts_of_a_unit_do_not_undo_each_other(void **state)
{
	_auto_(block) struct block *b = block_meeting_new(block_mem_new(8192, "disk"));

	b->align = 4096;
	two_writers_in_a_unit_both_succeed(b);
}

static void the_last_owner_closes(void **state)
{
	struct block *b = block_mem_new(10, "disk"), *again = block_ref(b);
	struct err err = {0};

	block_free(b);
	assert_ok(block_pwrite(again, "x", 1, 0, &err));
	block_free(again); /* the sanitizer build sees what is left */
	block_free(NULL);
}

static void a_growing_memory_block_is_full_at_its_limit(void **state)
{
	_auto_(block) struct block *b = block_mem_new_growable(1000, "disk");
	struct err err = {0};
	char buf[4];

	assert_ok(block_pwrite(b, "abcd", 4, 996, &err));
	assert_int_equal(block_size(b), 1000);
	assert_fails(block_pwrite(b, "x", 1, 1000, &err), ENOSPC, "the limit is 1000");
	assert_fails(block_resize(b, 1001, &err), ENOSPC, "the limit is 1000");
	assert_ok(block_resize(b, 998, &err));
	assert_ok(block_resize(b, 1000, &err));
	assert_ok(block_pread(b, buf, 4, 996, &err));
	assert_memory_equal(buf, "ab\0\0", 4);
}

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
		cmocka_unit_test(a_driver_sees_aligned_requests_only),
		cmocka_unit_test(a_driver_sees_no_longer_request_than_it_wants),
		cmocka_unit_test(ragged_ends_of_a_zero_are_written_and_the_middle_is_not),
		cmocka_unit_test(a_growing_block_of_units_grows_by_whole_units),
		cmocka_unit_test(short_answers_are_merged_to_long_extents),
		cmocka_unit_test(a_driver_that_answers_too_much_is_caught),
		cmocka_unit_test(writers_of_parts_of_a_unit_do_not_undo_each_other),
		cmocka_unit_test(the_last_owner_closes),
		cmocka_unit_test(a_growing_memory_block_is_full_at_its_limit),
		cmocka_unit_test(zeros_are_found_wherever_the_other_byte_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
