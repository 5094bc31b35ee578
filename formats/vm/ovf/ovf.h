/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ovf: the descriptor of an OVF package (DMTF DSP0243) as a vmspec. Version 1.x as VMware and
 * VirtualBox write it, and of version 2 and 0.9 what differs only in names.
 *
 * What is not a matter of opinion is an error (EINVAL): ids twice, references to nothing,
 * parents in a circle, impossible numbers. What the vmspec cannot hold becomes a loss. Several
 * machines in one descriptor are refused by name. Deployment options: the default one is read.
 *
 * The disks' file names stay as written; ovf_refs.h decodes them, formats/ova finds them.
 *
 * Threads: any; no state.
 */
#pragma once

#include "formats/vm/vmspec.h"

/* EINVAL; ENOTSUP (several machines, delta disks, sizes that are properties); EPERM (file names
 * that lead out of the package). */
int ovf_parse(struct vmspec **ret, const char *text, size_t len, struct err *err);
