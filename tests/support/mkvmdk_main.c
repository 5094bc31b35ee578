// SPDX-License-Identifier: LGPL-2.1-or-later
/* mkvmdk RAW VMDK [OPTION...]: a raw file as a VMDK with the oddities asked for (mkvmdk.h). */
#include "formats/base/io.h"
#include "formats/base/str.h"
#include "tests/support/mkvmdk.h"

#include <stdio.h>

int main(int argc, char **argv)
{
	struct mkvmdk how = {0};
	struct mkvmdk_file f;
	struct err err = {0};
	char *raw;
	size_t len;

	for (int i = 3; i < argc; i++)
		if (!mkvmdk_option(&how, argv[i])) {
			fprintf(stderr, "mkvmdk: no option %s\n", argv[i]);
			return 2;
		}
	if (argc < 3) {
		fputs("usage: mkvmdk RAW VMDK [OPTION...]\n", stderr);
		return 2;
	}
	if (io_read_file(argv[1], GiB, &raw, &len, &err) < 0)
		goto fail;
	mkvmdk(&f, raw, len, &how);
	free(raw);
	if (io_write_file(argv[2], f.bytes, f.len, &err) < 0)
		goto fail;
	mkvmdk_free(&f);
	return 0;
fail:
	fprintf(stderr, "mkvmdk: %s\n", err.text);
	return 1;
}
