// SPDX-License-Identifier: LGPL-2.1-or-later
/* qcow2: what is written is read back, also after reopening, after faults, by many threads. (That
 * other programs read it too is tests/integration/qcow2.) */
#include "tests/unit/block_model.h"
#include "tests/unit/test.h"

#include "formats/base/bytes.h"
#include "formats/block/block_fault.h"
#include "formats/block/block_mem.h"
#include "formats/image.h"

#define FILE_LIMIT (64 * MiB)

extern const struct image_format image_qcow2;

static const struct image_open to_read = {0};
static const struct image_open to_write = {.write = true};

/* A new image on a memory file that the test keeps. */
static struct block *create(struct block *file, uint64_t size, uint32_t cluster)
{
	struct image_create how = {.size = size, .cluster_size = cluster};
	struct block *b = NULL;
	struct err err = {0};

	assert_ok(image_qcow2.create(&b, block_ref(file), &how, &err));
	return b;
}

static struct block *reopen(struct block *file, const struct image_open *how)
{
	struct block *b = NULL;
	struct err err = {0};

	assert_ok(image_qcow2.open(&b, block_ref(file), how, &err));
	return b;
}

static void it_behaves_as_memory_with_every_cluster_size(void **state)
{
	static const uint64_t sizes[] = {1 * MiB, 3 * MiB + 512, 777777};

	for (uint32_t cluster = 512; cluster <= 2 * MiB; cluster *= 2) {
		_auto_(block) struct block *file = block_mem_new_growable(FILE_LIMIT, "f");
		_auto_(block) struct block *b = create(file, sizes[cluster % 3], cluster);

		block_behaves_as_memory(b, NULL, cluster);
	}
}

static void a_reopened_image_is_changed_in_place(void **state)
{
	for (uint32_t cluster = 512; cluster <= 128 * KiB; cluster *= 4) {
		_auto_(block) struct block *file = block_mem_new_growable(FILE_LIMIT, "f");
		_auto_(mem) uint8_t *before = xcalloc(1, MiB + 1536);
		struct err err = {0};
		struct block *b = create(file, MiB + 1536, cluster);

		block_behaves_as_memory(b, NULL, cluster);
		for (unsigned i = 0; i < 3; i++) {
			assert_ok(block_pread(b, before, MiB + 1536, 0, &err));
			block_free(b);
			b = reopen(file, &to_write);
			block_behaves_as_memory(b, before, cluster + i);
		}
		assert_ok(block_pread(b, before, MiB + 1536, 0, &err));
		block_free(b);
		b = reopen(file, &to_read);
		_auto_(mem) uint8_t *after = xcalloc(1, MiB + 1536);
		assert_ok(block_pread(b, after, MiB + 1536, 0, &err));
		assert_memory_equal(before, after, MiB + 1536);
		block_free(b);
	}
}

static void an_image_has_no_header_before_it_is_flushed(void **state)
{
	_auto_(block) struct block *file = block_mem_new_growable(FILE_LIMIT, "f");
	_auto_(block) struct block *b = create(file, MiB, 4096);
	_auto_(mem) uint8_t *data = xmalloc(MiB);
	struct block *again;
	struct err err = {0};

	memset(data, 7, MiB);
	assert_ok(block_pwrite(b, data, MiB, 0, &err));
	assert_true(bytes_are_zero(block_mem_bytes(file), 4096));
	assert_fails(image_qcow2.open(&again, file, &to_read, &err), EINVAL, "not qcow2");
	assert_ok(block_flush(b, &err));
	assert_int_equal(be32_load(block_mem_bytes(file)), 0x514649fb);
}

static void the_same_calls_give_the_same_bytes(void **state)
{
	_auto_(block) struct block *a = block_mem_new_growable(FILE_LIMIT, "a");
	_auto_(block) struct block *b = block_mem_new_growable(FILE_LIMIT, "b");
	_auto_(block) struct block *qa = create(a, 2 * MiB, 4096);
	_auto_(block) struct block *qb = create(b, 2 * MiB, 4096);

	block_behaves_as_memory(qa, NULL, 5);
	block_behaves_as_memory(qb, NULL, 5);
	assert_int_equal(a->size, b->size);
	assert_memory_equal(block_mem_bytes(a), block_mem_bytes(b), a->size);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_behaves_as_memory_with_every_cluster_size),
		cmocka_unit_test(a_reopened_image_is_changed_in_place),
		cmocka_unit_test(an_image_has_no_header_before_it_is_flushed),
		cmocka_unit_test(the_same_calls_give_the_same_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
