// SPDX-License-Identifier: LGPL-2.1-or-later
/* copy: what is copied, in which order, with how much memory, and every way to fail. */
#include "tests/unit/test.h"

#include "formats/base/alloc.h"
#include "formats/base/io.h"
#include "formats/block/block_cow.h"
#include "formats/block/block_fault.h"
#include "formats/block/block_filter.h"
#include "formats/block/block_mem.h"
#include "formats/copy/copy.h"

#include <stdlib.h>

#define CHUNK (2 * MiB) /* copy.c's */
#define UNIT  (64 * KiB)

/* ---- a block that watches ---------------------------------------------------------------- */

struct spy {
	struct block_filter filter;
	pthread_mutex_t lock;
	uint64_t read_end;   /* end of the furthest read */
	uint64_t reads;      /* bytes */
	uint64_t writes;     /* requests */
	uint64_t last_write; /* end of the last one */
	uint64_t log_hash;   /* of the sequence of writes and zeros */
	bool out_of_order;
	struct spy *source; /* at a target: the source's spy */
	uint64_t max_ahead; /* most bytes read but not yet written */
};

static int spy_pread(struct block *b, void *buf, size_t len, uint64_t off, struct err *err)
{
	struct spy *s = b->self;

	pthread_mutex_lock(&s->lock);
	s->read_end = MAX(s->read_end, off + len);
	s->reads += len;
	pthread_mutex_unlock(&s->lock);
	return block_filter_pread(b, buf, len, off, err);
}

static void note(struct spy *s, uint64_t kind, uint64_t off, uint64_t len)
{
	uint64_t words[] = {kind, off, len};

	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		s->log_hash = (s->log_hash ^ words[i]) * UINT64_C(0x100000001b3);
	s->out_of_order |= off < s->last_write;
	s->last_write = off + len;
	s->writes++;
}

static int spy_pwrite(
	struct block *b, const void *buf, size_t len, uint64_t off, struct err *err)
{
	struct spy *s = b->self;

	note(s, 1, off, len);
	if (s->source) {
		pthread_mutex_lock(&s->source->lock);
		if (s->source->read_end > off)
			s->max_ahead = MAX(s->max_ahead, s->source->read_end - off);
		pthread_mutex_unlock(&s->source->lock);
	}
	return block_filter_pwrite(b, buf, len, off, err);
}

static int spy_zero(
	struct block *b, uint64_t off, uint64_t len, unsigned flags, struct err *err)
{
	note(b->self, 2, off, len);
	return block_filter_zero(b, off, len, flags, err);
}

static const struct block_ops spy_ops = {
	.name = "spy",
	.free = block_filter_free,
	.pread = spy_pread,
	.pwrite = spy_pwrite,
	.zero = spy_zero,
	.flush = block_filter_flush,
	.extent = block_filter_extent,
	.resize = block_filter_resize,
};

static struct block *spy_new(struct block *take_below)
{
	struct spy *s = xnew(struct spy);

	pthread_mutex_init(&s->lock, NULL);
	return block_filter_new(&spy_ops, &s->filter, take_below);
}

static struct spy *spy_of(struct block *b)
{
	return b->self;
}

/* ---- sources and targets ------------------------------------------------------------------ */

/* An overlay full of holes, with runs of data here and there, some of them zeros. */
static struct block *make_source(uint64_t size, unsigned seed)
{
	_auto_(mem) uint8_t *data = xmalloc(300000);
	struct block *cow = NULL;
	struct err err = {0};

	assert_ok(block_cow_new(&cow, block_mem_new(size, "source"), NULL, &err));
	assert_ok(block_zero(cow, 0, size, 0, &err));
	for (unsigned i = 0; i < 300000; i++)
		data[i] = (uint8_t)(rand_r(&seed) >> 7);
	for (unsigned i = 0; i < 12 + size / MiB; i++) {
		uint64_t off = ((uint64_t)rand_r(&seed) << 16 ^ rand_r(&seed)) % size;
		uint64_t len = MIN((uint64_t)rand_r(&seed) % 300000, size - off);

		if (i % 4 == 3) {
			uint8_t zeros[5000] = {0};

			len = MIN(len, sizeof(zeros));
			assert_ok(block_pwrite(cow, zeros, len, off, &err));
		} else {
			assert_ok(block_pwrite(cow, data, len, off, &err));
		}
	}
	return cow;
}

static struct block *make_target(uint64_t size, int fill)
{
	struct block *b = block_mem_new(size, "target");

	memset(block_mem_bytes(b), fill, size);
	return b;
}

static uint8_t *contents(struct block *b)
{
	uint8_t *bytes = xmalloc(b->size);
	struct err err = {0};

	assert_ok(block_pread(b, bytes, b->size, 0, &err));
	return bytes;
}

static void assert_same(struct block *a, struct block *b)
{
	_auto_(mem) uint8_t *x = contents(a);
	_auto_(mem) uint8_t *y = contents(b);

	assert_int_equal(a->size, b->size);
	assert_memory_equal(x, y, a->size);
}

/* ---- what is copied ---------------------------------------------------------------------- */

static void a_copy_is_equal_whatever_the_size_and_the_threads(void **state)
{
	static const uint64_t sizes[] = {0, 1, 511, UNIT, UNIT + 1, CHUNK - 1, CHUNK, CHUNK + 1,
		5 * CHUNK + 12345, 17 * MiB};
	struct err err = {0};

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
		for (unsigned threads = 0; threads <= 4; threads += 2) {
			_auto_(block) struct block *src =
				sizes[i] ? make_source(sizes[i], i) : block_mem_new(0, "empty");
			_auto_(block) struct block *dst = make_target(sizes[i], 0xcc);
			struct copy_opts opts = {.threads = threads};
			struct copy_stats st;

			assert_ok(copy_run(src, dst, &opts, &st, &err));
			assert_same(src, dst);
			assert_int_equal(st.read + st.holes, sizes[i]);
			assert_int_equal(st.written + st.zeros, sizes[i]);
		}
}

static void the_sequence_of_writes_does_not_depend_on_the_threads(void **state)
{
	_auto_(block) struct block *src = make_source(40 * MiB, 5);
	uint64_t hash = 0;
	struct err err = {0};

	for (unsigned threads = 1; threads <= 8; threads++) {
		_auto_(block) struct block *dst = spy_new(make_target(40 * MiB, 1));
		struct copy_opts opts = {.threads = threads, .memory = 10 * MiB};

		assert_ok(copy_run(src, dst, &opts, NULL, &err));
		assert_false(spy_of(dst)->out_of_order);
		if (threads == 1)
			hash = spy_of(dst)->log_hash;
		assert_int_equal(spy_of(dst)->log_hash, hash);
	}
}

static void holes_are_not_read_and_zeros_not_written_to_a_zero_target(void **state)
{
	struct block *cow = NULL;
	_auto_(block) struct block *src = NULL;
	_auto_(block) struct block *dst = spy_new(make_target(100 * MiB, 0));
	struct copy_opts opts = {.target_is_zero = true};
	_auto_(mem) uint8_t *zeros = xcalloc(UNIT, 1);
	struct copy_stats st;
	struct err err = {0};

	assert_ok(block_cow_new(&cow, block_mem_new(100 * MiB, "s"), NULL, &err));
	assert_ok(block_zero(cow, 0, cow->size, 0, &err));
	assert_ok(block_pwrite(cow, "x", 1, 50 * MiB + 5 * UNIT, &err));
	assert_ok(block_pwrite(cow, zeros, UNIT, 70 * MiB, &err));
	src = spy_new(cow);
	assert_ok(copy_run(src, dst, &opts, &st, &err));
	assert_int_equal(st.read, 2 * UNIT);
	assert_int_equal(spy_of(src)->reads, 2 * UNIT);
	assert_int_equal(st.written, UNIT);
	assert_int_equal(spy_of(dst)->writes, 1);
	assert_same(src, dst);
}

static void a_longer_target_is_zero_behind_the_copy(void **state)
{
	_auto_(block) struct block *src = make_source(3 * MiB + 77, 3);
	_auto_(block) struct block *dst = make_target(5 * MiB, 0xaa);
	struct err err = {0};

	assert_ok(copy_run(src, dst, NULL, NULL, &err));
	assert_true(bytes_are_zero(
		block_mem_bytes(dst) + src->size, (size_t)(dst->size - src->size)));
}

static void a_growing_target_gets_the_length_of_the_source(void **state)
{
	_auto_(block) struct block *src = make_source(3 * MiB + 77, 3);
	_auto_(block) struct block *dst = block_mem_new_growable(10 * MiB, "target");
	struct copy_opts opts = {.target_is_zero = true};
	struct err err = {0};

	assert_ok(copy_run(src, dst, &opts, NULL, &err));
	assert_same(src, dst);
}

static void a_shorter_target_is_refused(void **state)
{
	_auto_(block) struct block *src = block_mem_new(1000, "source");
	_auto_(block) struct block *dst = block_mem_new(999, "target");
	struct err err = {0};

	assert_fails(copy_run(src, dst, NULL, NULL, &err), EINVAL,
		"target: 999 bytes are too few for the 1000 of source");
}

static void reading_ahead_stays_within_the_memory_allowed(void **state)
{
	struct copy_opts opts = {.threads = 4, .memory = 6 * MiB};
	_auto_(block) struct block *src = spy_new(make_target(60 * MiB, 7));
	_auto_(block) struct block *dst = spy_new(make_target(60 * MiB, 0));
	struct err err = {0};

	spy_of(dst)->source = spy_of(src);
	assert_ok(copy_run(src, dst, &opts, NULL, &err));
	assert_in_range(spy_of(dst)->max_ahead, CHUNK, opts.memory);
}

static void the_bandwidth_is_kept(void **state)
{
	_auto_(block) struct block *src = make_target(6 * MiB, 7);
	_auto_(block) struct block *dst = make_target(6 * MiB, 0);
	struct copy_opts opts = {.bandwidth = 30 * MiB};
	struct copy_stats st;
	struct err err = {0};

	assert_ok(copy_run(src, dst, &opts, &st, &err));
	assert_true(st.seconds >= 0.19);
	assert_same(src, dst);
}

/* ---- failing ------------------------------------------------------------------------------ */

/* Lets each request to `fault`, one end of the copy, fail; and the next `times` - 1 too (0 =
 * all). */
static void fail_every_request(
	struct block *src, struct block *dst, struct block *fault, uint64_t times)
{
	struct copy_opts opts = {.threads = 3, .memory = 8 * MiB};
	struct err err = {0};
	uint64_t n;

	block_fault_set(fault, &(struct block_fault){0});
	assert_ok(copy_run(src, dst, &opts, NULL, &err));
	n = block_fault_count(fault, BLOCK_FAULT_ANY);
	assert_in_range(n, 10, 1000);
	for (uint64_t i = 0; i < n; i++) {
		block_fault_set(fault, &(struct block_fault){.kinds = BLOCK_FAULT_ANY,
					       .nth = i,
					       .times = times,
					       .code = ENXIO});
		assert_fails(copy_run(src, dst, &opts, NULL, &err), ENXIO, "injected fault");
	}
	block_fault_set(fault, &(struct block_fault){0});
	assert_ok(copy_run(src, dst, &opts, NULL, &err));
	assert_same(src, dst);
}

static void every_failing_request_of_the_source_fails_the_copy(void **state)
{
	_auto_(block) struct block *src = block_fault_new(make_source(24 * MiB + 5, 9));
	_auto_(block) struct block *dst = make_target(24 * MiB + 5, 3);

	/* A map that fails once is asked for again, so let it fail for good. */
	fail_every_request(src, dst, src, 0);
}

static void every_failing_request_of_the_target_fails_the_copy(void **state)
{
	_auto_(block) struct block *src = make_source(24 * MiB + 5, 9);
	_auto_(block) struct block *dst = block_fault_new(make_target(24 * MiB + 5, 3));

	fail_every_request(src, dst, dst, 1);
}

static void of_many_errors_the_first_on_the_disk_is_told(void **state)
{
	_auto_(block) struct block *src = block_fault_new(make_target(60 * MiB, 3));
	_auto_(block) struct block *dst = make_target(60 * MiB, 0);
	struct copy_opts opts = {.threads = 8};
	struct err err = {0};

	for (unsigned i = 0; i < 20; i++) {
		block_fault_set(src, &(struct block_fault){.kinds = BLOCK_FAULT_READ,
					     .off = 5 * CHUNK + 7,
					     .len = 60 * MiB});
		assert_fails(copy_run(src, dst, &opts, NULL, &err), EIO,
			"copy of the 2097152 bytes at 10485760: target: injected fault");
	}
}

static void a_full_disk_is_told_as_such(void **state)
{
	_auto_(block) struct block *src = make_target(20 * MiB, 3);
	_auto_(block) struct block *dst = block_mem_new_growable(20 * MiB, "target");
	_auto_(block) struct block *full = block_mem_new_growable(5 * MiB, "full.raw");
	_auto_(block) struct block *fault = block_fault_new(STEAL(dst));
	struct err err = {0};

	assert_fails(copy_run(src, full, NULL, NULL, &err), ENOSPC, "full.raw");
	block_fault_set(fault, &(struct block_fault){.kinds = BLOCK_FAULT_WRITE,
				       .off = 7 * MiB,
				       .len = MiB,
				       .code = ENOSPC});
	assert_fails(copy_run(src, fault, NULL, NULL, &err), ENOSPC,
		"copy of the 2097152 bytes at 6291456: target");
}

/* ---- progress and cancelling --------------------------------------------------------------- */

struct listener {
	uint64_t calls, stop_at, last, total;
	bool backwards;
};

static int listen_to(void *opaque, uint64_t done, uint64_t total)
{
	struct listener *l = opaque;

	l->backwards |= done < l->last || done > total;
	l->last = done;
	l->total = total;
	return l->calls++ == l->stop_at;
}

static void progress_runs_from_nothing_to_all(void **state)
{
	_auto_(block) struct block *src = make_source(24 * MiB + 5, 9);
	_auto_(block) struct block *dst = make_target(24 * MiB + 5, 3);
	struct listener l = {.stop_at = UINT64_MAX};
	struct progress p = {listen_to, &l};
	struct copy_opts opts = {.progress = &p};
	struct err err = {0};

	assert_ok(copy_run(src, dst, &opts, NULL, &err));
	assert_false(l.backwards);
	assert_int_equal(l.last, src->size);
	assert_int_equal(l.total, src->size);
	assert_in_range(l.calls, 3, 100);
}

static void cancelling_at_any_step_stops_the_copy(void **state)
{
	_auto_(block) struct block *src = make_source(24 * MiB + 5, 9);
	_auto_(block) struct block *dst = make_target(24 * MiB + 5, 3);
	struct err err = {0};
	uint64_t stop = 0;
	int r;

	do {
		struct listener l = {.stop_at = stop++};
		struct progress p = {listen_to, &l};
		struct copy_opts opts = {.progress = &p, .threads = 3, .memory = 4 * MiB};

		r = copy_run(src, dst, &opts, NULL, &err);
		if (r < 0) {
			assert_int_equal(r, -ECANCELED);
			assert_int_equal(l.calls, stop);
		}
	} while (r < 0 && stop < 100);
	assert_int_equal(r, 0);
	assert_true(stop > 3);
}

/* A source that answers nothing until it is told to. */
struct slow {
	struct block_filter filter;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool go;
};

static int slow_pread(struct block *b, void *buf, size_t len, uint64_t off, struct err *err)
{
	struct slow *s = b->self;

	pthread_mutex_lock(&s->lock);
	while (!s->go)
		pthread_cond_wait(&s->cond, &s->lock);
	pthread_mutex_unlock(&s->lock);
	return block_filter_pread(b, buf, len, off, err);
}

static const struct block_ops slow_ops = {
	.name = "slow", .free = block_filter_free, .pread = slow_pread};

struct stuck {
	struct slow *slow;
	unsigned calls;
};

/* Cancels at the second call (the first is the 0 % at the start) and lets the source go on, as
 * whoever cancels would close a stuck connection. */
static int cancel_second(void *opaque, uint64_t done, uint64_t total)
{
	struct stuck *s = opaque;

	if (!s->calls++)
		return 0;
	pthread_mutex_lock(&s->slow->lock);
	s->slow->go = true;
	pthread_cond_broadcast(&s->slow->cond);
	pthread_mutex_unlock(&s->slow->lock);
	return 1;
}

static void a_copy_whose_source_is_stuck_still_hears_of_cancelling(void **state)
{
	struct slow *slow = xnew(struct slow);
	_auto_(block) struct block *dst = make_target(MiB, 0);
	struct stuck stuck = {.slow = slow};
	struct progress p = {cancel_second, &stuck};
	struct copy_opts opts = {.progress = &p};
	_auto_(block) struct block *src = NULL;
	struct err err = {0};

	pthread_mutex_init(&slow->lock, NULL);
	pthread_cond_init(&slow->cond, NULL);
	src = block_filter_new(&slow_ops, &slow->filter, make_target(MiB, 1));
	assert_fails(copy_run(src, dst, &opts, NULL, &err), ECANCELED, "interrupted");
	assert_int_equal(stuck.calls, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_copy_is_equal_whatever_the_size_and_the_threads),
		cmocka_unit_test(the_sequence_of_writes_does_not_depend_on_the_threads),
		cmocka_unit_test(holes_are_not_read_and_zeros_not_written_to_a_zero_target),
		cmocka_unit_test(a_longer_target_is_zero_behind_the_copy),
		cmocka_unit_test(a_growing_target_gets_the_length_of_the_source),
		cmocka_unit_test(a_shorter_target_is_refused),
		cmocka_unit_test(reading_ahead_stays_within_the_memory_allowed),
		cmocka_unit_test(the_bandwidth_is_kept),
		cmocka_unit_test(every_failing_request_of_the_source_fails_the_copy),
		cmocka_unit_test(every_failing_request_of_the_target_fails_the_copy),
		cmocka_unit_test(of_many_errors_the_first_on_the_disk_is_told),
		cmocka_unit_test(a_full_disk_is_told_as_such),
		cmocka_unit_test(progress_runs_from_nothing_to_all),
		cmocka_unit_test(cancelling_at_any_step_stops_the_copy),
		cmocka_unit_test(a_copy_whose_source_is_stuck_still_hears_of_cancelling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
