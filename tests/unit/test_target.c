// SPDX-License-Identifier: LGPL-2.1-or-later
/* target: what the converted machine gets. */
#include "tests/unit/test.h"

#include "guestfix/plan.h"
#include "v2v/target.h"

/* A machine with everything, as a source may have it. */
static struct vmspec *source(void)
{
	struct vmspec *vm = vmspec_new();
	struct vm_disk *disk;
	struct vm_drive *drive;
	struct vm_nic *nic;

	vm->name = xstrdup("web01");
	vm->uuid = xstrdup("564d1f2e-0000-4000-8000-000000000001");
	vm->memory = 3 * GiB;
	vm->vcpus = 6;
	vm->sockets = 3;
	vm->cores = 2;
	vm->firmware = VM_FIRMWARE_BIOS;
	vm->tpm = true;
	vmspec_lose(vm, "said by the parser");
	for (unsigned i = 0; i < 2; i++) {
		disk = vmspec_add_disk(vm);
		disk->id = xasprintf("vmdisk%u", i);
		disk->file = xasprintf("web01-disk%u.vmdk", i);
		disk->format = xstrdup("vmdk");
		disk->size = (i + 1) * GiB;
		disk->bus = VM_BUS_SCSI;
		disk->controller = i;
		disk->unit = 5 * i;
	}
	drive = vmspec_add_drive(vm);
	drive->kind = VM_FLOPPY;
	drive = vmspec_add_drive(vm);
	drive->kind = VM_CDROM;
	drive->bus = VM_BUS_IDE;
	drive->file = xstrdup("install.iso");
	for (unsigned i = 0; i < 2; i++) {
		nic = vmspec_add_nic(vm);
		nic->mac = xasprintf("00:50:56:00:00:0%u", i);
		nic->model = xstrdup("VmxNet3");
		nic->network = xstrdup(i ? "Storage" : "VM Network");
		nic->pci_slot = 192;
	}
	return vm;
}

static struct plan virtio_plan(void)
{
	return (struct plan){.caps = {.disk_bus = VM_BUS_VIRTIO_BLK,
				     .nic_model = "virtio",
				     .rng = true,
				     .virtio_1_0 = true,
				     .machine = VM_MACHINE_Q35,
				     .firmware = VM_FIRMWARE_UNKNOWN}};
}

static struct vmspec *planned(const struct plan *plan, const struct target_map *map)
{
	_auto_(vmspec) struct vmspec *from = source();
	struct vmspec *to = NULL;
	struct err err = {0};

	assert_ok(target_plan(&to, from, plan, map, &err));
	return to;
}

static bool lost(const struct vmspec *vm, const char *part)
{
	strv_foreach (l, vm->losses)
		if (strstr(*l, part))
			return true;
	return false;
}

static void identity_memory_and_processors_are_kept(void **state)
{
	struct plan plan = virtio_plan();
	_auto_(vmspec) struct vmspec *vm = planned(&plan, &(struct target_map){0});

	assert_string_equal(vm->uuid, "564d1f2e-0000-4000-8000-000000000001");
	assert_int_equal(vm->memory, 3 * GiB);
	assert_int_equal(vm->vcpus, 6);
	assert_int_equal(vm->sockets * vm->cores, 6);
	assert_int_equal(vm->machine, VM_MACHINE_Q35);
	assert_true(vm->agent_channel);
	assert_true(vm->rng);
	assert_false(vm->balloon);
}

static void disks_go_to_the_planned_bus_in_their_order(void **state)
{
	struct plan plan = virtio_plan();
	_auto_(vmspec) struct vmspec *vm = planned(&plan, &(struct target_map){0});

	assert_int_equal(vm->n_disks, 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(vm->disks[i].bus, VM_BUS_VIRTIO_BLK);
		assert_int_equal(vm->disks[i].unit, i);
		assert_int_equal(vm->disks[i].boot_order, i + 1);
		assert_int_equal(vm->disks[i].size, (i + 1) * GiB);
		assert_null(vm->disks[i].file);
	}
}

static void what_the_target_cannot_have_is_said(void **state)
{
	struct plan plan = virtio_plan();
	_auto_(vmspec) struct vmspec *vm = planned(&plan, &(struct target_map){0});

	assert_true(lost(vm, "floppy"));
	assert_true(lost(vm, "install.iso"));
	assert_true(lost(vm, "TPM"));
	assert_false(vm->tpm);
	assert_false(lost(vm, "said by the parser")); /* the source's own list has it */
	assert_int_equal(vm->n_drives, 1);
	assert_int_equal(vm->drives[0].bus, VM_BUS_SATA);
	assert_null(vm->drives[0].file);
}

static void drives_keep_clear_of_disks_on_their_bus(void **state)
{
	struct plan plan = virtio_plan();
	_auto_(vmspec) struct vmspec *vm = NULL;

	plan.caps.disk_bus = VM_BUS_SATA;
	vm = planned(&plan, &(struct target_map){0});
	assert_int_equal(vm->drives[0].unit, 2);
}

static void the_disks_decide_the_firmware(void **state)
{
	struct plan plan = virtio_plan();
	_auto_(vmspec) struct vmspec *a = planned(&plan, &(struct target_map){0});
	_auto_(vmspec) struct vmspec *b = NULL;

	assert_int_equal(a->firmware, VM_FIRMWARE_BIOS);
	plan.caps.firmware = VM_FIRMWARE_UEFI;
	b = planned(&plan, &(struct target_map){0});
	assert_int_equal(b->firmware, VM_FIRMWARE_UEFI);
}

static void cards_keep_their_networks_unless_mapped(void **state)
{
	struct plan plan = virtio_plan();
	char *networks[] = {(char *)"Storage:san", NULL};
	char *bridges[] = {(char *)"br0", NULL};
	char *macs[] = {(char *)"00:50:56:00:00:01:network:by-address", NULL};
	_auto_(vmspec) struct vmspec *plain = planned(&plan, &(struct target_map){0});
	_auto_(vmspec) struct vmspec *named =
		planned(&plan, &(struct target_map){.networks = networks});
	_auto_(vmspec) struct vmspec *bridged =
		planned(&plan, &(struct target_map){.bridges = bridges});
	_auto_(vmspec) struct vmspec *both =
		planned(&plan, &(struct target_map){.networks = networks, .bridges = bridges});
	_auto_(vmspec) struct vmspec *by_mac =
		planned(&plan, &(struct target_map){.bridges = bridges, .macs = macs});

	assert_string_equal(plain->nics[0].network, "VM Network");
	assert_string_equal(plain->nics[0].model, "virtio");
	assert_string_equal(plain->nics[0].mac, "00:50:56:00:00:00");
	assert_string_equal(named->nics[0].network, "VM Network");
	assert_string_equal(named->nics[1].network, "san");
	assert_string_equal(both->nics[0].network, "br0");
	assert_string_equal(both->nics[1].network, "san"); /* named beats for all */
	assert_false(both->nics[1].bridge);
	assert_string_equal(bridged->nics[0].network, "br0");
	assert_true(bridged->nics[0].bridge);
	assert_string_equal(by_mac->nics[1].network, "by-address");
	assert_false(by_mac->nics[1].bridge);
	assert_true(by_mac->nics[0].bridge);
}

static void names_that_hang_on_an_address_decide_it(void **state)
{
	struct plan plan = virtio_plan();
	char mac[] = "52:54:00:aa:bb:cc", name[] = "ens192";
	struct plan_nic nic = {.index = 1, .mac = mac, .name = name};
	_auto_(vmspec) struct vmspec *vm = NULL;

	plan.nics = &nic;
	plan.n_nics = 1;
	vm = planned(&plan, &(struct target_map){0});
	assert_string_equal(vm->nics[1].mac, "52:54:00:aa:bb:cc");
	assert_string_equal(vm->nics[1].guest_name, "ens192");
	assert_string_equal(vm->nics[0].mac, "00:50:56:00:00:00");
}

static void malformed_maps_are_named(void **state)
{
	static const char *const bad_macs[] = {"00:50:56:00:00:01", "00:50:56:00:00:01:net:x",
		"00:50:56:00:00:01:bridge:", "zz:50:56:00:00:01:bridge:x", "", "0"};
	static const char *const bad_names[] = {"", ":new", "old:"};
	struct err err = {0};

	for (size_t i = 0; i < ARRAY_SIZE(bad_macs); i++) {
		char *list[] = {(char *)bad_macs[i], NULL};

		assert_fails(target_map_check(&(struct target_map){.macs = list}, &err), EINVAL,
			"--mac");
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad_names); i++) {
		char *list[] = {(char *)bad_names[i], NULL};

		assert_fails(target_map_check(&(struct target_map){.networks = list}, &err),
			EINVAL, "-n");
		assert_fails(target_map_check(&(struct target_map){.bridges = list}, &err),
			EINVAL, "-b");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(identity_memory_and_processors_are_kept),
		cmocka_unit_test(disks_go_to_the_planned_bus_in_their_order),
		cmocka_unit_test(what_the_target_cannot_have_is_said),
		cmocka_unit_test(drives_keep_clear_of_disks_on_their_bus),
		cmocka_unit_test(the_disks_decide_the_firmware),
		cmocka_unit_test(cards_keep_their_networks_unless_mapped),
		cmocka_unit_test(names_that_hang_on_an_address_decide_it),
		cmocka_unit_test(malformed_maps_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
