/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * watch_rules: the texts that booting systems print, as tables; watch.c applies them. A line is
 * first looked up for the phase it belongs to, then for what it means.
 */
#pragma once

#include "v2v/check/watch.h"

/* Where in the line the text must stand. */
enum watch_where { WATCH_ANYWHERE, WATCH_START };

struct watch_phase_rule {
	enum watch_phase phase;
	const char *text;
	const char
		*unless; /* the rule does not hold when this is in the line too; may be NULL */
};

enum watch_meaning {
	WATCH_MEANS_VERDICT, /* decides */
	WATCH_MEANS_CAUSE,   /* names why a later verdict came */
	WATCH_MEANS_NOTE,    /* worth telling, decides nothing */
};

struct watch_line_rule {
	enum watch_meaning meaning;
	enum watch_id id;             /* for a verdict */
	enum watch_phase first, last; /* the phases in which the text is believed */
	enum watch_where where;
	const char *text;
	const char *also; /* must be in the line too; may be NULL */
};

/* Each ends with a row whose text is NULL. */
extern const struct watch_phase_rule watch_phase_rules[];
extern const struct watch_line_rule watch_line_rules[];

/* "web01 login: ", also with a kernel message behind it on the same line. */
bool watch_is_login_prompt(const char *line);
/* "[   12.345678] ..." */
bool watch_is_kernel_line(const char *line);
