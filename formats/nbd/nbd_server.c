// SPDX-License-Identifier: LGPL-2.1-or-later
/* nbd_server: the socket and the life of its connections. */
#include "formats/nbd/nbd_server.h"

#include "formats/base/alloc.h"
#include "formats/base/io.h"
#include "formats/base/log.h"
#include "formats/nbd/nbd_conn.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG 16

/* accept() fails for lack of descriptors or memory: wait this long before the next try. */
#define ACCEPT_RETRY_MS 100

struct client {
	struct nbd_server *s;
	int fd; /* -1 = this place is free */
	pthread_t thread;
	bool finished; /* under s->lock: only needs to be joined */
};

struct nbd_server {
	struct block *block;
	char *path;
	int listener, wake, idle;
	dev_t socket_dev; /* of the socket's name, to remove nobody else's */
	ino_t socket_ino;
	pthread_t acceptor;
	bool stopped;
	atomic_bool stop;

	pthread_mutex_t lock;
	pthread_cond_t client_left;
	struct client clients[NBD_CLIENTS_MAX]; /* fd: written by the acceptor only */
	unsigned running;                       /* clients that have not finished */
	struct err failure;
};

static void signal_event(int fd)
{
	uint64_t one = 1;

	/* Fails only when the counter is at its end: then it is readable already. */
	if (write(fd, &one, sizeof(one)) < 0)
		log_debug("nbd", "eventfd is full");
}

static void *serve_client(void *arg)
{
	struct client *c = arg;
	struct nbd_server *s = c->s;
	struct err err = {0};
	int r = nbd_conn_serve(c->fd, s->block, &s->stop, &err);

	pthread_mutex_lock(&s->lock);
	if (r < 0 && !s->failure.code)
		s->failure = err;
	c->finished = true;
	if (--s->running == 0)
		signal_event(s->idle);
	pthread_cond_broadcast(&s->client_left);
	pthread_mutex_unlock(&s->lock);
	signal_event(s->wake);
	return NULL;
}

/* Joins what has finished, or, with `all`, everything. */
static void reap(struct nbd_server *s, bool all)
{
	for (size_t i = 0; i < ARRAY_SIZE(s->clients); i++) {
		struct client *c = &s->clients[i];
		bool finished;

		if (c->fd < 0)
			continue;
		pthread_mutex_lock(&s->lock);
		finished = c->finished;
		pthread_mutex_unlock(&s->lock);
		if (!finished && !all)
			continue;
		pthread_join(c->thread, NULL);
		close(steal_fd(&c->fd));
	}
}

static struct client *free_place(struct nbd_server *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(s->clients); i++)
		if (s->clients[i].fd < 0)
			return &s->clients[i];
	return NULL;
}

static void welcome(struct nbd_server *s, int take_fd)
{
	struct client *c = free_place(s);

	if (!c) {
		log_debug("nbd", "%s: more than %u clients", s->path, NBD_CLIENTS_MAX);
		close(take_fd);
		return;
	}
	pthread_mutex_lock(&s->lock);
	c->fd = take_fd;
	c->finished = false;
	if (pthread_create(&c->thread, NULL, serve_client, c))
		close(steal_fd(&c->fd));
	else
		s->running++;
	pthread_mutex_unlock(&s->lock);
}

static void forget_wake(struct nbd_server *s)
{
	uint64_t count;
	ssize_t n = read(s->wake, &count, sizeof(count));

	(void)n; /* nothing to read is fine */
}

/* Clients that have left may need a moment to be gone, on a busy machine. */
static void wait_for_place(struct nbd_server *s)
{
	double left, until = io_now() + NBD_PLACE_SECONDS;

	while (!s->stop && !free_place(s) && (left = until - io_now()) > 0) {
		struct pollfd p = {.fd = s->wake, .events = POLLIN};

		if (poll(&p, 1, (int)(left * 1000) + 1) < 0 && errno != EINTR)
			return;
		forget_wake(s);
		reap(s, false);
	}
}

static void *accept_clients(void *arg)
{
	struct nbd_server *s = arg;
	bool short_of_resources = false;

	while (!s->stop) {
		struct pollfd p[] = {
			{.fd = s->wake, .events = POLLIN},
			{.fd = s->listener, .events = short_of_resources ? 0 : POLLIN},
		};
		int fd;

		if (poll(p, ARRAY_SIZE(p), short_of_resources ? ACCEPT_RETRY_MS : -1) < 0 &&
			errno != EINTR)
			break;
		if (p[0].revents)
			forget_wake(s);
		reap(s, false);
		if (!p[1].revents && !short_of_resources)
			continue;
		wait_for_place(s);
		if (s->stop)
			break;
		fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			welcome(s, fd);
		short_of_resources = fd < 0 && (errno == EMFILE || errno == ENFILE ||
						       errno == ENOBUFS || errno == ENOMEM);
	}
	return NULL;
}

/* A listening socket with its name in the file system, for this user alone from the first
 * moment on: the name gets the mode that the socket has before. */
static int open_listener(struct nbd_server *s, struct err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct stat st;

	if (strlen(s->path) >= sizeof(addr.sun_path))
		return err_set(err, ENAMETOOLONG,
			"%s: a socket's name has at most %zu bytes, not %zu", s->path,
			sizeof(addr.sun_path) - 1, strlen(s->path));
	strcpy(addr.sun_path, s->path);
	s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->listener < 0 || fchmod(s->listener, 0600) < 0)
		return err_set_errno(err, errno, "%s: cannot make a socket", s->path);
	if (bind(s->listener, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return err_set_errno(err, errno, "%s: cannot make a socket", s->path);
	if (lstat(s->path, &st) == 0) {
		s->socket_dev = st.st_dev;
		s->socket_ino = st.st_ino;
	}
	if (listen(s->listener, BACKLOG) < 0)
		return err_set_errno(err, errno, "%s: cannot listen", s->path);
	return 0;
}

static void remove_name(struct nbd_server *s)
{
	struct stat st;

	if (s->socket_ino && lstat(s->path, &st) == 0 && st.st_dev == s->socket_dev &&
		st.st_ino == s->socket_ino)
		unlink(s->path);
	s->socket_ino = 0;
}

int nbd_server_new(
	struct nbd_server **ret, struct block *block, const char *path, struct err *err)
{
	_auto_(nbd_server) struct nbd_server *s = xnew(struct nbd_server);
	int r;

	s->block = block;
	s->path = xstrdup(path);
	s->listener = s->wake = s->idle = -1;
	s->stopped = true; /* nothing to stop yet */
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->client_left, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(s->clients); i++)
		s->clients[i] = (struct client){.s = s, .fd = -1};
	s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->idle = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->wake < 0 || s->idle < 0)
		return err_set_errno(err, errno, "%s: cannot make an eventfd", path);
	r = open_listener(s, err);
	if (r < 0)
		return r;
	r = pthread_create(&s->acceptor, NULL, accept_clients, s);
	if (r)
		return err_set_errno(err, r, "%s: cannot start a thread", path);
	s->stopped = false;
	*ret = STEAL(s);
	return 0;
}

/* Running requests get a while to be answered; then the connections are cut. */
static void end_clients(struct nbd_server *s)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += NBD_STOP_GRACE_SECONDS;
	for (size_t i = 0; i < ARRAY_SIZE(s->clients); i++)
		if (s->clients[i].fd >= 0)
			shutdown(s->clients[i].fd, SHUT_RD);
	pthread_mutex_lock(&s->lock);
	while (s->running &&
		pthread_cond_clockwait(&s->client_left, &s->lock, CLOCK_MONOTONIC, &until) == 0)
		;
	pthread_mutex_unlock(&s->lock);
	for (size_t i = 0; i < ARRAY_SIZE(s->clients); i++)
		if (s->clients[i].fd >= 0)
			shutdown(s->clients[i].fd, SHUT_RDWR);
	reap(s, true);
}

int nbd_server_stop(struct nbd_server *s, struct err *err)
{
	if (!s->stopped) {
		s->stop = true;
		signal_event(s->wake);
		pthread_join(s->acceptor, NULL);
		s->stopped = true;
		end_clients(s);
		remove_name(s);
		close(steal_fd(&s->listener));
	}
	return s->failure.code ? err_pass(err, &s->failure) : 0;
}

void nbd_server_free(struct nbd_server *s)
{
	if (!s)
		return;
	nbd_server_stop(s, NULL);
	remove_name(s); /* when _new() failed half-way */
	if (s->listener >= 0)
		close(s->listener);
	if (s->wake >= 0)
		close(s->wake);
	if (s->idle >= 0)
		close(s->idle);
	pthread_cond_destroy(&s->client_left);
	pthread_mutex_destroy(&s->lock);
	free(s->path);
	free(s);
}

unsigned nbd_server_clients(struct nbd_server *s)
{
	unsigned n;

	pthread_mutex_lock(&s->lock);
	n = s->running;
	pthread_mutex_unlock(&s->lock);
	return n;
}

int nbd_server_idle_fd(struct nbd_server *s)
{
	return s->idle;
}
