// SPDX-License-Identifier: LGPL-2.1-or-later
/* block_cow: the overlay against a copy in memory, its extents, its thrift, its failures. */
#include "tests/unit/block_model.h"
#include "tests/unit/test.h"

#include "formats/base/alloc.h"
#include "formats/block/block_cow.h"
#include "formats/block/block_fault.h"
#include "formats/block/block_mem.h"

#include <pthread.h>

#define UNIT       ((uint64_t)BLOCK_COW_UNIT)
#define MODEL_SIZE (20 * UNIT + 777)

/* A block of recognisable bytes, and an overlay over it. *below is a second reference. */
static struct block *make_cow(struct block **below, uint64_t size)
{
	struct block *cow, *mem = block_mem_new(size, "disk");
	struct err err = {0};

	for (uint64_t i = 0; i < size; i++)
		block_mem_bytes(mem)[i] = (uint8_t)(1 + i % 251);
	*below = block_ref(mem);
	assert_ok(block_cow_new(&cow, mem, NULL, &err));
	return cow;
}

static void an_overlay_behaves_as_memory_and_leaves_the_source_alone(void **state)
{
	for (unsigned seed = 1; seed <= 3; seed++) {
		_auto_(block) struct block *below = NULL;
		_auto_(block) struct block *cow = make_cow(&below, MODEL_SIZE);
		_auto_(mem) uint8_t *copy = xmemdup(block_mem_bytes(below), MODEL_SIZE);

		block_behaves_as_memory(cow, copy, seed);
		assert_memory_equal(block_mem_bytes(below), copy, MODEL_SIZE);
	}
}

static void an_overlay_over_a_read_only_block_can_be_written(void **state)
{
	_auto_(block) struct block *below = NULL;
	_auto_(block) struct block *cow = make_cow(&below, UNIT);
	struct err err = {0};

	below->read_only = true;
	assert_ok(block_pwrite(cow, "x", 1, 5, &err));
	assert_ok(block_zero(cow, 0, UNIT, BLOCK_MAY_UNMAP, &err));
}

static void zeroed_and_discarded_units_are_holes_and_cost_no_writes(void **state)
{
	_auto_(block) struct block *below = NULL;
	_auto_(block) struct block *cow = make_cow(&below, MODEL_SIZE);
	struct err err = {0};
	struct extent e;
	uint8_t byte;

	assert_int_equal(block_cow_changed(cow), 0);
	assert_ok(block_zero(cow, 2 * UNIT, 3 * UNIT, 0, &err));
	assert_ok(block_discard(cow, 5 * UNIT - 10, UNIT + 20, &err));
	assert_int_equal(block_cow_changed(cow), 4 * UNIT);
	assert_ok(block_extent(cow, 0, UINT64_MAX, &e, &err));
	assert_int_equal(e.flags, 0);
	assert_int_equal(e.len, 2 * UNIT);
	assert_ok(block_extent(cow, 2 * UNIT, UINT64_MAX, &e, &err));
	assert_int_equal(e.flags, BLOCK_ZERO | BLOCK_HOLE);
	assert_int_equal(e.len, 4 * UNIT);
	assert_ok(block_pread(cow, &byte, 1, 6 * UNIT + 5, &err));
	assert_int_equal(byte, block_mem_bytes(below)[6 * UNIT + 5]);
	/* The short unit at the end is a whole one too. */
	assert_ok(block_discard(cow, 20 * UNIT, 777, &err));
	assert_ok(block_extent(cow, 20 * UNIT, UINT64_MAX, &e, &err));
	assert_int_equal(e.flags, BLOCK_ZERO | BLOCK_HOLE);
}

static void a_failed_copy_up_changes_nothing(void **state)
{
	struct block *mem = block_mem_new(UNIT, "disk");
	struct block *fault = block_fault_new(mem);
	_auto_(block) struct block *cow = NULL;
	struct err err = {0};
	char buf[4];

	memset(block_mem_bytes(mem), 'a', UNIT);
	assert_ok(block_cow_new(&cow, fault, NULL, &err));
	block_fault_set(fault, &(struct block_fault){.kinds = BLOCK_FAULT_READ});
	assert_fails(block_pwrite(cow, "xx", 2, 100, &err), EIO,
		"disk: injected fault: read 65536 bytes at 0");
	block_fault_set(fault, &(struct block_fault){0});
	assert_int_equal(block_cow_changed(cow), 0);
	assert_ok(block_pread(cow, buf, 4, 99, &err));
	assert_memory_equal(buf, "aaaa", 4);
}

static void a_folder_that_cannot_hold_the_overlay_is_named(void **state)
{
	_auto_(block) struct block *mem = block_mem_new(UNIT, "disk");
	struct block *cow = NULL;
	struct err err = {0};

	assert_fails(block_cow_new(&cow, mem, "/nonexistent", &err), ENOENT,
		"overlay of disk: cannot create a temporary file in /nonexistent");
	assert_null(cow);
}

static void two_copy_ups_of_a_unit_do_not_undo_each_other(void **state)
{
	struct block *mem = block_mem_new(UNIT, "disk");
	_auto_(block) struct block *cow = NULL;
	struct err err = {0};

	assert_ok(block_cow_new(&cow, block_meeting_new(mem), NULL, &err));
	two_writers_in_a_unit_both_succeed(cow);
}

#define WRITERS 4
#define PIECE   1000

struct writer {
	pthread_t thread;
	struct block *cow;
	unsigned index;
	int result;
};

/* Every WRITERSth piece of the disk: all writers meet in every unit. */
static void *write_pieces(void *arg)
{
	struct writer *w = arg;
	uint8_t piece[PIECE];

	memset(piece, (int)(0x80 + w->index), sizeof(piece));
	for (uint64_t off = w->index * PIECE; off + PIECE <= w->cow->size && w->result >= 0;
		off += WRITERS * PIECE)
		w->result = block_pwrite(w->cow, piece, PIECE, off, NULL);
	return NULL;
}

static void writers_in_the_same_unit_do_not_undo_each_other(void **state)
{
	_auto_(block) struct block *below = NULL;
	_auto_(block) struct block *cow = make_cow(&below, 8 * UNIT);
	_auto_(mem) uint8_t *got = xmalloc(8 * UNIT);
	struct writer writers[WRITERS] = {0};
	struct err err = {0};

	for (unsigned i = 0; i < WRITERS; i++) {
		writers[i].cow = cow;
		writers[i].index = i;
		assert_int_equal(
			pthread_create(&writers[i].thread, NULL, write_pieces, &writers[i]), 0);
	}
	for (unsigned i = 0; i < WRITERS; i++) {
		pthread_join(writers[i].thread, NULL);
		assert_int_equal(writers[i].result, 0);
	}
	assert_ok(block_pread(cow, got, 8 * UNIT, 0, &err));
	for (uint64_t i = 0; i < 8 * UNIT / PIECE * PIECE; i++)
		assert_int_equal(got[i], 0x80 + i / PIECE % WRITERS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_overlay_behaves_as_memory_and_leaves_the_source_alone),
		cmocka_unit_test(an_overlay_over_a_read_only_block_can_be_written),
		cmocka_unit_test(zeroed_and_discarded_units_are_holes_and_cost_no_writes),
		cmocka_unit_test(a_failed_copy_up_changes_nothing),
		cmocka_unit_test(a_folder_that_cannot_hold_the_overlay_is_named),
		cmocka_unit_test(two_copy_ups_of_a_unit_do_not_undo_each_other),
		cmocka_unit_test(writers_in_the_same_unit_do_not_undo_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
