/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * agent: asks the guest agent whether it is there, over the byte stream of its port. Small, and
 * all of it non-blocking: what the guest answers (or floods the port with) is bounded.
 */
#pragma once

#include "formats/base/util.h"

#define AGENT_LINE_MAX     4096
#define AGENT_PING_SECONDS 3

struct agent {
	int fd; /* borrowed; -1 = there is no port, or it was closed */
	double last_ping;
	size_t len;
	char line[AGENT_LINE_MAX];
};

/* `fd` is borrowed, non-blocking, and may be -1. */
void agent_init(struct agent *a, int fd);

/* For poll(): readable = agent_answered() has something to look at; -1 = never. */
int agent_fd(const struct agent *a);

/* Reads answers, pings again when it is time. True once an agent answered. */
bool agent_answered(struct agent *a, double now);
