/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * io: whole reads and writes on file descriptors, small files, and opening names that came from
 * outside without leaving a folder.
 *
 * Threads: any; the functions have no state.
 */
#pragma once

#include "formats/base/err.h"

#include <sys/types.h>

/* Exactly `len` bytes at `off`. End of file inside the range: EIO. `name` is for the error. */
int io_pread(int fd, void *buf, size_t len, uint64_t off, const char *name, struct err *err);
int io_pwrite(
	int fd, const void *buf, size_t len, uint64_t off, const char *name, struct err *err);
/* Exactly `len` bytes to a socket or pipe. */
int io_write(int fd, const void *buf, size_t len, const char *name, struct err *err);

/* A whole small file as NUL-terminated bytes (caller frees); more than `limit`: EINVAL. */
int io_read_file(const char *path, size_t limit, char **ret, size_t *ret_len, struct err *err);
/* Writes PATH.tmp-PID, syncs it, renames it to PATH: PATH is old or new, never half. */
int io_write_file(const char *path, const void *data, size_t len, struct err *err);

/*
 * Opens `name`, a name found inside an image or description, for reading below the folder
 * `dirfd`. Absolute names, "..", links that lead out and anything but a regular file are refused
 * (EPERM). openat2(2) RESOLVE_BENEATH does it; kernels without it get the same by hand.
 * Returns the descriptor in *ret.
 */
int io_open_beneath(int dirfd, const char *name, int *ret, struct err *err);

/* The same for a folder, as the `dirfd` of further calls. */
int io_open_folder_beneath(int dirfd, const char *name, int *ret, struct err *err);

/* Seconds of the monotonic clock, for durations. */
double io_now(void);
