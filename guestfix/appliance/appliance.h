/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * appliance: a libguestfs appliance that starts in a third of the time.
 *
 * The appliance is libguestfs's own: same kernel, same daemon, same root file system. Two things
 * are changed. Its kernel is unpacked once (a processor that is emulated spends two and a half
 * seconds on that at every start), and its first process is ours (init.c), which does not run
 * udev, LVM and MD when no disk needs them. Both lie in a folder that libguestfs takes as a fixed
 * appliance:
 *
 *	CACHEDIR/.guestfs-UID/appliance.d/{kernel,initrd,root}     made by supermin, as ever
 *	CACHEDIR/.wherry-UID/appliance-KEY/kernel                  unpacked
 *	                                  /initrd                  theirs + a segment with our init
 *	                                  /root -> theirs
 *	                                  /README.fixed            what libguestfs looks for
 *
 * KEY is a digest of what the folder was made from, so it is made anew when they change.
 *
 * Threads: any; processes that make the folder at the same time wait for each other.
 */
#pragma once

#include "formats/base/err.h"

#include <guestfs.h>

/* Has the appliance made where needed, and points `g` (not launched) to it. A negative errno says
 * why it cannot be had; `g` is unchanged then, and starts the ordinary one. */
int appliance_use(guestfs_h *g, struct err *err);
