/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * image: the table of disk image formats. One const struct per format in one const array; all
 * that differs between formats hangs off it.
 *
 * A format is named by the user or by trusted metadata (the OVF's disk section), or it is
 * probed from the first bytes, then the last; what no format claims is raw, unless it is known
 * to be something else (a VDI image, a tar archive), which is refused. A raw disk's first bytes are its
 * guest's to choose, so it can pose as anything when probed: whoever knows the format says it,
 * and formats open no other file by name unless they are given a folder for it.
 *
 * A format's row lives in its own folder (formats/qcow2/qcow2.c: image_qcow2); image.c lists
 * them.
 */
#pragma once

#include "formats/block/block.h"

/* How to open. All zero is right for a trusted caller that wants to read. */
struct image_open {
	bool write;      /* open for writing in place */
	bool damaged_ok; /* fill lost ranges with zeros instead of refusing */
	int dirfd;       /* folder that names inside the image are relative to; 0 or -1 = none.
		      image_open() fills it, see there. Borrowed while opening */
};

/* How to create. */
struct image_create {
	uint64_t size;         /* bytes the guest sees */
	uint32_t cluster_size; /* 0 = the format's default */
	bool preallocate;
	bool direct; /* O_DIRECT where the file system can */
};

enum { IMAGE_CAN_READ = 1, IMAGE_CAN_WRITE = 2, IMAGE_CAN_CREATE = 4 };

struct image_format {
	const char *name; /* as users type it: "qcow2" */
	const char *description;
	unsigned can;         /* IMAGE_CAN_* */
	const char *suffixes; /* "vmdk", comma-separated, for names of outputs */

	/* 0..100 from the first `len` (<= IMAGE_PROBE_LEN) bytes; `size` is the file's. */
	int (*probe)(const uint8_t *head, size_t len, uint64_t size);

	/* The same from the last `len` (<= IMAGE_PROBE_END) bytes, for formats that begin with the
	 * guest's own; asked only when no probe() says more than 0. May be NULL. */
	int (*probe_end)(const uint8_t *tail, size_t len, uint64_t size);

	/* A block with the guest's bytes over the file's bytes. Takes `take_file` on success.
	 */
	int (*open)(struct block **ret, struct block *take_file, const struct image_open *how,
		struct err *err);

	/* Adds to the list the names of the other files that the image's bytes are in, relative to
	 * the image's folder, after it was opened. NULL: there are none ever. */
	int (*files)(char ***list, struct block *file, struct err *err);

	/* A new image in `take_file` (empty, writable); the returned block is writable and its
	 * metadata is complete after block_flush(). */
	int (*create)(struct block **ret, struct block *take_file,
		const struct image_create *how, struct err *err);
};

#define IMAGE_PROBE_LEN 4096
#define IMAGE_PROBE_END 512

/* NULL-terminated. */
extern const struct image_format *const image_formats[];

/* NULL when there is none of that name. */
const struct image_format *image_format_find(const char *name);

/* The format of these bytes; raw if nothing else claims them. ENOTSUP for what is known to be no
 * disk: other images, archives, compressed files. */
int image_probe(struct block *file, const struct image_format **ret, struct err *err);

/*
 * Opens the image file at `path`. `format` NULL = probe. *ret is read-only unless how->write.
 * `how` NULL = all zero. *ret_format (may be NULL) says what it was.
 *
 * Without how->dirfd, the image may name files in the folder of `path` (and below), if its format
 * was named or its name ends as the format's do. Bytes alone are not believed: a guest can write
 * a descriptor into its raw disk, which must not open other disks beside it.
 */
int image_open(struct block **ret, const char *path, const char *format,
	const struct image_open *how, const struct image_format **ret_format, struct err *err);

/* Creates the file `path` (which must not exist) as an image of that format. */
int image_create(struct block **ret, const char *path, const struct image_format *format,
	const struct image_create *how, struct err *err);
