/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * opt: typed option tables. A command has one const table; parsing fills the command's plain
 * struct through offsets, `--help`, `features` and the shell completion are printed from the same
 * table, and a style test compares it with the manual page.
 *
 *	struct copy_cli { char *format; uint64_t threads; };
 *	static const struct opt copy_opts[] = {
 *		{"-f", "--format", OPT_STRING, offsetof(struct copy_cli, format), "FORMAT",
 *			"format of the source"},
 *		{0},
 *	};
 *
 * Both spellings of an option are written as users type them; virt-v2v's letters have one dash
 * ("-os"). A value follows as the next argument or behind "=".
 */
#pragma once

#include "formats/base/err.h"

enum opt_type {
	OPT_FLAG,    /* bool: true when given */
	OPT_STRING,  /* char *: borrowed from argv; the last one wins */
	OPT_STRINGS, /* char **: strv, freed by opt_free() */
	OPT_SIZE,    /* uint64_t bytes: 10G, 512M */
	OPT_UINT,    /* unsigned: min..max */
	OPT_CHOICE,  /* char *: one of `choices` */
};

struct opt {
	const char *letter; /* "-i", "-os" or NULL */
	const char *name;   /* "--timeout" or NULL */
	enum opt_type type;
	size_t offset;   /* of the field in the command's struct */
	const char *arg; /* name of the value in help: "DIR"; NULL for flags */
	const char *help;
	const char *const *choices; /* OPT_CHOICE: NULL-terminated */
	unsigned min, max;          /* OPT_UINT; max 0 = UINT_MAX */
};

/*
 * Parses argv (without the command's name) by the tables `first` and `second` (each ends with an
 * entry without names; either may be NULL), filling the structs `a` and `b`. What is no option is
 * collected in *args (a strv of borrowed strings: free the array only). "--" ends the options.
 * EINVAL with a text that names the bad option and the nearest good one.
 */
int opt_parse(char **argv, const struct opt *first, void *a, const struct opt *second, void *b,
	char ***args, struct err *err);

/* Frees what OPT_STRINGS collected. */
void opt_free(const struct opt *table, void *fields);

/* The table as help text, one option a line. */
void opt_print(const struct opt *table);

/* "-os" or "--timeout": the spelling to call it by. */
const char *opt_label(const struct opt *o);

/* The entry of `words` (NULL-terminated, `stride` bytes apart, a char * at the start of each)
 * that a person most probably meant by `typed`; NULL when none is near. */
const char *opt_nearest(const char *typed, const void *words, size_t stride);
