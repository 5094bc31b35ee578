/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * text: reading and changing configuration files of a guest so that all that is not meant stays
 * byte for byte: spacing, comments, a missing newline at the end, CR, NUL bytes.
 *
 * A span is a piece of a text that somebody else owns.
 *
 * Threads: no state.
 */
#pragma once

#include "formats/base/str.h"

struct span {
	const char *s;
	size_t len;
};

/* The next line (its newline not included) of [*pos, end); false at the end. */
bool text_line(const char **pos, const char *end, struct span *line);
/* The next run of non-blank bytes of a line from *pos on; false at the end. */
bool text_word(const struct span *line, size_t *pos, struct span *word);
/* The first word, when the line is not empty and not a comment (#). */
bool text_first_word(const struct span *line, struct span *word);
/* Without blanks at both ends. */
struct span span_trim(struct span a);
bool span_is(struct span a, const char *s);
bool span_starts(struct span a, const char *s);
char *span_dup(struct span a);

/*
 * The value of `key` in a file of shell assignments (os-release, default/grub): the last
 * KEY=VALUE line, quotes removed. Caller frees; NULL = not set.
 */
char *text_shell_value(const char *text, size_t len, const char *key);

/* What is between the quotes (or all) of the last line KEY=..., as it stands in the text. */
bool text_shell_span(const char *text, size_t len, const char *key, struct span *value);

/* `text` with [at, at + old) replaced by `with`. Caller frees. */
char *text_splice(const char *text, size_t len, const char *at, size_t old, const char *with,
	size_t *ret_len);

/* Is `word` one of the blank-separated words? */
bool text_has_word(struct span text, const char *word);
