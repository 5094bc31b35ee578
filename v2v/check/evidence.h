/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * evidence: the files that a boot check leaves: serial.log, machine.txt (with the events),
 * screen.png, report.json. Without a folder everything here does nothing.
 */
#pragma once

#include "v2v/check/check.h"

/* Of the console; what comes after is not kept, and the file says so. */
#define EVIDENCE_SERIAL_MAX (16 * 1024 * 1024)
/* Events that are kept. */
#define EVIDENCE_EVENTS_MAX 100

struct evidence;

/* Makes the folder if it is missing; `dir` NULL = keep nothing (*ret is NULL then). */
int evidence_new(struct evidence **ret, const char *dir, struct err *err);
void evidence_free(struct evidence *e);

/* Trouble in keeping the console must not end a check: it is told by evidence_machine(). */
void evidence_serial(struct evidence *e, const void *bytes, size_t len);
void evidence_event(
	struct evidence *e, enum engine_event_kind kind, const char *detail, double seconds);

/* Each fills its path in the report. */
int evidence_machine(struct evidence *e, const struct engine_ops *ops,
	const struct engine *engine, struct check_report *r, struct err *err);
/* No picture: no path, nothing else. */
void evidence_screen(struct evidence *e, const struct engine_ops *ops, struct engine *engine,
	struct check_report *r);
int evidence_report(struct evidence *e, struct check_report *r, struct err *err);
