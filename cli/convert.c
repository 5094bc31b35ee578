// SPDX-License-Identifier: LGPL-2.1-or-later
/* convert, plan, inspect: the three commands that run a conversion's stages, to different ends. */
#include "cli/commands.h"
#include "cli/print.h"

#include "formats/base/io.h"
#include "hv/kvm/kvm_probe.h"
#include "v2v/check/check.h"
#include "v2v/v2v.h"

#include <stdio.h>

struct convert_cli {
	/* the source */
	char *input, *input_format, *root;
	/* the target */
	char *output, *directory, *format, *name;
	char **networks, **bridges, **macs;
	bool overwrite, serial_console, no_fstrim;
	/* the work */
	bool check, print_source;
	char *accel, *evidence;
	unsigned threads, timeout;
};

#define FIELD(f) offsetof(struct convert_cli, f)

static const char *const accel_choices[] = {"auto", "kvm", "emulated", NULL};

/* What says where the source is and how to read it; all three commands have these. */
#define SOURCE_OPTS                                                                            \
	{"-i", NULL, OPT_STRING, FIELD(input), "MODE",                                         \
		"kind of source: ova, disk (default: found out)"},                             \
		{"-if", NULL, OPT_STRING, FIELD(input_format), "FORMAT",                       \
			"format of the source's disk images (default: found out)"},            \
		{NULL, "--root", OPT_STRING, FIELD(root), "WHICH",                             \
			"of several operating systems: first, or a device such as /dev/sda2"}, \
		{NULL, "--accel", OPT_CHOICE, FIELD(accel), "HOW",                             \
			"run helpers with hardware virtualization or without",                 \
			.choices = accel_choices},

#define TARGET_OPTS                                                                            \
	{"-b", "--bridge", OPT_STRINGS, FIELD(bridges), "[OLD:]NEW",                           \
		"connect cards to this bridge of the host"},                                   \
		{"-n", "--network", OPT_STRINGS, FIELD(networks), "[OLD:]NEW",                 \
			"connect cards to this network"},                                      \
		{NULL, "--mac", OPT_STRINGS, FIELD(macs), "MAC:KIND:NAME",                     \
			"connect the card with this address; KIND is network or bridge"},      \
		{NULL, "--serial-console", OPT_FLAG, FIELD(serial_console), NULL,              \
			"give the guest a console on its serial port, for good"},

static const struct opt convert_opts[] = {
	SOURCE_OPTS TARGET_OPTS{
		"-o", NULL, OPT_STRING, FIELD(output), "MODE", "kind of target: local, null"},
	{"-os", NULL, OPT_STRING, FIELD(directory), "DIR", "folder the result goes to"},
	{"-of", NULL, OPT_STRING, FIELD(format), "FORMAT",
		"format of the new disks: qcow2, raw"},
	{"-on", NULL, OPT_STRING, FIELD(name), "NAME", "name of the new machine"},
	{NULL, "--overwrite", OPT_FLAG, FIELD(overwrite), NULL,
		"replace the results of an earlier conversion"},
	{NULL, "--no-fstrim", OPT_FLAG, FIELD(no_fstrim), NULL,
		"copy the file systems' free space too, with what was deleted there"},
	{NULL, "--check", OPT_FLAG, FIELD(check), NULL,
		"boot the result on a throw-away overlay, and say whether it came up"},
	{NULL, "--timeout", OPT_UINT, FIELD(timeout), "SECONDS",
		"longest time --check may take", .min = 1, .max = 86400},
	{NULL, "--evidence", OPT_STRING, FIELD(evidence), "DIR",
		"folder for what --check saw (default: NAME.check beside the result)"},
	{NULL, "--threads", OPT_UINT, FIELD(threads), "N",
		"threads that copy (default: one per processor)", .min = 1, .max = 64},
	{NULL, "--print-source", OPT_FLAG, FIELD(print_source), NULL,
		"print what the source's description says, and stop"},
	{0},
};

static const struct opt plan_opts[] = {SOURCE_OPTS TARGET_OPTS{0}};
static const struct opt inspect_opts[] = {SOURCE_OPTS{0}};

/* What the callbacks need. */
struct run {
	struct show *show;
	double start;
	bool lines; /* one for each stage, as a log of the conversion */
};

static void on_stage(void *opaque, enum v2v_stage stage, double seconds)
{
	struct run *run = opaque;

	if (seconds < 0) {
		/* How long a boot takes nobody knows; its limit says nothing. */
		if (stage == V2V_CHECK)
			show_stage_seconds(run->show, v2v_stage_label(stage));
		else
			show_stage(run->show, v2v_stage_label(stage));
		if (run->lines) {
			printf("[%6.1f] %s\n", io_now() - run->start, v2v_stage_label(stage));
			fflush(stdout);
		}
	}
}

/* Is KVM to be used? Measured, unless the user decides. */
static int choose_accel(const struct convert_cli *o, struct v2v_opts *v,
	struct kvm_probe *probe, struct err *err)
{
	if (o->accel && !strcmp(o->accel, "emulated")) {
		v->kvm_why = "emulation was asked for with --accel";
		return 0;
	}
	kvm_probe(probe);
	v->kvm_usable = probe->verdict == KVM_USABLE;
	v->kvm_why = probe->why;
	if (o->accel && !strcmp(o->accel, "kvm") && !v->kvm_usable)
		return err_set(err, EIO, "--accel kvm: %s", probe->why);
	return 0;
}

static int print_result(const struct conversion *c, const struct cli_common *common,
	const struct convert_cli *o, enum v2v_stage last)
{
	const struct check_report *check = v2v_check_report(c);

	if (common->json)
		cli_print_json(v2v_report(c));
	else if (last == V2V_DESCRIBE)
		print_machine(v2v_source(c), v2v_warnings(c));
	else if (last == V2V_INSPECT)
		print_inspection(c);
	else if (last == V2V_PLAN)
		print_plan(c);
	else if (!common->quiet)
		print_summary(c);
	if (check && !check->verdict->pass)
		return EXIT_BOOT;
	if (last >= V2V_COPY && !print_is_virtio(v2v_target(c)))
		return EXIT_EMULATED;
	return EXIT_DONE;
}

/* The result is complete, but the boot check could not be done. */
static int not_proven(const struct conversion *c, const struct err *err)
{
	int r = cli_error(err);

	cli_warn("the converted machine is kept, not proven: %s", v2v_output_path(c));
	return r == EXIT_INTERRUPTED ? r : EXIT_BOOT;
}

/* The stages up to `last`, then what they found. */
static int run_stages(const struct cli_common *common, const struct convert_cli *o, char **args,
	enum v2v_stage last)
{
	_auto_(show) struct show *show = show_new(common);
	struct run run = {show, io_now(), last >= V2V_COPY && !common->quiet && !common->json};
	_auto_(conversion) struct conversion *c = NULL;
	struct kvm_probe probe = {0};
	struct err err = {0};
	struct v2v_opts v = {
		.input = o->input,
		.sources = args,
		.input_format = o->input_format,
		.output = o->output,
		.directory = o->directory,
		.format = o->format,
		.name = o->name,
		.overwrite = o->overwrite,
		.networks = o->networks,
		.bridges = o->bridges,
		.macs = o->macs,
		.root = o->root,
		.serial_console = o->serial_console,
		.no_trim = o->no_fstrim,
		.threads = o->threads,
		.check_timeout = o->timeout,
		.evidence = o->evidence,
		.progress = show_progress(show),
		.on_stage = on_stage,
		.on_stage_opaque = &run,
	};
	int r;

	if (v2v_check_opts(&v, last, &err) < 0)
		return cli_usage(common, &err);
	r = last >= V2V_INSPECT ? choose_accel(o, &v, &probe, &err) : 0;
	if (r >= 0)
		r = v2v_new(&c, &v, &err);
	if (r >= 0)
		r = v2v_run(c, last, &err);
	show_clear(show);
	if (r < 0 && c && v2v_seconds(c, V2V_EMIT) >= 0)
		return not_proven(c, &err);
	if (r < 0)
		return cli_error(&err);
	return print_result(c, common, o, last);
}

static int convert_run(const struct cli_common *common, void *opts, char **args)
{
	const struct convert_cli *o = opts;

	return run_stages(common, o, args,
		o->print_source ? V2V_DESCRIBE
		: o->check      ? V2V_CHECK
				: V2V_EMIT);
}

static int plan_run(const struct cli_common *common, void *opts, char **args)
{
	return run_stages(common, opts, args, V2V_PLAN);
}

static int inspect_run(const struct cli_common *common, void *opts, char **args)
{
	return run_stages(common, opts, args, V2V_INSPECT);
}

const struct command command_convert = {
	.name = "convert",
	.summary = "convert a virtual machine to a KVM guest",
	.args = "SOURCE...",
	.min_args = 1,
	.max_args = VM_MAX_DISKS,
	.opts = convert_opts,
	.opts_size = sizeof(struct convert_cli),
	.run = convert_run,
};

const struct command command_plan = {
	.name = "plan",
	.summary = "show every edit that convert would make, and why; write nothing",
	.args = "SOURCE...",
	.min_args = 1,
	.max_args = VM_MAX_DISKS,
	.opts = plan_opts,
	.opts_size = sizeof(struct convert_cli),
	.run = plan_run,
};

const struct command command_inspect = {
	.name = "inspect",
	.summary = "show what a machine and its guest are",
	.args = "SOURCE...",
	.min_args = 1,
	.max_args = VM_MAX_DISKS,
	.opts = inspect_opts,
	.opts_size = sizeof(struct convert_cli),
	.run = inspect_run,
};
