// SPDX-License-Identifier: LGPL-2.1-or-later
/* agent: guest-ping, and what is an answer to it. */
#include "v2v/check/agent.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void agent_init(struct agent *a, int fd)
{
	*a = (struct agent){.fd = fd, .last_ping = -AGENT_PING_SECONDS};
}

int agent_fd(const struct agent *a)
{
	return a->fd;
}

static bool is_answer(const char *line, size_t len)
{
	json_t *j = json_loadb(line, len, 0, NULL);
	bool answer = json_is_object(json_object_get(j, "return"));

	json_decref(j);
	return answer;
}

/* Takes the whole lines out of the buffer. */
static bool look(struct agent *a)
{
	bool answered = false;
	char *end;

	while ((end = memchr(a->line, '\n', a->len))) {
		size_t len = (size_t)(end - a->line);

		answered |= is_answer(a->line, len);
		a->len -= len + 1;
		memmove(a->line, end + 1, a->len);
	}
	/* A line that long is no answer to a ping. */
	if (a->len == sizeof(a->line))
		a->len = 0;
	return answered;
}

bool agent_answered(struct agent *a, double now)
{
	static const char ping[] = "{\"execute\":\"guest-ping\"}\n";
	ssize_t n;

	if (a->fd < 0)
		return false;
	n = read(a->fd, a->line + a->len, sizeof(a->line) - a->len);
	if (!n || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		a->fd = -1;
		return false;
	}
	if (n > 0) {
		a->len += (size_t)n;
		if (look(a))
			return true;
	}
	if (now - a->last_ping >= AGENT_PING_SECONDS) {
		a->last_ping = now;
		/* A port that nobody opened in the guest fills up: then there is no agent yet. */
		if (send(a->fd, ping, strlen(ping), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
			errno != EAGAIN)
			a->fd = -1;
	}
	return false;
}
