/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * probe: partition tables and the headers of file systems, read straight from a disk's bytes. It
 * gives names and UUIDs exactly as blkid prints them, without asking an appliance (where each
 * such question takes a quarter of a second).
 *
 * Knows MBR with logical partitions, GPT; ext2/3/4, xfs, btrfs, vfat, ntfs, swap, LVM2, LUKS, md.
 * Sources: UEFI specification 5.3 (GPT), the file systems' on-disk format documents of the Linux
 * kernel, xfsprogs and LVM2.
 *
 * Threads: no state.
 */
#pragma once

#include "guestfix/facts.h"

#include "formats/block/block.h"

#define PROBE_MAX_PARTITIONS 256
/* Bytes at the start of a volume that hold all headers looked for (btrfs at 64 KiB + 4 KiB). */
#define PROBE_HEAD           (68 * 1024)

/*
 * Adds the partitions of `disk` (or the disk itself when it has none) to f->volumes; device names
 * are the appliance's ("/dev/sda1"). EIO; a damaged table is a warning in f, not an error.
 */
int probe_disk(struct facts *f, unsigned disk, struct block *b, struct err *err);

/* Fills type, uuid, label, hibernated from the first len (up to PROBE_HEAD) bytes of a volume. */
void probe_content(struct facts_volume *v, const uint8_t *head, size_t len);
