/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * codec: the table of descriptions of machines: one row per format, with what reads and what
 * writes it. A new format is a new row.
 */
#pragma once

#include "formats/vm/vmspec.h"

struct vm_codec {
	const char *name;        /* as users type it */
	const char *description; /* a few words */

	/* NULL: cannot be read. The vmspec is the caller's. */
	int (*parse)(struct vmspec **ret, const char *text, size_t len, struct err *err);
	/* NULL: cannot be written. The text is the caller's. */
	int (*write)(char **ret, const struct vmspec *vm, struct err *err);
};

/* Up to a row whose name is NULL. */
extern const struct vm_codec vm_codecs[];

/* NULL when there is none of that name. */
const struct vm_codec *vm_codec_find(const char *name);
