/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * alloc: two allocators. The x* family is for sizes that we choose: it aborts the process when
 * memory is out. alloc_limited() is for sizes that came from outside: it checks the overflow and
 * a named limit, and returns an error.
 */
#pragma once

#include "formats/base/err.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t count, size_t size) __attribute__((returns_nonnull));
void *xmemdup(const void *p, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
/* NULL stays NULL. */
char *xstrdup_null(const char *s);
char *xstrndup(const char *s, size_t max) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...) _printf_(1, 2) __attribute__((returns_nonnull));
char *xvasprintf(const char *fmt, va_list ap) __attribute__((returns_nonnull));

/* Memory aligned for O_DIRECT (`align` a power of two); free with free(). Not zeroed. */
void *xaligned(size_t align, size_t size) __attribute__((returns_nonnull));

#define xnew(type) ((type *)xcalloc(1, sizeof(type)))

/*
 * Zeroed memory for `count` items of `size` bytes, where count came from outside. More than
 * `limit` items: EINVAL ("WHAT: COUNT is more than the LIMIT allowed"). No memory: ENOMEM.
 * Caller frees *ret with free().
 */
int alloc_limited(void **ret, uint64_t count, size_t size, uint64_t limit, const char *what,
	struct err *err);
