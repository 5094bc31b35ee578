// SPDX-License-Identifier: LGPL-2.1-or-later
/* qemu_args: the machine as a QEMU command line. */
#include "formats/base/io.h"
#include "formats/base/str.h"
#include "v2v/check/qemu/engine_qemu.h"

#include <inttypes.h>
#include <unistd.h>

#define FLASH_MAX   (16 * MiB) /* of a file of UEFI variables */
#define AHCI_PORTS  6
#define SCSI_UNITS  64 /* per virtio-scsi controller; its limit is higher */
#define MAX_DEVICES 28 /* functions on the root bus beside the board's own */

struct args {
	char **argv;
	char **devices;
	const struct engine_machine *m;
	unsigned on_root_bus;
	unsigned sata_ports; /* in use */
	unsigned ide_ports;
	int scsi, usb; /* controllers that exist: highest number, -1 = none */
};

/* UEFI firmware as distributions install it: code, variables. */
struct firmware {
	const char *code, *vars;
	bool secure_boot;
};

static const struct firmware firmware[] = {
	{"/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd", false},
	{"/usr/share/OVMF/OVMF_CODE_4M.ms.fd", "/usr/share/OVMF/OVMF_VARS_4M.ms.fd", true},
	{"/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd", false},
	{"/usr/share/OVMF/OVMF_CODE.secboot.fd", "/usr/share/OVMF/OVMF_VARS.secboot.fd", true},
	{"/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd", false},
	{"/usr/share/qemu/ovmf-x86_64-code.bin", "/usr/share/qemu/ovmf-x86_64-vars.bin", false},
};

static void add(struct args *a, const char *option, const char *value)
{
	strv_add(&a->argv, option);
	if (value)
		strv_add(&a->argv, value);
}

static void addf(struct args *a, const char *option, const char *fmt, ...) _printf_(3, 4);

static void addf(struct args *a, const char *option, const char *fmt, ...)
{
	va_list ap;

	strv_add(&a->argv, option);
	va_start(ap, fmt);
	strv_take(&a->argv, xvasprintf(fmt, ap));
	va_end(ap);
}

/*
 * An option whose value is a JSON object (taken): no text in it, wherever it came from, can
 * become an option. NULL (text that is not UTF-8) is refused.
 */
static int add_json(struct args *a, const char *option, json_t *take_value, struct err *err)
{
	char *text = take_value ? json_dumps(take_value, JSON_COMPACT) : NULL;

	json_decref(take_value);
	if (!text)
		return err_set(err, EINVAL, "the machine has a text that is not UTF-8");
	strv_add(&a->argv, option);
	strv_take(&a->argv, text);
	return 0;
}

/* -device, remembered under its id when it stands for something of the vmspec. */
static int add_device(struct args *a, json_t *take_device, const char *id, struct err *err)
{
	const char *driver = json_string_value(json_object_get(take_device, "driver"));

	if (id) {
		strv_take(&a->devices, xasprintf("%s %s", id, driver ? driver : "?"));
		json_object_set_new(take_device, "id", json_string(id));
	}
	return add_json(a, "-device", take_device, err);
}

/* The same for one that takes a slot of the root bus. */
static int add_pci(struct args *a, json_t *take_device, const char *id, struct err *err)
{
	if (++a->on_root_bus > MAX_DEVICES) {
		json_decref(take_device);
		return err_set(err, ENOTSUP, "more than %d PCI devices do not fit this machine",
			MAX_DEVICES);
	}
	return add_device(a, take_device, id, err);
}

static int copy_vars(const char *from, const char *to, struct err *err)
{
	_auto_(mem) char *data = NULL;
	size_t len;
	int r = io_read_file(from, FLASH_MAX, &data, &len, err);

	return r < 0 ? r : io_write_file(to, data, len, err);
}

static int add_flash(
	struct args *a, const char *node, const char *file, bool write, struct err *err)
{
	return add_json(a, "-blockdev",
		json_pack("{s:s, s:s, s:b, s:s}", "driver", "file", "node-name", node,
			"read-only", !write, "filename", file),
		err);
}

static int add_uefi(struct args *a, struct err *err)
{
	_auto_(mem) char *vars = xasprintf("%s/vars", a->m->dir);
	const struct firmware *f = NULL;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(firmware) && !f; i++)
		if (firmware[i].secure_boot == a->m->vm->secure_boot &&
			!access(firmware[i].code, R_OK) && !access(firmware[i].vars, R_OK))
			f = &firmware[i];
	if (!f)
		return err_set(err, ENOTSUP,
			"no UEFI firmware%s on this machine (package ovmf)",
			a->m->vm->secure_boot ? " with Secure Boot" : "");
	r = copy_vars(f->vars, vars, err);
	if (r >= 0)
		r = add_flash(a, "flash0", f->code, false, err);
	if (r >= 0)
		r = add_flash(a, "flash1", vars, true, err);
	return r;
}

static int add_board(struct args *a, struct err *err)
{
	const struct vmspec *vm = a->m->vm;
	bool uefi = vm->firmware == VM_FIRMWARE_UEFI;

	add(a, "-nodefaults", NULL);
	add(a, "-no-user-config", NULL);
	add(a, "-sandbox",
		"on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
	add(a, "-name", "wherry-check");
	/* graphics=off makes the BIOS repeat its text screen on the serial port. */
	addf(a, "-machine", "%s,vmport=off,graphics=off%s%s",
		vm->machine == VM_MACHINE_PC ? "pc" : "q35",
		uefi ? ",pflash0=flash0,pflash1=flash1" : "",
		uefi && vm->secure_boot ? ",smm=on" : "");
	if (uefi && vm->secure_boot)
		add(a, "-global", "driver=cfi.pflash01,property=secure,value=on");
	add(a, "-accel", a->m->kvm ? "kvm" : "tcg");
	add(a, "-cpu", a->m->kvm ? "host" : "max");
	addf(a, "-smp", "%u", a->m->vcpus);
	addf(a, "-m", "%" PRIu64 "M", MAX(a->m->memory / MiB, UINT64_C(64)));
	addf(a, "-rtc", "base=%s", vm->clock_localtime ? "localtime" : "utc");
	/* uuid was checked by its codec; it is checked again for what could be an option. */
	if (vm->uuid && strspn(vm->uuid, "0123456789abcdefABCDEF-") == strlen(vm->uuid))
		add(a, "-uuid", vm->uuid);
	add(a, "-boot", "strict=on,menu=off");
	/* What the guest asks for stays visible: a reset happens, a power off keeps the screen. */
	add(a, "-no-shutdown", NULL);
	add(a, "-action", "panic=none");
	add(a, "-display", "none");
	return uefi ? add_uefi(a, err) : 0;
}

static void add_ports(struct args *a, const struct qemu_fds *fds)
{
	addf(a, "-chardev", "socket,id=qmp,fd=%d", fds->qmp);
	add(a, "-mon", "chardev=qmp,mode=control");
	addf(a, "-chardev", "socket,id=serial,fd=%d", fds->serial);
	add(a, "-serial", "chardev:serial");
	addf(a, "-chardev", "socket,id=agent,fd=%d", fds->agent);
}

/* The controllers of `device`'s kind up to `number`, named PREFIXn. */
static int need_controllers(struct args *a, int *have, const char *prefix, const char *driver,
	unsigned number, struct err *err)
{
	int r = 0;

	while (*have < (int)number && r >= 0) {
		_auto_(mem) char *id = xasprintf("%s%d", prefix, ++*have);

		r = add_pci(a, json_pack("{s:s}", "driver", driver), id, err);
	}
	return r;
}

static json_t *disk_device(
	const char *driver, unsigned number, const struct vm_disk *d, unsigned boot)
{
	_auto_(mem) char *node = xasprintf("disk%u", number);
	json_t *j = json_pack("{s:s, s:s}", "driver", driver, "drive", node);

	if (boot)
		json_object_set_new(j, "bootindex", json_integer(boot));
	if (d->serial)
		json_object_set_new(j, "serial", json_string(d->serial));
	return j;
}

static int add_scsi_disk(
	struct args *a, json_t *take_dev, unsigned number, const char *id, struct err *err)
{
	_auto_(mem) char *bus = NULL;
	unsigned controller = number / SCSI_UNITS;
	int r = need_controllers(a, &a->scsi, "scsi", "virtio-scsi-pci", controller, err);

	if (r < 0) {
		json_decref(take_dev);
		return r;
	}
	bus = xasprintf("scsi%u.0", controller);
	json_object_set_new(take_dev, "bus", json_string(bus));
	json_object_set_new(take_dev, "scsi-id", json_integer(number % SCSI_UNITS));
	json_object_set_new(take_dev, "lun", json_integer(0));
	return add_device(a, take_dev, id, err);
}

/* On the board's AHCI (q35) or IDE (pc) ports. */
static int add_ata(struct args *a, json_t *take_dev, bool ide, const char *id, struct err *err)
{
	bool pc = a->m->vm->machine == VM_MACHINE_PC;
	_auto_(mem) char *bus = NULL;

	if (pc && !ide) {
		/* This board has no AHCI of its own: one is put in at the first use. */
		if (!a->sata_ports) {
			int r = add_pci(a, json_pack("{s:s}", "driver", "ahci"), "sata0", err);

			if (r < 0) {
				json_decref(take_dev);
				return r;
			}
		}
		bus = xasprintf("sata0.%u", a->sata_ports++);
	} else if (pc) {
		bus = xasprintf("ide.%u", a->ide_ports / 2);
		json_object_set_new(take_dev, "unit", json_integer(a->ide_ports++ % 2));
	} else {
		bus = xasprintf("ide.%u", a->sata_ports++);
	}
	if (a->sata_ports > AHCI_PORTS || a->ide_ports > 4) {
		json_decref(take_dev);
		return err_set(err, ENOTSUP,
			"more than %d disks and drives on SATA, or 4 on IDE", AHCI_PORTS);
	}
	json_object_set_new(take_dev, "bus", json_string(bus));
	return add_device(a, take_dev, id, err);
}

static int add_disk_device(struct args *a, unsigned i, unsigned boot, struct err *err)
{
	const struct vm_disk *d = &a->m->vm->disks[i];
	_auto_(mem) char *id = xasprintf("disk%u", i);
	int r;

	switch (d->bus) {
	case VM_BUS_VIRTIO_SCSI:
	case VM_BUS_SCSI:
		return add_scsi_disk(a, disk_device("scsi-hd", i, d, boot), i, id, err);
	case VM_BUS_IDE:
	case VM_BUS_SATA:
		return add_ata(
			a, disk_device("ide-hd", i, d, boot), d->bus == VM_BUS_IDE, id, err);
	case VM_BUS_NVME:
		/* QEMU wants a serial number here. */
		if (!d->serial)
			return add_pci(a,
				json_pack("{s:s, s:s, s:i, s:s}", "driver", "nvme", "drive", id,
					"bootindex", (int)MAX(boot, i + 1), "serial", id),
				id, err);
		return add_pci(a, disk_device("nvme", i, d, boot), id, err);
	case VM_BUS_USB:
		r = need_controllers(a, &a->usb, "usb", "qemu-xhci", 0, err);
		return r < 0 ? r
			     : add_device(a, disk_device("usb-storage", i, d, boot), id, err);
	case VM_BUS_FLOPPY:
	case VM_BUS_XEN:
		return err_set(
			err, ENOTSUP, "disk %u: a disk on bus %s", i, vm_bus_name(d->bus));
	case VM_BUS_UNKNOWN:
	case VM_BUS_VIRTIO_BLK:
		break;
	}
	return add_pci(a, disk_device("virtio-blk-pci", i, d, boot), id, err);
}

static int add_disks(struct args *a, struct err *err)
{
	const struct vmspec *vm = a->m->vm;
	bool ordered = false;
	int r = 0;

	for (unsigned i = 0; i < vm->n_disks; i++)
		ordered |= vm->disks[i].boot_order > 0;
	for (unsigned i = 0; i < vm->n_disks && r >= 0; i++) {
		_auto_(mem) char *node = xasprintf("disk%u", i);
		_auto_(mem) char *path = xasprintf("%s/disk%u", a->m->dir, i);

		r = add_json(a, "-blockdev",
			json_pack("{s:s, s:s, s:s, s:{s:b}, s:{s:s, s:s}}", "driver", "nbd",
				"node-name", node, "discard", "unmap", "cache", "no-flush", 1,
				"server", "type", "unix", "path", path),
			err);
		if (r >= 0)
			r = add_disk_device(a, i, ordered ? vm->disks[i].boot_order : !i, err);
	}
	/* Empty drives: a boot must not depend on them, but the guest knows them. */
	for (unsigned i = 0; i < vm->n_drives && r >= 0; i++)
		if (vm->drives[i].kind == VM_CDROM)
			r = add_ata(a, json_pack("{s:s}", "driver", "ide-cd"),
				vm->machine == VM_MACHINE_PC, NULL, err);
	return r;
}

/* QEMU's name for a NIC's model, whoever wrote the description. */
static const char *nic_driver(const char *model)
{
	static const struct {
		const char *model, *driver;
	} names[] = {
		{"e1000e", "e1000e"},
		{"e1000", "e1000"},
		{"vmxnet3", "vmxnet3"},
		{"rtl8139", "rtl8139"},
	};

	for (size_t i = 0; model && i < ARRAY_SIZE(names); i++)
		if (!strcasecmp(model, names[i].model))
			return names[i].driver;
	return "virtio-net-pci";
}

/* Each NIC on a network of its own, which answers DHCP and leads nowhere. */
static int add_nics(struct args *a, struct err *err)
{
	const struct vmspec *vm = a->m->vm;
	int r = 0;

	for (unsigned i = 0; i < vm->n_nics && r >= 0; i++) {
		_auto_(mem) char *id = xasprintf("nic%u", i);
		_auto_(mem) char *net = xasprintf("net%u", i);
		json_t *device = json_pack("{s:s, s:s, s:s}", "driver",
			nic_driver(vm->nics[i].model), "netdev", net, "romfile", "");

		addf(a, "-netdev", "user,id=%s,restrict=on", net);
		if (vm->nics[i].mac)
			json_object_set_new(device, "mac", json_string(vm->nics[i].mac));
		r = add_pci(a, device, id, err);
	}
	return r;
}

static int add_rest(struct args *a, struct err *err)
{
	const struct vmspec *vm = a->m->vm;
	int r = add_pci(a, json_pack("{s:s}", "driver", "VGA"), NULL, err);

	if (r >= 0)
		r = add_pci(
			a, json_pack("{s:s}", "driver", "virtio-serial-pci"), "serial", err);
	if (r >= 0)
		r = add_device(a,
			json_pack("{s:s, s:s, s:s}", "driver", "virtserialport", "chardev",
				"agent", "name", "org.qemu.guest_agent.0"),
			NULL, err);
	if (r >= 0)
		r = add_device(a, json_pack("{s:s}", "driver", "pvpanic"), NULL, err);
	if (r >= 0 && vm->rng)
		r = add_pci(a, json_pack("{s:s}", "driver", "virtio-rng-pci"), "rng", err);
	if (r >= 0 && vm->balloon)
		r = add_pci(
			a, json_pack("{s:s}", "driver", "virtio-balloon-pci"), "balloon", err);
	return r;
}

int qemu_args(char ***ret, char ***devices, const struct engine_machine *m, const char *program,
	const struct qemu_fds *fds, struct err *err)
{
	struct args a = {.m = m, .scsi = -1, .usb = -1};
	int r;

	strv_add(&a.argv, program);
	r = add_board(&a, err);
	if (r >= 0) {
		add_ports(&a, fds);
		r = add_disks(&a, err);
	}
	if (r >= 0)
		r = add_nics(&a, err);
	if (r >= 0)
		r = add_rest(&a, err);
	if (r < 0) {
		strv_free(a.argv);
		strv_free(a.devices);
		return r;
	}
	*ret = a.argv;
	if (devices)
		*devices = a.devices;
	else
		strv_free(a.devices);
	return 0;
}
