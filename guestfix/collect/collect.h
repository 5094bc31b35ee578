/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * collect: the steps of facts_collect(), each in a file of its own. All of them only read; mounting
 * replays journals, which is why a conversion works on an overlay.
 */
#pragma once

#include "guestfix/facts.h"
#include "guestfix/guest_io.h"

/* disks.c: volumes of all disks, the root file system, what its fstab mounts. Leaves them mounted.
 * Sets n_disks, disk_size, disk_name, volumes, root, mounts, and what os-release says. */
int collect_disks(
	struct facts *f, struct guest *g, const struct vmspec *source, struct err *err);

/* boot.c: kernels, their initramfs and modules, firmware, the ESP. */
int collect_boot(struct facts *f, struct guest *g, struct err *err);

/* The file at `path` into the facts, if it is there and of a sane size; else a warning. */
int collect_file(struct facts *f, struct guest *g, const char *path, struct err *err);
/* All regular files of a folder, if it is there. */
int collect_folder(struct facts *f, struct guest *g, const char *dir, struct err *err);
/* Only that it exists (and its link target). */
int collect_existence(struct facts *f, struct guest *g, const char *path, struct err *err);

/* names.c: disk_name[] from what the source says; pure. NULL where the order is not certain. */
void collect_disk_names(struct facts *f, const struct vmspec *source);
