// SPDX-License-Identifier: LGPL-2.1-or-later
/* v2v: the stages and their runner. */
#include "v2v/conversion.h"
#include "v2v/check/check.h"
#include "v2v/target.h"

#include "formats/base/io.h"
#include "formats/base/log.h"
#include "formats/block/block_cow.h"
#include "formats/image.h"
#include "formats/ova/ova.h"
#include "guestfix/facts.h"
#include "guestfix/guest.h"
#include "guestfix/plan.h"

#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>
#include <unistd.h>

/* Longest name a machine may have: files are called after it. */
#define MAX_NAME 200

void v2v_warn(struct conversion *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strv_take(&c->warnings, xvasprintf(fmt, ap));
	va_end(ap);
}

/* What identifies the bytes of a source file, to notice that it was changed meanwhile. */
static void file_identity(const char *path, struct stat *st)
{
	if (stat(path, st))
		*st = (struct stat){0};
}

static int stage_open(struct conversion *c, struct err *err)
{
	c->identities = xcalloc(strv_len(c->opts.sources), sizeof(*c->identities));
	for (size_t i = 0; c->opts.sources[i]; i++) {
		if (access(c->opts.sources[i], R_OK))
			return err_set_errno(err, errno, "cannot open %s", c->opts.sources[i]);
		file_identity(c->opts.sources[i], &c->identities[i]);
	}
	return v2v_find_input(&c->opts, &c->in, err);
}

/* A file can have more names than a description can name. */
static bool is_utf8(const char *s)
{
	json_t *j = json_string(s);

	json_decref(j);
	return j != NULL;
}

static int check_name(const char *name, struct err *err)
{
	if (!*name)
		return err_set(err, EINVAL, "the source has no name; choose one with -on NAME");
	if (name[0] == '.' || name[0] == '-' || strlen(name) > MAX_NAME || !is_utf8(name))
		return err_set(err, EINVAL,
			"'%.40s' cannot name files; choose another name with -on NAME "
			"(UTF-8, at most %d bytes, no '.' or '-' at the beginning)",
			name, MAX_NAME);
	return 0;
}

/* Files are called after the machine, in folders that are the user's: letters a path can hold. */
static int set_name(struct conversion *c, struct err *err)
{
	const char *name = c->opts.name ? c->opts.name : c->source->name;

	c->name = xstrdup(name ? name : "");
	for (char *p = c->name; *p; p++)
		if (*p == '/' || (unsigned char)*p < 0x20)
			*p = '_';
	return check_name(c->name, err);
}

static int stage_describe(struct conversion *c, struct err *err)
{
	int r = c->in->describe(c, err);

	if (r < 0)
		return r;
	if (!c->source->n_disks)
		return err_set(err, EINVAL, "%s: the machine has no disks", c->opts.sources[0]);
	return set_name(c, err);
}

static int stage_overlay(struct conversion *c, struct err *err)
{
	for (unsigned i = 0; i < c->source->n_disks; i++) {
		struct v2v_disk *d = &c->disks[i];
		int r = block_cow_new(&d->overlay, d->source, NULL, err);

		if (r < 0)
			return err_prefix(err, "disk %u", i + 1);
		STEAL(d->source);
	}
	return c->out ? c->out->prepare(c, err) : 0;
}

static int stage_inspect(struct conversion *c, struct err *err)
{
	struct guest_open how = {
		.force_tcg = !c->opts.kvm_usable,
		.root = c->opts.root,
		.progress = c->opts.progress,
	};
	size_t n = c->source->n_disks;
	_auto_(mem) struct block **disks = xcalloc(n, sizeof(*disks));
	int r;

	for (size_t i = 0; i < n; i++)
		disks[i] = c->disks[i].overlay;
	r = guest_open(&c->guest, disks, n, &how, err);
	if (r < 0)
		return r;
	r = facts_collect(&c->facts, c->guest, c->source, err);
	return r < 0 ? guest_explain(c->guest, r, err) : 0;
}

static int stage_plan(struct conversion *c, struct err *err)
{
	struct plan_opts how = {.serial_console = c->opts.serial_console};
	struct target_map map = {c->opts.networks, c->opts.bridges, c->opts.macs};
	int r;

	r = guestfix_plan(&c->plan, c->facts, c->source, &how, err);
	if (r >= 0)
		r = target_plan(&c->target, c->source, c->plan, &map, err);
	if (r < 0)
		return r;
	free(c->target->name);
	c->target->name = xstrdup(c->name);
	return 0;
}

static int stage_fix(struct conversion *c, struct err *err)
{
	int r = guestfix_apply(c->guest, c->plan, err);

	if (r >= 0 && !c->opts.no_trim)
		r = guest_trim(c->guest, err);
	return r < 0 ? guest_explain(c->guest, r, err) : guest_close(c->guest, err);
}

static int stage_copy(struct conversion *c, struct err *err)
{
	int r = v2v_copy(c, err);

	for (size_t i = 0; r >= 0 && c->opts.sources[i]; i++) {
		const struct stat *before = &c->identities[i];
		struct stat after;

		file_identity(c->opts.sources[i], &after);
		if (after.st_ino != before->st_ino || after.st_size != before->st_size ||
			after.st_mtim.tv_sec != before->st_mtim.tv_sec ||
			after.st_mtim.tv_nsec != before->st_mtim.tv_nsec)
			r = err_set(err, EIO,
				"%s was changed by somebody else while it was converted",
				c->opts.sources[i]);
	}
	return r;
}

static int stage_emit(struct conversion *c, struct err *err)
{
	return c->out->finish(c, err);
}

static void undo_output(struct conversion *c)
{
	if (c->out)
		c->out->undo(c);
}

/* In the order they run. */
static const struct stage {
	const char *name;
	const char *label;
	int (*run)(struct conversion *c, struct err *err);
	void (*undo)(struct conversion *c);
} stages[V2V_N_STAGES] = {
	[V2V_OPEN] = {"open", "Opening the source", stage_open, NULL},
	[V2V_DESCRIBE] = {"describe", "Reading its description", stage_describe, NULL},
	[V2V_OVERLAY] = {"overlay", "Laying an overlay", stage_overlay, undo_output},
	[V2V_INSPECT] = {"inspect", "Inspecting the guest", stage_inspect, NULL},
	[V2V_PLAN] = {"plan", "Planning the edits", stage_plan, NULL},
	[V2V_FIX] = {"fix", "Editing the guest", stage_fix, NULL},
	[V2V_COPY] = {"copy", "Copying the disks", stage_copy, NULL},
	[V2V_EMIT] = {"emit", "Writing the description", stage_emit, NULL},
	[V2V_CHECK] = {"check", "Booting the result", v2v_check, NULL},
};

const char *v2v_stage_name(enum v2v_stage s)
{
	return stages[s].name;
}

const char *v2v_stage_label(enum v2v_stage s)
{
	return stages[s].label;
}

int v2v_check_opts(const struct v2v_opts *opts, enum v2v_stage last, struct err *err)
{
	struct target_map map = {opts->networks, opts->bridges, opts->macs};
	const struct v2v_input *in;
	const struct v2v_output *out;
	int r = target_map_check(&map, err);

	if (r >= 0 && opts->input)
		r = v2v_find_input(opts, &in, err);
	if (r >= 0 && opts->input_format && !image_format_find(opts->input_format))
		r = err_set(err, EINVAL, "-if %s: no such format", opts->input_format);
	if (r >= 0 && opts->name)
		r = check_name(opts->name, err);
	if (r < 0 || last < V2V_COPY)
		return r;
	r = v2v_find_output(opts, &out, err);
	if (r >= 0 && last == V2V_CHECK && !out->needs_directory)
		r = err_set(err, EINVAL, "--check: -o %s keeps nothing that could be booted",
			out->mode.name);
	return r;
}

int v2v_new(struct conversion **ret, const struct v2v_opts *opts, struct err *err)
{
	struct target_map map = {opts->networks, opts->bridges, opts->macs};
	struct conversion *c;
	int r;

	if (!opts->sources || !opts->sources[0])
		return err_set(err, EINVAL, "no source given");
	r = target_map_check(&map, err);
	if (r < 0)
		return r;
	c = xnew(struct conversion);
	c->opts = *opts;
	c->staging.fd = -1;
	for (unsigned i = 0; i < V2V_N_STAGES; i++)
		c->seconds[i] = -1;
	*ret = c;
	return 0;
}

static void tell(const struct conversion *c, enum v2v_stage s, double seconds)
{
	if (c->opts.on_stage)
		c->opts.on_stage(c->opts.on_stage_opaque, s, seconds);
}

/* One stage, timed; cancelled before it begins when the user asked for it. */
static int run_stage(struct conversion *c, enum v2v_stage s, struct err *err)
{
	double start = io_now();
	int r;

	tell(c, s, -1);
	r = progress_report(c->opts.progress, 0, 1, err);
	if (r >= 0)
		r = stages[s].run(c, err);
	if (r < 0)
		return r;
	c->seconds[s] = io_now() - start;
	log_debug("v2v", "stage %s: %.3f s", stages[s].name, c->seconds[s]);
	tell(c, s, c->seconds[s]);
	return 0;
}

/* Is the result's place known and allowed? Asked before the long stages, not after them. */
static int check_output(struct conversion *c, enum v2v_stage last, struct err *err)
{
	_auto_(mem) char *real = NULL;
	struct stat st;
	int r;

	if (last < V2V_COPY || c->out)
		return 0;
	r = v2v_find_output(&c->opts, &c->out, err);
	if (r < 0 || !c->opts.directory)
		return r;
	if (stat(c->opts.directory, &st))
		return err_set_errno(err, errno, "-os %s", c->opts.directory);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ENOTDIR, "-os %s: not a folder", c->opts.directory);
	if (access(c->opts.directory, W_OK))
		return err_set_errno(err, errno, "-os %s", c->opts.directory);
	real = realpath(c->opts.directory, NULL);
	if (real && !is_utf8(real))
		return err_set(err, EINVAL,
			"-os %s: the name is not UTF-8, so a description cannot name files in it",
			c->opts.directory);
	return 0;
}

int v2v_run(struct conversion *c, enum v2v_stage last, struct err *err)
{
	int r = check_output(c, last, err);

	for (; r >= 0 && c->n_done <= last; c->n_done++)
		r = run_stage(c, c->n_done, err);
	if (r >= 0)
		return 0;
	/* Once the result has its final name it stays, whatever the boot check says. */
	for (int s = (int)c->n_done; s >= 0 && c->seconds[V2V_EMIT] < 0; s--)
		if (stages[s].undo)
			stages[s].undo(c);
	return r;
}

const struct vmspec *v2v_source(const struct conversion *c)
{
	return c->source;
}

const struct vmspec *v2v_target(const struct conversion *c)
{
	return c->target;
}

const struct facts *v2v_facts(const struct conversion *c)
{
	return c->facts;
}

const struct plan *v2v_plan(const struct conversion *c)
{
	return c->plan;
}

const struct check_report *v2v_check_report(const struct conversion *c)
{
	return c->check;
}

char *const *v2v_warnings(const struct conversion *c)
{
	return c->warnings;
}

unsigned v2v_verified(const struct conversion *c)
{
	return c->verified;
}

double v2v_seconds(const struct conversion *c, enum v2v_stage s)
{
	return c->seconds[s];
}

const char *v2v_output_path(const struct conversion *c)
{
	return c->output_path;
}

const char *v2v_report_path(const struct conversion *c)
{
	return c->report_path;
}

void v2v_free(struct conversion *c)
{
	if (!c)
		return;
	check_report_free(c->check);
	guest_free(c->guest);
	for (unsigned i = 0; c->disks && i < c->source->n_disks; i++) {
		block_free(c->disks[i].overlay);
		block_free(c->disks[i].source);
		free(c->disks[i].name);
	}
	free(c->disks);
	ova_free(c->package);
	plan_free(c->plan);
	facts_free(c->facts);
	vmspec_free(c->source);
	vmspec_free(c->target);
	if (c->staging.fd >= 0)
		close(c->staging.fd);
	free(c->staging.path);
	free(c->identities);
	free(c->name);
	free(c->output_path);
	free(c->report_path);
	strv_free(c->warnings);
	free(c);
}
