/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * engine_qemu: the engine that runs the machine with QEMU, and the two halves it is made of:
 * the command line for a machine (qemu_args.c), and what the running QEMU knows of the devices
 * (qemu_devices.c).
 */
#pragma once

#include "v2v/check/engine.h"
#include "v2v/check/qemu/qmp.h"

extern const struct engine_ops engine_qemu;

/* Descriptors that QEMU gets, by number. */
struct qemu_fds {
	int qmp, serial, agent;
};

/*
 * The command line for the machine as a strv (caller frees), program first. Disk N is expected as
 * an NBD export at DIR/diskN; a UEFI machine's variables are copied to DIR/vars. `devices`
 * (may be NULL; strv, caller frees) collects "ID DRIVER" of each device of the vmspec.
 * -ENOTSUP: no such firmware here, or more devices than the machine has room for.
 */
int qemu_args(char ***ret, char ***devices, const struct engine_machine *m, const char *program,
	const struct qemu_fds *fds, struct err *err);

/* What the guest did with each of `devices`. */
int qemu_devices(struct qmp *q, char *const *devices, struct engine_device **ret, unsigned *n,
	struct err *err);
