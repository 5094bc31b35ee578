// SPDX-License-Identifier: LGPL-2.1-or-later
/* base: errors, strings, sizes, opening beneath a folder. */
#include "tests/unit/test.h"

#include "formats/base/bytes.h"
#include "formats/base/io.h"
#include "formats/base/json.h"
#include "formats/base/str.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static void an_error_is_prefixed_on_the_way_up(void **state)
{
	struct err err = {0};

	assert_int_equal(err_set(&err, EINVAL, "grain %d", 7), -EINVAL);
	assert_int_equal(err_prefix(&err, "disk %d", 2), -EINVAL);
	assert_string_equal(err.text, "disk 2: grain 7");
}

static void a_long_error_keeps_its_cause(void **state)
{
	struct err err = {0};
	char name[900];

	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = 0;
	err_set(&err, EIO, "the cause that must survive, with a name of some length: %s", name);
	err_prefix(&err, "%s", name);
	assert_non_null(strstr(err.text, "the cause that must survive"));
}

static void a_long_name_leaves_room_for_the_cause(void **state)
{
	struct err err = {0};
	char name[2000];

	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = 0;
	err_set_errno(&err, ENOSPC, "cannot create %s", name);
	assert_true(starts_with(err.text, "cannot create nnn"));
	assert_true(ends_with(err.text, "...: No space left on device"));
}

static void text_that_is_not_utf8_becomes_json_all_the_same(void **state)
{
	static const struct {
		const char *text, *json;
	} cases[] = {
		{"disk", "\"disk\""},
		{"pl\xc3\xa4tte", "\"pl\xc3\xa4tte\""},
		{"pl\xe4tte", "\"pl\\\\xe4tte\""},
		{"\xff", "\"\\\\xff\""},
		{NULL, "null"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *j = json_text(cases[i].text);
		_auto_(mem) char *got = json_dumps(j, JSON_ENCODE_ANY);

		assert_string_equal(got, cases[i].json);
		json_decref(j);
	}
}

static void control_characters_do_not_reach_the_terminal(void **state)
{
	struct err err = {0};

	err_set(&err, EIO, "name \033[2J\n.vmdk");
	assert_string_equal(err.text, "name ?[2J?.vmdk");
}

static void sizes_are_read_with_units(void **state)
{
	static const struct {
		const char *text;
		uint64_t value;
		int r;
	} cases[] = {
		{"0", 0, 0},
		{"512", 512, 0},
		{"10G", 10 * GiB, 0},
		{"10GiB", 10 * GiB, 0},
		{"1k", 1024, 0},
		{"3MB", 3 * MiB, 0},
		{"18446744073709551615", UINT64_MAX, 0},
		{"18446744073709551616", 0, -ERANGE},
		{"17179869184G", 0, -ERANGE},
		{"", 0, -EINVAL},
		{"G", 0, -EINVAL},
		{"-1", 0, -EINVAL},
		{"1X", 0, -EINVAL},
		{"1GG", 0, -EINVAL},
		{" 1", 0, -EINVAL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t v = 0;

		assert_int_equal(parse_size(cases[i].text, &v), cases[i].r);
		assert_int_equal(v, cases[i].value);
	}
}

static void numbers_beyond_the_limit_are_refused(void **state)
{
	uint64_t v = 0;

	assert_int_equal(parse_u64("255", 255, &v), 0);
	assert_int_equal(v, 255);
	assert_int_equal(parse_u64("256", 255, &v), -ERANGE);
	assert_int_equal(parse_u64("9", 5, &v), -ERANGE);
	assert_int_equal(parse_u64("12a", 255, &v), -EINVAL);
}

static void ranges_are_checked_without_overflow(void **state)
{
	assert_true(range_ok(0, 10, 10));
	assert_true(range_ok(10, 0, 10));
	assert_false(range_ok(10, 1, 10));
	assert_false(range_ok(UINT64_MAX, 2, 10));
	assert_false(range_ok(5, UINT64_MAX, 10));
}

static void bytes_have_an_order(void **state)
{
	static const uint8_t b[8] = {1, 2, 3, 4, 5, 6, 7, 8};

	assert_int_equal(le32_load(b), 0x04030201);
	assert_int_equal(be32_load(b), 0x01020304);
	assert_int_equal(be64_load(b), 0x0102030405060708);
	assert_int_equal(be16_get(be16_make(0x1234)), 0x1234);
}

static void names_from_images_stay_in_their_folder(void **state)
{
	char dir[] = "/tmp/wherry-test-XXXXXX";
	struct err err = {0};
	char path[100];
	int dirfd, fd = -1;

	assert_non_null(mkdtemp(dir));
	dirfd = open(dir, O_RDONLY | O_DIRECTORY);
	assert_true(dirfd >= 0);
	assert_return_code(mkdirat(dirfd, "sub", 0755), errno);
	close(openat(dirfd, "sub/disk", O_CREAT | O_WRONLY, 0644));
	assert_return_code(symlinkat("/etc/hostname", dirfd, "link"), errno);
	assert_return_code(symlinkat("disk", dirfd, "sub/inside"), errno);

	assert_ok(io_open_beneath(dirfd, "sub/disk", &fd, &err));
	close(fd);
	assert_ok(io_open_beneath(dirfd, "sub/inside", &fd, &err));
	close(fd);
	assert_fails(io_open_beneath(dirfd, "/etc/hostname", &fd, &err), EPERM, "absolute");
	assert_fails(io_open_beneath(dirfd, "../../etc/hostname", &fd, &err), EPERM, "outside");
	assert_fails(io_open_beneath(dirfd, "link", &fd, &err), EPERM, "outside");
	assert_fails(io_open_beneath(dirfd, "sub", &fd, &err), EPERM, "not a regular file");
	assert_fails(io_open_folder_beneath(dirfd, "..", &fd, &err), EPERM, "outside");
	assert_fails(io_open_folder_beneath(dirfd, "sub/disk", &fd, &err), ENOTDIR, "sub/disk");
	assert_ok(io_open_folder_beneath(dirfd, "sub", &fd, &err));
	close(fd);
	assert_fails(io_open_beneath(dirfd, "none", &fd, &err), ENOENT, "none");

	unlinkat(dirfd, "sub/inside", 0);
	unlinkat(dirfd, "sub/disk", 0);
	unlinkat(dirfd, "link", 0);
	unlinkat(dirfd, "sub", AT_REMOVEDIR);
	close(dirfd);
	snprintf(path, sizeof(path), "%s", dir);
	assert_return_code(rmdir(path), errno);
}

static void a_file_is_written_whole_or_not_at_all(void **state)
{
	char dir[] = "/tmp/wherry-test-XXXXXX", path[100];
	struct err err = {0};
	char *text = NULL;
	size_t len;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/f", dir);
	assert_ok(io_write_file(path, "one", 3, &err));
	assert_ok(io_write_file(path, "second", 6, &err));
	assert_ok(io_read_file(path, 100, &text, &len, &err));
	assert_string_equal(text, "second");
	assert_int_equal(len, 6);
	free(text);
	assert_fails(
		io_read_file(path, 5, &text, &len, &err), EINVAL, "more than the 5 allowed");
	unlink(path);
	assert_return_code(rmdir(dir), errno); /* no temporary file is left */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_is_prefixed_on_the_way_up),
		cmocka_unit_test(a_long_error_keeps_its_cause),
		cmocka_unit_test(a_long_name_leaves_room_for_the_cause),
		cmocka_unit_test(text_that_is_not_utf8_becomes_json_all_the_same),
		cmocka_unit_test(control_characters_do_not_reach_the_terminal),
		cmocka_unit_test(sizes_are_read_with_units),
		cmocka_unit_test(numbers_beyond_the_limit_are_refused),
		cmocka_unit_test(ranges_are_checked_without_overflow),
		cmocka_unit_test(bytes_have_an_order),
		cmocka_unit_test(names_from_images_stay_in_their_folder),
		cmocka_unit_test(a_file_is_written_whole_or_not_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
