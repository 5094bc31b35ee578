/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmspec_json: a vmspec as JSON, for --json and reports. Members that are not known are left
 * out; sizes are bytes. Text that is not UTF-8 is shown as json_text() does.
 */
#pragma once

#include "formats/vm/vmspec.h"

#include <jansson.h>

/* A new object; the caller's reference. */
json_t *vmspec_json(const struct vmspec *vm);

/* The same as indented text (a codec's writer); *ret is the caller's to free. Never fails. */
int vmspec_json_write(char **ret, const struct vmspec *vm, struct err *err);
