// SPDX-License-Identifier: LGPL-2.1-or-later
/* ovf: what a descriptor says, in every dialect known, and every way it can be wrong. */
#include "tests/unit/test.h"

#include "formats/vm/ovf/ovf.h"
#include "formats/vm/ovf/ovf_refs.h"
#include "tests/support/ovf_sample.h"

/* Parses the sample with one place changed. */
static int parse_edited(struct vmspec **vm, const char *from, const char *to, struct err *err)
{
	_auto_(mem) char *text = ovf_sample_edit(ovf_sample, from, to);

	if (!text)
		fail_msg("the sample does not contain %s", from);
	return ovf_parse(vm, text, strlen(text), err);
}

static void a_vmware_descriptor_is_read_whole(void **state)
{
	_auto_(vmspec) struct vmspec *vm = NULL;
	struct err err = {0};

	assert_ok(ovf_parse(&vm, ovf_sample, strlen(ovf_sample), &err));
	assert_string_equal(vm->name, "web01");
	assert_string_equal(vm->description, "The web server\nof the test.");
	assert_string_equal(vm->uuid, "564d1234-5678-9abc-def0-0123456789ab");
	assert_string_equal(vm->os_hint, "debian12_64Guest");
	assert_string_equal(vm->source, "ova");
	assert_int_equal(vm->memory, 2048 * MiB);
	assert_int_equal(vm->vcpus, 4);
	assert_int_equal(vm->sockets, 2);
	assert_int_equal(vm->cores, 2);
	assert_int_equal(vm->firmware, VM_FIRMWARE_UEFI);
	assert_true(vm->secure_boot);
	assert_null(vm->losses);

	assert_int_equal(vm->n_disks, 2);
	assert_string_equal(vm->disks[0].id, "vmdisk1");
	assert_string_equal(vm->disks[0].file, "web01-disk1.vmdk");
	assert_string_equal(vm->disks[0].format, "vmdk");
	assert_string_equal(vm->disks[0].model, "VirtualSCSI");
	assert_int_equal(vm->disks[0].size, 8 * GiB);
	assert_int_equal(vm->disks[0].bus, VM_BUS_SCSI);
	assert_int_equal(vm->disks[0].unit, 0);
	assert_int_equal(vm->disks[1].size, MiB);
	assert_int_equal(vm->disks[1].unit, 1);

	assert_int_equal(vm->n_drives, 1);
	assert_int_equal(vm->drives[0].kind, VM_CDROM);
	assert_int_equal(vm->drives[0].bus, VM_BUS_SATA);
	assert_null(vm->drives[0].file);

	assert_int_equal(vm->n_nics, 1);
	assert_string_equal(vm->nics[0].mac, "00:50:56:aa:bb:cc");
	assert_string_equal(vm->nics[0].model, "VmxNet3");
	assert_string_equal(vm->nics[0].network, "VM Network");
	assert_int_equal(vm->nics[0].pci_slot, 192);
	assert_false(vm->nics[0].disconnected);
}

#define ITEM_7                                                                                 \
	"<Item>" RASD("InstanceID", "7") RASD("ResourceType", "17") RASD("Parent", "3")        \
		RASD("ElementName", "Hard disk 1")

static void wrong_descriptors_are_refused(void **state)
{
	static const struct {
		const char *from, *to;
		int code;
		const char *part;
	} rows[] = {
		/* the envelope */
		{"</Envelope>", "", EINVAL, "OVF: line"},
		{"<?xml version", "<!DOCTYPE x><?xml version", EINVAL, "OVF: line 1"},
		{"</VirtualSystem>",
			"</VirtualSystem><VirtualSystem><Name>b</Name></VirtualSystem>",
			ENOTSUP, "2 machines in one descriptor (web01, b)"},
		{"<VirtualSystem ovf:id=\"vm-7\">", "<VirtualSystem/><VirtualSystem>", ENOTSUP,
			"2 machines"},
		/* files */
		{"ovf:id=\"file2\"", "ovf:id=\"file1\"", EINVAL, "a second File with id file1"},
		{"web01-disk2", "web01-disk1", EINVAL, "a second File with href web01-disk1"},
		{"ovf:id=\"file2\"", "", EINVAL, "a File without id"},
		{"ovf:href=\"web01-disk2.vmdk\"", "", EINVAL, "line 5: a File without href"},
		{"ovf:href=\"web01-disk2.vmdk\"", "ovf:href=\"\"", EINVAL, "without a name"},
		{"web01-disk2.vmdk", "../web01-disk2.vmdk", EPERM, "leads out of the package"},
		{"web01-disk2.vmdk", "a/../../b.vmdk", EPERM, "leads out of the package"},
		{"web01-disk2.vmdk", "a\\..\\..\\b.vmdk", EPERM, "leads out of the package"},
		{"web01-disk2.vmdk", "%2e%2e/b.vmdk", EPERM, "leads out of the package"},
		{"web01-disk2.vmdk", "..", EPERM, "leads out of the package"},
		{"web01-disk2.vmdk", "/etc/passwd", EPERM, "absolute"},
		{"web01-disk2.vmdk", "%2Fetc/passwd", EPERM, "absolute"},
		{"web01-disk2.vmdk", "\\\\server\\share", EPERM, "absolute"},
		{"web01-disk2.vmdk", "http://example.com/b.vmdk", EPERM,
			"files of the package"},
		{"web01-disk2.vmdk", "file:/etc/passwd", EPERM, "files of the package"},
		{"web01-disk2.vmdk", "a%00.vmdk", EINVAL, "NUL"},
		{"ovf:id=\"file2\"", "ovf:id=\"file2\" ovf:size=\"-1\"", EINVAL, "size \"-1\""},
		{"ovf:id=\"file2\"", "ovf:id=\"file2\" ovf:size=\"99999999999999999999\"",
			EINVAL, "is no number"},
		{"ovf:id=\"file2\"", "ovf:id=\"file2\" ovf:chunkSize=\"0\"", EINVAL,
			"chunk size"},
		/* disks */
		{"ovf:diskId=\"vmdisk2\"", "", EINVAL, "a Disk without diskId"},
		{"ovf:diskId=\"vmdisk2\"", "ovf:diskId=\"vmdisk1\"", EINVAL,
			"a second Disk with id vmdisk1"},
		{"ovf:fileRef=\"file2\"", "ovf:fileRef=\"file9\"", EINVAL,
			"line 9: disk vmdisk2 is in the file file9, which References does not have"},
		{"ovf:fileRef=\"file2\"", "ovf:fileRef=\"file1\"", EINVAL, "in the same file"},
		{"ovf:fileRef=\"file2\"", "ovf:fileRef=\"file2\" ovf:parentRef=\"vmdisk1\"",
			ENOTSUP, "disk vmdisk2 is a delta of disk vmdisk1"},
		{"ovf:capacity=\"8\"", "", EINVAL, "disk vmdisk1 has no capacity"},
		{"ovf:capacity=\"8\"", "ovf:capacity=\"0\"", EINVAL, "a capacity of 0"},
		{"ovf:capacity=\"8\"", "ovf:capacity=\"-8\"", EINVAL, "\"-8\" is no number"},
		{"ovf:capacity=\"8\"", "ovf:capacity=\"8x\"", EINVAL, "is no number"},
		{"ovf:capacity=\"8\"", "ovf:capacity=\"\"", EINVAL, "is no number"},
		{"ovf:capacity=\"8\"", "ovf:capacity=\"8589934592\"", EINVAL, "is too much"},
		{"ovf:capacity=\"8\"", "ovf:capacity=\"18446744073709551615\"", EINVAL,
			"no number"},
		{"ovf:capacity=\"8\"", "ovf:capacity=\"${size}\"", ENOTSUP,
			"the property ${size}"},
		{"byte * 2^30", "parsec", EINVAL, "\"parsec\" is no unit"},
		{"byte * 2^30", "byte * 2^64", EINVAL, "no unit"},
		{"byte * 2^30", "byte * 0", EINVAL, "no unit"},
		/* the machine */
		{"<VirtualHardwareSection>", "<X>", EINVAL, "OVF: line"},
		{RASD("VirtualQuantity", "4"), "", EINVAL, "at least one processor"},
		{RASD("VirtualQuantity", "4"), RASD("VirtualQuantity", "0"), EINVAL,
			"at least one processor"},
		{RASD("VirtualQuantity", "4"), RASD("VirtualQuantity", "-4"), EINVAL,
			"no number from 0 to 8192"},
		{RASD("VirtualQuantity", "4"), RASD("VirtualQuantity", "8193"), EINVAL,
			"no number from 0 to 8192"},
		{RASD("InstanceID", "1") RASD("ResourceType", "3"),
			RASD("InstanceID", "1") RASD("ResourceType", "24"), EINVAL,
			"no processors"},
		{RASD("InstanceID", "2") RASD("ResourceType", "4"),
			RASD("InstanceID", "2") RASD("ResourceType", "24"), EINVAL,
			"no memory"},
		{RASD("InstanceID", "9") RASD("ResourceType", "24"),
			RASD("InstanceID", "9") RASD("ResourceType", "3")
				RASD("VirtualQuantity", "1"),
			EINVAL, "processors are described twice"},
		{RASD("InstanceID", "9") RASD("ResourceType", "24"),
			RASD("InstanceID", "9") RASD("ResourceType", "4")
				RASD("VirtualQuantity", "1"),
			EINVAL, "memory is described twice"},
		{"2048</rasd", "0</rasd", EINVAL, "not a possible memory size"},
		{"2048</rasd", "9999999999</rasd", EINVAL, "not a possible memory size"},
		{"2048</rasd", "99999999999999</rasd", EINVAL, "is too much"},
		{"byte * 2^20", "furlong", EINVAL, "no unit of bytes"},
		/* devices */
		{RASD("InstanceID", "7"), "", EINVAL, "a device without InstanceID"},
		{RASD("InstanceID", "7"), RASD("InstanceID", "6"), EINVAL,
			"already that of another device"},
		{RASD("InstanceID", "10") RASD("ResourceType", "1"), RASD("InstanceID", "10"),
			EINVAL, "no ResourceType"},
		{RASD("ResourceType", "24"), RASD("ResourceType", "x"), EINVAL, "ResourceType"},
		{RASD("ResourceType", "24"), RASD("ResourceType", "70000"), EINVAL,
			"ResourceType"},
		{ITEM_7,
			"<Item>" RASD("InstanceID", "7") RASD("ResourceType", "17")
				RASD("Parent", "99"),
			EINVAL, "its Parent is no device of this machine: \"99\""},
		{ITEM_7,
			"<Item>" RASD("InstanceID", "7") RASD("ResourceType", "17")
				RASD("Parent", "7"),
			EINVAL, "its Parents form a circle"},
		{ITEM_7,
			"<Item>" RASD("InstanceID", "7") RASD("ResourceType", "17")
				RASD("Parent", "9"),
			EINVAL, "no storage controller"},
		{RASD("ResourceSubType", "VirtualSCSI"), RASD("Parent", "6"), EINVAL,
			"its Parents form a circle"},
		{"ovf:/disk/vmdisk1", "ovf:/disk/vmdisk9", EINVAL,
			"device Hard disk 1: DiskSection does not have its disk: \"vmdisk9\""},
		{"ovf:/disk/vmdisk1", "ovf:/disk/vmdisk2", EINVAL,
			"another device has the same disk"},
		{"ovf:/disk/vmdisk1", "ovf:/file/file1", EINVAL, "no disk of the package"},
		{"ovf:/disk/vmdisk1", "", EINVAL, "no disk of the package"},
		{RASD("AddressOnParent", "1"), RASD("AddressOnParent", "70000"), EINVAL,
			"AddressOnParent is no number"},
		{RASD("ResourceSubType", "vmware.cdrom.remotepassthrough"),
			RASD("HostResource", "ovf:/file/file9"), EINVAL,
			"References does not have its file"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_auto_(vmspec) struct vmspec *vm = NULL;
		struct err err = {0};

		assert_fails(parse_edited(&vm, rows[i].from, rows[i].to, &err), rows[i].code,
			rows[i].part);
		assert_null(vm);
	}
}

static void no_machine_at_all_is_refused(void **state)
{
	static const char *const rows[][2] = {
		{"<Envelope/>", "no VirtualSystem"},
		{"<domain/>", "the root element is <domain>"},
		{"<Envelope><VirtualSystemCollection/></Envelope>", "no VirtualSystem"},
		{"<Envelope><VirtualSystem/></Envelope>", "no VirtualHardwareSection"},
		{"<Envelope><VirtualSystem><VirtualHardwareSection/></VirtualSystem></Envelope>",
			"no processors"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_auto_(vmspec) struct vmspec *vm = NULL;
		struct err err = {0};

		assert_fails(ovf_parse(&vm, rows[i][0], strlen(rows[i][0]), &err), EINVAL,
			rows[i][1]);
	}
}

/* What cannot be expressed is said, and the rest is read. */
static void losses_are_told(void **state)
{
	static const struct {
		const char *from, *to, *part;
	} rows[] = {
		{"<vmw:CoresPerSocket ovf:required=\"false\">2", "<vmw:CoresPerSocket>3",
			"3 cores per socket do not divide 4"},
		{RASD("AllocationUnits", "byte * 2^20"), "", "has no unit: taken as MiB"},
		{RASD("ResourceType", "24"), RASD("ResourceType", "21"), "device 9 (type 21)"},
		{"vmware.vmci", "vmware.pcipassthrough", "type 1, vmware.pcipassthrough"},
		{"00:50:56:AA:BB:CC", "${mac}", "Network adapter 1: \"${mac}\" is no address"},
		{RASD("Connection", "VM Network"),
			RASD("Connection", "VM Network") RASD("Connection", "b"),
			"more than one network"},
		{CONFIG("tools.syncTimeWithHost", "false"), CONFIG("nvram", "ovf:/file/file3"),
			"the firmware's variables (NVRAM)"},
		{CONFIG("tools.syncTimeWithHost", "false"), CONFIG("some.new", "x"),
			"setting some.new = \"x\""},
		{CONFIG("firmware", "efi"), CONFIG("firmware", "coreboot"), "unknown firmware"},
		{"56 4d 12", "zz", "is no UUID"},
		{RASD("Parent", "3") RASD("ElementName", "Hard disk 2"),
			RASD("ElementName", "Hard disk 2"),
			"Hard disk 2: the description does not say on which controller"},
		{"vmware.sata.ahci", "acme", "unknown kind \"acme\""},
		{"</DiskSection>", "<Disk ovf:diskId=\"d3\" ovf:capacity=\"1\"/></DiskSection>",
			"disk d3 is on no device"},
		{"<AnnotationSection>",
			"<ProductSection><Property/></ProductSection><AnnotationSection>",
			"product properties"},
		{"<AnnotationSection>", "<VirtualHardwareSection/><AnnotationSection>",
			"hardware sections after the first"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_auto_(vmspec) struct vmspec *vm = NULL;
		struct err err = {0};

		assert_ok(parse_edited(&vm, rows[i].from, rows[i].to, &err));
		assert_int_equal(vm->memory, 2048 * MiB);
		if (strv_len(vm->losses) != 1 || !strstr(vm->losses[0], rows[i].part))
			fail_msg("row %zu: losses \"%s\", not \"%s\"", i,
				vm->losses ? vm->losses[0] : "none", rows[i].part);
	}
}

static void units_are_products_of_powers(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes; /* 0 = refused */
	} rows[] = {
		{"byte", 1},
		{"bytes", 1},
		{" Byte ", 1},
		{"byte * 2^30", GiB},
		{"byte*2^20", MiB},
		{"byte * 2 ^ 10", KiB},
		{"byte * 10^9", 1000000000},
		{"byte * 1024 * 1024", MiB},
		{"MegaBytes", MiB},
		{"MB", MiB},
		{"GigaBytes", GiB},
		{"KB", KiB},
		{"TB", TiB},
		{"MegaBytes * 2^10", GiB},
		{"byte * 2^62", UINT64_C(1) << 62},
		{"byte*2^0", 1},
		{"", 0},
		{"bit", 0},
		{"byte *", 0},
		{"byte * 2^", 0},
		{"byte ^ 2", 0},
		{"byte * x", 0},
		{"byte * 2^64", 0},
		{"byte * 2^32 * 2^32", 0},
		{"* 2", 0},
		{"byte * 0", 0},
		{"byte * 2^2^2", 0},
		{"byte * -1", 0},
		{"byte * 1e3", 0},
		{"byte * 9999999999999999", 0},
		{"2^20", 0},
		{"byteeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee",
			0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t bytes = 0;
		int r = ovf_units(rows[i].text, &bytes);

		assert_int_equal(r, rows[i].bytes ? 0 : -EINVAL);
		assert_int_equal(bytes, rows[i].bytes);
	}
}

static void references_are_decoded(void **state)
{
	static const char *const rows[][2] = {
		{"a.vmdk", "a.vmdk"},
		{"my%20disk.vmdk", "my disk.vmdk"},
		{"100%.vmdk", "100%.vmdk"},
		{"%zz", "%zz"},
		{"a%2Fb", "a/b"},
		{"sub/a..b.vmdk", "sub/a..b.vmdk"},
		{"c%3a.vmdk", "c:.vmdk"},
		{"./a", "./a"},
		{"%c3%a4", "\xc3\xa4"},
		{"%", "%"},
		{"a%2", "a%2"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_auto_(mem) char *name = NULL;
		struct err err = {0};

		assert_ok(ovf_href_decode(&name, rows[i][0], &err));
		assert_string_equal(name, rows[i][1]);
	}
}

static void chunks_and_compression_are_kept(void **state)
{
	_auto_(vmspec) struct vmspec *vm = NULL;
	struct err err = {0};

	assert_ok(parse_edited(&vm, "ovf:id=\"file1\"",
		"ovf:id=\"file1\" ovf:size=\"7\" ovf:chunkSize=\"4\" ovf:compression=\"gzip\"",
		&err));
	assert_int_equal(vm->disks[0].chunk_size, 4);
	assert_string_equal(vm->disks[0].compression, "gzip");
	vmspec_free(STEAL(vm));
	assert_ok(parse_edited(&vm, "ovf:id=\"file1\"",
		"ovf:id=\"file1\" ovf:compression=\"identity\"", &err));
	assert_null(vm->disks[0].compression);
}

static void an_empty_disk_has_no_file(void **state)
{
	_auto_(vmspec) struct vmspec *vm = NULL;
	struct err err = {0};

	assert_ok(parse_edited(&vm, " ovf:fileRef=\"file2\"", "", &err));
	assert_null(vm->disks[1].file);
	assert_int_equal(vm->disks[1].size, MiB);
}

static void controllers_are_told_apart(void **state)
{
	static const struct {
		const char *type, *subtype;
		enum vm_bus bus;
	} rows[] = {
		{"5", "", VM_BUS_IDE},
		{"5", "PIIX4", VM_BUS_IDE},
		{"6", "", VM_BUS_SCSI},
		{"6", "lsilogic", VM_BUS_SCSI},
		{"6", "lsilogicsas", VM_BUS_SCSI},
		{"6", "buslogic", VM_BUS_SCSI},
		{"20", "AHCI", VM_BUS_SATA},
		{"20", "vmware.sata.ahci", VM_BUS_SATA},
		{"20", "vmware.nvme.controller", VM_BUS_NVME},
		{"20", "LsiLogicSas", VM_BUS_SCSI},
		{"20", "VirtioSCSI", VM_BUS_VIRTIO_SCSI},
		{"23", "vmware.usb.xhci", VM_BUS_USB},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_auto_(mem) char *to = xasprintf(RASD("InstanceID", "3") RASD("ResourceType",
							 "%s") RASD("ResourceSubType", "%s"),
			rows[i].type, rows[i].subtype);
		_auto_(vmspec) struct vmspec *vm = NULL;
		struct err err = {0};

		assert_ok(parse_edited(&vm,
			RASD("InstanceID", "3") RASD("ResourceType", "6")
				RASD("ResourceSubType", "VirtualSCSI"),
			to, &err));
		assert_int_equal(vm->disks[0].bus, rows[i].bus);
	}
}

static void controllers_of_one_kind_are_numbered(void **state)
{
	/* VMware writes IDE controller 1 before 0; two with one address get the next number. */
	static const char *const rows[][4] = {
		{"1", "0", "vmdisk2", "vmdisk1"},
		{"0", "0", "vmdisk1", "vmdisk2"},
		{"0", "1", "vmdisk1", "vmdisk2"},
		{"", "", "vmdisk1", "vmdisk2"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_auto_(mem) char *a =
			xasprintf(RASD("ResourceSubType", "VirtualSCSI") RASD("Address", "%s"),
				rows[i][0]);
		_auto_(mem) char *b =
			xasprintf(RASD("ResourceType", "6") RASD("Address", "%s"), rows[i][1]);
		_auto_(mem) char *one = ovf_sample_edit(ovf_sample,
			RASD("ResourceSubType", "VirtualSCSI") RASD("Address", "0"), a);
		_auto_(mem) char *two = ovf_sample_edit(one,
			RASD("ResourceType", "20") RASD("ResourceSubType", "vmware.sata.ahci")
				RASD("Address", "0"),
			b);
		_auto_(mem) char *three = ovf_sample_edit(two,
			RASD("Parent", "3") RASD("ElementName", "Hard disk 2"),
			RASD("Parent", "4"));
		_auto_(vmspec) struct vmspec *vm = NULL;
		struct err err = {0};

		assert_ok(ovf_parse(&vm, three, strlen(three), &err));
		assert_string_equal(vm->disks[0].id, rows[i][2]);
		assert_string_equal(vm->disks[1].id, rows[i][3]);
		assert_int_equal(vm->disks[0].controller, 0);
		assert_int_equal(vm->disks[1].controller, 1);
	}
}

static void disks_without_an_address_are_numbered_as_they_come(void **state)
{
	_auto_(mem) char *one = ovf_sample_edit(ovf_sample, RASD("AddressOnParent", "1"), "");
	_auto_(mem) char *two =
		ovf_sample_edit(one, "vmdisk1</rasd:HostResource>" RASD("AddressOnParent", "0"),
			"vmdisk1</rasd:HostResource>");
	_auto_(vmspec) struct vmspec *vm = NULL;
	struct err err = {0};

	assert_ok(ovf_parse(&vm, two, strlen(two), &err));
	assert_string_equal(vm->disks[0].id, "vmdisk2");
	assert_int_equal(vm->disks[0].unit, 0);
	assert_int_equal(vm->disks[1].unit, 1);
}

static void the_boot_order_goes_first(void **state)
{
	_auto_(vmspec) struct vmspec *vm = NULL;
	struct err err = {0};

	assert_ok(parse_edited(&vm, "<AnnotationSection>",
		"<vmw:BootOrderSection vmw:instanceId=\"6\" vmw:type=\"disk\"/>"
		"<vmw:BootOrderSection vmw:instanceId=\"99\" vmw:type=\"net\"/>"
		"<AnnotationSection>",
		&err));
	assert_string_equal(vm->disks[0].id, "vmdisk2");
	assert_int_equal(vm->disks[0].boot_order, 1);
	assert_int_equal(vm->disks[1].boot_order, 0);
}

static void only_the_default_deployment_option_counts(void **state)
{
	_auto_(mem) char *one = ovf_sample_edit(ovf_sample, "<NetworkSection>",
		"<DeploymentOptionSection><Configuration ovf:id=\"small\"/>"
		"<Configuration ovf:id=\"big\" ovf:default=\"true\"/></DeploymentOptionSection>"
		"<NetworkSection>");
	_auto_(mem) char *two = ovf_sample_edit(one, "<Item>" RASD("InstanceID", "2"),
		"<Item ovf:configuration=\"small\">" RASD("InstanceID", "2")
			RASD("ResourceType", "4") RASD("VirtualQuantity",
				"1") "</Item>"
				     "<Item ovf:bound=\"min\">" RASD("InstanceID", "2") RASD(
					     "ResourceType", "4") RASD("VirtualQuantity",
					     "2") "</Item>"
						  "<Item ovf:configuration=\"small big\">" RASD(
							  "InstanceID", "2"));
	_auto_(vmspec) struct vmspec *vm = NULL;
	struct err err = {0};

	assert_ok(ovf_parse(&vm, two, strlen(two), &err));
	assert_int_equal(vm->memory, 2048 * MiB);
	assert_string_equal(vm->losses[0], "deployment options other than big");
}

static void one_machine_in_a_collection_is_taken(void **state)
{
	_auto_(mem) char *one = ovf_sample_edit(
		ovf_sample, "<VirtualSystem ", "<VirtualSystemCollection><VirtualSystem ");
	_auto_(mem) char *two = ovf_sample_edit(
		one, "</VirtualSystem>\n</E", "</VirtualSystem></VirtualSystemCollection></E");
	_auto_(vmspec) struct vmspec *vm = NULL;
	struct err err = {0};

	assert_ok(ovf_parse(&vm, two, strlen(two), &err));
	assert_string_equal(vm->name, "web01");
}

static void the_name_falls_back_to_the_identifiers(void **state)
{
	_auto_(mem) char *one = ovf_sample_edit(ovf_sample, "<Name>web01</Name>", "");
	_auto_(mem) char *two = ovf_sample_edit(one, "Identifier>web01<", "Identifier><");
	_auto_(vmspec) struct vmspec *a = NULL, *b = NULL;
	struct err err = {0};

	assert_ok(ovf_parse(&a, one, strlen(one), &err));
	assert_string_equal(a->name, "web01");
	assert_ok(ovf_parse(&b, two, strlen(two), &err));
	assert_string_equal(b->name, "vm-7");
}

static void firmware_and_devices_follow_the_settings(void **state)
{
	_auto_(vmspec) struct vmspec *vm = NULL;
	struct err err = {0};

	assert_ok(parse_edited(&vm, CONFIG("firmware", "efi"), "", &err));
	assert_int_equal(vm->firmware, VM_FIRMWARE_BIOS);
	vmspec_free(STEAL(vm));
	assert_ok(parse_edited(&vm, "vmware.vmci", "vmware.vtpm", &err));
	assert_true(vm->tpm);
	vmspec_free(STEAL(vm));
	assert_ok(parse_edited(&vm, "vmware.vmci", "vmware.soundcard.hdaudio", &err));
	assert_string_equal(vm->sound, "ich9");
	vmspec_free(STEAL(vm));
	assert_ok(parse_edited(&vm, CONFIG("slotInfo.pciSlotNumber", "192"), "", &err));
	assert_int_equal(vm->nics[0].pci_slot, 0);
	vmspec_free(STEAL(vm));
	assert_ok(parse_edited(&vm, RASD("AutomaticAllocation", "true"),
		RASD("AutomaticAllocation", "false"), &err));
	assert_true(vm->nics[0].disconnected);
	vmspec_free(STEAL(vm));
	assert_ok(parse_edited(&vm, "<vmw:ExtraConfig vmw:key=\"uuid.bios\"",
		"<vmw:ExtraConfig vmw:key=\"vm.genid\" vmw:value=\"506097522914230528\"/>"
		"<vmw:ExtraConfig vmw:key=\"vm.genidX\" vmw:value=\"1084818905618843912\"/>"
		"<vmw:ExtraConfig vmw:key=\"uuid.location\"",
		&err));
	assert_string_equal(vm->genid, "03020100-0504-0706-0809-0a0b0c0d0e0f");
	assert_null(vm->uuid);
}

static void a_nic_slot_in_the_extra_settings_counts(void **state)
{
	_auto_(mem) char *one =
		ovf_sample_edit(ovf_sample, CONFIG("slotInfo.pciSlotNumber", "192"), "");
	_auto_(mem) char *two = ovf_sample_edit(one, CONFIG("tools.syncTimeWithHost", "false"),
		"<vmw:ExtraConfig vmw:key=\"ethernet0.pciSlotNumber\" vmw:value=\"224\"/>");
	_auto_(vmspec) struct vmspec *vm = NULL;
	struct err err = {0};

	assert_ok(ovf_parse(&vm, two, strlen(two), &err));
	assert_int_equal(vm->nics[0].pci_slot, 224);
	assert_null(vm->losses);
}

static void a_virtualbox_descriptor_is_read(void **state)
{
	static const char text[] =
		"<?xml version='1.0'?><Envelope ovf:version='2.0' xml:lang='en-US' "
		"xmlns='http://schemas.dmtf.org/ovf/envelope/2' "
		"xmlns:ovf='http://schemas.dmtf.org/ovf/envelope/2' "
		"xmlns:rasd='http://r' xmlns:sasd='http://s' xmlns:epasd='http://e' "
		"xmlns:vbox='http://www.virtualbox.org/ovf/machine'>"
		"<References><File ovf:id='file1' ovf:href='box-disk001.vmdk'/></References>"
		"<DiskSection><Disk ovf:capacity='1073741824' ovf:diskId='vmdisk1' "
		"ovf:fileRef='file1'/></DiskSection>"
		"<VirtualSystem ovf:id='box'><OperatingSystemSection ovf:id='96'>"
		"<Description>Debian_64</Description><vbox:OSType>Debian_64</vbox:OSType>"
		"</OperatingSystemSection><VirtualHardwareSection><System>"
		"<VirtualSystemType>virtualbox-2.2</VirtualSystemType></System>"
		"<Item><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>3</rasd:ResourceType>"
		"<rasd:VirtualQuantity>1</rasd:VirtualQuantity></Item>"
		"<Item><rasd:AllocationUnits>MegaBytes</rasd:AllocationUnits>"
		"<rasd:InstanceID>2</rasd:InstanceID><rasd:ResourceType>4</rasd:ResourceType>"
		"<rasd:VirtualQuantity>512</rasd:VirtualQuantity></Item>"
		"<Item><rasd:Address>0</rasd:Address><rasd:InstanceID>3</rasd:InstanceID>"
		"<rasd:ResourceSubType>AHCI</rasd:ResourceSubType>"
		"<rasd:ResourceType>20</rasd:ResourceType></Item>"
		"<StorageItem><sasd:AddressOnParent>0</sasd:AddressOnParent>"
		"<sasd:HostResource>/disk/vmdisk1</sasd:HostResource>"
		"<sasd:InstanceID>4</sasd:InstanceID><sasd:Parent>3</sasd:Parent>"
		"<sasd:ResourceType>17</sasd:ResourceType></StorageItem>"
		"<EthernetPortItem><epasd:Address>080027AABBCC</epasd:Address>"
		"<epasd:Connection>NAT</epasd:Connection><epasd:InstanceID>5</epasd:InstanceID>"
		"<epasd:ResourceSubType>E1000</epasd:ResourceSubType>"
		"<epasd:ResourceType>10</epasd:ResourceType></EthernetPortItem>"
		"<Item><rasd:InstanceID>6</rasd:InstanceID>"
		"<rasd:ResourceSubType>ensoniq1371</rasd:ResourceSubType>"
		"<rasd:ResourceType>35</rasd:ResourceType></Item>"
		"</VirtualHardwareSection>"
		"<vbox:Machine uuid='{e9f3a1c4-0000-4000-8000-0123456789ab}' name='box'>"
		"<Hardware><Firmware type='EFI64'/><RTC localOrUTC='local'/></Hardware>"
		"</vbox:Machine></VirtualSystem></Envelope>";
	_auto_(vmspec) struct vmspec *vm = NULL;
	struct err err = {0};

	assert_ok(ovf_parse(&vm, text, strlen(text), &err));
	assert_string_equal(vm->name, "box");
	assert_string_equal(vm->os_hint, "Debian_64");
	assert_string_equal(vm->uuid, "e9f3a1c4-0000-4000-8000-0123456789ab");
	assert_int_equal(vm->firmware, VM_FIRMWARE_UEFI);
	assert_true(vm->clock_localtime);
	assert_int_equal(vm->memory, 512 * MiB);
	assert_int_equal(vm->n_disks, 1);
	assert_int_equal(vm->disks[0].bus, VM_BUS_SATA);
	assert_string_equal(vm->nics[0].mac, "08:00:27:aa:bb:cc");
	assert_string_equal(vm->nics[0].model, "E1000");
	assert_string_equal(vm->sound, "es1370");
	assert_null(vm->losses);
}

static void the_drafts_of_ovf_1_are_read(void **state)
{
	_auto_(mem) char *a = ovf_sample_edit(ovf_sample, "<VirtualHardwareSection>",
		"<Section xsi:type=\"ovf:VirtualHardwareSection_Type\">");
	_auto_(mem) char *b = ovf_sample_edit(a, "</VirtualHardwareSection>", "</Section>");
	_auto_(mem) char *c = ovf_sample_edit(
		b, "<VirtualSystem ", "<Content xsi:type=\"ovf:VirtualSystem_Type\" ");
	_auto_(mem) char *d = ovf_sample_edit(c, "</VirtualSystem>", "</Content>");
	_auto_(mem) char *e = ovf_sample_edit(
		d, RASD("InstanceID", "9"), "<rasd:InstanceId>9</rasd:InstanceId>");
	_auto_(vmspec) struct vmspec *vm = NULL;
	struct err err = {0};

	assert_ok(ovf_parse(&vm, e, strlen(e), &err));
	assert_int_equal(vm->n_disks, 2);
}

static void limits_hold(void **state)
{
	static const struct {
		const char *before, *each;
		unsigned count;
		const char *part;
	} rows[] = {
		{"</References>", "<File ovf:id='x#' ovf:href='a#'/>", OVF_FILES_MAX,
			"more than the 4096 files"},
		{"</DiskSection>", "<Disk ovf:diskId='x#' ovf:capacity='1'/>", OVF_DISKS_MAX,
			"more than the 1024 disks"},
		{"</VirtualHardwareSection>",
			"<Item><rasd:InstanceID>x#</rasd:InstanceID>"
			"<rasd:ResourceType>24</rasd:ResourceType></Item>",
			4096, "more than the 4096 devices"},
		{"</VirtualHardwareSection>",
			"<Item><rasd:InstanceID>x#</rasd:InstanceID>"
			"<rasd:ResourceType>10</rasd:ResourceType></Item>",
			VM_MAX_NICS, "more than the 64 network cards"},
		{"</VirtualHardwareSection>",
			"<Item><rasd:InstanceID>x#</rasd:InstanceID>"
			"<rasd:ResourceType>14</rasd:ResourceType></Item>",
			VM_MAX_DISKS, "more than the 256 drives"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_auto_str_ struct str many = STR_INIT;
		_auto_(vmspec) struct vmspec *vm = NULL;
		struct err err = {0};

		/* '#' becomes the number. */
		for (unsigned n = 0; n < rows[i].count; n++)
			for (const char *c = rows[i].each; *c; c++)
				str_addf(&many, *c == '#' ? "%u" : "%c",
					*c == '#' ? n : (unsigned)*c);
		str_add(&many, rows[i].before);
		assert_fails(
			parse_edited(&vm, rows[i].before, many.s, &err), EINVAL, rows[i].part);
	}
}

static void every_truncation_is_refused(void **state)
{
	struct err err = {0};

	/* The last two bytes are '>' and the newline. */
	for (size_t n = 0; n < strlen(ovf_sample) - 1; n++) {
		struct vmspec *vm = NULL;

		if (ovf_parse(&vm, ovf_sample, n, &err) != -EINVAL)
			fail_msg("%zu bytes were accepted", n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vmware_descriptor_is_read_whole),
		cmocka_unit_test(wrong_descriptors_are_refused),
		cmocka_unit_test(no_machine_at_all_is_refused),
		cmocka_unit_test(losses_are_told),
		cmocka_unit_test(units_are_products_of_powers),
		cmocka_unit_test(references_are_decoded),
		cmocka_unit_test(chunks_and_compression_are_kept),
		cmocka_unit_test(an_empty_disk_has_no_file),
		cmocka_unit_test(controllers_are_told_apart),
		cmocka_unit_test(controllers_of_one_kind_are_numbered),
		cmocka_unit_test(disks_without_an_address_are_numbered_as_they_come),
		cmocka_unit_test(the_boot_order_goes_first),
		cmocka_unit_test(only_the_default_deployment_option_counts),
		cmocka_unit_test(one_machine_in_a_collection_is_taken),
		cmocka_unit_test(the_name_falls_back_to_the_identifiers),
		cmocka_unit_test(firmware_and_devices_follow_the_settings),
		cmocka_unit_test(a_nic_slot_in_the_extra_settings_counts),
		cmocka_unit_test(a_virtualbox_descriptor_is_read),
		cmocka_unit_test(the_drafts_of_ovf_1_are_read),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(every_truncation_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
