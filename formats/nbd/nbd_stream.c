// SPDX-License-Identifier: LGPL-2.1-or-later
/* nbd_stream: whole messages over a stream socket. */
#include "formats/nbd/nbd_stream.h"

#include "formats/base/io.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define SKIP_PIECE 4096

/* Waits until the socket is ready for `events` (or has an error to tell). */
static int wait_ready(int fd, short events, double deadline, struct err *err)
{
	struct pollfd p = {.fd = fd, .events = events};

	for (;;) {
		int ms = -1;
		int n;

		if (deadline > 0) {
			double left = deadline - io_now();

			if (left <= 0)
				return err_set(err, ETIMEDOUT, "the client is too slow");
			ms = left > 60 ? 60000 : (int)(left * 1000) + 1;
		}
		n = poll(&p, 1, ms);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return err_set_errno(err, errno, "cannot wait for the client");
	}
}

int nbd_recv(int fd, void *buf, size_t len, double deadline, struct err *err)
{
	uint8_t *p = buf;

	while (len) {
		ssize_t n = recv(fd, p, len, MSG_DONTWAIT);
		int r;

		if (n > 0) {
			p += n;
			len -= n;
			continue;
		}
		if (n == 0)
			return err_set(err, EPIPE, "the client has left");
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return err_set_errno(err, errno, "cannot receive");
		r = wait_ready(fd, POLLIN, deadline, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int nbd_recv_skip(int fd, uint64_t len, double deadline, struct err *err)
{
	uint8_t buf[SKIP_PIECE];

	while (len) {
		size_t n = MIN(len, (uint64_t)sizeof(buf));
		int r = nbd_recv(fd, buf, n, deadline, err);

		if (r < 0)
			return r;
		len -= n;
	}
	return 0;
}

int nbd_send(int fd, struct iovec *iov, size_t count, double deadline, struct err *err)
{
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = count};

	while (msg.msg_iovlen) {
		ssize_t n;
		int r;

		if (!msg.msg_iov->iov_len) {
			msg.msg_iov++;
			msg.msg_iovlen--;
			continue;
		}
		n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return err_set_errno(err, errno, "cannot send");
		if (n < 0) {
			r = wait_ready(fd, POLLOUT, deadline, err);
			if (r < 0)
				return r;
			continue;
		}
		while (n && msg.msg_iovlen) {
			size_t part = MIN((size_t)n, msg.msg_iov->iov_len);

			msg.msg_iov->iov_base = (uint8_t *)msg.msg_iov->iov_base + part;
			msg.msg_iov->iov_len -= part;
			n -= part;
			if (!msg.msg_iov->iov_len) {
				msg.msg_iov++;
				msg.msg_iovlen--;
			}
		}
	}
	return 0;
}
