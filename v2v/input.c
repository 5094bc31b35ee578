// SPDX-License-Identifier: LGPL-2.1-or-later
/* input: where machines come from: packages (ova) and bare images (disk). */
#include "v2v/conversion.h"

#include "formats/image.h"
#include "formats/ova/ova.h"
#include "formats/ova/ova_disk.h"
#include "formats/vm/ovf/ovf.h"

#include <libgen.h>
#include <sys/stat.h>

static bool is_directory(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISDIR(st.st_mode);
}

static int ova_claims(const char *path)
{
	if (is_directory(path) || ends_with(path, ".ova") || ends_with(path, ".ovf"))
		return 100;
	return ends_with(path, ".tar") ? 50 : 0;
}

static int ova_describe(struct conversion *c, struct err *err)
{
	const char *path = c->opts.sources[0], *text;
	size_t len;
	int r;

	if (strv_len(c->opts.sources) != 1)
		return err_set(err, EINVAL, "input ova takes one package at a time");
	r = ova_open(&c->package, path, err);
	if (r < 0)
		return r;
	strv_foreach (w, ova_warnings(c->package))
		v2v_warn(c, "%s", *w);
	text = ova_ovf(c->package, &len);
	r = ovf_parse(&c->source, text, len, err);
	if (r < 0)
		return err_prefix(err, "%s", path);
	c->disks = xcalloc(c->source->n_disks, sizeof(*c->disks));
	for (unsigned i = 0; i < c->source->n_disks; i++) {
		struct vm_disk *d = &c->source->disks[i];

		r = ova_disk_open(c->package, d, &c->disks[i].source, err);
		if (r < 0)
			return err_prefix(err, "%s: disk %u", path, i + 1);
		d->size = c->disks[i].source->size;
	}
	return 0;
}

static int ova_verify(
	struct conversion *c, unsigned i, const struct progress *p, struct err *err)
{
	return ova_disk_verify(c->package, &c->source->disks[i], p, err);
}

static int disk_claims(const char *path)
{
	return 10;
}

/* "dir/web01-sda.vmdk" -> "web01": what to call a machine that is only a disk. */
static char *name_of_image(const char *path)
{
	static const char *const suffixes[] = {
		".img", ".qcow2", ".raw", ".vhd", ".vmdk", "-sda"};
	_auto_(mem) char *copy = xstrdup(path);
	char *name = xstrdup(basename(copy));

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
		if (ends_with(name, suffixes[i]) && strlen(name) > strlen(suffixes[i]))
			name[strlen(name) - strlen(suffixes[i])] = 0;
	return name;
}

static int disk_describe(struct conversion *c, struct err *err)
{
	size_t n = strv_len(c->opts.sources);
	const struct image_format *format;
	struct vm_nic *nic;
	int r;

	if (n > VM_MAX_DISKS)
		return err_set(
			err, EINVAL, "%zu disks are more than the %d allowed", n, VM_MAX_DISKS);
	c->source = vmspec_new();
	c->source->source = xstrdup("disk");
	c->source->name = name_of_image(c->opts.sources[0]);
	c->disks = xcalloc(n, sizeof(*c->disks));
	for (unsigned i = 0; i < n; i++) {
		struct vm_disk *d = vmspec_add_disk(c->source);

		r = image_open(&c->disks[i].source, c->opts.sources[i], c->opts.input_format,
			NULL, &format, err);
		if (r < 0)
			return r;
		d->file = xstrdup(c->opts.sources[i]);
		d->format = xstrdup(format->name);
		d->size = c->disks[i].source->size;
		d->bus = VM_BUS_SCSI;
		d->unit = i;
	}
	nic = vmspec_add_nic(c->source);
	nic->network = xstrdup("default");
	c->source->vcpus = 1;
	return 0;
}

static const struct v2v_input inputs[] = {
	{{"ova", "an OVA package, a folder with an OVF, or the .ovf in it"}, ova_claims,
		ova_describe, ova_verify},
	{{"disk", "one or more disk images, in order"}, disk_claims, disk_describe, NULL},
	{{"local", "the same as disk"}, NULL, disk_describe, NULL},
};

const struct v2v_mode *v2v_input_mode(unsigned i)
{
	return i < ARRAY_SIZE(inputs) ? &inputs[i].mode : NULL;
}

int v2v_find_input(const struct v2v_opts *opts, const struct v2v_input **ret, struct err *err)
{
	int best = 0;

	for (size_t i = 0; i < ARRAY_SIZE(inputs); i++) {
		int claim = !opts->input && inputs[i].claims
				    ? inputs[i].claims(opts->sources[0])
				    : 0;

		if (opts->input && !strcmp(opts->input, inputs[i].mode.name))
			claim = 100;
		if (claim > best) {
			best = claim;
			*ret = &inputs[i];
		}
	}
	if (!best)
		return err_set(err, EINVAL, "-i %s: no such input; there are ova and disk",
			opts->input);
	return 0;
}
