/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mkvhd: writes VHDs by hand, from the format's description and sharing no code with the reader,
 * with a switch for each thing that writers do differently.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero: a dynamic disk as Hyper-V writes it, in blocks of 2 MiB. */
struct mkvhd {
	unsigned type;         /* 0 = 3, dynamic; 2 fixed, 4 differencing */
	uint32_t block;        /* bytes; 0 = 2 MiB */
	const char *creator;   /* four characters; NULL = "win " */
	uint64_t current_size; /* where it is not the raw bytes' */
	uint16_t cylinders;    /* the geometry: 0 cylinders = its maximum */
	uint8_t heads, sectors;
	bool old_footer;    /* 511 bytes */
	bool shuffle;       /* blocks not in the order of the disk */
	bool keep_zeros;    /* blocks of zeros are stored like others */
	bool bitmaps;       /* bits only for sectors with data; the others hold garbage */
	bool short_last;    /* the last block holds only what the disk has */
	const char *parent; /* ASCII */
};

#define MKVHD_HEADER 512
#define MKVHD_TABLE  1536

/* The file: copy of the footer, dynamic header, table, blocks, footer. */
struct mkvhd_file {
	uint8_t *bytes;
	size_t len;
	size_t footer; /* where it is */
	size_t blocks;
};

/* Makes the file of `len` raw bytes (whole sectors). */
void mkvhd(struct mkvhd_file *ret, const void *raw, size_t len, const struct mkvhd *how);
void mkvhd_free(struct mkvhd_file *f);

/* Makes the checksum right again of the footers (and of a dynamic disk's header) after a change. */
void mkvhd_sum_footer(struct mkvhd_file *f);
void mkvhd_sum_copy(struct mkvhd_file *f);
void mkvhd_sum_header(struct mkvhd_file *f);
