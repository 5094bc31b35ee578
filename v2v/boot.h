/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * boot: what joins guestfix and the boot check: a guest that does not write to its serial port
 * gets a console there for one boot, on the check's throw-away overlays.
 */
#pragma once

#include "formats/base/progress.h"
#include "formats/block/block.h"
#include "formats/vm/vmspec.h"

struct boot_console {
	bool kvm_usable;
	const struct progress *progress;
	/* Why no console could be added (a guest of an unknown kind); code 0 = none needed or done. */
	struct err why_not;
};

/* For check_opts.prepare, with a struct boot_console as `opaque`. CHECK_CONSOLE_ADDED: the boot
 * entries were edited; CHECK_CONSOLE_THERE: they had a serial console; 0: it could not be made to
 * write there. */
int boot_console_prepare(
	void *opaque, const struct vmspec *vm, struct block *const *overlays, struct err *err);
