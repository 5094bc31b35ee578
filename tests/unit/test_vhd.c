// SPDX-License-Identifier: LGPL-2.1-or-later
/* vhd: fixed and dynamic disks as writers make them, and with each field lying. */
#include "tests/unit/test.h"

#include "formats/base/alloc.h"
#include "formats/base/bytes.h"
#include "formats/block/block_concat.h"
#include "formats/block/block_fault.h"
#include "formats/block/block_mem.h"
#include "formats/block/block_null.h"
#include "formats/vhd/vhd.h"
#include "tests/support/mkvhd.h"

#include <pthread.h>

#define SECTOR 512
#define BLOCK  4096
#define BLOCKS 20
#define LEN    ((size_t)BLOCKS * BLOCK - 3 * SECTOR)

/* Each sector holds its own number, some are zeros; blocks 4 and 5 are all zeros. */
static uint8_t *make_disk(void)
{
	uint8_t *raw = xcalloc(LEN, 1);

	for (size_t i = 0; i < LEN; i += 4) {
		size_t sector = i / SECTOR, block = i / BLOCK;

		if (sector % 5 != 3 && block != 4 && block != 5)
			le32_store(raw + i, sector + 1);
	}
	return raw;
}

static struct mkvhd_file make(const struct mkvhd *how)
{
	struct mkvhd mine = *how;
	uint8_t *raw = make_disk();
	struct mkvhd_file f;

	mine.block = mine.block ? mine.block : BLOCK;
	mkvhd(&f, raw, LEN, &mine);
	free(raw);
	return f;
}

static int open_file(
	struct block **ret, const struct mkvhd_file *f, bool damaged_ok, struct err *err)
{
	struct image_open how = {.damaged_ok = damaged_ok};
	struct block *file = block_mem_from(f->bytes, f->len, "vm.vhd");
	int r = image_vhd.open(ret, file, &how, err);

	if (r < 0)
		block_free(file);
	return r;
}

/* Every byte is right, in reads of all kinds, and what the map calls zero is zero. */
static void assert_disk(struct block *b, size_t len)
{
	static const size_t steps[] = {LEN, BLOCK, 3000, 512, 77};
	_auto_(mem) uint8_t *raw = make_disk();
	_auto_(mem) uint8_t *got = xmalloc(LEN);
	struct err err = {0};
	struct extent e;

	assert_int_equal(b->size, len);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		memset(got, 1, LEN);
		for (size_t at = 0; at < len; at += steps[i])
			assert_ok(block_pread(b, got + at, MIN(steps[i], len - at), at, &err));
		assert_memory_equal(got, raw, len);
	}
	for (uint64_t at = 0; at < len; at += e.len) {
		assert_ok(block_extent(b, at, len - at, &e, &err));
		if (e.flags & BLOCK_ZERO)
			assert_true(bytes_are_zero(raw + at, e.len));
	}
}

static void assert_reads(struct mkvhd_file *f, size_t len)
{
	struct block *b = NULL;
	struct err err = {0};

	assert_ok(open_file(&b, f, false, &err));
	assert_disk(b, len);
	assert_int_equal(vhd_lost_blocks(b), 0);
	block_free(b);
	mkvhd_free(f);
}

/* Opening fails for this reason and names the file. Frees f. */
static void assert_refused(struct mkvhd_file *f, int code, const char *part)
{
	struct block *b = NULL;
	struct err err = {0};

	assert_fails(open_file(&b, f, false, &err), code, part);
	assert_null(b);
	assert_int_equal(strncmp(err.text, "vm.vhd: ", 8), 0);
	mkvhd_free(f);
}

static void put(struct mkvhd_file *f, size_t at, unsigned bytes, uint64_t v)
{
	assert_in_range(at, 0, f->len - bytes);
	for (unsigned i = 0; i < bytes; i++)
		f->bytes[at + i] = (uint8_t)(v >> 8 * (bytes - 1 - i));
}

/* The same in the footer and its copy, with right checksums. */
static void put_footers(struct mkvhd_file *f, size_t at, unsigned bytes, uint64_t v)
{
	put(f, f->footer + at, bytes, v);
	mkvhd_sum_footer(f);
	if (f->footer != LEN) {
		put(f, at, bytes, v);
		mkvhd_sum_copy(f);
	}
}

static void put_header(struct mkvhd_file *f, size_t at, unsigned bytes, uint64_t v)
{
	put(f, MKVHD_HEADER + at, bytes, v);
	mkvhd_sum_header(f);
}

static void put_entry(struct mkvhd_file *f, size_t block, uint32_t v)
{
	put(f, MKVHD_TABLE + 4 * block, 4, v);
}

static uint32_t entry(const struct mkvhd_file *f, size_t block)
{
	return be32_load(f->bytes + MKVHD_TABLE + 4 * block);
}

/* ---- what writers make --------------------------------------------------------------- */

static void every_way_to_write_one_is_read(void **state)
{
	static const struct mkvhd ways[] = {{0}, {.type = 2}, {.type = 2, .old_footer = true},
		{.old_footer = true}, {.shuffle = true}, {.keep_zeros = true},
		{.bitmaps = true}, {.bitmaps = true, .shuffle = true, .keep_zeros = true},
		{.short_last = true}, {.short_last = true, .shuffle = true}, {.block = 512},
		{.block = 512, .shuffle = true, .bitmaps = true}, {.block = 2 << 20},
		{.block = 2 << 20, .bitmaps = true},
		{.block = 64 << 20, .short_last = true, .bitmaps = true}};

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct mkvhd_file f = make(&ways[i]);

		assert_reads(&f, LEN);
	}
}

static void the_size_is_what_the_writer_means(void **state)
{
	/* 10 x 2 x 7 sectors are fewer than the disk has. */
	static const struct {
		struct mkvhd how;
		size_t len;
	} cases[] = {
		{{.creator = "vpc ", .cylinders = 10, .heads = 2, .sectors = 7}, 140 * SECTOR},
		{{.creator = "qemu", .cylinders = 10, .heads = 2, .sectors = 7}, 140 * SECTOR},
		{{.creator = "qem2", .cylinders = 10, .heads = 2, .sectors = 7}, LEN},
		{{.creator = "win ", .cylinders = 10, .heads = 2, .sectors = 7}, LEN},
		{{.creator = "d2v ", .cylinders = 10, .heads = 2, .sectors = 7}, LEN},
		{{.creator = "tap\0", .cylinders = 10, .heads = 2, .sectors = 7}, LEN},
		{{.creator = "CTXS", .cylinders = 10, .heads = 2, .sectors = 7}, LEN},
		{{.creator = "vbox", .cylinders = 10, .heads = 2, .sectors = 7}, LEN},
		{{.creator = "vpc "}, LEN}, /* the largest geometry */
		{{.creator = "vpc ", .cylinders = 10, .heads = 0, .sectors = 7}, LEN},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (unsigned type = 2; type < 4; type++) {
			struct mkvhd how = cases[i].how;
			struct mkvhd_file f;

			how.type = type;
			f = make(&how);
			assert_reads(&f, cases[i].len);
		}
}

static void a_sector_that_the_bitmap_calls_unwritten_is_zeros(void **state)
{
	struct mkvhd_file f = make(&(struct mkvhd){0});
	size_t at = (size_t)entry(&f, 2) * SECTOR;
	uint8_t buf[BLOCK] = {0};
	struct block *b = NULL;
	struct err err = {0};

	f.bytes[at] = 0xdf; /* the third sector was not written */
	assert_ok(open_file(&b, &f, false, &err));
	assert_ok(block_pread(b, buf, BLOCK, 2 * BLOCK, &err));
	for (size_t s = 0; s < 8; s++)
		assert_int_equal(
			bytes_are_zero(buf + s * SECTOR, SECTOR), s == 2 || (16 + s) % 5 == 3);
	memset(buf, 1, sizeof(buf));
	assert_ok(block_pread(b, buf, 20, 2 * BLOCK + 3 * SECTOR - 10, &err));
	assert_true(bytes_are_zero(buf, 10));
	block_free(b);
	mkvhd_free(&f);
}

static void a_bitmap_without_its_last_bit_counts_each_time(void **state)
{
	struct mkvhd_file f = make(&(struct mkvhd){0});
	size_t at = (size_t)entry(&f, 3) * SECTOR;
	uint8_t buf[BLOCK];
	struct block *b = NULL;
	struct err err = {0};

	f.bytes[at] = 0xfe;
	assert_ok(open_file(&b, &f, false, &err));
	for (unsigned i = 0; i < 3; i++) {
		memset(buf, 1, sizeof(buf));
		assert_ok(block_pread(b, buf, BLOCK, 3 * BLOCK, &err));
		assert_int_equal(le32_load(buf + 6 * SECTOR), 31);
		assert_true(bytes_are_zero(buf + 7 * SECTOR, SECTOR));
	}
	block_free(b);
	mkvhd_free(&f);
}

static void holes_are_extents(void **state)
{
	struct mkvhd_file f = make(&(struct mkvhd){0});
	struct block *b = NULL;
	struct err err = {0};
	struct extent e;

	assert_ok(open_file(&b, &f, false, &err));
	assert_ok(block_extent(b, 100, LEN, &e, &err));
	assert_int_equal(e.len, 4 * BLOCK - 100);
	assert_int_equal(e.flags, 0);
	assert_ok(block_extent(b, 4 * BLOCK, LEN, &e, &err));
	assert_int_equal(e.len, 2 * BLOCK);
	assert_int_equal(e.flags, BLOCK_ZERO | BLOCK_HOLE);
	block_free(b);
	mkvhd_free(&f);
}

static void a_fixed_disk_is_recognised_by_its_end(void **state)
{
	static const struct {
		struct mkvhd how;
		size_t damage; /* a byte, counted from the footer; 0 = none */
		const char *format;
	} cases[] = {
		{{.type = 2}, 0, "vpc"},
		{{.type = 2, .old_footer = true}, 0, "vpc"},
		{{.type = 2}, 100, "raw"}, /* the checksum */
		{{.type = 2, .current_size = LEN + 512}, 0, "raw"},
		{{0}, 0, "vpc"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (unsigned copy = 0; copy < 2; copy++) {
			struct mkvhd_file f = make(&cases[i].how);
			_auto_(block) struct block *file = NULL;
			const struct image_format *found = NULL;
			struct err err = {0};

			if (cases[i].damage)
				f.bytes[f.footer + cases[i].damage] ^= 1;
			if (copy) /* a dynamic one is then recognised by its end, too */
				f.bytes[0] ^= 1;
			file = block_mem_from(f.bytes, f.len, "f");
			assert_ok(image_probe(file, &found, &err));
			assert_string_equal(found->name, cases[i].format);
			mkvhd_free(&f);
		}
}

/* ---- damage -------------------------------------------------------------------------- */

static void a_damaged_footer_is_recovered_from_the_other(void **state)
{
	for (size_t at = 0; at < 512; at += 3)
		for (unsigned end = 0; end < 2; end++) {
			struct mkvhd_file f = make(&(struct mkvhd){.bitmaps = true});

			f.bytes[(end ? f.footer : 0) + at] ^= 0x41;
			assert_reads(&f, LEN);
		}
}

static void a_footer_that_is_gone_is_recovered_from_the_copy(void **state)
{
	for (size_t cut = 1; cut <= 512; cut += 73) {
		struct mkvhd_file f = make(&(struct mkvhd){0});

		f.len -= cut;
		assert_reads(&f, LEN);
	}
}

static void two_damaged_footers_are_refused(void **state)
{
	struct mkvhd_file f = make(&(struct mkvhd){0});
	struct block *b = NULL;
	struct err err = {0};

	f.bytes[100] ^= 1;
	f.bytes[f.footer + 100] ^= 1;
	assert_ok(open_file(&b, &f, true, &err)); /* only the checksums are wrong */
	assert_disk(b, LEN);
	block_free(b);
	assert_refused(&f, EBADMSG, "no whole footer: at the end: its checksum is");
	f = make(&(struct mkvhd){.type = 2});
	f.bytes[f.footer + 100] ^= 1;
	assert_refused(&f, EBADMSG, "its checksum is");
	f = make(&(struct mkvhd){.type = 2});
	f.len -= 2;
	assert_refused(&f, EINVAL, "no whole footer: at the end: there is none");
}

static void each_hostile_footer_field_is_refused_by_name(void **state)
{
	static const struct {
		unsigned type;
		size_t at;
		unsigned bytes;
		uint64_t value;
		int code;
		const char *part;
	} cases[] = {
		{3, 12, 4, 0x20000, ENOTSUP, "version 0x00020000"},
		{3, 16, 8, 0, EINVAL, "dynamic header at offset 0"},
		{3, 16, 8, 511, EINVAL, "dynamic header at offset 511"},
		{3, 16, 8, UINT64_MAX, EINVAL, "dynamic header at offset 18446744073709551615"},
		{3, 16, 8, UINT64_MAX - 1000, EINVAL, "not within"},
		{3, 16, 8, 1536, EINVAL, "there is no \"cxsparse\""},
		{3, 48, 8, 0, EINVAL, "a disk of 0 bytes"},
		{3, 48, 8, 1000, EINVAL, "a disk of 1000 bytes"},
		{3, 48, 8, UINT64_MAX - 511, EINVAL, "not some whole sectors"},
		{3, 48, 8, INT64_MAX - 511, EINVAL, "a dynamic disk of"},
		{3, 48, 8, BLOCKS * BLOCK + 512, EINVAL, "table of 20 entries for 21 blocks"},
		{3, 60, 4, 0, ENOTSUP, "disk type 0"},
		{3, 60, 4, 5, ENOTSUP, "disk type 5"},
		{3, 60, 4, UINT32_MAX, ENOTSUP, "disk type 4294967295"},
		{2, 48, 8, LEN + 512, EINVAL, "of which the file has only"},
		{2, 48, 8, INT64_MAX - 511, EINVAL, "of which the file has only"},
		{2, 60, 4, 3, EINVAL, "dynamic header at offset 18446744073709551615"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mkvhd_file f = make(&(struct mkvhd){.type = cases[i].type});

		put_footers(&f, cases[i].at, cases[i].bytes, cases[i].value);
		assert_refused(&f, cases[i].code, cases[i].part);
	}
}

static void each_hostile_header_field_is_refused_by_name(void **state)
{
	static const struct {
		size_t at;
		unsigned bytes;
		uint64_t value;
		int code;
		const char *part;
	} cases[] = {
		{0, 1, 'x', EINVAL, "there is no \"cxsparse\""},
		{16, 8, 0, EINVAL, "it lies on the headers"},
		{16, 8, 500, EINVAL, "it lies on the headers"},
		{16, 8, 1535, EINVAL, "it lies on the headers"},
		{16, 8, UINT64_MAX, EINVAL, "outside the file's"},
		{16, 8, UINT64_MAX - 79, EINVAL, "outside the file's"},
		{24, 4, 0x30000, ENOTSUP, "version 0x00030000"},
		{28, 4, 0, EINVAL, "table of 0 entries for 20 blocks"},
		{28, 4, BLOCKS - 1, EINVAL, "table of 19 entries for 20 blocks"},
		{28, 4, UINT32_MAX, EINVAL, "outside the file's"},
		{28, 4, 0x40000001, EINVAL, "outside the file's"},
		{28, 4, 129, EINVAL, "lies on the table"},
		{32, 4, 0, EINVAL, "blocks of 0 bytes"},
		{32, 4, 256, EINVAL, "blocks of 256 bytes"},
		{32, 4, 5000, EINVAL, "blocks of 5000 bytes"},
		{32, 4, 128 << 20, EINVAL, "blocks of 134217728 bytes"},
		{32, 4, 2048, EINVAL, "table of 20 entries for 40 blocks"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mkvhd_file f = make(&(struct mkvhd){0});

		put_header(&f, cases[i].at, cases[i].bytes, cases[i].value);
		assert_refused(&f, cases[i].code, cases[i].part);
	}
}

static void a_wrong_checksum_of_the_header_is_refused(void **state)
{
	struct mkvhd_file f = make(&(struct mkvhd){0});
	struct block *b = NULL;
	struct err err = {0};

	f.bytes[MKVHD_HEADER + 900] ^= 1;
	assert_ok(open_file(&b, &f, true, &err));
	assert_disk(b, LEN);
	block_free(b);
	assert_refused(&f, EBADMSG, "dynamic header at offset 512: its checksum is");
}

static void footers_that_contradict_each_other_are_refused(void **state)
{
	struct mkvhd_file f = make(&(struct mkvhd){0});

	put(&f, 48, 8, LEN - 512);
	mkvhd_sum_copy(&f);
	assert_refused(&f, EINVAL, "the copy at offset 0 says");
}

static void too_many_blocks_are_refused(void **state)
{
	struct mkvhd_file f = make(&(struct mkvhd){.block = 512});

	put_footers(&f, 48, 8, TiB);
	assert_refused(&f, ENOTSUP, "2147483648 blocks of 512 bytes");
}

/* A table's entry that leads nowhere is named; with damaged_ok only the blocks that it touches are
 * lost: zeros, and counted. Frees f. */
static void assert_lost(struct mkvhd_file *f, size_t first, size_t second, const char *part)
{
	_auto_(mem) uint8_t *raw = make_disk();
	uint8_t got[BLOCK];
	struct block *b = NULL;
	struct err err = {0};

	assert_ok(open_file(&b, f, true, &err));
	assert_int_equal(err.code, 0);
	assert_int_equal(vhd_lost_blocks(b), first == second ? 1 : 2);
	for (size_t i = 0; i < BLOCKS; i++) {
		size_t n = MIN((size_t)BLOCK, LEN - i * BLOCK);

		assert_ok(block_pread(b, got, n, i * BLOCK, &err));
		if (i == first || i == second)
			assert_true(bytes_are_zero(got, n));
		else
			assert_memory_equal(got, raw + i * BLOCK, n);
	}
	block_free(b);
	assert_refused(f, EINVAL, part);
}

static void each_hostile_table_entry_is_refused_by_name(void **state)
{
	static const struct {
		uint32_t sector;
		const char *part;
	} cases[] = {
		{0, "block 7 (disk offset 28672): table entry at offset 1564: sector 0: it lies on the "
		    "copy of the footer"},
		{1, "it lies on the dynamic header"},
		{2, "it lies on the dynamic header"},
		{3, "it lies on the table"},
		{UINT32_MAX - 1, "reaches beyond the end of the file's blocks"},
		{UINT32_MAX / 2, "reaches beyond the end of the file's blocks"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mkvhd_file f = make(&(struct mkvhd){0});

		put_entry(&f, 7, cases[i].sector);
		assert_lost(&f, 7, 7, cases[i].part);
	}
}

/* In a file of 3 TiB there is something at the last sectors that an entry can name. */
static void the_largest_entry_is_not_taken_for_a_hole(void **state)
{
	struct mkvhd_file f = make(&(struct mkvhd){0});
	struct block *parts[3] = {0}, *file = NULL, *b = NULL;
	struct err err = {0};

	put_entry(&f, 7, UINT32_MAX - 1);
	parts[0] = block_mem_from(f.bytes, f.footer, "head");
	parts[1] = block_null_new(3 * TiB, "middle");
	parts[2] = block_mem_from(f.bytes + f.footer, SECTOR, "end");
	assert_ok(block_concat_new(&file, parts, ARRAY_SIZE(parts), "vm.vhd", &err));
	assert_fails(image_vhd.open(&b, file, NULL, &err), EINVAL, "block 7 ");
	block_free(file);
	mkvhd_free(&f);
}

static void a_block_that_reaches_into_the_footer_is_refused(void **state)
{
	struct mkvhd_file f = make(&(struct mkvhd){0});

	/* The last block has three sectors that the disk has not: four are too many. */
	put_entry(&f, BLOCKS - 1, entry(&f, BLOCKS - 1) + 4);
	assert_lost(&f, BLOCKS - 1, BLOCKS - 1, "block 19 ");
}

static void blocks_that_overlap_are_refused(void **state)
{
	/* Block 12 onto block 9, which then shares its bytes with 12 alone, and a sector off,
	 * where it touches a neighbour as well. */
	static const int shifts[] = {0, 1, -1};

	for (size_t i = 0; i < ARRAY_SIZE(shifts); i++) {
		struct mkvhd_file f = make(&(struct mkvhd){0});

		put_entry(&f, 12, entry(&f, 9) + shifts[i]);
		if (shifts[i])
			assert_refused(&f, EINVAL, "it lies on block");
		else
			assert_lost(&f, 9, 12, "it lies on block");
	}
}

static void a_file_cut_at_any_byte_is_never_read_wrongly(void **state)
{
	struct mkvhd_file f = make(&(struct mkvhd){.bitmaps = true, .shuffle = true});
	_auto_(mem) uint8_t *raw = make_disk();
	_auto_(mem) uint8_t *got = xmalloc(LEN);
	size_t whole = f.len;

	for (f.len = 0; f.len < whole; f.len += f.len < 3000 ? 7 : 97) {
		struct block *b = NULL;
		struct err err = {0};

		if (open_file(&b, &f, false, &err) < 0)
			continue;
		assert_int_equal(b->size, LEN);
		assert_ok(block_pread(b, got, LEN, 0, &err));
		assert_memory_equal(got, raw, LEN);
		block_free(b);
	}
	mkvhd_free(&f);
}

static void a_differencing_disk_is_refused_with_its_parent(void **state)
{
	struct mkvhd_file f = make(&(struct mkvhd){.type = 4, .parent = "web01 base.vhd"});

	assert_refused(&f, ENOTSUP, "its parent web01 base.vhd holds the rest");
	f = make(&(struct mkvhd){.type = 4});
	for (size_t i = 0; i < 256; i++)
		put(&f, MKVHD_HEADER + 64 + 2 * i, 2, i % 2 ? 0xd83d : 0x4e2d);
	mkvhd_sum_header(&f);
	assert_refused(&f, ENOTSUP, "its parent \xe4\xb8\xad\xef\xbf\xbd");
}

static void writing_is_refused(void **state)
{
	_auto_(block) struct block *file = block_mem_new(4096, "vm.vhd");
	struct block *b = NULL;
	struct err err = {0};

	assert_fails(image_vhd.open(&b, file, &(struct image_open){.write = true}, &err),
		ENOTSUP, "VHDs are only read");
}

static void each_failing_read_is_an_error_with_the_files_name(void **state)
{
	struct mkvhd_file f = make(&(struct mkvhd){.bitmaps = true});
	_auto_(mem) uint8_t *got = xmalloc(LEN);
	bool failed = true;

	for (unsigned nth = 0; failed; nth++) {
		struct block *fault = block_fault_new(block_mem_from(f.bytes, f.len, "vm.vhd"));
		struct block *b = NULL;
		struct err err = {0};
		int r;

		block_fault_set(fault, &(struct block_fault){.kinds = BLOCK_FAULT_READ,
					       .nth = nth,
					       .times = 1,
					       .code = EIO});
		r = image_vhd.open(&b, fault, NULL, &err);
		if (r == 0)
			r = block_pread(b, got, LEN, 0, &err);
		failed = block_fault_injected(fault);
		assert_int_equal(r, failed ? -EIO : 0);
		if (failed)
			assert_non_null(strstr(err.text, "vm.vhd"));
		block_free(b ? b : fault);
	}
	mkvhd_free(&f);
}

static void *read_all(void *opaque)
{
	for (unsigned i = 0; i < 20; i++)
		assert_disk(opaque, LEN);
	return NULL;
}

static void many_threads_read_at_a_time(void **state)
{
	struct mkvhd_file f = make(&(struct mkvhd){.bitmaps = true});
	struct block *b = NULL;
	struct err err = {0};
	pthread_t threads[4];

	assert_ok(open_file(&b, &f, false, &err));
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_all, b), 0);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	block_free(b);
	mkvhd_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_way_to_write_one_is_read),
		cmocka_unit_test(the_size_is_what_the_writer_means),
		cmocka_unit_test(a_sector_that_the_bitmap_calls_unwritten_is_zeros),
		cmocka_unit_test(a_bitmap_without_its_last_bit_counts_each_time),
		cmocka_unit_test(holes_are_extents),
		cmocka_unit_test(a_fixed_disk_is_recognised_by_its_end),
		cmocka_unit_test(a_damaged_footer_is_recovered_from_the_other),
		cmocka_unit_test(a_footer_that_is_gone_is_recovered_from_the_copy),
		cmocka_unit_test(two_damaged_footers_are_refused),
		cmocka_unit_test(each_hostile_footer_field_is_refused_by_name),
		cmocka_unit_test(each_hostile_header_field_is_refused_by_name),
		cmocka_unit_test(a_wrong_checksum_of_the_header_is_refused),
		cmocka_unit_test(footers_that_contradict_each_other_are_refused),
		cmocka_unit_test(too_many_blocks_are_refused),
		cmocka_unit_test(each_hostile_table_entry_is_refused_by_name),
		cmocka_unit_test(the_largest_entry_is_not_taken_for_a_hole),
		cmocka_unit_test(a_block_that_reaches_into_the_footer_is_refused),
		cmocka_unit_test(blocks_that_overlap_are_refused),
		cmocka_unit_test(a_file_cut_at_any_byte_is_never_read_wrongly),
		cmocka_unit_test(a_differencing_disk_is_refused_with_its_parent),
		cmocka_unit_test(writing_is_refused),
		cmocka_unit_test(each_failing_read_is_an_error_with_the_files_name),
		cmocka_unit_test(many_threads_read_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
