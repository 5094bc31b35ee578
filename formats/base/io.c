// SPDX-License-Identifier: LGPL-2.1-or-later
/* io: whole transfers, small files, opening names from outside. */
#include "formats/base/io.h"

#include "formats/base/alloc.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int io_pread(int fd, void *buf, size_t len, uint64_t off, const char *name, struct err *err)
{
	for (uint8_t *p = buf; len;) {
		ssize_t n = pread(fd, p, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set_errno(err, errno,
				"%s: cannot read %zu bytes at %" PRIu64, name, len, off);
		if (!n)
			return err_set(err, EIO,
				"%s: the file ends at %" PRIu64
				", %zu bytes before the end of what "
				"was to be read",
				name, off, len);
		p += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int io_pwrite(
	int fd, const void *buf, size_t len, uint64_t off, const char *name, struct err *err)
{
	for (const uint8_t *p = buf; len;) {
		ssize_t n = pwrite(fd, p, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_set_errno(err, n ? errno : EIO,
				"%s: cannot write %zu bytes at %" PRIu64, name, len, off);
		p += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int io_write(int fd, const void *buf, size_t len, const char *name, struct err *err)
{
	for (const uint8_t *p = buf; len;) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_set_errno(err, n ? errno : EIO, "%s: cannot write", name);
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int io_read_file(const char *path, size_t limit, char **ret, size_t *ret_len, struct err *err)
{
	_auto_(fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	_auto_(mem) char *data = NULL;
	struct stat st;
	size_t len;
	int r;

	if (fd < 0)
		return err_set_errno(err, errno, "cannot open %s", path);
	if (fstat(fd, &st) < 0)
		return err_set_errno(err, errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, EINVAL, "%s: not a regular file", path);
	if ((uint64_t)st.st_size > limit)
		return err_set(err, EINVAL, "%s: %lld bytes are more than the %zu allowed",
			path, (long long)st.st_size, limit);
	len = (size_t)st.st_size;
	data = xmalloc(len + 1);
	r = io_pread(fd, data, len, 0, path, err);
	if (r < 0)
		return r;
	data[len] = 0;
	*ret = STEAL(data);
	if (ret_len)
		*ret_len = len;
	return 0;
}

int io_write_file(const char *path, const void *data, size_t len, struct err *err)
{
	_auto_(mem) char *tmp = xasprintf("%s.tmp-%d", path, (int)getpid());
	_auto_(fd) int fd =
		open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	int r;

	if (fd < 0)
		return err_set_errno(err, errno, "cannot create %s", tmp);
	r = io_write(fd, data, len, tmp, err);
	if (r >= 0 && fsync(fd) < 0)
		r = err_set_errno(err, errno, "%s: cannot sync", tmp);
	if (r >= 0 && rename(tmp, path) < 0)
		r = err_set_errno(err, errno, "cannot rename %s to %s", tmp, path);
	if (r < 0)
		unlink(tmp);
	return r;
}

static int open_beneath(int dirfd, const char *name, int flags, int *ret, struct err *err)
{
	struct open_how how = {
		.flags = (unsigned)flags | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	_auto_(fd) int fd = -1;

	if (!*name)
		return err_set(err, EINVAL, "an empty file name");
	if (name[0] == '/')
		return err_set(
			err, EPERM, "cannot open %s: an absolute name inside an image", name);
	fd = (int)syscall(SYS_openat2, dirfd, name, &how, sizeof(how));
	if (fd < 0 && errno == ENOSYS) {
		/* Without openat2: plain names only, no directories, no links. */
		if (strchr(name, '/') || !strcmp(name, ".."))
			return err_set(err, EPERM,
				"cannot open %s: this kernel cannot keep it inside the image's folder",
				name);
		fd = openat(dirfd, name, (int)how.flags | O_NOFOLLOW);
	}
	if (fd < 0 && (errno == EXDEV || errno == ELOOP))
		return err_set(err, EPERM, "cannot open %s: outside the image's folder", name);
	if (fd < 0)
		return err_set_errno(err, errno, "cannot open %s", name);
	*ret = steal_fd(&fd);
	return 0;
}

int io_open_beneath(int dirfd, const char *name, int *ret, struct err *err)
{
	_auto_(fd) int fd = -1;
	struct stat st;
	int r = open_beneath(dirfd, name, O_RDONLY | O_NOCTTY | O_NONBLOCK, &fd, err);

	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return err_set_errno(err, errno, "%s", name);
	if (!S_ISREG(st.st_mode))
		return err_set(err, EPERM, "cannot open %s: not a regular file", name);
	*ret = steal_fd(&fd);
	return 0;
}

int io_open_folder_beneath(int dirfd, const char *name, int *ret, struct err *err)
{
	return open_beneath(dirfd, name, O_PATH | O_DIRECTORY, ret, err);
}

double io_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}
