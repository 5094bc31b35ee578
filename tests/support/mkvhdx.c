// SPDX-License-Identifier: LGPL-2.1-or-later
/* mkvhdx: VHDX images as the specification has them. */
#include "tests/support/mkvhdx.h"

#include "formats/base/alloc.h"
#include "formats/base/bytes.h"
#include "formats/base/crc32c.h"

#include <assert.h>

#define SECTORS (MiB / 4096)

/* GUIDs as text in the specification: three numbers and eight bytes. */
struct guid {
	uint32_t a;
	uint16_t b, c;
	uint8_t d[8];
};

static const struct guid bat = {
	0x2dc27766, 0xf623, 0x4200, {0x9d, 0x64, 0x11, 0x5e, 0x9b, 0xfd, 0x4a, 0x08}};
static const struct guid metadata = {
	0x8b7ca206, 0x4790, 0x4b9a, {0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e}};
static const struct guid items[] = {
	{0xcaa16737, 0xfa36, 0x4d43, {0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44, 0xe7, 0x6b}},
	{0x2fa54224, 0xcd1b, 0x4876, {0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b, 0xf4, 0xb8}},
	{0xbeca12ab, 0xb2e6, 0x4523, {0x93, 0xef, 0xc3, 0x09, 0xe0, 0x00, 0xc7, 0x46}},
	{0x8141bf1d, 0xa96f, 0x4709, {0xba, 0x47, 0xf2, 0x33, 0xa8, 0xfa, 0xab, 0x5f}},
	{0xcda348c7, 0x445d, 0x4471, {0x9c, 0xc9, 0xe9, 0x88, 0x52, 0x51, 0xc5, 0x56}},
	{0xa8d35f2d, 0xb30b, 0x454d, {0xab, 0xf7, 0xd3, 0xd8, 0x48, 0x34, 0xab, 0x0c}},
};

static void put_guid(uint8_t *p, const struct guid *g)
{
	le32_store(p, g->a);
	le16_store(p + 4, g->b);
	le16_store(p + 6, g->c);
	memcpy(p + 8, g->d, 8);
}

static void put_crc(uint8_t *p, size_t len)
{
	le32_store(p + 4, 0);
	le32_store(p + 4, crc32c(0, p, len));
}

static void put_region(uint8_t *p, const struct guid *g, uint64_t off)
{
	put_guid(p, g);
	le64_store(p + 16, off);
	le32_store(p + 24, MiB);
	le32_store(p + 28, 1);
}

static void put_item(uint8_t *file, unsigned i, uint32_t len)
{
	uint8_t *table = file + MKVHDX_METADATA, *e = table + 32 + i * 32;

	memcpy(table, "metadata", 8);
	le16_store(table + 10, (uint16_t)(i + 1));
	put_guid(e, &items[i]);
	le32_store(e + 16, (uint32_t)(MKVHDX_ITEM(i) - MKVHDX_METADATA));
	le32_store(e + 20, len);
	le32_store(e + 24, 4 | (i != MKVHDX_PARAMETERS && i != MKVHDX_PARENT ? 2 : 0));
}

static size_t put_utf16(uint8_t *p, const char *text)
{
	for (size_t i = 0; text[i]; i++)
		le16_store(p + i * 2, (uint8_t)text[i]);
	return strlen(text) * 2;
}

static void put_parent(uint8_t *file, const char *path)
{
	uint8_t *p = file + MKVHDX_ITEM(MKVHDX_PARENT);
	uint16_t key_len = (uint16_t)put_utf16(p + 32, "relative_path");
	uint16_t value_len = (uint16_t)put_utf16(p + 64, path);

	le16_store(p + 18, 1);
	le32_store(p + 20, 32);
	le32_store(p + 24, 64);
	le16_store(p + 28, key_len);
	le16_store(p + 30, value_len);
	put_item(file, MKVHDX_PARENT, 64u + value_len);
	file[MKVHDX_ITEM(MKVHDX_PARAMETERS) + 4] |= 2;
}

static void put_metadata(uint8_t *file, const struct mkvhdx *how)
{
	static const uint32_t lens[] = {8, 8, 16, 4, 4};

	for (unsigned i = 0; i < ARRAY_SIZE(lens); i++)
		put_item(file, i, lens[i]);
	le32_store(file + MKVHDX_ITEM(MKVHDX_PARAMETERS),
		how->block_size ? how->block_size : (uint32_t)MiB);
	le64_store(file + MKVHDX_ITEM(MKVHDX_SIZE), how->size);
	le32_store(file + MKVHDX_ITEM(MKVHDX_LOGICAL), how->sector ? how->sector : 512);
	le32_store(file + MKVHDX_ITEM(MKVHDX_PHYSICAL), 4096);
	if (how->parent)
		put_parent(file, how->parent);
}

uint8_t *mkvhdx(const struct mkvhdx *how, size_t *len)
{
	uint8_t *file = xcalloc(MKVHDX_DATA + how->data, 1);

	*len = MKVHDX_DATA + how->data;
	memcpy(file, "vhdxfile", 8);
	for (unsigned i = 0; i < 2; i++) {
		uint8_t *h = file + (i + 1) * 64 * KiB, *r = file + (i + 3) * 64 * KiB;

		memcpy(h, "head", 4);
		le64_store(h + 8, 10 + i);
		le16_store(h + 66, 1);
		le32_store(h + 68, MiB);
		le64_store(h + 72, MKVHDX_LOG);
		memcpy(r, "regi", 4);
		le32_store(r + 8, 2);
		put_region(r + 16, &bat, MKVHDX_BAT);
		put_region(r + 48, &metadata, MKVHDX_METADATA);
	}
	put_metadata(file, how);
	mkvhdx_seal(file, false);
	return file;
}

void mkvhdx_set(uint8_t *file, uint64_t entry, unsigned state, uint64_t host)
{
	le64_store(file + MKVHDX_ENTRY(entry), host | state);
}

static uint8_t *log_sector(uint8_t *file, uint64_t i)
{
	return file + MKVHDX_LOG + i % SECTORS * 4096;
}

/* The entry's check, over the sectors of the ring. */
static void seal_entry(uint8_t *file, uint32_t at)
{
	uint8_t *first = log_sector(file, at);
	uint32_t crc = 0;

	le32_store(first + 4, 0);
	for (uint32_t i = 0; i < le32_load(first + 8) / 4096 && i < SECTORS; i++)
		crc = crc32c(crc, log_sector(file, (uint64_t)at + i), 4096);
	le32_store(first + 4, crc);
}

static void put_data(uint8_t *sector, uint8_t *desc, const uint8_t *bytes, uint64_t sequence)
{
	memcpy(sector, bytes, 4096);
	memcpy(desc, "desc", 4);
	memcpy(desc + 4, bytes + 4092, 4);
	memcpy(desc + 8, bytes, 8);
	memcpy(sector, "data", 4);
	le32_store(sector + 4, (uint32_t)(sequence >> 32));
	le32_store(sector + 4092, (uint32_t)sequence);
}

void mkvhdx_log(uint8_t *file, const struct mkvhdx_entry *e)
{
	uint32_t used = (64 + e->count * 32 + 4095) / 4096;
	uint8_t *first = log_sector(file, e->sector);

	for (unsigned i = 0; i < 2; i++)
		memset(file + (i + 1) * 64 * KiB + 48, 0x5a, 16);
	for (uint32_t i = 0; i < used; i++)
		memset(log_sector(file, e->sector + i), 0, 4096);
	for (unsigned i = 0; i < e->count; i++) {
		const struct mkvhdx_write *w = &e->writes[i];
		uint32_t at = 64 + i * 32;
		uint8_t *desc = log_sector(file, e->sector + at / 4096) + at % 4096;

		if (w->zero_len) {
			memcpy(desc, "zero", 4);
			le64_store(desc + 8, w->zero_len);
		} else {
			put_data(log_sector(file, e->sector + used++), desc, w->bytes,
				e->sequence);
		}
		le64_store(desc + 16, w->off);
		le64_store(desc + 24, e->sequence);
	}
	assert(used <= SECTORS);
	memcpy(first, "loge", 4);
	le32_store(first + 8, used * 4096);
	le32_store(first + 12, e->tail * 4096);
	le64_store(first + 16, e->sequence);
	le32_store(first + 24, e->count);
	memset(first + 32, 0x5a, 16);
	le64_store(first + 48, e->flushed);
	le64_store(first + 56, e->last);
	seal_entry(file, e->sector);
	mkvhdx_seal(file, false);
}

void mkvhdx_seal(uint8_t *file, bool log)
{
	for (unsigned i = 0; i < 2; i++) {
		put_crc(file + (i + 1) * 64 * KiB, 4096);
		put_crc(file + (i + 3) * 64 * KiB, 65536);
	}
	for (uint32_t i = 0; i < SECTORS && log; i++)
		if (!memcmp(log_sector(file, i), "loge", 4))
			seal_entry(file, i);
}
