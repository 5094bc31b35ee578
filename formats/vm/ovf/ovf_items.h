/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ovf_items: the devices of an OVF machine. Each <Item> (OVF 2: StorageItem, EthernetPortItem
 * too) of the VirtualHardwareSection is one resource allocation (CIM_ResourceAllocationSetting-
 * Data): ResourceType says what it is, InstanceID names it, Parent is the InstanceID of its
 * controller, AddressOnParent its place there.
 *
 *	17 disk --Parent--> 6 SCSI controller (ResourceSubType "VirtualSCSI", Address 0)
 *	   `--HostResource "ovf:/disk/vmdisk1"--> struct ovf_disk --> struct ovf_file
 */
#pragma once

#include "formats/vm/ovf/ovf_refs.h"
#include "formats/vm/vmspec.h"

#define OVF_ITEMS_MAX  4096                  /* devices of one machine */
#define OVF_VCPUS_MAX  8192                  /* virtual processors */
#define OVF_MEMORY_MAX (UINT64_C(256) * TiB) /* bytes */

/*
 * Reads the devices in `hardware` into *vm and marks the disks of *refs that are used.
 * `configuration` is the deployment option whose items count (NULL: only those without one);
 * `system` is the VirtualSystem, for its boot order. EINVAL, ENOTSUP.
 */
int ovf_items_read(struct vmspec *vm, struct ovf_refs *refs, const struct xml_node *system,
	const struct xml_node *hardware, const char *configuration, struct err *err);
