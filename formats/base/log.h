/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * log: messages by level and area. Library code is silent above LOG_DEBUG: what a user must know
 * travels as a return value, an error, a loss or a report. Where messages go and which ones are
 * wanted is set once by cli/ before any thread starts (the only process-wide state there is).
 *
 *	log_debug("vmdk", "grain table %u at sector %u", i, gte);
 *
 * Threads: any.
 */
#pragma once

#include "formats/base/util.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE };

/* `areas` is a comma-separated list ("vmdk,nbd") or NULL for all; borrowed for the process. */
void log_setup(enum log_level max, const char *areas, int fd);
bool log_wanted(enum log_level level, const char *area);
void log_write(enum log_level level, const char *area, const char *fmt, ...) _printf_(3, 4);

#define log_at(level, area, ...)                                                               \
	do {                                                                                   \
		if (log_wanted(level, area))                                                   \
			log_write(level, area, __VA_ARGS__);                                   \
	} while (0)
#define log_warn(area, ...)  log_at(LOG_WARN, area, __VA_ARGS__)
#define log_info(area, ...)  log_at(LOG_INFO, area, __VA_ARGS__)
#define log_debug(area, ...) log_at(LOG_DEBUG, area, __VA_ARGS__)
#define log_trace(area, ...) log_at(LOG_TRACE, area, __VA_ARGS__)
