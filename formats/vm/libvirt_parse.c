// SPDX-License-Identifier: LGPL-2.1-or-later
/* libvirt_parse: domain XML as a vmspec. */
#include "formats/base/xml.h"
#include "formats/vm/libvirt.h"
#include "formats/vm/vm_text.h"

#include <ctype.h>
#include <inttypes.h>
#include <strings.h>

/* What is left of outside text in a message. */
#define SHOW 100

#define LIBVIRT_VCPUS_MAX   8192
#define LIBVIRT_MEMORY_MAX  (UINT64_C(256) * TiB)
#define LIBVIRT_DEVICES_MAX 4096 /* of all kinds */

struct parser {
	struct vmspec *vm;
	const struct xml_node *domain, *devices;
	char **names; /* device names in use */
	struct err *err;
};

static const char *attr(const struct xml_node *n, const char *name)
{
	const char *v = xml_attr(n, name);

	return v ? v : "";
}

static int bad(
	const struct parser *p, const struct xml_node *n, const char *what, const char *value)
{
	return err_set(p->err, EINVAL, "line %u: <%.*s>: %s: \"%.*s\"", xml_line(n), SHOW,
		xml_name(n), what, SHOW, value);
}

/* An optional number in an attribute; missing leaves *ret. */
static int number(const struct parser *p, const struct xml_node *n, const char *name,
	unsigned max, unsigned *ret)
{
	const char *text = xml_attr(n, name);
	uint64_t v;

	if (!text)
		return 0;
	if (parse_u64(text, max, &v) < 0) {
		_auto_(mem) char *what = xasprintf("%s is no number from 0 to %u", name, max);

		return bad(p, n, what, text);
	}
	*ret = (unsigned)v;
	return 0;
}

/* ---- the machine ---- */

static int read_memory(struct parser *p)
{
	/* libvirt's units (virScaleInteger): one letter and iB are powers of 1024, B of 1000. */
	static const struct {
		const char *name;
		uint64_t bytes;
	} units[] = {
		{"b", 1},
		{"bytes", 1},
		{"KB", 1000},
		{"k", KiB},
		{"KiB", KiB},
		{"MB", 1000000},
		{"M", MiB},
		{"MiB", MiB},
		{"GB", 1000000000},
		{"G", GiB},
		{"GiB", GiB},
		{"TB", 1000000000000},
		{"T", TiB},
		{"TiB", TiB},
	};
	const struct xml_node *n = xml_child(p->domain, "memory");
	const char *unit = xml_attr(n, "unit") ? xml_attr(n, "unit") : "KiB";
	uint64_t factor = 0, v;

	if (!n)
		return err_set(p->err, EINVAL, "no <memory>");
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (!strcasecmp(unit, units[i].name))
			factor = units[i].bytes;
	if (!factor)
		return bad(p, n, "unknown unit", unit);
	if (parse_u64(xml_text(n), LIBVIRT_MEMORY_MAX, &v) < 0 ||
		__builtin_mul_overflow(v, factor, &v) || !v || v > LIBVIRT_MEMORY_MAX)
		return bad(p, n, "not a possible size", xml_text(n));
	p->vm->memory = v;
	if (xml_child(p->domain, "maxMemory"))
		vmspec_lose(p->vm, "memory that can be plugged in (maxMemory)");
	return 0;
}

static int read_cpu(struct parser *p)
{
	const struct xml_node *vcpu = xml_child(p->domain, "vcpu");
	const struct xml_node *cpu = xml_child(p->domain, "cpu");
	const struct xml_node *topology = xml_child(cpu, "topology");
	struct vmspec *vm = p->vm;
	unsigned dies = 1;
	uint64_t v = 1;
	int r;

	if (vcpu && (parse_u64(xml_text(vcpu), LIBVIRT_VCPUS_MAX, &v) < 0 || !v))
		return bad(p, vcpu, "not a possible number", xml_text(vcpu));
	vm->vcpus = (unsigned)v;
	if (xml_attr(vcpu, "current") && strcmp(xml_attr(vcpu, "current"), xml_text(vcpu)))
		vmspec_lose(vm, "only %.*s of the processors are plugged in", SHOW,
			xml_attr(vcpu, "current"));
	r = number(p, topology, "sockets", LIBVIRT_VCPUS_MAX, &vm->sockets);
	if (r >= 0)
		r = number(p, topology, "dies", LIBVIRT_VCPUS_MAX, &dies);
	if (r >= 0)
		r = number(p, topology, "cores", LIBVIRT_VCPUS_MAX, &vm->cores);
	if (r >= 0)
		r = number(p, topology, "threads", LIBVIRT_VCPUS_MAX, &vm->threads);
	if (r < 0)
		return r;
	vm->sockets *= dies;
	if (!strcmp(attr(cpu, "mode"), "host-passthrough"))
		vm->cpu_model = xstrdup("host-passthrough");
	else if (xml_child(cpu, "model"))
		vm->cpu_model = vm_name_clean(xml_text(xml_child(cpu, "model")));
	if (xml_child(cpu, "feature"))
		vmspec_lose(vm, "processor features switched on or off one by one");
	if (xml_child(cpu, "numa"))
		vmspec_lose(vm, "NUMA cells");
	return 0;
}

static void read_firmware(struct parser *p, const struct xml_node *os)
{
	const struct xml_node *loader = xml_child(os, "loader");
	struct vmspec *vm = p->vm;

	vm->firmware = VM_FIRMWARE_BIOS;
	if (!strcmp(attr(os, "firmware"), "efi") || !strcmp(attr(loader, "type"), "pflash"))
		vm->firmware = VM_FIRMWARE_UEFI;
	vm->secure_boot = vm_bool(xml_attr(loader, "secure"), false);
	xml_foreach(f, xml_child(os, "firmware"), "feature")
	{
		if (!strcmp(attr(f, "name"), "secure-boot"))
			vm->secure_boot = vm_bool(xml_attr(f, "enabled"), false);
	}
	if (xml_child(os, "nvram") && *xml_text(xml_child(os, "nvram")))
		vmspec_lose(vm, "the firmware's variables (NVRAM) in %.*s", SHOW,
			xml_text(xml_child(os, "nvram")));
}

static int read_os(struct parser *p)
{
	const struct xml_node *os = xml_child(p->domain, "os"), *type = xml_child(os, "type");
	const char *machine = attr(type, "machine"), *arch = attr(type, "arch");

	if (*arch && strcmp(arch, "x86_64") && strcmp(arch, "i686"))
		return err_set(
			p->err, ENOTSUP, "a machine of the architecture %.*s", SHOW, arch);
	if (*xml_text(type) && strcmp(xml_text(type), "hvm"))
		vmspec_lose(p->vm, "the machine's kind is %.*s", SHOW, xml_text(type));
	if (strstr(machine, "q35"))
		p->vm->machine = VM_MACHINE_Q35;
	else if (starts_with(machine, "pc"))
		p->vm->machine = VM_MACHINE_PC;
	else if (*machine)
		vmspec_lose(p->vm, "machine type %.*s", SHOW, machine);
	read_firmware(p, os);
	if (xml_child(os, "kernel"))
		vmspec_lose(p->vm, "a kernel outside the disks: %.*s", SHOW,
			xml_text(xml_child(os, "kernel")));
	xml_foreach(e, xml_path(p->domain, "sysinfo/system"), "entry")
	{
		if (!strcmp(attr(e, "name"), "serial") && !p->vm->serial)
			p->vm->serial = vm_name_clean(xml_text(e));
	}
	return 0;
}

static int read_identity(struct parser *p)
{
	struct vmspec *vm = p->vm;
	const char *uuid = xml_text(xml_child(p->domain, "uuid"));
	const char *genid = xml_text(xml_child(p->domain, "genid"));
	const char *clock = attr(xml_child(p->domain, "clock"), "offset");

	vm->source = xstrdup("libvirtxml");
	vm->name = vm_name_clean(xml_text(xml_child(p->domain, "name")));
	if (!vm->name)
		return err_set(p->err, EINVAL, "no <name>");
	vm->description = vm_description_clean(xml_text(xml_child(p->domain, "description")));
	if (*uuid && vm_uuid_parse(uuid, &vm->uuid) < 0)
		return bad(p, xml_child(p->domain, "uuid"), "no UUID", uuid);
	if (*genid && vm_uuid_parse(genid, &vm->genid) < 0)
		return bad(p, xml_child(p->domain, "genid"), "no UUID", genid);
	vm->clock_localtime = !strcmp(clock, "localtime");
	if (*clock && strcmp(clock, "utc") && strcmp(clock, "localtime"))
		vmspec_lose(vm, "a clock with the offset \"%.*s\"", SHOW, clock);
	return 0;
}

/* ---- disks ---- */

/* By libvirt's names of buses; and by the beginnings of device names where it has none. */
static const struct {
	const char *bus, *prefix;
	enum vm_bus is;
} buses[] = {
	{"virtio", "vd", VM_BUS_VIRTIO_BLK},
	{"scsi", "sd", VM_BUS_SCSI},
	{"ide", "hd", VM_BUS_IDE},
	{"xen", "xvd", VM_BUS_XEN},
	{"fdc", "fd", VM_BUS_FLOPPY},
	{"sata", NULL, VM_BUS_SATA},
	{"usb", NULL, VM_BUS_USB},
	{"nvme", "nvme", VM_BUS_NVME},
};

static int read_bus(struct parser *p, const struct xml_node *target, enum vm_bus *ret)
{
	const char *bus = attr(target, "bus"), *dev = attr(target, "dev");

	for (size_t i = 0; i < ARRAY_SIZE(buses); i++) {
		bool fits = *bus ? !strcmp(bus, buses[i].bus)
				 : buses[i].prefix && starts_with(dev, buses[i].prefix);

		if (fits) {
			*ret = buses[i].is;
			return 0;
		}
	}
	return bad(p, target, "unknown bus", *bus ? bus : dev);
}

/* The number behind the letters of a device name: vda is 0, vdaa is 26. */
static unsigned name_number(const char *dev)
{
	const char *p = dev + (starts_with(dev, "xvd") ? 3 : MIN(strlen(dev), (size_t)2));
	unsigned n = 0;

	for (; *p >= 'a' && *p <= 'z' && n < 10000; p++)
		n = n * 26 + (unsigned)(*p - 'a') + 1;
	return n ? n - 1 : 0;
}

static const char *scsi_model(const struct parser *p, unsigned index)
{
	xml_foreach(c, p->devices, "controller")
	{
		uint64_t v = 0;

		if (!strcmp(attr(c, "type"), "scsi") &&
			(!xml_attr(c, "index") ||
				parse_u64(attr(c, "index"), 65535, &v) >= 0) &&
			v == index && xml_attr(c, "model"))
			return xml_attr(c, "model");
	}
	return NULL;
}

/* Controller and unit of a <disk>, by its address, else by its name. */
static int read_place(struct parser *p, const struct xml_node *n, enum vm_bus *bus,
	unsigned *controller, unsigned *unit)
{
	const struct xml_node *target = xml_child(n, "target"), *a = xml_child(n, "address");
	const char *dev = attr(target, "dev");
	unsigned channel = 0, id = 0;
	int r;

	if (!*dev)
		return bad(p, n, "no <target dev=", "");
	if (strv_has(p->names, dev))
		return bad(p, n, "a device name twice", dev);
	strv_add(&p->names, dev);
	r = read_bus(p, target, bus);
	if (r < 0)
		return r;
	*unit = name_number(dev);
	if (!strcmp(attr(a, "type"), "drive")) {
		*unit = 0;
		r = number(p, a, "controller", 65535, controller);
		if (r >= 0)
			r = number(p, a, "bus", 65535, &channel);
		if (r >= 0)
			r = number(p, a, "target", 65535, &id);
		if (r >= 0)
			r = number(p, a, "unit", 65535, unit);
		if (r < 0)
			return r;
		if (*bus == VM_BUS_IDE)
			*controller = channel;
		if (!*unit)
			*unit = id;
	}
	return 0;
}

/* The path of a file or block device in <source>; other kinds of sources: ENOTSUP. */
static int read_source(struct parser *p, const struct xml_node *n, char **ret)
{
	const struct xml_node *source = xml_child(n, "source");
	const char *type = attr(n, "type"), *path;

	if (*type && strcmp(type, "file") && strcmp(type, "block"))
		return err_set(p->err, ENOTSUP,
			"line %u: a disk of type %.*s: only files and block devices are read",
			xml_line(n), SHOW, type);
	if (xml_child(n, "encryption") || xml_child(source, "encryption"))
		return err_set(p->err, ENOTSUP, "line %u: an encrypted disk", xml_line(n));
	path = attr(source, !strcmp(type, "block") ? "dev" : "file");
	if (*path)
		*ret = xstrdup(path);
	return 0;
}

static int read_disk(struct parser *p, const struct xml_node *n)
{
	const char *format = attr(xml_child(n, "driver"), "type");
	const char *serial = xml_text(xml_child(n, "serial"));
	struct vm_disk *d;
	int r;

	if (p->vm->n_disks == VM_MAX_DISKS)
		return bad(p, n, "more disks than are allowed", attr(n, "type"));
	d = vmspec_add_disk(p->vm);
	r = read_place(p, n, &d->bus, &d->controller, &d->unit);
	if (r >= 0)
		r = read_source(p, n, &d->file);
	if (r >= 0)
		r = number(p, xml_child(n, "boot"), "order", 65535, &d->boot_order);
	if (r < 0)
		return r;
	if (!d->file)
		return bad(
			p, n, "a disk without a source", attr(xml_child(n, "target"), "dev"));
	d->id = vm_name_clean(attr(xml_child(n, "target"), "dev"));
	d->serial = vm_name_clean(serial);
	d->format = xstrdup(*format ? format : "raw"); /* libvirt never probes */
	if (d->bus == VM_BUS_SCSI) {
		const char *model = scsi_model(p, d->controller);

		if (model && !strncmp(model, "virtio-", 7))
			d->bus = VM_BUS_VIRTIO_SCSI;
		else
			d->model = vm_name_clean(model);
	}
	if (xml_child(n, "shareable"))
		vmspec_lose(p->vm, "disk %s is shared with other machines", d->id);
	if (xml_child(n, "iotune"))
		vmspec_lose(p->vm, "disk %s: limits of its speed", d->id);
	return 0;
}

static int read_drive(struct parser *p, const struct xml_node *n, enum vm_removable kind)
{
	struct vm_drive *d;
	int r;

	if (p->vm->n_drives == VM_MAX_DISKS)
		return bad(p, n, "more drives than are allowed", attr(n, "type"));
	d = vmspec_add_drive(p->vm);
	d->kind = kind;
	r = read_place(p, n, &d->bus, &d->controller, &d->unit);
	if (r < 0)
		return r;
	if (!strcmp(attr(n, "type"), "network") || !strcmp(attr(n, "type"), "volume")) {
		vmspec_lose(p->vm, "drive %.*s: its medium is not a file here", SHOW,
			attr(xml_child(n, "target"), "dev"));
		return 0;
	}
	return read_source(p, n, &d->file);
}

static int read_any_disk(struct parser *p, const struct xml_node *n)
{
	const char *device = attr(n, "device");

	if (!strcmp(device, "cdrom"))
		return read_drive(p, n, VM_CDROM);
	if (!strcmp(device, "floppy"))
		return read_drive(p, n, VM_FLOPPY);
	return read_disk(p, n);
}

/* ---- other devices ---- */

static int read_nic(struct parser *p, const struct xml_node *n)
{
	const char *mac = attr(xml_child(n, "mac"), "address"), *type = attr(n, "type");
	const struct xml_node *source = xml_child(n, "source");
	struct vm_nic *nic;

	if (p->vm->n_nics == VM_MAX_NICS)
		return bad(p, n, "more network cards than are allowed", mac);
	nic = vmspec_add_nic(p->vm);
	if (*mac && vm_mac_parse(mac, &nic->mac) < 0)
		return bad(p, n, "no address of a network card", mac);
	nic->model = vm_name_clean(attr(xml_child(n, "model"), "type"));
	nic->bridge = !strcmp(type, "bridge");
	if (nic->bridge || !strcmp(type, "network"))
		nic->network = vm_name_clean(attr(source, type));
	else
		vmspec_lose(p->vm, "network card %s: connected by \"%.*s\"",
			nic->mac ? nic->mac : "without an address", SHOW, type);
	if (nic->bridge && !nic->network)
		return bad(p, n, "a bridge without a name", "");
	nic->disconnected = !strcmp(attr(xml_child(n, "link"), "state"), "down");
	return 0;
}

static int read_video(struct parser *p, const struct xml_node *n)
{
	if (!p->vm->display)
		p->vm->display = vm_name_clean(attr(xml_child(n, "model"), "type"));
	return 0;
}

static int read_sound(struct parser *p, const struct xml_node *n)
{
	if (!p->vm->sound)
		p->vm->sound = vm_name_clean(attr(n, "model"));
	return 0;
}

static int read_serial(struct parser *p, const struct xml_node *n)
{
	p->vm->serial_console = true;
	return 0;
}

static int read_channel(struct parser *p, const struct xml_node *n)
{
	const char *name = attr(xml_child(n, "target"), "name");

	if (!strcmp(name, "org.qemu.guest_agent.0"))
		p->vm->agent_channel = true;
	else
		vmspec_lose(p->vm, "channel %.*s", SHOW, name);
	return 0;
}

static int read_rng(struct parser *p, const struct xml_node *n)
{
	p->vm->rng = true;
	return 0;
}

static int read_balloon(struct parser *p, const struct xml_node *n)
{
	p->vm->balloon = strcmp(attr(n, "model"), "none");
	return 0;
}

static int read_panic(struct parser *p, const struct xml_node *n)
{
	p->vm->pvpanic = true;
	return 0;
}

static int read_tpm(struct parser *p, const struct xml_node *n)
{
	p->vm->tpm = true;
	return 0;
}

static int read_nothing(struct parser *p, const struct xml_node *n)
{
	return 0;
}

static const struct {
	const char *name;
	int (*read)(struct parser *p, const struct xml_node *n);
} devices[] = {
	{"disk", read_any_disk},
	{"interface", read_nic},
	{"video", read_video},
	{"sound", read_sound},
	{"serial", read_serial},
	{"console", read_serial},
	{"channel", read_channel},
	{"rng", read_rng},
	{"memballoon", read_balloon},
	{"panic", read_panic},
	{"tpm", read_tpm},
	/* Part of every machine, or found by other functions. */
	{"controller", read_nothing},
	{"emulator", read_nothing},
	{"input", read_nothing},
	{"graphics", read_nothing},
	{"audio", read_nothing},
	{"hub", read_nothing},
};

static int read_device(struct parser *p, const struct xml_node *n)
{
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
		if (!strcmp(devices[i].name, xml_name(n)))
			return devices[i].read(p, n);
	vmspec_lose(p->vm, "device <%.*s>", SHOW, xml_name(n));
	return 0;
}

/* Parts of a domain beside the devices that a vmspec has no words for. */
static void read_losses(struct parser *p)
{
	static const char *const children[] = {"iothreads", "cputune", "numatune",
		"memoryBacking", "memtune", "blkiotune", "launchSecurity", "bootloader",
		"idmap", "keywrap"};
	static const char *const known[] = {"acpi", "apic", "pae", "smm", "vmport"};

	for (size_t i = 0; i < ARRAY_SIZE(children); i++)
		if (xml_child(p->domain, children[i]))
			vmspec_lose(p->vm, "<%s>", children[i]);
	xml_foreach(f, xml_child(p->domain, "features"), NULL)
	{
		bool found = false;

		for (size_t i = 0; i < ARRAY_SIZE(known); i++)
			found = found || !strcmp(known[i], xml_name(f));
		if (!found)
			vmspec_lose(p->vm, "feature <%.*s>", SHOW, xml_name(f));
	}
}

static int parse_domain(struct parser *p)
{
	unsigned count = 0;
	int r;

	if (strcmp(xml_name(p->domain), "domain"))
		return err_set(p->err, EINVAL,
			"not a libvirt domain: the root element is <%.*s>", SHOW,
			xml_name(p->domain));
	r = read_identity(p);
	if (r >= 0)
		r = read_memory(p);
	if (r >= 0)
		r = read_cpu(p);
	if (r >= 0)
		r = read_os(p);
	xml_foreach(n, p->devices, NULL)
	{
		if (r >= 0 && ++count > LIBVIRT_DEVICES_MAX)
			r = bad(p, n, "more devices than are allowed", "");
		if (r >= 0)
			r = read_device(p, n);
	}
	if (r < 0)
		return r;
	read_losses(p);
	vmspec_sort_disks(p->vm);
	return 0;
}

int libvirt_parse(struct vmspec **ret, const char *text, size_t len, struct err *err)
{
	_auto_(vmspec) struct vmspec *vm = vmspec_new();
	_auto_(xml) struct xml *doc = NULL;
	struct parser p = {.vm = vm, .err = err};
	int r = xml_parse(&doc, text, len, "domain XML", err);

	if (r < 0)
		return r;
	p.domain = xml_root(doc);
	p.devices = xml_child(p.domain, "devices");
	r = parse_domain(&p);
	strv_free(p.names);
	if (r < 0)
		return err_prefix(err, "domain XML");
	*ret = STEAL(vm);
	return 0;
}
