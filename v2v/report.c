// SPDX-License-Identifier: LGPL-2.1-or-later
/* report: everything a conversion knows, as JSON. */
#include "v2v/conversion.h"
#include "v2v/check/check.h"

#include "formats/base/json.h"
#include "formats/vm/vmspec_json.h"
#include "guestfix/facts.h"
#include "guestfix/plan.h"

/* Version of the report's form: grows when a field changes its meaning or goes away. */
#define REPORT_VERSION 1

static json_t *stages_json(const struct conversion *c)
{
	json_t *list = json_array();

	for (unsigned s = 0; s < V2V_N_STAGES; s++)
		if (c->seconds[s] >= 0)
			json_array_append_new(
				list, json_pack("{s:s, s:f}", "stage", v2v_stage_name(s),
					      "seconds", c->seconds[s]));
	return list;
}

static json_t *output_json(const struct conversion *c)
{
	json_t *disks = json_array();

	for (unsigned i = 0; i < c->target->n_disks; i++)
		json_array_append_new(
			disks, json_pack("{s:o, s:s?, s:I}", "file",
				       json_text(c->target->disks[i].file), "format",
				       c->target->disks[i].format, "size",
				       (json_int_t)c->target->disks[i].size));
	return json_pack("{s:s, s:o, s:o, s:I, s:I, s:i}", "mode", c->out->mode.name,
		"description", json_text(c->output_path), "disks", disks, "bytes_written",
		(json_int_t)c->copied, "bytes_zero", (json_int_t)c->holes, "disks_verified",
		(int)c->verified);
}

json_t *v2v_report(const struct conversion *c)
{
	json_t *j = json_pack("{s:s, s:i, s:{s:b, s:s?}}", "wherry", WHERRY_VERSION,
		"report_version", REPORT_VERSION, "kvm", "usable", c->opts.kvm_usable, "why",
		c->opts.kvm_why);

	if (c->source)
		json_object_set_new(j, "source", vmspec_json(c->source));
	if (c->facts)
		json_object_set_new(j, "guest", facts_json(c->facts));
	if (c->plan)
		json_object_set_new(j, "plan", plan_json(c->plan));
	if (c->target)
		json_object_set_new(j, "target", vmspec_json(c->target));
	if (c->out && c->target)
		json_object_set_new(j, "output", output_json(c));
	if (c->check)
		json_object_set_new(j, "check", check_report_json(c->check));
	json_object_set_new(j, "warnings", json_texts(c->warnings));
	json_object_set_new(j, "stages", stages_json(c));
	return j;
}
