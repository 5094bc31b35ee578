/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * progress: one callback that hears of finished work and can cancel it.
 *
 * The unit is bytes of *finished* work (written, or known to be a hole), never of work begun.
 * Returning a non-zero value cancels: the operation stops soon, undoes what it must, and returns
 * -ECANCELED.
 *
 * Threads: called from one thread at a time, not always the same one.
 */
#pragma once

#include "formats/base/err.h"

struct progress {
	int (*report)(void *opaque, uint64_t done, uint64_t total);
	void *opaque;
};

/* p may be NULL: nobody listens. 0, or -ECANCELED with err set. */
int progress_report(const struct progress *p, uint64_t done, uint64_t total, struct err *err);
