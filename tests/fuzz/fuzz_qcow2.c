// SPDX-License-Identifier: LGPL-2.1-or-later
/* fuzz_qcow2: any bytes as a qcow2 image: mapped and read, strictly and leniently, and changed in
 * place. */
#include "tests/fuzz/fuzz.h"

#include "formats/base/bytes.h"
#include "formats/block/block_mem.h"
#include "tests/fuzz/fuzz_image.h"

#include <assert.h>
#include <zlib.h>
#include <zstd.h>

/* The file may grow by so much. */
#define ROOM (4 * MiB)

extern const struct image_format image_qcow2;

static void change_some(struct block *b, uint8_t *buf)
{
	uint64_t n = MIN(b->size, FUZZ_BYTES);

	memset(buf, 1, n);
	block_pwrite(b, buf, n / 2, n / 5, NULL);
	block_zero(b, n / 3, n / 3, BLOCK_MAY_UNMAP, NULL);
	block_pwrite(b, buf, n / 9, b->size - n / 9, NULL);
	block_flush(b, NULL);
	block_pwrite(b, buf, n, 0, NULL);
	block_flush(b, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct block *file;

	image_qcow2.probe(data, MIN(size, (size_t)IMAGE_PROBE_LEN), size);
	fuzz_image(&image_qcow2, block_mem_from(data, size, "fuzz"), &(struct image_open){0},
		NULL);
	fuzz_image(&image_qcow2, block_mem_from(data, size, "fuzz"),
		&(struct image_open){.damaged_ok = true}, NULL);
	file = block_mem_new_growable(size + ROOM, "fuzz");
	if (size)
		block_pwrite(file, data, size, 0, NULL);
	fuzz_image(&image_qcow2, file, &(struct image_open){.write = true}, change_some);
	return 0;
}

/* ---- seeds ---- */

#define DISK (24 * KiB)

/* The L2 entry of cluster i; there is one table. */
static uint8_t *entry(struct block *file, unsigned i, unsigned width)
{
	uint8_t *bytes = block_mem_bytes(file);
	uint64_t l1 = be64_load(bytes + 40), l2 = be64_load(bytes + l1) & ~(UINT64_C(1) << 63);

	return bytes + l2 + (uint64_t)i * width;
}

/* Clusters 1 and 2 become the same compressed one at the end of the file. */
static void deflate_one(struct block *file, uint64_t cluster, bool zstd)
{
	unsigned bits = (unsigned)__builtin_ctzll(cluster), x = 62 - (bits - 8);
	_auto_(mem) uint8_t *in = xcalloc(1, cluster);
	uint8_t out[4096] = {0};
	uint64_t at = file->size + 3;
	size_t len;

	memset(in, 7, cluster);
	if (zstd) {
		len = ZSTD_compress(out, sizeof(out), in, cluster, 1);
		be64_store(block_mem_bytes(file) + 72, 8);
		block_mem_bytes(file)[104] = 1;
	} else {
		z_stream s = {.next_in = in,
			.avail_in = (uInt)cluster,
			.next_out = out,
			.avail_out = sizeof(out)};

		deflateInit2(&s, 6, Z_DEFLATED, -12, 9, Z_DEFAULT_STRATEGY);
		deflate(&s, Z_FINISH);
		deflateEnd(&s);
		len = sizeof(out) - s.avail_out;
	}
	block_pwrite(file, out, len, at, NULL);
	for (unsigned i = 1; i <= 2; i++)
		be64_store(entry(file, i, 8),
			UINT64_C(1) << 62 | (uint64_t)((at % 512 + len - 1) / 512) << x | at);
}

/* The table's 16-byte entries: 0 all there, 1 half zeros; the rest as it comes. */
static void extend(struct block *file)
{
	be64_store(block_mem_bytes(file) + 72, 16);
	be64_store(entry(file, 0, 16) + 8, 0xffffffff);
	be64_store(entry(file, 1, 16), be64_load(entry(file, 0, 16)));
	be64_store(entry(file, 1, 16) + 8, UINT64_C(0xffff00000000ffff));
}

void fuzz_seeds(void (*use_seed)(const char *name, const void *data, size_t size, void *opaque),
	void *opaque)
{
	static const struct {
		const char *name;
		uint32_t cluster;
		bool deflate, zstd, extended;
	} ways[] = {
		{"small", 512},
		{"page", 4096},
		{"deflate", 512, .deflate = true},
		{"zstd", 4096, .zstd = true},
		{"extended", 16384, .extended = true},
	};
	uint8_t data[DISK];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * i >> 5);
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct image_create how = {.size = DISK, .cluster_size = ways[i].cluster};
		struct block *file = block_mem_new_growable(MiB, "seed"), *b = NULL;
		int r = image_qcow2.create(&b, block_ref(file), &how, NULL);

		assert(r == 0);
		block_pwrite(b, data, DISK - 5000, 0, NULL);
		block_zero(b, 8192, 4096, 0, NULL);
		block_flush(b, NULL);
		block_free(b);
		if (ways[i].deflate || ways[i].zstd)
			deflate_one(file, ways[i].cluster, ways[i].zstd);
		if (ways[i].extended)
			extend(file);
		use_seed(ways[i].name, block_mem_bytes(file), file->size, opaque);
		block_free(file);
	}
}
