// SPDX-License-Identifier: LGPL-2.1-or-later
/* err: setting and prefixing the error value. */
#include "formats/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* vsnprintf into text[], marking a cut with "...". */
static void put_text(char *text, size_t size, const char *fmt, va_list ap)
{
	int n = vsnprintf(text, size, fmt, ap);

	if (n >= 0 && (size_t)n >= size)
		memcpy(text + size - 4, "...", 4);
	/* Names out of hostile files end up here: nothing that moves a terminal's cursor. */
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return -code;
	err->code = code;
	va_start(ap, fmt);
	put_text(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return -code;
}

int err_set_errno(struct err *err, int code, const char *fmt, ...)
{
	const char *cause = strerror(code);
	size_t room = sizeof(err->text) - strlen(cause) - 2, len;
	va_list ap;

	if (!err)
		return -code;
	err->code = code;
	va_start(ap, fmt);
	put_text(err->text, room, fmt, ap);
	va_end(ap);
	len = strlen(err->text);
	snprintf(err->text + len, sizeof(err->text) - len, ": %s", cause);
	return -code;
}

int err_prefix(struct err *err, const char *fmt, ...)
{
	char prefix[sizeof(err->text)];
	size_t cause, len;
	va_list ap;

	if (!err)
		return -EIO;
	va_start(ap, fmt);
	put_text(prefix, sizeof(prefix), fmt, ap);
	va_end(ap);
	/* Where both do not fit, the cause (the end) is worth more than the path to it. */
	cause = strlen(err->text);
	len = MIN(strlen(prefix), sizeof(err->text) - 1 - cause);
	if (len < 3)
		return -err->code;
	len = MIN(len, sizeof(err->text) - 3 - cause);
	memmove(err->text + len + 2, err->text, cause + 1);
	memcpy(err->text, prefix, len);
	memcpy(err->text + len, ": ", 2);
	return -err->code;
}

int err_pass(struct err *err, const struct err *from)
{
	if (err)
		*err = *from;
	return -from->code;
}

void err_clear(struct err *err)
{
	if (err) {
		err->code = 0;
		err->text[0] = 0;
	}
}
