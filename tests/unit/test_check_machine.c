// SPDX-License-Identifier: LGPL-2.1-or-later
/* check: which firmware a bare disk gets, and how a machine becomes a QEMU command line. */
#include "tests/unit/test.h"

#include "formats/base/bytes.h"
#include "formats/block/block_mem.h"
#include "v2v/check/firmware.h"
#include "v2v/check/qemu/engine_qemu.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Types as the UEFI and GRUB manuals print them, in the order they have on disk. */
static const uint8_t esp[16] = {0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0,
	0xa0, 0xc9, 0x3e, 0xc9, 0x3b};
static const uint8_t bios_boot[16] = {0x48, 0x61, 0x68, 0x21, 0x49, 0x64, 0x6f, 0x6e, 0x74,
	0x4e, 0x65, 0x65, 0x64, 0x45, 0x46, 0x49};

struct table {
	uint64_t lba;
	uint32_t entries, size;
	const uint8_t *first, *second; /* types of entries 0 and 1 */
};

static enum vm_firmware guess(const struct table *t)
{
	uint8_t *disk = calloc(1, MiB);
	struct err err = {0};
	enum vm_firmware f = VM_FIRMWARE_UNKNOWN;
	struct block *b;

	memcpy(disk + 512, "EFI PART", 8);
	le64_store(disk + 512 + 72, t->lba);
	le32_store(disk + 512 + 80, t->entries);
	le32_store(disk + 512 + 84, t->size);
	if (t->first)
		memcpy(disk + 1024, t->first, 16);
	if (t->second)
		memcpy(disk + 1024 + t->size, t->second, 16);
	b = block_mem_from(disk, MiB, "disk");
	assert_ok(firmware_guess(b, &f, &err));
	block_free(b);
	free(disk);
	return f;
}

static void an_efi_system_partition_means_uefi(void **state)
{
	struct table t = {.lba = 2, .entries = 128, .size = 128, .first = esp};

	assert_int_equal(guess(&t), VM_FIRMWARE_UEFI);
	t.first = NULL;
	t.second = esp;
	assert_int_equal(guess(&t), VM_FIRMWARE_UEFI);
}

static void a_bios_boot_partition_means_bios(void **state)
{
	struct table t = {
		.lba = 2, .entries = 128, .size = 128, .first = esp, .second = bios_boot};

	assert_int_equal(guess(&t), VM_FIRMWARE_BIOS);
}

static void lying_tables_mean_bios(void **state)
{
	static const struct table lies[] = {
		{.lba = UINT64_MAX, .entries = 128, .size = 128, .first = esp},
		{.lba = UINT64_C(1) << 55, .entries = 128, .size = 128, .first = esp},
		{.lba = 2047, .entries = 128, .size = 128, .first = esp},
		{.lba = 2, .entries = 0, .size = 128, .first = esp},
		{.lba = 2, .entries = 128, .size = 16, .first = esp},
		{.lba = 2, .entries = UINT32_MAX, .size = 131072, .first = esp},
	};

	for (size_t i = 0; i < ARRAY_SIZE(lies); i++)
		assert_int_equal(guess(&lies[i]), VM_FIRMWARE_BIOS);
}

static void a_tiny_disk_means_bios(void **state)
{
	enum vm_firmware f = VM_FIRMWARE_UNKNOWN;
	struct err err = {0};
	struct block *b = block_mem_new(700, "disk");

	assert_ok(firmware_guess(b, &f, &err));
	assert_int_equal(f, VM_FIRMWARE_BIOS);
	block_free(b);
}

static const struct qemu_fds fds = {10, 11, 12};

/* The command line of `vm`, all words joined with spaces; the caller frees. */
static char *line_of(const struct vmspec *vm, int expected, const char *text)
{
	struct engine_machine m = {
		.vm = vm, .memory = 512 * MiB, .vcpus = 2, .dir = "/run/x,y"};
	struct str s = STR_INIT;
	struct err err = {0};
	char **argv = NULL;

	if (expected) {
		assert_fails(qemu_args(&argv, NULL, &m, "/q", &fds, &err), expected, text);
		return NULL;
	}
	assert_ok(qemu_args(&argv, NULL, &m, "/q", &fds, &err));
	strv_foreach (arg, argv)
		str_addf(&s, "%s ", *arg);
	strv_free(argv);
	return str_steal(&s);
}

static struct vmspec *machine_of(enum vm_bus bus, unsigned disks)
{
	struct vmspec *vm = vmspec_new();

	for (unsigned i = 0; i < disks; i++)
		vmspec_add_disk(vm)->bus = bus;
	return vm;
}

static void hostile_texts_stay_inside_their_json(void **state)
{
	_auto_(vmspec) struct vmspec *vm = machine_of(VM_BUS_VIRTIO_BLK, 1);
	_auto_(mem) char *line = NULL;

	vm->disks[0].serial = xstrdup("x\",\"drive\":\"/dev/sda\",readonly=off");
	vm->uuid = xstrdup("1-2 -device evil");
	vmspec_add_nic(vm)->mac = xstrdup("00:11:22:33:44:55,netdev=other");
	line = line_of(vm, 0, NULL);
	assert_non_null(strstr(
		line, "\"serial\":\"x\\\",\\\"drive\\\":\\\"/dev/sda\\\",readonly=off\""));
	assert_non_null(strstr(line, "\"mac\":\"00:11:22:33:44:55,netdev=other\""));
	assert_null(strstr(line, "evil"));
	assert_non_null(strstr(line, "\"path\":\"/run/x,y/disk0\""));
}

static void a_serial_number_that_is_not_utf8_is_left_out(void **state)
{
	_auto_(vmspec) struct vmspec *vm = machine_of(VM_BUS_VIRTIO_BLK, 1);
	_auto_(mem) char *line = NULL;

	vm->disks[0].serial = xstrdup("\377\376");
	line = line_of(vm, 0, NULL);
	assert_null(strstr(line, "serial\":"));
}

static void only_the_first_disk_boots_unless_there_is_an_order(void **state)
{
	_auto_(vmspec) struct vmspec *vm = machine_of(VM_BUS_SATA, 2);
	_auto_(mem) char *plain = line_of(vm, 0, NULL), *ordered = NULL;

	assert_non_null(strstr(plain, "\"drive\":\"disk0\",\"bootindex\":1"));
	assert_null(strstr(plain, "\"drive\":\"disk1\",\"bootindex\""));
	vm->disks[1].boot_order = 1;
	ordered = line_of(vm, 0, NULL);
	assert_non_null(strstr(ordered, "\"drive\":\"disk1\",\"bootindex\":1"));
	assert_null(strstr(ordered, "\"drive\":\"disk0\",\"bootindex\""));
}

static void the_network_leads_nowhere(void **state)
{
	_auto_(vmspec) struct vmspec *vm = machine_of(VM_BUS_VIRTIO_BLK, 1);
	_auto_(mem) char *line = NULL;

	vmspec_add_nic(vm)->model = xstrdup("VmxNet3");
	vmspec_add_nic(vm);
	line = line_of(vm, 0, NULL);
	assert_non_null(strstr(line, "-netdev user,id=net0,restrict=on "));
	assert_non_null(strstr(line, "-netdev user,id=net1,restrict=on "));
	assert_non_null(strstr(line, "\"driver\":\"vmxnet3\",\"netdev\":\"net0\""));
	assert_non_null(strstr(line, "\"driver\":\"virtio-net-pci\",\"netdev\":\"net1\""));
	assert_non_null(strstr(line, "-sandbox on,"));
}

static void more_than_the_board_holds_is_refused(void **state)
{
	_auto_(vmspec) struct vmspec *blk = machine_of(VM_BUS_VIRTIO_BLK, 40);
	_auto_(vmspec) struct vmspec *sata = machine_of(VM_BUS_SATA, 7);
	_auto_(vmspec) struct vmspec *xen = machine_of(VM_BUS_XEN, 1);

	line_of(blk, ENOTSUP, "PCI devices");
	line_of(sata, ENOTSUP, "SATA");
	line_of(xen, ENOTSUP, "bus xen");
}

static void many_scsi_disks_share_controllers(void **state)
{
	_auto_(vmspec) struct vmspec *vm = machine_of(VM_BUS_VIRTIO_SCSI, 70);
	_auto_(mem) char *line = line_of(vm, 0, NULL);

	assert_non_null(strstr(line, "\"driver\":\"virtio-scsi-pci\",\"id\":\"scsi1\""));
	assert_null(strstr(line, "\"id\":\"scsi2\""));
	assert_non_null(strstr(line, "\"drive\":\"disk64\",\"bus\":\"scsi1.0\",\"scsi-id\":0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_efi_system_partition_means_uefi),
		cmocka_unit_test(a_bios_boot_partition_means_bios),
		cmocka_unit_test(lying_tables_mean_bios),
		cmocka_unit_test(a_tiny_disk_means_bios),
		cmocka_unit_test(hostile_texts_stay_inside_their_json),
		cmocka_unit_test(a_serial_number_that_is_not_utf8_is_left_out),
		cmocka_unit_test(only_the_first_disk_boots_unless_there_is_an_order),
		cmocka_unit_test(the_network_leads_nowhere),
		cmocka_unit_test(more_than_the_board_holds_is_refused),
		cmocka_unit_test(many_scsi_disks_share_controllers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
