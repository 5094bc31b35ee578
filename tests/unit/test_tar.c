// SPDX-License-Identifier: LGPL-2.1-or-later
/* tar: every form of header, and everything that can be wrong with one. */
#include "tests/unit/test.h"

#include "formats/block/block_mem.h"
#include "formats/ova/tar.h"
#include "tests/support/tar_build.h"

#include <stdlib.h>
#include <unistd.h>

/* Walks to the end: the members as "name:size name:size ", or the first error. */
static int walk(const struct str *t, struct str *list, bool *terminated, struct err *err)
{
	_auto_(block) struct block *b = block_mem_from(t->s, t->len, "t.ova");
	struct tar_reader reader;
	struct tar_member m;
	int r;

	tar_begin(&reader, b, "t.ova");
	while ((r = tar_next(&reader, &m, err)) > 0) {
		str_addf(list, "%s%s:%d ", m.name,
			m.type == TAR_FILE        ? ""
			: m.type == TAR_DIRECTORY ? "/"
						  : "@",
			(int)m.size);
		/* Where it says that the bytes are, they are: those of files begin with the last
		 * letter of their name in the archives made here. */
		if (m.type == TAR_FILE && m.size)
			assert_int_equal(t->s[m.offset], m.name[strlen(m.name) - 1]);
	}
	if (terminated)
		*terminated = reader.terminated;
	tar_end(&reader);
	return r;
}

#define assert_members(t, want)                                                                \
	do {                                                                                   \
		_auto_str_ struct str list_ = STR_INIT;                                        \
		struct err err = {0};                                                          \
		assert_ok(walk(t, &list_, NULL, &err));                                        \
		assert_string_equal(list_.s, want);                                            \
	} while (0)

#define assert_refused(t, code, part)                                                          \
	do {                                                                                   \
		_auto_str_ struct str list_ = STR_INIT;                                        \
		struct err err = {0};                                                          \
		assert_fails(walk(t, &list_, NULL, &err), code, part);                         \
		assert_non_null(strstr(err.text, "t.ova: tar header at "));                    \
	} while (0)

static void plain_members_are_listed_with_their_place(void **state)
{
	_auto_str_ struct str t = STR_INIT;
	bool terminated;

	tar_text(&t, "a", '0', "aaa");
	tar_text(&t, "./dir/", '5', "");
	tar_text(&t, ".//dir//b", '\0', "b");
	tar_text(&t, "c", '7', "");
	tar_text(&t, "old/", '\0', "");
	tar_close(&t);
	assert_members(&t, "a:3 dir/:0 dir/b:1 c:0 old/:0 ");
	{
		_auto_str_ struct str list = STR_INIT;
		struct err err = {0};

		assert_ok(walk(&t, &list, &terminated, &err));
		assert_true(terminated);
		str_add(&t, "what follows the end does not matter");
		assert_ok(walk(&t, &list, &terminated, &err));
	}
}

static void an_archive_that_just_ends_is_told_apart(void **state)
{
	_auto_str_ struct str t = STR_INIT, list = STR_INIT;
	struct err err = {0};
	bool terminated = true;

	tar_text(&t, "a", '0', "a");
	assert_ok(walk(&t, &list, &terminated, &err));
	assert_false(terminated);
	/* Without the padding of the last member too. */
	t.len = TAR_BLOCK + 1;
	str_clear(&list);
	assert_ok(walk(&t, &list, &terminated, &err));
	assert_string_equal(list.s, "a:1 ");
	assert_false(terminated);
}

static void long_names_of_all_kinds_are_read(void **state)
{
	_auto_str_ struct str gnu = STR_INIT, pax = STR_INIT, ustar = STR_INIT, star = STR_INIT;
	char name[300], want[310];
	_auto_(mem) char *record = NULL;
	size_t at;

	memset(name, 'n', sizeof(name));
	name[150] = '/';
	name[299] = 0;
	snprintf(want, sizeof(want), "%s:1 z:1 ", name);

	tar_bytes(&gnu, "././@LongLink", 'L', name, 300);
	tar_text(&gnu, "cut", '0', "n");
	tar_text(&gnu, "z", '0', "z");
	assert_members(&gnu, want);

	record = xasprintf("309 path=%s\n", name);
	assert_int_equal(strlen(record), 309);
	tar_text(&pax, "PaxHeaders/x", 'x', record);
	tar_text(&pax, "cut", '0', "n");
	tar_text(&pax, "z", '0', "z");
	assert_members(&pax, want);

	at = tar_text(&ustar, "file", '0', "e");
	strcpy(ustar.s + at + 345, "some/prefix");
	tar_sum(ustar.s + at);
	assert_members(&ustar, "some/prefix/file:1 ");

	/* GNU's own magic: no prefix, other things are in its place. */
	at = tar_text(&star, "file", '0', "e");
	memcpy(star.s + at + 257, "ustar  ", 8);
	strcpy(star.s + at + 345, "14000000000");
	tar_sum(star.s + at);
	assert_members(&star, "file:1 ");
}

static void the_header_before_posix_is_read(void **state)
{
	_auto_str_ struct str t = STR_INIT;
	size_t at = tar_text(&t, "a", '\0', "a");

	memset(t.s + at + 257, 0, 8);
	tar_sum(t.s + at);
	assert_members(&t, "a:1 ");
}

static void sums_of_signed_bytes_are_accepted(void **state)
{
	_auto_str_ struct str t = STR_INIT;
	size_t at = tar_text(&t,
		"\xc3\xa4"
		"a",
		'0', "a");
	int sum = 0;

	memset(t.s + at + 148, ' ', 8);
	for (int i = 0; i < TAR_BLOCK; i++)
		sum += (signed char)t.s[at + (size_t)i];
	snprintf(t.s + at + 148, 8, "%06o", sum);
	assert_members(&t, "\xc3\xa4"
			   "a:1 ");
}

static void sizes_of_all_forms_are_read(void **state)
{
	static const struct {
		const char *field; /* 12 bytes */
		int ok;
	} rows[] = {
		{"00000000001", 1},
		{"00000000001 ", 1},
		{"          1 ", 1},
		{"1\0XXXXXXXXXX", 1},
		{"1 XXXXXXXXXX", 1},
		{"000000000001", 1},
		{"\x80\0\0\0\0\0\0\0\0\0\0\x01", 1},
		{"           ", 0},
		{"\0\0\0\0\0\0\0\0\0\0\0", 0},
		{"0000000000x", 0},
		{"0000000008 ", 0},
		{"-0000000001", 0},
		{"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 0},
		{"\x80\0\0\x01\0\0\0\0\0\0\0\x01", 0},
		{"\x81\0\0\0\0\0\0\0\0\0\0\x01", 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_auto_str_ struct str t = STR_INIT;
		size_t at = tar_text(&t, "a", '0', "a");

		memcpy(t.s + at + 124, rows[i].field, 12);
		tar_sum(t.s + at);
		if (rows[i].ok)
			assert_members(&t, "a:1 ");
		else
			assert_refused(&t, EINVAL, "the size in the header is no number");
	}
}

static void a_pax_size_counts(void **state)
{
	_auto_str_ struct str t = STR_INIT;
	size_t at;

	tar_text(&t, "x", 'x', "9 size=3\n27 mtime=1234567890.123456\n");
	at = tar_text(&t, "a", '0', "aaa");
	snprintf(t.s + at + 124, 12, "%011o", 0);
	tar_sum(t.s + at);
	/* It is good for one member only. */
	tar_text(&t, "b", '0', "b");
	assert_members(&t, "a:3 b:1 ");
}

static void names_that_lead_out_are_refused(void **state)
{
	static const char *const names[] = {
		"/etc/passwd", "../a", "a/../../b", "..", "a/..", "./../a", "a/../b", "//a"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_auto_str_ struct str t = STR_INIT, pax = STR_INIT, gnu = STR_INIT;
		_auto_(mem) char *record =
			xasprintf("%zu path=%s\n", strlen(names[i]) + 9, names[i]);

		tar_text(&t, names[i], '0', "x");
		assert_refused(&t, EPERM, "member name");
		if (strlen(record) == strlen(names[i]) + 9) { /* two digits of length */
			tar_text(&pax, "x", 'x', record);
			tar_text(&pax, "ok", '0', "k");
			assert_refused(&pax, EPERM, "member name");
		}
		tar_text(&gnu, "x", 'L', names[i]);
		tar_text(&gnu, "ok", '0', "k");
		assert_refused(&gnu, EPERM, "member name");
	}
}

static void names_with_dots_that_stay_inside_are_fine(void **state)
{
	_auto_str_ struct str t = STR_INIT;

	tar_text(&t, "..a", '0', "a");
	tar_text(&t, "a..", '0', ".");
	tar_text(&t, "...", '0', ".");
	tar_text(&t, "a/./b", '0', "b");
	assert_members(&t, "..a:1 a..:1 ...:1 a/b:1 ");
}

static void links_and_devices_have_no_bytes(void **state)
{
	static const char types[] = "12346";

	for (const char *c = types; *c; c++) {
		_auto_str_ struct str t = STR_INIT;
		size_t at = tar_header(&t, "l", *c, 0);

		strcpy(t.s + at + 157, "/etc/passwd");
		snprintf(t.s + at + 124, 12, "%011o", 99);
		tar_sum(t.s + at);
		tar_text(&t, "a", '0', "a");
		assert_members(&t, "l@:0 a:1 ");
	}
}

static void unknown_kinds_are_skipped_with_their_bytes(void **state)
{
	_auto_str_ struct str t = STR_INIT;

	tar_text(&t, "v", 'V', "");
	tar_text(&t, "n", 'N', "some bytes");
	tar_text(&t, "k", 'K', "/etc/passwd");
	tar_text(&t, "g", 'g', "16 comment=abcd\n");
	tar_text(&t, "a", '0', "a");
	assert_members(&t, "v@:0 n@:10 a:1 ");
}

static void sparse_and_split_members_are_refused(void **state)
{
	_auto_str_ struct str s = STR_INIT, m = STR_INIT, x = STR_INIT;

	tar_text(&s, "s", 'S', "");
	assert_refused(&s, ENOTSUP, "sparse");
	tar_text(&m, "m", 'M', "");
	assert_refused(&m, ENOTSUP, "multi-volume");
	tar_text(&x, "x", 'x', "22 GNU.sparse.major=1\n");
	tar_text(&x, "a", '0', "a");
	assert_refused(&x, ENOTSUP, "sparse");
}

static void damaged_pax_headers_are_refused(void **state)
{
	static const char *const texts[] = {
		"8 size=3",
		"11 size=3\n",
		"7 size=3\n",
		"size=3\n",
		" 8 size=3\n",
		"8size=3\n\n",
		"0 size=3\n",
		"-8 size=3\n",
		"99999999999999999999 a=b\n",
		"9 size=x\n",
		"8 size=\n",
		"11 size=-3\n",
		"8 path=\n",
		"4 =\n",
		"5 ab\n",
		"9 =size3\n",
		"29 size=99999999999999999999\n",
		"2 \n",
		"1\n",
		"8",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_auto_str_ struct str t = STR_INIT, list = STR_INIT;
		struct err err = {0};

		tar_text(&t, "x", 'x', texts[i]);
		tar_text(&t, "a", '0', "aaa");
		if (walk(&t, &list, NULL, &err) != -EINVAL)
			fail_msg("\"%s\" was accepted", texts[i]);
	}
	{
		_auto_str_ struct str t = STR_INIT, g = STR_INIT;

		tar_bytes(&t, "x", 'x', "11 path=a\0\n", 11);
		tar_text(&t, "a", '0', "a");
		assert_refused(&t, EINVAL, "a pax path");
		tar_text(&g, "g", 'g', "10 path=a\n");
		tar_text(&g, "a", '0', "a");
		assert_refused(&g, EINVAL, "one path for all members");
	}
}

static void extended_headers_are_bounded(void **state)
{
	_auto_str_ struct str many = STR_INIT, big = STR_INIT, name = STR_INIT, end = STR_INIT;
	_auto_str_ struct str empty = STR_INIT;
	_auto_(mem) char *bytes = xcalloc(TAR_PAX_MAX + 1, 1);

	for (int i = 0; i <= TAR_EXTENSIONS_MAX; i++)
		tar_text(&many, "x", 'x', "");
	tar_text(&many, "a", '0', "a");
	assert_refused(&many, EINVAL, "more than 16 extended headers");
	tar_bytes(&big, "x", 'x', bytes, TAR_PAX_MAX + 1);
	assert_refused(&big, EINVAL, "bytes of an extended header");
	memset(bytes, 'n', TAR_PAX_MAX);
	tar_bytes(&name, "x", 'L', bytes, TAR_NAME_MAX + 2);
	assert_refused(&name, EINVAL, "bytes of an extended header");
	tar_text(&end, "x", 'x', "");
	assert_refused(&end, EINVAL, "cut");
	tar_close(&end);
	assert_refused(&end, EINVAL, "ends after an extended header");
	tar_text(&empty, "x", 'L', "");
	tar_text(&empty, "a", '0', "a");
	assert_refused(&empty, EINVAL, "an empty long name");
}

static void lying_lengths_are_refused(void **state)
{
	static const struct {
		char type;
		const char *field;
	} rows[] = {
		{'0', "00000001001"},
		{'0', "77777777777"},
		{'0', "\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff"},
		{'0', "\x80\0\0\0\0\0\0\0\0\0\x02\x01"},
		{'x', "77777777777"},
		{'L', "77777777777"},
		{'V', "77777777777"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_auto_str_ struct str t = STR_INIT;
		size_t at;

		tar_text(&t, "a", '0', "a");
		at = tar_text(&t, "b", rows[i].type, "b");
		memcpy(t.s + at + 124, rows[i].field, 12);
		tar_sum(t.s + at);
		assert_refused(&t, EINVAL, "bytes are missing");
	}
}

static void a_damaged_header_is_refused_with_its_position(void **state)
{
	_auto_str_ struct str t = STR_INIT;
	struct err err = {0};

	tar_text(&t, "a", '0', "a");
	tar_text(&t, "b", '0', "b");
	tar_close(&t);
	/* Any byte of the second header, changed. */
	for (size_t i = 0; i < TAR_BLOCK; i++) {
		_auto_str_ struct str list = STR_INIT;
		char *c = &t.s[1024 + i], old = *c;

		if (i == 155) /* behind the NUL that ends the checksum */
			continue;
		*c ^= 0x01;
		if (walk(&t, &list, NULL, &err) != -EINVAL ||
			!strstr(err.text, "t.ova: tar header at 1024:"))
			fail_msg("byte %zu changed: %s %s", i, list.s, err.text);
		*c = old;
	}
}

static void every_truncation_is_seen(void **state)
{
	_auto_str_ struct str t = STR_INIT;

	tar_text(&t, "x", 'x', "9 size=3\n");
	tar_text(&t, "a", '0', "aaa");
	tar_text(&t, "b", '0', "b");
	tar_close(&t);
	for (size_t len = 1; len < t.len; len++) {
		struct str cut = {.s = t.s, .len = len};
		_auto_str_ struct str list = STR_INIT;
		struct err err = {0};
		bool terminated = false;
		int r = walk(&cut, &list, &terminated, &err);

		/* Either an error, or an archive without its end marker; never bytes that
		 * are not there. One block of zeros is enough of an end. */
		if (r >= 0 && terminated)
			assert_true(len >= t.len - TAR_BLOCK);
		if (r >= 0 && len < t.len - TAR_BLOCK)
			assert_true(len == 1024 + 1024 || len == 1024 + 1024 + 1024 ||
				    (len >= 1024 + 512 + 3 && len <= 2048) ||
				    (len >= 2048 + 512 + 1 && len <= 3072));
	}
}

static void a_regular_member_needs_a_name(void **state)
{
	_auto_str_ struct str t = STR_INIT, d = STR_INIT;

	tar_text(&t, "./", '5', "");
	assert_members(&t, "/:0 ");
	tar_text(&d, ".", '0', "x");
	assert_refused(&d, EINVAL, "a member without a name");
}

static void only_archives_are_probed_as_such(void **state)
{
	_auto_str_ struct str t = STR_INIT;
	_auto_(block) struct block *yes = NULL, *zeros = NULL, *tiny = NULL, *text = NULL;
	char junk[1024];

	tar_text(&t, "a", '0', "a");
	yes = block_mem_from(t.s, t.len, "yes");
	assert_true(tar_probe(yes));
	zeros = block_mem_new(1024, "zeros");
	assert_false(tar_probe(zeros));
	tiny = block_mem_from(t.s, 511, "tiny");
	assert_false(tar_probe(tiny));
	memset(junk, 'x', sizeof(junk));
	text = block_mem_from(junk, sizeof(junk), "junk");
	assert_false(tar_probe(text));
}

/* GNU tar and Python's tarfile as the makers of archives: names, order, sizes and places agree. */
static void archives_of_other_programs_are_read(void **state)
{
	static const char *const formats[] = {"v7", "ustar", "oldgnu", "gnu", "posix"};
	char dir[] = "/tmp/wherry-test-tar-XXXXXX", command[1000];

	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		_auto_str_ struct str t = STR_INIT;
		bool is_long = i >= 2;
		FILE *f;
		char buf[4096];
		size_t n;

		snprintf(command, sizeof(command),
			"cd %s && mkdir -p d && printf a >d/a && printf bb >b && printf %%0300d 0 "
			"| sed 's/./x/g' >x && cp x $(printf %%0150d 0 | sed s/0/x/g) && "
			"tar --format=%s --owner=root --group=root -cf t.tar d b x %s",
			dir, formats[i], is_long ? "xxx*" : "");
		if (system(command) != 0)
			fail_msg("%s failed", command);
		snprintf(command, sizeof(command), "%s/t.tar", dir);
		f = fopen(command, "rb");
		assert_non_null(f);
		while ((n = fread(buf, 1, sizeof(buf), f)))
			str_addn(&t, buf, n);
		fclose(f);
		snprintf(command, sizeof(command), "d/:0 d/a:1 b:2 x:300 %.*s%s",
			is_long ? 150 : 0,
			"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
			"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
			"xxxxxxxxx",
			is_long ? ":300 " : "");
		assert_members(&t, command);
	}
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_members_are_listed_with_their_place),
		cmocka_unit_test(an_archive_that_just_ends_is_told_apart),
		cmocka_unit_test(long_names_of_all_kinds_are_read),
		cmocka_unit_test(the_header_before_posix_is_read),
		cmocka_unit_test(sums_of_signed_bytes_are_accepted),
		cmocka_unit_test(sizes_of_all_forms_are_read),
		cmocka_unit_test(a_pax_size_counts),
		cmocka_unit_test(names_that_lead_out_are_refused),
		cmocka_unit_test(names_with_dots_that_stay_inside_are_fine),
		cmocka_unit_test(links_and_devices_have_no_bytes),
		cmocka_unit_test(unknown_kinds_are_skipped_with_their_bytes),
		cmocka_unit_test(sparse_and_split_members_are_refused),
		cmocka_unit_test(damaged_pax_headers_are_refused),
		cmocka_unit_test(extended_headers_are_bounded),
		cmocka_unit_test(lying_lengths_are_refused),
		cmocka_unit_test(a_damaged_header_is_refused_with_its_position),
		cmocka_unit_test(every_truncation_is_seen),
		cmocka_unit_test(a_regular_member_needs_a_name),
		cmocka_unit_test(only_archives_are_probed_as_such),
		cmocka_unit_test(archives_of_other_programs_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
