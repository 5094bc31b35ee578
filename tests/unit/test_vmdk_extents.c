// SPDX-License-Identifier: LGPL-2.1-or-later
/* vmdk_extents: disks in several files, whole, odd and hostile. */
#include "tests/unit/test.h"

#include "formats/base/alloc.h"
#include "formats/base/io.h"
#include "formats/base/str.h"
#include "formats/vmdk/vmdk.h"
#include "tests/support/mkvmdk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 512

/* A folder of its own for each test: DIR/in is the image's, DIR/secret lies outside. */
static int setup(void **state)
{
	char *dir = xstrdup("/tmp/wherry-extents-XXXXXX");
	_auto_(mem) char *in = NULL;

	*state = dir;
	if (!mkdtemp(dir))
		return -1;
	in = xasprintf("%s/in", dir);
	return mkdir(in, 0700);
}

static int teardown(void **state)
{
	_auto_(mem) char *command = xasprintf("rm -rf %s", (char *)*state);
	int r = system(command);

	free(*state);
	return r;
}

static void save(void **state, const char *name, const void *bytes, size_t len)
{
	_auto_(mem) char *path = xasprintf("%s/in/%s", (char *)*state, name);
	struct err err = {0};

	assert_ok(io_write_file(path, bytes, len, &err));
}

/* A file of `sectors` sectors whose bytes say where they are: in sector i all bytes are
 * first + i. */
static void save_flat(void **state, const char *name, unsigned sectors, uint8_t first)
{
	_auto_(mem) uint8_t *bytes = xmalloc((size_t)sectors * SECTOR);

	for (unsigned i = 0; i < sectors; i++)
		memset(bytes + (size_t)i * SECTOR, first + i, SECTOR);
	save(state, name, bytes, (size_t)sectors * SECTOR);
}

static void save_sparse(
	void **state, const char *name, unsigned sectors, uint8_t first, struct mkvmdk how)
{
	_auto_(mem) uint8_t *raw = xmalloc((size_t)sectors * SECTOR);
	struct mkvmdk_file f;

	for (unsigned i = 0; i < sectors; i++)
		memset(raw + (size_t)i * SECTOR, first + i, SECTOR);
	how.grain = 8;
	mkvmdk(&f, raw, (size_t)sectors * SECTOR, &how);
	save(state, name, f.bytes, f.len);
	mkvmdk_free(&f);
}

/* Opens a disk with these lines as DIR/in/vm.vmdk. */
static int open_lines(
	void **state, const char *lines, bool damaged_ok, struct block **ret, struct err *err)
{
	_auto_(mem) char *path = xasprintf("%s/in/vm.vmdk", (char *)*state);
	_auto_(mem) char *text = xasprintf("# Disk DescriptorFile\nversion=1\n%s", lines);

	save(state, "vm.vmdk", text, strlen(text));
	return image_open(
		ret, path, NULL, &(struct image_open){.damaged_ok = damaged_ok}, NULL, err);
}

/* Each byte of `want` is what one sector of the disk is full of. */
static void assert_sectors(struct block *b, const uint8_t *want, size_t n)
{
	_auto_(mem) uint8_t *got = xmalloc(n * SECTOR);
	struct err err = {0};

	assert_int_equal(b->size, n * SECTOR);
	assert_true(b->read_only);
	assert_ok(block_pread(b, got, n * SECTOR, 0, &err));
	for (size_t i = 0; i < n * SECTOR; i++)
		if (got[i] != want[i / SECTOR])
			fail_msg("byte %zu is %u, not %u", i, got[i], want[i / SECTOR]);
	for (uint64_t off = 0; off < b->size;) {
		struct extent e;

		assert_ok(block_extent(b, off, b->size - off, &e, &err));
		if (e.flags & BLOCK_ZERO)
			assert_true(bytes_are_zero(got + off, e.len));
		off += e.len;
	}
	/* A read that begins and ends within extents. */
	for (size_t i = 0; i + 2 < n; i++) {
		assert_ok(block_pread(b, got, 2 * SECTOR, i * SECTOR + 100, &err));
		assert_int_equal(got[0], want[i]);
		assert_int_equal(got[SECTOR], want[i + 1]);
		assert_int_equal(got[2 * SECTOR - 1], want[i + 2]);
	}
}

static void extents_of_every_kind_make_one_disk(void **state)
{
	static const struct {
		const char *lines;
		uint8_t want[40];
		size_t n;
	} cases[] = {
		{"createType=\"monolithicFlat\"\nRW 3 FLAT \"a flat.vmdk\" 0\n", {10, 11, 12},
			3},
		{"createType=\"vmfs\"\nRW 3 VMFS \"a flat.vmdk\"\n", {10, 11, 12}, 3},
		{"createType=\"vmfsThin\"\nRW 3 VMFS \"a flat.vmdk\" 0\n", {10, 11, 12}, 3},
		{"createType=\"monolithicSparse\"\nRW 16 SPARSE \"s1.vmdk\"\n",
			{50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65}, 16},
		{"createType=\"streamOptimized\"\nRW 3 SPARSE \"stream.vmdk\"\n", {70, 71, 72},
			3},
		{"createType=\"twoGbMaxExtentSparse\"\nRW 16 SPARSE \"s1.vmdk\"\n"
		 "RW 5 SPARSE \"s2.vmdk\"\n",
			{50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65, 90, 91,
				92, 93, 94},
			21},
		/* The other order, parts of files, and zeros that keep their place. */
		{"createType=\"twoGbMaxExtentFlat\"\nRW 2 FLAT \"b.vmdk\" 1\n"
		 "RW 3 FLAT \"a flat.vmdk\" 0\n",
			{31, 32, 10, 11, 12}, 5},
		{"createType=\"custom\"\nRW 1 FLAT \"b.vmdk\" 2\nRW 2 ZERO\nRW 1 FLAT \"b.vmdk\" 0\n"
		 "RW 0 ZERO\nRW 0 FLAT \"b.vmdk\" 1\nRW 5 SPARSE \"s2.vmdk\"\n",
			{32, 0, 0, 30, 90, 91, 92, 93, 94}, 9},
		/* Whatever the access, what follows stays where it is. */
		{"RDONLY 3 FLAT \"a flat.vmdk\" 0\nNOACCESS 2 FLAT \"not there.vmdk\" 0\n"
		 "NOACCESS 1 VMFSRDM \"x\"\nRDONLY 1 ZERO\nRW 1 FLAT \"b.vmdk\" 3\n",
			{10, 11, 12, 0, 0, 0, 0, 33}, 8},
		{"RW 2 FLAT \"sub/deep.vmdk\" 0\n", {40, 41}, 2},
		{"RW 4 ZERO\n", {0}, 4},
	};
	_auto_(mem) char *sub = xasprintf("%s/in/sub", (char *)*state);

	assert_int_equal(mkdir(sub, 0700), 0);
	save_flat(state, "a flat.vmdk", 3, 10);
	save_flat(state, "b.vmdk", 4, 30);
	save_flat(state, "sub/deep.vmdk", 2, 40);
	save_sparse(state, "s1.vmdk", 16, 50, (struct mkvmdk){.sparse = true});
	save_sparse(state, "s2.vmdk", 5, 90,
		(struct mkvmdk){.sparse = true, .redundant = true, .shuffle = true});
	save_sparse(state, "stream.vmdk", 3, 70, (struct mkvmdk){0});
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_auto_(block) struct block *b = NULL;
		struct err err = {0};

		if (open_lines(state, cases[i].lines, false, &b, &err) < 0)
			fail_msg("%s: %s", cases[i].lines, err.text);
		assert_sectors(b, cases[i].want, cases[i].n);
	}
}

static void an_extent_that_does_not_fit_its_line_is_refused(void **state)
{
	static const struct {
		const char *lines;
		int code;
		const char *part;
	} cases[] = {
		{"RW 4 FLAT \"a.vmdk\" 0\n", EINVAL,
			"in/vm.vmdk: extent 1: a.vmdk: 4 sectors at sector 0 (to byte 2048): the "
			"file has only 1536 bytes"},
		{"RW 3 FLAT \"a.vmdk\" 1\n", EINVAL, "3 sectors at sector 1 (to byte 2048)"},
		{"RW 0 FLAT \"a.vmdk\" 4\n", EINVAL, "the file has only 1536 bytes"},
		{"RW 1 FLAT \"a.vmdk\" 137438953472\n", EINVAL, "the file has only 1536 bytes"},
		{"RW 1 FLAT \"a.vmdk\" 36028797018963968\n", EINVAL, "no offset in sectors"},
		{"RW 137438953472 FLAT \"a.vmdk\" 0\n", EINVAL, "the file has only 1536 bytes"},
		{"RW 137438953473 FLAT \"a.vmdk\" 0\n", EINVAL, "no number of sectors"},
		{"RW 4 VMFS \"a.vmdk\"\n", EINVAL, "the file has only 1536 bytes"},
		{"RW 1 VMFS \"a.vmdk\" 1\n", ENOTSUP, "a VMFS extent that begins at sector 1"},
		{"RW 1 FLAT \"none.vmdk\" 0\n", ENOENT, "extent 1: cannot open none.vmdk"},
		{"RW 1 ZERO\nRW 4 SPARSE \"s.vmdk\"\n", EINVAL,
			"extent 2: s.vmdk: the descriptor says 4 sectors, its header 5"},
		{"RW 5 SPARSE \"s.vmdk\" 8\n", ENOTSUP,
			"a SPARSE extent that begins at sector 8"},
		{"RW 3 SPARSE \"a.vmdk\"\n", EINVAL, "a.vmdk: sparse header: no magic"},
		{"RW 1 SPARSE \"empty.vmdk\"\n", EINVAL, "empty.vmdk: sparse header: no magic"},
		{"RW 5 SPARSE \"vm.vmdk\"\n", EINVAL, "vm.vmdk: sparse header: no magic"},
		{"RW 3 SPARSE \"stream.vmdk\"\nRW 1 FLAT \"a.vmdk\" 0\n", ENOTSUP,
			"stream.vmdk: a compressed extent, of a disk in 2 files"},
		{"RW 5 SPARSE \"s.vmdk\"\nRW 5 SPARSE \"sub/../s.vmdk\"\n", EINVAL,
			"extents 1 and 2 are the same bytes of \"s.vmdk\""},
		{"RW 2 FLAT \"a.vmdk\" 0\nRW 1 ZERO\nRW 1 FLAT \"hard.vmdk\" 1\n", EINVAL,
			"extents 1 and 3 are the same bytes"},
		{"createType=\"fullDevice\"\nRW 9 FLAT \"/dev/sda\" 0\n", ENOTSUP,
			"createType fullDevice: the data is on a device"},
		{"createType=\"partitionedDevice\"\nRW 1 FLAT \"a.vmdk\" 0\n", ENOTSUP,
			"copy the device"},
		{"RW 3 FLAT \"a.vmdk\" 0\nRW 1 VMFSSPARSE \"d.vmdk\"\n", ENOTSUP,
			"extent 2 of type VMFSSPARSE is not read"},
		{"parentCID=00000001\nRW 3 FLAT \"a.vmdk\" 0\n", ENOTSUP, "a snapshot"},
	};
	_auto_(mem) char *in = xasprintf("%s/in/sub", (char *)*state);
	_auto_(mem) char *a = xasprintf("%s/in/a.vmdk", (char *)*state);
	_auto_(mem) char *hard = xasprintf("%s/in/hard.vmdk", (char *)*state);

	assert_int_equal(mkdir(in, 0700), 0);
	save_flat(state, "a.vmdk", 3, 1);
	assert_int_equal(link(a, hard), 0);
	save(state, "empty.vmdk", "", 0);
	save_sparse(state, "s.vmdk", 5, 1, (struct mkvmdk){.sparse = true});
	save_sparse(state, "stream.vmdk", 3, 1, (struct mkvmdk){0});
	for (unsigned damaged_ok = 0; damaged_ok < 2; damaged_ok++)
		for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
			struct block *b = NULL;
			struct err err = {0};

			assert_fails(open_lines(state, cases[i].lines, damaged_ok, &b, &err),
				cases[i].code, cases[i].part);
			assert_null(b);
		}
}

static void names_in_a_descriptor_stay_in_its_folder(void **state)
{
	static const char *const names[] = {"../secret", "sub/../../secret", "link",
		"out/secret", "/etc/passwd", "/dev/zero", "fifo", "sub"};
	_auto_(mem) char *secret = xasprintf("%s/secret", (char *)*state);
	_auto_(mem) char *sub = xasprintf("%s/in/sub", (char *)*state);
	_auto_(mem) char *link = xasprintf("%s/in/link", (char *)*state);
	_auto_(mem) char *out = xasprintf("%s/in/out", (char *)*state);
	_auto_(mem) char *fifo = xasprintf("%s/in/fifo", (char *)*state);
	uint8_t sector[SECTOR] = "secret";
	struct err err = {0};

	assert_ok(io_write_file(secret, sector, sizeof(sector), &err));
	assert_int_equal(mkdir(sub, 0700), 0);
	assert_int_equal(symlink("../secret", link), 0);
	assert_int_equal(symlink("..", out), 0);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_auto_(mem) char *flat = xasprintf("RW 1 FLAT \"%s\" 0\n", names[i]);
		_auto_(mem) char *none = xasprintf("NOACCESS 1 FLAT \"%s\" 0\n", names[i]);
		_auto_(block) struct block *zeros = NULL;
		struct block *b = NULL;

		assert_fails(open_lines(state, flat, false, &b, &err), EPERM,
			"extent 1: cannot open ");
		assert_ok(open_lines(state, none, false, &zeros, &err));
		assert_sectors(zeros, (uint8_t[]){0}, 1);
	}
}

static void bytes_alone_open_no_other_file(void **state)
{
	_auto_(mem) char *path = xasprintf("%s/in/vm.img", (char *)*state);
	_auto_(block) struct block *named = NULL;
	struct block *b = NULL;
	struct err err = {0};
	const char text[] = "# Disk DescriptorFile\nRW 1 FLAT \"a.vmdk\" 0\n";

	save_flat(state, "a.vmdk", 1, 5);
	save(state, "vm.img", text, strlen(text));
	assert_fails(image_open(&b, path, NULL, NULL, NULL, &err), ENOTSUP,
		"data is in 1 other files (the first is \"a.vmdk\")");
	assert_ok(image_open(&named, path, "vmdk", NULL, NULL, &err));
	assert_sectors(named, (uint8_t[]){5}, 1);
}

static void a_header_without_data_leads_to_the_other_files(void **state)
{
	const char text[] = "# Disk DescriptorFile\nRW 2 FLAT \"a.vmdk\" 0\n";
	_auto_(mem) char *path = xasprintf("%s/in/vm.vmdk", (char *)*state);
	_auto_(block) struct block *b = NULL;
	struct mkvmdk_file f;
	struct err err = {0};
	uint8_t raw[8 * SECTOR] = {0};

	save_flat(state, "a.vmdk", 2, 5);
	mkvmdk(&f, raw, sizeof(raw), &(struct mkvmdk){.sparse = true, .descriptor = text});
	memset(f.bytes + 12, 0, 8); /* capacity */
	save(state, "vm.vmdk", f.bytes, f.len);
	mkvmdk_free(&f);
	assert_ok(image_open(&b, path, NULL, NULL, NULL, &err));
	assert_sectors(b, (uint8_t[]){5, 6}, 2);
}

static void lost_grains_of_all_extents_are_counted(void **state)
{
	_auto_(block) struct block *strict = NULL, *b = NULL;
	uint8_t raw[16 * SECTOR], got[16 * SECTOR];
	const char lines[] = "RW 16 SPARSE \"x.vmdk\"\nRW 16 SPARSE \"y.vmdk\"\nRW 1 ZERO\n";
	struct err err = {0};

	memset(raw, 7, sizeof(raw));
	for (const char *name = "x"; name; name = *name == 'x' ? "y" : NULL) {
		_auto_(mem) char *file = xasprintf("%s.vmdk", name);
		struct mkvmdk_file f;

		mkvmdk(&f, raw, sizeof(raw), &(struct mkvmdk){.sparse = true, .grain = 8});
		memset(f.bytes + (size_t)f.gt[0] * SECTOR + 4, 0xee, 4); /* the second grain */
		save(state, file, f.bytes, f.len);
		mkvmdk_free(&f);
	}
	assert_ok(open_lines(state, lines, false, &strict, &err));
	assert_ok(block_pread(strict, got, 8 * SECTOR, 0, &err));
	assert_fails(block_pread(strict, got, sizeof(got), 16 * SECTOR, &err), EINVAL,
		"y.vmdk: grain 1 (LBA 8)");
	assert_int_equal(vmdk_lost_grains(strict), 0);
	assert_ok(open_lines(state, lines, true, &b, &err));
	assert_ok(block_pread(b, got, sizeof(got), 0, &err));
	assert_int_equal(got[8 * SECTOR - 1], 7);
	assert_int_equal(got[8 * SECTOR], 0);
	assert_int_equal(vmdk_lost_grains(b), 1);
	assert_ok(block_pread(b, got, sizeof(got), 16 * SECTOR, &err));
	assert_int_equal(vmdk_lost_grains(b), 2);
}

static void a_flat_file_that_shrinks_is_an_error(void **state)
{
	_auto_(mem) char *path = xasprintf("%s/in/a.vmdk", (char *)*state);
	_auto_(block) struct block *b = NULL;
	uint8_t got[3 * SECTOR];
	struct err err = {0};

	save_flat(state, "a.vmdk", 3, 1);
	assert_ok(open_lines(state, "RW 3 FLAT \"a.vmdk\" 0\n", false, &b, &err));
	assert_int_equal(truncate(path, 2 * SECTOR), 0);
	assert_fails(block_pread(b, got, sizeof(got), 0, &err), EIO, "a.vmdk");
}

static void too_many_files_are_refused(void **state)
{
	_auto_str_ struct str s = STR_INIT;
	struct block *b = NULL;
	struct err err = {0};

	for (unsigned i = 0; i < 4097; i++)
		str_addf(&s, "RW 1 FLAT \"f%u\" 0\n", i);
	assert_fails(open_lines(state, s.s, false, &b, &err), ENOTSUP,
		"a disk in 4097 files (at most 4096 are read)");
}

/* More than one read of tables brings, in extents that may keep few of them. */
static void many_sparse_extents_with_many_tables_are_read(void **state)
{
	enum { FILES = 100, TABLES = 70, SECTORS = TABLES * 512 * 8 };
	_auto_str_ struct str s = STR_INIT;
	_auto_(block) struct block *b = NULL;
	uint8_t raw[8 * SECTOR], got[8 * SECTOR];
	struct err err = {0};

	for (unsigned i = 0; i < FILES; i++) {
		_auto_(mem) char *name = xasprintf("s%03u.vmdk", i);
		struct mkvmdk_file f;

		memset(raw, i + 1, sizeof(raw));
		mkvmdk(&f, raw, sizeof(raw),
			&(struct mkvmdk){.sparse = true, .grain = 8, .sectors = SECTORS});
		/* The same grain in every table, at its table's number. */
		for (unsigned t = 1; t < f.tables; t++)
			memcpy(f.bytes + (size_t)f.gt[t] * SECTOR + t * 4,
				f.bytes + (size_t)f.gt[0] * SECTOR, 4);
		save(state, name, f.bytes, f.len);
		mkvmdk_free(&f);
		str_addf(&s, "RW %u SPARSE \"%s\"\n", (unsigned)SECTORS, name);
	}
	assert_ok(open_lines(state, s.s, false, &b, &err));
	for (unsigned i = 0; i < FILES; i += 9)
		for (unsigned t = 0; t < TABLES; t++) {
			uint64_t grain = t * UINT64_C(512) + t;
			uint64_t at = ((uint64_t)i * SECTORS + grain * 8) * SECTOR;

			memset(raw, i + 1, sizeof(raw));
			assert_ok(block_pread(b, got, sizeof(got), at, &err));
			assert_memory_equal(got, raw, sizeof(raw));
			if (t) {
				assert_ok(block_pread(
					b, got, sizeof(got), at - sizeof(got), &err));
				assert_true(bytes_are_zero(got, sizeof(got)));
			}
		}
}

#define extents_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		extents_test(extents_of_every_kind_make_one_disk),
		extents_test(an_extent_that_does_not_fit_its_line_is_refused),
		extents_test(names_in_a_descriptor_stay_in_its_folder),
		extents_test(bytes_alone_open_no_other_file),
		extents_test(a_header_without_data_leads_to_the_other_files),
		extents_test(lost_grains_of_all_extents_are_counted),
		extents_test(a_flat_file_that_shrinks_is_an_error),
		extents_test(too_many_files_are_refused),
		extents_test(many_sparse_extents_with_many_tables_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
