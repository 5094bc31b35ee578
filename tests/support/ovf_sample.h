/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ovf_sample: a descriptor as VMware writes it, for tests and seeds of fuzzing: two disks on a
 * PVSCSI controller (unit 1 stands before unit 0), a SATA CD drive, one vmxnet3.
 */
#pragma once

#include "formats/base/str.h"

#define CIM  "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_"
#define VMDK "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"

#define RASD(name, value) "<rasd:" name ">" value "</rasd:" name ">"
#define CONFIG(key, value)                                                                     \
	"<vmw:Config ovf:required=\"false\" vmw:key=\"" key "\" vmw:value=\"" value "\"/>"

static const char ovf_sample[] =
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	"<Envelope xmlns=\"http://schemas.dmtf.org/ovf/envelope/1\""
	" xmlns:ovf=\"http://schemas.dmtf.org/ovf/envelope/1\""
	" xmlns:rasd=\"" CIM "ResourceAllocationSettingData\""
	" xmlns:vssd=\"" CIM "VirtualSystemSettingData\""
	" xmlns:vmw=\"http://www.vmware.com/schema/ovf\">\n"
	"<References>\n"
	"<File ovf:href=\"web01-disk1.vmdk\" ovf:id=\"file1\"/>\n"
	"<File ovf:href=\"web01-disk2.vmdk\" ovf:id=\"file2\"/>\n"
	"</References>\n"
	"<DiskSection><Info>Disks</Info>\n"
	"<Disk ovf:capacity=\"8\" ovf:capacityAllocationUnits=\"byte * 2^30\""
	" ovf:diskId=\"vmdisk1\" ovf:fileRef=\"file1\" ovf:format=\"" VMDK "\"/>\n"
	"<Disk ovf:capacity=\"1048576\""
	" ovf:diskId=\"vmdisk2\" ovf:fileRef=\"file2\" ovf:format=\"" VMDK "\"/>\n"
	"</DiskSection>\n"
	"<NetworkSection><Network ovf:name=\"VM Network\"/></NetworkSection>\n"
	"<VirtualSystem ovf:id=\"vm-7\"><Info>A machine</Info><Name>web01</Name>\n"
	"<OperatingSystemSection ovf:id=\"96\" vmw:osType=\"debian12_64Guest\"><Info>OS</Info>"
	"<Description>Debian GNU/Linux 12 (64-bit)</Description></OperatingSystemSection>\n"
	"<VirtualHardwareSection><Info>Hardware</Info>\n"
	"<System><vssd:VirtualSystemIdentifier>web01</vssd:VirtualSystemIdentifier>"
	"<vssd:VirtualSystemType>vmx-19</vssd:VirtualSystemType></System>\n"
	"<Item>" RASD("InstanceID", "1") RASD("ResourceType", "3") RASD(
		"VirtualQuantity", "4") RASD("AllocationUnits",
		"hertz * 10^6") "<vmw:CoresPerSocket ovf:required=\"false\">2</vmw:CoresPerSocket></Item>\n"
				"<Item>" RASD("InstanceID", "2") RASD("ResourceType", "4") RASD(
					"AllocationUnits",
					"byte * 2^20") RASD("VirtualQuantity",
					"2048") "</Item>\n"
						"<Item>" RASD("InstanceID", "3") RASD(
							"ResourceType",
							"6") RASD("ResourceSubType",
							"VirtualSCSI") RASD("Address",
							"0") "</Item>\n"
							     "<Item>" RASD("InstanceID",
								     "4") RASD("ResourceType",
								     "20")
								     RASD(
									     "ResourceSubType", "vmware.sata.ahci") RASD("Address", "0") "</Item>\n"
																	 "<Item>" RASD("InstanceID", "5") RASD("ResourceType", "15") RASD("Parent", "4") RASD("AddressOnParent", "0") RASD("ResourceSubType", "vmware.cdrom.remotepassthrough") "</Item>\n"
																																						"<Item>" RASD(
																																							"InstanceID",
																																							"6")
																																							RASD(
																																								"ResourceType", "17") RASD("Parent", "3") RASD("ElementName",
																																								"Hard disk 2") RASD("HostResource", "ovf:/disk/vmdisk2") RASD("AddressOnParent", "1") "</Item>\n"
																																																		      "<Item>" RASD(
																																																			      "InstanceID", "7") RASD("ResourceType",
																																																			      "17") RASD("Parent",
																																																			      "3")
																																																			      RASD("ElementName",
																																																				      "Hard disk 1")
																																																				      RASD("HostResource", "ovf:/disk/vmdisk1") RASD("AddressOnParent",
																																																					      "0") "</Item>\n"
																																																						   "<Item>" RASD("InstanceID", "8") RASD(
																																																							   "ResourceType",
																																																							   "10") RASD("AddressOnParent",
																																																							   "7")
																																																							   RASD("Address", "00:50:56:AA:BB:CC") RASD("AutomaticAllocation", "true") RASD(
																																																								   "Connection",
																																																								   "VM Network") RASD("ElementName", "Network adapter 1") RASD("ResourceSubType",
																																																								   "VmxNet3")
																																																								   CONFIG("slotInfo.pciSlotNumber", "192") "</Item>\n"
																																																													   "<Item ovf:required=\"false\">" RASD("InstanceID", "9") RASD("ResourceType", "24") "</Item>\n"
																																																																							      "<Item ovf:required=\"false\">" RASD("InstanceID", "10") RASD("ResourceType", "1") RASD(
																																																																								      "ResourceSubType", "vmware.vmci") "</Item>\n" CONFIG("firmware",
																																																																								      "efi") "\n" CONFIG("bootOptions.efiSecureBootEnabled", "true") "\n" CONFIG("tools.syncTimeWithHost",
																																																																								      "false") "\n"
																																																																									       "<vmw:ExtraConfig vmw:key=\"uuid.bios\""
																																																																									       " vmw:value=\"56 4d 12 34 56 78 9a bc-de f0 01 23 45 67 89 ab\"/>\n"
																																																																									       "</VirtualHardwareSection>\n"
																																																																									       "<AnnotationSection><Info>Notes</Info><Annotation>The web server\nof the test."
																																																																									       "</Annotation></AnnotationSection>\n"
																																																																									       "</VirtualSystem>\n"
																																																																									       "</Envelope>\n";

/* The text with the first `from` replaced by `to`; NULL when `from` is not in it. */
static inline char *ovf_sample_edit(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);

	return at ? xasprintf("%.*s%s%s", (int)(at - text), text, to, at + strlen(from)) : NULL;
}
