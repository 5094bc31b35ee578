// SPDX-License-Identifier: LGPL-2.1-or-later
/* vmdk: sparse extents and streams, as writers make them and as they arrive damaged. */
#include "tests/unit/test.h"

#include "formats/base/alloc.h"
#include "formats/base/bytes.h"
#include "formats/block/block_fault.h"
#include "formats/block/block_mem.h"
#include "formats/vmdk/vmdk.h"
#include "tests/support/mkvmdk.h"

#include <pthread.h>

#define GRAIN (64 * 1024)

/* Bytes that do not repeat, the same in each run. */
static uint32_t noise(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

/* A disk of `len` bytes: thirds of zeros, of text and of noise, by pieces of 32 KiB. */
static uint8_t *make_disk(size_t len)
{
	uint8_t *raw = xcalloc(len, 1);
	uint32_t seed = 12345;

	for (size_t at = 0; at < len; at += 32 * 1024) {
		unsigned kind = noise(&seed) % 3;

		for (size_t i = at; i < MIN(at + 32 * 1024, len); i++)
			raw[i] = kind == 0   ? 0
				 : kind == 1 ? (uint8_t) "grain table "[i % 12]
					     : noise(&seed);
	}
	return raw;
}

static int open_bytes(
	struct block **ret, const void *bytes, size_t len, bool damaged_ok, struct err *err)
{
	struct image_open how = {.damaged_ok = damaged_ok};
	struct block *file = block_mem_from(bytes, len, "vm.vmdk");
	int r = image_vmdk.open(ret, file, &how, err);

	if (r < 0)
		block_free(file);
	return r;
}

static void assert_disk_is(struct block *b, const uint8_t *raw, size_t len)
{
	_auto_(mem) uint8_t *got = xmalloc(len);
	struct err err = {0};
	uint64_t off = 0;

	assert_int_equal(b->size, len);
	assert_ok(block_pread(b, got, len, 0, &err));
	assert_memory_equal(got, raw, len);
	/* What the map calls zero is zero. */
	while (off < len) {
		struct extent e;

		assert_ok(block_extent(b, off, len - off, &e, &err));
		if (e.flags & BLOCK_ZERO)
			assert_true(bytes_are_zero(raw + off, e.len));
		off += e.len;
	}
}

static void round_trip(const char *options, size_t len)
{
	_auto_(block) struct block *b = NULL;
	_auto_(mem) uint8_t *raw = make_disk(len);
	_auto_(mem) char *list = xstrdup(options);
	struct mkvmdk how = {0};
	struct mkvmdk_file f;
	struct err err = {0};

	for (char *o = strtok(list, " "); o; o = strtok(NULL, " "))
		assert_true(mkvmdk_option(&how, o));
	mkvmdk(&f, raw, len, &how);
	if (open_bytes(&b, f.bytes, f.len, false, &err) < 0)
		fail_msg("%s: %s", options, err.text);
	assert_disk_is(b, raw, len);
	mkvmdk_free(&f);
}

static void every_way_to_write_one_is_read(void **state)
{
	static const char *const ways[] = {"", "front", "both", "shuffle", "stored",
		"stored front", "short_last", "no_markers", "no_end", "no_markers no_end",
		"padding=512", "padding=1000", "padding=700000", "keep_zeros", "zero_grains",
		"version=1", "version=2", "shuffle front", "sparse", "sparse redundant",
		"sparse zero_grains", "sparse redundant zero_grains shuffle",
		"sparse short_last", "sparse version=3", "sparse shuffle keep_zeros",
		"sparse padding=1234"};
	static const unsigned grains[] = {8, 16, 128, 2048};

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		for (size_t k = 0; k < ARRAY_SIZE(grains); k++) {
			_auto_(mem) char *o = xasprintf("%s grain=%u", ways[i], grains[k]);

			round_trip(o, 2500 * 1024);
			round_trip(o, 512);
		}
}

/* ---- reading ------------------------------------------------------------------------- */

/* A made file, opened over a block that can fail and counts. */
struct made {
	struct mkvmdk_file f;
	uint8_t *raw;
	size_t len;
	struct block *fault; /* borrowed: belongs to disk */
	struct block *disk;
};

static void make(struct made *m, size_t len, const struct mkvmdk *how)
{
	struct err err = {0};

	*m = (struct made){.raw = make_disk(len), .len = len};
	mkvmdk(&m->f, m->raw, len, how);
	m->fault = block_fault_new(block_mem_from(m->f.bytes, m->f.len, "vm.vmdk"));
	assert_ok(image_vmdk.open(&m->disk, m->fault, NULL, &err));
}

static void unmake(struct made *m)
{
	block_free(m->disk);
	mkvmdk_free(&m->f);
	free(m->raw);
}

static void reading_anywhere_gives_the_disks_bytes(const struct mkvmdk *how)
{
	uint8_t buf[300 * 1024];
	uint32_t seed = 7;
	struct err err = {0};
	struct made m;

	make(&m, 3000 * 1024 + 512, how);
	for (unsigned i = 0; i < 600; i++) {
		size_t len = noise(&seed) % (i % 3 ? 9000 : sizeof(buf)) + 1;
		size_t off = noise(&seed) % (m.len - len);

		assert_ok(block_pread(m.disk, buf, len, off, &err));
		assert_memory_equal(buf, m.raw + off, len);
	}
	unmake(&m);
}

static void any_range_can_be_read_at_random(void **state)
{
	reading_anywhere_gives_the_disks_bytes(&(struct mkvmdk){0});
	reading_anywhere_gives_the_disks_bytes(&(struct mkvmdk){.grain = 8, .shuffle = true});
	reading_anywhere_gives_the_disks_bytes(&(struct mkvmdk){.sparse = true});
	reading_anywhere_gives_the_disks_bytes(
		&(struct mkvmdk){.sparse = true, .shuffle = true, .grain = 16});
}

struct reader {
	pthread_t thread;
	struct made *m;
	uint32_t seed;
	const char *failed;
};

static void *read_at_random(void *arg)
{
	struct reader *r = arg;
	_auto_(mem) uint8_t *buf = xmalloc(256 * 1024);

	for (unsigned i = 0; i < 400 && !r->failed; i++) {
		size_t len = noise(&r->seed) % (i % 4 ? 5000 : 256 * 1024) + 1;
		size_t off = noise(&r->seed) % (r->m->len - len);
		struct extent e;

		if (block_pread(r->m->disk, buf, len, off, NULL) < 0)
			r->failed = "read";
		else if (memcmp(buf, r->m->raw + off, len))
			r->failed = "compare";
		else if (block_extent(r->m->disk, off, len, &e, NULL) < 0)
			r->failed = "map";
	}
	return NULL;
}

static void four_threads_read_the_same_disk(void **state)
{
	for (unsigned sparse = 0; sparse < 2; sparse++) {
		struct reader readers[4];
		struct made m;

		make(&m, 40 * GRAIN, &(struct mkvmdk){.sparse = sparse, .redundant = sparse});
		for (size_t i = 0; i < ARRAY_SIZE(readers); i++) {
			readers[i] = (struct reader){.m = &m, .seed = i + 1};
			assert_int_equal(pthread_create(&readers[i].thread, NULL,
						 read_at_random, &readers[i]),
				0);
		}
		for (size_t i = 0; i < ARRAY_SIZE(readers); i++) {
			pthread_join(readers[i].thread, NULL);
			assert_null(readers[i].failed);
		}
		unmake(&m);
	}
}

static void neighbouring_grains_come_in_one_read_of_the_file(void **state)
{
	static const struct mkvmdk ways[] = {{.keep_zeros = true},
		{.keep_zeros = true, .tables = MKVMDK_FRONT},
		{.keep_zeros = true, .sparse = true}};
	_auto_(mem) uint8_t *buf = xmalloc(16 * GRAIN);
	struct err err = {0};

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct made m;

		make(&m, 64 * GRAIN, &ways[i]);
		assert_ok(block_pread(m.disk, buf, 1, 0, &err)); /* the grain table */
		block_fault_set(m.fault, &(struct block_fault){0});
		assert_ok(block_pread(m.disk, buf, 16 * GRAIN, 20 * GRAIN, &err));
		assert_memory_equal(buf, m.raw + 20 * GRAIN, 16 * GRAIN);
		assert_int_equal(block_fault_count(m.fault, BLOCK_FAULT_READ), 1);
		unmake(&m);
	}
}

static void small_reads_inflate_a_grain_once(void **state)
{
	struct err err = {0};
	uint8_t buf[4096];
	struct made m;

	make(&m, 8 * GRAIN, &(struct mkvmdk){.keep_zeros = true});
	assert_ok(block_pread(m.disk, buf, 1, 0, &err));
	block_fault_set(m.fault, &(struct block_fault){0});
	for (size_t off = 2 * GRAIN; off < 3 * GRAIN; off += sizeof(buf))
		assert_ok(block_pread(m.disk, buf, sizeof(buf), off, &err));
	assert_int_equal(block_fault_count(m.fault, BLOCK_FAULT_READ), 1);
	unmake(&m);
}

static void a_huge_empty_disk_is_mapped_with_few_reads(void **state)
{
	struct mkvmdk how = {.sparse = true, .sectors = 256 * GiB / 512};
	struct err err = {0};
	struct extent e;
	struct made m;

	make(&m, 2 * GRAIN, &how);
	assert_int_equal(m.f.tables, 8192);
	block_fault_set(m.fault, &(struct block_fault){0});
	for (uint64_t off = 2 * GRAIN; off < 256 * GiB; off += e.len) {
		assert_ok(block_extent(m.disk, off, 256 * GiB - off, &e, &err));
		assert_true(e.flags & BLOCK_ZERO);
	}
	assert_in_range(block_fault_count(m.fault, BLOCK_FAULT_READ), 1, 8192 / 32);
	/* Known now: the second time costs nothing. */
	block_fault_set(m.fault, &(struct block_fault){0});
	assert_ok(block_extent(m.disk, 100 * GiB, 1 * GiB, &e, &err));
	assert_int_equal(block_fault_count(m.fault, BLOCK_FAULT_READ), 0);
	unmake(&m);
}

static void the_map_tells_holes_from_data(void **state)
{
	_auto_(block) struct block *b = NULL;
	uint8_t *raw = xcalloc(6, GRAIN);
	struct mkvmdk_file f;
	struct err err = {0};
	struct extent e;

	raw[2 * GRAIN + 5] = raw[3 * GRAIN] = 1;
	mkvmdk(&f, raw, 6 * GRAIN, &(struct mkvmdk){0});
	assert_ok(open_bytes(&b, f.bytes, f.len, false, &err));
	assert_int_equal(b->preferred, GRAIN);
	assert_ok(block_extent(b, 100, 6 * GRAIN - 100, &e, &err));
	assert_int_equal(e.flags, BLOCK_ZERO | BLOCK_HOLE);
	assert_int_equal(e.len, 2 * GRAIN - 100);
	assert_ok(block_extent(b, 2 * GRAIN, 4 * GRAIN, &e, &err));
	assert_int_equal(e.flags, 0);
	assert_int_equal(e.len, 2 * GRAIN);
	assert_ok(block_extent(b, 4 * GRAIN, 2 * GRAIN, &e, &err));
	assert_int_equal(e.flags, BLOCK_ZERO | BLOCK_HOLE);
	assert_int_equal(e.len, 2 * GRAIN);
	mkvmdk_free(&f);
	free(raw);
}

/* ---- failures below ------------------------------------------------------------------ */

/* Opens and reads all of a disk over a file that fails its nth request. */
static int use_all(struct block *file, const uint8_t *raw, size_t len, struct err *err)
{
	_auto_(mem) uint8_t *buf = xmalloc(len);
	struct block *b = NULL;
	int r = image_vmdk.open(&b, file, NULL, err);
	struct extent e;

	if (r < 0) {
		block_free(file);
		return r;
	}
	for (uint64_t off = 0; off < len && !r; off += e.len)
		r = block_extent(b, off, len - off, &e, err);
	if (!r)
		r = block_pread(b, buf, len, 0, err);
	if (!r)
		r = block_pread(b, buf, 100, len / 2, err);
	block_free(b);
	return r;
}

static void a_failure_at_any_request_is_an_error(void **state)
{
	static const struct mkvmdk ways[] = {
		{.grain = 16}, {.sparse = true, .redundant = true, .shuffle = true}};

	for (size_t w = 0; w < ARRAY_SIZE(ways); w++) {
		_auto_(mem) uint8_t *raw = make_disk(30 * GRAIN);
		struct mkvmdk_file f;
		unsigned failures = 0;
		int r = -1;

		mkvmdk(&f, raw, 30 * GRAIN, &ways[w]);
		for (unsigned nth = 0; r < 0; nth++) {
			struct block *file =
				block_fault_new(block_mem_from(f.bytes, f.len, "vm.vmdk"));
			struct err err = {0};

			block_fault_set(file,
				&(struct block_fault){
					.kinds = BLOCK_FAULT_READ, .nth = nth, .code = EIO});
			r = use_all(file, raw, 30 * GRAIN, &err);
			if (r < 0) {
				failures++;
				assert_int_equal(r, -EIO);
				assert_int_equal(err.code, EIO);
				assert_non_null(strstr(err.text, "vm.vmdk"));
				assert_non_null(strstr(err.text, "injected fault"));
			}
			assert_true(nth < 1000);
		}
		assert_true(failures > 4);
		mkvmdk_free(&f);
	}
}

/* The bytes that a cut or damaged file yields are right, or there is an error. */
static void assert_right_or_refused(
	const uint8_t *bytes, size_t len, const uint8_t *raw, size_t raw_len, uint8_t *buf)
{
	_auto_(block) struct block *b = NULL;
	struct err err = {0};
	uint64_t at = 0;

	if (open_bytes(&b, bytes, len, false, &err) < 0) {
		assert_non_null(strstr(err.text, "vm.vmdk"));
		return;
	}
	assert_int_equal(b->size, raw_len);
	for (size_t n; at < raw_len; at += n) {
		n = MIN(raw_len - at, (size_t)8192);
		if (block_pread(b, buf, n, at, &err) < 0)
			assert_non_null(strstr(err.text, "vm.vmdk"));
		else
			assert_memory_equal(buf, raw + at, n);
	}
}

static void a_file_cut_at_any_byte_is_never_read_wrongly(void **state)
{
	static const struct mkvmdk ways[] = {{.grain = 8}, {.grain = 8, .tables = MKVMDK_FRONT},
		{.grain = 8, .sparse = true}, {.grain = 8, .sparse = true, .redundant = true}};
	const size_t len = 10 * 4096 + 512;
	_auto_(mem) uint8_t *raw = make_disk(len);
	uint8_t buf[8192];

	memset(raw, 'x', 4096); /* something at both ends */
	memset(raw + len - 512, 'y', 512);
	for (size_t w = 0; w < ARRAY_SIZE(ways); w++) {
		struct mkvmdk_file f;

		mkvmdk(&f, raw, len, &ways[w]);
		for (size_t cut = 0; cut < f.len; cut += cut % 512 < 20 ? 1 : 49)
			assert_right_or_refused(f.bytes, cut, raw, len, buf);
		mkvmdk_free(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_way_to_write_one_is_read),
		cmocka_unit_test(any_range_can_be_read_at_random),
		cmocka_unit_test(four_threads_read_the_same_disk),
		cmocka_unit_test(neighbouring_grains_come_in_one_read_of_the_file),
		cmocka_unit_test(small_reads_inflate_a_grain_once),
		cmocka_unit_test(a_huge_empty_disk_is_mapped_with_few_reads),
		cmocka_unit_test(the_map_tells_holes_from_data),
		cmocka_unit_test(a_failure_at_any_request_is_an_error),
		cmocka_unit_test(a_file_cut_at_any_byte_is_never_read_wrongly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
