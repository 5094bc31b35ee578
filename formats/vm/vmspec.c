// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * vmspec: making, copying and freeing the description, and the names of its values. Which
 * members are strings stands in one table per struct, so that copy and free cannot disagree.
 */
#include "formats/vm/vmspec.h"

static const char *const firmware_names[] = {
	[VM_FIRMWARE_UNKNOWN] = "unknown",
	[VM_FIRMWARE_BIOS] = "bios",
	[VM_FIRMWARE_UEFI] = "uefi",
};

static const char *const machine_names[] = {
	[VM_MACHINE_UNKNOWN] = "unknown",
	[VM_MACHINE_PC] = "pc",
	[VM_MACHINE_Q35] = "q35",
};

/* The name, and where disks of that bus stand in the order that firmware tries them. */
static const struct {
	const char *name;
	unsigned rank;
} buses[] = {
	[VM_BUS_UNKNOWN] = {"unknown", 9},
	[VM_BUS_IDE] = {"ide", 5},
	[VM_BUS_SATA] = {"sata", 4},
	[VM_BUS_SCSI] = {"scsi", 2},
	[VM_BUS_NVME] = {"nvme", 3},
	[VM_BUS_USB] = {"usb", 7},
	[VM_BUS_FLOPPY] = {"floppy", 8},
	[VM_BUS_XEN] = {"xen", 6},
	[VM_BUS_VIRTIO_BLK] = {"virtio-blk", 0},
	[VM_BUS_VIRTIO_SCSI] = {"virtio-scsi", 1},
};

static const size_t vm_strings[] = {
	offsetof(struct vmspec, name),
	offsetof(struct vmspec, description),
	offsetof(struct vmspec, uuid),
	offsetof(struct vmspec, serial),
	offsetof(struct vmspec, genid),
	offsetof(struct vmspec, source),
	offsetof(struct vmspec, os_hint),
	offsetof(struct vmspec, cpu_model),
	offsetof(struct vmspec, display),
	offsetof(struct vmspec, sound),
};

static const size_t disk_strings[] = {
	offsetof(struct vm_disk, id),
	offsetof(struct vm_disk, file),
	offsetof(struct vm_disk, format),
	offsetof(struct vm_disk, model),
	offsetof(struct vm_disk, serial),
	offsetof(struct vm_disk, compression),
};

static const size_t drive_strings[] = {
	offsetof(struct vm_drive, file),
};

static const size_t nic_strings[] = {
	offsetof(struct vm_nic, mac),
	offsetof(struct vm_nic, model),
	offsetof(struct vm_nic, network),
	offsetof(struct vm_nic, guest_name),
};

static char **string_at(void *base, size_t offset)
{
	return (char **)((char *)base + offset);
}

/* For an object that was copied byte by byte: makes its strings its own. */
static void own_strings(void *object, const size_t *offsets, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char **s = string_at(object, offsets[i]);

		*s = xstrdup_null(*s);
	}
}

static void free_strings(void *object, const size_t *offsets, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(*string_at(object, offsets[i]));
}

#define OWN_STRINGS(object, table)  own_strings((object), (table), ARRAY_SIZE(table))
#define FREE_STRINGS(object, table) free_strings((object), (table), ARRAY_SIZE(table))

const char *vm_firmware_name(enum vm_firmware f)
{
	return firmware_names[f];
}

const char *vm_machine_name(enum vm_machine m)
{
	return machine_names[m];
}

const char *vm_bus_name(enum vm_bus b)
{
	return buses[b].name;
}

struct vmspec *vmspec_new(void)
{
	return xnew(struct vmspec);
}

void vmspec_free(struct vmspec *vm)
{
	if (!vm)
		return;
	for (unsigned i = 0; i < vm->n_disks; i++)
		FREE_STRINGS(&vm->disks[i], disk_strings);
	for (unsigned i = 0; i < vm->n_drives; i++)
		FREE_STRINGS(&vm->drives[i], drive_strings);
	for (unsigned i = 0; i < vm->n_nics; i++)
		FREE_STRINGS(&vm->nics[i], nic_strings);
	free(vm->disks);
	free(vm->drives);
	free(vm->nics);
	FREE_STRINGS(vm, vm_strings);
	strv_free(vm->losses);
	free(vm);
}

struct vmspec *vmspec_copy(const struct vmspec *vm)
{
	struct vmspec *c = xmemdup(vm, sizeof(*vm));

	OWN_STRINGS(c, vm_strings);
	c->disks = xmemdup(vm->disks, vm->n_disks * sizeof(*vm->disks));
	for (unsigned i = 0; i < c->n_disks; i++)
		OWN_STRINGS(&c->disks[i], disk_strings);
	c->drives = xmemdup(vm->drives, vm->n_drives * sizeof(*vm->drives));
	for (unsigned i = 0; i < c->n_drives; i++)
		OWN_STRINGS(&c->drives[i], drive_strings);
	c->nics = xmemdup(vm->nics, vm->n_nics * sizeof(*vm->nics));
	for (unsigned i = 0; i < c->n_nics; i++)
		OWN_STRINGS(&c->nics[i], nic_strings);
	c->losses = NULL;
	strv_foreach (l, vm->losses)
		strv_add(&c->losses, *l);
	return c;
}

/* Room for one more at the end of an array; returns it zeroed. */
static void *append(void *array, unsigned *n, size_t size)
{
	void **a = array;
	char *item;

	*a = xrealloc(*a, (size_t)*n + 1, size);
	item = (char *)*a + *n * size;
	memset(item, 0, size);
	(*n)++;
	return item;
}

struct vm_disk *vmspec_add_disk(struct vmspec *vm)
{
	return append(&vm->disks, &vm->n_disks, sizeof(*vm->disks));
}

struct vm_drive *vmspec_add_drive(struct vmspec *vm)
{
	return append(&vm->drives, &vm->n_drives, sizeof(*vm->drives));
}

struct vm_nic *vmspec_add_nic(struct vmspec *vm)
{
	return append(&vm->nics, &vm->n_nics, sizeof(*vm->nics));
}

void vmspec_lose(struct vmspec *vm, const char *fmt, ...)
{
	va_list ap;

	if (strv_len(vm->losses) >= VM_MAX_LOSSES)
		return;
	va_start(ap, fmt);
	strv_take(&vm->losses, xvasprintf(fmt, ap));
	va_end(ap);
}

static int compare_numbers(unsigned a, unsigned b)
{
	return a < b ? -1 : a > b;
}

static int compare_disks(const struct vm_disk *a, const struct vm_disk *b)
{
	/* 0, "not in the order", becomes the largest number. */
	int r = compare_numbers(a->boot_order - 1, b->boot_order - 1);

	if (!r)
		r = compare_numbers(buses[a->bus].rank, buses[b->bus].rank);
	if (!r)
		r = compare_numbers(a->controller, b->controller);
	return r ? r : compare_numbers(a->unit, b->unit);
}

void vmspec_sort_disks(struct vmspec *vm)
{
	/* By insertion: there are few, and equal ones keep the description's order. */
	for (unsigned i = 1; i < vm->n_disks; i++) {
		struct vm_disk d = vm->disks[i];
		unsigned to = i;

		for (; to && compare_disks(&d, &vm->disks[to - 1]) < 0; to--)
			vm->disks[to] = vm->disks[to - 1];
		vm->disks[to] = d;
	}
}
