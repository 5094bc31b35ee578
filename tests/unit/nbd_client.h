/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nbd_client: what the tests of the NBD server share: a disk that remembers what was asked of it, a
 * server for it, and a client that is written here from the specification and shares no code with
 * the server.
 */
#pragma once

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

static inline struct disk *disk_of(struct block *b)
{
	return b->self;
}

static inline int disk_fails(uint64_t off, size_t len, struct err *err)
{
	if (off + len > BAD_START && off < BAD_START + MiB)
		return err_set(err, EIO, "disk: bad spot");
	return 0;
}

static inline int disk_pread(
	struct block *b, void *buf, size_t len, uint64_t off, struct err *err)
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

static inline int disk_pwrite(
	struct block *b, const void *buf, size_t len, uint64_t off, struct err *err)
{
	memcpy(disk_of(b)->bytes + off, buf, len);
	return disk_fails(off, len, err);
}

static inline int disk_zero(
	struct block *b, uint64_t off, uint64_t len, unsigned flags, struct err *err)
{
	memset(disk_of(b)->bytes + off, 0, len);
	disk_of(b)->zero_flags = flags;
	disk_of(b)->zeros++;
	return 0;
}

static inline int disk_discard(struct block *b, uint64_t off, uint64_t len, struct err *err)
{
	disk_of(b)->discard_off = off;
	disk_of(b)->discard_len = len;
	disk_of(b)->discards++;
	return 0;
}

static inline int disk_flush(struct block *b, struct err *err)
{
	disk_of(b)->flushes++;
	return 0;
}

/* From the start, 1 MiB each: data, zero, hole that reads as zero, hole over another layer, data
 * to the end. */
static inline int disk_extent(struct block *b, uint64_t off, uint64_t max, uint64_t *len,
	unsigned *flags, struct err *err)
{
	static const unsigned map[] = {0, BLOCK_ZERO, BLOCK_ZERO | BLOCK_HOLE, BLOCK_HOLE};
	uint64_t mib = off / MiB;

	*flags = mib < ARRAY_SIZE(map) ? map[mib] : 0;
	*len = MIN(max, MiB - off % MiB);
	return 0;
}

static inline void disk_free(struct block *b)
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

static inline uint8_t pattern(uint64_t off)
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

static inline int count_entries(const char *dir)
{
	DIR *d = opendir(dir);
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static inline int setup(void **state)
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
static inline int teardown(void **state)
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

static inline int dial(const struct world *w)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = 20}; /* a hung server fails a test, not the run */
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(addr.sun_path, w->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

static inline void put(int fd, const void *p, size_t len)
{
	const uint8_t *b = p;

	while (len) {
		ssize_t n = send(fd, b, len, MSG_NOSIGNAL);

		assert_true(n > 0);
		b += n;
		len -= n;
	}
}

static inline void get(int fd, void *p, size_t len)
{
	assert_int_equal(recv(fd, p, len, MSG_WAITALL), len);
}

/* The server hangs up: nothing more comes, not even an answer. */
static inline void assert_closed(int fd)
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

static inline void add(struct msg *m, uint64_t v, size_t bytes)
{
	v = htobe64(v);
	memcpy(m->b + m->len, (uint8_t *)&v + 8 - bytes, bytes);
	m->len += bytes;
}

static inline void add_text(struct msg *m, const char *s)
{
	memcpy(m->b + m->len, s, strlen(s));
	m->len += strlen(s);
}

static inline uint64_t get_be(int fd, size_t bytes)
{
	uint64_t v = 0;

	get(fd, (uint8_t *)&v + 8 - bytes, bytes);
	return be64toh(v);
}

static inline int greeted(const struct world *w, uint32_t flags)
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

static inline void put_option(int fd, uint32_t option, const struct msg *data)
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
static inline uint32_t expect_reply(int fd, uint32_t option, uint32_t type)
{
	assert_int_equal(get_be(fd, 8), 0x0003e889045565a9);
	assert_int_equal(get_be(fd, 4), option);
	assert_int_equal(get_be(fd, 4), type);
	return get_be(fd, 4);
}

static inline void expect_ack(int fd, uint32_t option)
{
	assert_int_equal(expect_reply(fd, option, 1), 0);
}

static inline void expect_option_error(int fd, uint32_t option, uint32_t number)
{
	char text[4096];
	uint32_t len = expect_reply(fd, option, 0x80000000 + number);

	assert_in_range(len, 1, sizeof(text));
	get(fd, text, len);
}

static inline void select_allocation(int fd)
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

static inline unsigned go(int fd)
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
static inline int connected(const struct world *w)
{
	int fd = greeted(w, 3);

	put_option(fd, 8, NULL);
	expect_ack(fd, 8);
	select_allocation(fd);
	go(fd);
	return fd;
}

/* In the transmission phase with simple replies only. */
static inline int connected_simply(const struct world *w)
{
	int fd = greeted(w, 3);

	go(fd);
	return fd;
}

static inline void ask(
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

static inline void expect_simple(int fd, uint64_t cookie, uint32_t error)
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

static inline struct chunk get_chunk(int fd)
{
	struct chunk c;

	assert_int_equal(get_be(fd, 4), 0x668e33ef);
	c.flags = get_be(fd, 2);
	c.type = get_be(fd, 2);
	c.cookie = get_be(fd, 8);
	c.len = get_be(fd, 4);
	return c;
}

static inline void expect_error(int fd, uint64_t cookie, uint32_t error)
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

static inline void disconnect(int fd)
{
	ask(fd, 0, 2, 0, 0, 0);
	assert_closed(fd);
}

#define server_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
