// SPDX-License-Identifier: LGPL-2.1-or-later
/* vhdx_meta: the items of the metadata region, section 2.6: sizes, and who the parent is. */
#include "formats/vhdx/vhdx.h"

#include "formats/base/str.h"

#include <inttypes.h>

/* The table at the region's begin; items lie behind it. */
#define TABLE_LEN 65536
#define ITEM_MAX  MiB

enum { IS_USER = 1, IS_REQUIRED = 4 };
enum { HAS_PARENT = 2 };

enum item { PARAMETERS, SIZE, LOGICAL, DISK_ID, PHYSICAL, PARENT, ITEMS };

static const struct {
	const char *name;
	uint8_t guid[VHDX_GUID_LEN];
	uint32_t len; /* 0 = any */
	bool needed;
} known[ITEMS] = {
	[PARAMETERS] = {"file parameters",
		{0x37, 0x67, 0xa1, 0xca, 0x36, 0xfa, 0x43, 0x4d, 0xb3, 0xb6, 0x33, 0xf0, 0xaa,
			0x44, 0xe7, 0x6b},
		8, true},
	[SIZE] = {"virtual disk size",
		{0x24, 0x42, 0xa5, 0x2f, 0x1b, 0xcd, 0x76, 0x48, 0xb2, 0x11, 0x5d, 0xbe, 0xd8,
			0x3b, 0xf4, 0xb8},
		8, true},
	[LOGICAL] = {"logical sector size",
		{0x1d, 0xbf, 0x41, 0x81, 0x6f, 0xa9, 0x09, 0x47, 0xba, 0x47, 0xf2, 0x33, 0xa8,
			0xfa, 0xab, 0x5f},
		4, true},
	[DISK_ID] = {"virtual disk ID",
		{0xab, 0x12, 0xca, 0xbe, 0xe6, 0xb2, 0x23, 0x45, 0x93, 0xef, 0xc3, 0x09, 0xe0,
			0x00, 0xc7, 0x46},
		16, false},
	[PHYSICAL] = {"physical sector size",
		{0xc7, 0x48, 0xa3, 0xcd, 0x5d, 0x44, 0x71, 0x44, 0x9c, 0xc9, 0xe9, 0x88, 0x52,
			0x51, 0xc5, 0x56},
		4, false},
	[PARENT] = {"parent locator",
		{0x2d, 0x5f, 0xd3, 0xa8, 0x0b, 0xb3, 0x4d, 0x45, 0xab, 0xf7, 0xd3, 0xd8, 0x48,
			0x34, 0xab, 0x0c},
		0, false},
};

struct disk_item {
	uint8_t guid[VHDX_GUID_LEN];
	struct le32 off, len, flags, reserved;
};

/* Where the items are: file offsets; length 0 = not there. */
struct items {
	struct vhdx_region at[ITEMS];
};

static int place_item(const struct vhdx *v, struct items *items, enum item which, uint32_t off,
	uint32_t len, struct err *err)
{
	const char *name = known[which].name;

	if (items->at[which].len)
		return err_set(err, EINVAL, "metadata: %s is there twice", name);
	if (!len || len > ITEM_MAX || (known[which].len && len != known[which].len))
		return err_set(err, EINVAL, "metadata: %s of %" PRIu32 " bytes", name, len);
	if (off < TABLE_LEN || !range_ok(off, len, v->metadata.len) ||
		!range_ok(v->metadata.off + off, len, v->file->size))
		return err_set(err, EINVAL,
			"metadata: %s of %" PRIu32 " bytes at %" PRIu32
			": outside the region of %" PRIu64 " or the file of %" PRIu64 " bytes",
			name, len, off, v->metadata.len, v->file->size);
	items->at[which] = (struct vhdx_region){v->metadata.off + off, len};
	return 0;
}

static int read_entry(
	const struct vhdx *v, struct items *items, const uint8_t *entry, struct err *err)
{
	struct disk_item d;
	uint32_t flags;

	memcpy(&d, entry, sizeof(d));
	flags = le32_get(d.flags);
	for (unsigned i = 0; i < ITEMS && !(flags & IS_USER); i++)
		if (!memcmp(d.guid, known[i].guid, VHDX_GUID_LEN))
			return place_item(v, items, i, le32_get(d.off), le32_get(d.len), err);
	if (flags & IS_REQUIRED)
		return err_set(err, ENOTSUP,
			"metadata: item %08" PRIx32 "-...: is required, and not known",
			le32_load(d.guid));
	return 0;
}

static int read_items(const struct vhdx *v, struct items *items, struct err *err)
{
	_auto_(mem) uint8_t *table = xmalloc(TABLE_LEN);
	unsigned count;
	int r;

	if (!range_ok(v->metadata.off, TABLE_LEN, v->file->size))
		return err_set(err, EINVAL,
			"metadata: region at %" PRIu64 ": outside the file of %" PRIu64
			" bytes",
			v->metadata.off, v->file->size);
	r = block_pread(v->file, table, TABLE_LEN, v->metadata.off, err);
	if (r < 0)
		return r;
	count = le16_load(table + 10);
	if (memcmp(table, "metadata", 8) != 0)
		return err_set(err, EINVAL,
			"metadata: region at %" PRIu64 " does not begin as one",
			v->metadata.off);
	if (count > VHDX_MAX_ENTRIES)
		return err_set(err, EINVAL, "metadata: %u entries (at most %d)", count,
			VHDX_MAX_ENTRIES);
	for (unsigned i = 0; i < count && r == 0; i++)
		r = read_entry(v, items, table + 32 + i * sizeof(struct disk_item), err);
	for (unsigned i = 0; i < ITEMS && r == 0; i++)
		if (known[i].needed && !items->at[i].len)
			r = err_set(err, EINVAL, "metadata: has no %s", known[i].name);
	return r;
}

/* ---- the parent of a differencing image, for the error ---- */

/* Key or value of the locator: UTF-16 of which what is not ASCII becomes "?". */
static void add_text(struct str *s, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i + 1 < len; i += 2) {
		unsigned c = le16_load(p + i);

		str_addc(s, c >= 0x20 && c < 0x7f ? (char)c : '?');
	}
}

/* Adds the first path there is; a locator that makes no sense adds nothing. Section 2.6.2.6. */
static void add_parent(struct str *s, const uint8_t *p, size_t len)
{
	unsigned count = len >= 20 ? le16_load(p + 18) : 0;

	for (unsigned i = 0; i < count && range_ok(20 + i * 12, 12, len); i++) {
		const uint8_t *e = p + 20 + i * 12;
		_auto_str_ struct str key = STR_INIT;

		if (!range_ok(le32_load(e), le16_load(e + 8), len) ||
			!range_ok(le32_load(e + 4), le16_load(e + 10), len))
			return;
		add_text(&key, p + le32_load(e), le16_load(e + 8));
		if (strcmp(key.s, "relative_path") != 0 &&
			strcmp(key.s, "absolute_win32_path") != 0)
			continue;
		str_add(s, ": ");
		add_text(s, p + le32_load(e + 4), MIN(le16_load(e + 10), (uint16_t)400));
		return;
	}
}

static int refuse_parent(const struct vhdx *v, const struct items *items, struct err *err)
{
	size_t len = items->at[PARENT].len;
	_auto_(mem) uint8_t *locator = xcalloc(len + 1, 1);
	_auto_str_ struct str parent = STR_INIT;
	int r = len ? block_pread(v->file, locator, len, items->at[PARENT].off, err) : 0;

	if (r < 0)
		return r;
	add_parent(&parent, locator, len);
	return err_set(err, ENOTSUP,
		"a differencing image, which needs its parent%s; merge the checkpoints first",
		parent.s);
}

/* ---- sizes ---- */

static int read_numbers(const struct vhdx *v, const struct items *items, uint64_t *block,
	bool *parent, uint64_t *size, uint32_t *sector, struct err *err)
{
	uint8_t p[8];
	int r = block_pread(v->file, p, 8, items->at[PARAMETERS].off, err);

	*block = le32_load(p);
	*parent = le32_load(p + 4) & HAS_PARENT;
	if (r == 0)
		r = block_pread(v->file, p, 8, items->at[SIZE].off, err);
	*size = le64_load(p);
	if (r == 0)
		r = block_pread(v->file, p, 4, items->at[LOGICAL].off, err);
	*sector = le32_load(p);
	return r;
}

static int check_sizes(const struct vhdx *v, struct err *err)
{
	if (!is_power_of_2(v->block) || v->block < MiB || v->block > 256 * MiB)
		return err_set(err, EINVAL,
			"metadata: block size %" PRIu64
			": not a power of two from 1 to 256 MiB",
			v->block);
	if (v->sector != 512 && v->sector != 4096)
		return err_set(err, EINVAL,
			"metadata: logical sector size %" PRIu32 ": neither 512 nor 4096",
			v->sector);
	if (v->size > VHDX_MAX_SIZE || !is_aligned(v->size, v->sector))
		return err_set(err, EINVAL,
			"metadata: disk of %" PRIu64 " bytes: more than 64 TiB, or no whole "
			"sectors of %" PRIu32,
			v->size, v->sector);
	return 0;
}

int vhdx_meta_read(struct vhdx *v, struct err *err)
{
	struct items items = {0};
	bool parent = false;
	int r = read_items(v, &items, err);

	if (r == 0)
		r = read_numbers(v, &items, &v->block, &parent, &v->size, &v->sector, err);
	if (r == 0)
		r = check_sizes(v, err);
	if (r == 0 && parent)
		r = refuse_parent(v, &items, err);
	if (r < 0)
		return r;
	v->ratio = (UINT64_C(1) << 23) * v->sector / v->block;
	if (vhdx_bat_entries(v) > v->bat.len / 8 ||
		!range_ok(v->bat.off, vhdx_bat_entries(v) * 8, v->file->size))
		return err_set(err, EINVAL,
			"BAT: %" PRIu64 " entries at %" PRIu64
			": outside the region of %" PRIu64 " or the file of %" PRIu64 " bytes",
			vhdx_bat_entries(v), v->bat.off, v->bat.len, v->file->size);
	return 0;
}
