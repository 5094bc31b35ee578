// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * engine_qemu: starts QEMU with sockets for everything, hands out its ends, ends it.
 *
 *	block ---- nbd server ---- DIR/diskN ----+
 *	qmp, serial, agent: socketpairs ---------+---- qemu-system-x86_64, sandboxed
 *
 * QEMU dies with the thread that started it. As soon as it runs, the files in DIR are removed:
 * it holds them open.
 */
#include "v2v/check/qemu/engine_qemu.h"

#include "formats/base/io.h"
#include "formats/base/log.h"
#include "formats/nbd/nbd_server.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What QEMU may write to one file: variables of UEFI, a picture of the screen, its messages. */
#define FILE_MAX     (64 * MiB)
/* After a closed connection, until the process has ended. */
#define GONE_MS      2000
/* Of QEMU's messages in an error. */
#define MESSAGES_MAX 600

struct engine {
	pid_t pid; /* 0 = none */
	struct qmp *qmp;
	int serial, agent, messages;
	struct nbd_server **disks;
	unsigned n_disks;
	char **argv, **devices;
	char *version;
	bool failed; /* the ENGINE_FAILED event was handed out */
};

static const char *const programs[] = {"qemu-system-x86_64", "qemu-kvm", "kvm"};

/* The program's path, or NULL. The caller frees. */
static char *find_program(void)
{
	const char *path = getenv("PATH");

	if (!path || !*path)
		path = "/usr/bin:/bin";
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		for (const char *p = path; *p; p += strcspn(p, ":"), p += *p == ':') {
			char *name = xasprintf("%.*s/%s", (int)strcspn(p, ":"), p, programs[i]);

			if (name[0] == '/' && !access(name, X_OK))
				return name;
			free(name);
		}
	if (!access("/usr/libexec/qemu-kvm", X_OK))
		return xstrdup("/usr/libexec/qemu-kvm");
	return NULL;
}

/* What QEMU said on its standard error, on one line; the caller frees. */
static char *messages(const struct engine *e)
{
	char buf[MESSAGES_MAX + 1];
	ssize_t n = pread(e->messages, buf, MESSAGES_MAX, 0);

	if (n < 0)
		n = 0;
	while (n && buf[n - 1] == '\n')
		n--;
	buf[n] = 0;
	for (char *c = buf; *c; c++)
		if (*c == '\n')
			*c = ' ';
	return xstrdup(buf);
}

/* In the child, between fork and exec: system calls only. */
static void become_qemu(const struct engine *e, const struct qemu_fds *fds, pid_t parent)
{
	struct rlimit no_core = {0, 0}, files = {FILE_MAX, FILE_MAX};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || null < 0)
		_exit(127);
	/* A terminal's Ctrl-C is for us; we end the machine in an orderly way. */
	setpgid(0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setrlimit(RLIMIT_CORE, &no_core);
	setrlimit(RLIMIT_FSIZE, &files);
	if (dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(e->messages, 2) < 0 ||
		fcntl(fds->qmp, F_SETFD, 0) < 0 || fcntl(fds->serial, F_SETFD, 0) < 0 ||
		fcntl(fds->agent, F_SETFD, 0) < 0)
		_exit(127);
	execv(e->argv[0], e->argv);
	_exit(127);
}

static int make_pair(int *ours, int *theirs, struct err *err)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return err_set_errno(err, errno, "cannot make a socket pair");
	*ours = fds[0];
	*theirs = fds[1];
	if (fcntl(*ours, F_SETFL, O_NONBLOCK) < 0)
		return err_set_errno(err, errno, "cannot set up a socket");
	return 0;
}

static int serve_disks(struct engine *e, const struct engine_machine *m, struct err *err)
{
	e->disks = xcalloc(m->vm->n_disks, sizeof(struct nbd_server *));
	for (unsigned i = 0; i < m->vm->n_disks; i++) {
		_auto_(mem) char *path = xasprintf("%s/disk%u", m->dir, i);
		int r = nbd_server_new(&e->disks[i], m->disks[i], path, err);

		if (r < 0)
			return err_prefix(err, "disk %u", i);
		e->n_disks++;
	}
	return 0;
}

static void remove_files(const struct engine_machine *m)
{
	_auto_(mem) char *vars = xasprintf("%s/vars", m->dir);

	unlink(vars);
	for (unsigned i = 0; i < m->vm->n_disks; i++) {
		_auto_(mem) char *path = xasprintf("%s/disk%u", m->dir, i);

		unlink(path);
	}
}

/* Forks QEMU and speaks to it; takes *qmp_fd when that succeeds. */
static int launch(struct engine *e, int *qmp_fd, const struct qemu_fds *theirs, struct err *err)
{
	pid_t parent = getpid();
	json_t *version;
	int r;

	e->pid = fork();
	if (!e->pid)
		become_qemu(e, theirs, parent);
	r = errno;
	/* With our copies of its ends closed, its end is seen as the end of the streams. */
	close(theirs->qmp);
	close(theirs->serial);
	close(theirs->agent);
	if (e->pid < 0) {
		e->pid = 0;
		return err_set_errno(err, r, "cannot start %s", e->argv[0]);
	}
	r = qmp_new(&e->qmp, *qmp_fd, err);
	if (r >= 0) {
		*qmp_fd = -1;
		r = qmp_call(e->qmp, "query-version", NULL, &version, err);
	}
	if (r < 0) {
		_auto_(mem) char *text = NULL;

		kill(e->pid, SIGKILL);
		waitpid(e->pid, NULL, 0);
		e->pid = 0;
		text = messages(e);
		return text[0] ? err_set(err, EIO, "QEMU did not start: %s", text)
			       : err_prefix(err, "QEMU did not start");
	}
	e->version = json_dumps(version, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(version);
	return 0;
}

static void qemu_stop(struct engine *e)
{
	if (!e)
		return;
	if (e->pid) {
		kill(e->pid, SIGKILL);
		while (waitpid(e->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	qmp_free(e->qmp);
	for (unsigned i = 0; i < e->n_disks; i++)
		nbd_server_free(e->disks[i]);
	free(e->disks);
	if (e->serial >= 0)
		close(e->serial);
	if (e->agent >= 0)
		close(e->agent);
	if (e->messages >= 0)
		close(e->messages);
	strv_free(e->argv);
	strv_free(e->devices);
	free(e->version);
	free(e);
}

/* Everything up to the running QEMU; `*theirs` are closed by launch() or by the caller. */
static int prepare(struct engine *e, const struct engine_machine *m, struct qemu_fds *theirs,
	int *qmp_fd, struct err *err)
{
	_auto_(mem) char *program = find_program();
	int r;

	if (!program)
		return err_set(
			err, ENOENT, "no qemu-system-x86_64 in PATH (package qemu-system-x86)");
	e->messages = memfd_create("qemu-messages", MFD_CLOEXEC);
	if (e->messages < 0)
		return err_set_errno(err, errno, "cannot make a file in memory");
	r = make_pair(qmp_fd, &theirs->qmp, err);
	if (r >= 0)
		r = make_pair(&e->serial, &theirs->serial, err);
	if (r >= 0)
		r = make_pair(&e->agent, &theirs->agent, err);
	if (r >= 0)
		r = qemu_args(&e->argv, &e->devices, m, program, theirs, err);
	if (r >= 0)
		r = serve_disks(e, m, err);
	return r;
}

static int qemu_start(struct engine **ret, const struct engine_machine *m, struct err *err)
{
	struct engine *e = xnew(struct engine);
	struct qemu_fds theirs = {-1, -1, -1};
	int qmp_fd = -1, r;

	e->serial = e->agent = e->messages = -1;
	r = prepare(e, m, &theirs, &qmp_fd, err);
	if (r >= 0) {
		r = launch(e, &qmp_fd, &theirs, err);
	} else {
		fd_autop(&theirs.qmp);
		fd_autop(&theirs.serial);
		fd_autop(&theirs.agent);
	}
	fd_autop(&qmp_fd);
	remove_files(m);
	if (r < 0) {
		qemu_stop(e);
		return r;
	}
	*ret = e;
	return 0;
}

static int qemu_serial_fd(const struct engine *e)
{
	return e->serial;
}

static int qemu_agent_fd(const struct engine *e)
{
	return e->agent;
}

static int qemu_event_fd(const struct engine *e)
{
	return qmp_fd(e->qmp);
}

/* The machine stopped: because of a power off that was heard of already, or of trouble. */
static bool translate_stop(struct engine *e, struct engine_event *ret)
{
	json_t *state;
	const char *status;
	bool trouble;

	if (qmp_call(e->qmp, "query-status", NULL, &state, NULL) < 0)
		return false;
	status = json_string_value(json_object_get(state, "status"));
	trouble = status && (!strcmp(status, "internal-error") || !strcmp(status, "io-error"));
	if (trouble) {
		ret->kind = ENGINE_FAILED;
		snprintf(ret->detail, sizeof(ret->detail), "QEMU stopped the machine: %s",
			status);
	}
	json_decref(state);
	return trouble;
}

/* Does this QMP event say something to us? */
static bool translate(struct engine *e, const json_t *event, struct engine_event *ret)
{
	const char *name = json_string_value(json_object_get(event, "event"));
	const json_t *data = json_object_get(event, "data");
	const char *reason = json_string_value(json_object_get(data, "reason"));
	const char *node = json_string_value(json_object_get(data, "node-name"));

	log_debug("check", "QEMU event %s", name);
	snprintf(ret->detail, sizeof(ret->detail), "%s", reason ? reason : "");
	if (!strcmp(name, "STOP"))
		return translate_stop(e, ret);
	if (!strcmp(name, "RESET") && json_is_true(json_object_get(data, "guest"))) {
		ret->kind = ENGINE_RESET;
	} else if (!strcmp(name, "SHUTDOWN")) {
		ret->kind = ENGINE_POWEROFF;
	} else if (!strcmp(name, "GUEST_PANICKED") || !strcmp(name, "GUEST_CRASHLOADED")) {
		ret->kind = ENGINE_PANIC;
	} else if (!strcmp(name, "BLOCK_IO_ERROR")) {
		/* Our disks do not fail by themselves: the source cannot be read, or there is no
		 * space for the overlay. Whatever the guest does now proves nothing. */
		ret->kind = ENGINE_FAILED;
		snprintf(ret->detail, sizeof(ret->detail), "%s: %s", node ? node : "disk",
			reason ? reason : "I/O error");
	} else {
		return false;
	}
	return true;
}

/* Why QEMU is gone: its exit status and its last words. */
static void describe_end(struct engine *e, const struct err *err, struct engine_event *ret)
{
	_auto_(fd) int pidfd = (int)syscall(SYS_pidfd_open, e->pid, 0);
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	_auto_(mem) char *text = NULL;
	int status = 0;
	pid_t pid;

	/* Its sockets close a little before it is gone. */
	poll(&p, 1, GONE_MS);
	pid = waitpid(e->pid, &status, WNOHANG);
	text = messages(e);
	ret->kind = ENGINE_FAILED;
	if (pid == e->pid) {
		e->pid = 0;
		if (WIFSIGNALED(status))
			snprintf(ret->detail, sizeof(ret->detail),
				"QEMU was killed by signal %d %s", WTERMSIG(status), text);
		else
			snprintf(ret->detail, sizeof(ret->detail),
				"QEMU ended with status %d %s", WEXITSTATUS(status), text);
	} else {
		snprintf(ret->detail, sizeof(ret->detail), "%.180s %.100s", err->text, text);
	}
}

static int qemu_next_event(struct engine *e, struct engine_event *ret)
{
	struct err err = {0};
	json_t *event;
	int r;

	while (!e->failed) {
		bool ours;

		r = qmp_event(e->qmp, &event, &err);
		if (!r)
			return 0;
		if (r < 0) {
			e->failed = true;
			describe_end(e, &err, ret);
			return 1;
		}
		ours = translate(e, event, ret);
		json_decref(event);
		if (ours)
			return 1;
	}
	return 0;
}

static int qemu_screen(struct engine *e, const char *path, struct err *err)
{
	return qmp_call(e->qmp, "screendump",
		json_pack("{s:s, s:s}", "filename", path, "format", "png"), NULL, err);
}

static int qemu_list_devices(
	struct engine *e, struct engine_device **ret, unsigned *n, struct err *err)
{
	return qemu_devices(e->qmp, e->devices, ret, n, err);
}

static char *qemu_describe(const struct engine *e)
{
	struct str s = STR_INIT;

	str_addf(&s, "engine: qemu\nversion: %s\ncommand line:\n", e->version);
	strv_foreach (arg, e->argv)
		str_addf(&s, "\t%s\n", *arg);
	return str_steal(&s);
}

const struct engine_ops engine_qemu = {
	.name = "qemu",
	.description = "QEMU, with KVM where it is usable, else with emulation",
	.start = qemu_start,
	.stop = qemu_stop,
	.serial_fd = qemu_serial_fd,
	.agent_fd = qemu_agent_fd,
	.event_fd = qemu_event_fd,
	.next_event = qemu_next_event,
	.screen = qemu_screen,
	.devices = qemu_list_devices,
	.describe = qemu_describe,
};
