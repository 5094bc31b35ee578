/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mkvmdk: writes VMDKs by hand, from the format's description and sharing no code with the
 * reader, with a switch for each thing that writers do differently or get wrong.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a stream's grain directory is. */
enum mkvmdk_tables {
	MKVMDK_FOOTER, /* at the end, header says "see footer" (ovftool, ESXi) */
	MKVMDK_FRONT,  /* in front, no footer (qemu-img, open-vmdk) */
	MKVMDK_BOTH,   /* at the end, and the header knows where; footer too */
};

/* All zero: a stream as ovftool writes it, 64 KiB grains. */
struct mkvmdk {
	bool sparse;      /* monolithicSparse instead of streamOptimized */
	unsigned version; /* 0: 1 for sparse (2 with zero grains), 3 for streams */
	unsigned grain;   /* sectors; 0 = 128 */
	enum mkvmdk_tables tables;
	bool redundant;         /* sparse: second directory and tables */
	bool zero_grains;       /* grains of zeros have entry 1; else they have none */
	bool keep_zeros;        /* grains of zeros are stored like others */
	bool shuffle;           /* grains not in the order of the disk */
	bool stored;            /* zlib level 0: data larger than the grain */
	bool short_last;        /* the last grain holds only what the disk has */
	bool no_markers;        /* no markers in front of tables, directory and footer */
	bool no_end;            /* no end-of-stream marker */
	size_t padding;         /* zero bytes behind the end */
	uint64_t sectors;       /* capacity, where it is not the raw bytes' */
	const char *descriptor; /* instead of the usual text */
};

/* The file, and where its parts are, for tests that damage them. Sectors. */
struct mkvmdk_file {
	uint8_t *bytes;
	size_t len;
	uint32_t gd, rgd;   /* 0 = none */
	uint32_t *gt;       /* by table, 0 = none */
	uint32_t *grain_at; /* by grain, 0 = none */
	size_t tables, grains;
	uint32_t footer; /* 0 = none */
};

/* Makes the file of `len` raw bytes (whole sectors). Aborts on impossible wishes. */
void mkvmdk(struct mkvmdk_file *ret, const void *raw, size_t len, const struct mkvmdk *how);
void mkvmdk_free(struct mkvmdk_file *f);

/* Sets a switch by its name ("grain=256", "shuffle"); false if there is none. */
bool mkvmdk_option(struct mkvmdk *how, const char *option);
