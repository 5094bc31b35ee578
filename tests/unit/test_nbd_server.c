// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * nbd_server: the protocol byte by byte, through a client that is written here from the
 * specification and shares no code with the server.
 */
#include "tests/unit/test.h"

#include "formats/base/alloc.h"
#include "formats/base/io.h"
#include "formats/nbd/nbd_conn.h"
#include "formats/nbd/nbd_server.h"

#include <dirent.h>
#include <endian.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define DISK_SIZE ((uint64_t)8 * 1024 * 1024)
#define BAD_START ((uint64_t)6 * 1024 * 1024) /* reads and writes fail in this MiB */

/* --- a disk that remembers what was asked of it --- */

struct disk {
	uint8_t *bytes;
	atomic_uint flushes, discards, zeros;
	unsigned zero_flags;
	uint64_t discard_off, discard_len;
	atomic_int in_read;        /* readers inside now */
	atomic_int most_readers;   /* ... at a time, so far */
	unsigned wait_for_readers; /* a read waits until so many are inside */
	pthread_mutex_t lock;
	pthread_cond_t changed;
};

static struct disk *disk_of(struct block *b)
{
	return b->self;
}

static int disk_fails(uint64_t off, size_t len, struct err *err)
{
	if (off + len > BAD_START && off < BAD_START + MiB)
		return err_set(err, EIO, "disk: bad spot");
	return 0;
}

static int disk_pread(struct block *b, void *buf, size_t len, uint64_t off, struct err *err)
{
	struct disk *d = disk_of(b);

	pthread_mutex_lock(&d->lock);
	d->in_read++;
	if (d->in_read > d->most_readers)
		d->most_readers = d->in_read;
	pthread_cond_broadcast(&d->changed);
	while (d->most_readers < (int)d->wait_for_readers)
		pthread_cond_wait(&d->changed, &d->lock);
	d->in_read--;
	pthread_mutex_unlock(&d->lock);
	memcpy(buf, d->bytes + off, len);
	return disk_fails(off, len, err);
}

static int disk_pwrite(
	struct block *b, const void *buf, size_t len, uint64_t off, struct err *err)
{
	memcpy(disk_of(b)->bytes + off, buf, len);
	return disk_fails(off, len, err);
}

static int disk_zero(
	struct block *b, uint64_t off, uint64_t len, unsigned flags, struct err *err)
{
	memset(disk_of(b)->bytes + off, 0, len);
	disk_of(b)->zero_flags = flags;
	disk_of(b)->zeros++;
	return 0;
}

static int disk_discard(struct block *b, uint64_t off, uint64_t len, struct err *err)
{
	disk_of(b)->discard_off = off;
	disk_of(b)->discard_len = len;
	disk_of(b)->discards++;
	return 0;
}

static int disk_flush(struct block *b, struct err *err)
{
	disk_of(b)->flushes++;
	return 0;
}

/* From the start, 1 MiB each: data, zero, hole that reads as zero, hole over another layer, data
 * to the end. */
static int disk_extent(struct block *b, uint64_t off, uint64_t max, uint64_t *len,
	unsigned *flags, struct err *err)
{
	static const unsigned map[] = {0, BLOCK_ZERO, BLOCK_ZERO | BLOCK_HOLE, BLOCK_HOLE};
	uint64_t mib = off / MiB;

	*flags = mib < ARRAY_SIZE(map) ? map[mib] : 0;
	*len = MIN(max, MiB - off % MiB);
	return 0;
}

static void disk_free(struct block *b)
{
	free(disk_of(b)->bytes);
	free(disk_of(b));
}

static const struct block_ops disk_ops = {
	.name = "test",
	.free = disk_free,
	.pread = disk_pread,
	.pwrite = disk_pwrite,
	.zero = disk_zero,
	.discard = disk_discard,
	.flush = disk_flush,
	.extent = disk_extent,
};

static uint8_t pattern(uint64_t off)
{
	return (uint8_t)(off * 7 + off / 4096 + 1);
}

/* --- a server and its clients --- */

struct world {
	char dir[64], path[80];
	struct block *block;
	struct disk *disk;
	struct nbd_server *server;
	int threads_before;
};

static int count_entries(const char *dir)
{
	DIR *d = opendir(dir);
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static int setup(void **state)
{
	struct world *w = xnew(struct world);
	struct disk *d = xnew(struct disk);
	struct err err = {0};

	w->threads_before = count_entries("/proc/self/task");
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->changed, NULL);
	d->bytes = xmalloc(DISK_SIZE);
	for (uint64_t i = 0; i < DISK_SIZE; i++)
		d->bytes[i] = i / MiB >= 1 && i / MiB < 3 ? 0 : pattern(i);
	w->disk = d;
	w->block = block_alloc(&disk_ops, d, DISK_SIZE, "disk");
	strcpy(w->dir, "/tmp/test-nbd-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->path, sizeof(w->path), "%s/s", w->dir);
	assert_ok(nbd_server_new(&w->server, w->block, w->path, &err));
	*state = w;
	return 0;
}

/* Whatever a test did: afterwards the socket, the threads and the descriptors are gone. */
static int teardown(void **state)
{
	struct world *w = *state;
	struct stat st;

	nbd_server_free(w->server);
	assert_int_equal(lstat(w->path, &st), -1);
	assert_int_equal(rmdir(w->dir), 0);
	assert_int_equal(count_entries("/proc/self/task"), w->threads_before);
	block_free(w->block);
	free(w);
	return 0;
}

static int dial(const struct world *w)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = 20}; /* a hung server fails a test, not the run */
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(addr.sun_path, w->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

static void put(int fd, const void *p, size_t len)
{
	const uint8_t *b = p;

	while (len) {
		ssize_t n = send(fd, b, len, MSG_NOSIGNAL);

		assert_true(n > 0);
		b += n;
		len -= n;
	}
}

static void get(int fd, void *p, size_t len)
{
	assert_int_equal(recv(fd, p, len, MSG_WAITALL), len);
}

/* The server hangs up: nothing more comes, not even an answer. */
static void assert_closed(int fd)
{
	char c;
	ssize_t n = recv(fd, &c, 1, 0);

	assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
	close(fd);
}

/* Big-endian numbers behind each other. */
struct msg {
	uint8_t b[512];
	size_t len;
};

static void add(struct msg *m, uint64_t v, size_t bytes)
{
	v = htobe64(v);
	memcpy(m->b + m->len, (uint8_t *)&v + 8 - bytes, bytes);
	m->len += bytes;
}

static void add_text(struct msg *m, const char *s)
{
	memcpy(m->b + m->len, s, strlen(s));
	m->len += strlen(s);
}

static uint64_t get_be(int fd, size_t bytes)
{
	uint64_t v = 0;

	get(fd, (uint8_t *)&v + 8 - bytes, bytes);
	return be64toh(v);
}

static int greeted(const struct world *w, uint32_t flags)
{
	struct msg m = {0};
	int fd = dial(w);

	assert_int_equal(get_be(fd, 8), 0x4e42444d41474943);
	assert_int_equal(get_be(fd, 8), 0x49484156454f5054);
	assert_int_equal(get_be(fd, 2), 3);
	add(&m, flags, 4);
	put(fd, m.b, m.len);
	return fd;
}

static void put_option(int fd, uint32_t option, const struct msg *data)
{
	struct msg m = {0};

	add(&m, 0x49484156454f5054, 8);
	add(&m, option, 4);
	add(&m, data ? data->len : 0, 4);
	put(fd, m.b, m.len);
	if (data)
		put(fd, data->b, data->len);
}

/* Reads an option reply's head; returns its length. */
static uint32_t expect_reply(int fd, uint32_t option, uint32_t type)
{
	assert_int_equal(get_be(fd, 8), 0x0003e889045565a9);
	assert_int_equal(get_be(fd, 4), option);
	assert_int_equal(get_be(fd, 4), type);
	return get_be(fd, 4);
}

static void expect_ack(int fd, uint32_t option)
{
	assert_int_equal(expect_reply(fd, option, 1), 0);
}

static void expect_option_error(int fd, uint32_t option, uint32_t number)
{
	char text[4096];
	uint32_t len = expect_reply(fd, option, 0x80000000 + number);

	assert_in_range(len, 1, sizeof(text));
	get(fd, text, len);
}

static void select_allocation(int fd)
{
	struct msg m = {0};

	add(&m, 0, 4);
	add(&m, 1, 4);
	add(&m, 15, 4);
	add_text(&m, "base:allocation");
	put_option(fd, 10, &m);
	assert_int_equal(expect_reply(fd, 10, 4), 4 + 15);
	assert_int_equal(get_be(fd, 4), 1);
	char name[15];
	get(fd, name, sizeof(name));
	assert_memory_equal(name, "base:allocation", 15);
	expect_ack(fd, 10);
}

static unsigned go(int fd)
{
	struct msg m = {0};
	unsigned flags;

	add(&m, 0, 4);
	add(&m, 0, 2);
	put_option(fd, 7, &m);
	assert_int_equal(expect_reply(fd, 7, 3), 12);
	assert_int_equal(get_be(fd, 2), 0);
	assert_int_equal(get_be(fd, 8), DISK_SIZE);
	flags = get_be(fd, 2);
	expect_ack(fd, 7);
	return flags;
}

/* In the transmission phase, with everything. */
static int connected(const struct world *w)
{
	int fd = greeted(w, 3);

	put_option(fd, 8, NULL);
	expect_ack(fd, 8);
	select_allocation(fd);
	go(fd);
	return fd;
}

/* In the transmission phase with simple replies only. */
static int connected_simply(const struct world *w)
{
	int fd = greeted(w, 3);

	go(fd);
	return fd;
}

static void ask(
	int fd, unsigned flags, unsigned type, uint64_t cookie, uint64_t off, uint32_t len)
{
	struct msg m = {0};

	add(&m, 0x25609513, 4);
	add(&m, flags, 2);
	add(&m, type, 2);
	add(&m, cookie, 8);
	add(&m, off, 8);
	add(&m, len, 4);
	put(fd, m.b, m.len);
}

static void expect_simple(int fd, uint64_t cookie, uint32_t error)
{
	assert_int_equal(get_be(fd, 4), 0x67446698);
	assert_int_equal(get_be(fd, 4), error);
	assert_int_equal(get_be(fd, 8), cookie);
}

struct chunk {
	unsigned flags, type;
	uint64_t cookie;
	uint32_t len;
};

static struct chunk get_chunk(int fd)
{
	struct chunk c;

	assert_int_equal(get_be(fd, 4), 0x668e33ef);
	c.flags = get_be(fd, 2);
	c.type = get_be(fd, 2);
	c.cookie = get_be(fd, 8);
	c.len = get_be(fd, 4);
	return c;
}

static void expect_error(int fd, uint64_t cookie, uint32_t error)
{
	struct chunk c = get_chunk(fd);
	char text[4096];
	uint32_t len;

	assert_int_equal(c.type, 0x8001);
	assert_int_equal(c.flags, 1);
	assert_int_equal(c.cookie, cookie);
	assert_int_equal(get_be(fd, 4), error);
	len = get_be(fd, 2);
	assert_int_equal(c.len, 6 + len);
	assert_in_range(len, 1, sizeof(text));
	get(fd, text, len);
}

static void disconnect(int fd)
{
	ask(fd, 0, 2, 0, 0, 0);
	assert_closed(fd);
}

/* --- handshake --- */

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

/* --- commands --- */

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

#define t(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		t(the_socket_is_for_this_user_alone),
		t(a_name_that_is_taken_is_left_alone),
		t(a_path_too_long_for_a_socket_is_refused),
		t(export_name_ends_with_124_zeros_unless_they_are_declined),
		t(export_name_of_another_export_ends_the_connection),
		t(list_names_the_one_export),
		t(abort_is_acknowledged),
		t(info_tells_size_and_block_sizes_and_haggling_goes_on),
		t(flags_follow_what_was_agreed),
		t(flags_of_a_read_only_block_offer_no_change),
		t(meta_contexts_are_listed_and_set),
		t(malformed_options_are_refused_and_haggling_goes_on),
		t(a_broken_handshake_ends_the_connection),
		t(clients_that_leave_anywhere_in_the_handshake_do_no_harm),
		t(reads_come_back_in_simple_replies),
		t(reads_come_back_in_chunks_with_holes),
		t(a_read_that_may_not_be_split_comes_in_one_chunk),
		t(an_error_in_the_middle_of_a_read_is_told),
		t(writes_arrive_and_fua_flushes),
		t(zeroing_and_trimming_reach_the_block),
		t(block_status_tells_what_lies_where),
		t(bad_requests_are_refused_one_by_one),
		t(a_read_only_export_is_not_changed),
		t(a_broken_transmission_ends_the_connection),
		t(clients_that_leave_in_the_middle_do_no_harm),
		t(requests_of_one_client_run_in_parallel),
		t(what_one_connection_wrote_another_reads),
		t(a_stalled_client_does_not_stop_the_others),
		t(more_clients_than_places_are_turned_away),
		t(stopping_finishes_running_requests),
		t(stopping_does_not_wait_forever_for_a_client),
		t(a_socket_put_in_place_of_ours_is_not_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
