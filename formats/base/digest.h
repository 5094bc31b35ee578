/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * digest: SHA-1, SHA-256 and SHA-512 of a stream of bytes, and their hexadecimal form.
 *
 *	_auto_(digest) struct digest *d = NULL;
 *	r = digest_new(&d, DIGEST_SHA256, err);
 *	digest_add(d, bytes, len);                   any number of times
 *	digest_end(d, sum);                          digest_len(DIGEST_SHA256) bytes, once
 *
 * Threads: a struct digest belongs to one thread at a time; the others have no state.
 */
#pragma once

#include "formats/base/err.h"

#define DIGEST_MAX     64                   /* bytes of the longest digest */
#define DIGEST_HEX_MAX (2 * DIGEST_MAX + 1) /* the same in hexadecimal, with its NUL */

enum digest_algo { DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA512, DIGEST_ALGOS };

/* "SHA1", "SHA256", "SHA512". */
const char *digest_name(enum digest_algo algo);
/* The algorithm called NAME: letter case and one '-' ("sha-256") do not matter. ENOTSUP. */
int digest_by_name(const char *name, enum digest_algo *ret);
/* Bytes of a digest: 20, 32 or 64. */
size_t digest_len(enum digest_algo algo);

struct digest;
/* ENOTSUP when the library refuses the algorithm (SHA-1 under a strict policy). */
int digest_new(struct digest **ret, enum digest_algo algo, struct err *err);
void digest_free(struct digest *d);
DEFINE_AUTO(digest)
void digest_add(struct digest *d, const void *bytes, size_t len);
/* Writes digest_len() bytes into sum; nothing can be added afterwards. */
void digest_end(struct digest *d, uint8_t sum[DIGEST_MAX]);

/* The digest of one buffer. */
int digest_buffer(enum digest_algo algo, const void *bytes, size_t len, uint8_t sum[DIGEST_MAX],
	struct err *err);

/* Lower-case hexadecimal of `len` <= DIGEST_MAX bytes; returns buf. */
const char *digest_hex(char buf[DIGEST_HEX_MAX], const uint8_t *sum, size_t len);
/* Exactly 2 * len hexadecimal digits of either case and nothing else. EINVAL. */
int digest_from_hex(const char *hex, uint8_t *sum, size_t len);
