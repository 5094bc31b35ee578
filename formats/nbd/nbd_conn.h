/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nbd_conn: one connection, from the greeting to the end. Serves requests with NBD_CONN_THREADS
 * threads that take turns in receiving: one holds the receiving end until a whole request is in,
 * lets go of it, works, answers. So requests of one client run in parallel, there is no queue,
 * and a client that does not take its answers stops only itself.
 *
 * Memory: NBD_PIECE per thread, and for requests that cannot be answered in pieces (writes, reads
 * without structured replies) NBD_CONN_BYTES_MAX in all; a request that does not fit waits.
 */
#pragma once

#include "formats/nbd/nbd_handshake.h"

#include <stdatomic.h>

#define NBD_CONN_THREADS 4

/* Reads are answered in chunks of at most this. */
#define NBD_PIECE ((size_t)MiB)

/* Buffers larger than a piece that may exist at a time in one connection. */
#define NBD_CONN_BYTES_MAX (2 * (size_t)NBD_REQUEST_MAX)

/* A write longer than NBD_REQUEST_MAX is received, forgotten and refused; beyond this the client
 * is taken to be broken and is disconnected. */
#define NBD_WRITE_SKIP_MAX (64 * 1024 * 1024)

/* Extents in one answer to BLOCK_STATUS. */
#define NBD_STATUS_EXTENTS_MAX 1024

/*
 * Serves the client at the stream socket `fd` (borrowed) until it leaves, misbehaves, or *stop
 * is set and the socket is shut down for receiving; then shuts the socket down. Requests that
 * are running are finished and answered first.
 *
 * What a client does wrong is no error here (it is logged for debugging and told to the
 * client): 0. A failure of the block is told to the client too; the first one is returned.
 *
 * Runs on the calling thread and NBD_CONN_THREADS - 1 more, all joined on return.
 */
int nbd_conn_serve(int fd, struct block *block, const atomic_bool *stop, struct err *err);
