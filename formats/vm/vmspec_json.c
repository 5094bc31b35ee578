// SPDX-License-Identifier: LGPL-2.1-or-later
/* vmspec_json: a vmspec as JSON. */
#include "formats/vm/vmspec_json.h"

#include "formats/base/json.h"

static void put(json_t *o, const char *key, json_t *value)
{
	if (value)
		json_object_set_new(o, key, value);
}

/* NULL = not known. */
static json_t *text(const char *s)
{
	return s ? json_text(s) : NULL;
}

/* Numbers of which 0 means "not known". */
static json_t *known(uint64_t v)
{
	return v ? json_integer((json_int_t)MIN(v, (uint64_t)INT64_MAX)) : NULL;
}

static json_t *disk_json(const struct vm_disk *d)
{
	json_t *o = json_object();

	put(o, "id", text(d->id));
	put(o, "file", text(d->file));
	put(o, "format", text(d->format));
	put(o, "size", known(d->size));
	put(o, "bus", text(vm_bus_name(d->bus)));
	put(o, "model", text(d->model));
	put(o, "controller", json_integer(d->controller));
	put(o, "unit", json_integer(d->unit));
	put(o, "boot_order", known(d->boot_order));
	put(o, "serial", text(d->serial));
	put(o, "compression", text(d->compression));
	put(o, "chunk_size", known(d->chunk_size));
	return o;
}

static json_t *drive_json(const struct vm_drive *d)
{
	json_t *o = json_object();

	put(o, "kind", text(d->kind == VM_FLOPPY ? "floppy" : "cdrom"));
	put(o, "bus", text(vm_bus_name(d->bus)));
	put(o, "controller", json_integer(d->controller));
	put(o, "unit", json_integer(d->unit));
	put(o, "file", text(d->file));
	return o;
}

static json_t *nic_json(const struct vm_nic *n)
{
	json_t *o = json_object();

	put(o, "mac", text(n->mac));
	put(o, "model", text(n->model));
	put(o, "network", text(n->network));
	put(o, "bridge", json_boolean(n->bridge));
	put(o, "pci_slot", known(n->pci_slot));
	put(o, "guest_name", text(n->guest_name));
	put(o, "disconnected", json_boolean(n->disconnected));
	return o;
}

static void put_identity(json_t *o, const struct vmspec *vm)
{
	put(o, "name", text(vm->name));
	put(o, "description", text(vm->description));
	put(o, "uuid", text(vm->uuid));
	put(o, "serial", text(vm->serial));
	put(o, "genid", text(vm->genid));
	put(o, "source", text(vm->source));
	put(o, "os_hint", text(vm->os_hint));
}

static void put_machine(json_t *o, const struct vmspec *vm)
{
	put(o, "memory", known(vm->memory));
	put(o, "vcpus", known(vm->vcpus));
	put(o, "sockets", known(vm->sockets));
	put(o, "cores", known(vm->cores));
	put(o, "threads", known(vm->threads));
	put(o, "cpu_model", text(vm->cpu_model));
	put(o, "machine", text(vm_machine_name(vm->machine)));
	put(o, "firmware", text(vm_firmware_name(vm->firmware)));
	put(o, "secure_boot", json_boolean(vm->secure_boot));
	put(o, "tpm", json_boolean(vm->tpm));
	put(o, "clock", text(vm->clock_localtime ? "localtime" : "utc"));
	put(o, "display", text(vm->display));
	put(o, "sound", text(vm->sound));
	put(o, "agent_channel", json_boolean(vm->agent_channel));
	put(o, "rng", json_boolean(vm->rng));
	put(o, "balloon", json_boolean(vm->balloon));
	put(o, "pvpanic", json_boolean(vm->pvpanic));
	put(o, "serial_console", json_boolean(vm->serial_console));
}

json_t *vmspec_json(const struct vmspec *vm)
{
	json_t *o = json_object(), *disks = json_array(), *drives = json_array();
	json_t *nics = json_array(), *losses = json_array();

	for (unsigned i = 0; i < vm->n_disks; i++)
		json_array_append_new(disks, disk_json(&vm->disks[i]));
	for (unsigned i = 0; i < vm->n_drives; i++)
		json_array_append_new(drives, drive_json(&vm->drives[i]));
	for (unsigned i = 0; i < vm->n_nics; i++)
		json_array_append_new(nics, nic_json(&vm->nics[i]));
	strv_foreach (l, vm->losses)
		json_array_append_new(losses, text(*l));
	put_identity(o, vm);
	put_machine(o, vm);
	put(o, "disks", disks);
	put(o, "drives", drives);
	put(o, "nics", nics);
	put(o, "losses", losses);
	return o;
}

int vmspec_json_write(char **ret, const struct vmspec *vm, struct err *err)
{
	json_t *o = vmspec_json(vm);
	char *dump = json_dumps(o, JSON_INDENT(2));

	*ret = xasprintf("%s\n", dump ? dump : "");
	free(dump);
	json_decref(o);
	return 0;
}
