// SPDX-License-Identifier: LGPL-2.1-or-later
/* log: the one place where messages leave the library. */
#include "formats/base/log.h"

#include "formats/base/str.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* Set by log_setup() before threads exist, read-only afterwards. */
static struct {
	enum log_level max;
	const char *areas;
	int fd;
} config = {.max = LOG_ERROR, .fd = -1};

void log_setup(enum log_level max, const char *areas, int fd)
{
	config.max = max;
	config.areas = areas;
	config.fd = fd;
}

bool log_wanted(enum log_level level, const char *area)
{
	const char *p = config.areas;
	size_t len = strlen(area);

	if (config.fd < 0 || level > config.max)
		return false;
	if (!p || level <= LOG_WARN)
		return true;
	for (; *p; p += strcspn(p, ","), p += *p == ',')
		if (strcspn(p, ",") == len && !strncmp(p, area, len))
			return true;
	return false;
}

void log_write(enum log_level level, const char *area, const char *fmt, ...)
{
	static const char *const names[] = {"error", "warn", "info", "debug", "trace"};
	_auto_str_ struct str s = STR_INIT;
	_auto_(mem) char *text = NULL;
	struct timespec ts;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	str_addf(&s, "%lld.%03ld %s %s: %s\n", (long long)ts.tv_sec, ts.tv_nsec / 1000000,
		names[level], area, text);
	/* One write per line, so that lines of several threads do not mix. */
	if (write(config.fd, s.s, s.len) < 0)
		return;
}
