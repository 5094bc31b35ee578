// SPDX-License-Identifier: LGPL-2.1-or-later
/* ovf: the machine in an OVF descriptor: identity, firmware, settings; devices in ovf_items. */
#include "formats/vm/ovf/ovf.h"

#include "formats/base/xml.h"
#include "formats/vm/ovf/ovf_items.h"
#include "formats/vm/ovf/ovf_refs.h"
#include "formats/vm/vm_text.h"

#include <stdio.h>
#include <strings.h>

/* What is left of outside text in a message. */
#define SHOW 100

/* Machines that an error names one by one. */
#define NAMED_SYSTEMS_MAX 8

/* ---- which machine ---- */

static bool is_system(const struct xml_node *n)
{
	const char *type = xml_attr(n, "type");

	return !strcmp(xml_name(n), "VirtualSystem") ||
	       (!strcmp(xml_name(n), "Content") && type && strstr(type, "VirtualSystem_Type"));
}

static const char *system_name(const struct xml_node *system)
{
	const char *name = xml_text(xml_child(system, "Name"));
	const struct xml_node *hardware = ovf_section(system, "VirtualHardwareSection");

	if (!*name)
		name = xml_text(xml_path(hardware, "System/VirtualSystemIdentifier"));
	if (!*name && xml_attr(system, "id"))
		name = xml_attr(system, "id");
	return name;
}

/* All machines below n: the first in *first, their names in *names. XML_DEPTH_MAX bounds the
 * recursion. */
static unsigned find_systems(
	const struct xml_node *n, const struct xml_node **first, struct str *names)
{
	unsigned count = 0;

	xml_foreach(c, n, NULL)
	{
		if (is_system(c)) {
			if (!*first)
				*first = c;
			if (++count <= NAMED_SYSTEMS_MAX)
				str_addf(names, "%s%.*s", names->len ? ", " : "", SHOW,
					system_name(c));
		} else if (!strcmp(xml_name(c), "VirtualSystemCollection")) {
			count += find_systems(c, first, names);
		}
	}
	return count;
}

static int find_system(
	const struct xml_node *envelope, const struct xml_node **ret, struct err *err)
{
	_auto_str_ struct str names = STR_INIT;
	unsigned n = find_systems(envelope, ret, &names);

	if (!n)
		return err_set(err, EINVAL, "no VirtualSystem: the descriptor has no machine");
	if (n > 1)
		return err_set(err, ENOTSUP,
			"%u machines in one descriptor (%s): export them one by one", n,
			names.s);
	return 0;
}

/* The id of the default deployment option; NULL when there are none. */
static const char *default_configuration(const struct xml_node *envelope, struct vmspec *vm)
{
	const struct xml_node *section = ovf_section(envelope, "DeploymentOptionSection");
	const struct xml_node *first = xml_child(section, "Configuration"), *chosen = first;

	xml_foreach(c, section, "Configuration")
	{
		if (vm_bool(xml_attr(c, "default"), false)) {
			chosen = c;
			break;
		}
	}
	if (xml_next(first, "Configuration"))
		vmspec_lose(vm, "deployment options other than %.*s", SHOW,
			xml_attr(chosen, "id") ? xml_attr(chosen, "id") : "the first");
	return xml_attr(chosen, "id");
}

/* ---- settings ---- */

static void set_firmware(struct vmspec *vm, const char *text)
{
	if (!strncasecmp(text, "efi", 3) || !strncasecmp(text, "uefi", 4))
		vm->firmware = VM_FIRMWARE_UEFI;
	else if (!strncasecmp(text, "bios", 4))
		vm->firmware = VM_FIRMWARE_BIOS;
	else
		vmspec_lose(vm, "unknown firmware \"%.*s\"", SHOW, text);
}

static void set_secure_boot(struct vmspec *vm, const char *text)
{
	vm->secure_boot = vm_bool(text, false);
}

static void set_uuid(struct vmspec *vm, const char *text)
{
	char *uuid = NULL;

	if (vm_uuid_parse(text, &uuid) < 0) {
		vmspec_lose(vm, "\"%.*s\" is no UUID", SHOW, text);
		return;
	}
	free(vm->uuid);
	vm->uuid = uuid;
}

static void set_nothing(struct vmspec *vm, const char *text)
{
}

static void lose_nvram(struct vmspec *vm, const char *text)
{
	vmspec_lose(vm, "the firmware's variables (NVRAM) in %.*s", SHOW, text);
}

/* Keys of vmw:Config and vmw:ExtraConfig, by prefix; a trailing '=' wants the whole key. The
 * first that fits counts; what fits none is a loss. */
static const struct {
	const char *key;
	void (*set)(struct vmspec *vm, const char *text);
} settings[] = {
	{"firmware=", set_firmware},
	{"bootOptions.efiSecureBootEnabled=", set_secure_boot},
	{"uefi.secureBoot.enabled=", set_secure_boot},
	{"uuid.bios=", set_uuid},
	{"uuid=", set_uuid},
	{"nvram=", lose_nvram},
	/* Looked up by other functions. */
	{"vm.genid", set_nothing},
	{"ethernet", set_nothing},
	/* The management of VMware's own host: nothing in the guest depends on it. */
	{"powerOpInfo.", set_nothing},
	{"tools.", set_nothing},
	{"flags.", set_nothing},
	{"cpuHotAddEnabled=", set_nothing},
	{"cpuHotRemoveEnabled=", set_nothing},
	{"memoryHotAddEnabled=", set_nothing},
	{"virtualICH7MPresent=", set_nothing},
	{"virtualSMCPresent=", set_nothing},
	{"simultaneousThreads=", set_nothing},
	{"memoryReservationLockedToMax=", set_nothing},
	{"changeTrackingEnabled=", set_nothing},
	{"bootOptions.", set_nothing},
	{"uuid.", set_nothing},
	{"hpet0.", set_nothing},
	{"pciBridge", set_nothing},
	{"vmci0.", set_nothing},
	{"sched.", set_nothing},
	{"svga.", set_nothing},
	{"migrate.", set_nothing},
	{"viv.", set_nothing},
	{"vmware.tools.", set_nothing},
	{"guestinfo.", set_nothing},
	{"softPowerOff=", set_nothing},
	{"toolsInstallManager.", set_nothing},
	{"numa.", set_nothing},
	{"monitor.", set_nothing},
	{"cleanShutdown=", set_nothing},
	{"virtualHW.", set_nothing},
	{"displayName=", set_nothing},
	{"replay.", set_nothing},
	{"scsi", set_nothing},
	{"sata", set_nothing},
	{"usb", set_nothing},
	{"ehci", set_nothing},
};

static bool key_fits(const char *key, const char *pattern)
{
	size_t len = strlen(pattern);

	if (pattern[len - 1] == '=')
		return strlen(key) == len - 1 && !strncasecmp(key, pattern, len - 1);
	return !strncasecmp(key, pattern, len);
}

static void read_setting(struct vmspec *vm, const struct xml_node *n)
{
	const char *key = xml_attr(n, "key"), *value = xml_attr(n, "value");

	if (!key || !value)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		if (key_fits(key, settings[i].key)) {
			settings[i].set(vm, value);
			return;
		}
	vmspec_lose(vm, "setting %.*s = \"%.*s\"", SHOW, key, SHOW, value);
}

/* The value of a key among the hardware's settings, or NULL. */
static const char *setting(const struct xml_node *hardware, const char *key)
{
	static const char *const kinds[] = {"Config", "ExtraConfig"};

	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
		xml_foreach(n, hardware,
			kinds[k]) if (xml_attr(n, "key") &&
				      !strcasecmp(xml_attr(n, "key"), key)) return xml_attr(n,
			"value");
	return NULL;
}

static void read_settings(struct vmspec *vm, const struct xml_node *hardware)
{
	const char *genid = setting(hardware, "vm.genid");

	xml_foreach(n, hardware, "Config") read_setting(vm, n);
	xml_foreach(n, hardware, "ExtraConfig") read_setting(vm, n);
	if (genid &&
		vm_genid_from_halves(genid, setting(hardware, "vm.genidX"), &vm->genid) < 0)
		vmspec_lose(vm, "the generation id \"%.*s\" is no number", SHOW, genid);
	for (unsigned i = 0; i < vm->n_nics; i++) {
		char key[64];
		const char *slot;
		uint64_t v;

		snprintf(key, sizeof(key), "ethernet%u.pciSlotNumber", i);
		slot = setting(hardware, key);
		if (!vm->nics[i].pci_slot && slot && parse_u64(slot, UINT16_MAX, &v) >= 0)
			vm->nics[i].pci_slot = (unsigned)v;
	}
}

/* ---- identity ---- */

static void read_os(struct vmspec *vm, const struct xml_node *system)
{
	const struct xml_node *os = ovf_section(system, "OperatingSystemSection");
	const char *hint = xml_attr(os, "osType");

	if (!hint || !*hint)
		hint = xml_text(xml_child(os, "OSType")); /* VirtualBox */
	if (!*hint)
		hint = xml_text(xml_child(os, "Description"));
	vm->os_hint = vm_name_clean(hint);
}

/* VirtualBox puts its own description of the machine beside the standard's. */
static void read_virtualbox(struct vmspec *vm, const struct xml_node *system)
{
	const struct xml_node *machine = xml_child(system, "Machine");
	const char *firmware = xml_attr(xml_path(machine, "Hardware/Firmware"), "type");
	const char *utc = xml_attr(xml_path(machine, "Hardware/RTC"), "localOrUTC");

	if (!machine)
		return;
	if (xml_attr(machine, "uuid"))
		set_uuid(vm, xml_attr(machine, "uuid"));
	if (firmware)
		set_firmware(vm, firmware);
	if (utc)
		vm->clock_localtime = !strcasecmp(utc, "local");
}

/* VMware and VirtualBox leave out the firmware when it is the BIOS. */
static void default_firmware(struct vmspec *vm, const struct xml_node *hardware)
{
	const char *type = xml_text(xml_path(hardware, "System/VirtualSystemType"));

	if (vm->firmware == VM_FIRMWARE_UNKNOWN &&
		(starts_with(type, "vmx-") || starts_with(type, "virtualbox-")))
		vm->firmware = VM_FIRMWARE_BIOS;
}

static int check_complete(const struct vmspec *vm, struct err *err)
{
	if (!vm->vcpus)
		return err_set(err, EINVAL, "the machine has no processors");
	if (!vm->memory)
		return err_set(err, EINVAL, "the machine has no memory");
	return 0;
}

/* Parts of the descriptor that nothing in a vmspec stands for. */
static void read_losses(struct vmspec *vm, const struct ovf_refs *refs,
	const struct xml_node *system, const struct xml_node *hardware)
{
	for (unsigned i = 0; i < refs->n_disks; i++)
		if (!refs->disks[i].used)
			vmspec_lose(vm, "disk %.*s is on no device of the machine", SHOW,
				refs->disks[i].id);
	if (ovf_next_section(hardware, "VirtualHardwareSection"))
		vmspec_lose(vm, "virtual hardware sections after the first");
	xml_foreach(product, system, "ProductSection")
	{
		if (xml_child(product, "Property")) {
			vmspec_lose(vm, "product properties (values given at deployment)");
			break;
		}
	}
}

static int parse_system(struct vmspec *vm, struct ovf_refs *refs,
	const struct xml_node *envelope, struct err *err)
{
	const struct xml_node *system = NULL, *hardware;
	int r = find_system(envelope, &system, err);

	if (r < 0)
		return r;
	hardware = ovf_section(system, "VirtualHardwareSection");
	if (!hardware)
		return err_set(
			err, EINVAL, "line %u: no VirtualHardwareSection", xml_line(system));
	vm->source = xstrdup("ova");
	vm->name = vm_name_clean(system_name(system));
	vm->description = vm_description_clean(
		xml_text(xml_child(ovf_section(system, "AnnotationSection"), "Annotation")));
	read_os(vm, system);
	r = ovf_items_read(
		vm, refs, system, hardware, default_configuration(envelope, vm), err);
	if (r >= 0)
		r = check_complete(vm, err);
	if (r < 0)
		return r;
	read_settings(vm, hardware);
	read_virtualbox(vm, system);
	default_firmware(vm, hardware);
	read_losses(vm, refs, system, hardware);
	vmspec_sort_disks(vm);
	return 0;
}

int ovf_parse(struct vmspec **ret, const char *text, size_t len, struct err *err)
{
	_auto_(vmspec) struct vmspec *vm = vmspec_new();
	_auto_(ovf_refs) struct ovf_refs *refs = NULL;
	_auto_(xml) struct xml *doc = NULL;
	int r = xml_parse(&doc, text, len, "OVF", err);

	if (r < 0)
		return r;
	r = ovf_refs_read(&refs, xml_root(doc), err);
	if (r >= 0)
		r = parse_system(vm, refs, xml_root(doc), err);
	if (r < 0)
		return err_prefix(err, "OVF");
	*ret = STEAL(vm);
	return 0;
}
