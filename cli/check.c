// SPDX-License-Identifier: LGPL-2.1-or-later
/* check: boots a guest on throw-away overlays and prints the verdict. */
#include "cli/commands.h"
#include "cli/print.h"

#include "formats/base/io.h"
#include "formats/base/str.h"
#include "formats/image.h"
#include "formats/vm/libvirt.h"
#include "hv/kvm/kvm_probe.h"
#include "v2v/check/check.h"
#include "v2v/boot.h"
#include "v2v/check/firmware.h"

#include <jansson.h>
#include <stdio.h>

#define BARE_MEMORY (1024 * MiB)
#define BARE_VCPUS  2

/* Bytes of a libvirt description. */
#define DESCRIPTION_MAX (4 * MiB)

struct check_cli {
	unsigned timeout, silence, cpus;
	char *engine, *accel, *evidence, *firmware, *bus, *machine, *format;
	uint64_t memory;
	bool no_console, no_evidence, as_is;
};

static const char *const accel_choices[] = {"auto", "kvm", "emulated", NULL};
static const char *const firmware_choices[] = {"bios", "uefi", NULL};
static const char *const machine_choices[] = {"q35", "pc", NULL};
static const char *const bus_choices[] = {
	"virtio-blk", "virtio-scsi", "sata", "ide", "nvme", "usb", NULL};

#define FIELD(name) offsetof(struct check_cli, name)

static const struct opt check_opts[] = {
	{NULL, "--timeout", OPT_UINT, FIELD(timeout), "SECONDS",
		"give up after this long (300 with KVM, 900 with emulation)", .min = 1,
		.max = 86400},
	{NULL, "--silence", OPT_UINT, FIELD(silence), "SECONDS",
		"a console silent for so long has failed (60 with KVM, 180 with emulation)",
		.min = 1, .max = 86400},
	{NULL, "--accel", OPT_CHOICE, FIELD(accel), "HOW", "auto (measure), kvm, or emulated",
		.choices = accel_choices},
	{NULL, "--engine", OPT_STRING, FIELD(engine), "NAME", "what runs the machine (qemu)"},
	{NULL, "--evidence", OPT_STRING, FIELD(evidence), "DIR",
		"folder for serial log, screen, machine and report (NAME.check)"},
	{NULL, "--no-evidence", OPT_FLAG, FIELD(no_evidence), NULL, "keep no evidence"},
	{NULL, "--as-is", OPT_FLAG, FIELD(as_is), NULL,
		"boot as it is: do not look for a serial console, nor add one for this boot"},
	{NULL, "--no-console", OPT_FLAG, FIELD(no_console), NULL,
		"the same, and silence is no failure: the guest is known to have none"},
	{NULL, "--firmware", OPT_CHOICE, FIELD(firmware), "KIND",
		"bios or uefi (a disk: by its partition table)", .choices = firmware_choices},
	{NULL, "--bus", OPT_CHOICE, FIELD(bus), "BUS",
		"attach the disks to this bus (a disk: virtio-blk)", .choices = bus_choices},
	{NULL, "--machine", OPT_CHOICE, FIELD(machine), "TYPE", "q35 or pc",
		.choices = machine_choices},
	{NULL, "--memory", OPT_SIZE, FIELD(memory), "SIZE",
		"memory of the guest (at most 2 GiB of what is described)"},
	{NULL, "--cpus", OPT_UINT, FIELD(cpus), "N",
		"processors (at most as many as this machine has)", .min = 1, .max = 64},
	{NULL, "--format", OPT_STRING, FIELD(format), "FORMAT", "image format (probed)"},
	{0},
};

/* The blocks of a vmspec's disks, freed together. */
struct disks {
	struct block **list;
	unsigned n;
};

static void disks_free(struct disks *d)
{
	for (unsigned i = 0; i < d->n; i++)
		block_free(d->list[i]);
	free(d->list);
}

static enum vm_bus parse_bus(const char *name)
{
	for (int b = VM_BUS_UNKNOWN; b <= VM_BUS_VIRTIO_SCSI; b++)
		if (!strcmp(vm_bus_name((enum vm_bus)b), name))
			return (enum vm_bus)b;
	return VM_BUS_UNKNOWN;
}

static int open_disks(struct disks *disks, const struct vmspec *vm, struct err *err)
{
	disks->list = xcalloc(vm->n_disks, sizeof(struct block *));
	for (unsigned i = 0; i < vm->n_disks; i++) {
		const struct vm_disk *d = &vm->disks[i];
		int r;

		if (!d->file)
			return err_set(err, ENOTSUP, "disk %u is no file", i);
		r = image_open(&disks->list[i], d->file, d->format, NULL, NULL, err);
		if (r < 0)
			return r;
		disks->n++;
	}
	return 0;
}

/* A machine around bare disks. */
static struct vmspec *bare_machine(char **files, const char *format)
{
	struct vmspec *vm = vmspec_new();

	vm->memory = BARE_MEMORY;
	vm->vcpus = BARE_VCPUS;
	vm->machine = VM_MACHINE_Q35;
	strv_foreach (file, files) {
		struct vm_disk *d = vmspec_add_disk(vm);

		d->file = xstrdup(*file);
		d->format = xstrdup_null(format);
		d->bus = VM_BUS_VIRTIO_BLK;
	}
	vmspec_add_nic(vm);
	return vm;
}

static void apply_options(struct vmspec *vm, const struct check_cli *o)
{
	for (unsigned i = 0; o->bus && i < vm->n_disks; i++)
		vm->disks[i].bus = parse_bus(o->bus);
	if (o->firmware)
		vm->firmware =
			!strcmp(o->firmware, "uefi") ? VM_FIRMWARE_UEFI : VM_FIRMWARE_BIOS;
	if (o->machine)
		vm->machine = !strcmp(o->machine, "pc") ? VM_MACHINE_PC : VM_MACHINE_Q35;
	if (o->memory)
		vm->memory = o->memory;
	if (o->cpus)
		vm->vcpus = o->cpus;
}

/* A libvirt description is taken as such by its name; everything else is a disk. */
static bool is_description(const char *path)
{
	return ends_with(path, ".xml");
}

/* Files without a path lie beside the description. */
static void beside(struct vmspec *vm, const char *path)
{
	const char *slash = strrchr(path, '/');

	for (unsigned i = 0; slash && i < vm->n_disks; i++) {
		char *old = vm->disks[i].file;

		if (!old || old[0] == '/')
			continue;
		vm->disks[i].file = xasprintf("%.*s/%s", (int)(slash - path), path, old);
		free(old);
	}
}

static int described_machine(struct vmspec **ret, char **args, struct err *err)
{
	_auto_(mem) char *text = NULL;
	size_t len;
	int r;

	if (args[1])
		return err_set(err, EINVAL, "%s describes its disks; name no others", args[0]);
	r = io_read_file(args[0], DESCRIPTION_MAX, &text, &len, err);
	if (r >= 0)
		r = libvirt_parse(ret, text, len, err);
	if (r < 0)
		return err_prefix(err, "%s", args[0]);
	beside(*ret, args[0]);
	return 0;
}

static int load(struct vmspec **ret, struct disks *disks, char **args,
	const struct check_cli *o, struct err *err)
{
	_auto_(vmspec) struct vmspec *vm = NULL;
	int r = 0;

	if (is_description(args[0]))
		r = described_machine(&vm, args, err);
	else
		vm = bare_machine(args, o->format);
	if (r < 0)
		return r;
	if (!vm->n_disks)
		return err_set(err, EINVAL, "%s: a machine without disks", args[0]);
	apply_options(vm, o);
	r = open_disks(disks, vm, err);
	if (r >= 0 && vm->firmware == VM_FIRMWARE_UNKNOWN)
		r = firmware_guess(disks->list[0], &vm->firmware, err);
	if (r >= 0)
		*ret = STEAL(vm);
	return r;
}

static int choose_accel(
	struct check_opts *o, struct kvm_probe *probe, const char *how, struct err *err)
{
	if (how && !strcmp(how, "emulated")) {
		o->accel_why = "asked for";
		return 0;
	}
	o->kvm = kvm_probe(probe) == 0;
	o->accel_why = probe->why;
	if (!o->kvm && how && !strcmp(how, "kvm"))
		return err_set(err, EIO, "KVM was asked for but is %s: %s",
			kvm_verdict_name(probe->verdict), probe->why);
	return 0;
}

/* "dir/web01-sda.qcow2" -> "web01-sda.check" */
static char *default_evidence(const char *arg)
{
	const char *slash = strrchr(arg, '/');
	const char *name = slash ? slash + 1 : arg;
	const char *dot = strrchr(name, '.');
	size_t len = dot && dot > name ? (size_t)(dot - name) : strlen(name);

	return xasprintf("%.*s.check", (int)len, name);
}

static int run_check(const struct cli_common *common, const struct check_cli *cli, char **args,
	struct check_report **ret, struct err *err)
{
	_auto_(mem) char *evidence = default_evidence(args[0]);
	_auto_(vmspec) struct vmspec *vm = NULL;
	_auto_(show) struct show *show = NULL;
	struct disks disks = {0};
	struct kvm_probe probe;
	struct boot_console console = {0};
	struct check_opts o = {
		.engine = cli->engine,
		.timeout = cli->timeout,
		.silence = cli->silence,
		.max_memory = cli->memory,
		/* What the hook does not know (no Linux) may well be silent. */
		.no_console = !cli->as_is || cli->no_console,
		.prepare = cli->as_is || cli->no_console ? NULL : boot_console_prepare,
		.prepare_opaque = &console,
		.evidence = cli->no_evidence ? NULL
			    : cli->evidence  ? cli->evidence
					     : evidence,
	};
	int r = choose_accel(&o, &probe, cli->accel, err);

	if (r >= 0)
		r = load(&vm, &disks, args, cli, err);
	if (r >= 0) {
		show = show_new(common);
		show_stage_seconds(show, "Booting");
		o.progress = show_progress(show);
		console.kvm_usable = o.kvm;
		console.progress = o.progress;
		r = check_run(ret, vm, disks.list, &o, err);
		show_clear(show);
		if (console.why_not.code)
			cli_warn("no serial console could be added for this boot: %s",
				console.why_not.text);
	}
	disks_free(&disks);
	return r;
}

/* Options whose values are names from tables elsewhere. */
static int check_words(const struct check_cli *cli, struct err *err)
{
	if (!engine_find(cli->engine))
		return err_set(err, EINVAL, "--engine %s: there is only qemu", cli->engine);
	if (cli->format && !image_format_find(cli->format))
		return err_set(err, EINVAL, "--format %s: no such format", cli->format);
	return 0;
}

static int check_command(const struct cli_common *common, void *opts, char **args)
{
	_auto_(check_report) struct check_report *report = NULL;
	struct err err = {0};

	if (check_words(opts, &err) < 0)
		return cli_usage(common, &err);
	if (run_check(common, opts, args, &report, &err) < 0)
		return cli_error(&err);
	if (common->json)
		cli_print_json(check_report_json(report));
	else
		print_check(report);
	if (report->verdict == &watch_verdicts[WATCH_ENGINE_FAILED])
		return EXIT_FAILED;
	return report->verdict->pass ? EXIT_DONE : EXIT_BOOT;
}

const struct command command_check = {
	.name = "check",
	.summary = "boot a guest on a throw-away overlay and give a verdict",
	.args = "NAME.xml | DISK...",
	.min_args = 1,
	.max_args = 16,
	.opts = check_opts,
	.opts_size = sizeof(struct check_cli),
	.run = check_command,
};
