// SPDX-License-Identifier: LGPL-2.1-or-later
/* manifest: the forms of lines in the wild, and those that must not pass. */
#include "tests/unit/test.h"

#include "formats/base/str.h"
#include "formats/ova/manifest.h"

#define SHA1_ABC   "a9993e364706816aba3e25717850c26c9cd0d89d"
#define SHA256_ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define SHA512_ABC                                                                             \
	"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"                     \
	"2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"

static int parse(struct manifest **m, const char *text, struct err *err)
{
	return manifest_parse(m, text, strlen(text), "vm.mf", err);
}

static void every_known_form_of_a_line_is_read(void **state)
{
	static const struct {
		const char *line;
		const char *name;
		enum digest_algo algo;
		const char *hex;
	} rows[] = {
		{"SHA1(vm.ovf)= " SHA1_ABC, "vm.ovf", DIGEST_SHA1, SHA1_ABC},
		{"SHA1 (vm.ovf) = " SHA1_ABC, "vm.ovf", DIGEST_SHA1, SHA1_ABC},
		{"SHA256(vm.ovf)=" SHA256_ABC, "vm.ovf", DIGEST_SHA256, SHA256_ABC},
		{"SHA256(vm.ovf)= " SHA256_ABC "  ", "vm.ovf", DIGEST_SHA256, SHA256_ABC},
		{"sha512(vm.ovf)= " SHA512_ABC, "vm.ovf", DIGEST_SHA512, SHA512_ABC},
		{"SHA-256(vm.ovf)= " SHA256_ABC, "vm.ovf", DIGEST_SHA256, SHA256_ABC},
		{"SHA1(my disk (1).vmdk)= " SHA1_ABC, "my disk (1).vmdk", DIGEST_SHA1,
			SHA1_ABC},
		{"SHA1(a)=b.vmdk)= " SHA1_ABC, "a)=b.vmdk", DIGEST_SHA1, SHA1_ABC},
		{"\xef\xbb\xbfSHA1(bom)= " SHA1_ABC, "bom", DIGEST_SHA1, SHA1_ABC},
	};
	static const char *const ends[] = {"", "\n", "\r\n"};

	for (size_t i = 0; i < ARRAY_SIZE(rows) * ARRAY_SIZE(ends); i++) {
		_auto_(mem) char *text = xasprintf("%s%s", rows[i / 3].line, ends[i % 3]);
		_auto_(manifest) struct manifest *m = NULL;
		const struct manifest_entry *e;
		char hex[DIGEST_HEX_MAX];
		struct err err = {0};

		assert_ok(parse(&m, text, &err));
		assert_int_equal(m->n_entries, 1);
		assert_null(m->warnings);
		e = manifest_find(m, rows[i / 3].name);
		assert_non_null(e);
		assert_int_equal(e->algo, rows[i / 3].algo);
		assert_string_equal(
			digest_hex(hex, e->sum, digest_len(e->algo)), rows[i / 3].hex);
		assert_null(manifest_find(m, "other"));
	}
}

static void upper_case_digests_are_read(void **state)
{
	_auto_(manifest) struct manifest *m = NULL;
	struct err err = {0};

	assert_ok(parse(&m, "SHA1(x)= A9993E364706816ABA3E25717850C26C9CD0D89D\n", &err));
	assert_int_equal(manifest_find(m, "x")->sum[0], 0xa9);
}

static void odd_lines_are_warnings(void **state)
{
	static const char *const lines[] = {
		"hello",
		"SHA1",
		"SHA1(x)",
		"SHA1 x = 00",
		"= ",
		"()=",
		"MD5(x)= 00",
		"(x)= " SHA1_ABC,
		"SHA1()= " SHA1_ABC,
		"SHA1(x= " SHA1_ABC,
		"-----BEGIN CERTIFICATE-----",
		"SHA1)x(= " SHA1_ABC,
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		_auto_(mem) char *text =
			xasprintf("SHA1(a)= " SHA1_ABC "\n\n%s\nSHA1(b)= " SHA1_ABC, lines[i]);
		_auto_(manifest) struct manifest *m = NULL;
		struct err err = {0};

		assert_ok(parse(&m, text, &err));
		assert_int_equal(m->n_entries, 2);
		assert_int_equal(strv_len(m->warnings), 1);
		assert_non_null(strstr(m->warnings[0], "vm.mf: line 3 ignored"));
	}
}

static void damaged_digests_are_errors(void **state)
{
	static const struct {
		const char *text;
		const char *part;
	} rows[] = {
		{"SHA1(x)= ", "line 1: the SHA1 digest of x is not 40"},
		{"\nSHA1(x)= 00", "line 2"},
		{"SHA1(x)= " SHA256_ABC, "not 40 hexadecimal"},
		{"SHA256(x)= " SHA1_ABC, "not 64 hexadecimal"},
		{"SHA1(x)= " SHA1_ABC " y", "not 40"},
		{"SHA1(x)= z9993e364706816aba3e25717850c26c9cd0d89d", "not 40"},
		{"SHA1(x)= " SHA1_ABC "\nSHA1(x)= da39a3ee5e6b4b0d3255bfef95601890afd80709",
			"line 2: a second, different SHA1 digest of x"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_auto_(manifest) struct manifest *m = NULL;
		struct err err = {0};

		assert_fails(parse(&m, rows[i].text, &err), EINVAL, rows[i].part);
	}
}

static void the_strongest_algorithm_is_kept(void **state)
{
	static const char *const texts[] = {
		"SHA1(x)= " SHA1_ABC "\nSHA256(x)= " SHA256_ABC "\n",
		"SHA256(x)= " SHA256_ABC "\nSHA1(x)= " SHA1_ABC "\n",
		"SHA256(x)= " SHA256_ABC "\nSHA256(x)= " SHA256_ABC "\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_auto_(manifest) struct manifest *m = NULL;
		struct err err = {0};

		assert_ok(parse(&m, texts[i], &err));
		assert_int_equal(m->n_entries, 1);
		assert_int_equal(m->entries[0].algo, DIGEST_SHA256);
		assert_int_equal(m->entries[0].sum[0], 0xba);
	}
}

static void limits_hold(void **state)
{
	_auto_str_ struct str many = STR_INIT, odd = STR_INIT;
	_auto_(mem) char *big = xcalloc(MANIFEST_BYTES_MAX + 1, 1);
	_auto_(manifest) struct manifest *m = NULL;
	struct err err = {0};

	for (unsigned i = 0; i < MANIFEST_ENTRIES_MAX + 1; i++)
		str_addf(&many, "SHA1(%u)= " SHA1_ABC "\n", i);
	assert_fails(parse(&m, many.s, &err), EINVAL, "more than the 10000 files");
	for (unsigned i = 0; i < 1000; i++)
		str_add(&odd, "what?\n");
	assert_ok(parse(&m, odd.s, &err));
	assert_int_equal(strv_len(m->warnings), MANIFEST_WARNINGS_MAX + 1);
	assert_non_null(strstr(m->warnings[MANIFEST_WARNINGS_MAX], "984 more lines"));
	manifest_free(STEAL(m));
	memset(big, '\n', MANIFEST_BYTES_MAX + 1);
	assert_fails(manifest_parse(&m, big, MANIFEST_BYTES_MAX + 1, "vm.mf", &err), EINVAL,
		"1048577 bytes");
	assert_fails(manifest_parse(&m, "a\0b", 3, "vm.mf", &err), EINVAL, "NUL");
	assert_ok(manifest_parse(&m, "", 0, "vm.mf", &err));
	assert_int_equal(m->n_entries, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_known_form_of_a_line_is_read),
		cmocka_unit_test(upper_case_digests_are_read),
		cmocka_unit_test(odd_lines_are_warnings),
		cmocka_unit_test(damaged_digests_are_errors),
		cmocka_unit_test(the_strongest_algorithm_is_kept),
		cmocka_unit_test(limits_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
