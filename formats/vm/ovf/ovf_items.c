// SPDX-License-Identifier: LGPL-2.1-or-later
/* ovf_items: the devices of an OVF machine. */
#include "formats/vm/ovf/ovf_items.h"

#include "formats/vm/vm_text.h"

#include <ctype.h>
#include <inttypes.h>
#include <strings.h>

/* Numbers of controllers: as given, and where those are taken. */
#define MAX_ADDRESS 255
#define MAX_NUMBERS (MAX_ADDRESS + 1 + OVF_ITEMS_MAX)

/* What is left of outside text in an error. */
#define SHOW 100

enum { /* CIM_ResourceAllocationSettingData.ResourceType */
	RT_OTHER = 1,
	RT_CPU = 3,
	RT_MEMORY = 4,
	RT_IDE = 5,
	RT_SCSI = 6,
	RT_ETHERNET = 10,
	RT_FLOPPY = 14,
	RT_CD = 15,
	RT_DVD = 16,
	RT_DISK = 17,
	RT_OTHER_STORAGE = 20,
	RT_USB = 23,
	RT_GRAPHICS = 24,
	RT_LOGICAL_DISK = 31,
	RT_SOUND = 35,
};

struct item {
	const struct xml_node *node;
	const char *id;
	const char *subtype; /* "" = none */
	unsigned type;
	struct item *parent; /* NULL = none */
	bool is_controller;
	enum vm_bus bus;    /* controllers: the kind */
	unsigned number;    /* controllers: among those of its kind */
	unsigned disk;      /* disks: index in vm->disks + 1 */
	unsigned next_unit; /* controllers: for children without an address */
};

/* One machine's items. */
struct items {
	struct vmspec *vm;
	struct ovf_refs *refs;
	struct item *items;
	unsigned n;
};

static const char *field(const struct item *it, const char *name)
{
	return xml_text(xml_child(it->node, name));
}

/* What people call the device. */
static const char *title(const struct item *it)
{
	const char *t = field(it, "ElementName");

	return *t ? t : it->id;
}

static int bad(const struct item *it, const char *what, const char *value, struct err *err)
{
	return err_set(err, EINVAL, "line %u: device %.*s: %s: \"%.*s\"", xml_line(it->node),
		SHOW, title(it), what, SHOW, value);
}

/* An optional number: `other` when the element is missing or empty. */
static int number(const struct item *it, const char *name, uint64_t max, uint64_t other,
	uint64_t *ret, struct err *err)
{
	const char *text = field(it, name);
	_auto_(mem) char *what = NULL;

	*ret = other;
	if (!*text || parse_u64(text, max, ret) >= 0)
		return 0;
	what = xasprintf("%s is no number from 0 to %" PRIu64, name, max);
	return bad(it, what, text, err);
}

/* ---- collecting ---- */

/* Does the item belong to the chosen deployment option? Its attribute is a list of ids. */
static bool is_configured(const struct xml_node *n, const char *configuration)
{
	const char *list = xml_attr(n, "configuration"), *bound = xml_attr(n, "bound");

	if (bound && strcmp(bound, "normal"))
		return false; /* a limit of what may be deployed, not a device */
	if (!list || !*list)
		return true;
	while (configuration && *list) {
		size_t len = strcspn(list, " \t\r\n,");

		if (len == strlen(configuration) && !strncmp(list, configuration, len))
			return true;
		list += len + (list[len] != 0);
	}
	return false;
}

static int add_item(struct items *s, const struct xml_node *n, struct err *err)
{
	struct item *it;
	uint64_t type;
	int r;

	if (s->n == OVF_ITEMS_MAX)
		return err_set(err, EINVAL, "line %u: more than the %d devices allowed",
			xml_line(n), OVF_ITEMS_MAX);
	it = &s->items[s->n];
	it->node = n;
	it->id = field(it, "InstanceID");
	if (!*it->id)
		it->id = field(it, "InstanceId"); /* before OVF 1.0 */
	if (!*it->id)
		return err_set(
			err, EINVAL, "line %u: a device without InstanceID", xml_line(n));
	for (unsigned i = 0; i < s->n; i++)
		if (!strcmp(s->items[i].id, it->id))
			return bad(it, "the InstanceID is already that of another device",
				it->id, err);
	if (!*field(it, "ResourceType"))
		return bad(it, "no ResourceType", "", err);
	r = number(it, "ResourceType", UINT16_MAX, 0, &type, err);
	if (r < 0)
		return r;
	it->type = (unsigned)type;
	it->subtype = field(it, "ResourceSubType");
	s->n++;
	return 0;
}

static int collect(struct items *s, const struct xml_node *hardware, const char *configuration,
	struct err *err)
{
	s->items = xcalloc(OVF_ITEMS_MAX, sizeof(*s->items));
	xml_foreach(n, hardware, NULL)
	{
		const char *name = xml_name(n);
		int r;

		if (strcmp(name, "Item") && strcmp(name, "StorageItem") &&
			strcmp(name, "EthernetPortItem"))
			continue;
		if (!is_configured(n, configuration))
			continue;
		r = add_item(s, n, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int find_parents(struct items *s, struct err *err)
{
	for (unsigned i = 0; i < s->n; i++) {
		struct item *it = &s->items[i];
		const char *parent = field(it, "Parent");

		for (unsigned p = 0; *parent && p < s->n; p++)
			if (!strcmp(s->items[p].id, parent))
				it->parent = &s->items[p];
		if (*parent && !it->parent)
			return bad(it, "its Parent is no device of this machine", parent, err);
	}
	for (unsigned i = 0; i < s->n; i++) {
		unsigned steps = 0;

		for (struct item *p = s->items[i].parent; p; p = p->parent)
			if (++steps > s->n)
				return bad(&s->items[i], "its Parents form a circle",
					field(&s->items[i], "Parent"), err);
	}
	return 0;
}

/* ---- controllers ---- */

static bool controller_bus(const struct item *it, enum vm_bus *ret)
{
	/* By subtype first: VirtualBox calls SAS and virtio controllers type 20 too. */
	static const struct {
		const char *part;
		enum vm_bus bus;
	} subtypes[] = {
		{"nvme", VM_BUS_NVME},
		{"ahci", VM_BUS_SATA},
		{"sata", VM_BUS_SATA},
		{"virtioscsi", VM_BUS_VIRTIO_SCSI},
		{"virtio-scsi", VM_BUS_VIRTIO_SCSI},
		{"lsilogic", VM_BUS_SCSI},
		{"buslogic", VM_BUS_SCSI},
		{"virtualscsi", VM_BUS_SCSI},
	};

	if (it->type != RT_IDE && it->type != RT_SCSI && it->type != RT_OTHER_STORAGE &&
		it->type != RT_USB)
		return false;
	*ret = it->type == RT_IDE    ? VM_BUS_IDE
	       : it->type == RT_SCSI ? VM_BUS_SCSI
	       : it->type == RT_USB  ? VM_BUS_USB
				     : VM_BUS_UNKNOWN;
	for (size_t i = 0; i < ARRAY_SIZE(subtypes); i++)
		if (it->type != RT_USB && strcasestr(it->subtype, subtypes[i].part)) {
			*ret = subtypes[i].bus;
			break;
		}
	return true;
}

/* A controller's number is its Address; the next free one where that is taken or missing. */
static void number_controllers(struct items *s)
{
	/* By bus and number; the most a number can be is the largest Address and all others. */
	_auto_(mem) bool *taken = xcalloc((VM_BUS_VIRTIO_SCSI + 1) * MAX_NUMBERS, 1);

	for (unsigned i = 0; i < s->n; i++) {
		struct item *it = &s->items[i];
		uint64_t n = 0;

		if (!controller_bus(it, &it->bus))
			continue;
		if (parse_u64(field(it, "Address"), MAX_ADDRESS, &n) < 0)
			n = 0;
		while (taken[it->bus * MAX_NUMBERS + n])
			n++;
		taken[it->bus * MAX_NUMBERS + n] = true;
		it->number = (unsigned)n;
		it->is_controller = true;
		if (it->bus == VM_BUS_UNKNOWN)
			vmspec_lose(s->vm, "storage controller %.*s: unknown kind \"%.*s\"",
				SHOW, title(it), SHOW, it->subtype);
	}
}

/* Where a disk or drive is: bus, controller number, unit. */
static int place(struct items *s, struct item *it, enum vm_bus *bus, unsigned *controller,
	unsigned *unit, struct err *err)
{
	struct item *c = it->parent;
	uint64_t n;
	int r;

	*bus = VM_BUS_UNKNOWN;
	if (!c) {
		vmspec_lose(s->vm,
			"%.*s: the description does not say on which controller it is", SHOW,
			title(it));
		return 0;
	}
	if (!c->is_controller)
		return bad(it, "its Parent is no storage controller", title(c), err);
	r = number(it, "AddressOnParent", 65535, c->next_unit, &n, err);
	if (r < 0)
		return r;
	*bus = c->bus;
	*controller = c->number;
	*unit = (unsigned)n;
	c->next_unit = MAX(c->next_unit, (unsigned)n + 1);
	return 0;
}

/* ---- devices ---- */

static void lose_limit(struct items *s, const struct item *it, const char *name)
{
	const char *v = field(it, name);

	if (*v && strcmp(v, "0") && strcmp(v, "-1"))
		vmspec_lose(s->vm, "%.*s: %s of %.*s", SHOW, title(it), name, SHOW, v);
}

static int read_cpu(struct items *s, struct item *it, struct err *err)
{
	struct vmspec *vm = s->vm;
	uint64_t n, cores;
	int r = number(it, "VirtualQuantity", OVF_VCPUS_MAX, 0, &n, err);

	if (r >= 0)
		r = number(it, "CoresPerSocket", OVF_VCPUS_MAX, 0, &cores, err);
	if (r < 0)
		return r;
	if (!n)
		return bad(it, "a machine needs at least one processor",
			field(it, "VirtualQuantity"), err);
	if (vm->vcpus)
		return bad(it, "processors are described twice", it->id, err);
	vm->vcpus = (unsigned)n;
	if (cores && n % cores) {
		vmspec_lose(vm,
			"%" PRIu64 " cores per socket do not divide %" PRIu64 " processors",
			cores, n);
	} else if (cores) {
		vm->sockets = (unsigned)(n / cores);
		vm->cores = (unsigned)cores;
		vm->threads = 1;
	}
	lose_limit(s, it, "Limit");
	lose_limit(s, it, "Reservation");
	return 0;
}

static int read_memory(struct items *s, struct item *it, struct err *err)
{
	const char *units = field(it, "AllocationUnits"),
		   *quantity = field(it, "VirtualQuantity");
	uint64_t bytes;
	int r;

	if (s->vm->memory)
		return bad(it, "memory is described twice", it->id, err);
	if (!*units) {
		units = "MegaBytes";
		vmspec_lose(s->vm, "the memory size %.*s has no unit: taken as MiB", SHOW,
			quantity);
	}
	r = ovf_amount(quantity, units, "the memory size", &bytes, err);
	if (r < 0)
		return err_prefix(err, "line %u", xml_line(it->node));
	if (bytes < MiB || bytes > OVF_MEMORY_MAX)
		return bad(it, "not a possible memory size", quantity, err);
	s->vm->memory = bytes;
	lose_limit(s, it, "Limit");
	lose_limit(s, it, "Reservation");
	return 0;
}

/* The id behind "ovf:/disk/" or "/disk/" in HostResource; NULL when it is something else. */
static const char *host_resource(const struct item *it, const char *kind)
{
	const char *h = field(it, "HostResource");
	size_t len = strlen(kind);

	if (starts_with(h, "ovf:"))
		h += 4;
	while (h[0] == '/' && h[1] == '/')
		h++;
	return h[0] == '/' && !strncmp(h + 1, kind, len) && h[1 + len] == '/' ? h + len + 2
									      : NULL;
}

static int read_disk(struct items *s, struct item *it, struct err *err)
{
	const char *id = host_resource(it, "disk");
	struct ovf_disk *od = NULL;
	struct vm_disk *d;

	if (!id)
		return bad(it, "its HostResource is no disk of the package",
			field(it, "HostResource"), err);
	for (unsigned i = 0; i < s->refs->n_disks; i++)
		if (!strcmp(s->refs->disks[i].id, id))
			od = &s->refs->disks[i];
	if (!od)
		return bad(it, "DiskSection does not have its disk", id, err);
	if (od->used)
		return bad(it, "another device has the same disk", id, err);
	od->used = true;
	if (s->vm->n_disks == VM_MAX_DISKS)
		return err_set(err, EINVAL, "line %u: more than the %d disks allowed",
			xml_line(it->node), VM_MAX_DISKS);
	d = vmspec_add_disk(s->vm);
	it->disk = s->vm->n_disks;
	d->id = xstrdup(od->id);
	d->size = od->capacity;
	if (od->has_file) {
		const struct ovf_file *f = &s->refs->files[od->file];

		d->file = xstrdup(f->href);
		d->format = xstrdup_null(od->format);
		d->compression = xstrdup_null(f->compression);
		d->chunk_size = f->chunk_size;
	}
	if (it->parent)
		d->model = vm_name_clean(it->parent->subtype);
	return place(s, it, &d->bus, &d->controller, &d->unit, err);
}

static int read_drive(struct items *s, struct item *it, struct err *err)
{
	const char *id = host_resource(it, "file");
	struct vm_drive *d;

	if (s->vm->n_drives == VM_MAX_DISKS)
		return err_set(err, EINVAL, "line %u: more than the %d drives allowed",
			xml_line(it->node), VM_MAX_DISKS);
	d = vmspec_add_drive(s->vm);
	d->kind = it->type == RT_FLOPPY ? VM_FLOPPY : VM_CDROM;
	for (unsigned i = 0; id && i < s->refs->n_files; i++)
		if (!strcmp(s->refs->files[i].id, id))
			d->file = xstrdup(s->refs->files[i].href);
	if (id && !d->file)
		return bad(it, "References does not have its file", id, err);
	if (d->kind == VM_FLOPPY) {
		uint64_t n;
		int r = number(it, "AddressOnParent", 255, 0, &n, err);

		d->bus = VM_BUS_FLOPPY;
		d->unit = (unsigned)n;
		return r;
	}
	if (!it->parent)
		return 0; /* an empty drive may be anywhere */
	return place(s, it, &d->bus, &d->controller, &d->unit, err);
}

/* The value of <vmw:Config key= value=> in the item, or NULL. */
static const char *config(const struct item *it, const char *key)
{
	xml_foreach(c, it->node, "Config")
	{
		const char *k = xml_attr(c, "key");

		if (k && !strcmp(k, key))
			return xml_attr(c, "value");
	}
	return NULL;
}

static int read_nic(struct items *s, struct item *it, struct err *err)
{
	const struct xml_node *connection = xml_child(it->node, "Connection");
	const char *mac = field(it, "Address"), *slot = config(it, "slotInfo.pciSlotNumber");
	struct vm_nic *nic;
	uint64_t n;

	if (s->vm->n_nics == VM_MAX_NICS)
		return err_set(err, EINVAL, "line %u: more than the %d network cards allowed",
			xml_line(it->node), VM_MAX_NICS);
	nic = vmspec_add_nic(s->vm);
	if (*mac && vm_mac_parse(mac, &nic->mac) < 0)
		vmspec_lose(s->vm, "%.*s: \"%.*s\" is no address of a network card", SHOW,
			title(it), SHOW, mac);
	/* "PCNet32 E1000" is a list of what may be there; the first is what was exported. */
	if (*it->subtype) {
		_auto_(mem) char *first =
			xstrndup(it->subtype, strcspn(it->subtype, " \t\r\n"));

		nic->model = vm_name_clean(first);
	}
	nic->network = vm_name_clean(xml_text(connection));
	if (xml_next(connection, "Connection"))
		vmspec_lose(s->vm, "%.*s: connected to more than one network", SHOW, title(it));
	nic->disconnected = !vm_bool(field(it, "AutomaticAllocation"), true);
	if (slot && parse_u64(slot, UINT16_MAX, &n) >= 0)
		nic->pci_slot = (unsigned)n;
	return 0;
}

static void read_sound(struct items *s, struct item *it)
{
	static const struct {
		const char *part;
		const char *model;
	} cards[] = {
		{"hd", "ich9"},
		{"ac97", "ac97"},
		{"sb16", "sb16"},
		{"ensoniq", "es1370"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cards) && !s->vm->sound; i++)
		if (strcasestr(it->subtype, cards[i].part))
			s->vm->sound = xstrdup(cards[i].model);
	if (!s->vm->sound)
		vmspec_lose(s->vm, "sound card %.*s", SHOW, title(it));
}

static int read_other(struct items *s, struct item *it, struct err *err)
{
	/* What VMware adds to every machine and no guest misses. */
	static const char *const harmless[] = {
		"vmware.vmci", "vmware.keyboard", "vmware.pointing"};

	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
		if (starts_with(it->subtype, harmless[i]))
			return 0;
	if (strcasestr(it->subtype, "tpm"))
		s->vm->tpm = true;
	else if (starts_with(it->subtype, "vmware.soundcard") || it->type == RT_SOUND)
		read_sound(s, it);
	else
		vmspec_lose(s->vm, "device %.*s (type %u%s%.*s)", SHOW, title(it), it->type,
			*it->subtype ? ", " : "", SHOW, it->subtype);
	return 0;
}

static int read_nothing(struct items *s, struct item *it, struct err *err)
{
	return 0;
}

static const struct {
	unsigned type;
	int (*read)(struct items *s, struct item *it, struct err *err);
} readers[] = {
	{RT_CPU, read_cpu},
	{RT_MEMORY, read_memory},
	{RT_IDE, read_nothing},
	{RT_SCSI, read_nothing},
	{RT_OTHER_STORAGE, read_nothing},
	{RT_USB, read_nothing},
	{RT_GRAPHICS, read_nothing}, /* every target has a display */
	{RT_ETHERNET, read_nic},
	{RT_FLOPPY, read_drive},
	{RT_CD, read_drive},
	{RT_DVD, read_drive},
	{RT_DISK, read_disk},
	{RT_LOGICAL_DISK, read_disk},
};

static int read_item(struct items *s, struct item *it, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(readers); i++)
		if (readers[i].type == it->type)
			return readers[i].read(s, it, err);
	return read_other(s, it, err);
}

/* <vmw:BootOrderSection vmw:instanceId="7" vmw:type="disk">, first to last. */
static void read_boot_order(struct items *s, const struct xml_node *system)
{
	unsigned order = 0;

	xml_foreach(b, system, "BootOrderSection")
	{
		const char *id = xml_attr(b, "instanceId");

		for (unsigned i = 0; id && i < s->n; i++) {
			const struct item *it = &s->items[i];

			if (it->disk && !strcmp(it->id, id) &&
				!s->vm->disks[it->disk - 1].boot_order)
				s->vm->disks[it->disk - 1].boot_order = ++order;
		}
	}
}

int ovf_items_read(struct vmspec *vm, struct ovf_refs *refs, const struct xml_node *system,
	const struct xml_node *hardware, const char *configuration, struct err *err)
{
	struct items s = {.vm = vm, .refs = refs};
	int r = collect(&s, hardware, configuration, err);

	if (r >= 0)
		r = find_parents(&s, err);
	if (r >= 0)
		number_controllers(&s);
	for (unsigned i = 0; r >= 0 && i < s.n; i++)
		r = read_item(&s, &s.items[i], err);
	if (r >= 0)
		read_boot_order(&s, system);
	free(s.items);
	return r;
}
