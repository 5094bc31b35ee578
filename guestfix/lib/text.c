// SPDX-License-Identifier: LGPL-2.1-or-later
// text: lines, words and shell assignments of configuration files, see text.h.
#include "guestfix/lib/text.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

bool text_line(const char **pos, const char *end, struct span *line)
{
	const char *nl;

	if (*pos >= end)
		return false;
	nl = memchr(*pos, '\n', (size_t)(end - *pos));
	line->s = *pos;
	line->len = (size_t)((nl ?: end) - *pos);
	*pos = nl ? nl + 1 : end;
	return true;
}

bool text_word(const struct span *line, size_t *pos, struct span *word)
{
	size_t i = *pos, start;

	while (i < line->len && is_blank(line->s[i]))
		i++;
	if (i == line->len)
		return false;
	start = i;
	while (i < line->len && !is_blank(line->s[i]))
		i++;
	*word = (struct span){line->s + start, i - start};
	*pos = i;
	return true;
}

bool text_first_word(const struct span *line, struct span *word)
{
	size_t pos = 0;

	return text_word(line, &pos, word) && word->s[0] != '#';
}

struct span span_trim(struct span a)
{
	while (a.len && is_blank(a.s[0])) {
		a.s++;
		a.len--;
	}
	while (a.len && is_blank(a.s[a.len - 1]))
		a.len--;
	return a;
}

bool span_is(struct span a, const char *s)
{
	return a.len == strlen(s) && !memcmp(a.s, s, a.len);
}

bool span_starts(struct span a, const char *s)
{
	size_t n = strlen(s);

	return a.len >= n && !memcmp(a.s, s, n);
}

char *span_dup(struct span a)
{
	return xstrndup(a.s, a.len);
}

/* The end of a text that begins with a quote; in double quotes a backslash protects one. */
static const char *closing_quote(struct span v)
{
	for (size_t i = 1; i < v.len; i++) {
		if (v.s[i] == v.s[0])
			return v.s + i;
		if (v.s[i] == '\\' && v.s[0] == '"')
			i++;
	}
	return NULL;
}

bool text_shell_span(const char *text, size_t len, const char *key, struct span *value)
{
	const char *pos = text, *end = text + len;
	struct span line;
	bool found = false;

	while (text_line(&pos, end, &line)) {
		struct span v = span_trim(line);

		if (span_starts(v, "export "))
			v = span_trim((struct span){v.s + 7, v.len - 7});
		if (!span_starts(v, key) || v.len <= strlen(key) || v.s[strlen(key)] != '=')
			continue;
		v.s += strlen(key) + 1;
		v.len -= strlen(key) + 1;
		if (v.len && (v.s[0] == '"' || v.s[0] == '\'')) {
			const char *close = closing_quote(v);

			if (!close)
				continue; /* goes on in the next line: not understood */
			v = (struct span){v.s + 1, (size_t)(close - v.s - 1)};
		} else {
			size_t n = 0;

			while (n < v.len && !is_blank(v.s[n]) && v.s[n] != '#')
				n++;
			v.len = n;
		}
		*value = v;
		found = true;
	}
	return found;
}

char *text_shell_value(const char *text, size_t len, const char *key)
{
	struct span v;

	return text_shell_span(text, len, key, &v) ? span_dup(v) : NULL;
}

char *text_splice(const char *text, size_t len, const char *at, size_t old, const char *with,
	size_t *ret_len)
{
	struct str s = STR_INIT;

	str_addn(&s, text, (size_t)(at - text));
	str_add(&s, with);
	str_addn(&s, at + old, len - (size_t)(at - text) - old);
	*ret_len = s.len;
	return str_steal(&s);
}

bool text_has_word(struct span text, const char *word)
{
	struct span w;
	size_t pos = 0;

	while (text_word(&text, &pos, &w))
		if (span_is(w, word))
			return true;
	return false;
}
