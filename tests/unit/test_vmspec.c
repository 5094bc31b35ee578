// SPDX-License-Identifier: LGPL-2.1-or-later
/* vmspec and vm_text: copying, sorting, and the small texts. */
#include "tests/unit/test.h"

#include "formats/vm/vm_text.h"
#include "formats/vm/vmspec.h"

static void a_copy_shares_nothing(void **state)
{
	_auto_(vmspec) struct vmspec *vm = vmspec_new(), *c = NULL;

	vm->name = xstrdup("n");
	vm->sound = xstrdup("ac97");
	vm->memory = 7;
	vmspec_add_disk(vm)->file = xstrdup("f");
	vmspec_add_disk(vm)->serial = xstrdup("s");
	vmspec_add_drive(vm)->file = xstrdup("d");
	vmspec_add_nic(vm)->guest_name = xstrdup("g");
	vmspec_lose(vm, "%s", "l");
	c = vmspec_copy(vm);
	vm->name[0] = vm->sound[0] = vm->disks[0].file[0] = vm->disks[1].serial[0] = 'X';
	vm->drives[0].file[0] = vm->nics[0].guest_name[0] = vm->losses[0][0] = 'X';
	assert_string_equal(c->name, "n");
	assert_string_equal(c->sound, "ac97");
	assert_int_equal(c->memory, 7);
	assert_int_equal(c->n_disks, 2);
	assert_string_equal(c->disks[0].file, "f");
	assert_string_equal(c->disks[1].serial, "s");
	assert_string_equal(c->drives[0].file, "d");
	assert_string_equal(c->nics[0].guest_name, "g");
	assert_string_equal(c->losses[0], "l");
	assert_null(c->losses[1]);
}

static void losses_are_bounded(void **state)
{
	_auto_(vmspec) struct vmspec *vm = vmspec_new();

	for (int i = 0; i < VM_MAX_LOSSES + 10; i++)
		vmspec_lose(vm, "%d", i);
	assert_int_equal(strv_len(vm->losses), VM_MAX_LOSSES);
}

static void disks_stand_in_firmware_order(void **state)
{
	static const struct {
		const char *id; /* the digit is the expected place */
		enum vm_bus bus;
		unsigned controller, unit, boot;
	} rows[] = {
		{"9", VM_BUS_IDE, 0, 0, 0}, {"7", VM_BUS_SATA, 0, 1, 0},
		{"3", VM_BUS_SCSI, 0, 1, 0}, {"4", VM_BUS_SCSI, 1, 0, 0},
		{"1", VM_BUS_IDE, 1, 1, 2}, {"2", VM_BUS_SCSI, 0, 0, 0},
		{"6", VM_BUS_NVME, 0, 0, 0}, {"0", VM_BUS_SATA, 0, 0, 1},
		{"5", VM_BUS_SCSI, 1, 10, 0},
		{"8", VM_BUS_SATA, 0, 1, 0}, /* the same place as 7: description order */
	};
	_auto_(vmspec) struct vmspec *vm = vmspec_new();

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vm_disk *d = vmspec_add_disk(vm);

		d->id = xstrdup(rows[i].id);
		d->bus = rows[i].bus;
		d->controller = rows[i].controller;
		d->unit = rows[i].unit;
		d->boot_order = rows[i].boot;
	}
	vmspec_sort_disks(vm);
	for (unsigned i = 0; i < vm->n_disks; i++)
		assert_int_equal(vm->disks[i].id[0], '0' + i);
}

static void every_value_has_a_name(void **state)
{
	for (int b = VM_BUS_UNKNOWN; b <= VM_BUS_VIRTIO_SCSI; b++)
		assert_non_null(vm_bus_name(b));
	assert_string_equal(vm_bus_name(VM_BUS_VIRTIO_SCSI), "virtio-scsi");
	assert_string_equal(vm_firmware_name(VM_FIRMWARE_UEFI), "uefi");
	assert_string_equal(vm_machine_name(VM_MACHINE_Q35), "q35");
}

static void uuids_of_all_forms_become_one(void **state)
{
	static const char *const good[] = {
		"564d1234-5678-9abc-def0-0123456789ab",
		"56 4d 12 34 56 78 9a bc-de f0 01 23 45 67 89 ab",
		"{564D1234-5678-9ABC-DEF0-0123456789AB}",
		"564d123456789abcdef00123456789ab",
	};
	static const char *const bad[] = {"", "564d", "564d1234-5678-9abc-def0-0123456789a",
		"564d1234-5678-9abc-def0-0123456789ab0", "564d1234-5678-9abc-def0-0123456789ag",
		"564d1234_5678_9abc_def0_0123456789ab"};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_auto_(mem) char *uuid = NULL;

		assert_int_equal(vm_uuid_parse(good[i], &uuid), 0);
		assert_string_equal(uuid, "564d1234-5678-9abc-def0-0123456789ab");
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char *uuid = NULL;

		assert_int_equal(vm_uuid_parse(bad[i], &uuid), -EINVAL);
		assert_null(uuid);
	}
	assert_int_equal(vm_uuid_parse(NULL, NULL), -EINVAL);
}

static void a_generation_id_is_two_little_endian_halves(void **state)
{
	_auto_(mem) char *id = NULL;
	char *none = NULL;

	/* Bytes 00 01 02 .. 0f in memory: 0x0706050403020100 and 0x0f0e0d0c0b0a0908. */
	assert_int_equal(
		vm_genid_from_halves("506097522914230528", "1084818905618843912", &id), 0);
	assert_string_equal(id, "03020100-0504-0706-0809-0a0b0c0d0e0f");
	free(STEAL(id));
	assert_int_equal(vm_genid_from_halves("-1", "-9223372036854775808", &id), 0);
	assert_string_equal(id, "ffffffff-ffff-ffff-0000-000000000080");
	assert_int_equal(vm_genid_from_halves("1", NULL, &none), -EINVAL);
	assert_int_equal(vm_genid_from_halves("x", "1", &none), -EINVAL);
	assert_int_equal(vm_genid_from_halves("1", "--1", &none), -EINVAL);
	assert_int_equal(vm_genid_from_halves("9223372036854775808", "1", &none), -EINVAL);
}

static void mac_addresses_of_all_forms_become_one(void **state)
{
	static const char *const good[] = {
		"00:50:56:AA:bb:0c", "00-50-56-aa-bb-0c", "005056AABB0C", "0050.56aa.bb0c"};
	static const char *const bad[] = {"", "00:50:56:aa:bb", "00:50:56:aa:bb:cc:dd",
		"00:00:00:00:00:00", "01:50:56:aa:bb:cc", "ff:ff:ff:ff:ff:ff",
		"00:50:56:aa:bb:cg", "${mac}"};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_auto_(mem) char *mac = NULL;

		assert_int_equal(vm_mac_parse(good[i], &mac), 0);
		assert_string_equal(mac, "00:50:56:aa:bb:0c");
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(vm_mac_parse(bad[i], NULL), -EINVAL);
}

static void names_lose_control_characters_and_length(void **state)
{
	_auto_(mem) char *a = vm_name_clean("  web\x1b[2J\n01 "), *b = NULL, *c = NULL,
			 *d = NULL;
	char longest[VM_NAME_MAX + 2];

	assert_string_equal(a, "web [2J 01");
	assert_null(vm_name_clean(" \n"));
	assert_null(vm_name_clean(NULL));
	b = vm_description_clean("one\r\n two\x02\n");
	assert_string_equal(b, "one\n two");
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = 0;
	c = vm_name_clean(longest);
	assert_int_equal(strlen(c), VM_NAME_MAX);
	/* A two-byte character over the edge goes as a whole. */
	memcpy(longest + VM_NAME_MAX - 1, "\xc3\xa4", 2);
	d = vm_name_clean(longest);
	assert_int_equal(strlen(d), VM_NAME_MAX - 1);
}

static void booleans_are_read(void **state)
{
	assert_true(vm_bool("TRUE", false));
	assert_true(vm_bool("1", false));
	assert_false(vm_bool("False", true));
	assert_true(vm_bool("maybe", true));
	assert_true(vm_bool(NULL, true));
	assert_false(vm_bool("", false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_copy_shares_nothing),
		cmocka_unit_test(losses_are_bounded),
		cmocka_unit_test(disks_stand_in_firmware_order),
		cmocka_unit_test(every_value_has_a_name),
		cmocka_unit_test(uuids_of_all_forms_become_one),
		cmocka_unit_test(a_generation_id_is_two_little_endian_halves),
		cmocka_unit_test(mac_addresses_of_all_forms_become_one),
		cmocka_unit_test(names_lose_control_characters_and_length),
		cmocka_unit_test(booleans_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
