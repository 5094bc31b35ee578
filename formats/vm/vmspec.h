/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmspec: what a virtual machine is, as plain data. Codecs turn descriptions (OVF, libvirt XML
 * ...) into it and back; policy changes it; nothing in it knows a hypervisor.
 *
 * Strings are owned by the struct (NULL = not known). Numbers are 0 = not known unless said.
 * vmspec_new() makes an empty one, vmspec_free() releases everything. Values are checked by the
 * codec that made them: counts are below the limits here, names hold no control characters.
 */
#pragma once

#include "formats/base/str.h"

#define VM_MAX_DISKS  256
#define VM_MAX_NICS   64
#define VM_MAX_LOSSES 256

enum vm_firmware { VM_FIRMWARE_UNKNOWN, VM_FIRMWARE_BIOS, VM_FIRMWARE_UEFI };
enum vm_machine { VM_MACHINE_UNKNOWN, VM_MACHINE_PC, VM_MACHINE_Q35 };
/* What the disk hangs on, in the source or in the target. */
enum vm_bus {
	VM_BUS_UNKNOWN,
	VM_BUS_IDE,
	VM_BUS_SATA,
	VM_BUS_SCSI,
	VM_BUS_NVME,
	VM_BUS_USB,
	VM_BUS_FLOPPY,
	VM_BUS_XEN,
	VM_BUS_VIRTIO_BLK,
	VM_BUS_VIRTIO_SCSI,
};
enum vm_removable { VM_CDROM, VM_FLOPPY };

const char *vm_firmware_name(enum vm_firmware f); /* "bios", "uefi", "unknown" */
const char *vm_machine_name(enum vm_machine m);   /* "pc", "q35", "unknown" */
const char *vm_bus_name(enum vm_bus b);           /* "scsi", "virtio-blk" ... */

struct vm_disk {
	char *id;        /* the source's name for it: "vmdisk1" */
	char *file;      /* file name as the description has it (source), or path (target) */
	char *format;    /* "vmdk", "qcow2", "raw"; NULL = to be probed */
	uint64_t size;   /* bytes the guest sees */
	enum vm_bus bus; /* controller's kind */
	char *model; /* controller's model as the source says it: "lsilogic", "VirtualSCSI" */
	unsigned controller; /* number among the controllers of its bus */
	unsigned unit;       /* unit (AddressOnParent) on that controller */
	unsigned boot_order; /* 1 = first; 0 = not in the order */
	char *serial;
	/* source only: where the file's bytes are, see formats/ova */
	char *compression;   /* "gzip" when the file is compressed as a whole */
	uint64_t chunk_size; /* the file is split into NAME.000000000 ...; 0 = whole */
};

struct vm_drive { /* a removable drive */
	enum vm_removable kind;
	enum vm_bus bus;
	unsigned controller, unit;
	char *file; /* medium; NULL = empty */
};

struct vm_nic {
	char *mac;         /* "00:50:56:aa:bb:cc", lower case */
	char *model;       /* source: "VmxNet3", "E1000"; target: "virtio", "e1000e" */
	char *network;     /* name of the network or bridge it is connected to */
	bool bridge;       /* `network` is a host bridge */
	unsigned pci_slot; /* VMware's pciSlotNumber: slot 192 was ens192; 0 = unknown */
	char *guest_name;  /* the interface name the guest knew ("ens192"), when found */
	bool disconnected;
};

struct vmspec {
	char *name;
	char *description;
	char *uuid;    /* "xxxxxxxx-xxxx-...": SMBIOS */
	char *serial;  /* SMBIOS system serial */
	char *genid;   /* VM generation id, UUID form */
	char *source;  /* "ova", "libvirtxml" ... */
	char *os_hint; /* what the description calls the guest: "debian12_64Guest" */

	uint64_t memory; /* bytes */
	unsigned vcpus;  /* all of them; = sockets * cores * threads when those are known */
	unsigned sockets, cores, threads;
	char *cpu_model; /* NULL = the host's */

	enum vm_machine machine;
	enum vm_firmware firmware;
	bool secure_boot;
	bool tpm;
	bool clock_localtime;

	struct vm_disk *disks; /* controller/slot order, the boot disk first */
	unsigned n_disks;
	struct vm_drive *drives;
	unsigned n_drives;
	struct vm_nic *nics;
	unsigned n_nics;

	char *display;      /* "vga", "virtio", "none"; NULL = default */
	char *sound;        /* model; NULL = none */
	bool agent_channel; /* target: org.qemu.guest_agent.0 */
	bool rng, balloon, pvpanic;
	bool serial_console;

	/* What a codec met and could not express: one sentence each, for the report. */
	char **losses;
};

struct vmspec *vmspec_new(void);
void vmspec_free(struct vmspec *vm);
DEFINE_AUTO(vmspec)
struct vmspec *vmspec_copy(const struct vmspec *vm);

/* Append one, zeroed; the pointer is good until the next call. The caller checks the limits. */
struct vm_disk *vmspec_add_disk(struct vmspec *vm);
struct vm_drive *vmspec_add_drive(struct vmspec *vm);
struct vm_nic *vmspec_add_nic(struct vmspec *vm);

/* Notes something that could not be expressed (at most VM_MAX_LOSSES are kept). */
void vmspec_lose(struct vmspec *vm, const char *fmt, ...) _printf_(2, 3);

/*
 * Sorts the disks as firmware would see them: the boot order first where the source gives one,
 * then by bus (scsi, nvme, sata, ide), controller and unit.
 */
void vmspec_sort_disks(struct vmspec *vm);
