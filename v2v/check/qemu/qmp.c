// SPDX-License-Identifier: LGPL-2.1-or-later
/* qmp: lines of JSON in, lines of JSON out, events kept aside. */
#include "v2v/check/qemu/qmp.h"

#include "formats/base/io.h"
#include "formats/base/str.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE 16384

struct qmp {
	int fd;
	struct str in;
	size_t searched; /* bytes of `in` known to hold no newline */
	json_t *events;  /* array */
	unsigned next_id;
	int dead; /* errno of a connection that is over, 0 = alive */
};

/* Takes one line out of the buffer and parses it. 1, 0 = no whole line yet. */
static int take_line(struct qmp *q, json_t **ret, struct err *err)
{
	char *end = memchr(q->in.s + q->searched, '\n', q->in.len - q->searched);
	json_error_t why;
	size_t len;

	q->searched = q->in.len;
	if (!end) {
		if (q->in.len > QMP_LINE_MAX)
			return err_set(err, EBADMSG, "QMP: a line of more than %d bytes",
				QMP_LINE_MAX);
		return 0;
	}
	len = (size_t)(end - q->in.s);
	*ret = json_loadb(q->in.s, len, JSON_REJECT_DUPLICATES, &why);
	q->in.len -= len + 1;
	memmove(q->in.s, end + 1, q->in.len + 1);
	q->searched = 0;
	if (!*ret)
		return err_set(err, EBADMSG, "QMP: not JSON: %s", why.text);
	if (!json_is_object(*ret)) {
		json_decref(*ret);
		return err_set(err, EBADMSG, "QMP: a line that is no object");
	}
	return 1;
}

/* Reads what is there. 1 = something, 0 = nothing now. */
static int receive(struct qmp *q, struct err *err)
{
	char buf[READ_SIZE];
	ssize_t n = read(q->fd, buf, sizeof(buf));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return err_set(err, EPIPE, "QMP: the connection was closed");
	str_addn(&q->in, buf, (size_t)n);
	return 1;
}

/* The next message, waiting for it until `end` (0 = not at all). 1, 0 = none in time. */
static int message(struct qmp *q, double end, json_t **ret, struct err *err)
{
	int r;

	if (q->dead)
		return err_set(err, q->dead, "QMP: the connection is broken");
	for (;;) {
		struct pollfd p = {.fd = q->fd, .events = POLLIN};
		double left = end - io_now();

		r = take_line(q, ret, err);
		if (r)
			break;
		r = receive(q, err);
		if (r < 0)
			break;
		if (r)
			continue;
		if (left <= 0)
			return 0;
		if (poll(&p, 1, (int)(left * 1000) + 1) < 0 && errno != EINTR)
			return err_set_errno(err, errno, "QMP: cannot wait");
	}
	if (r < 0)
		q->dead = -r;
	return r;
}

/* Is it an event? Then it is kept (or, when there are too many, forgotten). */
static bool keep_event(struct qmp *q, json_t *msg)
{
	if (!json_is_string(json_object_get(msg, "event")))
		return false;
	if (json_array_size(q->events) < QMP_EVENTS_MAX)
		json_array_append(q->events, msg);
	return true;
}

static int send_line(struct qmp *q, const json_t *msg, struct err *err)
{
	_auto_(mem) char *text = json_dumps(msg, JSON_COMPACT);
	double end = io_now() + QMP_SECONDS;
	size_t len, done = 0;

	if (!text)
		return err_set(err, EINVAL, "QMP: a command that is not UTF-8");
	len = strlen(text);
	text[len++] = '\n';
	while (done < len) {
		struct pollfd p = {.fd = q->fd, .events = POLLOUT};
		ssize_t n = send(q->fd, text + done, len - done, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0) {
			done += (size_t)n;
		} else if (errno == EAGAIN) {
			if (io_now() > end)
				return err_set(
					err, ETIMEDOUT, "QMP: the other side does not read");
			poll(&p, 1, 100);
		} else if (errno != EINTR) {
			q->dead = EPIPE;
			return err_set_errno(err, EPIPE, "QMP");
		}
	}
	return 0;
}

/* Looks at an answer: the command's result, or its refusal. */
static int answer(const char *command, json_t *msg, json_t **ret, struct err *err)
{
	json_t *value = json_object_get(msg, "return");
	const char *text =
		json_string_value(json_object_get(json_object_get(msg, "error"), "desc"));

	if (!value)
		return err_set(err, EIO, "QMP: %s: %s", command, text ? text : "refused");
	if (ret)
		*ret = json_incref(value);
	return 0;
}

int qmp_call(
	struct qmp *q, const char *command, json_t *take_args, json_t **ret, struct err *err)
{
	unsigned id = ++q->next_id;
	json_t *msg = json_pack("{s:s, s:I, s:o*}", "execute", command, "id", (json_int_t)id,
		"arguments", take_args);
	double end = io_now() + QMP_SECONDS;
	int r;

	if (!msg)
		return err_set(err, EINVAL, "QMP: %s: bad arguments", command);
	r = send_line(q, msg, err);
	json_decref(msg);
	while (r >= 0) {
		r = message(q, end, &msg, err);
		if (!r)
			return err_set(err, ETIMEDOUT, "QMP: %s: no answer within %d s",
				command, QMP_SECONDS);
		if (r < 0)
			break;
		if (!keep_event(q, msg) &&
			json_integer_value(json_object_get(msg, "id")) == (json_int_t)id) {
			r = answer(command, msg, ret, err);
			json_decref(msg);
			return r;
		}
		json_decref(msg);
	}
	return r;
}

int qmp_event(struct qmp *q, json_t **ret, struct err *err)
{
	json_t *msg;
	int r;

	while (!json_array_size(q->events)) {
		r = message(q, 0, &msg, err);
		if (r <= 0)
			return r;
		keep_event(q, msg);
		json_decref(msg);
	}
	*ret = json_incref(json_array_get(q->events, 0));
	json_array_remove(q->events, 0);
	return 1;
}

int qmp_fd(const struct qmp *q)
{
	return q->fd;
}

int qmp_new(struct qmp **ret, int take_fd, struct err *err)
{
	_auto_(qmp) struct qmp *q = xnew(struct qmp);
	json_t *greeting = NULL;
	bool good;
	int r;

	q->fd = -1;
	q->in = (struct str)STR_INIT;
	q->events = json_array();
	if (fcntl(take_fd, F_SETFL, O_NONBLOCK) < 0)
		return err_set_errno(err, errno, "QMP: cannot set up the socket");
	q->fd = take_fd;
	r = message(q, io_now() + QMP_SECONDS, &greeting, err);
	if (!r)
		r = err_set(err, ETIMEDOUT, "QMP: no greeting within %d s", QMP_SECONDS);
	if (r > 0) {
		good = json_is_object(json_object_get(greeting, "QMP"));
		json_decref(greeting);
		r = good ? qmp_call(q, "qmp_capabilities", NULL, NULL, err)
			 : err_set(err, EBADMSG, "QMP: no greeting");
	}
	if (r < 0) {
		q->fd = -1; /* stays the caller's */
		return r;
	}
	*ret = STEAL(q);
	return 0;
}

void qmp_free(struct qmp *q)
{
	if (!q)
		return;
	if (q->fd >= 0)
		close(q->fd);
	json_decref(q->events);
	str_clear(&q->in);
	free(q);
}
