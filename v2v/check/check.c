// SPDX-License-Identifier: LGPL-2.1-or-later
/* check: overlays, engine, watching, evidence. */
#include "v2v/check/check.h"

#include "formats/base/io.h"
#include "formats/base/str.h"
#include "formats/block/block_cow.h"
#include "v2v/check/agent.h"
#include "v2v/check/evidence.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

/* How often the clock is looked at. */
#define TICK_MS        200
/* After reading from the console it is left alone for so long: a guest that prints all the time
 * then costs a read per batch, not per byte. */
#define BATCH_MS       10
/* After the verdict, for the rest of what the console has to say. */
#define LINGER_SECONDS 1.0
/* Bytes of the console looked at between two looks at everything else. */
#define CHUNK          65536
/* Memory of a machine whose description does not say. */
#define DEFAULT_MEMORY (1024 * MiB)

/* Longest TMPDIR that is used. */
#define TMPDIR_MAX 64

struct check {
	const struct vmspec *vm;
	const struct check_opts *opts;
	const struct engine_ops *ops;
	struct engine_machine machine;
	struct block **overlays;
	char *dir;
	struct engine *engine;
	struct watch *watch;
	struct agent agent;
	struct evidence *evidence;
	double start, timeout, silence;
	bool serial_open;
	bool serial_busy; /* something was read from it just now */
	struct check_report *report;
};

static unsigned processors(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n > 0 ? (unsigned)n : 1;
}

static void choose_machine(struct check *c)
{
	const struct check_opts *o = c->opts;
	uint64_t memory = c->vm->memory ? c->vm->memory : DEFAULT_MEMORY;
	unsigned vcpus = MAX(c->vm->vcpus, 1u);

	c->machine = (struct engine_machine){
		.vm = c->vm,
		.disks = c->overlays,
		.memory = MIN(memory, o->max_memory ? o->max_memory : CHECK_MEMORY),
		.vcpus = MIN(vcpus, o->max_vcpus ? o->max_vcpus : processors()),
		.kvm = o->kvm,
		.dir = c->dir,
	};
	c->timeout = o->kvm ? CHECK_TIMEOUT_KVM : CHECK_TIMEOUT_EMULATED;
	c->silence = o->kvm ? CHECK_SILENCE_KVM : CHECK_SILENCE_EMULATED;
	if (o->timeout > 0)
		c->timeout = o->timeout;
	if (o->silence > 0)
		c->silence = o->silence;
}

static int make_overlays(struct check *c, struct block *const *disks, struct err *err)
{
	c->overlays = xcalloc(c->vm->n_disks, sizeof(struct block *));
	for (unsigned i = 0; i < c->vm->n_disks; i++) {
		struct block *below = block_ref(disks[i]);
		int r = block_cow_new(&c->overlays[i], below, NULL, err);

		if (r < 0) {
			block_free(below);
			return err_prefix(err, "disk %u: overlay", i);
		}
	}
	return 0;
}

static int make_dir(struct check *c, struct err *err)
{
	const char *tmp = getenv("TMPDIR");

	/* Sockets will lie in it, whose names may be only 107 bytes long. */
	c->dir = xasprintf("%s/wherry-check-XXXXXX",
		tmp && *tmp && strlen(tmp) <= TMPDIR_MAX ? tmp : "/tmp");
	if (!mkdtemp(c->dir)) {
		int r = err_set_errno(err, errno, "cannot make a folder like %s", c->dir);

		free(STEAL(c->dir));
		return r;
	}
	return 0;
}

/* What the console said since last time. 1 = there may be more at once. */
static int read_serial(struct check *c, double now)
{
	char buf[CHUNK];
	ssize_t n;

	if (!c->serial_open)
		return 0;
	n = read(c->ops->serial_fd(c->engine), buf, sizeof(buf));
	c->serial_busy = n > 0;
	if (n > 0) {
		evidence_serial(c->evidence, buf, (size_t)n);
		watch_serial(c->watch, buf, (size_t)n, now);
		return n == sizeof(buf);
	}
	if (!n || (errno != EAGAIN && errno != EINTR))
		c->serial_open = false;
	return 0;
}

static void read_events(struct check *c, double now)
{
	static const enum watch_event kinds[] = {
		[ENGINE_RESET] = WATCH_EVENT_RESET,
		[ENGINE_POWEROFF] = WATCH_EVENT_POWEROFF,
		[ENGINE_PANIC] = WATCH_EVENT_PANIC,
		[ENGINE_FAILED] = WATCH_EVENT_ENGINE,
	};
	struct engine_event e;

	while (!watch_verdict(c->watch) && c->ops->next_event(c->engine, &e) > 0) {
		evidence_event(c->evidence, e.kind, e.detail, now - c->start);
		watch_event(c->watch, kinds[e.kind], e.detail, now);
	}
}

/* Sleeps until something happens or it is time to look at the clock. */
static void wait_for_news(struct check *c)
{
	bool listen = c->serial_open && !c->serial_busy;
	struct pollfd p[] = {
		{.fd = listen ? c->ops->serial_fd(c->engine) : -1, .events = POLLIN},
		{.fd = c->ops->event_fd(c->engine), .events = POLLIN},
		{.fd = agent_fd(&c->agent), .events = POLLIN},
	};

	/* Interrupted or failed: the caller looks at everything anyway. */
	if (poll(p, ARRAY_SIZE(p), c->serial_busy ? BATCH_MS : TICK_MS) < 0)
		return;
}

static int watch_it(struct check *c, struct err *err)
{
	uint64_t total = (uint64_t)(c->timeout * 1000);

	while (!watch_verdict(c->watch)) {
		double now;
		int r;

		wait_for_news(c);
		now = io_now();
		/* What was printed before an event is read before it. */
		while (read_serial(c, now) && !watch_verdict(c->watch) && io_now() - now < 1)
			;
		if (agent_answered(&c->agent, now))
			watch_event(c->watch, WATCH_EVENT_AGENT, "guest-ping", now);
		read_events(c, now);
		watch_tick(c->watch, now);
		r = progress_report(c->opts->progress,
			MIN((uint64_t)((now - c->start) * 1000), total), total, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The verdict stands; what comes now is only kept. */
static void linger(struct check *c)
{
	double end = io_now() + LINGER_SECONDS;
	char buf[4096];

	while (c->serial_open && io_now() < end) {
		struct pollfd p = {.fd = c->ops->serial_fd(c->engine), .events = POLLIN};
		ssize_t n;

		poll(&p, 1, TICK_MS);
		n = read(p.fd, buf, sizeof(buf));
		if (n > 0)
			evidence_serial(c->evidence, buf, (size_t)n);
		else if (!n)
			return;
	}
}

static void fill_report(struct check *c)
{
	struct check_report *r = c->report;
	struct watch *w = c->watch;

	r->verdict = watch_verdict(w);
	r->detail = xstrdup(watch_detail(w));
	r->cause = xstrdup(watch_cause(w));
	strv_foreach (note, watch_notes(w))
		strv_add(&r->notes, *note);
	for (unsigned i = 0; i < WATCH_N_PHASES; i++)
		r->phase[i] = watch_phase_seconds(w, (enum watch_phase)i);
	r->reached = watch_phase(w);
	r->resets = watch_resets(w);
	r->engine = c->ops->name;
	r->kvm = c->machine.kvm;
	r->accel_why = xstrdup(c->opts->accel_why ? c->opts->accel_why : "");
	r->memory = c->machine.memory;
	r->vcpus = c->machine.vcpus;
}

/* Looks at the machine while it is still there. */
static int examine(struct check *c, struct err *err)
{
	struct check_report *r = c->report;
	struct err why = {0};
	bool alive = r->verdict != &watch_verdicts[WATCH_ENGINE_FAILED];
	int ret;

	if (!alive)
		r->devices_error = xstrdup("the engine has ended");
	else if (c->ops->devices(c->engine, &r->devices, &r->n_devices, &why) < 0)
		r->devices_error = xstrdup(why.text);
	ret = evidence_machine(c->evidence, c->ops, c->engine, r, err);
	if (ret >= 0 && alive)
		evidence_screen(c->evidence, c->ops, c->engine, r);
	return ret;
}

static int boot(struct check *c, struct err *err)
{
	struct watch_opts w = {
		.timeout = c->timeout,
		.silence = c->silence,
		.no_console = c->opts->no_console && !c->report->console,
	};
	int r = c->ops->start(&c->engine, &c->machine, err);

	if (r < 0)
		return r;
	/* An engine that no longer needs its folder has emptied it: then nothing is left behind
	 * even if we are killed from here on. */
	rmdir(c->dir);
	c->start = io_now();
	c->watch = watch_new(&w, c->start);
	c->serial_open = c->ops->serial_fd(c->engine) >= 0;
	agent_init(&c->agent, c->ops->agent_fd(c->engine));
	r = watch_it(c, err);
	if (r < 0)
		return r;
	c->report->seconds = io_now() - c->start;
	fill_report(c);
	linger(c);
	return examine(c, err);
}

static void release(struct check *c)
{
	if (c->engine)
		c->ops->stop(c->engine);
	watch_free(c->watch);
	evidence_free(c->evidence);
	for (unsigned i = 0; c->overlays && i < c->vm->n_disks; i++)
		block_free(c->overlays[i]);
	free(c->overlays);
	if (c->dir)
		rmdir(c->dir);
	free(c->dir);
	check_report_free(c->report);
}

static int run(struct check *c, struct block *const *disks, struct err *err)
{
	int r = make_overlays(c, disks, err);

	if (r >= 0)
		r = make_dir(c, err);
	if (r >= 0)
		r = evidence_new(&c->evidence, c->opts->evidence, err);
	if (r < 0)
		return r;
	choose_machine(c);
	if (c->opts->prepare) {
		r = c->opts->prepare(c->opts->prepare_opaque, c->vm, c->overlays, err);
		if (r < 0)
			return err_prefix(err, "preparing the guest for the check");
		c->report->console = r;
	}
	r = boot(c, err);
	if (r >= 0)
		r = evidence_report(c->evidence, c->report, err);
	return r;
}

int check_run(struct check_report **ret, const struct vmspec *vm, struct block *const *disks,
	const struct check_opts *o, struct err *err)
{
	struct check c = {.vm = vm, .opts = o, .ops = engine_find(o->engine)};
	int r;

	if (!c.ops)
		return err_set(err, EINVAL, "there is no engine \"%s\"", o->engine);
	if (!vm->n_disks)
		return err_set(err, EINVAL, "a machine without disks cannot be checked");
	c.report = xnew(struct check_report);
	r = run(&c, disks, err);
	if (r >= 0)
		*ret = STEAL(c.report);
	release(&c);
	return r < 0 ? r : 0;
}

void check_report_free(struct check_report *r)
{
	if (!r)
		return;
	free(r->detail);
	free(r->cause);
	strv_free(r->notes);
	free(r->accel_why);
	free(r->devices);
	free(r->devices_error);
	free(r->serial_log);
	free(r->screen);
	free(r->machine);
	free(r->json);
	free(r);
}
