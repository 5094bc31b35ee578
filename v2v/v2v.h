/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * v2v: a conversion, as a list of stages.
 *
 *	open      the source: package or image files          (nothing is ever written to it)
 *	describe  its description becomes a vmspec
 *	overlay   a copy-on-write block over each disk
 *	inspect   the appliance starts; facts about the guest are collected
 *	plan      facts become edits; policy decides what the target gets
 *	fix       the edits are applied to the overlay
 *	copy      overlay to output image, under a temporary name; manifest verified beside it
 *	emit      description and report are written; everything gets its final name
 *	check     the result is booted on a throw-away overlay
 *
 * `wherry inspect` and `wherry plan` run the same list and stop earlier. When a stage fails or is
 * cancelled, what it and the stages before it made is taken back, in reverse order.
 *
 * Threads: a conversion belongs to one thread; callbacks are called from it or, for progress,
 * from one thread at a time.
 */
#pragma once

#include "formats/base/progress.h"
#include "formats/vm/vmspec.h"

struct conversion;
struct json_t;
struct facts;
struct plan;
struct check_report;

enum v2v_stage {
	V2V_OPEN,
	V2V_DESCRIBE,
	V2V_OVERLAY,
	V2V_INSPECT,
	V2V_PLAN,
	V2V_FIX,
	V2V_COPY,
	V2V_EMIT,
	V2V_CHECK,
	V2V_N_STAGES,
};

struct v2v_opts {
	const char *input;        /* an input's name; NULL = found from the source */
	char *const *sources;     /* strv: the package, or the disks in order */
	const char *input_format; /* of disk images; NULL = probed */

	const char *output;    /* an output's name; NULL = "local" */
	const char *directory; /* where the output goes */
	const char *format;    /* image format of the output; NULL = "qcow2" */
	const char *name;      /* NULL = the source's */
	bool overwrite;        /* replace existing outputs of the same name */

	char *const *networks; /* "in:out" or "out" */
	char *const *bridges;  /* "in:out" or "out" */
	char *const *macs;     /* "MAC:network:NAME" or "MAC:bridge:NAME" */

	const char *root;    /* which operating system if there are several */
	bool serial_console; /* give the guest one */

	bool no_trim; /* copy the guest's free space too */

	bool kvm_usable;        /* measured by the caller */
	const char *kvm_why;    /* one sentence, for the report */
	unsigned threads;       /* of the copy; 0 = one per processor */
	unsigned check_timeout; /* seconds; 0 = the check's default */
	const char *
		evidence; /* directory for the boot check's evidence; NULL = output directory */

	const struct progress *progress;
	/* A stage begins (seconds < 0) or has ended. May be NULL. */
	void (*on_stage)(void *opaque, enum v2v_stage stage, double seconds);
	void *on_stage_opaque;
};

struct v2v_mode {
	const char *name;
	const char *description; /* one line */
};
/* The i-th input or output there is; NULL behind the last one. */
const struct v2v_mode *v2v_input_mode(unsigned i);
const struct v2v_mode *v2v_output_mode(unsigned i);

const char *v2v_stage_name(enum v2v_stage s);  /* "inspect" */
const char *v2v_stage_label(enum v2v_stage s); /* "Inspecting the guest" */

/* Can a conversion up to `last` take these options? EINVAL (a wrong use, nothing was looked at). */
int v2v_check_opts(const struct v2v_opts *opts, enum v2v_stage last, struct err *err);

/* Checks the options; everything in `opts` stays borrowed until v2v_free(). EINVAL. */
int v2v_new(struct conversion **ret, const struct v2v_opts *opts, struct err *err);

/*
 * Runs the stages from the first to `last` that were not run yet. On failure what was made is
 * removed and the conversion can only be freed. ENOTSUP: the source is not supported and nothing
 * was written. ECANCELED. A boot check that ends with a bad verdict is not a failure: see the report.
 */
int v2v_run(struct conversion *c, enum v2v_stage last, struct err *err);

/* What is known so far; NULL before the stage that finds it. Owned by the conversion. */
const struct vmspec *v2v_source(const struct conversion *c);
const struct vmspec *v2v_target(const struct conversion *c);
const struct facts *v2v_facts(const struct conversion *c);
const struct plan *v2v_plan(const struct conversion *c);
const struct check_report *v2v_check_report(const struct conversion *c);
char *const *v2v_warnings(const struct conversion *c);
/* Disks whose bytes agree with a checksum that came with the source. */
unsigned v2v_verified(const struct conversion *c);
/* Seconds of a finished stage, else -1. */
double v2v_seconds(const struct conversion *c, enum v2v_stage s);
/* Path of the description that was written ("DIR/NAME.xml"). */
const char *v2v_output_path(const struct conversion *c);
const char *v2v_report_path(const struct conversion *c);

/* Everything as JSON; the caller owns it. Also what NAME.report.json holds. */
struct json_t *v2v_report(const struct conversion *c);

void v2v_free(struct conversion *c);
static inline void conversion_autop(struct conversion **p)
{
	v2v_free(*p);
}
