// SPDX-License-Identifier: LGPL-2.1-or-later
/* kmod: dependencies and built-in drivers; our index is read by modprobe. */
#include "tests/unit/test.h"

#include "formats/base/alloc.h"
#include "formats/base/io.h"
#include "guestfix/lib/kmod.h"

#include <stdlib.h>
#include <unistd.h>

static struct err err;

static const char dep[] =
	"kernel/drivers/virtio/virtio.ko: kernel/drivers/virtio/virtio_ring.ko\n"
	"kernel/drivers/virtio/virtio_ring.ko:\n"
	"kernel/drivers/block/virtio_blk.ko: kernel/drivers/virtio/virtio.ko "
	"kernel/drivers/virtio/virtio_ring.ko\n"
	"kernel/a/virtio-odd.ko.xz: kernel/drivers/virtio/virtio.ko\n"
	"kernel/a/virtio_blk_more.ko:\n";
static const char builtin[] = "kernel/drivers/virtio/virtio_pci.ko\nkernel/fs/ext-x.ko\n";

static void a_modules_files_are_it_and_all_it_needs(void **state)
{
	char **paths = NULL;

	assert_int_equal(kmod_closure(dep, builtin, "virtio_blk", &paths), 0);
	assert_int_equal(strv_len(paths), 3);
	assert_string_equal(paths[0], "kernel/drivers/block/virtio_blk.ko");
	assert_true(strv_has(paths, "kernel/drivers/virtio/virtio.ko"));
	assert_true(strv_has(paths, "kernel/drivers/virtio/virtio_ring.ko"));
	/* a second module brings only what is new */
	assert_int_equal(kmod_closure(dep, builtin, "virtio", &paths), 0);
	assert_int_equal(strv_len(paths), 3);
	strv_free(paths);
}

static void built_in_missing_and_similar_names_are_told_apart(void **state)
{
	char **paths = NULL;

	assert_int_equal(kmod_closure(dep, builtin, "virtio_pci", &paths), 1);
	assert_int_equal(kmod_closure(dep, NULL, "virtio_pci", &paths), -ENOENT);
	assert_int_equal(kmod_closure(NULL, builtin, "virtio_blk", &paths), -ENOENT);
	assert_int_equal(kmod_closure(dep, builtin, "virtio_bl", &paths), -ENOENT);
	assert_int_equal(kmod_closure(dep, builtin, "", &paths), -ENOENT);
	assert_null(paths);
	assert_true(kmod_has(dep, builtin, "ext_x"));
}

static void hyphen_and_underscore_are_the_same(void **state)
{
	char **paths = NULL, *name = kmod_name("kernel/a/virtio-odd.ko.xz");

	assert_string_equal(name, "virtio_odd");
	free(name);
	assert_int_equal(kmod_closure(dep, builtin, "virtio_odd", &paths), 0);
	assert_string_equal(paths[0], "kernel/a/virtio-odd.ko.xz");
	assert_string_equal(kmod_suffix(paths[0]), ".xz");
	assert_string_equal(kmod_suffix("kernel/a.ko"), "");
	assert_null(kmod_suffix("modules.dep"));
	assert_null(kmod_suffix("x.ko.d/modules.dep"));
	strv_free(paths);
}

static void paths_that_lead_out_of_the_folder_are_dropped(void **state)
{
	char **paths = NULL;

	assert_int_equal(kmod_closure("a/x.ko: ../../etc/passwd.ko /etc/y.ko b/z.ko\n", NULL,
				 "x", &paths),
		0);
	assert_int_equal(strv_len(paths), 2);
	assert_string_equal(paths[1], "b/z.ko");
	strv_free(paths);
}

static void a_huge_or_odd_text_is_bounded(void **state)
{
	struct str s = STR_INIT;
	char **paths = NULL;

	str_add(&s, "a/x.ko:");
	for (unsigned i = 0; i < 100000; i++)
		str_addf(&s, " a/m%u.ko", i);
	str_add(&s, "\nno colon here\n\n:::\n");
	assert_int_equal(kmod_closure(s.s, NULL, "x", &paths), 0);
	assert_int_equal(strv_len(paths), KMOD_MAX_CLOSURE);
	strv_free(paths);
	str_clear(&s);
}

static void suffixes_are_renamed_everywhere(void **state)
{
	char *t = kmod_rename_dep("a/x.ko.xz: b/y.ko.xz c/z.ko.zst\nb/y.ko.xz:\n", "");

	assert_string_equal(t, "a/x.ko: b/y.ko c/z.ko\nb/y.ko:\n");
	free(t);
}

/* Compares what modprobe says from our index with what it says from depmod's text. */
static void modprobe_reads_our_index(void **state)
{
	char root[] = "/tmp/test_kmod-XXXXXX", *path, *cmd, *out;
	size_t len;
	void *bin;

	assert_non_null(mkdtemp(root));
	/* modprobe leaves out files that do not exist */
	cmd = xasprintf(
		"mkdir -p %s/lib/modules/1.0 && cd %s/lib/modules/1.0 && "
		"for f in drivers/virtio/virtio drivers/virtio/virtio_ring "
		"drivers/block/virtio_blk a/virtio_blk_more; do mkdir -p kernel/${f%%/*}; "
		": > kernel/$f.ko; done; : > kernel/a/virtio-odd.ko.xz",
		root, root);
	assert_int_equal(system(cmd), 0);
	free(cmd);
	assert_ok(kmod_dep_index(dep, &bin, &len, &err));
	path = xasprintf("%s/lib/modules/1.0/modules.dep.bin", root);
	assert_ok(io_write_file(path, bin, len, &err));
	free(path);
	free(bin);
	cmd = xasprintf(
		"cd %s && for m in virtio_blk virtio-odd virtio_ring virtio_blk_more; do "
		"PATH=$PATH:/sbin:/usr/sbin modprobe -d %s -S 1.0 --show-depends $m | "
		"sed 's,.*/,,'; done > out 2>/dev/null",
		root, root);
	if (system(cmd)) {
		free(cmd);
		skip(); /* no modprobe */
	}
	free(cmd);
	path = xasprintf("%s/out", root);
	assert_ok(io_read_file(path, MiB, &out, &len, &err));
	assert_string_equal(out, "virtio_ring.ko \nvirtio.ko \nvirtio_blk.ko \n"
				 "virtio.ko \nvirtio-odd.ko.xz \nvirtio_ring.ko \n"
				 "virtio_blk_more.ko \n");
	free(out);
	free(path);
	cmd = xasprintf("rm -rf %s", root);
	assert_int_equal(system(cmd), 0);
	free(cmd);
}

static void strange_names_have_no_index(void **state)
{
	size_t len;
	void *bin;

	assert_fails(kmod_dep_index("a/\xff.ko:\n", &bin, &len, &err), EINVAL, "strange");
	assert_ok(kmod_dep_index("", &bin, &len, &err));
	assert_int_equal(len, 12);
	free(bin);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_modules_files_are_it_and_all_it_needs),
		cmocka_unit_test(built_in_missing_and_similar_names_are_told_apart),
		cmocka_unit_test(hyphen_and_underscore_are_the_same),
		cmocka_unit_test(paths_that_lead_out_of_the_folder_are_dropped),
		cmocka_unit_test(a_huge_or_odd_text_is_bounded),
		cmocka_unit_test(suffixes_are_renamed_everywhere),
		cmocka_unit_test(modprobe_reads_our_index),
		cmocka_unit_test(strange_names_have_no_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
