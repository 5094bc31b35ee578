/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vhdx: Hyper-V's disk images, fixed and dynamic, read at any place. The reference is Microsoft's
 * [MS-VHDX]; sections of it are named below.
 *
 *	0        64 KiB   128 KiB  192 KiB   256 KiB    1 MiB
 *	| file id | header | header | regions | regions | log | metadata | BAT | blocks ... |
 *
 * The newer of two headers counts; it says where the log is. What a crash left in the log is
 * laid over the file in memory (vhdx_log.c, vhdx_overlay.c), so the source is never written, and
 * everything else is read through that. The region table says where the metadata (sizes) and
 * the BAT are: eight bytes for each block of 1 to 256 MiB, after each chunk of blocks eight
 * for a sector bitmap, which only differencing images have.
 *
 * Differencing images are refused, naming their parent.
 *
 * Threads: the block may be read by any number of threads; a lock guards the cache of the BAT.
 */
#pragma once

#include "formats/base/bytes.h"
#include "formats/image.h"

#include <pthread.h>

#define VHDX_ALIGN       MiB /* of regions, log and blocks */
#define VHDX_GUID_LEN    16
#define VHDX_SECTOR      UINT64_C(4096) /* of the log */
#define VHDX_MAX_SIZE    (64 * TiB)     /* section 2.6.2.2 */
#define VHDX_MAX_ENTRIES 2047 /* of a region or metadata table; sections 2.2.3, 2.6.1 */

/* A log that has to be replayed is held in memory. Writers make 1 MiB. */
#define VHDX_MAX_LOG (32 * MiB)

/* Writes in the active part of the log; one of 32 MiB holds 8190 of whole sectors, and what is
 * more zeroes ranges. */
#define VHDX_MAX_LOG_WRITES 65536

/* The BAT is read in pages of so many entries, and so many pages are kept (4 MiB). */
#define VHDX_PAGE_ENTRIES 8192
#define VHDX_PAGES        64

struct vhdx_region {
	uint64_t off, len;
};

/* What the current header says; section 2.2.2. */
struct vhdx_header {
	uint64_t sequence;
	uint8_t log_guid[VHDX_GUID_LEN]; /* all zero: nothing to replay */
	uint16_t log_version, version;
	struct vhdx_region log;
};

struct vhdx_page {
	uint64_t index; /* UINT64_MAX = empty */
	uint8_t *entries;
};

struct vhdx {
	struct block *file; /* the image file, or the overlay with its log's writes */
	const char *name;   /* the file's label, for errors */
	bool damaged_ok;
	uint64_t lost; /* bytes read as zeros because they are lost; atomic */

	struct vhdx_region bat, metadata;
	struct vhdx_region
		*used; /* the header section, the log, all regions; sorted, disjoint */
	size_t used_count;

	uint64_t size;
	uint64_t block;  /* bytes */
	uint32_t sector; /* logical, 512 or 4096 */
	uint64_t ratio;  /* blocks of a chunk */

	pthread_mutex_t lock; /* guards pages */
	struct vhdx_page pages[VHDX_PAGES];
};

enum vhdx_kind { VHDX_HOLE, VHDX_ZERO, VHDX_DATA, VHDX_LOST };

struct vhdx_run {
	enum vhdx_kind kind;
	uint64_t len;  /* bytes from the offset asked for */
	uint64_t host; /* VHDX_DATA: where in the file */
};

/* ---- vhdx_header.c ---- */

/* The current header. EINVAL: none is whole; ENOTSUP: a version that is not known. */
int vhdx_header_read(struct vhdx_header *ret, struct block *file, struct err *err);

/* The region tables and what is in the regions: sets all of `v` below `used`. ENOTSUP for a parent
 * and for required parts that are not known. */
int vhdx_regions_read(struct vhdx *v, const struct vhdx_header *h, struct err *err);

/* ---- vhdx_meta.c ---- */

/* The sizes, from the metadata region. */
int vhdx_meta_read(struct vhdx *v, struct err *err);

/* ---- vhdx_log.c ---- */

/*
 * The file as it is once the log is replayed, in *ret: a block over the file, or a further reference to the file
 * itself if there is nothing to do; section 2.3.3. EINVAL: the log has no whole sequence
 * (`damaged_ok`: then the file is taken as it is), one that makes no sense, or the file is
 * shorter than it was when the log was written.
 */
int vhdx_log_replay(struct block **ret, struct block *file, const struct vhdx_header *h,
	bool damaged_ok, struct err *err);

/* ---- vhdx_bat.c ---- */

/* Entries that the BAT must have for the disk's size. */
uint64_t vhdx_bat_entries(const struct vhdx *v);

/* What is at guest offset `off`, at most max bytes. A damaged entry: EINVAL, or VHDX_LOST. With v->lock held. */
int vhdx_map(struct vhdx *v, uint64_t off, uint64_t max, struct vhdx_run *ret, struct err *err);

extern const struct image_format image_vhdx;
