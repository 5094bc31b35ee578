// SPDX-License-Identifier: LGPL-2.1-or-later
/* appliance: makes the folder of a fixed appliance from libguestfs's own. */
#include "guestfix/appliance/appliance.h"

#include "formats/base/alloc.h"
#include "formats/base/bytes.h"
#include "formats/base/digest.h"
#include "formats/base/io.h"
#include "formats/base/log.h"
#include "formats/base/str.h"
#include "guestfix/lib/initrd.h"
#include "guestfix/lib/unpack.h"

#include <dirent.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Largest kernel and initramfs of an appliance, packed; largest kernel unpacked. */
#define MAX_PART   (256 * MiB)
#define MAX_KERNEL (1024 * MiB)

/* The program init.c, put into this library by the linker. */
extern const uint8_t _binary_guestfix_appliance_init_start[];
extern const uint8_t _binary_guestfix_appliance_init_end[];

extern char **environ;

/* A part of the appliance, as a file's bytes. */
struct part {
	char *data;
	size_t len;
};

static void parts_free(struct part *kernel, struct part *initrd)
{
	free(kernel->data);
	free(initrd->data);
}

/* A folder of this user's alone, made if missing. Others could otherwise plant an appliance. */
static int own_folder(const char *path, mode_t mode, struct err *err)
{
	struct stat st;

	if (mkdir(path, mode) && errno != EEXIST)
		return err_set_errno(err, errno, "cannot create %s", path);
	if (lstat(path, &st))
		return err_set_errno(err, errno, "%s", path);
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022))
		return err_set(err, EPERM, "%s is not a folder of this user alone", path);
	return 0;
}

/* Runs the command as libguestfs does, so that both share one appliance. */
static int run_supermin(const char *source, const char *theirs, struct err *err)
{
	_auto_(mem) char *lock = xasprintf("%s/lock", theirs);
	_auto_(mem) char *out = xasprintf("%s/appliance.d", theirs);
	const char *const argv[] = {"supermin", "--build", "--if-newer", "--lock", lock,
		"--copy-kernel", "-f", "ext2", "--host-cpu", "x86_64", source, "-o", out, NULL};
	posix_spawn_file_actions_t actions;
	int status, e;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	e = posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (e)
		return err_set_errno(err, e, "cannot run supermin");
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_set_errno(err, errno, "supermin");
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return err_set(err, EIO, "supermin failed");
	return 0;
}

/*
 * The kernel inside a bzImage, by the boot protocol's header (Documentation/x86/boot: setup_sects
 * at 0x1f1, payload_offset and payload_length at 0x248, from protocol 2.08 on).
 */
static int unpack_kernel(const struct part *packed, void **ret, size_t *len, struct err *err)
{
	const uint8_t *p = (const uint8_t *)packed->data;
	enum initrd_compression compression;
	uint64_t setup, off, size;

	if (packed->len < 0x250 || memcmp(p + 0x202, "HdrS", 4) != 0 ||
		le16_load(p + 0x206) < 0x208)
		return err_set(err, ENOTSUP, "the appliance's kernel is no bzImage");
	setup = p[0x1f1] ? p[0x1f1] : 4;
	off = (setup + 1) * 512 + le32_load(p + 0x248);
	size = le32_load(p + 0x24c);
	if (!range_ok(off, size, packed->len) || size < 4)
		return err_set(err, EINVAL, "the appliance's kernel is damaged");
	if (!unpack_detect(p + off, size, &compression))
		return err_set(
			err, ENOTSUP, "the appliance's kernel is packed in an unknown way");
	/* The last four bytes are the unpacked size, not part of the stream. */
	return unpack_all(compression, p + off, size - 4, MAX_KERNEL, ret, len, err);
}

/* Writes their initramfs with a segment behind it that replaces /init. */
static int write_initrd(const char *path, const struct part *theirs, struct err *err)
{
	struct cpio cpio = {.out = STR_INIT};
	_auto_str_ struct str all = STR_INIT;
	_auto_(mem) void *segment = NULL;
	size_t len;
	int r;

	cpio_add_file(&cpio, "init", 0755, _binary_guestfix_appliance_init_start,
		(size_t)(_binary_guestfix_appliance_init_end -
			 _binary_guestfix_appliance_init_start));
	r = cpio_finish(&cpio, INITRD_PLAIN, &segment, &len, err);
	if (r < 0)
		return r;
	str_addn(&all, theirs->data, theirs->len);
	while (all.len % 4)
		str_addc(&all, 0);
	str_addn(&all, segment, len);
	return io_write_file(path, all.s, all.len, err);
}

static int write_folder(const char *dir, const char *root, const struct part *kernel,
	const struct part *initrd, struct err *err)
{
	_auto_(mem) char *kernel_path = xasprintf("%s/kernel", dir);
	_auto_(mem) char *initrd_path = xasprintf("%s/initrd", dir);
	_auto_(mem) char *root_path = xasprintf("%s/root", dir);
	_auto_(mem) char *readme = xasprintf("%s/README.fixed", dir);
	static const char text[] =
		"An appliance for libguestfs, made by wherry. Can be removed.\n";
	_auto_(mem) void *unpacked = NULL;
	size_t len;
	int r;

	r = unpack_kernel(kernel, &unpacked, &len, err);
	if (r >= 0)
		r = io_write_file(kernel_path, unpacked, len, err);
	if (r >= 0)
		r = write_initrd(initrd_path, initrd, err);
	if (r >= 0 && symlink(root, root_path) && errno != EEXIST)
		r = err_set_errno(err, errno, "cannot create %s", root_path);
	/* Last: the folder is taken for complete when it has this file. */
	return r < 0 ? r : io_write_file(readme, text, strlen(text), err);
}

/* Folders made from older appliances. */
static void remove_others(const char *ours, const char *keep)
{
	DIR *dir = opendir(ours);
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		static const char *const files[] = {"README.fixed", "kernel", "initrd", "root"};
		_auto_(mem) char *path = NULL;

		if (!starts_with(e->d_name, "appliance-") || !strcmp(e->d_name, keep))
			continue;
		path = xasprintf("%s/%s", ours, e->d_name);
		for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
			_auto_(mem) char *file = xasprintf("%s/%s", path, files[i]);

			unlink(file);
		}
		rmdir(path);
	}
	if (dir)
		closedir(dir);
}

/* What the folder is made from, as a name. */
static int make_key(
	char **ret, const struct part *kernel, const struct part *initrd, struct err *err)
{
	uint8_t sum[DIGEST_MAX];
	char hex[DIGEST_HEX_MAX];
	struct digest *d;
	int r = digest_new(&d, DIGEST_SHA256, err);

	if (r < 0)
		return r;
	digest_add(d, kernel->data, kernel->len);
	digest_add(d, initrd->data, initrd->len);
	digest_add(d, _binary_guestfix_appliance_init_start,
		(size_t)(_binary_guestfix_appliance_init_end -
			 _binary_guestfix_appliance_init_start));
	digest_end(d, sum);
	digest_free(d);
	*ret = xasprintf("appliance-%.16s", digest_hex(hex, sum, digest_len(DIGEST_SHA256)));
	return 0;
}

/* The folder for these parts, made if it is not there; one process at a time. */
static int make_folder(char **ret, const char *ours, const char *root,
	const struct part *kernel, const struct part *initrd, struct err *err)
{
	_auto_(mem) char *lock_path = xasprintf("%s/lock", ours);
	_auto_(mem) char *key = NULL, *dir = NULL, *ready = NULL;
	_auto_(fd) int lock = -1;
	int r = make_key(&key, kernel, initrd, err);

	if (r < 0)
		return r;
	dir = xasprintf("%s/%s", ours, key);
	ready = xasprintf("%s/README.fixed", dir);
	lock = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock < 0 || flock(lock, LOCK_EX))
		return err_set_errno(err, errno, "cannot lock %s", lock_path);
	if (access(ready, F_OK)) {
		remove_others(ours, key);
		r = own_folder(dir, 0700, err);
		if (r >= 0)
			r = write_folder(dir, root, kernel, initrd, err);
	}
	if (r >= 0)
		*ret = STEAL(dir);
	return r;
}

int appliance_use(guestfs_h *g, struct err *err)
{
	_auto_(mem) char *cache = guestfs_get_cachedir(g);
	const char *path = guestfs_get_path(g);
	_auto_(mem) char *theirs = NULL, *ours = NULL, *source = NULL, *dir = NULL,
			 *root = NULL;
	_auto_(mem) char *kernel_path = NULL, *initrd_path = NULL;
	struct part kernel = {0}, initrd = {0};
	int r;

	if (!cache || !path)
		return err_set(err, EIO, "libguestfs does not say where its appliance is");
	source = xasprintf("%s/supermin.d", path);
	if (access(source, R_OK))
		return err_set(err, ENOTSUP, "libguestfs's appliance is not made by supermin");
	theirs = xasprintf("%s/.guestfs-%ju", cache, (uintmax_t)geteuid());
	ours = xasprintf("%s/.wherry-%ju", cache, (uintmax_t)geteuid());
	kernel_path = xasprintf("%s/appliance.d/kernel", theirs);
	initrd_path = xasprintf("%s/appliance.d/initrd", theirs);
	root = xasprintf("%s/appliance.d/root", theirs);
	r = own_folder(theirs, 0755, err);
	if (r >= 0)
		r = own_folder(ours, 0700, err);
	if (r >= 0)
		r = run_supermin(source, theirs, err);
	if (r >= 0)
		r = io_read_file(kernel_path, MAX_PART, &kernel.data, &kernel.len, err);
	if (r >= 0)
		r = io_read_file(initrd_path, MAX_PART, &initrd.data, &initrd.len, err);
	if (r >= 0)
		r = make_folder(&dir, ours, root, &kernel, &initrd, err);
	if (r >= 0 && guestfs_set_path(g, dir) < 0)
		r = err_set(err, EIO, "libguestfs: %s", guestfs_last_error(g));
	parts_free(&kernel, &initrd);
	return r;
}
