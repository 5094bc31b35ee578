/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qmp: client of QEMU's machine protocol (one JSON value a line): commands with answers, and
 * events kept until somebody asks.
 *
 * The other side is not trusted to behave: a line is at most QMP_LINE_MAX bytes, at most
 * QMP_EVENTS_MAX events are kept, an answer must come within QMP_SECONDS.
 *
 * Threads: one at a time.
 */
#pragma once

#include "formats/base/err.h"

#include <jansson.h>

#define QMP_LINE_MAX   (1024 * 1024)
#define QMP_EVENTS_MAX 256
#define QMP_SECONDS    20

struct qmp;

/* Greets the QMP server at the stream socket `take_fd` (taken on success, made non-blocking). */
int qmp_new(struct qmp **ret, int take_fd, struct err *err);
void qmp_free(struct qmp *q);
DEFINE_AUTO(qmp)

/*
 * Runs a command; `take_args` (an object, NULL = none) is taken in every case. *ret (may be NULL)
 * is the answer's "return", a new reference. -EPIPE: the other side is gone; -ETIMEDOUT; -EBADMSG:
 * it does not speak the protocol; -EIO: it refused the command (its text is in the error).
 */
int qmp_call(
	struct qmp *q, const char *command, json_t *take_args, json_t **ret, struct err *err);

/* 1 with the oldest event (a new reference), 0 = none now, or -EPIPE, -EBADMSG. Never waits. */
int qmp_event(struct qmp *q, json_t **ret, struct err *err);

/* For poll(): readable = qmp_event() may have something. */
int qmp_fd(const struct qmp *q);
