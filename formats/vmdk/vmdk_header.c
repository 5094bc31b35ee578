// SPDX-License-Identifier: LGPL-2.1-or-later
/* vmdk_header: decoding and checking the fixed structures of a sparse extent. */
#include "formats/vmdk/vmdk_header.h"

#include "formats/base/alloc.h"

#include <inttypes.h>

/* How much padding behind the footer is looked over: tar blocks, allocation units. */
#define MAX_PADDING MiB

/* Flags of the upper half that are understood. */
#define KNOWN_INCOMPATIBLE (VMDK_COMPRESSED | VMDK_MARKERS)

struct raw_header {
	uint8_t magic[4];
	struct le32 version;
	struct le32 flags;
	struct le64 capacity;
	struct le64 grain;
	struct le64 desc_at;
	struct le64 desc_sectors;
	struct le32 gtes;
	struct le64 rgd_at;
	struct le64 gd_at;
	struct le64 overhead;
	uint8_t unclean;
	uint8_t newlines[4];
	struct le16 algorithm;
	uint8_t pad[433];
};
_Static_assert(sizeof(struct raw_header) == VMDK_SECTOR, "layout of the sparse header");

bool vmdk_header_is(const uint8_t *raw, size_t len)
{
	return len >= VMDK_SECTOR && !memcmp(raw, "KDMV", 4);
}

static int check_features(const struct raw_header *raw, uint32_t flags, struct err *err)
{
	unsigned version = le32_get(raw->version);
	unsigned algorithm = le16_get(raw->algorithm);
	bool compressed = flags & VMDK_COMPRESSED;

	if (version < 1 || version > 3)
		return err_set(err, ENOTSUP,
			"sparse header: version %u (versions 1 to 3 are read)", version);
	if (flags & 0xffff0000 & ~KNOWN_INCOMPATIBLE)
		return err_set(err, ENOTSUP, "sparse header: unknown feature flags 0x%x",
			flags & 0xffff0000 & ~KNOWN_INCOMPATIBLE);
	if ((flags & VMDK_NEWLINE_TEST) && memcmp(raw->newlines, "\n \r\n", 4))
		return err_set(err, EINVAL,
			"sparse header: its newline bytes are %02x %02x %02x %02x, not 0a 20 0d "
			"0a: the file was changed by a transfer in text mode",
			raw->newlines[0], raw->newlines[1], raw->newlines[2], raw->newlines[3]);
	if (algorithm > 1)
		return err_set(
			err, ENOTSUP, "sparse header: compression algorithm %u", algorithm);
	if (compressed != (algorithm == 1))
		return err_set(err, EINVAL,
			"sparse header: flags 0x%x and compression algorithm %u contradict "
			"each other",
			flags, algorithm);
	if (compressed != !!(flags & VMDK_MARKERS))
		return err_set(err, ENOTSUP, "sparse header: %s",
			compressed ? "compressed grains without markers"
				   : "markers without compressed grains");
	return 0;
}

int vmdk_header_parse(struct vmdk_header *ret, const uint8_t *bytes, struct err *err)
{
	const struct raw_header *raw = (const struct raw_header *)bytes;
	uint64_t grain = le64_get(raw->grain);
	struct vmdk_header h = {
		.version = le32_get(raw->version),
		.flags = le32_get(raw->flags),
		.capacity = le64_get(raw->capacity),
		.desc_at = le64_get(raw->desc_at),
		.desc_sectors = le64_get(raw->desc_sectors),
		.rgd_at = le64_get(raw->rgd_at),
		.gd_at = le64_get(raw->gd_at),
		.overhead = le64_get(raw->overhead),
		.unclean = raw->unclean,
		.compressed = le32_get(raw->flags) & VMDK_COMPRESSED,
	};
	int r;

	if (!vmdk_header_is(bytes, VMDK_SECTOR))
		return err_set(err, EINVAL, "sparse header: no magic \"KDMV\"");
	r = check_features(raw, h.flags, err);
	if (r < 0)
		return r;
	if (h.capacity > VMDK_MAX_SECTORS)
		return err_set(err, EINVAL,
			"sparse header: capacity of %" PRIu64 " sectors (at most %" PRIu64 ")",
			h.capacity, VMDK_MAX_SECTORS);
	if (!is_power_of_2(grain) || grain < VMDK_MIN_GRAIN_SECTORS ||
		grain > VMDK_MAX_GRAIN_SECTORS)
		return err_set(err, EINVAL,
			"sparse header: grain size of %" PRIu64
			" sectors (a power of two from %u to %u is read)",
			grain, VMDK_MIN_GRAIN_SECTORS, VMDK_MAX_GRAIN_SECTORS);
	h.grain_sectors = grain;
	if (le32_get(raw->gtes) != VMDK_GTES)
		return err_set(err, EINVAL,
			"sparse header: %" PRIu32
			" entries in a grain table (the format has %u)",
			le32_get(raw->gtes), VMDK_GTES);
	if (vmdk_table_count(&h) > VMDK_MAX_TABLES)
		return err_set(err, ENOTSUP,
			"sparse header: %" PRIu64 " grain tables (at most %" PRIu64
			" are read): %" PRIu64 " sectors in grains of %" PRIu64,
			vmdk_table_count(&h), VMDK_MAX_TABLES, h.capacity, grain);
	*ret = h;
	return 0;
}

/* Where the last sector that is not all zero begins, among the last MAX_PADDING bytes. */
static int last_used_sector(struct block *file, uint64_t *ret, struct err *err)
{
	uint64_t end = align_down(file->size, VMDK_SECTOR);
	uint64_t stop = end > MAX_PADDING ? end - MAX_PADDING : 0;
	size_t chunk = 64 * KiB;
	_auto_(mem) uint8_t *buf = xmalloc(chunk);

	while (end > stop) {
		size_t n = MIN((uint64_t)chunk, end - stop);
		int r = block_pread(file, buf, n, end - n, err);

		if (r < 0)
			return r;
		for (; n; n -= VMDK_SECTOR, end -= VMDK_SECTOR)
			if (!bytes_are_zero(buf + n - VMDK_SECTOR, VMDK_SECTOR)) {
				*ret = end - VMDK_SECTOR;
				return 0;
			}
	}
	return err_set(err, ENODATA, "the last %" PRIu64 " bytes are zero: no footer",
		MIN(file->size, MAX_PADDING));
}

int vmdk_footer_find(struct vmdk_header *ret, const struct vmdk_header *h, struct block *file,
	struct err *err)
{
	uint8_t raw[VMDK_SECTOR];
	uint64_t at = 0;
	struct err why = {0};
	int r = last_used_sector(file, &at, err);

	if (r < 0)
		return r;
	r = block_pread(file, raw, sizeof(raw), at, err);
	if (r < 0)
		return r;
	if (!at || !vmdk_header_is(raw, sizeof(raw)))
		return err_set(err, ENODATA, "no footer at its end");
	r = vmdk_header_parse(ret, raw, &why);
	if (r < 0)
		return err_set(err, ENODATA, "footer at sector %" PRIu64 ": %s",
			at / VMDK_SECTOR, why.text);
	if (ret->capacity != h->capacity || ret->grain_sectors != h->grain_sectors ||
		ret->compressed != h->compressed)
		return err_set(err, ENODATA,
			"footer at sector %" PRIu64 ": it says %" PRIu64
			" sectors in grains of %u, the header %" PRIu64 " in grains of %u",
			at / VMDK_SECTOR, ret->capacity, ret->grain_sectors, h->capacity,
			h->grain_sectors);
	if (ret->gd_at == VMDK_GD_AT_END)
		return err_set(err, ENODATA,
			"footer at sector %" PRIu64 ": it does not say where the grain "
			"directory is",
			at / VMDK_SECTOR);
	return 0;
}
