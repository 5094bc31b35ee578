// SPDX-License-Identifier: LGPL-2.1-or-later
/* fuzz_vmdk: any bytes as a VMDK, opened strictly and leniently, mapped and read. */
#include "tests/fuzz/fuzz.h"

#include "formats/base/alloc.h"
#include "formats/block/block_mem.h"
#include "formats/vmdk/vmdk.h"
#include "tests/support/mkvmdk.h"

/* A disk may claim terabytes: so much of it is mapped and read at its beginning and end. */
#define EXTENTS 50
#define BYTES   (256 * KiB)

static void read_some(struct block *b, uint64_t from, uint8_t *buf)
{
	uint64_t n = MIN(b->size - from, BYTES);

	block_pread(b, buf, n, from, NULL);
	for (uint64_t i = 0; i < 8 && n > 100; i++) /* small ones go another way */
		block_pread(b, buf, 100, from + i * (n - 100) / 8, NULL);
}

static void use(const uint8_t *data, size_t size, bool damaged_ok)
{
	struct image_open how = {.damaged_ok = damaged_ok};
	struct block *file = block_mem_from(data, size, "fuzz"), *b = NULL;
	uint8_t *buf;
	uint64_t off = 0;

	if (image_vmdk.open(&b, file, &how, NULL) < 0) {
		block_free(file);
		return;
	}
	buf = xmalloc(BYTES);
	for (unsigned i = 0; i < EXTENTS && off < b->size; i++) {
		struct extent e;

		if (block_extent(b, off, b->size - off, &e, NULL) < 0)
			break;
		off += e.len;
	}
	read_some(b, 0, buf);
	read_some(b, b->size - MIN(b->size, BYTES), buf);
	free(buf);
	block_free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	image_vmdk.probe(data, MIN(size, (size_t)IMAGE_PROBE_LEN), size);
	use(data, size, false);
	use(data, size, true);
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
	use_seed("descriptor", descriptor, sizeof(descriptor) - 1, opaque);
}
