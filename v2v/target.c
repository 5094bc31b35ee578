// SPDX-License-Identifier: LGPL-2.1-or-later
/* target: the policy. */
#include "v2v/target.h"

#include "guestfix/plan.h"

#include <ctype.h>

/* What a machine gets whose description says nothing. */
#define DEFAULT_MEMORY (2 * GiB)

static bool is_mac(const char *s)
{
	for (unsigned i = 0; i < 17; i++)
		if (i % 3 == 2 ? s[i] != ':' : !isxdigit((unsigned char)s[i]))
			return false;
	return true;
}

int target_map_check(const struct target_map *map, struct err *err)
{
	strv_foreach (m, map->macs) {
		const char *rest = *m + 17;

		if (!is_mac(*m) || !((starts_with(rest, ":network:") && rest[9]) ||
					   (starts_with(rest, ":bridge:") && rest[8])))
			return err_set(err, EINVAL,
				"--mac %s: write MAC:network:NAME or MAC:bridge:NAME", *m);
	}
	char *const *const lists[] = {map->networks, map->bridges};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		strv_foreach (n, lists[i])
			if (!**n || **n == ':' || ends_with(*n, ":"))
				return err_set(err, EINVAL,
					"%s %s: write NAME, or OLD:NEW to map one network",
					i ? "-b" : "-n", *n);
	return 0;
}

/* The new name in an entry "old:new" for this name, or with old NULL in an entry "new" for all; the
 * last one wins. NULL = there is none. */
static const char *map_name(char *const *list, const char *old)
{
	const char *found = NULL;

	strv_foreach (m, list) {
		const char *colon = strchr(*m, ':');

		if (!old && !colon)
			found = *m;
		else if (old && colon && strlen(old) == (size_t)(colon - *m) &&
			 !strncmp(old, *m, (size_t)(colon - *m)))
			found = colon + 1;
	}
	return found;
}

static void connect(struct vm_nic *nic, const char *name, bool bridge)
{
	char *copy = xstrdup(name);

	free(nic->network);
	nic->network = copy;
	nic->bridge = bridge;
}

static void map_nic(struct vm_nic *nic, const struct target_map *map)
{
	const char *to;

	strv_foreach (m, map->macs) {
		if (!nic->mac || strncasecmp(*m, nic->mac, 17) != 0)
			continue;
		to = *m + 18;
		if (starts_with(to, "network:"))
			connect(nic, to + strlen("network:"), false);
		else
			connect(nic, to + strlen("bridge:"), true);
		return;
	}
	/* What names the network wins over what is for all. */
	if (nic->network && (to = map_name(map->bridges, nic->network)))
		connect(nic, to, true);
	else if (nic->network && (to = map_name(map->networks, nic->network)))
		connect(nic, to, false);
	else if ((to = map_name(map->bridges, NULL)))
		connect(nic, to, true);
	else if ((to = map_name(map->networks, NULL)))
		connect(nic, to, false);
	else if (!nic->network)
		connect(nic, "default", false);
}

static void plan_nics(struct vmspec *vm, const struct plan *plan, const struct target_map *map)
{
	for (unsigned i = 0; i < vm->n_nics; i++) {
		struct vm_nic *nic = &vm->nics[i];

		free(nic->model);
		nic->model = xstrdup(plan->caps.nic_model);
		nic->pci_slot = 0;
		map_nic(nic, map);
	}
	/* Interface names in the guest hang on these addresses now. */
	for (size_t i = 0; i < plan->n_nics; i++) {
		const struct plan_nic *p = &plan->nics[i];
		struct vm_nic *nic;

		if (p->index >= vm->n_nics)
			continue;
		nic = &vm->nics[p->index];
		free(nic->mac);
		nic->mac = xstrdup(p->mac);
		free(nic->guest_name);
		nic->guest_name = xstrdup_null(p->name);
	}
}

static void plan_disks(struct vmspec *vm, enum vm_bus bus)
{
	for (unsigned i = 0; i < vm->n_disks; i++) {
		struct vm_disk *d = &vm->disks[i];

		d->bus = bus;
		d->controller = 0;
		d->unit = i;
		d->boot_order = i + 1;
		d->chunk_size = 0;
		free(STEAL(d->file));
		free(STEAL(d->format));
		free(STEAL(d->model));
		free(STEAL(d->compression));
	}
}

/* CD drives go to SATA (q35) or IDE (pc), behind the disks if those are there too. Floppy drives
 * do not exist on q35. */
static void plan_drives(struct vmspec *vm)
{
	enum vm_bus bus = vm->machine == VM_MACHINE_PC ? VM_BUS_IDE : VM_BUS_SATA;
	unsigned first = vm->n_disks && vm->disks[0].bus == bus ? vm->n_disks : 0, n = 0;

	for (unsigned i = 0; i < vm->n_drives; i++) {
		struct vm_drive d = vm->drives[i];

		if (d.kind == VM_FLOPPY) {
			vmspec_lose(vm, "a floppy drive: the target has none");
			free(d.file);
			continue;
		}
		if (d.file) {
			vmspec_lose(vm, "the medium %s: the CD drive starts empty", d.file);
			free(STEAL(d.file));
		}
		d.bus = bus;
		d.controller = 0;
		d.unit = first + n;
		vm->drives[n++] = d;
	}
	vm->n_drives = n;
}

int target_plan(struct vmspec **ret, const struct vmspec *source, const struct plan *plan,
	const struct target_map *map, struct err *err)
{
	_auto_(vmspec) struct vmspec *vm = vmspec_copy(source);
	const struct caps *caps = &plan->caps;
	int r = target_map_check(map, err);

	if (r < 0)
		return r;
	/* The source's losses are reported with the source. */
	strv_free(STEAL(vm->losses));
	vm->machine = caps->machine;
	/* The disks know what they boot with; the description is believed where they are silent. */
	if (caps->firmware != VM_FIRMWARE_UNKNOWN)
		vm->firmware = caps->firmware;
	else if (vm->firmware == VM_FIRMWARE_UNKNOWN)
		vm->firmware = VM_FIRMWARE_BIOS;
	if (!vm->memory) {
		vm->memory = DEFAULT_MEMORY;
		vmspec_lose(vm,
			"the source does not say how much memory it has: 2 GiB were chosen");
	}
	if (!vm->vcpus)
		vm->vcpus = 1;
	if (vm->tpm) {
		vm->tpm = false;
		vmspec_lose(vm, "the TPM: its content cannot leave the source");
	}
	if (vm->sound)
		free(STEAL(vm->sound));
	plan_disks(vm, caps->disk_bus);
	plan_nics(vm, plan, map);
	plan_drives(vm);
	free(vm->display);
	vm->display = xstrdup("vga");
	vm->agent_channel = true;
	vm->rng = caps->rng;
	vm->balloon = caps->balloon;
	vm->pvpanic = caps->pvpanic;
	vm->serial_console = caps->serial_console;
	*ret = STEAL(vm);
	return 0;
}
