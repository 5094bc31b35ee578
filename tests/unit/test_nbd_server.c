// SPDX-License-Identifier: LGPL-2.1-or-later
/* nbd_server: commands and their answers byte by byte; many requests, many clients, the end. */
#include "tests/unit/nbd_client.h"

static void reads_come_back_in_simple_replies(void **state)
{
	int fd = connected_simply(*state);
	uint8_t buf[1000];

	ask(fd, 0, 0, 0x1122334455667788, 4000, sizeof(buf));
	expect_simple(fd, 0x1122334455667788, 0);
	get(fd, buf, sizeof(buf));
	for (size_t i = 0; i < sizeof(buf); i++)
		assert_int_equal(buf[i], pattern(4000 + i));
	ask(fd, 0, 0, 2, 0, 0);
	expect_simple(fd, 2, 0);
	ask(fd, 0, 0, 3, BAD_START - 512, 1024);
	expect_simple(fd, 3, 5);
	ask(fd, 4, 0, 4, 0, 512); /* DF was not offered */
	expect_simple(fd, 4, 22);
	disconnect(fd);
}

/* Collects the chunks of one read; returns how many were holes. */
static unsigned collect(
	int fd, uint64_t cookie, uint8_t *buf, uint64_t off, size_t len, unsigned *chunks)
{
	size_t covered = 0;
	unsigned holes = 0;
	bool done = false;

	memset(buf, 0xee, len);
	for (*chunks = 0; !done; ++*chunks) {
		struct chunk c = get_chunk(fd);
		uint64_t at;
		size_t n;

		assert_int_equal(c.cookie, cookie);
		done = c.flags & 1;
		at = get_be(fd, 8);
		n = c.type == 2 ? get_be(fd, 4) : c.len - 8;
		assert_true(at >= off && n > 0 && at - off + n <= len);
		if (c.type == 2) {
			assert_int_equal(c.len, 12);
			memset(buf + (at - off), 0, n);
			holes++;
		} else {
			assert_int_equal(c.type, 1);
			get(fd, buf + (at - off), n);
		}
		covered += n;
	}
	assert_int_equal(covered, len);
	return holes;
}

static void reads_come_back_in_chunks_with_holes(void **state)
{
	struct world *w = *state;
	int fd = connected(w);
	size_t len = 4 * MiB + 777;
	_auto_(mem) uint8_t *buf = xmalloc(len);
	unsigned chunks;

	assert_int_equal(collect(fd, 9, (ask(fd, 0, 0, 9, 333, len), buf), 333, len, &chunks),
		2); /* zeros of 64 KiB and more, cut at the end of a piece */
	assert_memory_equal(buf, w->disk->bytes + 333, len);
	ask(fd, 0, 0, 10, 5, 0);
	assert_int_equal(get_chunk(fd).type, 0);
	disconnect(fd);
}

static void a_read_that_may_not_be_split_comes_in_one_chunk(void **state)
{
	struct world *w = *state;
	int fd = connected(w);
	size_t len = 3 * MiB;
	_auto_(mem) uint8_t *buf = xmalloc(len);
	unsigned chunks;

	ask(fd, 4, 0, 1, 0, len);
	assert_int_equal(collect(fd, 1, buf, 0, len, &chunks), 0);
	assert_int_equal(chunks, 1);
	assert_memory_equal(buf, w->disk->bytes, len);
	disconnect(fd);
}

static void an_error_in_the_middle_of_a_read_is_told(void **state)
{
	struct world *w = *state;
	int fd = connected(w);
	_auto_(mem) uint8_t *buf = xmalloc(2 * MiB);
	struct err err = {0};
	struct chunk c;

	ask(fd, 0, 0, 7, BAD_START - MiB, 2 * MiB);
	c = get_chunk(fd);
	assert_int_equal(c.type, 1);
	assert_int_equal(c.flags, 0);
	get(fd, buf, c.len);
	expect_error(fd, 7, 5);
	ask(fd, 0, 0, 8, 0, 512); /* the connection lives on */
	c = get_chunk(fd);
	get(fd, buf, c.len);
	disconnect(fd);
	assert_fails(nbd_server_stop(w->server, &err), EIO, "bad spot");
}

static void writes_arrive_and_fua_flushes(void **state)
{
	struct world *w = *state;
	int fd = connected(w);
	uint8_t *big = xmalloc(3 * MiB);

	memset(big, 0xab, 3 * MiB);
	ask(fd, 0, 1, 1, 100, 5);
	put(fd, "hello", 5);
	expect_simple(fd, 1, 0);
	assert_memory_equal(w->disk->bytes + 100, "hello", 5);
	assert_int_equal(w->disk->flushes, 0);
	ask(fd, 1, 1, 2, MiB, 3 * MiB);
	put(fd, big, 3 * MiB);
	expect_simple(fd, 2, 0);
	assert_memory_equal(w->disk->bytes + MiB, big, 3 * MiB);
	assert_int_equal(w->disk->flushes, 1);
	ask(fd, 0, 3, 3, 0, 0);
	expect_simple(fd, 3, 0);
	assert_int_equal(w->disk->flushes, 2);
	ask(fd, 0, 1, 4, 0, 0);
	expect_simple(fd, 4, 0);
	disconnect(fd);
	free(big);
}

static void zeroing_and_trimming_reach_the_block(void **state)
{
	struct world *w = *state;
	int fd = connected(w);

	ask(fd, 0, 6, 1, 1000, 70000);
	expect_simple(fd, 1, 0);
	assert_true(bytes_are_zero(w->disk->bytes + 1000, 70000));
	assert_int_equal(w->disk->bytes[999], pattern(999));
	assert_int_equal(w->disk->bytes[71000], pattern(71000));
	assert_int_equal(w->disk->zero_flags, BLOCK_MAY_UNMAP);
	ask(fd, 2 | 1, 6, 2, 0, DISK_SIZE); /* NO_HOLE, FUA */
	expect_simple(fd, 2, 0);
	assert_int_equal(w->disk->zero_flags, 0);
	assert_int_equal(w->disk->flushes, 1);
	ask(fd, 0, 4, 3, 4096, 8192);
	expect_simple(fd, 3, 0);
	assert_int_equal(w->disk->discards, 1);
	assert_int_equal(w->disk->discard_off, 4096);
	assert_int_equal(w->disk->discard_len, 8192);
	ask(fd, 0, 6, 4, 0, 0);
	expect_simple(fd, 4, 0);
	disconnect(fd);
}

static void block_status_tells_what_lies_where(void **state)
{
	static const unsigned expected[] = {0, 2, 3, 0}; /* a hole over a layer is data */
	int fd = connected(*state);
	struct chunk c;

	ask(fd, 0, 7, 1, 4096, DISK_SIZE - 4096);
	c = get_chunk(fd);
	assert_int_equal(c.type, 5);
	assert_int_equal(c.flags, 1);
	assert_int_equal(c.len, 4 + 8 * ARRAY_SIZE(expected));
	assert_int_equal(get_be(fd, 4), 1);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		uint64_t len = i == 0 ? MiB - 4096 : i == 3 ? DISK_SIZE - 3 * MiB : MiB;

		assert_int_equal(get_be(fd, 4), len);
		assert_int_equal(get_be(fd, 4), expected[i]);
	}
	ask(fd, 8, 7, 2, MiB + 5, 100); /* one extent, not longer than asked */
	c = get_chunk(fd);
	assert_int_equal(c.len, 12);
	assert_int_equal(get_be(fd, 4), 1);
	assert_int_equal(get_be(fd, 4), 100);
	assert_int_equal(get_be(fd, 4), 2);
	disconnect(fd);
}

/* Requests that are refused; the connection stays usable. */
static void bad_requests_are_refused_one_by_one(void **state)
{
	static const struct {
		unsigned flags, type;
		uint64_t off;
		uint32_t len, error;
	} cases[] = {
		{0, 0, DISK_SIZE, 1, 22},           /* read at the end */
		{0, 0, DISK_SIZE - 1, 2, 22},       /* read over the end */
		{0, 0, UINT64_MAX, 1, 22},          /* off + len wraps to 0 */
		{0, 0, UINT64_MAX - 511, 1024, 22}, /* ... beyond 0 */
		{0, 0, 0, NBD_REQUEST_MAX + 1, 22}, /* too long */
		{0, 0, 0, UINT32_MAX, 22},          /* much too long */
		{2, 0, 0, 512, 22},                 /* NO_HOLE on a read */
		{0x8000, 0, 0, 512, 22},            /* unknown flag */
		{0, 1, DISK_SIZE, 512, 28},         /* write beyond the end */
		{0, 1, UINT64_MAX, 512, 28},
		{0, 1, 0, NBD_REQUEST_MAX + 512, 28},           /* over the end as well */
		{4, 1, 0, 512, 22},                             /* DF on a write */
		{0, 4, DISK_SIZE, 512, 22},                     /* trim beyond the end */
		{0, 6, DISK_SIZE - 511, 512, 28},               /* zero over the end */
		{0, 6, 1, UINT32_MAX, 28}, {16, 6, 0, 512, 22}, /* FAST_ZERO was not offered */
		{0, 7, DISK_SIZE, 512, 22},                     /* status beyond the end */
		{0, 7, 0, 0, 22},                               /* status of nothing */
		{0, 7, 0, DISK_SIZE + 1, 22}, {0, 5, 0, 512, 22}, /* CACHE was not offered */
		{0, 8, 0, 512, 22},                               /* RESIZE */
		{0, 0xffff, 0, 512, 22},                          /* no command */
	};
	struct world *w = *state;
	_auto_(mem) uint8_t *junk = xcalloc(1, NBD_REQUEST_MAX + 512);
	int fd = connected(w), simple = connected_simply(w);
	struct err err = {0};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ask(fd, cases[i].flags, cases[i].type, i, cases[i].off, cases[i].len);
		if (cases[i].type == 1)
			put(fd, junk, cases[i].len);
		expect_error(fd, i, cases[i].error);
		ask(simple, cases[i].flags, cases[i].type, i, cases[i].off, cases[i].len);
		if (cases[i].type == 1)
			put(simple, junk, cases[i].len);
		expect_simple(simple, i, cases[i].error);
	}
	disconnect(fd);
	disconnect(simple);
	for (uint64_t i = 0; i < MiB; i++)
		assert_int_equal(w->disk->bytes[i], pattern(i));
	/* Misuse is the client's failure, not the block's. */
	assert_ok(nbd_server_stop(w->server, &err));
}

static void a_read_only_export_is_not_changed(void **state)
{
	static const unsigned types[] = {1, 4, 6};
	struct world *w = *state;
	uint8_t junk[512] = {0};
	int fd;

	w->block->read_only = true;
	fd = connected(w);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		ask(fd, 0, types[i], i, 0, sizeof(junk));
		if (types[i] == 1)
			put(fd, junk, sizeof(junk));
		expect_error(fd, i, 1);
	}
	assert_int_equal(w->disk->bytes[0], pattern(0));
	assert_int_equal(w->disk->zeros + w->disk->discards, 0);
	disconnect(fd);
}

static void a_broken_transmission_ends_the_connection(void **state)
{
	struct world *w = *state;
	int fd = connected(w);
	struct msg m = {0};

	add(&m, 0x25609514, 4); /* not a request */
	put(fd, m.b, 28);
	assert_closed(fd);
	fd = connected(w);
	ask(fd, 0, 1, 1, 0, UINT32_MAX); /* a write that nobody would wait for */
	assert_closed(fd);
	disconnect(connected(w));
}

static void clients_that_leave_in_the_middle_do_no_harm(void **state)
{
	struct world *w = *state;
	uint8_t junk[1000] = {0};

	for (size_t n = 0; n < 28; n++) { /* within a request */
		int fd = connected(w);

		put(fd, "\x25\x60\x95\x13\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0", n);
		close(fd);
	}
	for (size_t n = 0; n < 2; n++) { /* within a write */
		int fd = connected(w);

		ask(fd, 0, 1, 1, 0, 2 * MiB);
		put(fd, junk, n * sizeof(junk));
		close(fd);
	}
	for (size_t n = 0; n < 4; n++) { /* without taking the answer */
		int fd = connected(w);

		ask(fd, 0, 0, 1, 0, 5 * MiB);
		close(fd);
	}
	disconnect(connected(w));
	for (uint64_t i = 0; i < 4096; i++)
		assert_int_equal(w->disk->bytes[i], pattern(i));
}

/* --- several at a time --- */

static void requests_of_one_client_run_in_parallel(void **state)
{
	struct world *w = *state;
	int fd = connected_simply(w);
	unsigned seen = 0;
	uint8_t buf[512];

	/* No read returns before all are inside: a serial server would never answer. */
	w->disk->wait_for_readers = NBD_CONN_THREADS;
	for (unsigned i = 0; i < NBD_CONN_THREADS; i++)
		ask(fd, 0, 0, i, i * 512, sizeof(buf));
	for (unsigned i = 0; i < NBD_CONN_THREADS; i++) {
		uint64_t cookie;

		assert_int_equal(get_be(fd, 8), (uint64_t)0x67446698 << 32);
		cookie = get_be(fd, 8);
		assert_in_range(cookie, 0, NBD_CONN_THREADS - 1);
		seen |= 1u << cookie;
		get(fd, buf, sizeof(buf));
		assert_memory_equal(buf, w->disk->bytes + cookie * 512, sizeof(buf));
	}
	assert_int_equal(seen, (1u << NBD_CONN_THREADS) - 1);
	disconnect(fd);
}

static void what_one_connection_wrote_another_reads(void **state)
{
	struct world *w = *state;
	int a = connected(w), b = connected(w);
	char buf[5];
	struct chunk c;

	ask(a, 0, 1, 1, 50, 5);
	put(a, "across", 5);
	expect_simple(a, 1, 0);
	ask(b, 0, 3, 2, 0, 0); /* a flush here covers the write there */
	expect_simple(b, 2, 0);
	assert_int_equal(w->disk->flushes, 1);
	ask(b, 0, 0, 3, 50, 5);
	c = get_chunk(b);
	assert_int_equal(c.len, 8 + 5);
	get_be(b, 8);
	get(b, buf, 5);
	assert_memory_equal(buf, "acros", 5);
	disconnect(a);
	disconnect(b);
}

static void a_stalled_client_does_not_stop_the_others(void **state)
{
	struct world *w = *state;
	int greedy = connected(w), half = connected(w), fd;

	/* One takes no answers, one stops inside a write. */
	for (unsigned i = 0; i < 16; i++)
		ask(greedy, 4, 0, i, 0, 5 * MiB);
	ask(half, 0, 1, 1, 0, MiB);
	fd = connected(w);
	ask(fd, 0, 3, 1, 0, 0);
	expect_simple(fd, 1, 0);
	disconnect(fd);
	close(greedy);
	close(half);
}

static void more_clients_than_places_are_turned_away(void **state)
{
	struct world *w = *state;
	int fds[NBD_CLIENTS_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = connected(w);
	assert_closed(dial(w));
	assert_int_equal(nbd_server_clients(w->server), NBD_CLIENTS_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) /* the others are served still */
		disconnect(fds[i]);
	/* The places are free again: the descriptor says when. */
	uint64_t count;
	struct timeval patience = {.tv_sec = 20};
	fd_set set;
	FD_ZERO(&set);
	FD_SET(nbd_server_idle_fd(w->server), &set);
	assert_int_equal(
		select(nbd_server_idle_fd(w->server) + 1, &set, NULL, NULL, &patience), 1);
	assert_int_equal(read(nbd_server_idle_fd(w->server), &count, 8), 8);
	assert_int_equal(nbd_server_clients(w->server), 0);
	disconnect(connected(w));
}

static void stopping_finishes_running_requests(void **state)
{
	struct world *w = *state;
	int idle = connected(w), shaking = dial(w), fd = connected_simply(w);
	struct err err = {0};
	uint8_t buf[512];
	double start;

	ask(fd, 0, 0, 1, 0, sizeof(buf));
	expect_simple(fd, 1, 0);
	start = io_now();
	assert_ok(nbd_server_stop(w->server, &err));
	assert_true(io_now() - start < NBD_STOP_GRACE_SECONDS);
	get(fd, buf, sizeof(buf)); /* was sent before */
	assert_closed(fd);
	assert_closed(idle);
	close(shaking);
	assert_int_equal(access(w->path, F_OK), -1);
}

static void stopping_does_not_wait_forever_for_a_client(void **state)
{
	struct world *w = *state;
	int fd = connected(w);
	struct err err = {0};
	double start;

	for (unsigned i = 0; i < 16; i++) /* takes no answers */
		ask(fd, 4, 0, i, 0, 5 * MiB);
	assert_int_equal(get_be(fd, 4), 0x668e33ef);
	start = io_now();
	assert_ok(nbd_server_stop(w->server, &err));
	assert_in_range((int)(io_now() - start), 0, NBD_STOP_GRACE_SECONDS + 1);
	close(fd);
}

static void a_socket_put_in_place_of_ours_is_not_removed(void **state)
{
	struct world *w = *state;
	struct err err = {0};
	FILE *f;

	assert_int_equal(unlink(w->path), 0);
	f = fopen(w->path, "w");
	assert_non_null(f);
	fclose(f);
	assert_ok(nbd_server_stop(w->server, &err));
	assert_int_equal(unlink(w->path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		server_test(reads_come_back_in_simple_replies),
		server_test(reads_come_back_in_chunks_with_holes),
		server_test(a_read_that_may_not_be_split_comes_in_one_chunk),
		server_test(an_error_in_the_middle_of_a_read_is_told),
		server_test(writes_arrive_and_fua_flushes),
		server_test(zeroing_and_trimming_reach_the_block),
		server_test(block_status_tells_what_lies_where),
		server_test(bad_requests_are_refused_one_by_one),
		server_test(a_read_only_export_is_not_changed),
		server_test(a_broken_transmission_ends_the_connection),
		server_test(clients_that_leave_in_the_middle_do_no_harm),
		server_test(requests_of_one_client_run_in_parallel),
		server_test(what_one_connection_wrote_another_reads),
		server_test(a_stalled_client_does_not_stop_the_others),
		server_test(more_clients_than_places_are_turned_away),
		server_test(stopping_finishes_running_requests),
		server_test(stopping_does_not_wait_forever_for_a_client),
		server_test(a_socket_put_in_place_of_ours_is_not_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
