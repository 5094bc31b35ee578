// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * image_tool: image formats from the command line, for tests that compare with other programs.
 *
 *	image_tool random IMAGE MODEL FORMAT SEED COUNT [SIZE CLUSTER]
 *		COUNT random writes, zeros, discards and reads on IMAGE and the same in the raw
 *		file MODEL; reads must agree. With SIZE a new image, otherwise IMAGE is changed
 *		in place and MODEL is what it reads as.
 *	image_tool abandon IMAGE MODEL FORMAT SEED COUNT [SIZE CLUSTER]
 *		the same, but the process ends without a flush.
 *	image_tool raw IMAGE OUT
 *		all bytes of IMAGE to the new file OUT; zero extents are not read.
 *	image_tool fill IMAGE FORMAT SIZE REQUEST
 *		a new image filled from end to end in writes of REQUEST bytes (for measuring).
 */
#include "formats/base/alloc.h"
#include "formats/base/io.h"
#include "formats/block/block_file.h"
#include "formats/image.h"

#include <stdio.h>
#include <string.h>

#define CHUNK (2 * MiB)

static uint64_t number(const char *text)
{
	return strtoull(text, NULL, 10);
}

/* The image and its model, opened or made. */
static int open_pair(
	char **argv, int argc, struct block **image, struct block **model, struct err *err)
{
	struct image_open how = {.write = true};
	int r;

	if (argc == 9) {
		struct image_create c = {
			.size = number(argv[7]), .cluster_size = (uint32_t)number(argv[8])};

		r = image_create(image, argv[2], image_format_find(argv[4]), &c, err);
		if (r < 0)
			return r;
		return image_create(model, argv[3], image_format_find("raw"), &c, err);
	}
	r = image_open(image, argv[2], argv[4], &how, NULL, err);
	return r < 0 ? r : image_open(model, argv[3], "raw", &how, NULL, err);
}

static int one_request(struct block *image, struct block *model, uint8_t *buf, uint8_t *got,
	unsigned *seed, struct err *err)
{
	uint64_t off = ((uint64_t)rand_r(seed) << 20 ^ (uint64_t)rand_r(seed)) % image->size;
	uint64_t len = 1 + rand_r(seed) % (rand_r(seed) % 4 ? 20000 : CHUNK);
	unsigned kind = rand_r(seed) % 8, unmap = rand_r(seed) % 2 ? BLOCK_MAY_UNMAP : 0;
	int r;

	if (rand_r(seed) % 2) {
		off = align_down(off, 64 * KiB);
		len = align_up(len, 64 * KiB);
	}
	len = MIN(len, image->size - off);
	if (kind < 4) {
		for (size_t i = 0; i < len; i++)
			buf[i] = (uint8_t)(1 + (off + i * (kind + 1)) % 255);
		r = block_pwrite(image, buf, len, off, err);
		return r < 0 ? r : block_pwrite(model, buf, len, off, err);
	}
	if (kind < 6) {
		r = block_zero(image, off, len, unmap, err);
		return r < 0 ? r : block_zero(model, off, len, unmap, err);
	}
	if (kind == 6) {
		/* What a discard leaves is up to the image. */
		r = block_discard(image, off, len, err);
		if (r == 0)
			r = block_pread(image, got, len, off, err);
		return r < 0 ? r : block_pwrite(model, got, len, off, err);
	}
	r = block_pread(image, got, len, off, err);
	if (r == 0)
		r = block_pread(model, buf, len, off, err);
	if (r == 0 && memcmp(buf, got, len))
		r = err_set(err, EIO, "%llu bytes at %llu differ", (unsigned long long)len,
			(unsigned long long)off);
	return r;
}

static int random_requests(int argc, char **argv, bool flush, struct err *err)
{
	_auto_(block) struct block *image = NULL;
	_auto_(block) struct block *model = NULL;
	_auto_(mem) uint8_t *buf = xaligned(4096, CHUNK + 64 * KiB);
	_auto_(mem) uint8_t *got = xaligned(4096, CHUNK + 64 * KiB);
	unsigned seed = (unsigned)number(argv[5]);
	int r = open_pair(argv, argc, &image, &model, err);

	for (uint64_t i = 0; r == 0 && i < number(argv[6]); i++) {
		r = one_request(image, model, buf, got, &seed, err);
		if (r == 0 && flush && rand_r(&seed) % 64 == 0)
			r = block_flush(image, err);
	}
	if (r == 0 && flush)
		r = block_flush(image, err);
	return r;
}

static int to_raw(const char *from, const char *to, struct err *err)
{
	_auto_(block) struct block *image = NULL;
	_auto_(block) struct block *out = NULL;
	_auto_(mem) uint8_t *buf = xaligned(4096, CHUNK);
	int r = image_open(&image, from, NULL, NULL, NULL, err);

	if (r == 0)
		r = image_create(&out, to, image_format_find("raw"),
			&(struct image_create){.size = image->size}, err);
	for (uint64_t off = 0; r == 0 && off < image->size;) {
		struct extent e;

		r = block_extent(image, off, CHUNK, &e, err);
		if (r == 0 && !(e.flags & BLOCK_ZERO)) {
			r = block_pread(image, buf, e.len, off, err);
			if (r == 0)
				r = block_pwrite(out, buf, e.len, off, err);
		}
		off += e.len;
	}
	return r;
}

static int fill(char **argv, struct err *err)
{
	_auto_(block) struct block *image = NULL;
	size_t request = number(argv[5]);
	_auto_(mem) uint8_t *buf = xaligned(4096, request);
	struct image_create how = {.size = number(argv[4]), .direct = true};
	double start = io_now();
	int r = image_create(&image, argv[2], image_format_find(argv[3]), &how, err);

	memset(buf, 0x5a, request);
	for (uint64_t off = 0; r == 0 && off < how.size; off += request)
		r = block_pwrite(image, buf, MIN(request, how.size - off), off, err);
	if (r == 0)
		r = block_flush(image, err);
	printf("%.3f s\n", io_now() - start);
	return r;
}

int main(int argc, char **argv)
{
	struct err err = {0};
	int r = -EINVAL;

	err_set(&err, EINVAL, "usage: see the source");
	if (argc >= 7 && !strcmp(argv[1], "random"))
		r = random_requests(argc, argv, true, &err);
	else if (argc >= 7 && !strcmp(argv[1], "abandon"))
		r = random_requests(argc, argv, false, &err);
	else if (argc == 4 && !strcmp(argv[1], "raw"))
		r = to_raw(argv[2], argv[3], &err);
	else if (argc == 6 && !strcmp(argv[1], "fill"))
		r = fill(argv, &err);
	if (r < 0)
		fprintf(stderr, "%s\n", err.text);
	return r < 0;
}
