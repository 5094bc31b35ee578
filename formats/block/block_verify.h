/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * block_verify: passes everything on, and compares every byte that is read with a reference. For
 * tests, and to check a fresh copy against its source. A difference is EIO: "LABEL: byte 4711 is
 * 00, in REFERENCE it is 7f". Extents are checked too: what is called zero must be zero in the
 * reference (read to see that).
 *
 * Read-only: writing would make the two differ. Threads: as in block.h.
 */
#pragma once

#include "formats/block/block.h"

/* Takes both on success; EINVAL when their sizes differ. */
int block_verify_new(struct block **ret, struct block *take_below, struct block *take_reference,
	struct err *err);
