// SPDX-License-Identifier: LGPL-2.1-or-later
/* fuzz_tar: archives of any bytes. Members lie within the file, one behind the other, and have
 * names that stay inside. */
#include "formats/block/block_mem.h"
#include "formats/ova/tar.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/tar_build.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_auto_(block) struct block *b = block_mem_from(data, size, "fuzz");
	struct tar_reader t;
	struct tar_member m;
	struct err err = {0};
	uint64_t end = 0;
	int r;

	tar_probe(b);
	tar_begin(&t, b, "fuzz");
	while ((r = tar_next(&t, &m, &err)) > 0) {
		fuzz_check(m.offset >= end + TAR_BLOCK && range_ok(m.offset, m.size, size));
		fuzz_check(m.name[0] != '/' && strcmp(m.name, "..") &&
			   !starts_with(m.name, "../") && !strstr(m.name, "/../") &&
			   !ends_with(m.name, "/.."));
		end = m.offset + m.size;
	}
	fuzz_check(r == 0 || (err.code == -r && *err.text));
	tar_end(&t);
	return 0;
}

void fuzz_seeds(void (*use)(const char *name, const void *data, size_t size, void *opaque),
	void *opaque)
{
	_auto_str_ struct str t = STR_INIT;

	tar_text(&t, "vm.ovf", '0', "<Envelope/>");
	tar_text(&t, "dir/", '5', "");
	tar_text(&t, "PaxHeaders/x", 'x', "9 size=3\n17 path=dir/name\n");
	tar_text(&t, "x", '0', "abc");
	tar_text(&t, "././@LongLink", 'L', "a/long/name");
	tar_text(&t, "y", '0', "abc");
	tar_text(&t, "link", '2', "");
	tar_close(&t);
	use("all-kinds", t.s, t.len, opaque);
	str_clear(&t);
	tar_text(&t, "a", '0', "a");
	memcpy(t.s + 124, "\x80\0\0\0\0\0\0\0\0\0\0\x01", 12);
	tar_sum(t.s);
	use("base-256", t.s, t.len, opaque);
}
