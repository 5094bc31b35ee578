// SPDX-License-Identifier: LGPL-2.1-or-later
// names: what the source's kernel called the disks: sda, nvme0n1, xvdb ...
#include "guestfix/collect/collect.h"

static bool is_sd(enum vm_bus bus)
{
	return bus == VM_BUS_SCSI || bus == VM_BUS_SATA || bus == VM_BUS_IDE ||
	       bus == VM_BUS_VIRTIO_SCSI || bus == VM_BUS_UNKNOWN;
}

/* Do the sd names hang on which driver came first? Then nothing can be said about them. */
static bool sd_is_ambiguous(const struct vmspec *source)
{
	enum vm_bus seen = VM_BUS_UNKNOWN;

	for (unsigned i = 0; i < source->n_disks; i++) {
		enum vm_bus bus = source->disks[i].bus;

		if (bus == VM_BUS_USB)
			return true;
		if (!is_sd(bus) || bus == VM_BUS_UNKNOWN)
			continue;
		if (seen != VM_BUS_UNKNOWN && seen != bus)
			return true;
		seen = bus;
	}
	return false;
}

/* "sda" .. "sdz", "sdaa" .. */
static char *letters(const char *prefix, unsigned n)
{
	if (n < 26)
		return xasprintf("%s%c", prefix, 'a' + n);
	return xasprintf("%s%c%c", prefix, 'a' + n / 26 - 1, 'a' + n % 26);
}

/* How many disks of the same kind of name come before disk i on controllers and units? */
static unsigned rank(const struct vmspec *s, unsigned i)
{
	const struct vm_disk *d = &s->disks[i];
	unsigned n = 0;

	for (unsigned k = 0; k < s->n_disks; k++) {
		const struct vm_disk *o = &s->disks[k];

		if (k == i || (is_sd(o->bus) ? !is_sd(d->bus) : o->bus != d->bus))
			continue;
		if (o->controller < d->controller ||
			(o->controller == d->controller &&
				(o->unit < d->unit || (o->unit == d->unit && k < i))))
			n++;
	}
	return n;
}

void collect_disk_names(struct facts *f, const struct vmspec *source)
{
	bool ambiguous;

	if (!source || !source->n_disks) {
		for (unsigned i = 0; i < f->n_disks; i++)
			f->disk_name[i] = letters("sd", i);
		return;
	}
	ambiguous = sd_is_ambiguous(source);
	for (unsigned i = 0; i < f->n_disks && i < source->n_disks; i++) {
		const struct vm_disk *d = &source->disks[i];

		if (d->bus == VM_BUS_NVME)
			f->disk_name[i] = xasprintf("nvme%un%u", d->controller, d->unit + 1);
		else if (d->bus == VM_BUS_XEN)
			f->disk_name[i] = letters("xvd", rank(source, i));
		else if (d->bus == VM_BUS_VIRTIO_BLK)
			f->disk_name[i] = letters("vd", rank(source, i));
		else if (is_sd(d->bus) && !ambiguous)
			f->disk_name[i] = letters("sd", rank(source, i));
	}
}
