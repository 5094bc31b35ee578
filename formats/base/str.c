// SPDX-License-Identifier: LGPL-2.1-or-later
/* str: growing buffers, lists of strings, numbers and sizes in text. */
#include "formats/base/str.h"

#include <ctype.h>
#include <stdio.h>

char str_empty[1] = "";

static void reserve(struct str *s, size_t more)
{
	size_t want = s->len + more + 1;

	if (want <= s->cap)
		return;
	want = MAX(want, s->cap * 2);
	want = MAX(want, (size_t)64);
	s->s = xrealloc(s->cap ? s->s : NULL, want, 1);
	s->cap = want;
}

void str_addn(struct str *s, const void *bytes, size_t n)
{
	reserve(s, n);
	if (n)
		memcpy(s->s + s->len, bytes, n);
	s->len += n;
	s->s[s->len] = 0;
}

void str_add(struct str *s, const char *text)
{
	str_addn(s, text, strlen(text));
}

void str_addc(struct str *s, char c)
{
	str_addn(s, &c, 1);
}

void str_addf(struct str *s, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	str_add(s, text);
	free(text);
}

void str_clear(struct str *s)
{
	if (s->cap)
		free(s->s);
	*s = (struct str)STR_INIT;
}

char *str_steal(struct str *s)
{
	char *p;

	reserve(s, 0);
	s->s[s->len] = 0;
	p = s->s;
	*s = (struct str)STR_INIT;
	return p;
}

void strv_take(char ***list, char *s)
{
	size_t n = strv_len(*list);

	*list = xrealloc(*list, n + 2, sizeof(char *));
	(*list)[n] = s;
	(*list)[n + 1] = NULL;
}

void strv_add(char ***list, const char *s)
{
	strv_take(list, xstrdup(s));
}

size_t strv_len(char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

bool strv_has(char *const *list, const char *s)
{
	strv_foreach (l, list)
		if (!strcmp(*l, s))
			return true;
	return false;
}

void strv_free(char **list)
{
	strv_foreach (l, list)
		free(*l);
	free(list);
}

bool starts_with(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

bool ends_with(const char *s, const char *suffix)
{
	size_t a = strlen(s), b = strlen(suffix);

	return a >= b && !strcmp(s + a - b, suffix);
}

/* Digits from *p on; moves *p behind them. */
static int parse_digits(const char **p, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (!isdigit((unsigned char)**p))
		return -EINVAL;
	for (; isdigit((unsigned char)**p); (*p)++) {
		unsigned d = **p - '0';

		if (v > (max - MIN((uint64_t)d, max)) / 10 || d > max)
			return -ERANGE;
		v = v * 10 + d;
	}
	*ret = v;
	return 0;
}

int parse_u64(const char *text, uint64_t max, uint64_t *ret)
{
	uint64_t v;
	int r = parse_digits(&text, max, &v);

	if (r < 0)
		return r;
	if (*text)
		return -EINVAL;
	*ret = v;
	return 0;
}

int parse_size(const char *text, uint64_t *ret)
{
	static const char units[] = "KMGTP";
	const char *unit;
	uint64_t v;
	int r = parse_digits(&text, UINT64_MAX, &v);

	if (r < 0)
		return r;
	if (*text && (unit = strchr(units, toupper((unsigned char)*text)))) {
		unsigned shift = 10 * (unsigned)(unit - units + 1);

		if (v > UINT64_MAX >> shift)
			return -ERANGE;
		v <<= shift;
		text++;
		if (*text == 'i')
			text++;
	}
	if (*text == 'B' || *text == 'b')
		text++;
	if (*text)
		return -EINVAL;
	*ret = v;
	return 0;
}

const char *format_size(char *buf, size_t size, uint64_t bytes)
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double v = (double)bytes;
	unsigned u = 0;

	while (v >= 1024 && u + 1 < ARRAY_SIZE(units)) {
		v /= 1024;
		u++;
	}
	snprintf(buf, size, u ? "%.1f %s" : "%.0f %s", v, units[u]);
	return buf;
}
