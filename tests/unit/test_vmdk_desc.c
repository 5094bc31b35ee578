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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_descriptor_as_vmware_writes_it_is_understood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
