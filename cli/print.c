// SPDX-License-Identifier: LGPL-2.1-or-later
/* print: what people read on standard output. */
#include "cli/print.h"

#include "guestfix/facts.h"
#include "guestfix/plan.h"
#include "v2v/check/check.h"
#include "v2v/v2v.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

/* Text of a guest or description on a terminal: nothing that moves the cursor. */
static void put(const char *s)
{
	for (; *s; s++)
		putchar(iscntrl((unsigned char)*s) ? '?' : *s);
}

static void heading(const char *text)
{
	printf("\n%s\n", text);
}

static void field(const char *name, const char *value)
{
	printf("  %-12s ", name);
	put(value);
	putchar('\n');
}

static void list(const char *title, char *const *items)
{
	if (!strv_len(items))
		return;
	heading(title);
	strv_foreach (i, items) {
		printf("  - ");
		put(*i);
		putchar('\n');
	}
}

/* Warnings of the plan that were not among those of the inspection, which it has all. */
static void list_new(const char *title, char *const *items, char *const *known)
{
	_auto_(strv) char **fresh = NULL;

	strv_foreach (i, items)
		if (!strv_has(known, *i))
			strv_add(&fresh, *i);
	list(title, fresh);
}

static void print_disk(const struct vm_disk *d, unsigned i)
{
	_auto_(mem) char *name = xasprintf("disk %u", i + 1);
	_auto_str_ struct str s = STR_INIT;
	char size[32];

	str_addf(&s, "%s on %s %u:%u", format_size(size, sizeof(size), d->size),
		vm_bus_name(d->bus), d->controller, d->unit);
	if (d->file)
		str_addf(&s, ", %s %s", d->format ? d->format : "in", d->file);
	field(name, s.s);
}

static void print_drive(const struct vm_drive *d)
{
	_auto_(mem) char *text = xasprintf("on %s %u:%u, %s", vm_bus_name(d->bus),
		d->controller, d->unit, d->file ? d->file : "empty");

	field(d->kind == VM_CDROM ? "cd drive" : "floppy drive", text);
}

static void print_nic(const struct vm_nic *n, unsigned i)
{
	_auto_(mem) char *name = xasprintf("nic %u", i + 1);
	_auto_(mem) char *text = xasprintf("%s, %s, %s %s%s%s",
		n->mac ? n->mac : "address unknown", n->model ? n->model : "model unknown",
		n->bridge ? "bridge" : "network", n->network ? n->network : "unknown",
		n->guest_name ? ", the guest's " : "", n->guest_name ? n->guest_name : "");

	field(name, text);
}

static void print_spec(const char *title, const struct vmspec *vm)
{
	_auto_(mem) char *cpu = xasprintf("%u", vm->vcpus);
	char memory[32];

	heading(title);
	field("name", vm->name ? vm->name : "(none)");
	if (vm->os_hint)
		field("described as", vm->os_hint);
	field("memory", format_size(memory, sizeof(memory), vm->memory));
	field("vCPUs", cpu);
	field("firmware", vm_firmware_name(vm->firmware));
	if (vm->machine != VM_MACHINE_UNKNOWN)
		field("machine", vm_machine_name(vm->machine));
	for (unsigned i = 0; i < vm->n_disks; i++)
		print_disk(&vm->disks[i], i);
	for (unsigned i = 0; i < vm->n_drives; i++)
		print_drive(&vm->drives[i]);
	for (unsigned i = 0; i < vm->n_nics; i++)
		print_nic(&vm->nics[i], i);
}

static void print_guest(const struct facts *f)
{
	heading("Guest");
	field("system", f->os_name ? f->os_name : f->os_id ? f->os_id : "unknown");
	if (f->hostname)
		field("host name", f->hostname);
	for (size_t i = 0; i < f->n_kernels; i++) {
		const struct facts_kernel *k = &f->kernels[i];
		_auto_(mem) char *text =
			xasprintf("%s%s%s", k->version, k->initrd_path ? "" : " (no initramfs)",
				k->is_default ? " (default)" : "");

		field("kernel", text);
	}
	for (size_t i = 0; i < f->n_mounts; i++) {
		const struct facts_volume *v = &f->volumes[f->mounts[i].volume];
		_auto_(mem) char *text =
			xasprintf("%s %s", f->mounts[i].dir, v->type ? v->type : "unknown");

		field("file system", text);
	}
}

void print_machine(const struct vmspec *vm, char *const *warnings)
{
	print_spec("Machine", vm);
	list("Could not be expressed", vm->losses);
	list("Warnings", warnings);
}

void print_inspection(const struct conversion *c)
{
	print_machine(v2v_source(c), v2v_warnings(c));
	print_guest(v2v_facts(c));
	list("Noticed in the guest", v2v_facts(c)->warnings);
}

static void print_edits(const struct plan *p, bool reasons)
{
	for (size_t i = 0; i < p->n_edits; i++) {
		const struct edit *e = &p->edits[i];

		printf("  %-10s ", e->rule);
		put(e->path);
		printf("\n  %-10s   ", "");
		put(e->summary);
		putchar('\n');
		if (reasons && e->reason) {
			printf("  %-10s   because ", "");
			put(e->reason);
			putchar('\n');
		}
	}
	if (!p->n_edits)
		puts("  nothing: the guest can boot on KVM as it is");
}

void print_plan(const struct conversion *c)
{
	const struct plan *p = v2v_plan(c);

	print_inspection(c);
	heading("Edits");
	print_edits(p, true);
	print_spec("Target", v2v_target(c));
	list("Could not be kept", v2v_target(c)->losses);
	list_new("Warnings about the edits", p->warnings, v2v_facts(c)->warnings);
	list("To do by hand", p->todo);
}

bool print_is_virtio(const struct vmspec *vm)
{
	for (unsigned i = 0; i < vm->n_disks; i++)
		if (vm->disks[i].bus != VM_BUS_VIRTIO_BLK &&
			vm->disks[i].bus != VM_BUS_VIRTIO_SCSI)
			return false;
	for (unsigned i = 0; i < vm->n_nics; i++)
		if (!vm->nics[i].model || strcmp(vm->nics[i].model, "virtio") != 0)
			return false;
	return true;
}

static void print_times(const struct conversion *c)
{
	double total = 0;

	heading("Time");
	for (unsigned s = 0; s < V2V_N_STAGES; s++) {
		double t = v2v_seconds(c, s);

		if (t < 0)
			continue;
		printf("  %-12s %6.1f s\n", v2v_stage_name(s), t);
		total += t;
	}
	printf("  %-12s %6.1f s\n", "total", total);
}

static void print_phases(const struct check_report *r)
{
	const char *sep = "";

	printf("  time      %.1f s (", r->seconds);
	for (unsigned i = 0; i < WATCH_N_PHASES; i++) {
		if (r->phase[i] < 0)
			continue;
		printf("%s%s at %.1f", sep, watch_phase_name((enum watch_phase)i), r->phase[i]);
		sep = ", ";
	}
	printf(")\n");
}

static void print_devices(const struct check_report *r)
{
	if (r->devices_error)
		printf("  devices   %s\n", r->devices_error);
	for (unsigned i = 0; i < r->n_devices; i++)
		if (r->devices[i].what[0])
			printf("  %-9s %s: %s\n", r->devices[i].what, r->devices[i].name,
				engine_device_state_name(r->devices[i].state));
}

void print_check(const struct check_report *r)
{
	printf("%s %s: %s\n", r->verdict->pass ? "PASS" : "FAIL", r->verdict->name,
		r->verdict->sentence);
	if (r->detail[0])
		printf("  seen      %s\n", r->detail);
	if (r->cause[0] && !r->verdict->pass)
		printf("  before    %s\n", r->cause);
	if (r->verdict->advice)
		printf("  advice    %s\n", r->verdict->advice);
	print_phases(r);
	printf("  machine   %s, %s, %llu MiB, %u vCPUs\n", r->engine,
		r->kvm ? "KVM" : "emulation", (unsigned long long)(r->memory / MiB), r->vcpus);
	if (r->accel_why[0])
		printf("            %s\n", r->accel_why);
	if (r->console == CHECK_CONSOLE_ADDED)
		printf("  console   put on ttyS0 for this boot only\n");
	print_devices(r);
	strv_foreach (note, r->notes)
		printf("  note      %s\n", *note);
	if (r->serial_log)
		printf("  evidence  %s\n", r->serial_log);
	if (r->screen)
		printf("            %s\n", r->screen);
	if (r->machine)
		printf("            %s\n", r->machine);
	if (r->json)
		printf("            %s\n", r->json);
}

void print_summary(const struct conversion *c)
{
	const struct plan *p = v2v_plan(c);
	const struct vmspec *target = v2v_target(c);

	print_guest(v2v_facts(c));
	heading("Changed in the guest");
	print_edits(p, false);
	list("Could not be expressed", v2v_source(c)->losses);
	list("Could not be kept", target->losses);
	list("Warnings", v2v_warnings(c));
	list("Noticed in the guest", v2v_facts(c)->warnings);
	list_new("Warnings about the edits", p->warnings, v2v_facts(c)->warnings);
	list("To do by hand", p->todo);
	print_times(c);
	if (v2v_output_path(c)) {
		heading("Result");
		field("description", v2v_output_path(c));
		for (unsigned i = 0; i < target->n_disks; i++)
			field("disk", target->disks[i].file);
		field("report", v2v_report_path(c));
		if (v2v_verified(c)) {
			_auto_(mem) char *text =
				xasprintf("%u of %u disks agree with the package's manifest",
					v2v_verified(c), target->n_disks);

			field("checksums", text);
		}
	}
	if (v2v_check_report(c)) {
		putchar('\n');
		print_check(v2v_check_report(c));
	}
	if (!v2v_check_report(c) && v2v_output_path(c))
		printf("\nNot proven yet: wherry check %s\n", v2v_output_path(c));
}
