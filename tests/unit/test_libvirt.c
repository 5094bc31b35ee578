// SPDX-License-Identifier: LGPL-2.1-or-later
/* libvirt, vmspec_json, codec: what is written comes back; what is foreign is read or refused. */
#include "tests/unit/test.h"

#include "formats/base/xml.h"
#include "formats/vm/codec.h"
#include "formats/vm/libvirt.h"
#include "formats/vm/ovf/ovf.h"
#include "formats/vm/vmspec_json.h"
#include "tests/support/ovf_sample.h"
#include "tests/support/vm_samples.h"

static int parse(struct vmspec **vm, const char *text, struct err *err)
{
	return libvirt_parse(vm, text, strlen(text), err);
}

/* The members of a machine that must survive, as text. */
static char *essence(const struct vmspec *vm)
{
	json_t *o = vmspec_json(vm), *disk;
	char *text;
	size_t i;

	/* The parser names disks by their device. */
	json_array_foreach(json_object_get(o, "disks"), i, disk) json_object_del(disk, "id");
	text = json_dumps(o, JSON_INDENT(1) | JSON_SORT_KEYS);
	json_decref(o);
	return text;
}

static void what_is_written_comes_back(void **state)
{
	/* The samples with places as policy gives them; not the clashing one. */
	static const unsigned canonical[] = {0, 1, 2, 4, 7};

	for (size_t i = 0; i < ARRAY_SIZE(canonical); i++) {
		_auto_(vmspec) struct vmspec *vm = vm_sample(canonical[i]), *back = NULL;
		_auto_(mem) char *text = NULL, *a = NULL, *b = NULL;
		struct err err = {0};

		if (!vm->display)
			vm->display = xstrdup("vga");
		assert_ok(libvirt_write(&text, vm, &err));
		assert_ok(parse(&back, text, &err));
		a = essence(vm);
		b = essence(back);
		assert_string_equal(a, b);
	}
}

static void writing_what_was_read_changes_nothing(void **state)
{
	struct vmspec *vm;

	for (unsigned i = 0; (vm = vm_sample(i)); i++) {
		_auto_(vmspec) struct vmspec *back = NULL;
		_auto_(mem) char *one = NULL, *two = NULL;
		struct err err = {0};

		assert_ok(libvirt_write(&one, vm, &err));
		vmspec_free(vm);
		assert_ok(parse(&back, one, &err));
		assert_null(back->losses);
		/* The clashing sample's disks are sorted by bus when read. */
		if (i == 3)
			continue;
		assert_ok(libvirt_write(&two, back, &err));
		assert_string_equal(one, two);
	}
}

/* What `key` makes of each disk is there at most once; "" does not count. */
static void assert_unique(
	const struct xml_node *devices, void (*key)(struct str *s, const struct xml_node *disk))
{
	char **seen = NULL;

	xml_foreach(d, devices, "disk")
	{
		_auto_str_ struct str k = STR_INIT;

		key(&k, d);
		if (strv_has(seen, k.s))
			fail_msg("twice: %s", k.s);
		if (k.len)
			strv_add(&seen, k.s);
	}
	strv_free(seen);
}

static void name_key(struct str *s, const struct xml_node *disk)
{
	str_add(s, xml_attr(xml_child(disk, "target"), "dev"));
}

static void place_key(struct str *s, const struct xml_node *disk)
{
	const struct xml_node *a = xml_child(disk, "address");

	if (a)
		str_addf(s, "%s %s:%s:%s:%s", xml_attr(xml_child(disk, "target"), "bus"),
			xml_attr(a, "controller"), xml_attr(a, "bus"), xml_attr(a, "target"),
			xml_attr(a, "unit"));
}

static void names_addresses_and_boot_orders_never_clash(void **state)
{
	struct vmspec *vm;

	for (unsigned i = 0; (vm = vm_sample(i)); i++) {
		_auto_(vmspec) struct vmspec *owner = vm;
		_auto_(mem) char *text = NULL;
		_auto_(xml) struct xml *doc = NULL;
		const struct xml_node *devices;
		char **orders = NULL;
		struct err err = {0};
		unsigned disks = 0;

		assert_ok(libvirt_write(&text, vm, &err));
		assert_ok(xml_parse(&doc, text, strlen(text), "x", &err));
		devices = xml_child(xml_root(doc), "devices");
		assert_unique(devices, name_key);
		assert_unique(devices, place_key);
		xml_foreach(d, devices, "disk")
		{
			const char *order = xml_attr(xml_child(d, "boot"), "order");

			disks++;
			if (order && strv_has(orders, order))
				fail_msg("sample %u: boot order %s twice", i, order);
			if (order)
				strv_add(&orders, order);
		}
		assert_int_equal(disks, vm->n_disks + vm->n_drives);
		assert_true(strv_has(orders, "1"));
		strv_free(orders);
	}
}

/* Looks up ELEMENT/CHILD@ATTRIBUTE in the devices: the first that has it. */
static void assert_device(const char *text, const char *device, const char *child,
	const char *attribute, const char *want)
{
	_auto_(xml) struct xml *doc = NULL;
	const struct xml_node *n;
	const char *v;
	struct err err = {0};

	assert_ok(xml_parse(&doc, text, strlen(text), "x", &err));
	n = xml_child(xml_child(xml_root(doc), "devices"), device);
	if (*child)
		n = xml_child(n, child);
	v = xml_attr(n, attribute);
	assert_string_equal(v ? v : "(none)", want);
}

static void the_target_has_what_it_needs(void **state)
{
	_auto_(vmspec) struct vmspec *all = vm_sample(1), *ide = vm_sample(3),
				     *last = vm_sample(6), *with_tpm = vm_sample(7);
	_auto_(mem) char *text = NULL, *clashing = NULL, *many = NULL, *tpm = NULL;
	_auto_(xml) struct xml *doc = NULL;
	const struct xml_node *d;
	struct err err = {0};

	assert_ok(libvirt_write(&text, all, &err));
	assert_ok(xml_parse(&doc, text, strlen(text), "x", &err));
	d = xml_root(doc);
	assert_string_equal(xml_attr(d, "type"), "kvm");
	assert_string_equal(xml_text(xml_child(d, "memory")), "2097152");
	assert_string_equal(xml_text(xml_child(d, "vcpu")), "8");
	assert_string_equal(xml_attr(xml_child(d, "os"), "firmware"), "efi");
	assert_string_equal(xml_attr(xml_path(d, "os/type"), "machine"), "q35");
	assert_string_equal(xml_attr(xml_child(d, "clock"), "offset"), "localtime");
	assert_non_null(xml_path(d, "features/acpi"));
	assert_device(text, "controller", "", "model", "virtio-scsi");
	assert_device(text, "disk", "driver", "discard", "unmap");
	assert_device(text, "channel", "target", "name", "org.qemu.guest_agent.0");
	assert_device(text, "serial", "", "type", "pty");
	assert_device(text, "graphics", "", "listen", "127.0.0.1");
	assert_device(text, "input", "", "type", "tablet");
	assert_device(text, "memballoon", "", "model", "virtio");
	assert_device(text, "interface", "source", "network", "VM Network");
	assert_ok(libvirt_write(&tpm, with_tpm, &err));
	assert_device(tpm, "tpm", "backend", "version", "2.0");
	/* No IDE on q35. */
	assert_ok(libvirt_write(&clashing, ide, &err));
	assert_null(strstr(clashing, "bus=\"ide\""));
	/* Behind z comes aa; a device is a block device; a name holds no slash. */
	assert_ok(libvirt_write(&many, last, &err));
	assert_non_null(strstr(many, "dev=\"vdz\""));
	assert_non_null(strstr(many, "dev=\"vdab\""));
	assert_non_null(strstr(many, "<source dev=\"/dev/vg/b\"/>"));
	assert_non_null(strstr(many, "<name>a_b &amp; &lt;c&gt; "));
	assert_null(strstr(many, "<graphics"));
}

static void what_cannot_be_written_is_refused(void **state)
{
	_auto_(mem) char *text = NULL;
	struct err err = {0};

	for (int i = 0; i < 9; i++) {
		_auto_(vmspec) struct vmspec *vm = vm_sample(1);
		static const struct {
			int code;
			const char *part;
		} want[] = {
			{EINVAL, "without a name"},
			{EINVAL, "memory is not known"},
			{EINVAL, "disk 2 has no file"},
			{EINVAL,
				"disk 3: the format of /var/lib/images/sample-1-sdc3 is not known"},
			{ENOTSUP, "disk 1: libvirt's QEMU driver has no disks on the nvme bus"},
			{ENOTSUP,
				"disk 1: libvirt's QEMU driver has no disks on the unknown bus"},
			{ENOTSUP, "disk 1: QEMU has no SCSI controller \"buslogic\""},
			{ENOTSUP, "network card 1: QEMU has no model \"SriovEthernetCard\""},
			{EINVAL, "network card 2: on a bridge without a name"},
		};

		switch (i) {
		case 0:
			free(STEAL(vm->name));
			break;
		case 1:
			vm->memory = 0;
			break;
		case 2:
			free(STEAL(vm->disks[1].file));
			break;
		case 3:
			free(STEAL(vm->disks[2].format));
			break;
		case 4:
			vm->disks[0].bus = VM_BUS_NVME;
			break;
		case 5:
			vm->disks[0].bus = VM_BUS_UNKNOWN;
			break;
		case 6:
			vm->disks[0].bus = VM_BUS_SCSI;
			vm->disks[0].model = xstrdup("buslogic");
			break;
		case 7:
			free(vm->nics[0].model);
			vm->nics[0].model = xstrdup("SriovEthernetCard");
			break;
		case 8:
			free(STEAL(vm->nics[1].network));
			break;
		}
		assert_fails(libvirt_write(&text, vm, &err), want[i].code, want[i].part);
		assert_null(text);
	}
}

static void places_run_out_with_an_error(void **state)
{
	_auto_(vmspec) struct vmspec *scsi = vm_sample(0), *floppy = vm_sample(0);
	_auto_(mem) char *text = NULL;
	struct err err = {0};

	for (unsigned i = 0; i < 8; i++) {
		struct vm_disk *d = vmspec_add_disk(scsi);

		d->bus = VM_BUS_SCSI;
		d->file = xstrdup("/x");
		d->format = xstrdup("raw");
	}
	assert_fails(libvirt_write(&text, scsi, &err), ENOTSUP,
		"disk 9: more disks than fit on the scsi bus");
	for (unsigned i = 0; i < 3; i++)
		vmspec_add_drive(floppy)->kind = VM_FLOPPY;
	assert_fails(libvirt_write(&text, floppy, &err), ENOTSUP,
		"drive 3: more devices than fit on the floppy bus");
}

#define HEAD       "<domain type='kvm'><name>n</name><memory>1024</memory>"
#define DISK(body) HEAD "<devices><disk type='file'>" body "</disk></devices></domain>"

static void wrong_domains_are_refused(void **state)
{
	static const struct {
		const char *text;
		int code;
		const char *part;
	} rows[] = {
		{"", EINVAL, "empty"},
		{"<domain", EINVAL, "line 1"},
		{"<network/>", EINVAL, "the root element is <network>"},
		{"<domain/>", EINVAL, "no <name>"},
		{"<domain><name> </name></domain>", EINVAL, "no <name>"},
		{"<domain><name>n</name></domain>", EINVAL, "no <memory>"},
		{"<domain><name>n</name><memory>x</memory></domain>", EINVAL,
			"not a possible size"},
		{"<domain><name>n</name><memory>0</memory></domain>", EINVAL,
			"not a possible size"},
		{"<domain><name>n</name><memory>-1</memory></domain>", EINVAL,
			"not a possible size"},
		{"<domain><name>n</name><memory unit='TiB'>257</memory></domain>", EINVAL,
			"not a possible size"},
		{"<domain><name>n</name><memory unit='GiB'>99999999999</memory></domain>",
			EINVAL, "not a possible size"},
		{"<domain><name>n</name><memory unit='acre'>1</memory></domain>", EINVAL,
			"unknown unit"},
		{HEAD "<uuid>1-2</uuid></domain>", EINVAL, "no UUID"},
		{HEAD "<genid>x</genid></domain>", EINVAL, "no UUID"},
		{HEAD "<vcpu>0</vcpu></domain>", EINVAL, "not a possible number"},
		{HEAD "<vcpu>9000</vcpu></domain>", EINVAL, "not a possible number"},
		{HEAD "<cpu><topology sockets='x'/></cpu></domain>", EINVAL,
			"sockets is no number"},
		{HEAD "<os><type arch='aarch64'>hvm</type></os></domain>", ENOTSUP, "aarch64"},
		{DISK(""), EINVAL, "no <target dev="},
		{DISK("<target dev='vda' bus='scuzzy'/>"), EINVAL, "unknown bus: \"scuzzy\""},
		{DISK("<target dev='qda'/>"), EINVAL, "unknown bus: \"qda\""},
		{DISK("<target dev='vda'/>"), EINVAL, "a disk without a source: \"vda\""},
		{DISK("<target dev='sda'/><source file='/a'/><address type='drive' unit='x'/>"),
			EINVAL, "unit is no number"},
		{DISK("<target dev='sda'/><source file='/a'/><boot order='-1'/>"), EINVAL,
			"order is no number"},
		{DISK("<target dev='sda'/><source file='/a'/><encryption format='luks'/>"),
			ENOTSUP, "an encrypted disk"},
		{HEAD "<devices><disk type='network'><source protocol='rbd' name='p/v'/>"
		      "<target dev='vda'/></disk></devices></domain>",
			ENOTSUP, "a disk of type network"},
		{HEAD "<devices><disk type='file'><source file='/a'/><target dev='vda'/></disk>"
		      "<disk type='file'><source file='/b'/><target dev='vda'/></disk></devices>"
		      "</domain>",
			EINVAL, "a device name twice: \"vda\""},
		{HEAD "<devices><interface type='network'><mac address='x'/></interface></devices>"
		      "</domain>",
			EINVAL, "no address of a network card"},
		{HEAD "<devices><interface type='bridge'/></devices></domain>", EINVAL,
			"a bridge without a name"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_auto_(vmspec) struct vmspec *vm = NULL;
		struct err err = {0};

		assert_fails(parse(&vm, rows[i].text, &err), rows[i].code, rows[i].part);
		assert_null(vm);
	}
}

static void counts_are_bounded(void **state)
{
	static const struct {
		const char *each; /* '#' is the number */
		unsigned count;
		const char *part;
	} rows[] = {
		{"<disk type='file'><source file='/a'/><target dev='vd#' bus='virtio'/></disk>",
			VM_MAX_DISKS, "more disks"},
		{"<disk device='cdrom'><target dev='sd#' bus='sata'/></disk>", VM_MAX_DISKS,
			"more drives"},
		{"<interface type='user'/>", VM_MAX_NICS, "more network cards"},
		{"<input/>", 4096, "more devices"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (unsigned over = 0; over < 2; over++) {
			_auto_str_ struct str s = STR_INIT;
			_auto_(vmspec) struct vmspec *vm = NULL;
			struct err err = {0};

			str_add(&s, HEAD "<devices>");
			for (unsigned n = 0; n < rows[i].count + over; n++)
				for (const char *c = rows[i].each; *c; c++)
					str_addf(&s, *c == '#' ? "%u" : "%c",
						*c == '#' ? n : (unsigned)*c);
			str_add(&s, "</devices></domain>");
			if (over)
				assert_fails(parse(&vm, s.s, &err), EINVAL, rows[i].part);
			else
				assert_ok(parse(&vm, s.s, &err));
		}
	}
}

static void foreign_xml_is_read_and_the_rest_is_told(void **state)
{
	static const char text[] =
		"<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>"
		"<name>old</name><memory unit='GB'>2</memory><vcpu current='1'>4</vcpu>"
		"<iothreads>2</iothreads><os><type machine='pc-i440fx-7.2'>hvm</type>"
		"<loader readonly='yes' secure='yes' type='pflash'>/x</loader><nvram>/y</nvram></os>"
		"<features><acpi/><hyperv><relaxed state='on'/></hyperv></features>"
		"<cpu mode='host-passthrough'><topology sockets='1' dies='2' cores='2' threads='1'/>"
		"</cpu><clock offset='variable'/><devices>"
		"<controller type='scsi' index='0' model='virtio-scsi'/>"
		"<controller type='scsi' index='1'/>"
		"<disk type='file' device='disk'><source file='/a'/><target dev='sda' bus='scsi'/>"
		"</disk><disk type='block'><driver type='raw'/><source dev='/dev/b'/>"
		"<target dev='sdb' bus='scsi'/><address type='drive' controller='1' unit='2'/></disk>"
		"<disk type='file'><source file='/c'/><target dev='hdc'/></disk>"
		"<disk type='file'><source file='/d'/><target dev='xvdb'/></disk>"
		"<disk type='network' device='cdrom'><target dev='hdd'/></disk>"
		"<interface type='direct'><mac address='52:54:00:11:22:33'/></interface>"
		"<hostdev mode='subsystem'/><watchdog model='i6300esb'/>"
		"<channel type='spicevmc'><target name='com.redhat.spice.0'/></channel>"
		"<memballoon model='none'/><video><model type='qxl'/></video>"
		"</devices></domain>";
	static const char *const losses[] = {"only 1 of the processors",
		"variables (NVRAM) in /y", "<iothreads>", "feature <hyperv>",
		"offset \"variable\"", "device <hostdev>", "device <watchdog>",
		"channel com.redhat.spice.0", "connected by \"direct\"",
		"drive hdd: its medium is not a file here"};
	_auto_(vmspec) struct vmspec *vm = NULL;
	_auto_str_ struct str all = STR_INIT;
	struct err err = {0};

	assert_ok(parse(&vm, text, &err));
	assert_int_equal(vm->memory, UINT64_C(2000000000));
	assert_int_equal(vm->vcpus, 4);
	assert_int_equal(vm->sockets, 2);
	assert_int_equal(vm->machine, VM_MACHINE_PC);
	assert_int_equal(vm->firmware, VM_FIRMWARE_UEFI);
	assert_true(vm->secure_boot);
	assert_false(vm->balloon);
	assert_string_equal(vm->display, "qxl");
	assert_string_equal(vm->cpu_model, "host-passthrough");
	assert_int_equal(vm->n_disks, 4);
	assert_string_equal(vm->disks[0].id, "sda");
	assert_int_equal(vm->disks[0].bus, VM_BUS_VIRTIO_SCSI);
	assert_string_equal(vm->disks[0].format, "raw");
	assert_int_equal(vm->disks[1].bus, VM_BUS_SCSI);
	assert_int_equal(vm->disks[1].controller, 1);
	assert_int_equal(vm->disks[1].unit, 2);
	assert_int_equal(vm->disks[2].bus, VM_BUS_IDE);
	assert_int_equal(vm->disks[3].bus, VM_BUS_XEN);
	assert_int_equal(vm->disks[3].unit, 1);
	assert_null(vm->nics[0].network);
	strv_foreach (l, vm->losses)
		str_addf(&all, "%s\n", *l);
	for (size_t i = 0; i < ARRAY_SIZE(losses); i++)
		if (!strstr(all.s, losses[i]))
			fail_msg("\"%s\" is not among the losses:\n%s", losses[i], all.s);
	assert_int_equal(strv_len(vm->losses), ARRAY_SIZE(losses));
}

static void a_boot_order_sorts_the_disks(void **state)
{
	_auto_(vmspec) struct vmspec *vm = NULL;
	struct err err = {0};

	assert_ok(parse(&vm,
		HEAD "<devices><disk><source file='/a'/><target dev='vda'/></disk>"
		     "<disk><source file='/b'/><target dev='vdb'/><boot order='1'/></disk>"
		     "</devices></domain>",
		&err));
	assert_string_equal(vm->disks[0].file, "/b");
}

static void a_machine_from_an_ovf_can_be_written(void **state)
{
	_auto_(vmspec) struct vmspec *vm = NULL, *back = NULL;
	_auto_(mem) char *text = NULL;
	struct err err = {0};

	assert_ok(ovf_parse(&vm, ovf_sample, strlen(ovf_sample), &err));
	assert_ok(libvirt_write(&text, vm, &err));
	assert_ok(parse(&back, text, &err));
	assert_string_equal(back->uuid, vm->uuid);
	assert_string_equal(back->disks[0].model, "vmpvscsi");
	assert_string_equal(back->nics[0].model, "vmxnet3");
	assert_true(back->secure_boot);
}

static void json_says_what_is_known(void **state)
{
	_auto_(vmspec) struct vmspec *vm = vm_sample(1);
	_auto_(mem) char *text = NULL;
	json_error_t error;
	struct err err = {0};
	json_t *o;

	vmspec_lose(vm, "x\xff");
	assert_ok(vmspec_json_write(&text, vm, &err));
	o = json_loads(text, 0, &error);
	assert_non_null(o);
	assert_int_equal(json_integer_value(json_object_get(o, "memory")), 2 * GiB);
	assert_string_equal(json_string_value(json_object_get(o, "firmware")), "uefi");
	assert_int_equal(json_array_size(json_object_get(o, "disks")), 3);
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(o, "losses"), 0)), "x\\xff");
	assert_null(json_object_get(o, "os_hint"));
	json_decref(o);
}

static void codecs_are_found_by_name(void **state)
{
	assert_ptr_equal(vm_codec_find("ovf")->parse, ovf_parse);
	assert_null(vm_codec_find("ovf")->write);
	assert_ptr_equal(vm_codec_find("libvirt")->write, libvirt_write);
	assert_null(vm_codec_find("json")->parse);
	assert_null(vm_codec_find("vmx?"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_comes_back),
		cmocka_unit_test(writing_what_was_read_changes_nothing),
		cmocka_unit_test(names_addresses_and_boot_orders_never_clash),
		cmocka_unit_test(the_target_has_what_it_needs),
		cmocka_unit_test(what_cannot_be_written_is_refused),
		cmocka_unit_test(places_run_out_with_an_error),
		cmocka_unit_test(wrong_domains_are_refused),
		cmocka_unit_test(counts_are_bounded),
		cmocka_unit_test(foreign_xml_is_read_and_the_rest_is_told),
		cmocka_unit_test(a_boot_order_sorts_the_disks),
		cmocka_unit_test(a_machine_from_an_ovf_can_be_written),
		cmocka_unit_test(json_says_what_is_known),
		cmocka_unit_test(codecs_are_found_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
