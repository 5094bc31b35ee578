// SPDX-License-Identifier: LGPL-2.1-or-later
// guest: launching and stopping the appliance, and the NBD servers under it.
#include "guestfix/guest.h"

#include "formats/base/io.h"
#include "formats/base/log.h"
#include "formats/nbd/nbd_server.h"
#include "guestfix/appliance/appliance.h"
#include "guestfix/guest_impl.h"

#include <sys/statvfs.h>
#include <unistd.h>

/* Room that libguestfs's appliance takes, about. */
#define APPLIANCE_SIZE (512 * MiB)

static void log_line(guestfs_h *h, void *opaque, uint64_t event, int handle, int flags,
	const char *buf, size_t len, const uint64_t *array, size_t array_len)
{
	while (len && buf[len - 1] == '\n')
		len--;
	log_debug("guestfs", "%.*s", (int)len, buf);
}

/* A folder that only this user may enter, with a name short enough for a socket in it. */
static int make_folder(struct guest *g, struct err *err)
{
	const char *tmp = getenv("TMPDIR");

	g->dir = xasprintf("%s/wherry-XXXXXX", tmp && strlen(tmp) < 64 && *tmp ? tmp : "/tmp");
	if (!mkdtemp(g->dir)) {
		int r = err_set_errno(err, errno, "temporary folder %s", g->dir);

		free(g->dir);
		g->dir = NULL;
		return r;
	}
	return 0;
}

static int serve_disk(struct guest *g, struct block *disk, struct err *err)
{
	_auto_(mem) char *path = xasprintf("%s/%zu", g->dir, g->n_disks);
	int r = nbd_server_new(&g->servers[g->n_disks], disk, path, err);

	if (r < 0)
		return r;
	g->disks[g->n_disks++] = disk;
	return 0;
}

static int add_disk(struct guest *g, size_t i, struct err *err)
{
	_auto_(mem) char *server = xasprintf("unix:%s/%zu", g->dir, i);
	char *servers[] = {server, NULL};
	/* "unsafe": what the appliance writes lies in an overlay that is thrown away when
	 * anything fails; the flush at the end is ours. */
	int r = guestfs_add_drive_opts(g->g, "", GUESTFS_ADD_DRIVE_OPTS_FORMAT, "raw",
		GUESTFS_ADD_DRIVE_OPTS_PROTOCOL, "nbd", GUESTFS_ADD_DRIVE_OPTS_SERVER, servers,
		GUESTFS_ADD_DRIVE_OPTS_READONLY, (int)g->read_only,
		GUESTFS_ADD_DRIVE_OPTS_CACHEMODE, "unsafe", GUESTFS_ADD_DRIVE_OPTS_DISCARD,
		g->read_only ? "disable" : "besteffort", -1);

	return r < 0 ? guest_error(g, err, "disk %zu", i + 1) : 0;
}

static int configure(struct guest *g, const struct guest_open *how, struct err *err)
{
	guestfs_set_error_handler(g->g, NULL, NULL);
	if (log_wanted(LOG_DEBUG, "guestfs")) {
		guestfs_set_verbose(g->g, 1);
		guestfs_set_event_callback(g->g, log_line,
			GUESTFS_EVENT_APPLIANCE | GUESTFS_EVENT_LIBRARY, 0, NULL);
	}
	if (guestfs_set_backend(g->g, "direct") < 0)
		return guest_error(g, err, "libguestfs");
	if (how->force_tcg && guestfs_set_backend_setting(g->g, "force_tcg", "1") < 0)
		return guest_error(g, err, "libguestfs");
	/* A write that fails for lack of space is an error. QEMU would stop the appliance until there
	 * is space again, and we would wait for it. */
	if (guestfs_config(g->g, "-global", "scsi-hd.werror=report") < 0)
		return guest_error(g, err, "libguestfs");
	/* An interrupt at the terminal is for us: we undo in order. The library's helper still
	 * stops the appliance when this process is killed. */
	guestfs_set_pgroup(g->g, 1);
	guestfs_set_autosync(g->g, 1);
	return 0;
}

/* The usual reason why an appliance cannot be built. */
static void explain_launch(struct guest *g, struct err *err)
{
	_auto_(mem) char *dir = guestfs_get_cachedir(g->g);
	struct statvfs st;
	char size[32];

	if (!dir || statvfs(dir, &st) || (uint64_t)st.f_bavail * st.f_frsize >= APPLIANCE_SIZE)
		return;
	err_prefix(err, "%s, where libguestfs keeps its appliance, has only %s free", dir,
		format_size(size, sizeof(size), (uint64_t)st.f_bavail * st.f_frsize));
}

/* Creates the handle and launches it, with the quick appliance (appliance.h) or the ordinary one. */
static int launch(struct guest *g, const struct guest_open *how, bool quick, struct err *err)
{
	int r;

	g->g = guestfs_create();
	if (!g->g)
		return err_set(err, EIO, "libguestfs: cannot be initialised");
	r = configure(g, how, err);
	if (r >= 0 && quick)
		r = appliance_use(g->g, err);
	for (size_t i = 0; r >= 0 && i < g->n_disks; i++)
		r = add_disk(g, i, err);
	if (r >= 0)
		r = progress_report(how->progress, 0, 0, err);
	if (r >= 0 && guestfs_launch(g->g) < 0) {
		guest_error(g, err, "libguestfs: the appliance does not start");
		if (err)
			err->code = EIO;
		explain_launch(g, err);
		r = -EIO;
	}
	if (r < 0) {
		guestfs_close(g->g);
		g->g = NULL;
	}
	return r;
}

/* Sockets and their folder. Once the appliance runs, it has all of its connections; removed then,
 * nothing of ours is left behind when this process is killed. */
static void remove_folder(struct guest *g)
{
	for (size_t i = 0; g->dir && i < g->n_disks; i++) {
		_auto_(mem) char *path = xasprintf("%s/%zu", g->dir, i);

		unlink(path);
	}
	if (g->dir)
		rmdir(g->dir);
	free(STEAL(g->dir));
}

int guest_open(struct guest **ret, struct block *const *disks, size_t n,
	const struct guest_open *how, struct err *err)
{
	_auto_(guest) struct guest *g = xnew(struct guest);
	double start = io_now();
	struct err quick = {0};
	int r;

	if (!n || n > GUEST_MAX_DISKS)
		return err_set(err, EINVAL, "a guest needs 1 to %d disks, not %zu",
			GUEST_MAX_DISKS, n);
	g->read_only = how->read_only;
	g->root = xstrdup_null(how->root);
	r = make_folder(g, err);
	for (size_t i = 0; r >= 0 && i < n; i++)
		r = serve_disk(g, disks[i], err);
	if (r < 0)
		return r;
	r = launch(g, how, true, &quick);
	if (r < 0 && r != -ECANCELED) {
		log_debug("guestfix", "ordinary appliance: %s", quick.text);
		r = launch(g, how, false, &quick);
	}
	if (r >= 0)
		r = progress_report(how->progress, 0, 0, &quick);
	if (r < 0) {
		if (err)
			*err = quick;
		return r;
	}
	remove_folder(g);
	g->times.launch = io_now() - start;
	*ret = STEAL(g);
	return 0;
}

static int stop_servers(struct guest *g, struct err *err)
{
	int ret = 0;

	for (size_t i = 0; i < g->n_disks; i++) {
		struct err e = {0};
		int r = nbd_server_stop(g->servers[i], &e);

		if (r >= 0 && !g->read_only)
			r = block_flush(g->disks[i], &e);
		if (r < 0 && ret >= 0) {
			if (err)
				*err = e;
			ret = err_prefix(err, "disk %zu", i + 1);
		}
	}
	return ret;
}

int guest_close(struct guest *g, struct err *err)
{
	double start = io_now();
	struct err disk = {0};
	int r = 0, r2;

	if (!g->g)
		return 0;
	if (guestfs_umount_all(g->g) < 0)
		r = guest_error(g, err, "unmounting");
	if (guestfs_shutdown(g->g) < 0 && r >= 0)
		r = guest_error(g, err, "stopping the appliance");
	guestfs_close(g->g);
	g->g = NULL;
	r2 = stop_servers(g, &disk);
	g->times.close = io_now() - start;
	if (r2 < 0 && err) /* the reason of the other, if there is one */
		*err = disk;
	return r2 < 0 ? r2 : r;
}

int guest_explain(struct guest *g, int failure, struct err *err)
{
	struct err disk = {0};
	int r;

	if (g->g)
		guestfs_close(g->g);
	g->g = NULL;
	r = stop_servers(g, &disk);
	if (r < 0 && err)
		*err = disk;
	return r < 0 ? r : failure;
}

void guest_free(struct guest *g)
{
	if (!g)
		return;
	if (g->g)
		guestfs_close(g->g);
	for (size_t i = 0; i < g->n_disks; i++)
		nbd_server_free(g->servers[i]);
	remove_folder(g);
	free(g->root);
	strv_free(g->mounted);
	free(g);
}

int guest_trim(struct guest *g, struct err *err)
{
	double start = io_now();
	int trimmed = 0;

	if (!g->read_only)
		/* File systems that cannot trim are no error: their free space is copied. */
		strv_foreach (dir, g->mounted)
			trimmed += guestfs_fstrim(g->g, *dir, -1) >= 0;
	g->times.trim += io_now() - start;
	return trimmed;
}

const struct guest_times *guest_times(const struct guest *g)
{
	return &g->times;
}
