/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mkvhdx: makes VHDX images in memory, from the specification [MS-VHDX] alone, so that tests can
 * have every field as they want it, and a log as a crash leaves it.
 *
 *	0        1 MiB   2 MiB      3 MiB   4 MiB
 *	| header | log   | metadata | BAT   | blocks ... |
 *
 * Change bytes, then mkvhdx_seal().
 */
#pragma once

#include "formats/base/util.h"

#define MKVHDX_LOG      MiB
#define MKVHDX_METADATA (2 * MiB)
#define MKVHDX_BAT      (3 * MiB)
#define MKVHDX_DATA     (4 * MiB)

/* Where items of the metadata are in the file; the BAT entry of a table index. */
#define MKVHDX_ITEM(i)  (MKVHDX_METADATA + 65536 + (uint64_t)(i)*256)
#define MKVHDX_ENTRY(i) (MKVHDX_BAT + (uint64_t)(i)*8)

enum mkvhdx_item {
	MKVHDX_PARAMETERS,
	MKVHDX_SIZE,
	MKVHDX_DISK_ID,
	MKVHDX_LOGICAL,
	MKVHDX_PHYSICAL,
	MKVHDX_PARENT
};

struct mkvhdx {
	uint64_t size;       /* of the disk */
	uint32_t block_size; /* 0 = 1 MiB */
	uint32_t sector;     /* 0 = 512 */
	uint64_t data;       /* bytes behind MKVHDX_DATA; zeros */
	const char *parent;  /* makes it a differencing image */
};

/* A write in a log entry: 4 KiB of this byte, or (zero_len) a range of zeros. */
struct mkvhdx_write {
	uint64_t off, zero_len;
	const uint8_t *bytes; /* 4 KiB */
};

/* An entry for the log. */
struct mkvhdx_entry {
	uint32_t sector, tail; /* of the log */
	uint64_t sequence, flushed, last;
	const struct mkvhdx_write *writes;
	unsigned count;
};

/* The file's bytes, sealed; caller frees. Its length in *len. */
uint8_t *mkvhdx(const struct mkvhdx *how, size_t *len);

/* State and place (0 = none) of a BAT entry. */
void mkvhdx_set(uint8_t *file, uint64_t entry, unsigned state, uint64_t host);

/* Puts an entry into the log, and makes the headers say that there is a log to replay. */
void mkvhdx_log(uint8_t *file, const struct mkvhdx_entry *e);

/* Sets the checks of headers and region tables (and of whole log entries, with `log`) to what
 * they are of the bytes as they are now. The file has at least 2 MiB. */
void mkvhdx_seal(uint8_t *file, bool log);
