// SPDX-License-Identifier: LGPL-2.1-or-later
// plan: a plan as data: freeing, printing.
#include "guestfix/plan.h"

#include "formats/base/json.h"

void plan_free(struct plan *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n_edits; i++) {
		struct edit *e = &p->edits[i];

		free(e->path);
		free(e->summary);
		free(e->reason);
		free(e->old);
		free(e->data);
		free(e->target);
	}
	free(p->edits);
	for (size_t i = 0; i < p->n_nics; i++) {
		free(p->nics[i].mac);
		free(p->nics[i].name);
	}
	free(p->nics);
	strv_free(p->todo);
	strv_free(p->warnings);
	free(p);
}

static const char *const kind_names[] = {
	[EDIT_WRITE] = "write",
	[EDIT_APPEND] = "append",
	[EDIT_SYMLINK] = "symlink",
	[EDIT_MKDIR] = "mkdir",
	[EDIT_REMOVE] = "remove",
	[EDIT_COPY] = "copy",
};

/* Text that may hold bytes of the guest. */
static void set(json_t *o, const char *key, const char *value)
{
	json_object_set_new(o, key, json_text(value));
}

static json_t *edit_json(const struct edit *e)
{
	json_t *o = json_object();

	set(o, "rule", e->rule);
	set(o, "kind", kind_names[e->kind]);
	set(o, "path", e->path);
	if (e->target)
		set(o, "target", e->target);
	set(o, "summary", e->summary);
	set(o, "reason", e->reason);
	json_object_set_new(o, "bytes", json_integer((json_int_t)e->len));
	return o;
}

static json_t *caps_json(const struct caps *c)
{
	json_t *o = json_object();

	set(o, "disk_bus", vm_bus_name(c->disk_bus));
	set(o, "nic_model", c->nic_model);
	set(o, "machine", vm_machine_name(c->machine));
	set(o, "firmware", vm_firmware_name(c->firmware));
	json_object_set_new(o, "virtio_1_0", json_boolean(c->virtio_1_0));
	json_object_set_new(o, "rng", json_boolean(c->rng));
	json_object_set_new(o, "balloon", json_boolean(c->balloon));
	json_object_set_new(o, "pvpanic", json_boolean(c->pvpanic));
	json_object_set_new(o, "vsock", json_boolean(c->vsock));
	json_object_set_new(o, "agent", json_boolean(c->agent));
	json_object_set_new(o, "serial_console", json_boolean(c->serial_console));
	return o;
}

json_t *plan_json(const struct plan *p)
{
	json_t *o = json_object(), *a = json_array();

	for (size_t i = 0; i < p->n_edits; i++)
		json_array_append_new(a, edit_json(&p->edits[i]));
	json_object_set_new(o, "edits", a);
	json_object_set_new(o, "caps", caps_json(&p->caps));

	a = json_array();
	for (size_t i = 0; i < p->n_nics; i++) {
		json_t *n = json_object();

		json_object_set_new(n, "index", json_integer(p->nics[i].index));
		set(n, "mac", p->nics[i].mac);
		set(n, "name", p->nics[i].name);
		json_object_set_new(n, "new_mac", json_boolean(p->nics[i].new_mac));
		json_array_append_new(a, n);
	}
	json_object_set_new(o, "nics", a);
	json_object_set_new(o, "todo", json_texts(p->todo));
	json_object_set_new(o, "warnings", json_texts(p->warnings));
	return o;
}
