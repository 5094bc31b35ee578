// SPDX-License-Identifier: LGPL-2.1-or-later
/* engine: the table of engines. */
#include "v2v/check/engine.h"

#include "v2v/check/qemu/engine_qemu.h"

#include <string.h>

const struct engine_ops *const engines[] = {
	&engine_qemu,
	NULL,
};

const struct engine_ops *engine_find(const char *name)
{
	if (!name)
		return engines[0];
	for (size_t i = 0; engines[i]; i++)
		if (!strcmp(engines[i]->name, name))
			return engines[i];
	return NULL;
}

const char *engine_device_state_name(enum engine_device_state s)
{
	static const char *const names[] = {
		[ENGINE_DEVICE_UNKNOWN] = "unknown",
		[ENGINE_DEVICE_UNUSED] = "unused",
		[ENGINE_DEVICE_FIRMWARE] = "firmware only",
		[ENGINE_DEVICE_DRIVEN] = "driven",
	};

	return s < ARRAY_SIZE(names) ? names[s] : "unknown";
}
