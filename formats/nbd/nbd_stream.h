/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nbd_stream: whole messages over a stream socket, with a deadline, and without SIGPIPE. The
 * socket may be blocking or not; it is used as if it were not.
 *
 * Threads: one thread receives, one sends at a time; the two may be different.
 */
#pragma once

#include "formats/base/err.h"

struct iovec;

/* Exactly `len` bytes. `deadline` is a time of io_now(), 0 = none. End of stream: EPIPE;
 * too late: ETIMEDOUT; else what the socket says. */
int nbd_recv(int fd, void *buf, size_t len, double deadline, struct err *err);

/* Reads `len` bytes and forgets them. */
int nbd_recv_skip(int fd, uint64_t len, double deadline, struct err *err);

/* All of `iov` (changed while it is sent), in one go for the reader. */
int nbd_send(int fd, struct iovec *iov, size_t count, double deadline, struct err *err);
