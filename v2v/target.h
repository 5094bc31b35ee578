/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * target: all policy of what the converted machine gets, in one pure function: machine type,
 * buses, slots, network models, firmware, devices.
 */
#pragma once

#include "formats/vm/vmspec.h"

struct plan;

/* Where networks and cards go; strv of "in:out" or "out" as the user gave them. */
struct target_map {
	char *const *networks;
	char *const *bridges;
	char *const *macs; /* "MAC:network:NAME" or "MAC:bridge:NAME" */
};

/* Is every entry of the map well-formed? EINVAL naming the entry. */
int target_map_check(const struct target_map *map, struct err *err);

/*
 * The target of `source` for a guest that can boot with what plan->caps says. Files and formats
 * of the disks are left empty for the output to fill in. What the target cannot have goes to
 * the new spec's losses. Caller frees *ret.
 */
int target_plan(struct vmspec **ret, const struct vmspec *source, const struct plan *plan,
	const struct target_map *map, struct err *err);
