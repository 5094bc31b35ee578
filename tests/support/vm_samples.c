// SPDX-License-Identifier: LGPL-2.1-or-later
/* vm_samples: machines for testing codecs. */
#include "tests/support/vm_samples.h"

static struct vm_disk *disk(
	struct vmspec *vm, enum vm_bus bus, unsigned controller, unsigned unit)
{
	struct vm_disk *d = vmspec_add_disk(vm);

	d->file = xasprintf("/var/lib/images/%s-sd%c%u", vm->name, 'a' + (vm->n_disks - 1) % 26,
		vm->n_disks);
	d->id = NULL;
	d->format = xstrdup("qcow2");
	d->bus = bus;
	d->controller = controller;
	d->unit = unit;
	d->boot_order = vm->n_disks;
	return d;
}

static void drive(struct vmspec *vm, enum vm_removable kind, enum vm_bus bus, unsigned unit,
	const char *file)
{
	struct vm_drive *d = vmspec_add_drive(vm);

	d->kind = kind;
	d->bus = bus;
	d->unit = unit;
	d->file = xstrdup_null(file);
}

static void nic(
	struct vmspec *vm, const char *mac, const char *model, const char *network, bool bridge)
{
	struct vm_nic *n = vmspec_add_nic(vm);

	n->mac = xstrdup_null(mac);
	n->model = xstrdup_null(model);
	n->network = xstrdup_null(network);
	n->bridge = bridge;
}

static void plain(struct vmspec *vm)
{
	disk(vm, VM_BUS_VIRTIO_BLK, 0, 0);
}

static void everything(struct vmspec *vm)
{
	vm->description = xstrdup("a <b> & \"c\" 'd'\n\tsecond line \xc3\xa4");
	vm->uuid = xstrdup("564d1234-5678-9abc-def0-0123456789ab");
	vm->genid = xstrdup("03020100-0504-0706-0809-0a0b0c0d0e0f");
	vm->serial = xstrdup("VMware-56 4d & more");
	vm->memory = 2 * GiB;
	vm->vcpus = 8;
	vm->sockets = vm->cores = vm->threads = 2;
	vm->cpu_model = xstrdup("qemu64");
	vm->firmware = VM_FIRMWARE_UEFI;
	vm->clock_localtime = vm->agent_channel = true;
	vm->rng = vm->balloon = vm->pvpanic = true;
	vm->display = xstrdup("virtio");
	vm->sound = xstrdup("ich9");
	for (unsigned i = 0; i < 3; i++)
		disk(vm, VM_BUS_VIRTIO_SCSI, i / 2, i % 2);
	vm->disks[0].serial = xstrdup("serial-0");
	drive(vm, VM_CDROM, VM_BUS_SATA, 0, NULL);
	drive(vm, VM_CDROM, VM_BUS_SATA, 1, "/var/lib/images/a & b.iso");
	nic(vm, "00:50:56:aa:bb:cc", "virtio", "VM Network", false);
	nic(vm, "00:50:56:aa:bb:cd", "e1000e", "br0", true);
	vm->nics[1].disconnected = true;
}

static void secure_boot(struct vmspec *vm)
{
	vm->firmware = VM_FIRMWARE_UEFI;
	vm->secure_boot = true;
	disk(vm, VM_BUS_SATA, 0, 0);
}

/* Everything at place 0 of its controller. */
static void clashing(struct vmspec *vm)
{
	static const enum vm_bus buses[] = {VM_BUS_VIRTIO_BLK, VM_BUS_VIRTIO_SCSI, VM_BUS_SATA,
		VM_BUS_IDE, VM_BUS_USB, VM_BUS_SATA, VM_BUS_VIRTIO_BLK, VM_BUS_VIRTIO_SCSI};

	for (size_t i = 0; i < 24; i++) {
		disk(vm, buses[i % ARRAY_SIZE(buses)], 0, 0)->boot_order = i % 3;
	}
	for (int i = 0; i < 4; i++)
		drive(vm, VM_CDROM, VM_BUS_IDE, 0, NULL);
	drive(vm, VM_FLOPPY, VM_BUS_FLOPPY, 0, NULL);
	nic(vm, NULL, NULL, NULL, false);
}

static void old_pc(struct vmspec *vm)
{
	vm->machine = VM_MACHINE_PC;
	disk(vm, VM_BUS_IDE, 0, 0);
	disk(vm, VM_BUS_IDE, 1, 0);
	drive(vm, VM_CDROM, VM_BUS_IDE, 1, NULL);
	vm->drives[0].controller = 1;
	drive(vm, VM_FLOPPY, VM_BUS_FLOPPY, 0, NULL);
	nic(vm, "52:54:00:00:00:01", "pcnet", "default", false);
	vm->display = xstrdup("cirrus");
}

static void emulated_scsi(struct vmspec *vm)
{
	static const char *const models[] = {"lsilogic", "lsilogicsas", "VirtualSCSI"};

	for (unsigned i = 0; i < ARRAY_SIZE(models); i++) {
		disk(vm, VM_BUS_SCSI, i, 0)->model = xstrdup(models[i]);
		disk(vm, VM_BUS_SCSI, i, 3)->model = xstrdup(models[i]);
	}
	nic(vm, "00:50:56:00:00:01", "VmxNet3", "VM Network", false);
}

static void many_disks(struct vmspec *vm)
{
	for (unsigned i = 0; i < 28; i++)
		disk(vm, VM_BUS_VIRTIO_BLK, 0, i);
	free(vm->disks[0].format);
	vm->disks[0].format = xstrdup("raw");
	free(vm->disks[1].file);
	vm->disks[1].file = xstrdup("/dev/vg/b");
	vm->display = xstrdup("none");
	free(vm->name);
	vm->name = xstrdup("a/b & <c> 'd' \"e\" \xc3\xa4");
}

/* Needs swtpm on the host. */
static void with_tpm(struct vmspec *vm)
{
	vm->tpm = true;
	disk(vm, VM_BUS_VIRTIO_BLK, 0, 0);
}

struct vmspec *vm_sample(unsigned n)
{
	static void (*const samples[])(struct vmspec * vm) = {plain, everything, secure_boot,
		clashing, old_pc, emulated_scsi, many_disks, with_tpm};
	struct vmspec *vm;

	if (n >= ARRAY_SIZE(samples))
		return NULL;
	vm = vmspec_new();
	vm->name = xasprintf("sample-%u", n);
	vm->memory = 512 * MiB;
	vm->vcpus = 1;
	vm->machine = VM_MACHINE_Q35;
	vm->firmware = VM_FIRMWARE_BIOS;
	vm->serial_console = true;
	vm->source = xstrdup("libvirtxml");
	samples[n](vm);
	return vm;
}
