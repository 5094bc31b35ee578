/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * watch: decides from what a booting machine shows whether it came up, or how it failed.
 *
 * A pure state machine: bytes of the serial console, events and the time go in; phases, notes and
 * at most one verdict come out. It opens nothing and asks no clock, so that every verdict is
 * tested with texts alone.
 *
 *	struct watch *w = watch_new(&opts, now);
 *	watch_serial(w, bytes, len, now);
 *	watch_event(w, WATCH_EVENT_RESET, NULL, now);
 *	watch_tick(w, now);                          (a few times a second)
 *	if (watch_verdict(w)) ... watch_detail(w), watch_cause(w)
 *
 * The console is the guest's to fill: lines are cut at WATCH_LINE_MAX, escape sequences are
 * removed, and no amount of output makes the state grow. Texts are believed as far as the phase
 * allows: a boot loader's prompt counts before the kernel has spoken, an initramfs shell after.
 *
 * The first verdict stays. Threads: one at a time.
 */
#pragma once

#include "formats/base/err.h"

enum watch_id {
	/* the machine is up */
	WATCH_LOGIN_PROMPT,
	WATCH_TARGET_REACHED,
	WATCH_AGENT_ANSWERED,
	/* it is not */
	WATCH_NO_BOOTABLE_DEVICE,
	WATCH_LOADER_PROMPT,
	WATCH_LOADER_RESCUE,
	WATCH_KERNEL_PANIC,
	WATCH_INITRAMFS_SHELL,
	WATCH_EMERGENCY_MODE,
	WATCH_NO_OUTPUT,
	WATCH_REBOOT_LOOP,
	WATCH_POWERED_OFF,
	WATCH_NO_SIGN,
	WATCH_TIMEOUT,
	WATCH_ENGINE_FAILED,
	WATCH_N_IDS,
};

struct watch_verdict {
	const char *name; /* "kernel-panic": stable, for scripts */
	bool pass;
	const char *sentence; /* what was seen */
	const char *advice;   /* what usually helps; NULL when it passed */
};

/* Indexed by enum watch_id; the manual prints it. */
extern const struct watch_verdict watch_verdicts[WATCH_N_IDS];

enum watch_phase {
	WATCH_FIRMWARE,
	WATCH_LOADER,
	WATCH_KERNEL,
	WATCH_USERSPACE,
	WATCH_N_PHASES
};

const char *watch_phase_name(enum watch_phase p); /* "firmware", "boot loader" ... */

enum watch_event {
	WATCH_EVENT_RESET,    /* the machine was reset from inside */
	WATCH_EVENT_POWEROFF, /* the guest switched it off */
	WATCH_EVENT_PANIC,    /* the guest told its panic device */
	WATCH_EVENT_AGENT,    /* the guest agent answered */
	WATCH_EVENT_ENGINE,   /* the engine ended or failed; the detail says how */
};

struct watch_opts {
	double timeout;  /* seconds until WATCH_TIMEOUT (or WATCH_NO_SIGN without a console) */
	double silence;  /* seconds without output until WATCH_NO_OUTPUT */
	unsigned resets; /* this many resets are a loop; 0 = WATCH_RESETS */
	bool no_console; /* the guest is known not to write to the serial port: silence of the
			  * kernel and what follows says nothing */
};

#define WATCH_RESETS   3
#define WATCH_LINE_MAX 1024 /* bytes of a line that are looked at */
#define WATCH_NOTES    40   /* noteworthy lines that are kept */

struct watch;

/* `now`, here and below, is seconds of one monotonic clock. */
struct watch *watch_new(const struct watch_opts *o, double now);
void watch_free(struct watch *w);
DEFINE_AUTO(watch)

void watch_serial(struct watch *w, const void *bytes, size_t len, double now);
/* `detail` may be NULL. */
void watch_event(struct watch *w, enum watch_event e, const char *detail, double now);
void watch_tick(struct watch *w, double now);

/* NULL while undecided. */
const struct watch_verdict *watch_verdict(const struct watch *w);
/* The line or circumstance that decided; "" while undecided. Printable, at most a line. */
const char *watch_detail(const struct watch *w);
/* The last line before that which names a cause ("error: no such device"), or "". */
const char *watch_cause(const struct watch *w);
/* Seconds from watch_new() to the first sign of the phase since the last reset; -1 = no sign. */
double watch_phase_seconds(const struct watch *w, enum watch_phase p);
/* The latest phase seen since the last reset. */
enum watch_phase watch_phase(const struct watch *w);
unsigned watch_resets(const struct watch *w);
/* Lines of failed services, file system trouble, oopses; strv, owned by w. */
char *const *watch_notes(const struct watch *w);
