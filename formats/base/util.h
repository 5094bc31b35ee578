/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * util: the handful of language helpers that every file uses: cleanup attributes, STEAL, sizes,
 * alignment, overflow-safe range checks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define _printf_(f, a) __attribute__((format(printf, f, a)))

/*
 * _auto_(foo) struct foo *x = NULL;      calls foo_free(x) when x goes out of scope.
 * A module offers it with DEFINE_AUTO(foo) after the declaration of foo_free(struct foo *).
 */
#define _auto_(name) __attribute__((cleanup(name##_autop)))
#define DEFINE_AUTO(name)                                                                      \
	static inline void name##_autop(struct name **p)                                       \
	{                                                                                      \
		name##_free(*p);                                                               \
	}

/* free() and close() the same way: `_auto_(mem) char *s = NULL;`, `_auto_(fd) int fd = -1;` */
void mem_autop(void *p);
void fd_autop(int *fd);

/* Hands a pointer on: yields its value and leaves NULL behind. */
#define STEAL(p)                                                                               \
	({                                                                                     \
		__typeof__(p) *p_ = &(p);                                                      \
		__typeof__(p) v_ = *p_;                                                        \
		*p_ = NULL;                                                                    \
		v_;                                                                            \
	})
/* The same for a file descriptor: leaves -1. */
static inline int steal_fd(int *fd)
{
	int v = *fd;

	*fd = -1;
	return v;
}

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)                                                                              \
	({                                                                                     \
		__typeof__(a) a_ = (a);                                                        \
		__typeof__(b) b_ = (b);                                                        \
		a_ < b_ ? a_ : b_;                                                             \
	})
#define MAX(a, b)                                                                              \
	({                                                                                     \
		__typeof__(a) m_ = (a);                                                        \
		__typeof__(b) n_ = (b);                                                        \
		m_ > n_ ? m_ : n_;                                                             \
	})

#define KiB (UINT64_C(1) << 10)
#define MiB (UINT64_C(1) << 20)
#define GiB (UINT64_C(1) << 30)
#define TiB (UINT64_C(1) << 40)

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* `to` is a power of two. */
static inline uint64_t align_down(uint64_t v, uint64_t to)
{
	return v & ~(to - 1);
}

static inline uint64_t align_up(uint64_t v, uint64_t to)
{
	return align_down(v + to - 1, to);
}

static inline bool is_aligned(uint64_t v, uint64_t to)
{
	return (v & (to - 1)) == 0;
}

static inline bool is_power_of_2(uint64_t v)
{
	return v && !(v & (v - 1));
}

static inline uint64_t div_up(uint64_t v, uint64_t by)
{
	return v / by + (v % by != 0);
}

/* Does [off, off + len) lie within [0, size)? Cannot overflow. */
static inline bool range_ok(uint64_t off, uint64_t len, uint64_t size)
{
	return off <= size && len <= size - off;
}
