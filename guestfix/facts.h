/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * facts: what was found inside a guest, as plain data. facts_collect() (collect.c) fills it through
 * the appliance; tests fill it by hand; the rules only ever see this. So planning is pure: the same
 * facts give the same plan.
 *
 * Strings and arrays are owned by the struct; the facts_add_* functions append a zeroed item whose
 * pointer is good until the next call. Everything in here came from the guest and is hostile.
 *
 * Threads: plain data, one thread at a time.
 */
#pragma once

#include "formats/vm/vmspec.h"

#include <jansson.h>

/* Limits: what no sane guest exceeds. Beyond them a guest is refused, or the rest is left out
 * with a warning. */
#define FACTS_MAX_VOLUMES 512
#define FACTS_MAX_FILES   1024
#define FACTS_MAX_KERNELS 32
#define FACTS_MAX_TEXT    (4 * 1024 * 1024)    /* a configuration file */
#define FACTS_MAX_INITRD  (1024 * 1024 * 1024) /* an initramfs as it lies in /boot */
#define FACTS_MAX_MODULE  (64 * 1024 * 1024)   /* a module, or an index of modules */
#define FACTS_MAX_BYTES   (512 * 1024 * 1024)  /* contents of all files that are kept */

/* A partition, a whole disk without partitions, or a logical volume. */
struct facts_volume {
	char *device;       /* in the appliance: "/dev/sda1", "/dev/vg0/root" */
	unsigned disk;      /* which disk (0 = first); for a logical volume meaningless */
	unsigned part;      /* partition number; 0 = the whole disk */
	bool lv;            /* a logical volume */
	uint64_t off, size; /* bytes on the disk; off 0 for a logical volume */
	char *type;         /* as blkid says it: ext4, xfs, btrfs, vfat, swap, LVM2_member,
			 * crypto_LUKS ...; NULL = not recognised */
	char *uuid;         /* as blkid prints it */
	char *label;
	char *partuuid; /* as blkid prints it: a GUID, or DISKID-NN on MBR */
	char *partlabel;
	bool esp;        /* EFI system partition by its partition type */
	bool bios_boot;  /* GRUB's BIOS boot partition */
	bool hibernated; /* swap that holds the image of a sleeping system */
};

struct facts_mount {
	char *dir;       /* "/", "/boot" */
	unsigned volume; /* index */
	uint64_t free_bytes, free_inodes;
};

/* A file of the guest. */
struct facts_file {
	char *path; /* as rules ask for it, from the guest's root */
	char *real; /* where it really is when path leads over a symbolic link, else NULL */
	char *data; /* NUL-terminated; NULL = only its existence is known */
	size_t len;
	unsigned mode; /* permission bits */
	unsigned uid, gid;
	char *link; /* target when path itself is a symbolic link */
};

/* How the archive in an initramfs is compressed. */
enum initrd_compression {
	INITRD_PLAIN,
	INITRD_GZIP,
	INITRD_ZSTD,
	INITRD_XZ,
	INITRD_LZMA,
	INITRD_LZ4,
	INITRD_BZIP2,
	INITRD_LZOP,
};
const char *initrd_compression_name(enum initrd_compression c);

struct initrd; /* lib/initrd.h: what is in it */

struct facts_kernel {
	char *version;     /* "6.1.0-56-amd64" */
	char *image;       /* "/boot/vmlinuz-6.1.0-56-amd64"; NULL = modules without a kernel */
	char *module_dir;  /* "/usr/lib/modules/VERSION"; NULL = none */
	char *initrd_path; /* "/boot/initrd.img-VERSION"; NULL = none */
	uint64_t initrd_size;  /* bytes */
	struct initrd *initrd; /* parsed; NULL when it could not be (initrd_error says why) */
	char *initrd_error;
	char *modules_dep;     /* text of modules.dep; NULL = not there */
	char *modules_builtin; /* text of modules.builtin; NULL = not there */
	/* Files below module_dir that the plan may need: modules missing in the initramfs, and the
	 * indexes. Path relative to module_dir. */
	struct facts_file *files;
	size_t n_files;
	bool is_default; /* what the boot loader starts by itself */
};

struct facts {
	/* the system */
	char *os_id;      /* "debian" */
	char *os_like;    /* ID_LIKE: "debian ubuntu"; NULL */
	char *os_version; /* VERSION_ID; NULL for testing */
	char *os_name;    /* PRETTY_NAME */
	char *hostname;
	char *arch; /* "x86_64", "i686", "aarch64"; NULL unknown */
	bool family_debian;
	unsigned systemd_version; /* 0 = unknown or no systemd */

	/* disks */
	size_t n_disks;
	uint64_t disk_size[VM_MAX_DISKS];
	/* "sda": the name the source's kernel gave the disk, by bus and order; NULL = unknown */
	char *disk_name[VM_MAX_DISKS];
	struct facts_volume *volumes;
	size_t n_volumes;
	struct facts_mount *mounts;
	size_t n_mounts;
	int root; /* index of the volume; -1 = none */

	/* boot */
	enum vm_firmware firmware; /* what the disks are made for */
	int esp;                   /* volume of the EFI system partition; -1 = none */
	char **efi_files; /* paths below the ESP's mount point, as the guest spells them:
			   * "EFI/debian/shimx64.efi" */
	char *esp_dir;    /* where it is mounted: "/boot/efi"; NULL when it is not */
	struct facts_kernel *kernels; /* newest first */
	size_t n_kernels;

	struct facts_file *files; /* what the rules may look at */
	size_t n_files;
	uint64_t bytes; /* contents of files, here and in kernels */

	char **packages; /* those that matter, "NAME VERSION" */
	char **warnings; /* met while collecting */
};

struct facts *facts_new(void);
void facts_free(struct facts *f);
DEFINE_AUTO(facts)

struct facts_volume *facts_add_volume(struct facts *f);
struct facts_mount *facts_add_mount(struct facts *f);
struct facts_kernel *facts_add_kernel(struct facts *f);
/* A file with these bytes (copied; NULL: only known to exist), mode 0644, owner root. */
struct facts_file *facts_add_file(
	struct facts *f, const char *path, const void *data, size_t len);
struct facts_file *facts_kernel_add_file(
	struct facts_kernel *k, const char *path, const void *data, size_t len);
void facts_warn(struct facts *f, const char *fmt, ...) _printf_(2, 3);

/* NULL = there is no such file in the guest. Folders that were listed have all their files in. */
const struct facts_file *facts_file(const struct facts *f, const char *path);
/* The version of an installed package; NULL = not installed, or not one that was looked for. */
const char *facts_package(const struct facts *f, const char *name);
const struct facts_file *facts_kernel_file(const struct facts_kernel *k, const char *path);
/* The volume of a mount point's file system (the longest one above path); NULL = none mounted. */
const struct facts_mount *facts_mount_of(const struct facts *f, const char *path);

/*
 * The volume that a name in a configuration file means: UUID=, LABEL=, PARTUUID=, PARTLABEL= (with
 * or without quotes), /dev/disk/by-{uuid,label,partuuid}/.., /dev/sda1 by the source's disk names,
 * /dev/VG/LV and /dev/mapper/VG-LV. -1 = unknown.
 */
int facts_find_volume(const struct facts *f, const char *name);

/* The same data for people and scripts (contents of files are left out). Caller decrefs. */
json_t *facts_json(const struct facts *f);

struct guest;
/*
 * Looks into the guest: finds the root file system, mounts what its fstab says, reads the files the
 * rules need. `source` (what the VM was; may be NULL) gives the disks' old names and the NICs.
 * ENOTSUP: no system or not one that is handled (the text names what was found); EPERM: a
 * hibernated system; EIO.
 */
int facts_collect(
	struct facts **ret, struct guest *g, const struct vmspec *source, struct err *err);
