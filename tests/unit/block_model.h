/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* block_model: property tests for writable blocks: any sequence of requests leaves what the same
 * sequence leaves in memory, and two writers in one unit do not undo each other's work. */
#pragma once

#include "tests/unit/test.h"

#include "formats/base/alloc.h"
#include "formats/block/block.h"
#include "formats/block/block_filter.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

/*
 * Random writes, zeros and reads at random places: b always reads as the model does, and extents
 * called zero are zero. `initial` is what b reads as at first, NULL = zeros.
 */
static inline void block_behaves_as_memory(
	struct block *b, const uint8_t *initial, unsigned seed)
{
	size_t size = b->size;
	_auto_(mem) uint8_t *model =
		initial ? (uint8_t *)xmemdup(initial, size) : (uint8_t *)xcalloc(size, 1);
	_auto_(mem) uint8_t *got = xaligned(4096, size);
	_auto_(mem) uint8_t *data = xaligned(4096, size);
	struct err err = {0};

	for (size_t i = 0; i < size; i++)
		data[i] = (uint8_t)(1 + rand_r(&seed) % 255);
	for (unsigned i = 0; i < 300; i++) {
		uint64_t off = rand_r(&seed) % size, from;
		uint64_t len = rand_r(&seed) % (rand_r(&seed) % 4 ? 9000 : 700000);

		if (rand_r(&seed) % 2)
			off &= ~4095ULL;
		len = MIN(len, size - off);
		from = off % 4096; /* buffer alignment follows the offset half of the time */
		if (rand_r(&seed) % 2)
			from = rand_r(&seed) % 4096;
		from = MIN(from, size - len);
		switch (rand_r(&seed) % 4) {
		case 0:
		case 1:
			assert_ok(block_pwrite(b, data + from, len, off, &err));
			memcpy(model + off, data + from, len);
			break;
		case 2:
			assert_ok(block_zero(
				b, off, len, rand_r(&seed) % 2 ? BLOCK_MAY_UNMAP : 0, &err));
			memset(model + off, 0, len);
			break;
		default:
			assert_ok(block_pread(b, got + from, len, off, &err));
			assert_memory_equal(got + from, model + off, len);
		}
	}
	assert_ok(block_flush(b, &err));
	assert_ok(block_pread(b, got, size, 0, &err));
	assert_memory_equal(got, model, size);
	for (uint64_t off = 0; off < size;) {
		struct extent e;

		assert_ok(block_extent(b, off, UINT64_MAX, &e, &err));
		assert_int_equal(e.off, off);
		if (e.flags & BLOCK_ZERO)
			assert_true(bytes_are_zero(model + off, e.len));
		off += e.len;
	}
}

/* A driver whose reads wait (not for long) for another one to have read too: two unlocked
 * read-modify-writes then certainly have both read before either writes. */
struct meeting {
	struct block_filter filter;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	unsigned readers;
};

static inline int meeting_pread(
	struct block *b, void *buf, size_t len, uint64_t off, struct err *err)
{
	struct meeting *m = b->self;
	int r = block_filter_pread(b, buf, len, off, err);
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec++;
	pthread_mutex_lock(&m->lock);
	m->readers++;
	pthread_cond_broadcast(&m->cond);
	while (m->readers < 2 && !pthread_cond_timedwait(&m->cond, &m->lock, &until))
		;
	pthread_mutex_unlock(&m->lock);
	return r;
}

static const struct block_ops block_meeting_ops = {
	.name = "meeting",
	.free = block_filter_free,
	.pread = meeting_pread,
	.pwrite = block_filter_pwrite,
};

static inline struct block *block_meeting_new(struct block *take_below)
{
	struct meeting *m = xnew(struct meeting);

	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->cond, NULL);
	return block_filter_new(&block_meeting_ops, &m->filter, take_below);
}

static inline void *write_second_byte(void *arg)
{
	return block_pwrite(arg, "b", 1, 1, NULL) < 0 ? arg : NULL;
}

/* b is, or sits on, a meeting block. */
static inline void two_writers_in_a_unit_both_succeed(struct block *b)
{
	struct err err = {0};
	pthread_t thread;
	void *failed;
	char got[2];

	assert_int_equal(pthread_create(&thread, NULL, write_second_byte, b), 0);
	assert_ok(block_pwrite(b, "a", 1, 0, &err));
	pthread_join(thread, &failed);
	assert_null(failed);
	assert_ok(block_pread(b, got, 2, 0, &err));
	assert_memory_equal(got, "ab", 2);
}
