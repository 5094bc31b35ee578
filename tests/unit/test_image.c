// SPDX-License-Identifier: LGPL-2.1-or-later
/* image: the table of formats: probing, opening and creating by name. */
#include "tests/unit/test.h"

#include "formats/base/alloc.h"
#include "formats/block/block_mem.h"
#include "formats/image.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int make_folder(void **state)
{
	char *dir = xstrdup("/tmp/wherry-image-XXXXXX");

	*state = dir;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_folder(void **state)
{
	int r = rmdir(*state);

	free(*state);
	return r;
}

static void each_format_is_found_by_its_name(void **state)
{
	for (size_t i = 0; image_formats[i]; i++) {
		assert_ptr_equal(image_format_find(image_formats[i]->name), image_formats[i]);
		assert_true(
			!(image_formats[i]->can & IMAGE_CAN_READ) || image_formats[i]->open);
		assert_true(!(image_formats[i]->can & IMAGE_CAN_CREATE) ||
			    image_formats[i]->create);
	}
	assert_null(image_format_find("qcow3"));
	assert_null(image_format_find(""));
}

static void what_no_format_claims_is_raw(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *format;
	} cases[] = {
		{"", 0, "raw"},
		{"QFI", 3, "raw"},
		{"QFI\xfb\0\0\0\3", 8, "qcow2"},
		{"QFI\xfb\0\0\0\1", 8, "qcow2"}, /* refused when opened, not taken for raw */
		{"\0QFI\xfb\0\0\0\3", 9, "raw"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_auto_(block) struct block *file =
			block_mem_from(cases[i].bytes, cases[i].len, "f");
		const struct image_format *f = NULL;
		struct err err = {0};

		assert_ok(image_probe(file, &f, &err));
		assert_string_equal(f->name, cases[i].format);
	}
}

static void what_is_known_to_be_no_disk_is_not_taken_for_raw(void **state)
{
	static const struct {
		size_t at;
		const char *bytes, *what;
	} cases[] = {
		{64, "\x7f\x10\xda\xbe", "a VDI image"},
		{257, "ustar", "a tar archive"},
		{0, "\x1f\x8b\x08", "compressed with gzip"},
		{0, "PK\x03\x04", "a zip archive"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_auto_(block) struct block *file = block_mem_new(1024, "f");
		uint8_t *bytes = block_mem_bytes(file);
		const struct image_format *f = NULL;
		struct err err = {0};

		memcpy(bytes + cases[i].at, cases[i].bytes, strlen(cases[i].bytes));
		assert_fails(image_probe(file, &f, &err), ENOTSUP, cases[i].what);
		memcpy(bytes + 510, "\x55\xaa", 2); /* a boot sector */
		assert_ok(image_probe(file, &f, &err));
		assert_string_equal(f->name, "raw");
	}
}

static void what_is_created_is_opened_again_with_its_size(void **state)
{
	for (size_t i = 0; image_formats[i]; i++) {
		_auto_(mem) char *path = xasprintf("%s/image", (char *)*state);
		struct image_create how = {.size = 3 * MiB + 512};
		const struct image_format *f = NULL;
		struct block *b = NULL;
		struct err err = {0};
		char got[4];

		if (!(image_formats[i]->can & IMAGE_CAN_CREATE))
			continue;
		assert_ok(image_create(&b, path, image_formats[i], &how, &err));
		assert_int_equal(b->size, how.size);
		assert_ok(block_pwrite(b, "here", 4, 2 * MiB, &err));
		assert_fails(block_pwrite(b, "x", 1, how.size, &err), EINVAL, "cannot write");
		assert_ok(block_flush(b, &err));
		block_free(b);
		assert_ok(image_open(&b, path, NULL, NULL, &f, &err));
		assert_ptr_equal(f, image_formats[i]);
		assert_int_equal(b->size, how.size);
		assert_ok(block_pread(b, got, 4, 2 * MiB, &err));
		assert_memory_equal(got, "here", 4);
		assert_fails(block_pwrite(b, "x", 1, 0, &err), EROFS, "read-only");
		block_free(b);
		assert_ok(image_open(
			&b, path, f->name, &(struct image_open){.write = true}, NULL, &err));
		assert_ok(block_pwrite(b, "gone", 4, 2 * MiB, &err));
		assert_fails(block_pwrite(b, "x", 1, how.size, &err), EINVAL, "cannot write");
		assert_ok(block_flush(b, &err));
		block_free(b);
		assert_int_equal(unlink(path), 0);
	}
}

static void a_file_that_exists_is_not_created_over(void **state)
{
	_auto_(mem) char *path = xasprintf("%s/image", (char *)*state);
	const struct image_format *qcow2 = image_format_find("qcow2");
	struct image_create how = {.size = MiB};
	struct block *b = NULL;
	struct err err = {0};

	assert_ok(image_create(&b, path, image_format_find("raw"), &how, &err));
	block_free(b);
	assert_fails(image_create(&b, path, qcow2, &how, &err), EEXIST, "image");
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(unlink(path), 0);
}

static void a_creation_that_fails_leaves_no_file(void **state)
{
	_auto_(mem) char *path = xasprintf("%s/image", (char *)*state);
	const struct image_format *qcow2 = image_format_find("qcow2");
	struct block *b = NULL;
	struct err err = {0};

	assert_fails(image_create(&b, path, qcow2,
			     &(struct image_create){.size = MiB, .cluster_size = 1000}, &err),
		EINVAL, "cluster size 1000");
	assert_fails(
		image_create(&b, path, qcow2,
			&(struct image_create){.size = 200 * GiB, .cluster_size = 512}, &err),
		EINVAL, "can hold 137438953472");
	assert_fails(image_create(&b, path, qcow2,
			     &(struct image_create){.size = MiB, .preallocate = true}, &err),
		ENOTSUP, "preallocated");
	assert_fails(image_create(&b, path, image_format_find("vmdk"),
			     &(struct image_create){.size = MiB}, &err),
		ENOTSUP, "vmdk are not made");
	assert_int_equal(access(path, F_OK), -1);
}

static void a_format_of_that_name_is_needed(void **state)
{
	struct block *b = NULL;
	struct err err = {0};

	assert_fails(image_open(&b, "/proc/self/exe", "qcow3", NULL, NULL, &err), EINVAL,
		"no image format is named \"qcow3\"");
	assert_fails(image_open(&b, "/proc/self/exe", "qcow2", NULL, NULL, &err), EINVAL,
		"is not qcow2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_format_is_found_by_its_name),
		cmocka_unit_test(what_no_format_claims_is_raw),
		cmocka_unit_test(what_is_known_to_be_no_disk_is_not_taken_for_raw),
		cmocka_unit_test(what_is_created_is_opened_again_with_its_size),
		cmocka_unit_test(a_file_that_exists_is_not_created_over),
		cmocka_unit_test(a_creation_that_fails_leaves_no_file),
		cmocka_unit_test(a_format_of_that_name_is_needed),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
