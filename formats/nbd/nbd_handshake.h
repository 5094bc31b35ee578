/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nbd_handshake: the first half of a connection, in which client and server agree on what the
 * second half looks like. Fixed newstyle; one export, named "" (the default export).
 *
 * Bounds: the whole handshake NBD_HANDSHAKE_SECONDS, NBD_OPTIONS_MAX options of at most
 * NBD_OPTION_BYTES_MAX bytes each; a client beyond them is disconnected.
 */
#pragma once

#include "formats/block/block.h"

#define NBD_HANDSHAKE_SECONDS 30
#define NBD_OPTIONS_MAX       128
#define NBD_OPTION_BYTES_MAX  (64 * 1024)

/* Longest READ and WRITE; told to clients as the maximum block size. */
#define NBD_REQUEST_MAX (32 * 1024 * 1024)

/* The id of base:allocation in chunks. */
#define NBD_CONTEXT_ALLOCATION 1

/* What was agreed. */
struct nbd_terms {
	unsigned flags; /* transmission flags told to the client */
	bool structured;
	bool allocation; /* base:allocation was selected */
};

/*
 * 0: the client wants to go on with the transmission phase under *ret. Negative: the connection
 * is over and only needs closing; -ECANCELED: the client ended it in an orderly way.
 */
int nbd_handshake(int fd, const struct block *block, struct nbd_terms *ret, struct err *err);
