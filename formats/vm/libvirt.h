/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvirt: a vmspec as libvirt's domain XML (https://libvirt.org/formatdomain.html) and back.
 *
 * Writing is for the target: a KVM guest whose disks are files or block devices here. What is
 * the same for every guest (features, timers, serial console, tablet, VNC on localhost) is
 * decided here; all that may differ comes from the vmspec. Device names and addresses never
 * clash, whatever units the vmspec has: a taken place becomes the next free one. IDE disks and
 * drives are written as SATA when the machine is q35, which has no IDE.
 *
 *	bus             written as                              device name
 *	virtio-blk      bus='virtio'                            vda ...
 *	virtio-scsi     bus='scsi', controller virtio-scsi      sda ...
 *	scsi            bus='scsi', controller lsilogic ...     sda ...  (shared with SATA, USB)
 *	sata, usb       bus='sata', 'usb'                       sda ...
 *	ide             bus='ide' (pc)                          hda ...
 *
 * Parsing gives back what was written. Of other people's XML it reads what a vmspec holds; the
 * rest becomes losses, except disks that are no file or block device (ENOTSUP).
 *
 * Threads: any; no state.
 */
#pragma once

#include "formats/vm/vmspec.h"

/* *ret is the caller's to free. EINVAL: no name, no memory, a disk without file or format.
 * ENOTSUP: a bus or card model that libvirt's QEMU driver does not have. */
int libvirt_write(char **ret, const struct vmspec *vm, struct err *err);

/* EINVAL, ENOTSUP. */
int libvirt_parse(struct vmspec **ret, const char *text, size_t len, struct err *err);
