/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmdk_header: what lies at fixed places in a hosted sparse extent: the header (and its copy at
 * the end of a stream, the footer) and the markers of a stream. "Sector" is 512 bytes always.
 *
 *	monolithicSparse                       streamOptimized
 *	  0  header                              0  header (gdOffset = GD_AT_END)
 *	  1  descriptor (text)                   1  descriptor
 *	     redundant directory, tables       128  marker+grain, marker+grain, ...
 *	     grain directory, tables                marker, grain table   (after its grains)
 *	     ... overHead ...                       ...
 *	     grains                                 marker, grain directory
 *	                                            marker, footer; end-of-stream marker
 *
 * Virtual Disk Format 5.0, "Hosted Sparse Extents" and "Stream-Optimized Compressed Sparse
 * Extents".
 */
#pragma once

#include "formats/base/bytes.h"
#include "formats/block/block.h"

#define VMDK_SECTOR 512
#define VMDK_GTES   512 /* entries in a grain table: fixed by the format */
#define VMDK_GT_LEN (VMDK_GTES * 4)

/* gdOffset of a header whose real value is in the footer. */
#define VMDK_GD_AT_END UINT64_MAX

/* Limits on what a header may ask for. */
#define VMDK_MAX_SECTORS       (UINT64_C(64) * TiB / VMDK_SECTOR) /* VMware's own limit is 62 TiB */
#define VMDK_MIN_GRAIN_SECTORS 8                                  /* 4 KiB */
#define VMDK_MAX_GRAIN_SECTORS 8192      /* 4 MiB; writers use 64 KiB, rarely 1 MiB */
#define VMDK_MAX_TABLES        (4 * MiB) /* grain tables: 8 TiB even with 4 KiB grains */

/* Flags of the header; what lies above 0xffff must be understood by a reader. */
enum {
	VMDK_NEWLINE_TEST = 1 << 0,
	VMDK_REDUNDANT = 1 << 1,
	VMDK_ZERO_GRAINS = 1 << 2,
	VMDK_COMPRESSED = 1 << 16,
	VMDK_MARKERS = 1 << 17,
};

/* A checked header. Offsets and sizes in sectors. */
struct vmdk_header {
	unsigned version;
	uint32_t flags;
	uint64_t capacity;
	uint32_t grain_sectors; /* power of two within the limits above */
	uint64_t desc_at, desc_sectors;
	uint64_t rgd_at, gd_at; /* gd_at may be VMDK_GD_AT_END */
	uint64_t overhead;
	bool unclean; /* the writer did not close the file */
	bool compressed;
};

/*
 * Decodes and checks the 512 bytes at `raw`. Whether the places lie inside the file is the
 * caller's to check. -EINVAL: not a sparse header or contradictory; -ENOTSUP: a version or
 * feature that is not read. The text has no file name in front.
 */
int vmdk_header_parse(struct vmdk_header *ret, const uint8_t *raw, struct err *err);

/* Does it begin like a sparse extent? */
bool vmdk_header_is(const uint8_t *raw, size_t len);

/*
 * The footer of a stream: the last sector of the file that is not zero, looking back over at
 * most 1 MiB of padding. 0 and *ret when it is there and agrees with `h`, else -ENODATA with the
 * reason in *err; errors of the file below as they are.
 */
int vmdk_footer_find(struct vmdk_header *ret, const struct vmdk_header *h, struct block *file,
	struct err *err);

/* How many grains and grain tables the disk has. */
static inline uint64_t vmdk_grains(const struct vmdk_header *h)
{
	return div_up(h->capacity, h->grain_sectors);
}

static inline uint64_t vmdk_table_count(const struct vmdk_header *h)
{
	return div_up(vmdk_grains(h), VMDK_GTES);
}

static inline size_t vmdk_grain_len(const struct vmdk_header *h)
{
	return (size_t)h->grain_sectors * VMDK_SECTOR;
}

/* Bytes of the disk that lie in grain g: the last grain may be cut by the capacity. */
static inline size_t vmdk_grain_used(const struct vmdk_header *h, uint64_t g)
{
	uint64_t left = h->capacity - g * h->grain_sectors;

	return MIN(left, (uint64_t)h->grain_sectors) * VMDK_SECTOR;
}

/* The longest zlib stream accepted for one grain: what zlib itself states as the worst case of
 * any of its settings (deflateBound() of a stream with non-default parameters). */
static inline size_t vmdk_deflate_max(const struct vmdk_header *h)
{
	size_t n = vmdk_grain_len(h);

	return n + n / 8 + n / 64 + 64;
}

/* A marker in a stream. size > 0: a grain, its zlib stream follows at byte 12 of the marker's
 * sector; size 0: metadata of `type`, `value` sectors of it follow the marker's sector. */
struct vmdk_marker {
	uint64_t value; /* grain: LBA */
	uint32_t size;
	uint32_t type;
};

enum { VMDK_MARK_END, VMDK_MARK_TABLE, VMDK_MARK_DIRECTORY, VMDK_MARK_FOOTER };

#define VMDK_MARKER_LEN  16 /* bytes to read for vmdk_marker_parse() */
#define VMDK_MARKER_DATA 12 /* where a grain's data begins */

static inline struct vmdk_marker vmdk_marker_parse(const uint8_t *raw)
{
	return (struct vmdk_marker){.value = le64_load(raw),
		.size = le32_load(raw + 8),
		.type = le32_load(raw + 12)};
}
