// SPDX-License-Identifier: LGPL-2.1-or-later
/* qcow2: what is written is read back, also after reopening, after faults, by many threads. (That
 * other programs read it too is tests/integration/qcow2.) */
#include "tests/unit/block_model.h"
#include "tests/unit/qcow2_check.h"
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
		qcow2_is_consistent(file);
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
			qcow2_is_consistent(file);
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

/* ---- faults ---- */

#define FAULT_SIZE (256 * KiB)

/* The same 40 requests every time. A failed one leaves its range unknown (mask). Returns how
 * many failed. */
static unsigned forty_requests(struct block *b, uint8_t *model, uint8_t *mask)
{
	_auto_(mem) uint8_t *data = xmalloc(FAULT_SIZE);
	unsigned seed = 11, failed = 0;

	for (unsigned i = 0; i < 40; i++) {
		uint64_t off = (uint64_t)rand_r(&seed) % FAULT_SIZE;
		uint64_t len = MIN(1 + (uint64_t)rand_r(&seed) % 30000, FAULT_SIZE - off);
		unsigned kind = rand_r(&seed) % 4;
		struct err err = {0};
		int r;

		memset(data, kind < 3 ? (int)(1 + i) : 0, len);
		if (i % 13 == 12)
			r = block_flush(b, &err);
		else if (kind < 3)
			r = block_pwrite(b, data, len, off, &err);
		else
			r = block_zero(b, off, len, BLOCK_MAY_UNMAP, &err);
		if (r < 0) {
			assert_int_equal(err.code, ENOSPC);
			assert_non_null(strstr(err.text, "injected"));
			failed++;
		}
		if (i % 13 == 12)
			continue;
		memcpy(model + off, data, len);
		memset(mask + off, r < 0, len);
	}
	return failed;
}

static void reads_as(struct block *b, const uint8_t *model, const uint8_t *mask)
{
	_auto_(mem) uint8_t *got = xmalloc(FAULT_SIZE);
	struct err err = {0};

	assert_ok(block_pread(b, got, FAULT_SIZE, 0, &err));
	for (uint64_t i = 0; i < FAULT_SIZE; i++)
		if (!mask[i] && got[i] != model[i])
			fail_msg("byte %llu is %u instead of %u", (unsigned long long)i, got[i],
				model[i]);
}

/* Runs the forty requests with the nth request to the file failing, then goes on as if nothing
 * had been. Returns how many requests the file saw. */
static uint64_t run_with_fault(bool in_place, uint64_t nth, unsigned cluster)
{
	struct block *file = block_mem_new_growable(FILE_LIMIT, "f");
	_auto_(block) struct block *fault = block_fault_new(file);
	_auto_(mem) uint8_t *model = xcalloc(1, FAULT_SIZE);
	_auto_(mem) uint8_t *mask = xcalloc(1, FAULT_SIZE);
	struct block *b = create(fault, FAULT_SIZE, cluster);
	struct err err = {0};
	uint64_t n;

	if (in_place) {
		assert_int_equal(forty_requests(b, model, mask), 0);
		assert_ok(block_flush(b, &err));
		block_free(b);
		b = reopen(fault, &to_write);
	}
	block_fault_set(
		fault, &(struct block_fault){.kinds = BLOCK_FAULT_ANY & ~BLOCK_FAULT_DISCARD,
			       .nth = nth,
			       .times = 1,
			       .code = ENOSPC});
	forty_requests(b, model, mask);
	n = block_fault_count(fault, BLOCK_FAULT_ANY & ~BLOCK_FAULT_DISCARD);
	block_fault_set(fault, &(struct block_fault){0});
	reads_as(b, model, mask);
	assert_ok(block_flush(b, &err));
	qcow2_is_consistent(file);
	block_free(b);
	b = reopen(fault, &to_read);
	reads_as(b, model, mask);
	block_free(b);
	return n;
}

static void a_failed_request_to_the_file_leaves_the_image_consistent(void **state)
{
	for (unsigned cluster = 512; cluster <= 8192; cluster *= 4) {
		for (unsigned in_place = 0; in_place < 2; in_place++) {
			uint64_t n = run_with_fault(in_place, UINT64_MAX, cluster);

			assert_in_range(n, 40, 100000);
			for (uint64_t i = 0; i < n; i += 1 + n / 400)
				run_with_fault(in_place, i, cluster);
		}
	}
}

static void a_file_that_fails_for_good_is_consistent_or_dirty_or_no_image(void **state)
{
	uint64_t n = run_with_fault(false, UINT64_MAX, 4096);

	for (uint64_t i = 0; i < n; i++) {
		struct block *file = block_mem_new_growable(FILE_LIMIT, "f");
		_auto_(block) struct block *fault = block_fault_new(file);
		_auto_(block) struct block *b = create(fault, FAULT_SIZE, 4096);
		_auto_(mem) uint8_t *model = xcalloc(1, FAULT_SIZE);
		_auto_(mem) uint8_t *mask = xcalloc(1, FAULT_SIZE);
		struct err err = {0};

		block_fault_set(
			fault, &(struct block_fault){
				       .kinds = BLOCK_FAULT_ANY, .nth = i, .code = ENOSPC});
		forty_requests(b, model, mask);
		assert_fails(block_flush(b, &err), ENOSPC, "injected");
		if (!be32_load(block_mem_bytes(file)))
			assert_true(bytes_are_zero(block_mem_bytes(file), 4096));
		else if (!(be64_load(block_mem_bytes(file) + 72) & 1))
			qcow2_is_consistent(file);
	}
}

/* ---- threads ---- */

#define THREADS 4

struct job {
	struct block *b;
	unsigned number;
	bool failed;
};

/* Every fourth block of 3000 bytes: neighbours share clusters. */
static void *write_mine(void *opaque)
{
	struct job *job = opaque;
	uint8_t data[3000], got[3000];

	for (uint64_t i = job->number; (i + 1) * sizeof(data) <= job->b->size; i += THREADS) {
		uint64_t off = i * sizeof(data);

		memset(data, (int)(1 + i % 255), sizeof(data));
		if (i % 7 == 0 && block_zero(job->b, off, sizeof(data), 0, NULL) < 0)
			job->failed = true;
		if (block_pwrite(job->b, data, sizeof(data), off, NULL) < 0 ||
			block_pread(job->b, got, sizeof(got), off, NULL) < 0 ||
			memcmp(data, got, sizeof(data)))
			job->failed = true;
		if (i % 200 == 0 && block_flush(job->b, NULL) < 0)
			job->failed = true;
	}
	return NULL;
}

static void threads_write_parts_of_the_same_clusters(void **state)
{
	_auto_(block) struct block *file = block_mem_new_growable(FILE_LIMIT, "f");
	_auto_(block) struct block *b = create(file, 4 * MiB, 16384);
	_auto_(mem) uint8_t *got = xmalloc(4 * MiB);
	struct job jobs[THREADS];
	pthread_t threads[THREADS];
	struct err err = {0};

	for (unsigned i = 0; i < THREADS; i++) {
		jobs[i] = (struct job){.b = b, .number = i};
		assert_int_equal(pthread_create(&threads[i], NULL, write_mine, &jobs[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		assert_false(jobs[i].failed);
	}
	assert_ok(block_flush(b, &err));
	qcow2_is_consistent(file);
	assert_ok(block_pread(b, got, 4 * MiB, 0, &err));
	for (uint64_t i = 0; i < 4 * MiB / 3000 * 3000; i++)
		assert_int_equal(got[i], 1 + i / 3000 % 255);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_behaves_as_memory_with_every_cluster_size),
		cmocka_unit_test(a_reopened_image_is_changed_in_place),
		cmocka_unit_test(an_image_has_no_header_before_it_is_flushed),
		cmocka_unit_test(the_same_calls_give_the_same_bytes),
		cmocka_unit_test(a_failed_request_to_the_file_leaves_the_image_consistent),
		cmocka_unit_test(a_file_that_fails_for_good_is_consistent_or_dirty_or_no_image),
		cmocka_unit_test(threads_write_parts_of_the_same_clusters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
