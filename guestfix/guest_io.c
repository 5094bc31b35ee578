// SPDX-License-Identifier: LGPL-2.1-or-later
// guest_io: file access inside the appliance, see guest_io.h.
#include "guestfix/guest_io.h"

#include "guestfix/guest_impl.h"

#include <stdarg.h>
#include <sys/stat.h>

/* The library's messages hold at most 4 MiB, with room for their headers. */
#define CHUNK (3 * 1024 * 1024)

int guest_error(struct guest *g, struct err *err, const char *fmt, ...)
{
	int code = guestfs_last_errno(g->g);
	const char *text = guestfs_last_error(g->g);
	_auto_(mem) char *what = NULL;
	va_list ap;

	va_start(ap, fmt);
	what = xvasprintf(fmt, ap);
	va_end(ap);
	return err_set(err, code > 0 ? code : EIO, "%s: %s", what, text ?: "unknown error");
}

size_t guest_n_disks(const struct guest *g)
{
	return g->n_disks;
}

struct block *guest_disk(const struct guest *g, size_t i)
{
	return g->disks[i];
}

const char *guest_root_wish(const struct guest *g)
{
	return g->root;
}

int guest_logical_volumes(struct guest *g, char ***ret, struct err *err)
{
	*ret = guestfs_lvs(g->g);
	return *ret ? 0 : guest_error(g, err, "logical volumes");
}

int guest_device_size(struct guest *g, const char *device, uint64_t *ret, struct err *err)
{
	int64_t size = guestfs_blockdev_getsize64(g->g, device);

	if (size < 0)
		return guest_error(g, err, "%s: size", device);
	*ret = (uint64_t)size;
	return 0;
}

int guest_device_read(struct guest *g, const char *device, void *buf, size_t len, uint64_t off,
	struct err *err)
{
	size_t n;
	_auto_(mem) char *p = guestfs_pread_device(g->g, device, (int)len, (int64_t)off, &n);

	if (!p)
		return guest_error(
			g, err, "%s: reading at %llu", device, (unsigned long long)off);
	if (n != len)
		return err_set(err, EIO, "%s: %zu of %zu bytes read at %llu", device, n, len,
			(unsigned long long)off);
	memcpy(buf, p, len);
	return 0;
}

int guest_mount(struct guest *g, const char *device, const char *dir, const char *options,
	struct err *err)
{
	_auto_(mem) char *o = xasprintf(
		"%s%s%s", g->read_only ? "ro" : "discard", options ? "," : "", options ?: "");

	if (guestfs_mount_options(g->g, o, device, dir) < 0)
		return guest_error(g, err, "mounting %s on %s", device, dir);
	strv_add(&g->mounted, dir);
	return 0;
}

int guest_umount_all(struct guest *g, struct err *err)
{
	strv_free(g->mounted);
	g->mounted = NULL;
	return guestfs_umount_all(g->g) < 0 ? guest_error(g, err, "unmounting") : 0;
}

int guest_free_space(
	struct guest *g, const char *dir, uint64_t *bytes, uint64_t *inodes, struct err *err)
{
	struct guestfs_statvfs *s = guestfs_statvfs(g->g, dir);

	if (!s)
		return guest_error(g, err, "%s: free space", dir);
	/* What an ordinary user has: the reserve for root stays a reserve. */
	*bytes = (uint64_t)s->bavail * (uint64_t)(s->frsize ?: s->bsize);
	/* vfat and btrfs have no inode counts. */
	*inodes = s->files > 0 ? (uint64_t)s->favail : UINT64_MAX;
	guestfs_free_statvfs(s);
	return 0;
}

static int take_stat(struct guest *g, struct guestfs_statns *s, const char *path,
	struct guest_stat *ret, struct err *err)
{
	if (!s) {
		int code = guestfs_last_errno(g->g);

		/* ELOOP: a link to itself leads nowhere, like one to a missing file; and no file
		 * has a name that is too long. */
		if (code == ENOENT || code == ENOTDIR || code == ELOOP || code == ENAMETOOLONG)
			return 0;
		return guest_error(g, err, "%s", path);
	}
	*ret = (struct guest_stat){
		.size = (uint64_t)s->st_size,
		.mode = (uint32_t)s->st_mode,
		.uid = (uint32_t)s->st_uid,
		.gid = (uint32_t)s->st_gid,
		.mtime = s->st_mtime_sec,
	};
	guestfs_free_statns(s);
	return 1;
}

int guest_stat(struct guest *g, const char *path, struct guest_stat *ret, struct err *err)
{
	return take_stat(g, guestfs_statns(g->g, path), path, ret, err);
}

int guest_lstat(struct guest *g, const char *path, struct guest_stat *ret, struct err *err)
{
	return take_stat(g, guestfs_lstatns(g->g, path), path, ret, err);
}

int guest_readlink(struct guest *g, const char *path, char **ret, struct err *err)
{
	*ret = guestfs_readlink(g->g, path);
	return *ret ? 0 : guest_error(g, err, "%s", path);
}

int guest_realpath(struct guest *g, const char *path, char **ret, struct err *err)
{
	*ret = guestfs_realpath(g->g, path);
	return *ret ? 0 : guest_error(g, err, "%s", path);
}

int guest_list(struct guest *g, const char *dir, char ***ret, struct err *err)
{
	*ret = guestfs_ls(g->g, dir);
	return *ret ? 0 : guest_error(g, err, "%s", dir);
}

int guest_read(struct guest *g, const char *path, uint64_t limit, char **ret, size_t *ret_len,
	struct err *err)
{
	_auto_(mem) char *buf = NULL;
	struct guest_stat st;
	uint64_t pos = 0;
	int r = guest_stat(g, path, &st, err);

	if (r <= 0)
		return r < 0 ? r : err_set(err, ENOENT, "%s: no such file", path);
	if (!S_ISREG(st.mode))
		return err_set(err, EINVAL, "%s: not a regular file", path);
	if (st.size > limit)
		return err_set(err, EINVAL, "%s: %llu bytes, at most %llu are read", path,
			(unsigned long long)st.size, (unsigned long long)limit);
	buf = malloc(st.size + 1);
	if (!buf)
		return err_set(err, ENOMEM, "%s: no memory for %llu bytes", path,
			(unsigned long long)st.size);
	while (pos < st.size) {
		int want = (int)MIN(st.size - pos, (uint64_t)CHUNK);
		size_t n;
		char *p = guestfs_pread(g->g, path, want, (int64_t)pos, &n);

		if (!p)
			return guest_error(
				g, err, "%s: reading at %llu", path, (unsigned long long)pos);
		memcpy(buf + pos, p, MIN(n, (size_t)want));
		free(p);
		if (!n)
			break;
		pos += n;
	}
	buf[pos] = '\0';
	*ret = STEAL(buf);
	*ret_len = pos;
	return 0;
}

int guest_write_at(struct guest *g, const char *path, const void *data, size_t len,
	uint64_t off, struct err *err)
{
	const char *p = data;

	while (len) {
		size_t want = MIN(len, (size_t)CHUNK);
		int n = guestfs_pwrite(g->g, path, p, want, (int64_t)off);

		if (n < 0)
			return guest_error(
				g, err, "%s: writing at %llu", path, (unsigned long long)off);
		if (n == 0)
			return err_set(err, ENOSPC, "%s: nothing could be written at %llu",
				path, (unsigned long long)off);
		p += n;
		len -= (size_t)n;
		off += (uint64_t)n;
	}
	return 0;
}

int guest_write(
	struct guest *g, const char *path, const void *data, size_t len, struct err *err)
{
	size_t first = MIN(len, (size_t)CHUNK);

	if (guestfs_write(g->g, path, data, first) < 0)
		return guest_error(g, err, "%s: writing", path);
	return guest_write_at(g, path, (const char *)data + first, len - first, first, err);
}

int guest_chmod(struct guest *g, const char *path, unsigned mode, struct err *err)
{
	return guestfs_chmod(g->g, (int)mode, path) < 0 ? guest_error(g, err, "%s: mode", path)
							: 0;
}

int guest_copy_attributes(struct guest *g, const char *from, const char *to, struct err *err)
{
	if (guestfs_copy_attributes(g->g, from, to, GUESTFS_COPY_ATTRIBUTES_ALL, 1, -1) < 0)
		return guest_error(g, err, "%s: attributes of %s", to, from);
	return 0;
}

int guest_rename(struct guest *g, const char *from, const char *to, struct err *err)
{
	return guestfs_rename(g->g, from, to) < 0
		       ? guest_error(g, err, "%s: renaming to %s", from, to)
		       : 0;
}

int guest_copy_file(struct guest *g, const char *from, const char *to, struct err *err)
{
	return guestfs_cp(g->g, from, to) < 0
		       ? guest_error(g, err, "%s: copying to %s", from, to)
		       : 0;
}

int guest_remove(struct guest *g, const char *path, struct err *err)
{
	return guestfs_rm(g->g, path) < 0 ? guest_error(g, err, "%s: removing", path) : 0;
}

int guest_symlink(struct guest *g, const char *target, const char *path, struct err *err)
{
	return guestfs_ln_s(g->g, target, path) < 0 ? guest_error(g, err, "%s: linking", path)
						    : 0;
}

int guest_mkdir(struct guest *g, const char *path, unsigned mode, struct err *err)
{
	struct guest_stat st;
	int r = guest_stat(g, path, &st, err);

	if (r < 0 || (r && S_ISDIR(st.mode)))
		return r < 0 ? r : 0;
	if (guestfs_mkdir_p(g->g, path) < 0)
		return guest_error(g, err, "%s: creating", path);
	return guest_chmod(g, path, mode, err);
}
