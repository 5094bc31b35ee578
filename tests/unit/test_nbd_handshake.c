// SPDX-License-Identifier: LGPL-2.1-or-later
/* nbd_handshake: the socket, the options and their answers, byte by byte. */
#include "tests/unit/nbd_client.h"

static void the_socket_is_for_this_user_alone(void **state)
{
	struct world *w = *state;
	struct stat st;

	assert_int_equal(lstat(w->path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void a_name_that_is_taken_is_left_alone(void **state)
{
	struct world *w = *state;
	struct nbd_server *second = NULL;
	struct err err = {0};
	struct stat st;

	assert_fails(nbd_server_new(&second, w->block, w->path, &err), EADDRINUSE, w->path);
	assert_int_equal(lstat(w->path, &st), 0);
	disconnect(connected(w));
}

static void a_path_too_long_for_a_socket_is_refused(void **state)
{
	struct world *w = *state;
	struct nbd_server *second = NULL;
	struct err err = {0};
	char path[200];

	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = 0;
	assert_fails(nbd_server_new(&second, w->block, path, &err), ENAMETOOLONG, "199");
}

static void export_name_ends_with_124_zeros_unless_they_are_declined(void **state)
{
	for (unsigned flags = 1; flags <= 3; flags += 2) {
		int fd = greeted(*state, flags);

		put_option(fd, 1, NULL);
		assert_int_equal(get_be(fd, 8), DISK_SIZE);
		assert_int_equal(get_be(fd, 2), 1 | 4 | 8 | 32 | 64 | 256);
		for (unsigned i = 0; flags == 1 && i < 124; i++)
			assert_int_equal(get_be(fd, 1), 0);
		ask(fd, 0, 3, 99, 0, 0);
		expect_simple(fd, 99, 0);
		disconnect(fd);
	}
}

static void export_name_of_another_export_ends_the_connection(void **state)
{
	struct msg m = {0};
	int fd = greeted(*state, 3);

	add_text(&m, "other");
	put_option(fd, 1, &m);
	assert_closed(fd);
}

static void list_names_the_one_export(void **state)
{
	int fd = greeted(*state, 3);

	put_option(fd, 3, NULL);
	assert_int_equal(expect_reply(fd, 3, 2), 4);
	assert_int_equal(get_be(fd, 4), 0);
	expect_ack(fd, 3);
	go(fd);
	disconnect(fd);
}

static void abort_is_acknowledged(void **state)
{
	int fd = greeted(*state, 3);

	put_option(fd, 2, NULL);
	expect_ack(fd, 2);
	assert_closed(fd);
}

static void info_tells_size_and_block_sizes_and_haggling_goes_on(void **state)
{
	struct msg m = {0};
	int fd = greeted(*state, 3);

	add(&m, 0, 4);
	add(&m, 2, 2);
	add(&m, 3, 2);
	add(&m, 77, 2); /* unknown kinds of information are left out */
	put_option(fd, 6, &m);
	assert_int_equal(expect_reply(fd, 6, 3), 12);
	assert_int_equal(get_be(fd, 2), 0);
	assert_int_equal(get_be(fd, 8), DISK_SIZE);
	get_be(fd, 2);
	assert_int_equal(expect_reply(fd, 6, 3), 14);
	assert_int_equal(get_be(fd, 2), 3);
	assert_int_equal(get_be(fd, 4), 1);
	assert_int_equal(get_be(fd, 4), 4096);
	assert_int_equal(get_be(fd, 4), 32 * 1024 * 1024);
	expect_ack(fd, 6);
	go(fd);
	disconnect(fd);
}

static void flags_follow_what_was_agreed(void **state)
{
	int fd = greeted(*state, 3);

	assert_int_equal(go(fd), 1 | 4 | 8 | 32 | 64 | 256);
	disconnect(fd);
	fd = greeted(*state, 3);
	put_option(fd, 8, NULL);
	expect_ack(fd, 8);
	assert_int_equal(go(fd), 1 | 4 | 8 | 32 | 64 | 128 | 256);
	disconnect(fd);
}

static void flags_of_a_read_only_block_offer_no_change(void **state)
{
	struct world *w = *state;
	int fd;

	w->block->read_only = true;
	fd = greeted(w, 3);
	assert_int_equal(go(fd), 1 | 2 | 4 | 8 | 256);
	disconnect(fd);
}

static void meta_contexts_are_listed_and_set(void **state)
{
	static const struct {
		unsigned option;
		const char *query; /* NULL = none */
		bool found;
	} cases[] = {
		{9, NULL, true},
		{9, "base:", true},
		{9, "base:allocation", true},
		{9, "qemu:dirty-bitmap:x", false},
		{10, NULL, false},
		{10, "base:", false}, /* a wildcard is for lists */
		{10, "base:allocation", true},
		{10, "base:allocationx", false},
		{10, "", false},
	};
	int fd = greeted(*state, 3);

	put_option(fd, 8, NULL);
	expect_ack(fd, 8);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct msg m = {0};
		char name[15];

		add(&m, 0, 4);
		add(&m, !!cases[i].query, 4);
		if (cases[i].query) {
			add(&m, strlen(cases[i].query), 4);
			add_text(&m, cases[i].query);
		}
		put_option(fd, cases[i].option, &m);
		if (cases[i].found) {
			assert_int_equal(expect_reply(fd, cases[i].option, 4), 19);
			assert_int_equal(get_be(fd, 4), cases[i].option == 10);
			get(fd, name, sizeof(name));
		}
		expect_ack(fd, cases[i].option);
	}
	/* The last one selected nothing: no status. */
	go(fd);
	ask(fd, 0, 7, 5, 0, 512);
	expect_error(fd, 5, 22);
	disconnect(fd);
}

/* Options that must be answered with an error and leave the connection usable. */
static void malformed_options_are_refused_and_haggling_goes_on(void **state)
{
	static const struct {
		unsigned option, error;
		size_t len;
		uint8_t data[40];
	} cases[] = {
		{3, 3, 1, "x"},                    /* LIST takes no data */
		{8, 3, 4, "abcd"},                 /* STRUCTURED_REPLY neither */
		{4, 1, 0, ""},                     /* PEEK_EXPORT: withdrawn */
		{5, 1, 0, ""},                     /* STARTTLS */
		{11, 1, 3, "xyz"},                 /* EXTENDED_HEADERS */
		{0, 1, 0, ""},                     /* no such option */
		{0xffffffff, 1, 5, "hello"},       /* no such option */
		{7, 3, 0, ""},                     /* GO: nothing */
		{7, 3, 4, "\0\0\0\0"},             /* no count */
		{7, 3, 6, "\0\0\0\1\0\0"},         /* name eats the count */
		{7, 3, 6, "\xff\xff\xff\xff\0\0"}, /* name of 4 GiB */
		{7, 3, 6, "\0\0\0\0\0\1"},         /* a kind is missing */
		{7, 3, 7, "\0\0\0\0\0\0x"},        /* one byte too many */
		{7, 3, 6, "\0\0\0\0\xff\xff"},     /* 65535 kinds */
		{7, 6, 7, "\0\0\0\1x\0\0"},        /* another export */
		{6, 6, 7, "\0\0\0\1x\0\0"},        /* INFO the same */
		{10, 3, 8, "\0\0\0\0\0\0\0\0"},    /* before structured replies */
		{9, 3, 8, "\0\0\0\0\0\0\0\0"},
	};
	static const struct {
		size_t len;
		unsigned error;
		uint8_t data[40];
	} contexts[] = {
		{0, 3, ""}, {4, 3, "\0\0\0\0"},
		{8, 3, "\0\0\0\0\0\0\0\1"},                  /* a query is missing */
		{8, 3, "\0\0\0\0\xff\xff\xff\xff"},          /* 4 Gi queries */
		{12, 3, "\0\0\0\0\0\0\0\1\0\0\0\1"},         /* a query without its byte */
		{12, 3, "\0\0\0\0\0\0\0\1\xff\xff\xff\xff"}, /* ... without its 4 GiB */
		{9, 3, "\0\0\0\0\0\0\0\0x"},                 /* trailing byte */
		{9, 6, "\0\0\0\1x\0\0\0\0"},                 /* another export */
	};
	int fd = greeted(*state, 3);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct msg m = {.len = cases[i].len};

		memcpy(m.b, cases[i].data, m.len);
		put_option(fd, cases[i].option, &m);
		expect_option_error(fd, cases[i].option, cases[i].error);
	}
	put_option(fd, 8, NULL);
	expect_ack(fd, 8);
	for (unsigned option = 9; option <= 10; option++)
		for (size_t i = 0; i < ARRAY_SIZE(contexts); i++) {
			struct msg m = {.len = contexts[i].len};

			memcpy(m.b, contexts[i].data, m.len);
			put_option(fd, option, &m);
			expect_option_error(fd, option, contexts[i].error);
		}
	go(fd);
	disconnect(fd);
}

static void a_broken_handshake_ends_the_connection(void **state)
{
	struct world *w = *state;
	struct msg m = {0};
	int fd;

	assert_closed(greeted(w, 0)); /* not fixed newstyle */
	assert_closed(greeted(w, 7)); /* a flag nobody knows */

	fd = greeted(w, 3); /* not an option */
	add(&m, 0x49484156454f5055, 8);
	add(&m, 7, 4);
	add(&m, 0, 4);
	put(fd, m.b, m.len);
	assert_closed(fd);

	fd = greeted(w, 3); /* an option of 4 GiB: none of it is waited for */
	m.len = 0;
	add(&m, 0x49484156454f5054, 8);
	add(&m, 7, 4);
	add(&m, 0xffffffff, 4);
	put(fd, m.b, m.len);
	assert_closed(fd);

	fd = greeted(w, 3); /* options without end */
	for (unsigned i = 0; i < NBD_OPTIONS_MAX; i++) {
		put_option(fd, 8, NULL);
		expect_ack(fd, 8);
	}
	assert_closed(fd);
}

static void clients_that_leave_anywhere_in_the_handshake_do_no_harm(void **state)
{
	struct world *w = *state;
	struct msg m = {0};

	add(&m, 3, 4);
	add(&m, 0x49484156454f5054, 8);
	add(&m, 7, 4);
	add(&m, 6, 4);
	add(&m, 0, 6);
	for (size_t n = 0; n < m.len; n++) {
		int fd = dial(w);

		put(fd, m.b, n);
		close(fd);
	}
	disconnect(connected(w));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		server_test(the_socket_is_for_this_user_alone),
		server_test(a_name_that_is_taken_is_left_alone),
		server_test(a_path_too_long_for_a_socket_is_refused),
		server_test(export_name_ends_with_124_zeros_unless_they_are_declined),
		server_test(export_name_of_another_export_ends_the_connection),
		server_test(list_names_the_one_export),
		server_test(abort_is_acknowledged),
		server_test(info_tells_size_and_block_sizes_and_haggling_goes_on),
		server_test(flags_follow_what_was_agreed),
		server_test(flags_of_a_read_only_block_offer_no_change),
		server_test(meta_contexts_are_listed_and_set),
		server_test(malformed_options_are_refused_and_haggling_goes_on),
		server_test(a_broken_handshake_ends_the_connection),
		server_test(clients_that_leave_anywhere_in_the_handshake_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
