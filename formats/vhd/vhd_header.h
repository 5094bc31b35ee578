/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vhd_header: the two fixed structures of a VHD. Numbers are big-endian; a sector is 512 bytes.
 *
 *	fixed                    dynamic
 *	  0  the disk's bytes      0     copy of the footer
 *	     ...                   512   dynamic header (where the footer says)
 *	  end - 512  footer              block allocation table (where the header says)
 *	                                 block: bitmap of its sectors, data
 *	                                 ...
 *	                           end - 512  footer
 *
 * Very old writers left out the footer's last byte, which is reserved: 511 bytes.
 */
#pragma once

#include "formats/base/bytes.h"
#include "formats/block/block.h"

#define VHD_SECTOR         512
#define VHD_FOOTER_LEN     512
#define VHD_OLD_FOOTER_LEN 511
#define VHD_HEADER_LEN     1024

/* Limits on what a header may ask for. */
#define VHD_MAX_DYNAMIC (UINT64_C(2) * TiB) /* what sector numbers of 32 bits reach */
#define VHD_MIN_BLOCK   VHD_SECTOR
#define VHD_MAX_BLOCK   (64 * MiB)          /* 2 MiB is usual, 512 KiB is seen */
#define VHD_MAX_BLOCKS  (UINT64_C(4) << 20) /* 2 TiB in blocks of 512 KiB: a table of 16 MiB */

enum vhd_type { VHD_FIXED = 2, VHD_DYNAMIC = 3, VHD_DIFFERENCING = 4 };

struct vhd_footer {
	uint32_t type; /* enum vhd_type, or a value that is not known */
	uint64_t size; /* bytes the guest sees: see vhd_footer_parse() */
	uint64_t header_at;
	char creator[5]; /* "win ": four characters, others as '?' */
	bool saved_state;
};

struct vhd_header {
	uint64_t table_at;
	uint32_t entries; /* of the table; perhaps more than the disk needs */
	uint32_t block;   /* bytes */
	char parent[600]; /* its name in UTF-8, cut where it is long; "" = none */
};

/* Begins it like a footer? */
bool vhd_footer_is(const uint8_t *raw, size_t len);

/*
 * Decodes and checks 512 bytes. EBADMSG: the checksum is wrong (*ret is complete all the same, if
 * nothing else is wrong); EINVAL, ENOTSUP. The text begins with what is wrong, not with where.
 *
 * The size is what the writer meant: Virtual PC and old QEMU ("vpc ", "qemu") give the guest the
 * disk of their geometry, cylinders x heads x sectors; everybody else, and those where the geometry
 * is at its maximum or empty, means the size in bytes.
 */
int vhd_footer_parse(struct vhd_footer *ret, const uint8_t *raw, struct err *err);

/* The same for the 1024 bytes of the dynamic header. */
int vhd_header_parse(struct vhd_header *ret, const uint8_t *raw, struct err *err);

/* Bytes of the bitmap in front of a block's data. */
static inline size_t vhd_bitmap_len(uint32_t block)
{
	return align_up(div_up(block / VHD_SECTOR, 8), VHD_SECTOR);
}
