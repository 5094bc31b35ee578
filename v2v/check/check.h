/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * check: boots a machine on throw-away overlays and says whether it came up.
 *
 *	vmspec, blocks --> overlays --> engine --> watch --> report + evidence
 *
 * Nothing is written to the blocks given: every disk gets a copy-on-write block in memory-backed
 * temporary storage of its own. The check ends at the first certain sign (see watch.h), looks at
 * the devices, keeps the evidence and ends the machine.
 *
 * Threads: one call runs in the calling thread (the machine's processes are bound to it) and
 * handles SIGPIPE-free I/O; several checks may run in several threads.
 */
#pragma once

#include "formats/base/progress.h"
#include "v2v/check/engine.h"
#include "v2v/check/watch.h"

#include <jansson.h>

struct check_opts {
	const char *engine; /* NULL = the default one */
	bool kvm; /* KVM was measured to be usable (hv/kvm/kvm_probe.h) and is wanted */
	const char *accel_why; /* why so, for the report; NULL = nothing to say */

	double timeout;      /* seconds; 0 = CHECK_TIMEOUT_*, by acceleration */
	double silence;      /* seconds; 0 = CHECK_SILENCE_* */
	uint64_t max_memory; /* bytes the guest gets at most; 0 = CHECK_MEMORY */
	unsigned max_vcpus;  /* 0 = as many as this machine has processors */

	/* The guest is known not to write to its serial port. */
	bool no_console;

	/* Folder for serial.log, screen.png, machine.txt and report.json; made if missing (its
	 * parent must exist). NULL = only the report. */
	const char *evidence;

	/*
	 * Called with the overlays before the start, to change the guest for this boot only (put
	 * a serial console on its command line). Returns CHECK_CONSOLE_* when it is known that the
	 * guest now writes to its serial port, whatever no_console says, or 0, or a negative errno.
	 * NULL = nothing.
	 */
	int (*prepare)(void *opaque, const struct vmspec *vm, struct block *const *overlays,
		struct err *err);
	void *prepare_opaque;

	/* Hears of milliseconds passed out of the timeout's; can cancel. NULL = nobody. */
	const struct progress *progress;
};

enum { CHECK_CONSOLE_ADDED = 1, CHECK_CONSOLE_THERE = 2 };

#define CHECK_TIMEOUT_KVM      300
#define CHECK_TIMEOUT_EMULATED 900
#define CHECK_SILENCE_KVM      60
#define CHECK_SILENCE_EMULATED 180
#define CHECK_MEMORY           (UINT64_C(2) << 30)

struct check_report {
	const struct watch_verdict *verdict;
	char *detail;                 /* the line or circumstance that decided; "" if none */
	char *cause;                  /* the line before it that names a cause; "" if none */
	char **notes;                 /* noteworthy lines of the console */
	double seconds;               /* from start to verdict */
	double phase[WATCH_N_PHASES]; /* seconds to its first sign; -1 = none seen */
	enum watch_phase reached;
	unsigned resets;

	const char *engine; /* its name */
	bool kvm;
	char *accel_why;
	uint64_t memory; /* bytes the guest had */
	unsigned vcpus;
	int console; /* what prepare() said: CHECK_CONSOLE_*, or 0 */

	struct engine_device *devices;
	unsigned n_devices;
	char *devices_error; /* why there are none; NULL = fine */

	/* Evidence: paths, NULL where there is none. */
	char *serial_log, *screen, *machine, *json;
};

/*
 * Runs the check. 0 with *ret filled whatever the verdict is; a negative errno when there is
 * none: -ECANCELED, -ENOTSUP, -ENOENT (no engine), -EINVAL, I/O errors.
 * `disks`: one per vm->disks, read only here.
 */
int check_run(struct check_report **ret, const struct vmspec *vm, struct block *const *disks,
	const struct check_opts *o, struct err *err);

void check_report_free(struct check_report *r);
DEFINE_AUTO(check_report)

/* The report as JSON (a new reference), as in report.json. */
json_t *check_report_json(const struct check_report *r);
