/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nbd_server: shows a block to other programs (QEMU, libguestfs, nbdcopy) as an NBD export on a
 * Unix socket, from threads in the background:
 *
 *	nbd_server_new(&s, overlay, "/run/x/disk0", &err);
 *	... a program uses nbd+unix:///?socket=/run/x/disk0 ...
 *	nbd_server_stop(s, &err);       says whether the block ever failed
 *	nbd_server_free(s);
 *
 * One export, "" (the default export). Read-only when the block is. Fixed newstyle handshake,
 * structured replies, base:allocation, flush, FUA, write zeroes, trim (where the block can
 * discard), several connections at a time. No TLS: the socket is only for this user.
 *
 * Whatever clients do, they use at most NBD_CLIENTS_MAX connections, and on each the threads and
 * the memory that nbd_conn.h names. A client that stops in the middle of a request keeps its
 * connection until it leaves or the server is stopped; others do not notice.
 *
 * Threads: the block is used from several threads (see block.h). The functions here are called
 * from one thread, except nbd_server_idle_fd()'s descriptor, which may be polled anywhere.
 */
#pragma once

#include "formats/block/block.h"

struct nbd_server;

/* Connections at a time. One more waits so long for a place, and is then closed. */
#define NBD_CLIENTS_MAX   16
#define NBD_PLACE_SECONDS 1

/* How long nbd_server_stop() waits for clients to take the answers to running requests. */
#define NBD_STOP_GRACE_SECONDS 2

/*
 * Serves `block` (borrowed: it must live until nbd_server_stop()) on a new Unix socket at `path`,
 * which only this user may connect to. EADDRINUSE when there is something at `path` already,
 * ENAMETOOLONG when it does not fit into a socket address (107 bytes).
 */
int nbd_server_new(
	struct nbd_server **ret, struct block *block, const char *path, struct err *err);

/*
 * Accepts no more, lets running requests finish and be answered, closes all connections, joins
 * all threads and removes the socket. Does not flush the block. Returns the first failure of
 * the block that a client saw (negative), although everything is stopped then too. A second
 * call returns the same.
 */
int nbd_server_stop(struct nbd_server *s, struct err *err);

/* Stops the server if nobody did. NULL is fine. */
void nbd_server_free(struct nbd_server *s);
DEFINE_AUTO(nbd_server)

/* How many clients are connected now. */
unsigned nbd_server_clients(struct nbd_server *s);

/* A descriptor (borrowed) that becomes readable when the last client has left: an eventfd that
 * counts how often that happened. */
int nbd_server_idle_fd(struct nbd_server *s);
