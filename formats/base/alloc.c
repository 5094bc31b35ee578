// SPDX-License-Identifier: LGPL-2.1-or-later
/* alloc: aborting allocators for our own sizes, a checked one for sizes from outside. */
#include "formats/base/alloc.h"

#include <inttypes.h>
#include <stdio.h>

static void *need(void *p)
{
	if (!p) {
		fputs("wherry: out of memory\n", stderr);
		abort();
	}
	return p;
}

void *xmalloc(size_t size)
{
	return need(malloc(size ? size : 1));
}

void *xcalloc(size_t count, size_t size)
{
	return need(calloc(count ? count : 1, size ? size : 1));
}

void *xrealloc(void *p, size_t count, size_t size)
{
	return need(reallocarray(p, count ? count : 1, size ? size : 1));
}

void *xmemdup(const void *p, size_t size)
{
	void *d = xmalloc(size);

	if (size)
		memcpy(d, p, size);
	return d;
}

char *xstrdup(const char *s)
{
	return need(strdup(s));
}

char *xstrdup_null(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

char *xstrndup(const char *s, size_t max)
{
	return need(strndup(s, max));
}

char *xvasprintf(const char *fmt, va_list ap)
{
	char *s = NULL;

	if (vasprintf(&s, fmt, ap) < 0)
		s = NULL;
	return need(s);
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = xvasprintf(fmt, ap);
	va_end(ap);
	return s;
}

void *xaligned(size_t align, size_t size)
{
	void *p = NULL;

	if (posix_memalign(&p, align, size ? size : align))
		p = NULL;
	return need(p);
}

int alloc_limited(void **ret, uint64_t count, size_t size, uint64_t limit, const char *what,
	struct err *err)
{
	if (count > limit)
		return err_set(err, EINVAL,
			"%s: %" PRIu64 " is more than the %" PRIu64 " allowed", what, count,
			limit);
	*ret = calloc(count ? count : 1, size ? size : 1);
	if (!*ret)
		return err_set(err, ENOMEM, "%s: no memory for %" PRIu64 " items of %zu bytes",
			what, count, size);
	return 0;
}
