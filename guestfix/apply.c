// SPDX-License-Identifier: LGPL-2.1-or-later
// apply: carries out a plan in an open guest.
#include "formats/base/io.h"
#include "formats/base/log.h"
#include "guestfix/guest_impl.h"
#include "guestfix/guest_io.h"
#include "guestfix/plan.h"

#include <sys/stat.h>

/* Beside the file, for the time until it is renamed over it. */
static char *beside(const char *path)
{
	return xasprintf("%s.wherry-new", path);
}

/* Nothing may be there that writing would go through, or wait for: a link, a FIFO. */
static int clear_beside(struct guest *g, const char *new, struct err *err)
{
	struct guest_stat st;
	int r = guest_lstat(g, new, &st, err);

	return r <= 0 ? r : guest_remove(g, new, err);
}

/* 1: the file is what the edit would make of it; 0: it is what the plan expects. */
static int check_write(struct guest *g, const struct edit *e, struct err *err)
{
	_auto_(mem) char *now = NULL;
	struct guest_stat st;
	size_t len;
	int r = guest_stat(g, e->path, &st, err);

	if (r < 0)
		return r;
	if (!r)
		return e->old ? err_set(err, EBADMSG, "%s: is gone since it was looked at",
					e->path)
			      : 0;
	r = guest_read(g, e->path, FACTS_MAX_TEXT, &now, &len, err);
	if (r < 0)
		return r;
	if (len == e->len && !memcmp(now, e->data, len))
		return 1;
	if (!e->old || len != e->old_len || memcmp(now, e->old, len))
		return err_set(err, EBADMSG, "%s: has changed since it was looked at", e->path);
	return 0;
}

/* Missing folders above a file. */
static int make_parent(struct guest *g, const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	_auto_(mem) char *dir = NULL;

	if (!slash || slash == path)
		return 0;
	dir = xstrndup(path, (size_t)(slash - path));
	return guest_mkdir(g, dir, 0755, err);
}

static int apply_write(struct guest *g, const struct edit *e, struct err *err)
{
	_auto_(mem) char *new = beside(e->path);
	int r = check_write(g, e, err);

	if (r)
		return r < 0 ? r : 0;
	r = e->old ? clear_beside(g, new, err) : make_parent(g, e->path, err);
	if (r >= 0 && !e->old)
		r = clear_beside(g, new, err);
	if (r >= 0)
		r = guest_write(g, new, e->data, e->len, err);
	if (r >= 0 && e->old)
		r = guest_copy_attributes(g, e->path, new, err);
	if (r >= 0)
		r = guest_chmod(g, new, e->mode, err);
	return r < 0 ? r : guest_rename(g, new, e->path, err);
}

/* 1: our bytes are there; 0: the file is as long as the plan expects. */
static int check_append(struct guest *g, const struct edit *e, struct err *err)
{
	struct guest_stat st;
	int r = guest_stat(g, e->path, &st, err);

	if (r <= 0)
		return r < 0 ? r
			     : err_set(err, EBADMSG, "%s: is gone since it was looked at",
				       e->path);
	if (st.size == e->offset + e->len) {
		_auto_(mem) char *now = NULL;
		size_t len;

		r = guest_read(g, e->path, FACTS_MAX_INITRD, &now, &len, err);
		if (r < 0)
			return r;
		if (len == e->offset + e->len && !memcmp(now + e->offset, e->data, e->len))
			return 1;
	}
	if (st.size != e->old_len)
		return err_set(err, EBADMSG, "%s: %llu bytes, it had %zu when it was looked at",
			e->path, (unsigned long long)st.size, e->old_len);
	return 0;
}

/*
 * A copy with the new bytes replaces the file in one step. Where there is no room for a copy the
 * bytes are added in place: what was there stays as it is, so until the last byte is written the
 * worst is a file with a useless end.
 */
static int apply_append(struct guest *g, const struct edit *e, struct err *err)
{
	_auto_(mem) char *new = beside(e->path), *dir = NULL;
	uint64_t bytes, inodes, need = align_up(e->offset + e->len, MiB) + MiB;
	int r = check_append(g, e, err);

	if (r)
		return r < 0 ? r : 0;
	dir = xstrndup(e->path, (size_t)(strrchr(e->path, '/') - e->path));
	r = guest_free_space(g, *dir ? dir : "/", &bytes, &inodes, err);
	if (r < 0)
		return r;
	if (bytes < need)
		return guest_write_at(g, e->path, e->data, e->len, e->offset, err);
	r = clear_beside(g, new, err);
	if (r >= 0)
		r = guest_copy_file(g, e->path, new, err);
	if (r >= 0)
		r = guest_copy_attributes(g, e->path, new, err);
	if (r >= 0)
		r = guest_write_at(g, new, e->data, e->len, e->offset, err);
	return r < 0 ? r : guest_rename(g, new, e->path, err);
}

static int apply_symlink(struct guest *g, const struct edit *e, struct err *err)
{
	_auto_(mem) char *now = NULL;
	struct guest_stat st;
	int r = guest_lstat(g, e->path, &st, err);

	if (r < 0)
		return r;
	if (r && S_ISDIR(st.mode))
		return err_set(err, EBADMSG, "%s: is a folder", e->path);
	if (r && S_ISLNK(st.mode)) {
		r = guest_readlink(g, e->path, &now, err);
		if (r < 0)
			return r;
		if (!strcmp(now, e->target))
			return 0;
	}
	if (r >= 0 && (now || S_ISREG(st.mode)))
		r = guest_remove(g, e->path, err);
	if (r >= 0)
		r = make_parent(g, e->path, err);
	return r < 0 ? r : guest_symlink(g, e->target, e->path, err);
}

static int apply_copy(struct guest *g, const struct edit *e, struct err *err)
{
	_auto_(mem) char *new = beside(e->path);
	struct guest_stat st;
	int r = guest_stat(g, e->path, &st, err);

	if (r)
		return r < 0 ? r : 0;
	r = clear_beside(g, new, err);
	if (r >= 0)
		r = guest_copy_file(g, e->target, new, err);
	return r < 0 ? r : guest_rename(g, new, e->path, err);
}

static int apply_remove(struct guest *g, const struct edit *e, struct err *err)
{
	struct guest_stat st;
	int r = guest_lstat(g, e->path, &st, err);

	return r <= 0 ? r : guest_remove(g, e->path, err);
}

static int apply_edit(struct guest *g, const struct edit *e, struct err *err)
{
	switch (e->kind) {
	case EDIT_WRITE:
		return apply_write(g, e, err);
	case EDIT_APPEND:
		return apply_append(g, e, err);
	case EDIT_SYMLINK:
		return apply_symlink(g, e, err);
	case EDIT_MKDIR:
		return guest_mkdir(g, e->path, e->mode, err);
	case EDIT_REMOVE:
		return apply_remove(g, e, err);
	case EDIT_COPY:
		return apply_copy(g, e, err);
	}
	return 0;
}

int guestfix_apply(struct guest *g, const struct plan *p, struct err *err)
{
	double start = io_now();

	if (g->read_only)
		return err_set(err, EROFS, "the guest was opened for reading only");
	for (size_t i = 0; i < p->n_edits; i++) {
		const struct edit *e = &p->edits[i];
		int r = apply_edit(g, e, err);

		if (r < 0)
			return err_prefix(err, "rule %s", e->rule);
		log_debug("guestfix", "%s: %s: %s", e->rule, e->path, e->summary);
	}
	g->times.apply += io_now() - start;
	return 0;
}
