// SPDX-License-Identifier: LGPL-2.1-or-later
/* block_file and block_window: real files against a copy in memory. */
#include "tests/unit/block_model.h"
#include "tests/unit/test.h"

#include "formats/base/alloc.h"
#include "formats/block/block_file.h"
#include "formats/block/block_mem.h"
#include "formats/block/block_window.h"

#include <fcntl.h>
#include <stdlib.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MODEL_SIZE (3 * 1024 * 1024 + 777)

struct dir {
	char path[64];
	char file[96];
};

static int make_dir(void **state)
{
	struct dir *d = xnew(struct dir);

	snprintf(d->path, sizeof(d->path), "/var/tmp/wherry-test-XXXXXX");
	if (!mkdtemp(d->path))
		return -1;
	snprintf(d->file, sizeof(d->file), "%s/file", d->path);
	*state = d;
	return 0;
}

static int remove_dir(void **state)
{
	struct dir *d = *state;

	unlink(d->file);
	rmdir(d->path);
	free(d);
	return 0;
}

static void a_file_behaves_as_memory(void **state)
{
	static const unsigned flags[] = {0, BLOCK_FILE_DIRECT};
	struct dir *d = *state;
	struct err err = {0};

	for (unsigned i = 0; i < ARRAY_SIZE(flags); i++) {
		_auto_(block) struct block *b = NULL;

		assert_ok(block_file_create(&b, d->file, flags[i], &err));
		assert_ok(block_resize(b, MODEL_SIZE, &err));
		block_behaves_as_memory(b, NULL, 42 + i);
		assert_int_equal(b->size, MODEL_SIZE);
		unlink(d->file);
	}
}

static void a_file_without_direct_io_behaves_as_memory(void **state)
{
	_auto_(block) struct block *b = NULL;
	struct err err = {0};
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_ok(block_file_from_fd(
		&b, fd, "memfd", BLOCK_FILE_WRITE | BLOCK_FILE_GROW | BLOCK_FILE_DIRECT, &err));
	assert_ok(block_resize(b, MODEL_SIZE, &err));
	block_behaves_as_memory(b, NULL, 7);
}

static void a_window_behaves_as_memory_and_touches_nothing_else(void **state)
{
	struct block *mem = block_mem_new(MODEL_SIZE + 10000, "below");
	_auto_(block) struct block *w = NULL;
	_auto_(block) struct block *below = NULL;
	struct err err = {0};

	memset(block_mem_bytes(mem), 0xee, mem->size);
	memset(block_mem_bytes(mem) + 5000, 0, MODEL_SIZE);
	below = block_ref(mem);
	assert_ok(block_window_open(&w, mem, 5000, MODEL_SIZE, &err));
	block_behaves_as_memory(w, NULL, 3);
	for (unsigned i = 0; i < 5000; i++) {
		assert_int_equal(block_mem_bytes(below)[i], 0xee);
		assert_int_equal(block_mem_bytes(below)[5000 + MODEL_SIZE + i], 0xee);
	}
}

static void a_window_outside_is_refused_and_leaves_the_block_to_its_owner(void **state)
{
	_auto_(block) struct block *below = block_mem_new(1000, "vm.ova");
	struct block *w = NULL;
	struct err err = {0};

	assert_fails(block_window_open(&w, below, 900, 101, &err), EINVAL,
		"vm.ova: 101 bytes at 900 are outside of its 1000 bytes");
	assert_fails(block_window_open(&w, below, UINT64_MAX, 2, &err), EINVAL, "are outside");
	assert_null(w);
}

static void two_windows_share_one_block(void **state)
{
	struct block *below = block_mem_from("0123456789", 10, "vm.ova");
	struct block *w1 = NULL, *w2 = NULL;
	struct err err = {0};
	char buf[2];

	assert_ok(block_window_open(&w1, block_ref(below), 2, 4, &err));
	assert_ok(block_window_open(&w2, below, 6, 4, &err));
	block_free(w1);
	assert_ok(block_pread(w2, buf, 2, 1, &err));
	assert_memory_equal(buf, "78", 2);
	block_free(w2); /* the sanitizer build sees whether anything is left or freed twice */
}

static void a_growing_file_ends_where_the_furthest_write_did(void **state)
{
	struct dir *d = *state;
	_auto_(block) struct block *b = NULL;
	struct err err = {0};
	struct stat st;
	char buf[8];

	assert_ok(block_file_create(&b, d->file, 0, &err));
	assert_int_equal(b->size, 0);
	assert_ok(block_pwrite(b, "data", 4, 100000, &err));
	assert_int_equal(block_size(b), 100004);
	assert_ok(block_pwrite(b, "head", 4, 0, &err));
	assert_int_equal(block_size(b), 100004);
	assert_ok(block_zero(b, 200000, 5000, BLOCK_MAY_UNMAP, &err));
	assert_int_equal(block_size(b), 205000);
	assert_ok(block_zero(b, 300000, 5000, 0, &err));
	assert_int_equal(block_size(b), 305000);
	assert_ok(block_pread(b, buf, 8, 99998, &err));
	assert_memory_equal(buf, "\0\0data\0\0", 8);
	assert_fails(block_pread(b, buf, 1, 305000, &err), EINVAL, "has 305000 bytes");
	assert_int_equal(stat(d->file, &st), 0);
	assert_int_equal(st.st_size, 305000);
	assert_ok(block_resize(b, 50, &err));
	assert_int_equal(stat(d->file, &st), 0);
	assert_int_equal(st.st_size, 50);
	assert_fails(block_pread(b, buf, 1, 50, &err), EINVAL, "has 50 bytes");
}

static void holes_of_a_file_are_its_extents(void **state)
{
	struct dir *d = *state;
	_auto_(block) struct block *b = NULL;
	struct err err = {0};
	struct extent e;

	assert_ok(block_file_create(&b, d->file, 0, &err));
	assert_ok(block_pwrite(b, "x", 1, 0, &err));
	assert_ok(block_pwrite(b, "x", 1, 10 * MiB, &err));
	assert_ok(block_resize(b, 20 * MiB, &err));
	assert_ok(block_extent(b, 5 * MiB, UINT64_MAX, &e, &err));
	if (!e.flags)
		skip(); /* this file system has no holes */
	assert_int_equal(e.flags, BLOCK_ZERO | BLOCK_HOLE);
	assert_int_equal(e.len, 5 * MiB);
	assert_ok(block_extent(b, 10 * MiB, UINT64_MAX, &e, &err));
	assert_int_equal(e.flags, 0);
	assert_in_range(e.len, 1, MiB);
	assert_ok(block_extent(b, 15 * MiB, UINT64_MAX, &e, &err));
	assert_int_equal(e.flags, BLOCK_ZERO | BLOCK_HOLE);
	assert_int_equal(e.len, 5 * MiB);
	assert_ok(block_extent(b, 15 * MiB, 10, &e, &err));
	assert_int_equal(e.len, 10);
}

static void a_discarded_range_is_a_hole(void **state)
{
	struct dir *d = *state;
	_auto_(block) struct block *b = NULL;
	_auto_(mem) char *data = xcalloc(MiB, 1);
	struct err err = {0};
	struct extent e;

	memset(data, 'x', MiB);
	assert_ok(block_file_create(&b, d->file, 0, &err));
	assert_ok(block_pwrite(b, data, MiB, 0, &err));
	assert_ok(block_discard(b, 128 * KiB, 256 * KiB, &err));
	assert_ok(block_extent(b, 128 * KiB, UINT64_MAX, &e, &err));
	if (!e.flags)
		skip(); /* this file system cannot punch holes */
	assert_int_equal(e.len, 256 * KiB);
}

static void a_file_that_shrinks_is_an_error_and_never_zeros(void **state)
{
	struct dir *d = *state;
	_auto_(block) struct block *b = NULL;
	_auto_(mem) char *data = xcalloc(MiB, 1);
	struct err err = {0};
	struct extent e;

	memset(data, 'x', MiB);
	assert_ok(block_file_create(&b, d->file, 0, &err));
	assert_ok(block_pwrite(b, data, MiB, 0, &err));
	block_free(STEAL(b));
	assert_ok(block_file_open(&b, d->file, BLOCK_FILE_DIRECT, &err));
	assert_int_equal(truncate(d->file, 300000), 0);
	assert_fails(block_pread(b, data, MiB, 0, &err), EIO, "the file ends at 300000");
	assert_fails(block_extent(b, 400000, UINT64_MAX, &e, &err), EIO,
		"the file ends at 300000, it was 1048576 bytes when opened");
}

static void a_file_opened_for_reading_is_not_written(void **state)
{
	struct dir *d = *state;
	_auto_(block) struct block *b = NULL;
	struct err err = {0};

	assert_ok(block_file_create(&b, d->file, 0, &err));
	assert_fails(block_file_create(&b, d->file, 0, &err), EEXIST, "cannot create");
	block_free(STEAL(b));
	assert_ok(block_file_open(&b, d->file, 0, &err));
	assert_fails(block_pwrite(b, "x", 1, 0, &err), EROFS, "opened read-only");
	assert_fails(block_resize(b, 10, &err), EROFS, "cannot resize");
}

static void what_is_no_file_is_refused(void **state)
{
	struct dir *d = *state;
	struct block *b = NULL;
	struct err err = {0};

	assert_fails(block_file_open(&b, d->path, 0, &err), EINVAL, "a folder, neither");
	assert_fails(block_file_open(&b, d->file, 0, &err), ENOENT, "cannot open");
	assert_int_equal(mkfifo(d->file, 0600), 0);
	assert_fails(block_file_open(&b, d->file, 0, &err), EINVAL, "a special file");
	assert_null(b);
}

/* Runs in a child, whose file size limit it lowers. */
static int write_past_the_limit(const char *path, unsigned flags)
{
	_auto_(block) struct block *b = NULL;
	_auto_(mem) void *data = xaligned(4096, MiB);
	struct rlimit limit = {512 * KiB, 512 * KiB};
	struct err err = {0};

	memset(data, 'x', MiB);
	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &limit) < 0 || block_file_create(&b, path, flags, &err) < 0)
		return 2;
	if (block_pwrite(b, data, MiB, 0, &err) != -EFBIG)
		return 3;
	return strstr(err.text, "cannot write") && strstr(err.text, "at 524288") ? 0 : 4;
}

static void a_full_file_is_an_error_that_says_where(void **state)
{
	static const unsigned flags[] = {0, BLOCK_FILE_DIRECT};
	struct dir *d = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(flags); i++) {
		int status;
		pid_t pid = fork();

		if (!pid)
			_exit(write_past_the_limit(d->file, flags[i]));
		assert_true(pid > 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		unlink(d->file);
	}
}

#define with_dir(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_dir(a_file_behaves_as_memory),
		cmocka_unit_test(a_file_without_direct_io_behaves_as_memory),
		cmocka_unit_test(a_window_behaves_as_memory_and_touches_nothing_else),
		cmocka_unit_test(a_window_outside_is_refused_and_leaves_the_block_to_its_owner),
		cmocka_unit_test(two_windows_share_one_block),
		with_dir(a_growing_file_ends_where_the_furthest_write_did),
		with_dir(holes_of_a_file_are_its_extents),
		with_dir(a_discarded_range_is_a_hole),
		with_dir(a_file_that_shrinks_is_an_error_and_never_zeros),
		with_dir(a_file_opened_for_reading_is_not_written),
		with_dir(what_is_no_file_is_refused),
		with_dir(a_full_file_is_an_error_that_says_where),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
