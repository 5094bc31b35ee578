// SPDX-License-Identifier: LGPL-2.1-or-later
/* copy_image: temporary name, copy, rename. */
#include "formats/copy/copy_image.h"

#include "formats/base/alloc.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Temporary names looked at before creating one fails with EEXIST. */
#define MAX_LEFTOVERS 1000

/* May there be a new file at this path? */
static int check_path(const struct copy_image *to, struct err *err)
{
	struct stat st;

	if (lstat(to->path, &st) < 0)
		return errno == ENOENT ? 0 : err_set_errno(err, errno, "%s", to->path);
	if (!S_ISREG(st.st_mode))
		return err_set(
			err, EINVAL, "%s: not a regular file, it is not replaced", to->path);
	if (!to->replace)
		return err_set(err, EEXIST, "%s: exists already", to->path);
	return 0;
}

static int write_image(struct block *src, const char *path, const struct copy_image *to,
	const struct copy_opts *opts, struct copy_stats *stats, struct err *err)
{
	struct image_create how = {
		.size = block_size(src),
		.cluster_size = to->cluster_size,
		.direct = !to->buffered,
	};
	struct copy_opts o = opts ? *opts : (struct copy_opts){0};
	_auto_(block) struct block *image = NULL;
	int r = image_create(&image, path, to->format, &how, err);

	if (r < 0)
		return r;
	o.target_is_zero = true;
	r = copy_run(src, image, &o, stats, err);
	if (r < 0)
		unlink(path);
	return r;
}

/* The finished file gets its name; what appeared there meanwhile is not overwritten. */
static int put_in_place(const char *tmp, const struct copy_image *to, struct err *err)
{
	unsigned flags = to->replace ? 0 : RENAME_NOREPLACE;
	int r = renameat2(AT_FDCWD, tmp, AT_FDCWD, to->path, flags);

	if (r < 0 && (errno == EINVAL || errno == ENOSYS)) {
		/* A file system without RENAME_NOREPLACE. */
		r = check_path(to, err);
		if (r < 0)
			goto out;
		r = rename(tmp, to->path);
	}
	if (r < 0)
		r = err_set_errno(err, errno, "cannot rename %s to %s", tmp, to->path);
out:
	if (r < 0)
		unlink(tmp);
	return r;
}

/* A name that is free: a process that was killed may have had our number and left its file, and
 * in a container the numbers are always the same. */
static char *temporary_name(const char *path)
{
	char *tmp = xasprintf("%s.tmp-%d", path, (int)getpid());
	struct stat st;

	for (unsigned i = 1; i < MAX_LEFTOVERS && lstat(tmp, &st) == 0; i++) {
		free(tmp);
		tmp = xasprintf("%s.tmp-%d-%u", path, (int)getpid(), i);
	}
	return tmp;
}

int copy_to_image(struct block *src, const struct copy_image *to, const struct copy_opts *opts,
	struct copy_stats *stats, struct err *err)
{
	_auto_(mem) char *tmp = temporary_name(to->path);
	int r = check_path(to, err);

	if (r >= 0)
		r = write_image(src, tmp, to, opts, stats, err);
	return r < 0 ? r : put_in_place(tmp, to, err);
}
