/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * err: one error, as a plain value.
 *
 * Functions return 0 (or a documented positive value) and a negative errno on failure; the last
 * parameter is a `struct err *`, which may be NULL when the caller does not want the text. The
 * error is set once, where it happens, and prefixed on the way up ("disk 2: vm.vmdk: extent 3:
 * ..."); only cli/ prints it.
 *
 * Codes: EINVAL malformed or misused, ENOTSUP valid but not handled, EIO, ENOENT, ENOSPC, EROFS,
 * EPERM refused by policy, ECANCELED, EBADMSG a checksum does not agree, ETIMEDOUT.
 *
 * Threads: a struct err belongs to one thread at a time.
 */
#pragma once

#include "formats/base/util.h"

#include <errno.h>

struct err {
	int code;        /* positive errno, 0 = no error */
	char text[1000]; /* one line without a newline; cut with "..." when longer */
};

/* Sets *err to `code` (a positive errno) and the text. Returns -code. */
int err_set(struct err *err, int code, const char *fmt, ...) _printf_(3, 4);

/* The same, with ": " and the text of the errno value behind it. */
int err_set_errno(struct err *err, int code, const char *fmt, ...) _printf_(3, 4);

/* Puts "PREFIX: " in front of the text. Returns -err->code, so that
 * `return err_prefix(err, "extent %u", i);` works; with err NULL it returns -EIO. */
int err_prefix(struct err *err, const char *fmt, ...) _printf_(2, 3);

/* Hands on an error that was collected apart, because it might not have counted. Returns
 * -from->code. */
int err_pass(struct err *err, const struct err *from);

/* Makes the error empty again, for a caller that goes on after one. */
void err_clear(struct err *err);
