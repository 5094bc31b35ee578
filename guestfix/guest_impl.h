/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * guest_impl: what a struct guest is; only for guest.c (life cycle) and guest_io.c (file access),
 * the two files that speak libguestfs.
 */
#pragma once

#include "formats/base/str.h"
#include "guestfix/guest.h"

#include <guestfs.h>

struct nbd_server;

struct guest {
	guestfs_h *g;                         /* NULL once closed */
	struct block *disks[GUEST_MAX_DISKS]; /* borrowed */
	struct nbd_server *servers[GUEST_MAX_DISKS];
	size_t n_disks;
	char *dir;  /* private folder of the sockets */
	char *root; /* the caller's choice of a system; NULL */
	bool read_only;
	char **mounted; /* folders with a file system on them, "/" first */
	struct guest_times times;
};

/* Sets err from the library's last error: "WHAT: TEXT". Returns the negative errno, never 0. */
int guest_error(struct guest *g, struct err *err, const char *fmt, ...) _printf_(3, 4);
