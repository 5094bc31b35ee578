// SPDX-License-Identifier: LGPL-2.1-or-later
/* opt: parsing and printing of option tables. */
#include "cli/opt.h"

#include "formats/base/str.h"

#include <limits.h>
#include <stdio.h>

/* Longest word that is compared when looking for the nearest one. */
#define NEAR_MAX 40

static bool is_end(const struct opt *o)
{
	return !o->letter && !o->name;
}

const char *opt_label(const struct opt *o)
{
	return o->name ? o->name : o->letter;
}

/* Levenshtein's distance, by one row. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[NEAR_MAX + 1];
	size_t n = strlen(b);

	if (n > NEAR_MAX || strlen(a) > NEAR_MAX)
		return UINT_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = (unsigned)j;
	for (size_t i = 0; a[i]; i++) {
		unsigned diagonal = row[0]++;

		for (size_t j = 0; j < n; j++) {
			unsigned replace = diagonal + (a[i] != b[j]);
			unsigned insert = MIN(row[j], row[j + 1]) + 1;

			diagonal = row[j + 1];
			row[j + 1] = MIN(replace, insert);
		}
	}
	return row[n];
}

static void nearer(const char *typed, const char *word, const char **best, unsigned *best_d)
{
	unsigned d = word ? distance(typed, word) : UINT_MAX;

	/* A word that begins with what was typed is what was meant, cut short. */
	if (word && strlen(typed) > 3 && starts_with(word, typed))
		d = 0;
	if (d < *best_d && d <= 1 + strlen(typed) / 3) {
		*best = word;
		*best_d = d;
	}
}

const char *opt_nearest(const char *typed, const void *words, size_t stride)
{
	const char *best = NULL, *word;
	unsigned best_d = UINT_MAX;

	for (const char *p = words; (word = *(const char *const *)p); p += stride)
		nearer(typed, word, &best, &best_d);
	return best;
}

static const char *nearest_option(
	const char *typed, const struct opt *const *tables, size_t n_tables)
{
	const char *best = NULL;
	unsigned best_d = UINT_MAX;

	for (size_t t = 0; t < n_tables; t++)
		for (const struct opt *o = tables[t]; o && !is_end(o); o++) {
			nearer(typed, o->name, &best, &best_d);
			nearer(typed, o->letter, &best, &best_d);
		}
	return best;
}

/* Is `arg` this spelling, alone or with "=VALUE"? *value is then the value or NULL. */
static bool spelled(const char *arg, const char *spelling, char **value)
{
	size_t n = spelling ? strlen(spelling) : 0;

	if (!n || strncmp(arg, spelling, n) || (arg[n] && arg[n] != '='))
		return false;
	*value = arg[n] ? (char *)arg + n + 1 : NULL;
	return true;
}

static int store(const struct opt *o, void *fields, char *value, struct err *err)
{
	void *p = (char *)fields + o->offset;
	uint64_t v;

	switch (o->type) {
	case OPT_FLAG:
		*(bool *)p = true;
		return 0;
	case OPT_STRING:
		*(char **)p = value;
		return 0;
	case OPT_STRINGS:
		strv_add(p, value);
		return 0;
	case OPT_SIZE:
		if (parse_size(value, p) < 0)
			return err_set(err, EINVAL,
				"%s: '%s' is not a size; write for example 512M or 10G",
				opt_label(o), value);
		return 0;
	case OPT_UINT:
		if (parse_u64(value, o->max ? o->max : UINT_MAX, &v) < 0 || v < o->min)
			return err_set(err, EINVAL, "%s: '%s' is not a number from %u to %u",
				opt_label(o), value, o->min, o->max ? o->max : UINT_MAX);
		*(unsigned *)p = (unsigned)v;
		return 0;
	case OPT_CHOICE:
		for (const char *const *c = o->choices; *c; c++)
			if (!strcmp(*c, value)) {
				*(const char **)p = *c;
				return 0;
			}
		break;
	}
	_auto_str_ struct str list = STR_INIT;

	for (const char *const *c = o->choices; *c; c++)
		str_addf(&list, "%s%s", list.len ? ", " : "", *c);
	return err_set(err, EINVAL, "%s: '%s' is not one of %s", opt_label(o), value, list.s);
}

int opt_parse(char **argv, const struct opt *first, void *a, const struct opt *second, void *b,
	char ***args, struct err *err)
{
	const struct opt *const tables[] = {first, second};
	void *const fields[] = {a, b};
	bool options = true;

	for (; *argv; argv++) {
		const struct opt *found = NULL;
		char *value = NULL;
		size_t t;
		int r;

		if (!options || argv[0][0] != '-' || !argv[0][1]) {
			size_t n = strv_len(*args);

			*args = xrealloc(*args, n + 2, sizeof(char *));
			(*args)[n] = *argv;
			(*args)[n + 1] = NULL;
			continue;
		}
		if (!strcmp(*argv, "--")) {
			options = false;
			continue;
		}
		for (t = 0; t < ARRAY_SIZE(tables) && !found; t++)
			for (const struct opt *o = tables[t]; o && !is_end(o) && !found; o++)
				if (spelled(*argv, o->name, &value) ||
					spelled(*argv, o->letter, &value)) {
					found = o;
					break;
				}
		if (!found) {
			const char *near = nearest_option(*argv, tables, ARRAY_SIZE(tables));

			return err_set(err, EINVAL, "no option %s%s%s%s", *argv,
				near ? "; did you mean " : "", near ? near : "",
				near ? "?" : "");
		}
		if (found->type == OPT_FLAG && value)
			return err_set(err, EINVAL, "%s takes no value", opt_label(found));
		if (found->type != OPT_FLAG && !value && !(value = *++argv))
			return err_set(err, EINVAL, "%s needs a value: %s", opt_label(found),
				found->arg);
		r = store(found, fields[t - 1], value, err);
		if (r < 0)
			return r;
	}
	return 0;
}

void opt_free(const struct opt *table, void *fields)
{
	for (const struct opt *o = table; o && !is_end(o); o++)
		if (o->type == OPT_STRINGS)
			strv_free(*(char ***)((char *)fields + o->offset));
}

void opt_print(const struct opt *table)
{
	for (const struct opt *o = table; o && !is_end(o); o++) {
		_auto_str_ struct str s = STR_INIT;

		str_addf(&s, "  %s%s%s", o->letter ? o->letter : "",
			o->letter && o->name ? ", " : "", o->name ? o->name : "");
		if (o->arg)
			str_addf(&s, " %s", o->arg);
		printf(s.len > 28 ? "%s\n%30s%s" : "%-30s%s%s", s.s, "", o->help);
		for (const char *const *c = o->choices; c && *c; c++)
			printf("%s%s", c == o->choices ? ": " : ", ", *c);
		putchar('\n');
	}
}
