/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bytes: numbers as they lie in files. On-disk structures are declared with these byte-array
 * types, so they need no packing, have no alignment, and cannot be used as a number by mistake:
 *
 *	struct header { struct le32 magic; struct be64 size; };
 *	if (le32_get(h->magic) != MAGIC) ...
 */
#pragma once

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define DEFINE_BYTES(order, bits)                                                              \
	struct order##bits {                                                                   \
		uint8_t b[bits / 8];                                                           \
	};                                                                                     \
	static inline uint##bits##_t order##bits##_load(const void *p)                         \
	{                                                                                      \
		uint##bits##_t v;                                                              \
		memcpy(&v, p, sizeof(v));                                                      \
		return order##bits##toh(v);                                                    \
	}                                                                                      \
	static inline void order##bits##_store(void *p, uint##bits##_t v)                      \
	{                                                                                      \
		v = hto##order##bits(v);                                                       \
		memcpy(p, &v, sizeof(v));                                                      \
	}                                                                                      \
	static inline uint##bits##_t order##bits##_get(struct order##bits v)                   \
	{                                                                                      \
		return order##bits##_load(v.b);                                                \
	}                                                                                      \
	static inline struct order##bits order##bits##_make(uint##bits##_t v)                  \
	{                                                                                      \
		struct order##bits r;                                                          \
		order##bits##_store(r.b, v);                                                   \
		return r;                                                                      \
	}

DEFINE_BYTES(le, 16)
DEFINE_BYTES(le, 32)
DEFINE_BYTES(le, 64)
DEFINE_BYTES(be, 16)
DEFINE_BYTES(be, 32)
DEFINE_BYTES(be, 64)
