/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * str: a growing byte buffer that is always NUL-terminated, a list of strings, and the parsing
 * of numbers and sizes from text.
 *
 *	struct str s = STR_INIT;
 *	str_addf(&s, "%s-sd%c", name, 'a' + i);
 *	... s.s, s.len ...
 *	str_clear(&s);              or: char *p = str_steal(&s);   (caller frees)
 */
#pragma once

#include "formats/base/alloc.h"

struct str {
	char *s; /* never NULL: "" before the first byte is added */
	size_t len;
	size_t cap; /* 0 while s is the constant "" */
};

extern char str_empty[];
#define STR_INIT                                                                               \
	{                                                                                      \
		.s = str_empty                                                                 \
	}

void str_add(struct str *s, const char *text);
void str_addn(struct str *s, const void *bytes, size_t n);
void str_addc(struct str *s, char c);
void str_addf(struct str *s, const char *fmt, ...) _printf_(2, 3);
/* Frees the memory and makes the buffer empty. */
void str_clear(struct str *s);
/* The bytes, NUL-terminated, owned by the caller; the buffer is empty afterwards. */
char *str_steal(struct str *s);
static inline void str_autop(struct str *s)
{
	str_clear(s);
}
#define _auto_str_ __attribute__((cleanup(str_autop)))

/* A NULL-terminated list of strings, as in argv. NULL is the empty list. */
void strv_add(char ***list, const char *s);
void strv_take(char ***list, char *s);
size_t strv_len(char *const *list);
bool strv_has(char *const *list, const char *s);
void strv_free(char **list);
static inline void strv_autop(char ***list)
{
	strv_free(*list);
}
#define strv_foreach(var, list) for (char *const *var = (list); var && *var; var++)

bool starts_with(const char *s, const char *prefix);
bool ends_with(const char *s, const char *suffix);

/* A whole decimal number with nothing around it, at most max. EINVAL, ERANGE. */
int parse_u64(const char *text, uint64_t max, uint64_t *ret);
/* A size in bytes: digits and one of K M G T P, KB/KiB ... (all powers of 1024). */
int parse_size(const char *text, uint64_t *ret);
/* "1.5 GiB" into buf; returns buf. */
const char *format_size(char *buf, size_t size, uint64_t bytes);
