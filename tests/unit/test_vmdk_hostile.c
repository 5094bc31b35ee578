// SPDX-License-Identifier: LGPL-2.1-or-later
/* vmdk: files whose header, tables, markers and grains lie. */
#include "tests/unit/test.h"

#include "formats/base/alloc.h"
#include "formats/base/bytes.h"
#include "formats/block/block_mem.h"
#include "formats/vmdk/vmdk.h"
#include "tests/support/mkvmdk.h"

#define SECTOR 512
#define GRAIN  (8 * SECTOR)
#define GRAINS 1100 /* three grain tables */
#define LEN    ((size_t)GRAINS * GRAIN)

/* Every grain holds its own number, so that a grain in the wrong place is seen. */
static uint8_t *make_disk(void)
{
	uint8_t *raw = xcalloc(LEN, 1);

	for (size_t i = 0; i < LEN; i += 4)
		le32_store(raw + i, i / GRAIN + 1);
	return raw;
}

static struct mkvmdk_file make(const struct mkvmdk *how)
{
	struct mkvmdk mine = *how;
	uint8_t *raw = make_disk();
	struct mkvmdk_file f;

	mine.grain = 8;
	mkvmdk(&f, raw, LEN, &mine);
	free(raw);
	return f;
}

static struct mkvmdk_file make_sparse(void)
{
	return make(&(struct mkvmdk){.sparse = true});
}

static struct mkvmdk_file make_stream(void)
{
	return make(&(struct mkvmdk){0});
}

static void put32(struct mkvmdk_file *f, size_t at, uint32_t v)
{
	assert_in_range(at, 0, f->len - 4);
	le32_store(f->bytes + at, v);
}

static void put64(struct mkvmdk_file *f, size_t at, uint64_t v)
{
	assert_in_range(at, 0, f->len - 8);
	le64_store(f->bytes + at, v);
}

static void put_gd(struct mkvmdk_file *f, size_t i, uint32_t v)
{
	put32(f, (size_t)f->gd * SECTOR + i * 4, v);
}

static void put_gte(struct mkvmdk_file *f, size_t grain, uint32_t v)
{
	put32(f, (size_t)f->gt[grain / 512] * SECTOR + grain % 512 * 4, v);
}

static int open_file(
	struct block **ret, const struct mkvmdk_file *f, bool damaged_ok, struct err *err)
{
	struct image_open how = {.damaged_ok = damaged_ok};
	struct block *file = block_mem_from(f->bytes, f->len, "vm.vmdk");
	int r = image_vmdk.open(ret, file, &how, err);

	if (r < 0)
		block_free(file);
	return r;
}

/* Reads one grain whole; its bytes are right if that succeeds. */
static int read_grain(struct block *b, size_t grain, struct err *err)
{
	uint8_t buf[GRAIN];
	int r = block_pread(b, buf, GRAIN, grain * GRAIN, err);

	for (size_t i = 0; !r && i < GRAIN; i += 4)
		assert_int_equal(le32_load(buf + i), grain + 1);
	return r;
}

/* Opening fails. Frees f. */
static void assert_refused(struct mkvmdk_file *f, int code, const char *part)
{
	struct block *b = NULL;
	struct err err = {0};

	assert_fails(open_file(&b, f, false, &err), code, part);
	assert_null(b);
	assert_int_equal(strncmp(err.text, "vm.vmdk: ", 9), 0);
	mkvmdk_free(f);
}

/* The disk opens and all of it is right. Frees f. */
static void assert_whole(struct mkvmdk_file *f)
{
	struct block *b = NULL;
	struct err err = {0};

	assert_ok(open_file(&b, f, false, &err));
	for (size_t g = 0; g < GRAINS; g++)
		assert_ok(read_grain(b, g, &err));
	block_free(b);
	mkvmdk_free(f);
}

/*
 * This grain cannot be read, whole or in part or mapped where `mapped`, for this reason; all
 * others can. With damaged_ok it is zeros and counted once. Frees f.
 */
static void assert_lost(
	struct mkvmdk_file *f, size_t grain, int code, const char *part, bool mapped)
{
	struct block *b = NULL;
	struct err err = {0};
	uint8_t buf[GRAIN];
	struct extent e;

	assert_ok(open_file(&b, f, false, &err));
	assert_fails(read_grain(b, grain, &err), code, part);
	assert_int_equal(strncmp(err.text, "vm.vmdk: grain ", 15), 0);
	assert_fails(block_pread(b, buf, 10, grain * GRAIN + 100, &err), code, part);
	if (!mapped)
		assert_fails(block_extent(b, grain * GRAIN, GRAIN, &e, &err), code, part);
	for (size_t g = 0; g < GRAINS; g++)
		if (g != grain)
			assert_ok(read_grain(b, g, &err));
	block_free(b);

	assert_ok(open_file(&b, f, true, &err));
	assert_int_equal(vmdk_lost_grains(b), 0);
	for (unsigned again = 0; again < 2; again++) {
		memset(buf, 1, sizeof(buf));
		assert_ok(block_pread(b, buf, GRAIN, grain * GRAIN, &err));
		assert_true(bytes_are_zero(buf, GRAIN));
		memset(buf, 1, sizeof(buf));
		assert_ok(block_pread(b, buf, 10, grain * GRAIN + 7, &err));
		assert_true(bytes_are_zero(buf, 10));
	}
	for (size_t g = 0; g < GRAINS; g++)
		if (g != grain)
			assert_ok(read_grain(b, g, &err));
	assert_int_equal(vmdk_lost_grains(b), 1);
	block_free(b);
	mkvmdk_free(f);
}

/* ---- the header ---------------------------------------------------------------------- */

static void each_hostile_header_field_is_refused_by_name(void **state)
{
	static const struct {
		unsigned at, width;
		uint64_t value;
		bool sparse;
		int code;
		const char *part;
	} cases[] = {
		{0, 4, 0x564d444c, true, EINVAL, "neither a sparse header nor a descriptor"},
		{4, 4, 0, true, ENOTSUP, "version 0"},
		{4, 4, 4, true, ENOTSUP, "version 4"},
		{4, 4, UINT32_MAX, true, ENOTSUP, "version 4294967295"},
		{8, 4, 0x100001, true, ENOTSUP, "unknown feature flags 0x100000"},
		{8, 4, 0x10001, false, ENOTSUP, "compressed grains without markers"},
		{8, 4, 0x20001, true, ENOTSUP, "markers without compressed grains"},
		{8, 4, 0x30001, true, EINVAL, "contradict"},
		{8, 4, 1, false, EINVAL, "contradict"},
		{12, 8, 0, true, ENOTSUP, "data is in 1 other files"},
		{12, 8, LEN / SECTOR - 1, true, EINVAL,
			"descriptor says 8800 sectors, its header 8799"},
		{12, 8, UINT64_C(1) << 63, true, EINVAL,
			"capacity of 9223372036854775808 sectors"},
		{12, 8, UINT64_MAX, true, EINVAL, "capacity of 18446744073709551615"},
		{12, 8, UINT64_C(1) << 37, true, ENOTSUP, "33554432 grain tables"},
		{20, 8, 0, true, EINVAL, "grain size of 0"},
		{20, 8, 7, true, EINVAL, "grain size of 7"},
		{20, 8, 4, true, EINVAL, "grain size of 4"},
		{20, 8, 24, true, EINVAL, "grain size of 24"},
		{20, 8, 16384, true, EINVAL, "grain size of 16384"},
		{20, 8, UINT64_C(1) << 63, true, EINVAL, "grain size of 9223372036854775808"},
		{20, 8, UINT64_C(1) << 32, true, EINVAL, "grain size of 4294967296"},
		{28, 8, 0, true, ENOTSUP, "no descriptor"},
		{28, 8, 1000000, true, EINVAL,
			"descriptor of 20 sectors at sector 1000000: outside"},
		{28, 8, UINT64_MAX, true, EINVAL,
			"descriptor of 20 sectors at sector 18446744073709551615"},
		{28, 8, UINT64_C(1) << 55, true, EINVAL, "outside the file"},
		{36, 8, 0, true, ENOTSUP, "no descriptor"},
		{36, 8, UINT64_MAX, true, EINVAL, "descriptor of 18446744073709551615 sectors"},
		{36, 8, 8193, true, EINVAL, "descriptor of 8193 sectors (at most 8192)"},
		{44, 4, 0, true, EINVAL, "0 entries in a grain table"},
		{44, 4, 511, true, EINVAL, "511 entries in a grain table"},
		{44, 4, UINT32_MAX, true, EINVAL, "4294967295 entries in a grain table"},
		{56, 8, 0, true, EINVAL,
			"grain directory at sector 0: 3 entries do not lie inside"},
		{56, 8, UINT64_MAX, true, EINVAL, "no grain directory"},
		{56, 8, UINT64_MAX - 1, true, EINVAL,
			"grain directory at sector 18446744073709551614"},
		{56, 8, 1000000, true, EINVAL,
			"grain directory at sector 1000000: 3 entries do not lie"},
		{56, 8, 2, true, EINVAL,
			"grain directory at sector 2: it lies on the descriptor"},
		{73, 1, '\r', true, EINVAL, "newline bytes are 0d 20 0d 0a"},
		{74, 1, '\n', true, EINVAL, "text mode"},
		{75, 1, '\n', true, EINVAL, "newline bytes are 0a 20 0a 0a"},
		{76, 1, '\r', true, EINVAL, "text mode"},
		{77, 2, 1, true, EINVAL, "contradict"},
		{77, 2, 0, false, EINVAL, "contradict"},
		{77, 2, 2, true, ENOTSUP, "compression algorithm 2"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mkvmdk_file f = cases[i].sparse ? make_sparse() : make_stream();

		if (cases[i].at == 36 && cases[i].value == 8193) { /* room for it */
			f.bytes = xrealloc(f.bytes, 10000, SECTOR);
			memset(f.bytes + f.len, 0, 10000 * SECTOR - f.len);
			f.len = 10000 * SECTOR;
		}
		for (unsigned k = 0; k < cases[i].width; k++)
			f.bytes[cases[i].at + k] = cases[i].value >> k * 8;
		assert_refused(&f, cases[i].code, cases[i].part);
	}
}

static void newline_bytes_do_not_matter_where_the_header_says_so(void **state)
{
	struct mkvmdk_file f = make_sparse();

	put32(&f, 8, 0);
	memset(f.bytes + 73, 0, 4);
	assert_whole(&f);
}

/* Whatever single byte of the metadata is changed to whatever: an error or some disk, but no
 * crash and no endless loop. */
static void any_byte_of_the_metadata_may_change(void **state)
{
	static const uint8_t values[] = {0, 1, 2, 0x7f, 0x80, 0xff};
	uint8_t buf[3 * GRAIN];

	for (unsigned way = 0; way < 2; way++) {
		struct mkvmdk_file f = way ? make_sparse() : make_stream();
		size_t gd = (size_t)f.gd * SECTOR;
		uint8_t *bytes = f.bytes;

		for (size_t at = 0; at < 600 + 2 * SECTOR; at++)
			for (size_t k = 0; k < ARRAY_SIZE(values); k++) {
				/* the header, then the directory and what follows it */
				size_t where = at < 600 ? at : gd + at - 600;
				struct block *b = NULL;
				uint8_t old;

				if (where >= f.len)
					continue;
				old = bytes[where];
				bytes[where] = values[k];
				if (open_file(&b, &f, k % 2, NULL) == 0) {
					struct extent e;

					block_pread(b, buf, sizeof(buf), 100, NULL);
					block_extent(b, 0, b->size, &e, NULL);
					block_free(b);
				}
				bytes[where] = old;
			}
		mkvmdk_free(&f);
	}
}

/* ---- directories and tables ---------------------------------------------------------- */

static void a_table_that_cannot_be_one_is_refused(void **state)
{
	struct mkvmdk_file f = make_sparse();

	put_gd(&f, 1, f.len / SECTOR - 3);
	assert_refused(&f, EINVAL, "grain directory: grain table 1 at sector");
	f = make_sparse();
	put_gd(&f, 2, UINT32_MAX - 1);
	assert_refused(&f, EINVAL, "grain table 2 at sector 4294967294: outside the file of");
	f = make_sparse();
	put_gd(&f, 0, 3);
	assert_refused(&f, EINVAL, "grain table 0 at sector 3: it lies on the descriptor");
	f = make_sparse();
	put_gd(&f, 0, f.gd);
	assert_refused(&f, EINVAL, "it lies on the directory itself");
	f = make_sparse();
	put_gd(&f, 0, f.gd - 3);
	assert_refused(&f, EINVAL, "grain table 0");
	f = make_sparse();
	put_gd(&f, 2, f.gt[0]);
	assert_refused(&f, EINVAL, "two grain tables overlap");
	f = make_sparse();
	put_gd(&f, 2, f.gt[0] + 1);
	assert_refused(&f, EINVAL, "two grain tables overlap");
}

static void a_grain_outside_its_place_is_lost_and_named(void **state)
{
	struct mkvmdk_file f = make_sparse();

	put_gte(&f, 600, 2);
	assert_lost(&f, 600, EINVAL,
		"grain 600 (LBA 4800), grain table 1 entry 88: sector 2: it lies below the first grain",
		false);
	f = make_sparse();
	put_gte(&f, 1, 1); /* "zero", but the header does not allow such entries */
	assert_lost(&f, 1, EINVAL, "sector 1: it lies below the first grain", false);
	f = make_sparse();
	put_gte(&f, 3, f.len / SECTOR);
	assert_lost(&f, 3, EINVAL, "outside the file", false);
	f = make_sparse();
	put_gte(&f, 3, f.len / SECTOR - 7);
	assert_lost(&f, 3, EINVAL, "outside the file", false);
	f = make_sparse();
	put_gte(&f, 3, UINT32_MAX);
	assert_lost(&f, 3, EINVAL, "lost", false);
	f = make_sparse();
	put_gte(&f, 3, f.gt[0]);
	assert_lost(&f, 3, EINVAL, "below the first grain", false);
}

static void a_lying_overhead_does_not_open_the_tables(void **state)
{
	struct mkvmdk_file f = make_sparse();

	put64(&f, 64, 0);
	put_gte(&f, 3, f.gt[0] - 7);
	assert_lost(&f, 3, EINVAL, "it lies on the", false);
	f = make_sparse();
	put64(&f, 64, 0);
	put_gte(&f, 3, f.gt[2] + 3);
	assert_lost(&f, 3, EINVAL, "on a grain table", false);
	f = make_sparse();
	put64(&f, 64, 0);
	put_gte(&f, 3, f.gd);
	assert_lost(&f, 3, EINVAL, "on the grain directory", false);
	f = make_sparse();
	put64(&f, 64, 0);
	put_gte(&f, 3, 20);
	assert_lost(&f, 3, EINVAL, "on the descriptor", false);
	f = make_sparse();
	put64(&f, 64, 0);
	assert_whole(&f);
	f = make_sparse();
	put64(&f, 64, UINT64_MAX);
	for (size_t g = 1; g < GRAINS; g++)
		put_gte(&f, g, 0);
	{
		struct block *b = NULL;
		struct err err = {0};

		assert_ok(open_file(&b, &f, false, &err));
		assert_fails(read_grain(b, 0, &err), EINVAL, "below the first grain");
		block_free(b);
		mkvmdk_free(&f);
	}
}

static struct mkvmdk_file make_redundant(void)
{
	return make(&(struct mkvmdk){.sparse = true, .redundant = true});
}

static void the_redundant_directory_stands_in_for_a_damaged_one(void **state)
{
	struct mkvmdk_file f = make_redundant();

	memset(f.bytes + (size_t)f.gd * SECTOR, 0xff, 12);
	assert_whole(&f);
	f = make_redundant();
	put_gd(&f, 1, f.gt[0]);
	assert_whole(&f);
	f = make_redundant();
	put64(&f, 56, 1 << 30);
	assert_whole(&f);
	f = make_redundant();
	put64(&f, 48, 1 << 30);
	assert_whole(&f);
	f = make_redundant();
	put_gd(&f, 1, 0); /* a table forgotten */
	assert_whole(&f);
	f = make_redundant();
	put_gd(&f, 1, 1);
	put32(&f, (size_t)f.rgd * SECTOR, 1);
	assert_refused(&f, EINVAL, "grain directory: grain table 1 at sector 1");
}

static void the_redundant_table_stands_in_for_lost_entries(void **state)
{
	struct mkvmdk_file f = make_redundant();

	memset(f.bytes + (size_t)f.gt[1] * SECTOR, 0, 2048);
	assert_whole(&f);
	f = make_redundant();
	memset(f.bytes + (size_t)f.gt[2] * SECTOR, 0xee, 2048);
	assert_whole(&f);
	f = make_redundant();
	put_gte(&f, 5, 3);
	assert_whole(&f);
}

static void tables_that_contradict_each_other_lose_the_grain(void **state)
{
	struct mkvmdk_file f = make_redundant();
	struct block *b = NULL;
	struct err err = {0};

	put_gte(&f, 5, f.grain_at[6]);
	assert_ok(open_file(&b, &f, false, &err));
	assert_fails(read_grain(b, 5, &err), EINVAL, "contradict each other");
	assert_ok(read_grain(b, 6, &err));
	block_free(b);
	mkvmdk_free(&f);
}

/* ---- streams ------------------------------------------------------------------------- */

static size_t marker(const struct mkvmdk_file *f, size_t grain)
{
	return (size_t)f->grain_at[grain] * SECTOR;
}

static void an_entry_that_points_at_another_grain_is_found_out(void **state)
{
	struct mkvmdk_file f = make_stream();

	put_gte(&f, 700, f.grain_at[701]);
	assert_lost(&f, 700, EINVAL, "is not its marker but one of", true);
	f = make_stream();
	put_gte(&f, 1099, f.gt[0] - 1); /* the table's marker */
	assert_lost(&f, 1099, EINVAL, "is not its marker", true);
	f = make_stream();
	put_gte(&f, 4, f.len / SECTOR);
	assert_lost(&f, 4, EINVAL, "outside the file", false);
	f = make_stream();
	put_gte(&f, 4, 1);
	assert_lost(&f, 4, EINVAL, "on the descriptor", false);
	f = make_stream();
	put_gte(&f, 4, f.gd);
	assert_lost(&f, 4, EINVAL, "on the grain directory", false);
}

static void a_damaged_grain_is_lost_and_named(void **state)
{
	struct mkvmdk_file f = make_stream();
	uint32_t size = le32_load(f.bytes + marker(&f, 9) + 8);

	put64(&f, marker(&f, 9), 80);
	assert_lost(&f, 9, EINVAL, "grain 9 (LBA 72): at sector", true);
	f = make_stream();
	put32(&f, marker(&f, 9) + 8, 0);
	assert_lost(&f, 9, EINVAL, "one of 0 bytes", true);
	f = make_stream();
	put32(&f, marker(&f, 9) + 8, UINT32_MAX);
	assert_lost(&f, 9, EINVAL, "4294967295 compressed bytes for a grain of 4096", true);
	f = make_stream();
	put32(&f, marker(&f, 9) + 8, 600);
	assert_lost(&f, 9, EINVAL, "reach into the next grain", true);
	f = make_stream();
	put32(&f, marker(&f, 9) + 8, size - 1);
	assert_lost(&f, 9, EBADMSG, "do not inflate to 4096, or their checksum is wrong", true);
	f = make_stream();
	f.bytes[marker(&f, 9) + 12 + size - 1] ^= 1; /* Adler-32 */
	assert_lost(&f, 9, EBADMSG, "checksum", true);
	f = make_stream();
	f.bytes[marker(&f, 9) + 12] = 0x79; /* zlib header */
	assert_lost(&f, 9, EBADMSG, "do not inflate", true);
}

static void a_grain_of_the_wrong_length_is_lost(void **state)
{
	/* Grains of 4 KiB where the header says 8, and the other way round. Grain 0 is where it
	 * is looked for. */
	static const unsigned made[] = {8, 16}, read[] = {16, 8};

	for (size_t i = 0; i < 2; i++) {
		_auto_(mem) uint8_t *raw = make_disk();
		struct mkvmdk_file f;
		struct block *b = NULL;
		struct err err = {0};

		mkvmdk(&f, raw, 8 * GRAIN, &(struct mkvmdk){.grain = made[i]});
		put64(&f, 20, read[i]);
		put64(&f, (size_t)f.footer * SECTOR + 20, read[i]);
		assert_ok(open_file(&b, &f, false, &err));
		assert_fails(read_grain(b, 0, &err), i ? EBADMSG : EINVAL,
			i ? "do not inflate to 4096" : "inflate to 4096, not 8192");
		block_free(b);
		mkvmdk_free(&f);
	}
}

/* Cut `bytes` behind the beginning of grain 500. */
static void cut_off(const struct mkvmdk *how, size_t bytes)
{
	struct mkvmdk_file f = make(how);
	struct block *b = NULL;
	struct err err = {0};
	uint8_t buf[GRAIN];

	f.len = marker(&f, 500) + bytes;
	assert_fails(open_file(&b, &f, false, &err), EINVAL,
		"500 whole grains, up to LBA 3999, are there");
	assert_non_null(strstr(err.text, "no footer"));

	/* On request, what is there is read, and the rest is counted. */
	assert_ok(open_file(&b, &f, true, &err));
	for (size_t g = 0; g < 500; g++)
		assert_ok(read_grain(b, g, &err));
	assert_int_equal(vmdk_lost_grains(b), 0);
	assert_ok(block_pread(b, buf, GRAIN, 500 * GRAIN, &err));
	assert_true(bytes_are_zero(buf, GRAIN));
	assert_ok(block_pread(b, buf, 1, LEN - 1, &err));
	assert_int_equal(vmdk_lost_grains(b), 2);
	block_free(b);
	mkvmdk_free(&f);
}

static void a_stream_cut_off_says_how_far_it_goes(void **state)
{
	cut_off(&(struct mkvmdk){0}, 0);
	cut_off(&(struct mkvmdk){0}, 20);
	cut_off(&(struct mkvmdk){.stored = true}, 600);
	cut_off(&(struct mkvmdk){.stored = true}, 4100);
}

/* Not read strictly, for this reason; leniently all of it is there. Frees f. */
static void assert_walked(struct mkvmdk_file *f, const char *part)
{
	struct block *b = NULL;
	struct err err = {0};

	assert_fails(open_file(&b, f, false, &err), EINVAL, part);
	assert_ok(open_file(&b, f, true, &err));
	for (size_t g = 0; g < GRAINS; g++)
		assert_ok(read_grain(b, g, &err));
	assert_int_equal(vmdk_lost_grains(b), 0);
	block_free(b);
	mkvmdk_free(f);
}

static void a_streams_damaged_directory_is_made_good_by_walking_on_request(void **state)
{
	struct mkvmdk_file f = make(&(struct mkvmdk){.shuffle = true});

	put64(&f, (size_t)f.footer * SECTOR + 56, 1 << 30);
	assert_walked(&f,
		"footer's grain directory at sector 1073741824: 3 entries do not lie inside");
	f = make_stream();
	put_gd(&f, 1, 1 << 30);
	assert_walked(&f, "grain table 1 at sector 1073741824: outside the file");
}

static void a_sparse_disks_lost_table_loses_its_grains_only(void **state)
{
	struct mkvmdk_file f = make_sparse();
	struct block *b = NULL;
	struct err err = {0};
	struct extent e;
	uint8_t buf[GRAIN];

	put_gd(&f, 1, 1 << 30);
	assert_fails(open_file(&b, &f, false, &err), EINVAL, "grain table 1 at sector");
	assert_ok(open_file(&b, &f, true, &err));
	for (size_t g = 0; g < GRAINS; g++)
		if (g / 512 != 1)
			assert_ok(read_grain(b, g, &err));
	assert_int_equal(vmdk_lost_grains(b), 0);
	assert_ok(block_pread(b, buf, GRAIN, 512 * GRAIN, &err));
	assert_true(bytes_are_zero(buf, GRAIN));
	assert_int_equal(vmdk_lost_grains(b), 1);
	assert_ok(block_extent(b, 0, LEN, &e, &err));
	assert_int_equal(e.len, 512 * GRAIN);
	assert_ok(block_extent(b, 512 * GRAIN, LEN - 512 * GRAIN, &e, &err));
	assert_int_equal(e.len, 512 * GRAIN);
	assert_true(e.flags & BLOCK_ZERO);
	assert_int_equal(
		vmdk_lost_grains(b), 512); /* a copy that skips zeros counts them too */
	block_free(b);
	mkvmdk_free(&f);
}

static void a_footer_that_disagrees_is_not_believed(void **state)
{
	static const struct {
		unsigned at;
		uint64_t value;
		const char *part;
	} cases[] = {
		{12, 4096,
			"it says 4096 sectors in grains of 8, the header 8800 in grains of 8"},
		{20, 16, "in grains of 16, the header"},
		{56, UINT64_MAX, "it does not say where the grain directory is"},
		{56, 0, "footer's grain directory at sector 0"},
		{0, 0, "no footer"},
		{4, 9, "unknown feature flags"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mkvmdk_file f = make_stream();

		put64(&f, (size_t)f.footer * SECTOR + cases[i].at, cases[i].value);
		if (cases[i].at == 4) {
			put32(&f, (size_t)f.footer * SECTOR + 4, 3);
			put32(&f, (size_t)f.footer * SECTOR + 8, UINT32_C(0x80000000));
		}
		assert_refused(&f, EINVAL, cases[i].part);
	}
}

/* ---- descriptors of what is not read ------------------------------------------------- */

static void other_kinds_are_refused_with_advice(void **state)
{
	static const struct {
		const char *text;
		int code;
		const char *part;
	} cases[] = {
		{"createType=\"vmfs\"\nRW 100 VMFS \"a-flat.vmdk\"\n", ENOTSUP,
			"data is in 1 other files (the first is \"a-flat.vmdk\")"},
		{"createType=\"twoGbMaxExtentSparse\"\nRW 100 SPARSE \"a-s001.vmdk\"\n"
		 "RW 100 SPARSE \"a-s002.vmdk\"\n",
			ENOTSUP, "data is in 2 other files"},
		{"createType=\"vmfsSparse\"\nRW 100 VMFSSPARSE \"a-delta.vmdk\"\n", ENOTSUP,
			"VMFSSPARSE is not read: a snapshot of ESX: consolidate"},
		{"createType=\"seSparse\"\nRW 100 SESPARSE \"a-sesparse.vmdk\"\n", ENOTSUP,
			"SESPARSE is not read: a snapshot"},
		{"createType=\"vmfsRawDeviceMap\"\nRW 100 VMFSRDM \"a-rdm.vmdk\"\n", ENOTSUP,
			"a mapping of a device of the ESX host"},
		{"createType=\"vmfs\"\nparentCID=0badcafe\nparentFileNameHint=\"base.vmdk\"\n"
		 "RW 100 VMFS \"a-flat.vmdk\"\n",
			ENOTSUP, "a snapshot (parentCID 0badcafe, parent base.vmdk)"},
		{"createType=\"vmfs\"\n", EINVAL, "no extent"},
		{"createType=\"vmfs\"\nencryption.keySafe=\"vmware:key\"\n", ENOTSUP,
			"encrypted"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_auto_(mem) char *text =
			xasprintf("# Disk DescriptorFile\nversion=1\n%s", cases[i].text);
		struct mkvmdk_file f = {.bytes = (uint8_t *)text, .len = strlen(text)};
		struct block *b = NULL;
		struct err err = {0};

		assert_fails(open_file(&b, &f, false, &err), cases[i].code, cases[i].part);
		assert_true(image_vmdk.probe(f.bytes, f.len, f.len) > 0);
	}
}

static void other_magic_numbers_are_refused_with_advice(void **state)
{
	uint8_t cowd[2048] = "COWD", sesparse[2048] = {0xbe, 0xba, 0xfe, 0xca},
		other[2048] = "conectix";
	struct mkvmdk_file f = {.bytes = cowd, .len = sizeof(cowd)};
	struct block *b = NULL;
	struct err err = {0};

	assert_fails(open_file(&b, &f, false, &err), ENOTSUP, "vmfsSparse (COWD)");
	assert_true(image_vmdk.probe(cowd, sizeof(cowd), sizeof(cowd)) > 0);
	f.bytes = sesparse;
	assert_fails(open_file(&b, &f, false, &err), ENOTSUP, "SESparse extent, a snapshot");
	assert_true(image_vmdk.probe(sesparse, sizeof(sesparse), sizeof(sesparse)) > 0);
	f.bytes = other;
	assert_fails(open_file(&b, &f, false, &err), EINVAL, "not a VMDK");
	assert_int_equal(image_vmdk.probe(other, sizeof(other), sizeof(other)), 0);
	f.len = 0;
	assert_fails(open_file(&b, &f, false, &err), EINVAL, "not a VMDK");
	assert_int_equal(image_vmdk.probe(other, 0, 0), 0);
}

static void an_embedded_descriptor_must_fit_its_extent(void **state)
{
	static const struct {
		const char *text;
		int code;
		const char *part;
	} cases[] = {
		{"RW 8799 SPARSE \"a\"\n", EINVAL,
			"descriptor says 8799 sectors, its header 8800"},
		{"RW 4400 SPARSE \"a\"\nRW 4400 SPARSE \"b\"\n", ENOTSUP, "names 2 extents"},
		{"NOACCESS 8800 SPARSE \"a\"\n", ENOTSUP, "allows no access"},
		{"RW 8800 FLAT \"a\" 0\n", EINVAL, "type FLAT"},
		{"parentCID=00000001\nRW 8800 SPARSE \"a\"\n", ENOTSUP, "a snapshot"},
		{"", ENOTSUP, "no descriptor: a piece of a disk in several files?"},
		{"#\n", EINVAL, "no extent"},
		{"RW 8800 SPARSE \"a\n", EINVAL, "line 1: a SPARSE extent without a file name"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mkvmdk_file f =
			make(&(struct mkvmdk){.sparse = true, .descriptor = cases[i].text});

		assert_refused(&f, cases[i].code, cases[i].part);
	}
}

static void writing_is_refused(void **state)
{
	struct mkvmdk_file f = make_sparse();
	_auto_(block) struct block *file = block_mem_from(f.bytes, f.len, "vm.vmdk");
	struct image_open how = {.write = true};
	struct block *b = NULL;
	struct err err = {0};

	assert_fails(
		image_vmdk.open(&b, file, &how, &err), ENOTSUP, "vm.vmdk: VMDKs are only read");
	mkvmdk_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_hostile_header_field_is_refused_by_name),
		cmocka_unit_test(newline_bytes_do_not_matter_where_the_header_says_so),
		cmocka_unit_test(any_byte_of_the_metadata_may_change),
		cmocka_unit_test(a_table_that_cannot_be_one_is_refused),
		cmocka_unit_test(a_grain_outside_its_place_is_lost_and_named),
		cmocka_unit_test(a_lying_overhead_does_not_open_the_tables),
		cmocka_unit_test(the_redundant_directory_stands_in_for_a_damaged_one),
		cmocka_unit_test(the_redundant_table_stands_in_for_lost_entries),
		cmocka_unit_test(tables_that_contradict_each_other_lose_the_grain),
		cmocka_unit_test(an_entry_that_points_at_another_grain_is_found_out),
		cmocka_unit_test(a_damaged_grain_is_lost_and_named),
		cmocka_unit_test(a_grain_of_the_wrong_length_is_lost),
		cmocka_unit_test(a_stream_cut_off_says_how_far_it_goes),
		cmocka_unit_test(
			a_streams_damaged_directory_is_made_good_by_walking_on_request),
		cmocka_unit_test(a_sparse_disks_lost_table_loses_its_grains_only),
		cmocka_unit_test(a_footer_that_disagrees_is_not_believed),
		cmocka_unit_test(other_kinds_are_refused_with_advice),
		cmocka_unit_test(other_magic_numbers_are_refused_with_advice),
		cmocka_unit_test(an_embedded_descriptor_must_fit_its_extent),
		cmocka_unit_test(writing_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
