/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * guest: the inside of a guest's disks, through one libguestfs appliance.
 *
 *	struct block ──► NBD server of ours ──► appliance (its own QEMU) ──► this interface
 *	  (per disk)       on a Unix socket in a private folder
 *
 * The appliance is launched once and only mounts, reads and writes files; no program of the guest
 * is run in it, no network is attached to it. Under emulation every fork in it costs about 50 ms
 * and every call without one about 1 ms, which is why guest_io.h offers the calls it does.
 *
 * The life of a conversion:  guest_open -> facts_collect -> guestfix_plan -> guestfix_apply ->
 * guest_close; only after guest_close() are all edits in the blocks.
 *
 * Threads: a guest belongs to one thread at a time. The blocks are read and written by threads of
 * the NBD servers until guest_close() or guest_free() returns.
 */
#pragma once

#include "formats/base/progress.h"
#include "formats/block/block.h"

#define GUEST_MAX_DISKS 64

struct guest;

struct guest_open {
	bool force_tcg; /* KVM was measured and is not usable: emulate */
	const char
		*root;  /* several systems: "single" (NULL; refuse), "first", or a device as the
			   * error lists them ("/dev/sda2", "/dev/vg0/root") */
	bool read_only; /* the blocks are never written; edits would be refused (EROFS) */
	const struct progress
		*progress; /* may be NULL; asked for cancellation between phases */
};

/*
 * Serves the blocks (borrowed until guest_close/guest_free), disk 0 first, and launches the
 * appliance. EIO when it does not start (the text says what libguestfs said), ECANCELED.
 */
int guest_open(struct guest **ret, struct block *const *disks, size_t n,
	const struct guest_open *how, struct err *err);

/* Unmounts, syncs, stops the appliance and the servers, flushes the blocks. Call guest_free()
 * afterwards all the same. */
int guest_close(struct guest *g, struct err *err);

/*
 * After facts_collect() or guestfix_apply() returned `failure`: when a disk itself has failed (no space
 * for the overlay, a source that cannot be read), the guest's file systems only said "I/O error";
 * then *err becomes that reason. Stops the appliance. Returns the error's code.
 */
int guest_explain(struct guest *g, int failure, struct err *err);

/* Stops everything without care for unwritten edits (after a failure). NULL is fine. */
void guest_free(struct guest *g);
DEFINE_AUTO(guest)

/* Makes the free space of the mounted file systems known to the blocks as discards, so that it is
 * not copied. Returns the number of file systems that could be trimmed. */
int guest_trim(struct guest *g, struct err *err);

/* Seconds that phases took, for reports: "launch", "collect", "apply", "close". */
struct guest_times {
	double launch, collect, apply, trim, close;
};
const struct guest_times *guest_times(const struct guest *g);
