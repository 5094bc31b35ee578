// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * output: where converted machines go. `local`: images and a libvirt description in a folder;
 * `null`: everything is done, nothing is kept.
 *
 * local writes into DIR/.NAME.wherry, a folder that is locked while a conversion runs. When all
 * is there, a file "commit" in it says so; then images, report and, last of all, the description
 * are renamed into DIR. So after a crash at any moment DIR/NAME.xml is either absent or whole, and
 * the next conversion of NAME removes the leftovers.
 */
#include "v2v/conversion.h"

#include "formats/base/io.h"
#include "formats/block/block_null.h"
#include "formats/image.h"
#include "formats/vm/libvirt.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const char *format_name(const struct conversion *c)
{
	return c->opts.format ? c->opts.format : "qcow2";
}

/* "web01-sda" ... "web01-sdaa", the names virt-v2v gives. */
static char *disk_file_name(const char *name, unsigned i)
{
	char letters[8], *p = letters + sizeof(letters) - 1;

	*p = 0;
	for (unsigned n = i + 1; n; n = (n - 1) / 26)
		*--p = (char)('a' + (n - 1) % 26);
	return xasprintf("%s-sd%s", name, p);
}

/* Removes the files in an open folder that holds nothing else. */
static void empty_folder(int folder)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((e = readdir(dir)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			unlinkat(fd, e->d_name, 0);
	closedir(dir);
}

static char *final_path(const struct conversion *c, const char *name)
{
	return xasprintf("%s/%s", c->opts.directory, name);
}

static int check_free(struct conversion *c, const char *final, struct err *err)
{
	if (c->opts.overwrite || access(final, F_OK))
		return 0;
	return err_set(err, EEXIST,
		"%s exists already; remove it, choose another name with -on, or say --overwrite",
		final);
}

/* Refuses to begin what would end with a full disk: a lower bound, from the map of the disks. */
static int check_space(struct conversion *c, struct err *err)
{
	uint64_t need = 0;
	struct statvfs st;
	char a[32], b[32];

	if (statvfs(c->opts.directory, &st))
		return err_set_errno(err, errno, "%s", c->opts.directory);
	for (unsigned i = 0; i < c->source->n_disks; i++) {
		struct block *disk = c->disks[i].overlay;
		struct extent e;

		for (uint64_t off = 0; off < disk->size; off += e.len) {
			int r = block_extent(disk, off, disk->size - off, &e, err);

			if (r < 0)
				return r;
			if (!(e.flags & BLOCK_ZERO))
				need += e.len;
		}
	}
	/* A map counts whole grains, of which some may be zeros: be sure before refusing. */
	if (need / 2 > (uint64_t)st.f_bavail * st.f_frsize)
		return err_set(err, ENOSPC, "%s has %s free, the disks hold %s of data",
			c->opts.directory,
			format_size(a, sizeof(a), (uint64_t)st.f_bavail * st.f_frsize),
			format_size(b, sizeof(b), need));
	return 0;
}

/* Files that have their final name though the machine they belong to is not complete. */
static void remove_final_files(struct conversion *c)
{
	_auto_(mem) char *report_name = xasprintf("%s.report.json", c->name);
	_auto_(mem) char *report = final_path(c, report_name);

	unlink(report);
	for (unsigned i = 0; i < c->source->n_disks; i++) {
		_auto_(mem) char *final = final_path(c, c->disks[i].name);

		unlink(final);
	}
}

/* Did a conversion begin to rename its results? The file is there from before the first rename
 * until after the last. */
static bool is_renaming(const struct staging *s)
{
	return !faccessat(s->fd, "commit", F_OK, 0);
}

/* Makes and locks the staging folder. */
static int staging_open(struct conversion *c, struct err *err)
{
	_auto_(mem) char *path = xasprintf("%s/.%s.wherry", c->opts.directory, c->name);

	if (mkdir(path, 0700) && errno != EEXIST)
		return err_set_errno(err, errno, "cannot create %s", path);
	c->staging.fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (c->staging.fd < 0)
		return err_set_errno(err, errno, "cannot open %s", path);
	if (flock(c->staging.fd, LOCK_EX | LOCK_NB)) {
		close(steal_fd(&c->staging.fd));
		return err_set(err, EBUSY,
			"another conversion to %s/%s.xml is running (%s is locked)",
			c->opts.directory, c->name, path);
	}
	c->staging.path = STEAL(path);
	return 0;
}

/* The folder goes with its lock. */
static void staging_remove(struct conversion *c)
{
	empty_folder(c->staging.fd);
	rmdir(c->staging.path);
	close(steal_fd(&c->staging.fd));
}

/* Are the names free? What a conversion that died has left is removed first. */
static int claim_names(struct conversion *c, struct err *err)
{
	_auto_(mem) char *xml = xasprintf("%s/%s.xml", c->opts.directory, c->name);
	int r;

	for (unsigned i = 0; i < c->source->n_disks; i++)
		c->disks[i].name = disk_file_name(c->name, i);
	if (is_renaming(&c->staging) && access(xml, F_OK))
		remove_final_files(c);
	empty_folder(c->staging.fd);
	for (unsigned i = 0; i < c->source->n_disks; i++) {
		_auto_(mem) char *final = final_path(c, c->disks[i].name);

		r = check_free(c, final, err);
		if (r < 0)
			return r;
	}
	return check_free(c, xml, err);
}

static int local_prepare(struct conversion *c, struct err *err)
{
	int r = check_space(c, err);

	if (r >= 0)
		r = staging_open(c, err);
	return r < 0 ? r : claim_names(c, err);
}

static int local_create_disk(
	struct conversion *c, unsigned i, struct block **ret, struct err *err)
{
	struct image_create how = {.size = c->disks[i].overlay->size, .direct = true};
	_auto_(mem) char *path = NULL;

	path = xasprintf("%s/%s", c->staging.path, c->disks[i].name);
	return image_create(ret, path, image_format_find(format_name(c)), &how, err);
}

/* Renames `name` from the staging folder to DIR. */
static int put_in_place(struct conversion *c, const char *name, struct err *err)
{
	_auto_(mem) char *final = final_path(c, name);

	if (renameat(c->staging.fd, name, AT_FDCWD, final))
		return err_set_errno(
			err, errno, "cannot rename %s/%s to %s", c->staging.path, name, final);
	return 0;
}

static int write_staged(
	struct conversion *c, const char *name, const char *text, struct err *err)
{
	_auto_(mem) char *path = xasprintf("%s/%s", c->staging.path, name);

	return io_write_file(path, text, strlen(text), err);
}

/* Fills in where the disks are, and writes description and report to the staging folder. */
static int write_descriptions(
	struct conversion *c, const char *xml_name, const char *report_name, struct err *err)
{
	_auto_(mem) char *dir = realpath(c->opts.directory, NULL);
	_auto_(mem) char *xml = NULL, *report_text = NULL;
	json_t *report;
	int r;

	if (!dir)
		return err_set_errno(err, errno, "%s", c->opts.directory);
	for (unsigned i = 0; i < c->source->n_disks; i++) {
		struct vm_disk *d = &c->target->disks[i];

		free(d->file);
		d->file = xasprintf("%s/%s", dir, c->disks[i].name);
		free(d->format);
		d->format = xstrdup(format_name(c));
	}
	r = libvirt_write(&xml, c->target, err);
	if (r < 0)
		return r;
	c->output_path = xasprintf("%s/%s", dir, xml_name);
	c->report_path = xasprintf("%s/%s", dir, report_name);
	report = v2v_report(c);
	report_text = json_dumps(report, JSON_INDENT(2));
	json_decref(report);
	r = write_staged(c, xml_name, xml, err);
	return r < 0 ? r : write_staged(c, report_name, report_text, err);
}

static int local_finish(struct conversion *c, struct err *err)
{
	_auto_(mem) char *xml_name = xasprintf("%s.xml", c->name);
	_auto_(mem) char *report_name = xasprintf("%s.report.json", c->name);
	_auto_(fd) int dirfd = open(c->opts.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	r = write_descriptions(c, xml_name, report_name, err);
	if (r >= 0)
		r = write_staged(c, "commit", "", err);
	/* What is replaced is no result any more as soon as one of its files is another's. */
	if (r >= 0 && c->opts.overwrite && unlink(c->output_path) && errno != ENOENT)
		r = err_set_errno(err, errno, "cannot replace %s", c->output_path);
	for (unsigned i = 0; r >= 0 && i < c->source->n_disks; i++)
		r = put_in_place(c, c->disks[i].name, err);
	if (r >= 0)
		r = put_in_place(c, report_name, err);
	if (r >= 0)
		r = put_in_place(c, xml_name, err);
	if (r < 0)
		return r;
	if (dirfd >= 0)
		fsync(dirfd);
	staging_remove(c);
	return 0;
}

static void local_undo(struct conversion *c)
{
	if (c->staging.fd < 0)
		return;
	if (is_renaming(&c->staging))
		remove_final_files(c);
	staging_remove(c);
}

static int null_prepare(struct conversion *c, struct err *err)
{
	return 0;
}

static int null_create_disk(
	struct conversion *c, unsigned i, struct block **ret, struct err *err)
{
	*ret = block_null_new(c->disks[i].overlay->size, "null");
	return 0;
}

static int null_finish(struct conversion *c, struct err *err)
{
	return 0;
}

static void null_undo(struct conversion *c)
{
}

static const struct v2v_output outputs[] = {
	{{"local", "images and a libvirt description in the folder -os"}, true, local_prepare,
		local_create_disk, local_finish, local_undo},
	{{"disk", "the same as local"}, true, local_prepare, local_create_disk, local_finish,
		local_undo},
	{{"null", "convert and copy, keep nothing"}, false, null_prepare, null_create_disk,
		null_finish, null_undo},
};

const struct v2v_mode *v2v_output_mode(unsigned i)
{
	return i < ARRAY_SIZE(outputs) ? &outputs[i].mode : NULL;
}

int v2v_find_output(const struct v2v_opts *opts, const struct v2v_output **ret, struct err *err)
{
	const char *name = opts->output ? opts->output : "local";
	const struct image_format *format =
		image_format_find(opts->format ? opts->format : "qcow2");

	if (!format || !(format->can & IMAGE_CAN_CREATE))
		return err_set(err, EINVAL,
			"-of %s: cannot be written; there are qcow2 and raw", opts->format);
	for (size_t i = 0; i < ARRAY_SIZE(outputs); i++)
		if (!strcmp(name, outputs[i].mode.name)) {
			*ret = &outputs[i];
			if (outputs[i].needs_directory && !opts->directory)
				return err_set(err, EINVAL,
					"-o %s needs a folder to write to: -os DIR", name);
			return 0;
		}
	return err_set(err, EINVAL, "-o %s: no such output; there are local and null", name);
}
