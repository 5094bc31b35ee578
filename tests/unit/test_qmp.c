// SPDX-License-Identifier: LGPL-2.1-or-later
/* qmp: a client that must survive whatever is at the other end of the socket. */
#include "tests/unit/test.h"

#include "formats/base/alloc.h"
#include "v2v/check/qemu/qmp.h"

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

/* A server that sends `before` at once, and answers the Nth line it gets with answers[N]. */
struct server {
	int fd;
	const char *before;
	const char *const *answers; /* NULL-terminated; then it closes unless `stay` */
	bool stay;
	pthread_t thread;
	char got[4][500];
};

static void *serve(void *opaque)
{
	struct server *s = opaque;
	size_t len = 0, line = 0;

	send(s->fd, s->before, strlen(s->before), MSG_NOSIGNAL);
	while (s->answers[line]) {
		char c;

		if (read(s->fd, &c, 1) <= 0)
			break;
		if (line < ARRAY_SIZE(s->got) && len < sizeof(s->got[0]) - 1)
			s->got[line][len++] = c;
		if (c != '\n')
			continue;
		send(s->fd, s->answers[line], strlen(s->answers[line]), MSG_NOSIGNAL);
		line++;
		len = 0;
	}
	if (!s->stay)
		shutdown(s->fd, SHUT_RDWR);
	return NULL;
}

static int start(struct server *s, const char *before, const char *const *answers)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	s->fd = fds[1];
	s->before = before;
	s->answers = answers;
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
	return fds[0];
}

static void stop(struct server *s)
{
	pthread_join(s->thread, NULL);
	close(s->fd);
}

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\n"
#define DONE(id) "{\"return\": {}, \"id\": " #id "}\r\n"

static void a_command_gets_its_answer_and_events_are_kept(void **state)
{
	static const char *const answers[] = {DONE(1),
		"{\"event\":\"RESET\",\"data\":{\"guest\":true}}\n{\"return\":{\"x\":7},\"id\":2}\n"
		"{\"event\":\"SHUTDOWN\"}\n",
		NULL};
	struct server s = {.stay = true};
	int fd = start(&s, GREETING "{\"event\":\"EARLY\"}\n", answers);
	struct err err = {0};
	struct qmp *q;
	json_t *value, *event;

	assert_ok(qmp_new(&q, fd, &err));
	assert_ok(qmp_call(q, "query-x", json_pack("{s:i}", "a", 1), &value, &err));
	assert_int_equal(json_integer_value(json_object_get(value, "x")), 7);
	json_decref(value);
	stop(&s);
	for (unsigned i = 0; i < 3; i++) {
		static const char *const names[] = {"EARLY", "RESET", "SHUTDOWN"};

		assert_int_equal(qmp_event(q, &event, &err), 1);
		assert_string_equal(
			json_string_value(json_object_get(event, "event")), names[i]);
		json_decref(event);
	}
	assert_non_null(strstr(s.got[1], "\"execute\":\"query-x\""));
	assert_non_null(strstr(s.got[1], "\"arguments\":{\"a\":1}"));
	qmp_free(q);
}

static void a_refusal_is_an_error_with_its_text(void **state)
{
	static const char *const answers[] = {DONE(1),
		"{\"error\":{\"class\":\"GenericError\",\"desc\":\"no such device\"},\"id\":2}\n",
		DONE(3), NULL};
	struct server s = {0};
	int fd = start(&s, GREETING, answers);
	struct err err = {0};
	struct qmp *q;

	assert_ok(qmp_new(&q, fd, &err));
	assert_fails(qmp_call(q, "eject", NULL, NULL, &err), EIO, "eject: no such device");
	/* The connection is still good. */
	assert_ok(qmp_call(q, "stop", NULL, NULL, &err));
	stop(&s);
	qmp_free(q);
}

static void answers_to_other_commands_are_skipped(void **state)
{
	static const char *const answers[] = {
		"{\"return\":{},\"id\":99}\n{\"return\":{}}\n{}\n" DONE(1), NULL};
	struct server s = {0};
	int fd = start(&s, GREETING, answers);
	struct err err = {0};
	struct qmp *q;

	assert_ok(qmp_new(&q, fd, &err));
	stop(&s);
	qmp_free(q);
}

/* The greeting and first answer are `before` and nothing else. */
static void refused(const char *before, int code, const char *text)
{
	static const char *const answers[] = {NULL};
	struct server s = {0};
	int fd = start(&s, before, answers);
	struct err err = {0};
	struct qmp *q = NULL;

	assert_fails(qmp_new(&q, fd, &err), code, text);
	assert_null(q);
	close(fd); /* it stayed ours */
	stop(&s);
}

static void what_is_no_qmp_server_is_refused(void **state)
{
	refused("SSH-2.0-OpenSSH_9.2\r\n", EBADMSG, "not JSON");
	refused("[1, 2]\n", EBADMSG, "no object");
	refused("\n", EBADMSG, "not JSON");
	refused("{\"event\":\"x\"}\n", EBADMSG, "no greeting");
	refused("{\"QMP\":{}, \"QMP\":{}}\n", EBADMSG, "not JSON");
	refused("{\"QMP\":\"\377\"}\n", EBADMSG, "not JSON");
	refused("", EPIPE, "closed");
	refused("{\"QMP\":", EPIPE, "closed");
}

static void deep_nesting_is_refused(void **state)
{
	char *text = xmalloc(200001);

	memset(text, '[', 200000);
	memcpy(text, "{\"QMP\":", 7);
	text[199999] = '\n';
	text[200000] = 0;
	refused(text, EBADMSG, "not JSON");
	free(text);
}

static void an_endless_line_is_refused(void **state)
{
	size_t len = QMP_LINE_MAX + 200000;
	char *text = xmalloc(len + 1);

	memset(text, ' ', len);
	text[len] = 0;
	refused(text, EBADMSG, "a line of more than");
	free(text);
}

static void a_flood_of_events_is_bounded(void **state)
{
	static const char event[] = "{\"event\":\"RTC_CHANGE\"}\n";
	static const char *answers[] = {DONE(1), NULL, NULL};
	struct server s = {.stay = true};
	struct err err = {0};
	struct qmp *q;
	json_t *value;
	char *flood = xmalloc(5000 * sizeof(event));
	unsigned n = 0;
	int fd;

	flood[0] = 0;
	for (size_t i = 0; i < 5000; i++)
		memcpy(flood + i * (sizeof(event) - 1), event, sizeof(event));
	memcpy(flood + 5000 * (sizeof(event) - 1), DONE(2), sizeof(DONE(2)));
	answers[1] = flood;
	fd = start(&s, GREETING, answers);
	assert_ok(qmp_new(&q, fd, &err));
	assert_ok(qmp_call(q, "stop", NULL, NULL, &err));
	while (qmp_event(q, &value, &err) > 0) {
		json_decref(value);
		n++;
	}
	assert_int_equal(n, QMP_EVENTS_MAX);
	stop(&s);
	qmp_free(q);
	free(flood);
}

static void a_closed_connection_stays_closed(void **state)
{
	static const char *const answers[] = {DONE(1), NULL};
	struct server s = {0};
	int fd = start(&s, GREETING, answers);
	struct err err = {0};
	struct qmp *q;
	json_t *value;

	assert_ok(qmp_new(&q, fd, &err));
	stop(&s);
	assert_fails(qmp_event(q, &value, &err), EPIPE, "closed");
	assert_fails(qmp_call(q, "stop", NULL, NULL, &err), EPIPE, "");
	qmp_free(q);
}

static void text_that_is_not_utf8_cannot_be_sent(void **state)
{
	static const char *const answers[] = {DONE(1), NULL};
	struct server s = {0};
	int fd = start(&s, GREETING, answers);
	struct err err = {0};
	struct qmp *q;

	assert_ok(qmp_new(&q, fd, &err));
	assert_true(qmp_call(q, "\377", NULL, NULL, &err) < 0);
	stop(&s);
	qmp_free(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_gets_its_answer_and_events_are_kept),
		cmocka_unit_test(a_refusal_is_an_error_with_its_text),
		cmocka_unit_test(answers_to_other_commands_are_skipped),
		cmocka_unit_test(what_is_no_qmp_server_is_refused),
		cmocka_unit_test(deep_nesting_is_refused),
		cmocka_unit_test(an_endless_line_is_refused),
		cmocka_unit_test(a_flood_of_events_is_bounded),
		cmocka_unit_test(a_closed_connection_stays_closed),
		cmocka_unit_test(text_that_is_not_utf8_cannot_be_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
