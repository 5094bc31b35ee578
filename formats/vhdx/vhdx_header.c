// SPDX-License-Identifier: LGPL-2.1-or-later
/* vhdx_header: the header section: two headers, two region tables; sections 2.2.2 and 2.2.3. */
#include "formats/vhdx/vhdx.h"

#include "formats/base/alloc.h"
#include "formats/base/crc32c.h"

#include <inttypes.h>
#include <stdio.h>

#define HEADER_LEN 4096
#define REGION_LEN 65536

/* Where the check lies in headers and region tables: behind the signature. */
#define CRC_AT 4

static const uint64_t header_at[2] = {64 * KiB, 128 * KiB};
static const uint64_t region_at[2] = {192 * KiB, 256 * KiB};

struct disk_header {
	char signature[4];
	struct le32 crc;
	struct le64 sequence;
	uint8_t file_guid[VHDX_GUID_LEN], data_guid[VHDX_GUID_LEN], log_guid[VHDX_GUID_LEN];
	struct le16 log_version, version;
	struct le32 log_len;
	struct le64 log_off;
};

struct disk_region {
	uint8_t guid[VHDX_GUID_LEN];
	struct le64 off;
	struct le32 len, required;
};

static const uint8_t bat_guid[VHDX_GUID_LEN] = {0x66, 0x77, 0xc2, 0x2d, 0x23, 0xf6, 0x00, 0x42,
	0x9d, 0x64, 0x11, 0x5e, 0x9b, 0xfd, 0x4a, 0x08};
static const uint8_t metadata_guid[VHDX_GUID_LEN] = {0x06, 0xa2, 0x7c, 0x8b, 0x90, 0x47, 0x9a,
	0x4b, 0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e};

/* The check is over all of it, as if the check itself were zero. */
static bool crc_is_right(const uint8_t *p, size_t len)
{
	static const uint8_t zero[4];
	uint32_t crc = crc32c(crc32c(0, p, CRC_AT), zero, sizeof(zero));

	return crc32c(crc, p + CRC_AT + 4, len - CRC_AT - 4) == le32_load(p + CRC_AT);
}

/* Reads a structure of the header section. Returns 1 if it is whole, 0 if not. */
static int read_checked(struct block *file, uint64_t off, uint8_t *p, size_t len,
	const char *signature, struct err *err)
{
	int r;

	if (!range_ok(off, len, file->size))
		return 0;
	r = block_pread(file, p, len, off, err);
	if (r < 0)
		return r;
	return !memcmp(p, signature, 4) && crc_is_right(p, len);
}

/* ---- headers ---- */

static void decode_header(struct vhdx_header *h, const uint8_t *p)
{
	struct disk_header d;

	memcpy(&d, p, sizeof(d));
	h->sequence = le64_get(d.sequence);
	memcpy(h->log_guid, d.log_guid, VHDX_GUID_LEN);
	h->log_version = le16_get(d.log_version);
	h->version = le16_get(d.version);
	h->log.off = le64_get(d.log_off);
	h->log.len = le32_get(d.log_len);
}

static int check_header(const struct vhdx_header *h, struct err *err)
{
	if (h->version != 1)
		return err_set(err, ENOTSUP, "header: version %u (1 is known)", h->version);
	if (h->log_version != 0)
		return err_set(
			err, ENOTSUP, "header: log version %u (0 is known)", h->log_version);
	if (!h->log.len)
		return 0;
	if (!is_aligned(h->log.off, VHDX_ALIGN) || !is_aligned(h->log.len, VHDX_ALIGN) ||
		h->log.off < VHDX_ALIGN || h->log.off > BLOCK_MAX_SIZE)
		return err_set(err, EINVAL,
			"header: log of %" PRIu64 " bytes at %" PRIu64
			": not whole MiB behind the first",
			h->log.len, h->log.off);
	return 0;
}

int vhdx_header_read(struct vhdx_header *ret, struct block *file, struct err *err)
{
	uint8_t bytes[2][HEADER_LEN];
	struct vhdx_header h[2];
	int whole[2];
	unsigned best;

	for (unsigned i = 0; i < 2; i++) {
		whole[i] = read_checked(file, header_at[i], bytes[i], HEADER_LEN, "head", err);
		if (whole[i] < 0)
			return whole[i];
		decode_header(&h[i], bytes[i]);
	}
	if (!whole[0] && !whole[1])
		return err_set(err, EINVAL,
			"header: neither the one at 64 KiB nor the one at 128 KiB is whole "
			"(signature or checksum)");
	best = whole[0] && whole[1] ? h[1].sequence > h[0].sequence : whole[1];
	/* Some writers make both the same; two that differ are no order. */
	if (whole[0] && whole[1] && h[0].sequence == h[1].sequence &&
		memcmp(bytes[0], bytes[1], HEADER_LEN) != 0)
		return err_set(err, EINVAL,
			"header: two that differ have the sequence number %" PRIu64,
			h[0].sequence);
	*ret = h[best];
	return check_header(ret, err);
}

/* ---- region tables ---- */

static void format_guid(char buf[40], const uint8_t *g)
{
	snprintf(buf, 40, "%08" PRIx32 "-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		le32_load(g), le16_load(g + 4), le16_load(g + 6), g[8], g[9], g[10], g[11],
		g[12], g[13], g[14], g[15]);
}

/* The table that counts, in *ret (caller frees): the first whole one. */
static int read_table(uint8_t **ret, struct block *file, struct err *err)
{
	_auto_(mem) uint8_t *one = xmalloc(REGION_LEN);
	_auto_(mem) uint8_t *two = xmalloc(REGION_LEN);
	int first = read_checked(file, region_at[0], one, REGION_LEN, "regi", err);
	int second = first < 0 ? first
			       : read_checked(file, region_at[1], two, REGION_LEN, "regi", err);

	if (second < 0)
		return second;
	if (!first && !second)
		return err_set(err, EINVAL,
			"region table: neither the one at 192 KiB nor the one at 256 KiB is whole "
			"(signature or checksum)");
	*ret = first ? STEAL(one) : STEAL(two);
	return 0;
}

static int check_region(const struct vhdx_region *r, const char *what, struct err *err)
{
	if (r->off < VHDX_ALIGN || !is_aligned(r->off, VHDX_ALIGN) || !r->len ||
		!is_aligned(r->len, VHDX_ALIGN) || !range_ok(r->off, r->len, BLOCK_MAX_SIZE))
		return err_set(err, EINVAL,
			"region %s of %" PRIu64 " bytes at %" PRIu64
			": not whole MiB behind the first",
			what, r->len, r->off);
	return 0;
}

static void use(struct vhdx *v, uint64_t off, uint64_t len)
{
	v->used[v->used_count++] = (struct vhdx_region){off, len};
}

static int read_region(struct vhdx *v, const uint8_t *entry, struct err *err)
{
	struct disk_region d;
	struct vhdx_region r, *known = NULL;
	char what[40];
	int e;

	memcpy(&d, entry, sizeof(d));
	r = (struct vhdx_region){le64_get(d.off), le32_get(d.len)};
	if (!memcmp(d.guid, bat_guid, VHDX_GUID_LEN))
		known = &v->bat;
	else if (!memcmp(d.guid, metadata_guid, VHDX_GUID_LEN))
		known = &v->metadata;
	format_guid(what, d.guid);
	if (known)
		snprintf(what, sizeof(what), known == &v->bat ? "BAT" : "metadata");
	else if (le32_get(d.required) & 1)
		return err_set(err, ENOTSUP, "region %s: is required, and not known", what);
	e = check_region(&r, what, err);
	if (e < 0)
		return e;
	if (known && known->len)
		return err_set(err, EINVAL,
			"region %s: is there twice, at %" PRIu64 " and at %" PRIu64, what,
			known->off, r.off);
	if (known)
		*known = r;
	use(v, r.off, r.len);
	return 0;
}

static int compare_regions(const void *a, const void *b)
{
	const struct vhdx_region *x = a, *y = b;

	return x->off < y->off ? -1 : x->off > y->off;
}

static int check_disjoint(struct vhdx *v, struct err *err)
{
	qsort(v->used, v->used_count, sizeof(*v->used), compare_regions);
	for (size_t i = 1; i < v->used_count; i++) {
		const struct vhdx_region *a = &v->used[i - 1], *b = &v->used[i];

		if (b->off < a->off + a->len)
			return err_set(err, EINVAL,
				"region at %" PRIu64 "+%" PRIu64
				": overlaps the one at %" PRIu64 "+%" PRIu64,
				b->off, b->len, a->off, a->len);
	}
	return 0;
}

int vhdx_regions_read(struct vhdx *v, const struct vhdx_header *h, struct err *err)
{
	_auto_(mem) uint8_t *table = NULL;
	uint32_t count;
	int r = read_table(&table, v->file, err);

	if (r < 0)
		return r;
	count = le32_load(table + 8);
	if (count > VHDX_MAX_ENTRIES)
		return err_set(err, EINVAL, "region table: %" PRIu32 " entries (at most %d)",
			count, VHDX_MAX_ENTRIES);
	v->used = xcalloc(count + 2, sizeof(*v->used));
	use(v, 0, VHDX_ALIGN);
	if (h->log.len)
		use(v, h->log.off, h->log.len);
	for (uint32_t i = 0; i < count && r == 0; i++)
		r = read_region(v, table + 16 + (size_t)i * sizeof(struct disk_region), err);
	if (r < 0)
		return r;
	if (!v->bat.len || !v->metadata.len)
		return err_set(err, EINVAL, "region table: has no region %s",
			v->bat.len ? "metadata" : "BAT");
	return check_disjoint(v, err);
}
