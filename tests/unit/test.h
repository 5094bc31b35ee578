/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test: what every unit test includes: cmocka in its required order, and assertions on errors.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "formats/base/err.h"

/* The call succeeded; on failure its error text is shown. Needs a `struct err err` in scope. */
#define assert_ok(call)                                                                        \
	do {                                                                                   \
		int r_ = (call);                                                               \
		if (r_ < 0)                                                                    \
			fail_msg("%s: %d: %s", #call, r_, err.text);                           \
	} while (0)

/* The call failed with this errno, and the text says `part`. */
#define assert_fails(call, errno_value, part)                                                  \
	do {                                                                                   \
		int r_;                                                                        \
		err_clear(&err);                                                               \
		r_ = (call);                                                                   \
		if (r_ != -(errno_value))                                                      \
			fail_msg("%s: returned %d instead of -%d (%s): %s", #call, r_,         \
				errno_value, #errno_value, err.text);                          \
		if (err.code != (errno_value) || !strstr(err.text, part))                      \
			fail_msg("%s: error %d \"%s\" does not say \"%s\"", #call, err.code,   \
				err.text, part);                                               \
	} while (0)
