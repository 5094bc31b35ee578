/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * unpack: one compressed stream in memory, unpacked piece by piece into a callback, with the exact
 * number of bytes it took: an initramfs has other things behind it.
 *
 * gzip, zstd, xz and lzma are read with their own libraries, which stop at the stream's end; lz4,
 * bzip2 and lzop through libarchive, which takes what follows as part of the stream where it can.
 *
 * Threads: no state.
 */
#pragma once

#include "guestfix/facts.h"

/* Memory a stream may ask for to be unpacked (xz and zstd windows). */
#define UNPACK_MAX_MEMORY (256 * 1024 * 1024)

/* Gets unpacked bytes; a negative return (with err set) ends the unpacking with it. */
typedef int unpack_sink(void *opaque, const uint8_t *bytes, size_t len, struct err *err);

/* By the first bytes of a stream. False: not one of them. */
bool unpack_detect(const uint8_t *in, size_t len, enum initrd_compression *ret);

/* EINVAL: the stream is damaged or ends early. *consumed is set on success. */
int unpack_stream(enum initrd_compression c, const uint8_t *in, size_t len, unpack_sink *sink,
	void *opaque, size_t *consumed, struct err *err);

/* A whole stream (a module) into memory, at most `limit` bytes; caller frees *ret. */
int unpack_all(enum initrd_compression c, const void *in, size_t len, size_t limit, void **ret,
	size_t *ret_len, struct err *err);
