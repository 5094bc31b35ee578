// SPDX-License-Identifier: LGPL-2.1-or-later
/* boot: a console for one boot, and the check stage. */
#include "v2v/boot.h"

#include "v2v/check/check.h"
#include "v2v/conversion.h"

#include "formats/image.h"
#include "guestfix/facts.h"
#include "guestfix/guest.h"
#include "guestfix/plan.h"

static int add_console(struct guest *guest, const struct vmspec *vm, struct facts **facts,
	struct plan **plan, struct err *err)
{
	int r = facts_collect(facts, guest, vm, err);

	if (r >= 0)
		r = guestfix_plan_console(plan, *facts, err);
	if (r >= 0)
		r = guestfix_apply(guest, *plan, err);
	return r < 0 ? guest_explain(guest, r, err) : guest_close(guest, err);
}

int boot_console_prepare(
	void *opaque, const struct vmspec *vm, struct block *const *overlays, struct err *err)
{
	struct boot_console *console = opaque;
	struct guest_open how = {
		.force_tcg = !console->kvm_usable,
		.progress = console->progress,
	};
	struct guest *guest = NULL;
	struct facts *facts = NULL;
	struct plan *plan = NULL;
	struct err inner = {0};
	int r;

	r = guest_open(&guest, overlays, vm->n_disks, &how, &inner);
	if (r >= 0)
		r = add_console(guest, vm, &facts, &plan, &inner);
	if (r >= 0)
		r = plan->n_edits ? CHECK_CONSOLE_ADDED : CHECK_CONSOLE_THERE;
	plan_free(plan);
	facts_free(facts);
	guest_free(guest);
	if (r == -ECANCELED)
		return err_pass(err, &inner);
	if (r < 0) {
		/* Not a guest that can be edited: it is booted as it is, and the report says so. */
		console->why_not = inner;
		return 0;
	}
	return r;
}

static void free_blocks(struct block **blocks, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		block_free(blocks[i]);
	free(blocks);
}

/* The machine that was written, opened from its files, as a user of them would. */
static int open_output(const struct vmspec *vm, struct block **disks, struct err *err)
{
	for (unsigned i = 0; i < vm->n_disks; i++) {
		int r = image_open(
			&disks[i], vm->disks[i].file, vm->disks[i].format, NULL, NULL, err);

		if (r < 0)
			return r;
	}
	return 0;
}

int v2v_check(struct conversion *c, struct err *err)
{
	struct boot_console console = {
		.kvm_usable = c->opts.kvm_usable, .progress = c->opts.progress};
	bool has_console = c->target->serial_console;
	struct check_opts how = {
		.kvm = c->opts.kvm_usable,
		.accel_why = c->opts.kvm_why,
		.timeout = c->opts.check_timeout,
		.no_console = !has_console,
		.prepare = has_console ? NULL : boot_console_prepare,
		.prepare_opaque = &console,
		.progress = c->opts.progress,
	};
	_auto_(mem) char *evidence =
		c->opts.evidence
			? xstrdup(c->opts.evidence)
			: xasprintf("%s/%s.check", c->opts.directory ? c->opts.directory : ".",
				  c->target->name);
	struct block **disks;
	int r;

	if (!c->output_path)
		return err_set(err, EINVAL, "-o %s keeps nothing that could be booted",
			c->out->mode.name);
	how.evidence = evidence;
	disks = xcalloc(c->target->n_disks, sizeof(*disks));
	r = open_output(c->target, disks, err);
	if (r >= 0)
		r = check_run(&c->check, c->target, disks, &how, err);
	free_blocks(disks, c->target->n_disks);
	if (console.why_not.code)
		v2v_warn(c, "no serial console for the boot check: %s", console.why_not.text);
	return r;
}
