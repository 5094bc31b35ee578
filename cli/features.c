// SPDX-License-Identifier: LGPL-2.1-or-later
/* features: commands, options, modes and formats, for people and scripts. */
#include "cli/commands.h"

#include "formats/image.h"
#include "hv/kvm/kvm_probe.h"
#include "v2v/v2v.h"

#include <jansson.h>
#include <stdio.h>

static json_t *option_json(const struct opt *o)
{
	json_t *j = json_object();

	if (o->letter)
		json_object_set_new(j, "letter", json_string(o->letter));
	if (o->name)
		json_object_set_new(j, "name", json_string(o->name));
	if (o->arg)
		json_object_set_new(j, "argument", json_string(o->arg));
	json_object_set_new(j, "help", json_string(o->help));
	for (const char *const *c = o->choices; c && *c; c++) {
		if (c == o->choices)
			json_object_set_new(j, "choices", json_array());
		json_array_append_new(json_object_get(j, "choices"), json_string(*c));
	}
	return j;
}

static json_t *options_json(const struct opt *table)
{
	json_t *list = json_array();

	for (const struct opt *o = table; o && (o->letter || o->name); o++)
		json_array_append_new(list, option_json(o));
	return list;
}

static json_t *modes_json(const struct v2v_mode *(*mode)(unsigned))
{
	json_t *list = json_object();

	for (unsigned i = 0; mode(i); i++)
		json_object_set_new(list, mode(i)->name, json_string(mode(i)->description));
	return list;
}

static json_t *formats_json(void)
{
	json_t *list = json_object();

	for (const struct image_format *const *f = image_formats; *f; f++)
		json_object_set_new(list, (*f)->name,
			json_pack("{s:s, s:b, s:b}", "description", (*f)->description, "read",
				((*f)->can & IMAGE_CAN_READ) != 0, "create",
				((*f)->can & IMAGE_CAN_CREATE) != 0));
	return list;
}

static json_t *features_json(const struct kvm_probe *kvm)
{
	json_t *list = json_object();

	for (const struct command *const *c = commands; *c; c++)
		json_object_set_new(list, (*c)->name,
			json_pack("{s:s, s:s, s:o}", "summary", (*c)->summary, "arguments",
				(*c)->args, "options", options_json((*c)->opts)));
	return json_pack("{s:s, s:{s:s, s:s}, s:o, s:o, s:o, s:o, s:o}", "version",
		WHERRY_VERSION, "kvm", "verdict", kvm_verdict_name(kvm->verdict), "why",
		kvm->why, "inputs", modes_json(v2v_input_mode), "outputs",
		modes_json(v2v_output_mode), "formats", formats_json(), "options",
		options_json(cli_common_opts), "commands", list);
}

static void print_modes(const char *title, const struct v2v_mode *(*mode)(unsigned))
{
	for (unsigned i = 0; mode(i); i++)
		printf("%-9s %-9s %s\n", i ? "" : title, mode(i)->name, mode(i)->description);
}

static int features_run(const struct cli_common *common, void *opts, char **args)
{
	struct kvm_probe kvm;

	kvm_probe(&kvm);
	if (common->json) {
		cli_print_json(features_json(&kvm));
		return EXIT_DONE;
	}
	printf("version   %s\ncommands ", WHERRY_VERSION);
	for (const struct command *const *c = commands; *c; c++)
		printf(" %s", (*c)->name);
	putchar('\n');
	print_modes("inputs", v2v_input_mode);
	print_modes("outputs", v2v_output_mode);
	for (const struct image_format *const *f = image_formats; *f; f++)
		printf("%-9s %-9s %s%s\n", f == image_formats ? "formats" : "", (*f)->name,
			(*f)->description, (*f)->can & IMAGE_CAN_CREATE ? "" : " (read only)");
	printf("%-9s %s: %s\n", "kvm", kvm_verdict_name(kvm.verdict), kvm.why);
	return EXIT_DONE;
}

const struct command command_features = {
	.name = "features",
	.summary = "what this program can do, for scripts: commands, options, modes, formats",
	.args = "",
	.run = features_run,
};
