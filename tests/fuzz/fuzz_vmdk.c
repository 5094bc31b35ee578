// SPDX-License-Identifier: LGPL-2.1-or-later
/* fuzz_vmdk: any bytes as a VMDK, opened strictly and leniently, mapped and read. */
#include "tests/fuzz/fuzz.h"

#include "formats/block/block_mem.h"
#include "formats/vmdk/vmdk.h"
#include "tests/fuzz/fuzz_image.h"
#include "tests/support/mkvmdk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	image_vmdk.probe(data, MIN(size, (size_t)IMAGE_PROBE_LEN), size);
	for (unsigned i = 0; i < 2; i++)
		fuzz_image(&image_vmdk, block_mem_from(data, size, "fuzz"),
			&(struct image_open){.damaged_ok = i}, NULL);
	return 0;
}

void fuzz_seeds(void (*use_seed)(const char *name, const void *data, size_t size, void *opaque),
	void *opaque)
{
	static const struct {
		const char *name;
		struct mkvmdk how;
	} ways[] = {
		{"stream", {0}},
		{"front", {.tables = MKVMDK_FRONT}},
		{"both", {.tables = MKVMDK_BOTH, .zero_grains = true}},
		{"shuffled", {.shuffle = true, .short_last = true}},
		{"sparse", {.sparse = true}},
		{"redundant", {.sparse = true, .redundant = true, .zero_grains = true}},
	};
	static const char descriptor[] = "# Disk DescriptorFile\nversion=1\nencoding=\"GBK\"\n"
					 "CID=12345678\nparentCID=87654321\n"
					 "parentFileNameHint=\"base.vmdk\"\n"
					 "createType=\"vmfsSparse\"\n"
					 "RW 100 VMFSSPARSE \"a-delta.vmdk\"\n"
					 "RDONLY 7 FLAT \"\xd6\xd0.vmdk\" 5\nNOACCESS 9 ZERO\n"
					 "ddb.adapterType = \"lsilogic\"\n";
	/* What needs no file. */
	static const char zeros[] = "# Disk DescriptorFile\ncreateType=\"custom\"\n"
				    "RW 100 ZERO\nNOACCESS 9 FLAT \"a.vmdk\" 0\nRW 0 ZERO\n"
				    "RDONLY 1000 ZERO\n";
	uint8_t raw[6 * 4096 + 512] = {0};

	for (size_t i = 0; i < sizeof(raw); i++)
		raw[i] = i / 8192 % 2 ? 0 : i * i >> 5;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct mkvmdk how = ways[i].how;
		struct mkvmdk_file f;

		how.grain = 8;
		mkvmdk(&f, raw, sizeof(raw), &how);
		use_seed(ways[i].name, f.bytes, f.len, opaque);
		mkvmdk_free(&f);
	}
	use_seed("zeros", zeros, sizeof(zeros) - 1, opaque);
	use_seed("descriptor", descriptor, sizeof(descriptor) - 1, opaque);
}
