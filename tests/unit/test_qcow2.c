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

#include <zlib.h>

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
			for (uint64_t i = 0; i < n; i += 1 + n / 150)
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

/* ---- hostile images ---- */

/* Clusters of 512 bytes: header, L1 table, data, L2 table, refcount block, refcount table. */
static struct block *small_image(uint8_t **data)
{
	struct block *file = block_mem_new_growable(MiB, "f");
	_auto_(block) struct block *b = create(file, 20 * KiB, 512);
	struct err err = {0};

	*data = xmalloc(20 * KiB);
	for (unsigned i = 0; i < 20 * KiB; i++)
		(*data)[i] = (uint8_t)(i * 7 + i / 256 + 1);
	assert_ok(block_pwrite(b, *data, 20 * KiB, 0, &err));
	assert_ok(block_flush(b, &err));
	return file;
}

/* Where in the file the L2 entry of a cluster is. */
static uint64_t entry_at(struct block *file, unsigned index)
{
	return (be64_load(block_mem_bytes(file) + 512) & ~(UINT64_C(1) << 63)) + index * 8;
}

static void set(struct block *file, uint64_t off, unsigned width, uint64_t value)
{
	uint8_t *p = block_mem_bytes(file) + off;

	if (width == 1)
		*p = (uint8_t)value;
	else if (width == 4)
		be32_store(p, (uint32_t)value);
	else
		be64_store(p, value);
}

static void a_hostile_header_field_is_refused_by_its_name(void **state)
{
	static const struct {
		unsigned off, width;
		uint64_t value;
		int code;
		const char *text;
	} cases[] = {
		{0, 4, 0x51464900, EINVAL, "is not qcow2"},
		{4, 4, 0, ENOTSUP, "version 0"},
		{4, 4, 1, ENOTSUP, "version 1"},
		{4, 4, 4, ENOTSUP, "version 4"},
		{8, 8, 200, ENOTSUP, "has the backing file"},
		{8, 8, UINT64_MAX, ENOTSUP, "has the backing file"},
		{20, 4, 8, EINVAL, "cluster bits 8"},
		{20, 4, 22, EINVAL, "cluster bits 22"},
		{20, 4, UINT32_MAX, EINVAL, "cluster bits"},
		{24, 8, 33 * KiB, EINVAL,
			"L1 table of 1 entries: a disk of 33792 bytes needs 2"},
		{24, 8, INT64_MAX, EINVAL, "L1 table of 1 entries"},
		{24, 8, UINT64_MAX, EINVAL, "disk size"},
		{32, 4, 1, ENOTSUP, "AES"},
		{32, 4, 2, ENOTSUP, "LUKS"},
		{32, 4, 99, ENOTSUP, "method 99"},
		{36, 4, 0, EINVAL, "L1 table of 0 entries"},
		{36, 4, UINT32_MAX, EINVAL, "L1 table of 4294967295 entries: more than"},
		{36, 4, 4 << 20, EINVAL, "L1 table of 33554432 bytes at 512: outside the file"},
		{40, 8, 0, EINVAL, "L1 table at 0"},
		{40, 8, 513, EINVAL, "L1 table at 513"},
		{40, 8, 1 << 20, EINVAL, "L1 table of 8 bytes at 1048576: outside"},
		{40, 8, UINT64_MAX - 511, EINVAL, "outside"},
		{48, 8, 0, EINVAL, "refcount table at 0"},
		{48, 8, 1000, EINVAL, "refcount table at 1000"},
		{48, 8, UINT64_MAX - 511, EINVAL, "refcount table of 512 bytes"},
		{56, 4, 0, EINVAL, "no refcount table"},
		{56, 4, UINT32_MAX, EINVAL, "refcount table of"},
		{56, 4, 1000, EINVAL, "refcount table of 512000 bytes"},
		{60, 4, 65537, EINVAL, "65537 snapshots"},
		{60, 4, 1, EINVAL, "snapshot table at 0"},
		{72, 8, 2, EINVAL, "marked as corrupt"},
		{72, 8, 4, ENOTSUP, "external data file"},
		{72, 8, 8, EINVAL, "compression type 0"},
		{72, 8, 16, EINVAL, "extended L2 entries with cluster bits 9"},
		{72, 8, 32, ENOTSUP, "feature bit 5"},
		{72, 8, UINT64_C(1) << 63, ENOTSUP, "feature bit 63"},
		{96, 4, 7, EINVAL, "refcount order 7"},
		{96, 4, UINT32_MAX, EINVAL, "refcount order"},
		{100, 4, 96, EINVAL, "header: length 96"},
		{100, 4, 105, EINVAL, "header: length 105"},
		{100, 4, 520, EINVAL, "header: length 520"},
		{104, 1, 1, EINVAL, "compression type 1"},
		{112, 8, 0x12345678ffffffff, EINVAL, "header extension 0x12345678"},
		{112, 8, 0x1234567800000190, EINVAL, "header extension 0x12345678"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_auto_(mem) uint8_t *data = NULL;
		_auto_(block) struct block *file = small_image(&data);
		struct block *b;
		struct err err = {0};

		set(file, cases[i].off, cases[i].width, cases[i].value);
		assert_fails(image_qcow2.open(&b, file, &to_read, &err), cases[i].code,
			cases[i].text);
		assert_non_null(strstr(err.text, "f: "));
	}
}

static void an_unknown_feature_is_called_by_the_name_the_image_gives_it(void **state)
{
	_auto_(mem) uint8_t *data = NULL;
	_auto_(block) struct block *file = small_image(&data);
	struct block *b;
	struct err err = {0};

	set(file, 72, 8, UINT64_C(1) << 40);
	set(file, 112, 4, 0x6803f857);
	set(file, 116, 4, 96);
	set(file, 120, 1, 1); /* a compatible one of the same number */
	set(file, 121, 1, 40);
	memcpy(block_mem_bytes(file) + 122, "harmless", 8);
	set(file, 168, 1, 0);
	set(file, 169, 1, 40);
	memcpy(block_mem_bytes(file) + 170, "time\ntravel", 11);
	assert_fails(image_qcow2.open(&b, file, &to_read, &err), ENOTSUP,
		"feature bit 40 (time?travel)");
}

/* What a read of the first cluster says when its L1 or L2 entry is this. */
static void a_damaged_entry_is_refused_and_its_neighbour_read(void **state)
{
	static const struct {
		unsigned l2;
		uint64_t value;
		const char *text;
	} cases[] = {
		{0, UINT64_C(0x8000000000100000),
			"L1 entry 0 0x8000000000100000: outside the file"},
		{0, UINT64_C(0x80fffffffffffe00), "outside the file"},
		{0, UINT64_C(0x8000000000000401), "reserved bits"},
		{0, UINT64_C(0x8100000000000400), "reserved bits"},
		{0, UINT64_C(0x8000000000000000), "no offset, but marked as used"},
		{0, UINT64_C(0x8000000000000200), "within the header or a table"},
		{1, UINT64_C(0x8000000000100000),
			"L1 entry 0, L2 entry 0 0x8000000000100000: outside"},
		{1, UINT64_C(0x80fffffffffffe00), "outside the file"},
		{1, UINT64_C(0x8000000000000602), "reserved bits"},
		{1, UINT64_C(0xa000000000000600), "reserved bits"},
		{1, UINT64_C(0x8000000000000000), "no offset, but marked as used"},
		{1, UINT64_C(0x8000000000000200), "within the header or a table"},
		{1, UINT64_C(0x4000000000000000), "within the header or a table"},
		{1, UINT64_C(0x40000000000001ff), "within the header or a table"},
		{1, UINT64_C(0x4000000000000200), "within the header or a table"},
		{1, UINT64_C(0x4000000000100000), "outside the file"},
		{1, UINT64_C(0x5fffffffffffffff), "offset of more than 56 bits"},
		{1, UINT64_C(0x4000000000000601), "does not inflate"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		static const struct image_open damaged_ok = {.damaged_ok = true};
		_auto_(mem) uint8_t *data = NULL;
		_auto_(block) struct block *file = small_image(&data);
		_auto_(block) struct block *b = NULL;
		_auto_(block) struct block *d = NULL;
		uint8_t got[20 * KiB];
		struct extent e;
		struct err err = {0};

		set(file, cases[i].l2 ? entry_at(file, 0) : 512, 8, cases[i].value);
		b = reopen(file, &to_read);
		assert_fails(block_pread(b, got, 10, 100, &err), EINVAL, cases[i].text);
		if (!strstr(cases[i].text, "inflate")) {
			assert_fails(block_extent(b, 0, 512, &e, &err), EINVAL, cases[i].text);
			d = reopen(file, &damaged_ok);
			assert_ok(block_pread(d, got, sizeof(got), 0, &err));
			assert_true(bytes_are_zero(got, cases[i].l2 ? 512 : sizeof(got)));
			assert_ok(block_extent(d, 0, 512, &e, &err));
			assert_int_equal(e.flags, 0);
		}
		if (!cases[i].l2)
			continue;
		assert_ok(block_pread(b, got, 19 * KiB, 512, &err));
		assert_memory_equal(got, data + 512, 19 * KiB);
	}
}

static void a_damaged_image_is_not_made_worse_by_writing(void **state)
{
	static const struct {
		uint64_t off, value;
		const char *text;
	} at_open[] = {
		{72, 1, "marked as dirty"},
		{72, 2, "marked as corrupt"},
	};
	_auto_(mem) uint8_t *data = NULL;
	_auto_(block) struct block *file = small_image(&data);
	uint64_t rt = be64_load(block_mem_bytes(file) + 48);
	struct err err = {0};
	struct block *b;

	for (size_t i = 0; i < ARRAY_SIZE(at_open); i++) {
		set(file, at_open[i].off, 8, at_open[i].value);
		assert_fails(
			image_qcow2.open(&b, file, &to_write, &err), EINVAL, at_open[i].text);
		set(file, at_open[i].off, 8, 0);
	}
	set(file, 4, 4, 2);
	assert_fails(image_qcow2.open(&b, file, &to_write, &err), ENOTSUP, "version 2");
	set(file, 4, 4, 3);
	set(file, rt, 8, 0x601);
	assert_fails(image_qcow2.open(&b, file, &to_write, &err), EINVAL,
		"refcount table entry 0: 0x601: reserved bits");
	set(file, rt, 8, 0x100000);
	assert_fails(image_qcow2.open(&b, file, &to_write, &err), EINVAL,
		"refcount table entry 0: block at 1048576");
	set(file, rt, 8, 0x200);
	assert_fails(image_qcow2.open(&b, file, &to_write, &err), EINVAL,
		"refcount table entry 0: block at 512");
	assert_ok(image_qcow2.open(&b, file, &to_read, &err));
	file = NULL; /* taken */
	block_free(b);
}

/* Whatever the bytes: an error or bytes, but no crash and no endless loop. */
static void random_damage_to_the_tables_does_no_harm(void **state)
{
	unsigned seed = 1, opened = 0;

	for (unsigned i = 0; i < 3000; i++) {
		_auto_(mem) uint8_t *data = NULL;
		_auto_(block) struct block *file = small_image(&data);
		struct block *b = NULL;
		uint8_t got[600];
		struct extent e;

		for (unsigned k = 1 + rand_r(&seed) % 4; k > 0; k--) {
			/* Header and L1 table; L2 table and refcounts. */
			uint64_t off = rand_r(&seed) % 2560;

			if (off >= 1024)
				off += file->size - 2560;
			block_mem_bytes(file)[off] = (uint8_t)rand_r(&seed);
		}
		if (image_qcow2.open(&b, block_ref(file), i % 2 ? &to_read : &to_write, NULL) <
			0) {
			block_free(file);
			continue;
		}
		opened++;
		for (uint64_t off = 0; off < MIN(b->size, 40 * KiB); off += sizeof(got)) {
			block_pread(b, got, MIN(sizeof(got), b->size - off), off, NULL);
			block_extent(b, off, UINT64_MAX, &e, NULL);
			if (i % 2 == 0)
				block_pwrite(
					b, got, MIN(sizeof(got), b->size - off), off, NULL);
		}
		block_flush(b, NULL);
		block_free(b);
	}
	assert_in_range(opened, 500, 3000);
}

static void a_file_cut_anywhere_gives_an_error_or_the_right_bytes(void **state)
{
	_auto_(mem) uint8_t *data = NULL;
	_auto_(block) struct block *whole = small_image(&data);

	for (uint64_t len = 0; len < whole->size; len++) {
		_auto_(block) struct block *file =
			block_mem_from(block_mem_bytes(whole), len, "f");
		uint8_t got[20 * KiB];
		struct block *b;

		if (image_qcow2.open(&b, file, &to_read, NULL) < 0)
			continue;
		file = NULL; /* taken */
		if (block_pread(b, got, sizeof(got), 0, NULL) == 0)
			assert_memory_equal(got, data, sizeof(got));
		block_free(b);
	}
}

/* ---- compressed clusters ---- */

enum stream { FINISHED, WITHOUT_END, TOO_SHORT, BROKEN };

/* Cluster `index` of the disk becomes these bytes, compressed, at the end of the file. */
static void set_compressed(
	struct block *file, unsigned index, const uint8_t *data, enum stream kind)
{
	uint8_t out[2048] = {0};
	uint64_t at = file->size + 5; /* anywhere, and no sector whole */
	z_stream s = {
		.next_in = (uint8_t *)data,
		.avail_in = kind == TOO_SHORT ? 511 : 512,
		.next_out = out,
		.avail_out = sizeof(out),
	};
	struct err err = {0};
	size_t len;

	deflateInit2(&s, 6, Z_DEFLATED, -12, 9, Z_DEFAULT_STRATEGY);
	deflate(&s, kind == WITHOUT_END ? Z_SYNC_FLUSH : Z_FINISH);
	deflateEnd(&s);
	len = sizeof(out) - s.avail_out;
	if (kind == BROKEN)
		memset(out, 0xff, len / 2);
	assert_ok(block_pwrite(file, out, len, at, &err));
	set(file, entry_at(file, index), 8,
		UINT64_C(1) << 62 | (at % 512 + len - 1) / 512 << 61 | at);
}

static void compressed_clusters_are_read_whole_and_in_parts(void **state)
{
	_auto_(mem) uint8_t *data = NULL;
	_auto_(block) struct block *file = small_image(&data);
	_auto_(block) struct block *b = NULL;
	uint8_t text[512], got[1500];
	struct err err = {0};

	for (unsigned i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i / 9);
	set_compressed(file, 1, text, FINISHED);
	set_compressed(file, 2, text, WITHOUT_END);
	set_compressed(file, 4, text, TOO_SHORT);
	set_compressed(file, 5, text, BROKEN);
	b = reopen(file, &to_read);
	for (unsigned i = 0; i < 2; i++) {
		assert_ok(block_pread(b, got, 1024, 512, &err));
		assert_memory_equal(got, text, 512);
		assert_memory_equal(got + 512, text, 512);
		assert_ok(block_pread(b, got, 100, 512 + 77, &err));
		assert_memory_equal(got, text + 77, 100);
		assert_ok(block_pread(b, got, 1000, 300, &err));
		assert_memory_equal(got, data + 300, 212);
		assert_memory_equal(got + 212, text, 512);
		assert_memory_equal(got + 724, text, 276);
	}
	assert_fails(block_pread(b, got, 512, 2048, &err), EINVAL, "does not inflate to 512");
	assert_fails(block_pread(b, got, 1, 2600, &err), EINVAL, "does not inflate to 512");
	assert_ok(block_pread(b, got, 512, 1536, &err));
	assert_memory_equal(got, data + 1536, 512);
}

static void clusters_that_share_compressed_bytes_are_all_read(void **state)
{
	_auto_(mem) uint8_t *data = NULL;
	_auto_(block) struct block *file = small_image(&data);
	_auto_(block) struct block *b = NULL;
	uint8_t text[512], got[1536];
	struct err err = {0};
	struct be64 entry;

	for (unsigned i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i / 7);
	set_compressed(file, 1, text, FINISHED);
	assert_ok(block_pread(file, &entry, 8, entry_at(file, 1), &err));
	set(file, entry_at(file, 2), 8, be64_get(entry));
	set(file, entry_at(file, 3), 8, be64_get(entry));
	b = reopen(file, &to_read);
	for (unsigned from = 0; from < 500; from += 100) {
		memset(got, 0xee, sizeof(got));
		assert_ok(block_pread(b, got, 1536 - from, 512 + from, &err));
		for (unsigned i = 0; i < 1536 - from; i++)
			assert_int_equal(got[i], text[(from + i) % 512]);
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
		cmocka_unit_test(a_hostile_header_field_is_refused_by_its_name),
		cmocka_unit_test(an_unknown_feature_is_called_by_the_name_the_image_gives_it),
		cmocka_unit_test(a_damaged_entry_is_refused_and_its_neighbour_read),
		cmocka_unit_test(a_damaged_image_is_not_made_worse_by_writing),
		cmocka_unit_test(random_damage_to_the_tables_does_no_harm),
		cmocka_unit_test(a_file_cut_anywhere_gives_an_error_or_the_right_bytes),
		cmocka_unit_test(compressed_clusters_are_read_whole_and_in_parts),
		cmocka_unit_test(clusters_that_share_compressed_bytes_are_all_read),
		cmocka_unit_test(threads_write_parts_of_the_same_clusters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
