// SPDX-License-Identifier: LGPL-2.1-or-later
// linux_kernels: which of the guest's kernels can run on KVM, and with which devices.
#include "guestfix/lib/initrd.h"
#include "guestfix/lib/kmod.h"
#include "guestfix/rules/rules.h"

const struct facts_kernel *rules_default_kernel(const struct facts *f)
{
	for (size_t i = 0; i < f->n_kernels; i++)
		if (f->kernels[i].is_default)
			return &f->kernels[i];
	return f->n_kernels ? &f->kernels[0] : NULL;
}

static bool has(const struct facts_kernel *k, const char *name)
{
	return kmod_has(k->modules_dep, k->modules_builtin, name);
}

static bool is_builtin(const struct facts_kernel *k, const char *name)
{
	return kmod_has(NULL, k->modules_builtin, name);
}

/* Can the kernel have this driver before its root is mounted? Modules come from the initramfs,
 * and what it lacks can only be added to one that was understood. */
static bool early(const struct facts_kernel *k, const char *name)
{
	char **paths = NULL;
	int r = kmod_closure(k->modules_dep, k->modules_builtin, name, &paths);
	bool there = r > 0 || (r == 0 && k->initrd);

	/* What modules.dep says may be gone. */
	strv_foreach (path, paths) {
		_auto_(mem) char *module = kmod_name(*path);

		there = there && (facts_kernel_file(k, *path) ||
					 initrd_has_module(k->initrd, k->version, module));
	}
	strv_free(paths);
	return there;
}

/* The same, but nothing can be added: for drivers of the fallback. */
static bool early_already(const struct facts_kernel *k, const char *name)
{
	return is_builtin(k, name) ||
	       (k->initrd && initrd_has_module(k->initrd, k->version, name));
}

static enum vm_bus disk_bus(const struct facts_kernel *k)
{
	if (early(k, "virtio_pci") && early(k, "virtio_blk"))
		return VM_BUS_VIRTIO_BLK;
	if (early(k, "virtio_pci") && early(k, "virtio_scsi") && early(k, "sd_mod"))
		return VM_BUS_VIRTIO_SCSI;
	if (early_already(k, "ahci") && early_already(k, "sd_mod"))
		return VM_BUS_SATA;
	if (early_already(k, "ata_piix") && early_already(k, "sd_mod"))
		return VM_BUS_IDE;
	return VM_BUS_UNKNOWN;
}

static const char *why_not(const struct facts_kernel *k)
{
	if (!k->module_dir)
		return "its modules are not installed";
	if (k->initrd_error)
		return k->initrd_error;
	if (!k->initrd)
		return "it has no initramfs";
	return "drivers for virtio disks are not installed";
}

static const char *nic_model(const struct facts_kernel *k)
{
	if (has(k, "virtio_net"))
		return "virtio";
	if (has(k, "e1000e"))
		return "e1000e";
	return has(k, "e1000") ? "e1000" : "rtl8139";
}

/* Makes the kernel that the menu starts decide; the others get a warning each. */
static void warn_others(struct rules *r, const struct facts_kernel *k)
{
	for (size_t i = 0; i < r->f->n_kernels; i++) {
		const struct facts_kernel *o = &r->f->kernels[i];

		if (o != k && disk_bus(o) != r->p->caps.disk_bus)
			rules_warn(r,
				"kernel %s cannot start from a %s disk (%s); its entry in the boot "
				"menu will not work",
				o->version, vm_bus_name(r->p->caps.disk_bus), why_not(o));
	}
}

int rule_kernels(struct rules *r, struct err *err)
{
	const struct facts_kernel *k = rules_default_kernel(r->f);
	struct caps *c = &r->p->caps;

	if (!k)
		return err_set(err, ENOTSUP, "there is no kernel in the guest's /boot");
	c->disk_bus = disk_bus(k);
	if (c->disk_bus == VM_BUS_UNKNOWN)
		return err_set(err, ENOTSUP,
			"kernel %s, which the guest starts by default, can drive no disk on KVM: %s",
			k->version, why_not(k));
	if (c->disk_bus != VM_BUS_VIRTIO_BLK && c->disk_bus != VM_BUS_VIRTIO_SCSI)
		rules_warn(r, "kernel %s: %s; the disks are emulated (%s), which is slow",
			k->version, why_not(k), vm_bus_name(c->disk_bus));
	c->nic_model = nic_model(k);
	c->rng = has(k, "virtio_rng");
	c->balloon = has(k, "virtio_balloon");
	c->pvpanic = has(k, "pvpanic") || has(k, "pvpanic_mmio") || has(k, "pvpanic_pci");
	c->vsock = has(k, "vmw_vsock_virtio_transport");
	/* Virtio 1.0 came with Linux 4.0. */
	c->virtio_1_0 = strverscmp(k->version, "4.0") >= 0;
	c->agent = facts_package(r->f, "qemu-guest-agent") != NULL;
	/* q35 wants AHCI for its CD drive and PCI Express: all since Linux 3.0. */
	c->machine = strverscmp(k->version, "3.0") >= 0 ? VM_MACHINE_Q35 : VM_MACHINE_PC;
	warn_others(r, k);
	return 0;
}
