// SPDX-License-Identifier: LGPL-2.1-or-later
/* mkvhd: a writer of VHDs for tests. */
#include "tests/support/mkvhd.h"

#include "formats/base/alloc.h"

static void put(uint8_t *at, unsigned bytes, uint64_t v)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(v >> 8 * (bytes - 1 - i));
}

static void sum(uint8_t *p, size_t len, size_t at)
{
	uint32_t s = 0;

	put(p + at, 4, 0);
	for (size_t i = 0; i < len; i++)
		s += p[i];
	put(p + at, 4, ~s);
}

void mkvhd_sum_footer(struct mkvhd_file *f)
{
	sum(f->bytes + f->footer, f->len - f->footer, 64);
}

void mkvhd_sum_copy(struct mkvhd_file *f)
{
	sum(f->bytes, 512, 64);
}

void mkvhd_sum_header(struct mkvhd_file *f)
{
	sum(f->bytes + MKVHD_HEADER, 1024, 36);
}

static void make_footer(uint8_t *p, uint64_t size, const struct mkvhd *how)
{
	unsigned type = how->type ? how->type : 3;

	memcpy(p, "conectix", 8);
	put(p + 8, 4, 2);
	put(p + 12, 4, 0x10000);
	put(p + 16, 8, type == 2 ? UINT64_MAX : MKVHD_HEADER);
	memcpy(p + 28, how->creator ? how->creator : "win ", 4);
	put(p + 40, 8, size);
	put(p + 48, 8, size);
	put(p + 56, 2, how->cylinders ? how->cylinders : 65535);
	p[58] = how->cylinders ? how->heads : 16;
	p[59] = how->cylinders ? how->sectors : 255;
	put(p + 60, 4, type);
	memcpy(p + 68, "0123456789abcdef", 16);
	sum(p, 512, 64);
}

static void make_header(uint8_t *p, uint32_t blocks, uint32_t block, const struct mkvhd *how)
{
	memcpy(p, "cxsparse", 8);
	put(p + 8, 8, UINT64_MAX);
	put(p + 16, 8, MKVHD_TABLE);
	put(p + 24, 4, 0x10000);
	put(p + 28, 4, blocks);
	put(p + 32, 4, block);
	for (size_t i = 0; how->parent && how->parent[i]; i++)
		put(p + 64 + 2 * i, 2, (uint8_t)how->parent[i]);
	sum(p, 1024, 36);
}

static bool zeros(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

/* Bitmap and data of one block; returns how long they are. */
static size_t make_block(
	uint8_t *to, const uint8_t *raw, size_t n, uint32_t block, const struct mkvhd *how)
{
	size_t bitmap = (block / 512 + 7) / 8;

	bitmap = (bitmap + 511) / 512 * 512;
	memcpy(to + bitmap, raw, n);
	for (size_t s = 0; s < n / 512; s++)
		if (!how->bitmaps || !zeros(raw + s * 512, 512))
			to[s / 8] |= 128 >> s % 8;
		else
			memset(to + bitmap + s * 512, 0xee, 512);
	return bitmap + (how->short_last ? n : block);
}

void mkvhd(struct mkvhd_file *ret, const void *raw, size_t len, const struct mkvhd *how)
{
	uint32_t block = how->block ? how->block : 2 * 1024 * 1024;
	uint64_t size = how->current_size ? how->current_size : len;
	size_t blocks = (len + block - 1) / block, at = MKVHD_TABLE;
	const uint8_t *disk = raw;
	uint8_t *p;

	if (how->type == 2) {
		p = xcalloc(len + 512, 1);
		memcpy(p, raw, len);
		at = len;
	} else {
		p = xcalloc(4096 + (blocks + 1) * ((size_t)block + block / 4096 + 1024 + 4), 1);
		make_footer(p, size, how);
		make_header(p + MKVHD_HEADER, blocks, block, how);
		at += (blocks * 4 + 511) / 512 * 512;
		memset(p + MKVHD_TABLE, 0xff, at - MKVHD_TABLE);
		for (size_t k = 0; k < blocks; k++) {
			size_t i = how->shuffle ? blocks - 1 - k : k;
			size_t n = MIN(len - i * block, (size_t)block);

			if (!how->keep_zeros && zeros(disk + i * block, n))
				continue;
			put(p + MKVHD_TABLE + 4 * i, 4, at / 512);
			at += make_block(p + at, disk + i * block, n, block, how);
		}
	}
	make_footer(p + at, size, how);
	*ret = (struct mkvhd_file){p, at + (how->old_footer ? 511 : 512), at, blocks};
}

void mkvhd_free(struct mkvhd_file *f)
{
	free(f->bytes);
}
