// SPDX-License-Identifier: LGPL-2.1-or-later
/* vmdk_desc: the descriptor's grammar. */
#include "tests/unit/test.h"

#include "formats/base/str.h"
#include "formats/vmdk/vmdk_desc.h"

static int parse(struct vmdk_desc **ret, const char *text, struct err *err)
{
	return vmdk_desc_parse(ret, text, strlen(text), err);
}

static void a_descriptor_as_vmware_writes_it_is_understood(void **state)
{
	_auto_(vmdk_desc) struct vmdk_desc *d = NULL;
	struct err err = {0};

	assert_ok(parse(&d,
		"# Disk DescriptorFile\r\nversion=1\r\nencoding=\"UTF-8\"\r\nCID=75748046\r\n"
		"parentCID=ffffffff\r\nisNativeSnapshot=\"no\"\r\ncreateType=\"twoGbMaxExtentSparse\"\r\n"
		"\r\n# Extent description\r\nRW 4192256 SPARSE \"my disk-s001.vmdk\"\r\n"
		"RDONLY 2048 FLAT \"x-f002.vmdk\" 128\r\nNOACCESS 63 ZERO\r\n"
		"# The disk Data Base\r\n#DDB\r\nddb.adapterType = \"lsilogic\"\r\n",
		&err));
	assert_int_equal(d->version, 1);
	assert_int_equal(d->cid, 0x75748046);
	assert_int_equal(d->parent_cid, VMDK_NO_PARENT);
	assert_string_equal(d->create_type, "twoGbMaxExtentSparse");
	assert_int_equal(d->extent_count, 3);
	assert_string_equal(d->extents[0].file, "my disk-s001.vmdk");
	assert_int_equal(d->extents[0].sectors, 4192256);
	assert_int_equal(d->extents[1].access, VMDK_RDONLY);
	assert_int_equal(d->extents[1].type, VMDK_EXTENT_FLAT);
	assert_int_equal(d->extents[1].file_sector, 128);
	assert_int_equal(d->extents[2].access, VMDK_NOACCESS);
	assert_int_equal(d->extents[2].type, VMDK_EXTENT_ZERO);
	assert_null(d->extents[2].file);
	assert_int_equal(d->sectors, 4192256 + 2048 + 63);
	assert_string_equal(vmdk_desc_key(d, "DDB.ADAPTERTYPE"), "lsilogic");
	assert_null(vmdk_desc_key(d, "ddb"));
}

static void each_oddity_that_is_allowed_is_understood(void **state)
{
	static const char *const texts[] = {
		"RW 10 SPARSE \"a.vmdk\"", /* no end of line, nothing else */
		"\xef\xbb\xbf# Disk\nRW 10 SPARSE \"a.vmdk\"\n", /* byte order mark */
		"  rw\t10   sparse \t\"a.vmdk\"  \n",
		"RW 10 SPARSE \"a.vmdk\" 0 part-uuid device-id\n",
		"\r\r\r\nRW 10 SPARSE \"a.vmdk\"\r#x\r",
		"RW 10 SPARSE \"a.vmdk\"\n\0garbage behind the end",
		"CID = \"00000001\"\nRW 10 SPARSE \"a.vmdk\"\n",
		"version=4\nRW 10 SPARSE \"a.vmdk\"\n",
		"CID=1\nCID=1\nRW 10 SPARSE \"a.vmdk\"\n", /* twice, but the same */
		"changeTrackPath=\"x\"\nRW 10 SPARSE \"a.vmdk\"\n",
		"a=b=c\nRW 10 SPARSE \"a.vmdk\"\n",
		"RWX=1\nrw=2\nRW 10 SPARSE \"a.vmdk\"\n", /* keys that begin like an access */
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_auto_(vmdk_desc) struct vmdk_desc *d = NULL;
		struct err err = {0};

		if (parse(&d, texts[i], &err) < 0)
			fail_msg("text %zu: %s", i, err.text);
		assert_int_equal(d->extent_count, 1);
		assert_string_equal(d->extents[0].file, "a.vmdk");
		assert_int_equal(d->sectors, 10);
		assert_int_equal(d->parent_cid, VMDK_NO_PARENT);
	}
}

static void what_makes_no_sense_is_refused_with_its_line(void **state)
{
	static const struct {
		const char *text;
		int code;
		const char *part;
	} cases[] = {
		{"", EINVAL, "no extent"},
		{"# only a comment\n", EINVAL, "no extent"},
		{"\nnonsense\n", EINVAL, "line 2: \"nonsense\" is neither a key nor an extent"},
		{"=x\n", EINVAL, "line 1"},
		{"RWX 10 SPARSE \"a\"\n", EINVAL, "neither a key nor an extent"},
		{"RW\n", EINVAL, "\"\" is no number of sectors"},
		{"RW ten SPARSE \"a\"\n", EINVAL, "\"ten\" is no number of sectors"},
		{"RW -1 SPARSE \"a\"\n", EINVAL, "\"-1\" is no number"},
		{"RW 99999999999999999999 SPARSE \"a\"\n", EINVAL, "is no number of sectors"},
		{"RW 137438953473 SPARSE \"a\"\n", EINVAL, "at most 137438953472"},
		{"RW 137438953472 FLAT \"a\"\nRW 1 FLAT \"b\"\n", EINVAL,
			"line 2: all extents have more than"},
		{"RW 10 SPARE \"a\"\n", ENOTSUP, "extent type \"SPARE\" is not known"},
		{"RW 10\n", EINVAL, "extent type \"\""},
		{"RW 10 SPARSE\n", EINVAL, "without a file name in quotes"},
		{"RW 10 SPARSE a.vmdk\n", EINVAL, "without a file name in quotes"},
		{"RW 10 SPARSE \"a.vmdk\n", EINVAL, "without a file name in quotes"},
		{"RW 10 SPARSE \"\"\n", EINVAL, "empty file name"},
		{"RW 10 FLAT \"a\" x\n", EINVAL, "\"x\" is no offset"},
		{"RW 10 FLAT \"a\" -1\n", EINVAL, "\"-1\" is no offset"},
		{"version=x\nRW 1 FLAT \"a\"\n", EINVAL, "version is \"x\""},
		{"version=9\nRW 1 FLAT \"a\"\n", ENOTSUP, "descriptor version 9"},
		{"CID=xyz\nRW 1 FLAT \"a\"\n", EINVAL, "CID is \"xyz\""},
		{"CID=\nRW 1 FLAT \"a\"\n", EINVAL, "CID is \"\""},
		{"CID=123456789\nRW 1 FLAT \"a\"\n", EINVAL, "CID is \"123456789\""},
		{"parentCID=-1\nRW 1 FLAT \"a\"\n", EINVAL, "parentCID is \"-1\""},
		{"CID=1\nCID=2\nRW 1 FLAT \"a\"\n", EINVAL, "CID is there twice"},
		{"createType=\"a\nRW 1 FLAT \"a\"\n", EINVAL,
			"line 1: createType: a quote is not closed"},
		{"createType=\"a\" b\nRW 1 FLAT \"a\"\n", EINVAL,
			"text behind the closing quote"},
		{"encryption.keySafe = \"x\"\nRW 1 FLAT \"a\"\n", ENOTSUP, "encrypted"},
		{"encoding=\"EBCDIC\"\nRW 1 FLAT \"\xe4\"\n", ENOTSUP, "encoding \"EBCDIC\""},
		{"encoding=\"Shift_JIS\"\nRW 1 FLAT \"\x83\"\n", EINVAL, "not valid Shift_JIS"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct vmdk_desc *d = NULL;
		struct err err = {0};

		assert_fails(parse(&d, cases[i].text, &err), cases[i].code, cases[i].part);
		assert_null(d);
	}
}

static void a_key_is_found_at_the_beginning_of_its_line_only(void **state)
{
	_auto_(vmdk_desc) struct vmdk_desc *d = NULL;
	struct err err = {0};

	assert_ok(parse(&d,
		"#CID=00000009\nparentCID=00000002\nx.CID=00000003\nCID=00000001\n"
		"parentFileNameHint=\"CID=00000007\"\nRW 1 FLAT \"createType=none\"\n",
		&err));
	assert_int_equal(d->cid, 1);
	assert_int_equal(d->parent_cid, 2);
	assert_string_equal(d->parent_file, "CID=00000007");
	assert_null(d->create_type);
}

static void file_names_become_utf8(void **state)
{
	static const struct {
		const char *encoding, *bytes, *utf8;
	} cases[] = {
		{"UTF-8", "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
		{"windows-1252", "gr\xfc\xdf \x80", "gr\xc3\xbc\xc3\x9f \xe2\x82\xac"},
		{"GBK", "\xd6\xd0", "\xe4\xb8\xad"},
		{"Big5", "\xa4\xa4", "\xe4\xb8\xad"},
		{"shift_jis", "\x92\x86", "\xe4\xb8\xad"},
		{"anything", "plain", "plain"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_auto_(vmdk_desc) struct vmdk_desc *d = NULL;
		_auto_(mem) char *text = xasprintf(
			"encoding=\"%s\"\nparentFileNameHint=\"%s\"\nRW 1 FLAT \"%s.vmdk\"\n",
			cases[i].encoding, cases[i].bytes, cases[i].bytes);
		_auto_(mem) char *file = xasprintf("%s.vmdk", cases[i].utf8);
		struct err err = {0};

		assert_ok(parse(&d, text, &err));
		assert_string_equal(d->parent_file, cases[i].utf8);
		assert_string_equal(d->extents[0].file, file);
	}
}

/* `count` times the line. */
static void assert_bounded(const char *line, unsigned count, const char *part)
{
	_auto_str_ struct str s = STR_INIT;
	struct vmdk_desc *d = NULL;
	struct err err = {0};

	for (unsigned i = 0; i < count; i++)
		str_add(&s, line);
	assert_fails(vmdk_desc_parse(&d, s.s, s.len, &err), EINVAL, part);
}

static void nothing_grows_without_limit(void **state)
{
	assert_bounded("RW 1 ZERO\n", 32769, "line 32769: more than 32768 extents");
	assert_bounded("a=b\n", 4097, "line 4097: more than 4096 keys");
	assert_bounded("################\n", 300000, "descriptor of 5100000 bytes");
}

static void a_text_cut_at_any_byte_is_parsed_or_refused(void **state)
{
	static const char text[] =
		"# Disk DescriptorFile\nversion=1\nencoding=\"windows-1252\"\nCID=75748046\n"
		"parentCID=ffffffff\ncreateType=\"vmfs\"\nRW 100 VMFS \"\xe4-flat.vmdk\"\n"
		"ddb.adapterType = \"lsilogic\"\n";

	for (size_t len = 0; len < sizeof(text); len++) {
		struct vmdk_desc *d = NULL;
		char *copy = xmemdup(text, len); /* exactly so long: a sanitizer sees more */

		if (!vmdk_desc_parse(&d, copy, len, NULL)) {
			assert_int_equal(d->extent_count, 1);
			assert_int_equal(d->sectors, 100);
		}
		vmdk_desc_free(d);
		free(copy);
	}
}

static void a_descriptor_file_is_recognised_by_its_first_line(void **state)
{
	assert_true(vmdk_desc_is("# Disk DescriptorFile\n", 22));
	assert_true(vmdk_desc_is("# disk descriptorfile", 21));
	assert_true(vmdk_desc_is("\xef\xbb\xbf\r\n# Disk DescriptorFile", 26));
	assert_false(vmdk_desc_is("# Disk DescriptorFil", 20));
	assert_false(vmdk_desc_is("version=1\n", 10));
	assert_false(vmdk_desc_is("", 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_descriptor_as_vmware_writes_it_is_understood),
		cmocka_unit_test(each_oddity_that_is_allowed_is_understood),
		cmocka_unit_test(what_makes_no_sense_is_refused_with_its_line),
		cmocka_unit_test(a_key_is_found_at_the_beginning_of_its_line_only),
		cmocka_unit_test(file_names_become_utf8),
		cmocka_unit_test(nothing_grows_without_limit),
		cmocka_unit_test(a_text_cut_at_any_byte_is_parsed_or_refused),
		cmocka_unit_test(a_descriptor_file_is_recognised_by_its_first_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
