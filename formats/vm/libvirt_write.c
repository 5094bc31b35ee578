// SPDX-License-Identifier: LGPL-2.1-or-later
/* libvirt_write: a vmspec as domain XML. */
#include "formats/base/xml.h"
#include "formats/vm/libvirt.h"

#include <inttypes.h>
#include <strings.h>

/* Places of disks and drives are below this; more than all of them together. */
#define PLACES_MAX (2 * VM_MAX_DISKS + 2)

/* Where a disk or drive goes in libvirt's terms. */
struct place {
	enum vm_bus bus;
	unsigned controller; /* libvirt's index; IDE: the channel */
	unsigned unit;
	char name[8]; /* vda, sdab ... */
};

struct writer {
	struct xml_writer x;
	const struct vmspec *vm;
	struct err *err;
	struct place places[PLACES_MAX]; /* disks, then drives */
	unsigned n_places;
	struct scsi { /* SCSI controllers, by libvirt's index */
		enum vm_bus bus;
		unsigned controller;
		const char *model;
	} scsi[VM_MAX_DISKS];
	unsigned n_scsi;
};

static bool is_q35(const struct vmspec *vm)
{
	return vm->machine != VM_MACHINE_PC;
}

/* ---- places ---- */

/* What libvirt calls a bus, the beginning of its device names, and its size: units of one
 * controller and controllers (0 = no limit of ours). */
static const struct bus {
	const char *name;
	const char *prefix;
	unsigned units, controllers;
} buses[] = {
	[VM_BUS_IDE] = {"ide", "hd", 2, 2},
	[VM_BUS_SATA] = {"sata", "sd", 6, 0},
	[VM_BUS_SCSI] = {"scsi", "sd", 7, 0},
	[VM_BUS_USB] = {"usb", "sd", 0, 0},
	[VM_BUS_FLOPPY] = {"fdc", "fd", 2, 1},
	[VM_BUS_VIRTIO_BLK] = {"virtio", "vd", 0, 0},
	[VM_BUS_VIRTIO_SCSI] = {"scsi", "sd", 0, 0},
};

static bool is_scsi(enum vm_bus bus)
{
	return bus == VM_BUS_SCSI || bus == VM_BUS_VIRTIO_SCSI;
}

static bool is_taken(const struct writer *w, const struct place *p)
{
	for (unsigned i = 0; i < w->n_places; i++) {
		const struct place *q = &w->places[i];

		if (!strcmp(buses[q->bus].name, buses[p->bus].name) &&
			q->controller == p->controller && q->unit == p->unit)
			return true;
	}
	return false;
}

/* a..z, aa..zz, as the kernel numbers disks. */
static void letters(char *out, unsigned n)
{
	char buf[8];
	size_t len = 0;

	for (n++; n; n = (n - 1) / 26)
		buf[len++] = (char)('a' + (n - 1) % 26);
	while (len)
		*out++ = buf[--len];
	*out = 0;
}

/* Takes the place, or the next free one. */
static int take_place(struct writer *w, struct place p, struct err *err)
{
	const struct bus *b = &buses[p.bus];
	unsigned before = 0;

	while (is_taken(w, &p) || (b->units && p.unit >= b->units)) {
		p.unit++;
		if (b->units && p.unit >= b->units && !is_scsi(p.bus)) {
			p.unit = 0;
			p.controller++;
		} else if (p.unit >= PLACES_MAX ||
			   (is_scsi(p.bus) && b->units && p.unit >= b->units)) {
			return err_set(err, ENOTSUP, "more disks than fit on the %s bus",
				vm_bus_name(p.bus));
		}
	}
	if (b->controllers && p.controller >= b->controllers)
		return err_set(err, ENOTSUP, "more devices than fit on the %s bus",
			vm_bus_name(p.bus));
	for (unsigned i = 0; i < w->n_places; i++)
		before += !strcmp(buses[w->places[i].bus].prefix, b->prefix);
	memcpy(p.name, b->prefix, 2);
	letters(p.name + 2, before);
	w->places[w->n_places++] = p;
	return 0;
}

/* libvirt's name of a SCSI controller that QEMU has, from VMware's or its own. */
static const char *scsi_model(const struct vm_disk *d)
{
	static const char *const models[][2] = {
		{"lsilogic", "lsilogic"},
		{"lsilogicsas", "lsisas1068"},
		{"lsisas1068", "lsisas1068"},
		{"VirtualSCSI", "vmpvscsi"},
		{"vmpvscsi", "vmpvscsi"},
		{"pvscsi", "vmpvscsi"},
	};

	if (d->bus == VM_BUS_VIRTIO_SCSI)
		return "virtio-scsi";
	if (!d->model)
		return "lsilogic";
	for (size_t i = 0; i < ARRAY_SIZE(models); i++)
		if (!strcasecmp(models[i][0], d->model))
			return models[i][1];
	return NULL;
}

/* libvirt's index of a disk's SCSI controller. All kinds share the numbers. */
static int scsi_index(struct writer *w, const struct vm_disk *d, unsigned *ret, struct err *err)
{
	const char *model = scsi_model(d);

	if (!model)
		return err_set(err, ENOTSUP, "QEMU has no SCSI controller \"%.40s\"", d->model);
	for (*ret = 0; *ret < w->n_scsi; (*ret)++) {
		const struct scsi *s = &w->scsi[*ret];

		if (s->bus == d->bus && s->controller == d->controller)
			return 0;
	}
	w->scsi[w->n_scsi++] =
		(struct scsi){.bus = d->bus, .controller = d->controller, .model = model};
	return 0;
}

static int place_disk(struct writer *w, const struct vm_disk *d, struct err *err)
{
	struct place p = {.bus = d->bus, .controller = d->controller, .unit = d->unit};
	int r = 0;

	if (p.bus == VM_BUS_IDE && is_q35(w->vm))
		p.bus = VM_BUS_SATA;
	if (p.bus >= ARRAY_SIZE(buses) || !buses[p.bus].name || p.bus == VM_BUS_FLOPPY)
		return err_set(err, ENOTSUP, "libvirt's QEMU driver has no disks on the %s bus",
			vm_bus_name(p.bus));
	if (is_scsi(p.bus))
		r = scsi_index(w, d, &p.controller, err);
	if (p.bus == VM_BUS_VIRTIO_BLK || p.bus == VM_BUS_USB)
		p.controller = p.unit = 0; /* no addresses of ours: just names */
	if (p.bus == VM_BUS_SATA && p.controller > 255)
		p.controller = 0;
	return r < 0 ? r : take_place(w, p, err);
}

static int place_drive(struct writer *w, const struct vm_drive *d, struct err *err)
{
	struct place p = {.bus = is_q35(w->vm) ? VM_BUS_SATA : VM_BUS_IDE, .unit = d->unit};

	if (d->kind == VM_FLOPPY)
		p.bus = VM_BUS_FLOPPY;
	else if (d->bus == VM_BUS_SATA)
		p.bus = VM_BUS_SATA;
	if (d->bus == p.bus && d->controller < 256)
		p.controller = d->controller;
	return take_place(w, p, err);
}

/* All disks, then all drives: a disk never loses its place to a drive. */
static int place_all(struct writer *w)
{
	const struct vmspec *vm = w->vm;
	int r = 0;

	if (vm->n_disks > VM_MAX_DISKS || vm->n_drives > VM_MAX_DISKS)
		return err_set(w->err, EINVAL, "too many disks");
	for (unsigned i = 0; r >= 0 && i < vm->n_disks; i++) {
		r = place_disk(w, &vm->disks[i], w->err);
		if (r < 0)
			err_prefix(w->err, "disk %u", i + 1);
	}
	for (unsigned i = 0; r >= 0 && i < vm->n_drives; i++) {
		r = place_drive(w, &vm->drives[i], w->err);
		if (r < 0)
			err_prefix(w->err, "drive %u", i + 1);
	}
	return r;
}

/* ---- elements ---- */

/* An element with attributes only; pairs of name and value up to a NULL. */
static void leaf(struct xml_writer *x, const char *name, const char *const *attrs)
{
	xml_begin(x, name);
	for (; attrs[0]; attrs += 2)
		if (attrs[1])
			xml_put_attr(x, attrs[0], "%s", attrs[1]);
	xml_end(x);
}
#define LEAF(x, name, ...) leaf((x), (name), (const char *const[]){__VA_ARGS__, NULL})

static void write_identity(struct writer *w)
{
	struct xml_writer *x = &w->x;
	const struct vmspec *vm = w->vm;
	_auto_(mem) char *name = xstrdup(vm->name);

	/* libvirt keeps a file of that name. */
	for (char *c = name; *c; c++)
		if (*c == '/')
			*c = '_';
	xml_put(x, "name", "%s", name);
	if (vm->uuid)
		xml_put(x, "uuid", "%s", vm->uuid);
	if (vm->genid)
		xml_put(x, "genid", "%s", vm->genid);
	if (vm->description)
		xml_put(x, "description", "%s", vm->description);
	xml_begin(x, "memory");
	xml_put_attr(x, "unit", "KiB");
	xml_put_text(x, "%" PRIu64, div_up(vm->memory, KiB));
	xml_end(x);
	xml_put(x, "vcpu", "%u", vm->vcpus ? vm->vcpus : 1);
}

static void write_os(struct writer *w)
{
	struct xml_writer *x = &w->x;
	const struct vmspec *vm = w->vm;
	bool efi = vm->firmware == VM_FIRMWARE_UEFI;
	const char *secure = vm->secure_boot ? "yes" : "no";

	xml_begin(x, "os");
	if (efi)
		xml_put_attr(x, "firmware", "efi");
	xml_begin(x, "type");
	xml_put_attr(x, "arch", "x86_64");
	xml_put_attr(x, "machine", "%s", is_q35(vm) ? "q35" : "pc");
	xml_put_text(x, "hvm");
	xml_end(x);
	if (efi) {
		xml_begin(x, "firmware");
		LEAF(x, "feature", "enabled", secure, "name", "enrolled-keys");
		LEAF(x, "feature", "enabled", secure, "name", "secure-boot");
		xml_end(x);
	}
	if (vm->serial)
		LEAF(x, "smbios", "mode", "sysinfo");
	xml_end(x);
	if (vm->serial) {
		xml_begin(x, "sysinfo");
		xml_put_attr(x, "type", "smbios");
		xml_begin(x, "system");
		xml_begin(x, "entry");
		xml_put_attr(x, "name", "serial");
		xml_put_text(x, "%s", vm->serial);
		xml_end(x);
		xml_end(x);
		xml_end(x);
	}
}

static void write_cpu(struct writer *w)
{
	struct xml_writer *x = &w->x;
	const struct vmspec *vm = w->vm;
	uint64_t product = (uint64_t)vm->sockets * vm->cores * vm->threads;

	xml_begin(x, "cpu");
	if (!vm->cpu_model) {
		xml_put_attr(x, "mode", "host-model");
	} else if (!strcmp(vm->cpu_model, "host-passthrough")) {
		xml_put_attr(x, "mode", "host-passthrough");
	} else {
		xml_put_attr(x, "mode", "custom");
		xml_put_attr(x, "match", "exact");
		xml_begin(x, "model");
		xml_put_attr(x, "fallback", "allow");
		xml_put_text(x, "%s", vm->cpu_model);
		xml_end(x);
	}
	if (product && product == vm->vcpus) {
		xml_begin(x, "topology");
		xml_put_attr(x, "sockets", "%u", vm->sockets);
		xml_put_attr(x, "cores", "%u", vm->cores);
		xml_put_attr(x, "threads", "%u", vm->threads);
		xml_end(x);
	}
	xml_end(x);
}

static void write_behaviour(struct writer *w)
{
	struct xml_writer *x = &w->x;
	const struct vmspec *vm = w->vm;

	xml_begin(x, "features");
	xml_begin(x, "acpi");
	xml_end(x);
	xml_begin(x, "apic");
	xml_end(x);
	if (vm->secure_boot)
		LEAF(x, "smm", "state", "on");
	/* The port by which guests recognise VMware. */
	LEAF(x, "vmport", "state", "off");
	xml_end(x);
	/* Missed ticks of the clock are made up for; the HPET costs time and gives nothing. */
	xml_begin(x, "clock");
	xml_put_attr(x, "offset", vm->clock_localtime ? "localtime" : "utc");
	LEAF(x, "timer", "name", "rtc", "tickpolicy", "catchup");
	LEAF(x, "timer", "name", "pit", "tickpolicy", "delay");
	LEAF(x, "timer", "name", "hpet", "present", "no");
	xml_end(x);
	xml_put(x, "on_poweroff", "destroy");
	xml_put(x, "on_reboot", "restart");
	xml_put(x, "on_crash", "restart");
}

/* Addresses for what hangs on controllers that we number. */
static void write_address(struct xml_writer *x, const struct place *p)
{
	/* LSI's first generation addresses by unit alone; SAS and PVSCSI by target. */
	xml_begin(x, "address");
	xml_put_attr(x, "type", "drive");
	xml_put_attr(x, "controller", "%u", p->bus == VM_BUS_IDE ? 0 : p->controller);
	xml_put_attr(x, "bus", "%u", p->bus == VM_BUS_IDE ? p->controller : 0);
	xml_put_attr(x, "target", "0");
	xml_put_attr(x, "unit", "%u", p->unit);
	xml_end(x);
}

static void write_source(struct xml_writer *x, const char *file)
{
	bool device = starts_with(file, "/dev/");

	LEAF(x, "source", device ? "dev" : "file", file);
}

static const char *source_type(const char *file)
{
	return file && starts_with(file, "/dev/") ? "block" : "file";
}

/* Is this disk the first with its boot order? libvirt refuses a number twice. */
static unsigned boot_order(const struct vmspec *vm, unsigned disk)
{
	bool any = false;

	for (unsigned i = 0; i < vm->n_disks; i++) {
		any = any || vm->disks[i].boot_order;
		if (i < disk && vm->disks[i].boot_order == vm->disks[disk].boot_order)
			return any ? 0 : disk == 0;
	}
	return any ? vm->disks[disk].boot_order : disk == 0;
}

static int write_disk(struct writer *w, unsigned i, struct err *err)
{
	struct xml_writer *x = &w->x;
	const struct vm_disk *d = &w->vm->disks[i];
	const struct place *p = &w->places[i];
	unsigned order = boot_order(w->vm, i);

	if (!d->file || !*d->file)
		return err_set(err, EINVAL, "disk %u has no file", i + 1);
	if (!d->format)
		return err_set(
			err, EINVAL, "disk %u: the format of %s is not known", i + 1, d->file);
	xml_begin(x, "disk");
	xml_put_attr(x, "type", "%s", source_type(d->file));
	xml_put_attr(x, "device", "disk");
	LEAF(x, "driver", "name", "qemu", "type", d->format, "discard", "unmap");
	write_source(x, d->file);
	LEAF(x, "target", "dev", p->name, "bus", buses[p->bus].name);
	if (d->serial)
		xml_put(x, "serial", "%s", d->serial);
	if (order) {
		xml_begin(x, "boot");
		xml_put_attr(x, "order", "%u", order);
		xml_end(x);
	}
	if (p->bus != VM_BUS_VIRTIO_BLK && p->bus != VM_BUS_USB)
		write_address(x, p);
	xml_end(x);
	return 0;
}

static void write_drive(struct writer *w, unsigned i)
{
	struct xml_writer *x = &w->x;
	const struct vm_drive *d = &w->vm->drives[i];
	const struct place *p = &w->places[w->vm->n_disks + i];

	xml_begin(x, "disk");
	xml_put_attr(x, "type", "%s", source_type(d->file));
	xml_put_attr(x, "device", "%s", d->kind == VM_FLOPPY ? "floppy" : "cdrom");
	LEAF(x, "driver", "name", "qemu", "type", "raw");
	if (d->file)
		write_source(x, d->file);
	LEAF(x, "target", "dev", p->name, "bus", buses[p->bus].name);
	if (d->kind == VM_CDROM) {
		xml_begin(x, "readonly");
		xml_end(x);
	}
	write_address(x, p);
	xml_end(x);
}

/* One SCSI controller per number up to the last in use, each with its model: left to itself
 * libvirt would add LSI ones, for which guests of today have no driver. */
static void write_controllers(struct writer *w)
{
	struct xml_writer *x = &w->x;

	for (unsigned i = 0; i < w->n_scsi; i++) {
		xml_begin(x, "controller");
		xml_put_attr(x, "type", "scsi");
		xml_put_attr(x, "index", "%u", i);
		xml_put_attr(x, "model", "%s", w->scsi[i].model);
		xml_end(x);
	}
	LEAF(x, "controller", "type", "usb", "model", "qemu-xhci");
}

static int write_nic(struct writer *w, unsigned i, struct err *err)
{
	static const char *const models[] = {
		"virtio", "e1000", "e1000e", "vmxnet3", "rtl8139", "pcnet"};
	struct xml_writer *x = &w->x;
	const struct vm_nic *nic = &w->vm->nics[i];
	const char *type = nic->bridge ? "bridge" : "network", *model = NULL;

	for (size_t m = 0; m < ARRAY_SIZE(models); m++)
		if (!strcasecmp(nic->model ? nic->model : "virtio", models[m]))
			model = models[m];
	if (!model)
		return err_set(err, ENOTSUP, "network card %u: QEMU has no model \"%.40s\"",
			i + 1, nic->model);
	if (nic->bridge && !nic->network)
		return err_set(
			err, EINVAL, "network card %u: on a bridge without a name", i + 1);
	xml_begin(x, "interface");
	xml_put_attr(x, "type", "%s", type);
	if (nic->mac)
		LEAF(x, "mac", "address", nic->mac);
	LEAF(x, "source", type, nic->network ? nic->network : "default");
	LEAF(x, "model", "type", model);
	if (nic->disconnected)
		LEAF(x, "link", "state", "down");
	xml_end(x);
	return 0;
}

static void write_consoles(struct writer *w)
{
	struct xml_writer *x = &w->x;
	const struct vmspec *vm = w->vm;
	const char *display = vm->display ? vm->display : "vga";

	/* Always there: it costs nothing, and shows what a guest that says anything says. */
	xml_begin(x, "serial");
	xml_put_attr(x, "type", "pty");
	LEAF(x, "target", "port", "0");
	xml_end(x);
	xml_begin(x, "console");
	xml_put_attr(x, "type", "pty");
	LEAF(x, "target", "type", "serial", "port", "0");
	xml_end(x);
	if (vm->agent_channel) {
		xml_begin(x, "channel");
		xml_put_attr(x, "type", "unix");
		LEAF(x, "target", "type", "virtio", "name", "org.qemu.guest_agent.0");
		xml_end(x);
	}
	LEAF(x, "input", "type", "tablet", "bus", "usb");
	if (strcmp(display, "none"))
		LEAF(x, "graphics", "type", "vnc", "port", "-1", "autoport", "yes", "listen",
			"127.0.0.1");
	xml_begin(x, "video");
	LEAF(x, "model", "type", display);
	xml_end(x);
	if (vm->sound)
		LEAF(x, "sound", "model", vm->sound);
}

static void write_helpers(struct writer *w)
{
	struct xml_writer *x = &w->x;
	const struct vmspec *vm = w->vm;

	if (vm->tpm) {
		xml_begin(x, "tpm");
		xml_put_attr(x, "model", "tpm-crb");
		LEAF(x, "backend", "type", "emulator", "version", "2.0");
		xml_end(x);
	}
	LEAF(x, "memballoon", "model", vm->balloon ? "virtio" : "none");
	if (vm->rng) {
		xml_begin(x, "rng");
		xml_put_attr(x, "model", "virtio");
		xml_begin(x, "backend");
		xml_put_attr(x, "model", "random");
		xml_put_text(x, "/dev/urandom");
		xml_end(x);
		xml_end(x);
	}
	if (vm->pvpanic)
		LEAF(x, "panic", "model", "isa");
}

static int write_devices(struct writer *w)
{
	int r = 0;

	xml_begin(&w->x, "devices");
	for (unsigned i = 0; r >= 0 && i < w->vm->n_disks; i++)
		r = write_disk(w, i, w->err);
	for (unsigned i = 0; r >= 0 && i < w->vm->n_drives; i++)
		write_drive(w, i);
	write_controllers(w);
	for (unsigned i = 0; r >= 0 && i < w->vm->n_nics; i++)
		r = write_nic(w, i, w->err);
	write_consoles(w);
	write_helpers(w);
	xml_end(&w->x);
	return r;
}

int libvirt_write(char **ret, const struct vmspec *vm, struct err *err)
{
	_auto_(mem) struct writer *w = xnew(struct writer);
	int r;

	if (!vm->name || !*vm->name)
		return err_set(err, EINVAL, "a machine without a name");
	if (!vm->memory)
		return err_set(
			err, EINVAL, "%s: the size of its memory is not known", vm->name);
	*w = (struct writer){.x = XML_WRITER_INIT, .vm = vm, .err = err};
	r = place_all(w);
	if (r >= 0) {
		xml_begin(&w->x, "domain");
		xml_put_attr(&w->x, "type", "kvm");
		write_identity(w);
		write_os(w);
		write_cpu(w);
		write_behaviour(w);
		r = write_devices(w);
	}
	if (r >= 0)
		*ret = xml_writer_end(&w->x);
	xml_writer_clear(&w->x);
	return r < 0 ? err_prefix(err, "%s", vm->name) : 0;
}
