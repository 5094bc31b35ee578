// SPDX-License-Identifier: LGPL-2.1-or-later
/* agent: what counts as an answer of the guest agent, and what does no harm. */
#include "tests/unit/test.h"

#include "v2v/check/agent.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

struct pair {
	int ours, guest;
	struct agent agent;
};

static void open_pair(struct pair *p)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	p->ours = fds[0];
	p->guest = fds[1];
	agent_init(&p->agent, p->ours);
}

static void close_pair(struct pair *p)
{
	close(p->ours);
	close(p->guest);
}

static bool answer(const char *text)
{
	struct pair p;
	bool answered;

	open_pair(&p);
	assert_int_equal(write(p.guest, text, strlen(text)), strlen(text));
	answered = agent_answered(&p.agent, 1);
	close_pair(&p);
	return answered;
}

static void a_return_is_an_answer(void **state)
{
	assert_true(answer("{\"return\": {}}\n"));
	assert_true(answer("{\"error\": {\"class\": \"x\"}}\n{\"return\": {}}\n"));
}

static void other_lines_are_none(void **state)
{
	assert_false(answer("{\"return\": {}}"));
	assert_false(answer("{\"error\": {\"class\": \"CommandNotFound\"}}\n"));
	assert_false(answer("{\"execute\":\"guest-ping\"}\n"));
	assert_false(answer("return\n\n[]\n{\n\xff\xff\n"));
}

static void pings_come_now_and_then(void **state)
{
	char buf[200] = "";
	struct pair p;

	open_pair(&p);
	assert_false(agent_answered(&p.agent, 0));
	assert_true(read(p.guest, buf, sizeof(buf) - 1) > 0);
	assert_string_equal(buf, "{\"execute\":\"guest-ping\"}\n");
	assert_false(agent_answered(&p.agent, AGENT_PING_SECONDS - 0.1));
	assert_int_equal(read(p.guest, buf, sizeof(buf)), -1);
	assert_false(agent_answered(&p.agent, AGENT_PING_SECONDS));
	assert_true(read(p.guest, buf, sizeof(buf)) > 0);
	close_pair(&p);
}

static void an_answer_in_pieces_counts(void **state)
{
	static const char text[] = "{\"return\": {}}\n";
	struct pair p;

	open_pair(&p);
	for (size_t i = 0; i + 1 < strlen(text); i++) {
		assert_int_equal(write(p.guest, text + i, 1), 1);
		assert_false(agent_answered(&p.agent, 1));
	}
	assert_int_equal(write(p.guest, "\n", 1), 1);
	assert_true(agent_answered(&p.agent, 1));
	close_pair(&p);
}

static void a_line_that_is_too_long_is_forgotten_and_the_next_one_counts(void **state)
{
	char flood[AGENT_LINE_MAX];
	struct pair p;

	open_pair(&p);
	memset(flood, '{', sizeof(flood));
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(write(p.guest, flood, sizeof(flood)), sizeof(flood));
		assert_false(agent_answered(&p.agent, 1));
	}
	assert_int_equal(write(p.guest, "\n{\"return\": {}}\n", 16), 16);
	assert_true(agent_answered(&p.agent, 1));
	close_pair(&p);
}

static void a_port_that_nobody_reads_does_not_block(void **state)
{
	struct pair p;

	open_pair(&p);
	for (unsigned i = 0; i < 100000; i++)
		assert_false(agent_answered(&p.agent, i * AGENT_PING_SECONDS));
	assert_true(agent_fd(&p.agent) >= 0);
	close_pair(&p);
}

static void a_closed_port_is_left_alone(void **state)
{
	struct pair p;

	open_pair(&p);
	close(p.guest);
	assert_false(agent_answered(&p.agent, 1));
	assert_int_equal(agent_fd(&p.agent), -1);
	assert_false(agent_answered(&p.agent, 2));
	close(p.ours);
}

static void no_port_is_no_agent(void **state)
{
	struct agent a;

	agent_init(&a, -1);
	assert_false(agent_answered(&a, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_return_is_an_answer),
		cmocka_unit_test(other_lines_are_none),
		cmocka_unit_test(pings_come_now_and_then),
		cmocka_unit_test(an_answer_in_pieces_counts),
		cmocka_unit_test(a_line_that_is_too_long_is_forgotten_and_the_next_one_counts),
		cmocka_unit_test(a_port_that_nobody_reads_does_not_block),
		cmocka_unit_test(a_closed_port_is_left_alone),
		cmocka_unit_test(no_port_is_no_agent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
