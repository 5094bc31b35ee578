// SPDX-License-Identifier: LGPL-2.1-or-later
/* block_file: files and block devices, buffered and O_DIRECT. */
#include "formats/block/block_file.h"

#include "formats/base/alloc.h"
#include "formats/base/io.h"
#include "formats/base/log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Offsets and lengths on the O_DIRECT descriptor. Every file system of interest takes 4 KiB. */
#define DIRECT_ALIGN 4096

struct file {
	int fd;
	int direct_fd; /* -1 = everything is buffered */
	bool device;
	bool no_direct; /* O_DIRECT was refused in practice; atomic */
};

static void file_free(struct block *b)
{
	struct file *f = b->self;

	close(f->fd);
	if (f->direct_fd >= 0)
		close(f->direct_fd);
	free(f);
}

/*
 * One request through the O_DIRECT descriptor. Returns how much of it is done, a multiple of
 * DIRECT_ALIGN; 0 to say "through the page cache instead" (O_DIRECT is refused here, or the file
 * ends); a negative errno.
 */
static ssize_t try_direct(
	struct file *f, uint8_t *in, const uint8_t *out, size_t len, uint64_t off)
{
	ssize_t n;

	do {
		n = in ? pread(f->direct_fd, in, len, (off_t)off)
		       : pwrite(f->direct_fd, out, len, (off_t)off);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return (ssize_t)align_down((uint64_t)n, DIRECT_ALIGN);
	if (errno != EINVAL)
		return -errno;
	log_debug("file", "O_DIRECT refused for %zu bytes at %" PRIu64, len, off);
	__atomic_store_n(&f->no_direct, true, __ATOMIC_RELAXED);
	return 0;
}

/* How many bytes in front of the part that O_DIRECT can do; `len` if there is no such part. */
static size_t ragged_head(struct file *f, const void *buf, size_t len, uint64_t off)
{
	size_t head = (size_t)(-off & (DIRECT_ALIGN - 1));

	if (f->direct_fd < 0 || len < BLOCK_FILE_DIRECT_MIN ||
		__atomic_load_n(&f->no_direct, __ATOMIC_RELAXED) ||
		!is_aligned((uintptr_t)buf + head, BLOCK_FILE_BUFFER_ALIGN))
		return len;
	return head;
}

static int buffered(struct block *b, uint8_t *in, const uint8_t *out, size_t len, uint64_t off,
	struct err *err)
{
	struct file *f = b->self;

	return in ? io_pread(f->fd, in, len, off, b->label, err)
		  : io_pwrite(f->fd, out, len, off, b->label, err);
}

/* Ragged head, O_DIRECT middle, ragged tail. */
static int transfer(struct block *b, uint8_t *in, const uint8_t *out, size_t len, uint64_t off,
	struct err *err)
{
	struct file *f = b->self;
	size_t done = ragged_head(f, in ? in : out, len, off);
	int r = buffered(b, in, out, done, off, err);

	if (r < 0)
		return r;
	while (len - done >= DIRECT_ALIGN) {
		ssize_t n = try_direct(f, in ? in + done : NULL, out ? out + done : NULL,
			align_down(len - done, DIRECT_ALIGN), off + done);

		if (n < 0)
			return err_set_errno(err, (int)-n,
				"%s: cannot %s %zu bytes at %" PRIu64, b->label,
				in ? "read" : "write", len - done, off + done);
		if (!n)
			break;
		done += (size_t)n;
	}
	return buffered(
		b, in ? in + done : NULL, out ? out + done : NULL, len - done, off + done, err);
}

static int file_pread(struct block *b, void *buf, size_t len, uint64_t off, struct err *err)
{
	return transfer(b, buf, NULL, len, off, err);
}

static int file_pwrite(
	struct block *b, const void *buf, size_t len, uint64_t off, struct err *err)
{
	return transfer(b, NULL, buf, len, off, err);
}

static bool is_unsupported(int code)
{
	return code == EOPNOTSUPP || code == ENOSYS || code == ENODEV || code == EINVAL ||
	       code == EPERM;
}

/* fallocate with -ENOTSUP for "not here". */
static int allocate(struct block *b, int mode, uint64_t off, uint64_t len, const char *verb,
	struct err *err)
{
	struct file *f = b->self;
	int r;

	do {
		r = fallocate(f->fd, mode, (off_t)off, (off_t)len);
	} while (r < 0 && errno == EINTR);
	if (r < 0 && is_unsupported(errno))
		return -ENOTSUP;
	if (r < 0)
		return err_set_errno(err, errno, "%s: cannot %s %" PRIu64 " bytes at %" PRIu64,
			b->label, verb, len, off);
	return 0;
}

static int punch(struct block *b, uint64_t off, uint64_t len, const char *verb, struct err *err)
{
	return allocate(b, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off, len, verb, err);
}

static int set_size(struct block *b, uint64_t size, struct err *err)
{
	struct file *f = b->self;

	if (ftruncate(f->fd, (off_t)size) < 0)
		return err_set_errno(err, errno, "%s: cannot set the size to %" PRIu64 " bytes",
			b->label, size);
	return 0;
}

/* A hole up to `end` past the end of the file: nobody else may set the size meanwhile, so the
 * last byte is written instead of truncating to a size that another thread has outgrown. */
static int extend_to(struct block *b, uint64_t end, struct err *err)
{
	struct stat st;
	struct file *f = b->self;

	if (fstat(f->fd, &st) < 0)
		return err_set_errno(err, errno, "%s", b->label);
	if ((uint64_t)st.st_size >= end)
		return 0;
	return io_pwrite(f->fd, "", 1, end - 1, b->label, err);
}

static int file_zero(
	struct block *b, uint64_t off, uint64_t len, unsigned flags, struct err *err)
{
	struct file *f = b->self;
	int r = -ENOTSUP;

	if (flags & BLOCK_MAY_UNMAP) {
		r = b->growable ? extend_to(b, off + len, err) : 0;
		if (r >= 0)
			r = punch(b, off, len, "zero", err);
	}
	if (r == -ENOTSUP)
		r = allocate(b, FALLOC_FL_ZERO_RANGE | (f->device ? FALLOC_FL_KEEP_SIZE : 0),
			off, len, "zero", err);
	return r;
}

static int file_discard(struct block *b, uint64_t off, uint64_t len, struct err *err)
{
	return punch(b, off, len, "discard", err);
}

static int file_flush(struct block *b, struct err *err)
{
	struct file *f = b->self;

	if (!b->read_only && fdatasync(f->fd) < 0)
		return err_set_errno(err, errno, "%s: cannot sync", b->label);
	return 0;
}

/* No data from `off` on, says lseek(): a hole up to the end, or a file that has shrunk. */
static int hole_at_end(
	struct block *b, uint64_t off, uint64_t max, uint64_t *len, struct err *err)
{
	struct file *f = b->self;
	struct stat st;

	if (fstat(f->fd, &st) < 0)
		return err_set_errno(err, errno, "%s", b->label);
	if ((uint64_t)st.st_size < off + max)
		return err_set(err, EIO,
			"%s: the file ends at %lld, it was %" PRIu64 " bytes when opened",
			b->label, (long long)st.st_size, block_size(b));
	*len = max;
	return 0;
}

static int file_extent(struct block *b, uint64_t off, uint64_t max, uint64_t *len,
	unsigned *flags, struct err *err)
{
	struct file *f = b->self;
	off_t next;

	*len = max;
	*flags = 0;
	if (f->device)
		return 0;
	next = lseek(f->fd, (off_t)off, SEEK_DATA);
	if (next < 0 && errno == ENXIO) {
		*flags = BLOCK_ZERO | BLOCK_HOLE;
		return hole_at_end(b, off, max, len, err);
	}
	if (next > (off_t)off) {
		*flags = BLOCK_ZERO | BLOCK_HOLE;
		*len = MIN((uint64_t)next - off, max);
		return 0;
	}
	if (next == (off_t)off)
		next = lseek(f->fd, (off_t)off, SEEK_HOLE);
	if (next > (off_t)off)
		*len = MIN((uint64_t)next - off, max);
	/* A file system that cannot tell: all of it is data. */
	return 0;
}

static const struct block_ops file_ops = {
	.name = "file",
	.free = file_free,
	.pread = file_pread,
	.pwrite = file_pwrite,
	.zero = file_zero,
	.discard = file_discard,
	.flush = file_flush,
	.extent = file_extent,
	.resize = set_size,
};

/* Size and kind of what is open. */
static int examine(int fd, const char *label, bool *device, uint64_t *size, uint32_t *preferred,
	struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set_errno(err, errno, "%s", label);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return err_set(err, EINVAL, "%s: %s, neither a file nor a block device", label,
			S_ISDIR(st.st_mode) ? "a folder" : "a special file");
	*device = S_ISBLK(st.st_mode);
	*size = (uint64_t)st.st_size;
	*preferred = 4096;
	if (*device && ioctl(fd, BLKGETSIZE64, size) < 0)
		return err_set_errno(err, errno, "%s: cannot ask for the size", label);
	return 0;
}

/* The same file again with O_DIRECT, -1 where that is not possible. */
static int open_direct(int fd, unsigned flags, const char *label)
{
	char path[64];
	int direct;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	direct = open(path, (flags & BLOCK_FILE_WRITE ? O_RDWR : O_RDONLY) | O_DIRECT |
				    O_CLOEXEC | O_NOCTTY);
	if (direct < 0)
		log_debug("file", "%s: no O_DIRECT: %s", label, strerror(errno));
	return direct;
}

int block_file_from_fd(
	struct block **ret, int take_fd, const char *label, unsigned flags, struct err *err)
{
	uint32_t preferred;
	struct file *f;
	uint64_t size;
	bool device;
	int r = examine(take_fd, label, &device, &size, &preferred, err);

	if (r < 0)
		return r;
	f = xnew(struct file);
	f->fd = take_fd;
	f->device = device;
	f->direct_fd = flags & BLOCK_FILE_DIRECT ? open_direct(take_fd, flags, label) : -1;
	*ret = block_alloc(&file_ops, f, size, label);
	(*ret)->read_only = !(flags & BLOCK_FILE_WRITE);
	(*ret)->growable = !device && (flags & BLOCK_FILE_WRITE) && (flags & BLOCK_FILE_GROW);
	(*ret)->preferred = preferred;
	return 0;
}

static int open_path(struct block **ret, const char *path, int mode, unsigned flags,
	const char *verb, struct err *err)
{
	_auto_(fd) int fd = open(path, mode | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644);
	int r;

	if (fd < 0)
		return err_set_errno(err, errno, "cannot %s %s", verb, path);
	r = block_file_from_fd(ret, fd, path, flags, err);
	if (r >= 0)
		fd = -1;
	return r;
}

int block_file_open(struct block **ret, const char *path, unsigned flags, struct err *err)
{
	return open_path(
		ret, path, flags & BLOCK_FILE_WRITE ? O_RDWR : O_RDONLY, flags, "open", err);
}

int block_file_create(struct block **ret, const char *path, unsigned flags, struct err *err)
{
	return open_path(ret, path, O_RDWR | O_CREAT | O_EXCL,
		flags | BLOCK_FILE_WRITE | BLOCK_FILE_GROW, "create", err);
}
