/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tar_build: tar archives made by code, in memory, whole or wrong in one place. */
#pragma once

#include "formats/base/str.h"

#include <stdio.h>

#define TAR_BLOCK 512

/* Writes the checksum of the header at h. */
static inline void tar_sum(char *h)
{
	unsigned sum = 0;

	memset(h + 148, ' ', 8);
	for (int i = 0; i < TAR_BLOCK; i++)
		sum += (unsigned char)h[i];
	snprintf(h + 148, 8, "%06o", sum);
}

static inline void tar_pad(struct str *t)
{
	while (t->len % TAR_BLOCK)
		str_addc(t, 0);
}

/* A POSIX ustar header; returns its offset. */
static inline size_t tar_header(struct str *t, const char *name, char type, uint64_t size)
{
	char h[TAR_BLOCK] = {0};
	size_t at = t->len;

	memcpy(h, name, strlen(name) < 100 ? strlen(name) : 100);
	snprintf(h + 100, 8, "0000644");
	snprintf(h + 108, 8, "0000000");
	snprintf(h + 116, 8, "0000000");
	snprintf(h + 124, 12, "%011llo", (unsigned long long)(size & 077777777777));
	snprintf(h + 136, 12, "00000000000");
	h[156] = type;
	memcpy(h + 257,
		"ustar\0"
		"00",
		8);
	tar_sum(h);
	str_addn(t, h, sizeof(h));
	return at;
}

/* A member with its bytes; returns the header's offset. */
static inline size_t tar_bytes(
	struct str *t, const char *name, char type, const void *bytes, size_t len)
{
	size_t at = tar_header(t, name, type, len);

	str_addn(t, bytes, len);
	tar_pad(t);
	return at;
}

static inline size_t tar_text(struct str *t, const char *name, char type, const char *text)
{
	return tar_bytes(t, name, type, text, strlen(text));
}

/* The end marker. */
static inline void tar_close(struct str *t)
{
	for (int i = 0; i < 2 * TAR_BLOCK; i++)
		str_addc(t, 0);
}
