// SPDX-License-Identifier: LGPL-2.1-or-later
/* initrd: archives made by cpio, gzip, zstd, xz, lz4 ... are read; our segment is read by cpio. */
#include "tests/unit/test.h"

#include "formats/base/alloc.h"
#include "formats/base/io.h"
#include "guestfix/lib/initrd.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct err err;

/* ---- helpers: other programs make and read archives in a folder of ours ---- */

static char *dir;

static int make_dir(void **state)
{
	dir = xstrdup("/tmp/test_initrd-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int drop_dir(void **state)
{
	char *cmd = xasprintf("rm -rf '%s'", dir);
	int r = system(cmd);

	free(cmd);
	free(dir);
	return r;
}

/* Runs a shell command in the folder; its output lines sorted, or NULL when it fails. */
static char *sh(const char *fmt, ...)
{
	char *script, *cmd, *out;
	va_list ap;
	size_t len;
	int r;

	va_start(ap, fmt);
	script = xvasprintf(fmt, ap);
	va_end(ap);
	cmd = xasprintf("cd '%s' && (%s) >out 2>/dev/null", dir, script);
	r = system(cmd);
	free(cmd);
	free(script);
	if (r)
		return NULL;
	cmd = xasprintf("%s/out", dir);
	assert_ok(io_read_file(cmd, MiB, &out, &len, &err));
	free(cmd);
	return out;
}

static void *slurp(const char *name, size_t *len)
{
	char *path = xasprintf("%s/%s", dir, name), *data;

	assert_ok(io_read_file(path, 512 * MiB, &data, len, &err));
	free(path);
	return data;
}

static void spit(const char *name, const void *data, size_t len)
{
	char *path = xasprintf("%s/%s", dir, name);

	assert_ok(io_write_file(path, data, len, &err));
	free(path);
}

/* An archive "NAME.cpio" with usr/lib/modules/1/kernel/NAME.ko, lib -> usr/lib, conf/. */
static void make_archive(const char *name)
{
	char *r =
		sh("rm -rf tree && mkdir -p tree/usr/lib/modules/1/kernel tree/conf/conf.d &&"
		   "ln -s usr/lib tree/lib && echo %s > tree/usr/lib/modules/1/kernel/%s.ko &&"
		   "printf 'RESUME=/dev/sda5\\n' > tree/conf/conf.d/resume &&"
		   "cd tree && find . | sort | cpio -o -H newc > ../%s.cpio",
			name, name, name);

	assert_non_null(r);
	free(r);
}

static struct initrd *parse(const void *bytes, size_t len)
{
	struct initrd *rd;

	assert_ok(initrd_parse(&rd, bytes, len, &err));
	return rd;
}

/* ---- reading ---- */

static void a_plain_archive_is_read(void **state)
{
	const struct initrd_entry *e;
	struct initrd *rd;
	size_t len;
	void *bytes;

	make_archive("alpha");
	bytes = slurp("alpha.cpio", &len);
	rd = parse(bytes, len);
	assert_int_equal(rd->n_segments, 1);
	assert_int_equal(rd->compression, INITRD_PLAIN);
	e = initrd_find(rd, "lib");
	assert_non_null(e);
	assert_string_equal(e->link, "usr/lib");
	e = initrd_find(rd, "conf/conf.d/resume");
	assert_non_null(e);
	assert_string_equal(e->data, "RESUME=/dev/sda5\n");
	assert_true(initrd_has_module(rd, "1", "alpha"));
	assert_false(initrd_has_module(rd, "1", "alph"));
	assert_false(initrd_has_module(rd, "2", "alpha"));
	initrd_free(rd);
	free(bytes);
}

static void every_compression_is_read_with_archives_before_and_behind(void **state)
{
	static const struct {
		const char *command;
		enum initrd_compression c;
		size_t zeros; /* between the stream and what follows */
	} packers[] = {
		{"gzip -c", INITRD_GZIP, 0},
		{"zstd -qc", INITRD_ZSTD, 0},
		{"zstd -19 -qc", INITRD_ZSTD, 512},
		{"xz --check=crc32 -c", INITRD_XZ, 8},
		{"lzma -c", INITRD_LZMA, 0},
		{"lz4 -l -c", INITRD_LZ4, 4},
		{"bzip2 -c", INITRD_BZIP2, 0},
		{"lzop -c", INITRD_LZOP, 0},
	};
	unsigned tried = 0;

	make_archive("first");
	make_archive("main");
	make_archive("last");
	for (unsigned i = 0; i < ARRAY_SIZE(packers); i++) {
		/* what follows begins at a multiple of 4, as the kernel wants it */
		char *r = sh(
			"%s main.cpio > main.packed && head -c %zu /dev/zero >> main.packed &&"
			"truncate -s %%4 main.packed && cat first.cpio main.packed > both &&"
			"cat both last.cpio > all",
			packers[i].command, packers[i].zeros);
		struct initrd *rd;
		size_t len;
		void *bytes;

		if (!r)
			continue; /* that program is not installed */
		free(r);
		tried++;
		bytes = slurp("both", &len);
		rd = parse(bytes, len);
		assert_int_equal(rd->n_segments, 2);
		assert_true(initrd_has_module(rd, "1", "first"));
		assert_true(initrd_has_module(rd, "1", "main"));
		initrd_free(rd);
		free(bytes);
		if (packers[i].c == INITRD_BZIP2 || packers[i].c == INITRD_LZOP)
			continue; /* where these end is not known exactly; see unpack.h */
		bytes = slurp("all", &len);
		rd = parse(bytes, len);
		assert_true(initrd_has_module(rd, "1", "main"));
		assert_true(initrd_has_module(rd, "1", "last"));
		initrd_free(rd);
		free(bytes);
	}
	assert_true(tried >= 4);
}

static void the_compression_is_the_one_of_the_largest_archive(void **state)
{
	struct initrd *rd;
	size_t len;
	void *bytes;
	char *r;

	make_archive("small");
	r = sh("mkdir -p big && seq 100000 > big/numbers && echo big/numbers | cpio -o -H newc |"
	       "gzip > big.gz && truncate -s %%4 big.gz && cat small.cpio big.gz > sum");
	assert_non_null(r);
	free(r);
	bytes = slurp("sum", &len);
	rd = parse(bytes, len);
	assert_int_equal(rd->compression, INITRD_GZIP);
	initrd_free(rd);
	free(bytes);
}

static void a_later_file_replaces_an_earlier_one(void **state)
{
	const struct initrd_entry *e;
	struct initrd *rd;
	size_t len;
	void *bytes;
	char *r;

	make_archive("a");
	r = sh("mkdir -p conf/conf.d && echo RESUME=none > conf/conf.d/resume &&"
	       "echo conf/conf.d/resume | cpio -o -H newc > b.cpio && cat a.cpio b.cpio > ab");
	assert_non_null(r);
	free(r);
	bytes = slurp("ab", &len);
	rd = parse(bytes, len);
	e = initrd_find(rd, "conf/conf.d/resume");
	assert_string_equal(e->data, "RESUME=none\n");
	initrd_free(rd);
	free(bytes);
}

static void this_machines_own_initramfs_has_what_cpio_lists(void **state)
{
	char *r =
		sh("f=$(ls /boot/initrd.img-* | head -1) && cp \"$f\" own && lsinitramfs own |"
		   "grep -c 'ko$'");
	struct initrd *rd;
	unsigned long want;
	size_t len, n = 0;
	void *bytes;

	if (!r)
		skip(); /* none, or not readable */
	want = strtoul(r, NULL, 10);
	free(r);
	bytes = slurp("own", &len);
	rd = parse(bytes, len);
	for (size_t i = 0; i < rd->n_entries; i++)
		n += strlen(rd->entries[i].path) > 2 &&
		     !strcmp(rd->entries[i].path + strlen(rd->entries[i].path) - 2, "ko");
	assert_int_equal(n, want);
	initrd_free(rd);
	free(bytes);
}

/* ---- hostile bytes ---- */

static void every_truncation_is_refused_or_ends_between_archives(void **state)
{
	size_t len, whole = 0;
	uint8_t *bytes;

	make_archive("cut");
	free(sh("gzip -c cut.cpio > cut.gz; truncate -s %%4 cut.gz; cat cut.cpio cut.gz > cut2"));
	free(slurp("cut.cpio", &whole));
	bytes = slurp("cut2", &len);
	for (size_t n = 0; n < len; n++) {
		/* a buffer of exactly n bytes, so that reading past it is seen */
		uint8_t *cut = n ? xmemdup(bytes, n) : xmalloc(1);
		struct initrd *rd = NULL;
		int r = initrd_parse(&rd, cut, n, &err);

		if (r >= 0 && n < whole) {
			/* only the zeros that pad the archive to 512 may be missing */
			for (size_t i = n; i < whole; i++)
				assert_int_equal(bytes[i], 0);
		}
		if (r >= 0)
			initrd_free(rd);
		free(cut);
	}
	free(bytes);
}

static void every_flipped_byte_of_a_header_is_refused_or_read(void **state)
{
	size_t len;
	uint8_t *bytes;

	make_archive("flip");
	bytes = slurp("flip.cpio", &len);
	for (size_t at = 0; at < MIN(len, (size_t)600); at++)
		for (unsigned v = 0; v < 256; v += 51) {
			uint8_t old = bytes[at];
			struct initrd *rd = NULL;

			bytes[at] = (uint8_t)v;
			if (initrd_parse(&rd, bytes, len, &err) >= 0)
				initrd_free(rd);
			bytes[at] = old;
		}
	free(bytes);
}

static void other_bytes_are_refused(void **state)
{
	struct initrd *rd;
	char zeros[1000] = {0};

	assert_fails(initrd_parse(&rd, "", 0, &err), EINVAL, "empty");
	assert_fails(initrd_parse(&rd, zeros, sizeof(zeros), &err), EINVAL, "empty");
	assert_fails(initrd_parse(&rd, "hello, world", 12, &err), ENOTSUP, "neither cpio nor");
	assert_fails(initrd_parse(&rd, "\x1f\x8b\x08junk", 7, &err), EINVAL, "gzip");
	assert_fails(initrd_parse(&rd, "070701ZZZZZZZZ", 14, &err), EINVAL, "cut short");
}

static void add_block(struct str *z, unsigned type, unsigned size)
{
	unsigned header = size << 3 | type << 1;

	str_addc(z, (char)header);
	str_addc(z, (char)(header >> 8));
	str_addc(z, (char)(header >> 16));
}

static void an_archive_that_unpacks_endlessly_is_refused(void **state)
{
	struct str z = STR_INIT;
	struct initrd *rd;

	/* A zstd stream by hand (RFC 8878): a raw block with the header of a file of almost 4 GiB, then
	 * blocks of four bytes that each mean 128 KiB of zeros. */
	str_addn(&z, "\x28\xb5\x2f\xfd\x00\x60", 6);
	add_block(&z, 0, 112);
	str_addf(&z, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08Xx", 1, 33188, 0,
		0, 1, 0, 0xfffffff0, 0, 0, 0, 0, 2, 0);
	str_addc(&z, '\0');
	for (unsigned i = 0; i < 20000; i++) {
		add_block(&z, 1, 128 * 1024);
		str_addc(&z, '\0');
	}
	assert_fails(initrd_parse(&rd, z.s, z.len, &err), EINVAL, "unpacks to more than");
	str_clear(&z);
}

static void names_beyond_the_memory_allowed_are_refused(void **state)
{
	char name[INITRD_MAX_PATH];
	struct str a = STR_INIT;
	struct initrd *rd;

	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	for (unsigned i = 0; i < INITRD_MAX_MEMORY / sizeof(name) + 10; i++) {
		str_addf(&a, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08zX%08X", 1,
			33188, 0, 0, 1, 0, 0, 0, 0, 0, 0, sizeof(name), 0);
		str_addn(&a, name, sizeof(name));
		str_addn(&a, "\0\0", 2);
	}
	assert_fails(
		initrd_parse(&rd, a.s, a.len, &err), EINVAL, "names and links of more than");
	str_clear(&a);
}

static void links_in_a_circle_have_no_real_path(void **state)
{
	struct initrd_entry entries[] = {
		{.path = (char *)"a", .mode = S_IFLNK | 0777, .link = (char *)"b"},
		{.path = (char *)"b", .mode = S_IFLNK | 0777, .link = (char *)"a"},
		{.path = (char *)"c", .mode = S_IFLNK | 0777, .link = (char *)"../../usr/c"},
		{.path = (char *)"d", .mode = S_IFLNK | 0777, .link = (char *)"/usr/d"},
	};
	struct initrd rd = {.entries = entries, .n_entries = ARRAY_SIZE(entries)};
	char *p;

	assert_null(initrd_real_path(&rd, "a/x"));
	p = initrd_real_path(&rd, "c/x");
	assert_string_equal(p, "usr/c/x");
	free(p);
	p = initrd_real_path(&rd, "d/x");
	assert_string_equal(p, "usr/d/x");
	free(p);
	p = initrd_real_path(&rd, "./e//x");
	assert_string_equal(p, "e/x");
	free(p);
}

/* ---- writing ---- */

static void our_segment_is_what_cpio_unpacks(void **state)
{
	static const enum initrd_compression packs[] = {
		INITRD_PLAIN, INITRD_GZIP, INITRD_ZSTD, INITRD_XZ};
	static const char *const unpack[] = {"cat", "gzip -dc", "zstd -dqc", "cat"};

	for (unsigned i = 0; i < ARRAY_SIZE(packs); i++) {
		struct cpio c = {.out = STR_INIT};
		size_t len;
		void *bytes;
		char *r;

		cpio_add_file(&c, "usr/lib/modules/1/a.ko", 0644, "AAAAA", 5);
		cpio_add_file(&c, "usr/lib/modules/1/b.ko", 0600, "", 0);
		assert_ok(cpio_finish(&c, packs[i], &bytes, &len, &err));
		spit("segment", bytes, len);
		r = sh("%s < segment | cpio -t | sort", unpack[i]);
		assert_non_null(r);
		assert_string_equal(r, "usr\nusr/lib\nusr/lib/modules\nusr/lib/modules/1\n"
				       "usr/lib/modules/1/a.ko\nusr/lib/modules/1/b.ko\n");
		free(r);
		r = sh("rm -rf x && mkdir x && cd x && %s < ../segment | cpio -i &&"
		       "stat -c '%%a %%s' usr/lib usr/lib/modules/1/*.ko | sed '1s/ .*//' &&"
		       "cat usr/lib/modules/1/a.ko",
			unpack[i]);
		assert_non_null(r);
		assert_string_equal(r, "755\n644 5\n600 0\nAAAAA");
		free(r);
		free(bytes);
	}
}

static void folders_that_exist_get_no_entry(void **state)
{
	struct cpio c = {.out = STR_INIT};
	struct initrd *rd;
	size_t len;
	void *bytes;
	char *r, *path;

	make_archive("base");
	bytes = slurp("base.cpio", &len);
	rd = parse(bytes, len);
	free(bytes);
	path = initrd_real_path(rd, "lib/modules/1/kernel/new/z.ko");
	assert_string_equal(path, "usr/lib/modules/1/kernel/new/z.ko");
	c.rd = rd;
	cpio_add_file(&c, path, 0644, "Z", 1);
	assert_ok(cpio_finish(&c, INITRD_PLAIN, &bytes, &len, &err));
	spit("segment", bytes, len);
	r = sh("cpio -t < segment");
	assert_string_equal(
		r, "usr/lib/modules/1/kernel/new\nusr/lib/modules/1/kernel/new/z.ko\n");
	free(r);
	free(path);
	free(bytes);
	initrd_free(rd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_archive_is_read),
		cmocka_unit_test(every_compression_is_read_with_archives_before_and_behind),
		cmocka_unit_test(the_compression_is_the_one_of_the_largest_archive),
		cmocka_unit_test(a_later_file_replaces_an_earlier_one),
		cmocka_unit_test(this_machines_own_initramfs_has_what_cpio_lists),
		cmocka_unit_test(every_truncation_is_refused_or_ends_between_archives),
		cmocka_unit_test(every_flipped_byte_of_a_header_is_refused_or_read),
		cmocka_unit_test(other_bytes_are_refused),
		cmocka_unit_test(an_archive_that_unpacks_endlessly_is_refused),
		cmocka_unit_test(names_beyond_the_memory_allowed_are_refused),
		cmocka_unit_test(links_in_a_circle_have_no_real_path),
		cmocka_unit_test(our_segment_is_what_cpio_unpacks),
		cmocka_unit_test(folders_that_exist_get_no_entry),
	};

	return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
