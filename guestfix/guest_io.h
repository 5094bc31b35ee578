/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * guest_io: files and volumes of an open guest. Each call is one or a few round trips to the
 * appliance. Where libguestfs has two ways, this is the one that needs no new process there and
 * no file transfer protocol (both cost 50-150 ms under emulation, these calls 1 ms).
 *
 * Paths are absolute in the guest; symbolic links are followed inside the guest only (the appliance
 * changes its root). Names and contents are the guest's, thus hostile.
 *
 * Threads: as struct guest.
 */
#pragma once

#include "guestfix/guest.h"

struct guest_stat {
	uint64_t size;
	uint32_t mode; /* with S_IFMT */
	uint32_t uid, gid;
	int64_t mtime; /* seconds */
};

size_t guest_n_disks(const struct guest *g);
struct block *guest_disk(const struct guest *g, size_t i);
/* The caller's wish when there are several systems; NULL = it has none. */
const char *guest_root_wish(const struct guest *g);

/* Logical volumes as "/dev/VG/LV"; caller frees with strv_free. */
int guest_logical_volumes(struct guest *g, char ***ret, struct err *err);
int guest_device_size(struct guest *g, const char *device, uint64_t *ret, struct err *err);
/* Exactly len bytes (at most 1 MiB). */
int guest_device_read(struct guest *g, const char *device, void *buf, size_t len, uint64_t off,
	struct err *err);

/* Mounts on `dir` of what is mounted ("/" first), read-only when the guest was opened so.
 * `options` are extra ones ("subvol=@") or NULL. A journal is replayed. */
int guest_mount(struct guest *g, const char *device, const char *dir, const char *options,
	struct err *err);
int guest_umount_all(struct guest *g, struct err *err);
int guest_free_space(
	struct guest *g, const char *dir, uint64_t *bytes, uint64_t *inodes, struct err *err);

/* 1 = there, 0 = not there, negative: error. lstat does not follow a link at the end. */
int guest_stat(struct guest *g, const char *path, struct guest_stat *ret, struct err *err);
int guest_lstat(struct guest *g, const char *path, struct guest_stat *ret, struct err *err);
/* Target of a symbolic link; the path with all links followed. Caller frees. */
int guest_readlink(struct guest *g, const char *path, char **ret, struct err *err);
int guest_realpath(struct guest *g, const char *path, char **ret, struct err *err);
/* Names in a folder, sorted, without . and ..; caller frees with strv_free. -ENOENT. */
int guest_list(struct guest *g, const char *dir, char ***ret, struct err *err);
/* A whole file, NUL-terminated; caller frees. -ENOENT; EINVAL when it is larger than limit or not
 * a regular file. */
int guest_read(struct guest *g, const char *path, uint64_t limit, char **ret, size_t *ret_len,
	struct err *err);

/* A file with these bytes; replaces what is there. The mode is left as it is, or 0644. */
int guest_write(
	struct guest *g, const char *path, const void *data, size_t len, struct err *err);
/* Bytes into an existing file at `off`, which may be beyond its end (zeros between). */
int guest_write_at(struct guest *g, const char *path, const void *data, size_t len,
	uint64_t off, struct err *err);
int guest_chmod(struct guest *g, const char *path, unsigned mode, struct err *err);
/* Mode, owner and extended attributes of one file to another. */
int guest_copy_attributes(struct guest *g, const char *from, const char *to, struct err *err);
int guest_rename(struct guest *g, const char *from, const char *to, struct err *err);
int guest_copy_file(struct guest *g, const char *from, const char *to, struct err *err);
int guest_remove(struct guest *g, const char *path, struct err *err);
int guest_symlink(struct guest *g, const char *target, const char *path, struct err *err);
/* With parents; there already: fine. */
int guest_mkdir(struct guest *g, const char *path, unsigned mode, struct err *err);
