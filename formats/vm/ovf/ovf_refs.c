// SPDX-License-Identifier: LGPL-2.1-or-later
/* ovf_refs: files, disks and units of an OVF descriptor. */
#include "formats/vm/ovf/ovf_refs.h"

#include <ctype.h>
#include <inttypes.h>
#include <strings.h>

/* What is left of `len` characters of outside text in an error. */
#define SHOW 100

/* ---- sections ---- */

static bool is_section(const struct xml_node *n, const char *name)
{
	const char *type;
	size_t len = strlen(name);

	if (!strcmp(xml_name(n), name))
		return true;
	type = strcmp(xml_name(n), "Section") ? NULL : xml_attr(n, "type");
	if (!type)
		return false;
	if (strchr(type, ':'))
		type = strchr(type, ':') + 1;
	return !strncmp(type, name, len) && !strcmp(type + len, "_Type");
}

const struct xml_node *ovf_section(const struct xml_node *parent, const char *name)
{
	xml_foreach(n, parent, NULL) if (is_section(n, name)) return n;
	return NULL;
}

const struct xml_node *ovf_next_section(const struct xml_node *section, const char *name)
{
	do {
		section = xml_next(section, NULL);
	} while (section && !is_section(section, name));
	return section;
}

/* ---- units ---- */

/* base^exponent by repeated multiplication; false when it does not fit. */
static bool power(uint64_t base, uint64_t exponent, uint64_t *ret)
{
	uint64_t v = 1;

	if (exponent > 63)
		return false;
	while (exponent--)
		if (__builtin_mul_overflow(v, base, &v))
			return false;
	*ret = v;
	return true;
}

/* "N" or "N^M" at *p; moves behind it. */
static bool factor(const char **p, uint64_t *ret)
{
	uint64_t n[2] = {0, 1};
	int count = 0;

	do {
		uint64_t v = 0;
		unsigned digits = 0;

		for (; isdigit((unsigned char)**p); (*p)++) {
			if (++digits > 15)
				return false;
			v = v * 10 + (uint64_t)(**p - '0');
		}
		if (!digits)
			return false;
		n[count++] = v;
	} while (count < 2 && **p == '^' && (*p)++);
	return power(n[0], n[1], ret);
}

int ovf_units(const char *text, uint64_t *ret)
{
	static const struct {
		const char *name;
		uint64_t bytes;
	} words[] = {
		{"byte", 1},
		{"bytes", 1},
		{"b", 1},
		{"kilobytes", KiB},
		{"kilobyte", KiB},
		{"kb", KiB},
		{"kib", KiB},
		{"megabytes", MiB},
		{"megabyte", MiB},
		{"mb", MiB},
		{"mib", MiB},
		{"gigabytes", GiB},
		{"gigabyte", GiB},
		{"gb", GiB},
		{"gib", GiB},
		{"terabytes", TiB},
		{"terabyte", TiB},
		{"tb", TiB},
		{"tib", TiB},
	};
	char s[64];
	const char *p = s;
	size_t n = 0, word;
	uint64_t bytes = 0;

	for (; *text; text++) {
		if (isspace((unsigned char)*text))
			continue;
		if (n + 1 == sizeof(s))
			return -EINVAL;
		s[n++] = (char)tolower((unsigned char)*text);
	}
	s[n] = 0;
	word = strcspn(s, "*");
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strlen(words[i].name) == word && !strncmp(s, words[i].name, word))
			bytes = words[i].bytes;
	if (!bytes)
		return -EINVAL;
	for (p += word; *p == '*';) {
		uint64_t f;

		p++;
		if (!factor(&p, &f) || __builtin_mul_overflow(bytes, f, &bytes))
			return -EINVAL;
	}
	if (*p || !bytes)
		return -EINVAL;
	*ret = bytes;
	return 0;
}

int ovf_amount(
	const char *number, const char *units, const char *what, uint64_t *ret, struct err *err)
{
	uint64_t n, bytes;

	if (strstr(number, "${"))
		return err_set(err, ENOTSUP,
			"%s is the property %.*s, which is only known at deployment: write the number "
			"into the descriptor",
			what, SHOW, number);
	if (ovf_units(units, &bytes) < 0)
		return err_set(
			err, EINVAL, "%s: \"%.*s\" is no unit of bytes", what, SHOW, units);
	if (parse_u64(number, INT64_MAX, &n) < 0)
		return err_set(err, EINVAL, "%s: \"%.*s\" is no number", what, SHOW, number);
	if (__builtin_mul_overflow(n, bytes, &n) || n > INT64_MAX)
		return err_set(err, EINVAL, "%s: %.*s times %" PRIu64 " bytes is too much",
			what, SHOW, number, bytes);
	*ret = n;
	return 0;
}

/* ---- references ---- */

static int hex_value(char c)
{
	if (isdigit((unsigned char)c))
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Has the name a component ".."? A backslash separates too: the package may have been made on
 * a system where it does. */
static bool climbs(const char *name)
{
	while (*name) {
		size_t len = strcspn(name, "/\\");

		if (len == 2 && name[0] == '.' && name[1] == '.')
			return true;
		name += len + (name[len] != 0);
	}
	return false;
}

/* "http://...", "file:/x": letters, digits, + - . and then a colon. */
static bool has_scheme(const char *href)
{
	const char *p = href;

	while (isalnum((unsigned char)*p) || (*p && strchr("+-.", *p)))
		p++;
	return *p == ':' && p - href > 1 && isalpha((unsigned char)*href) && p[1] == '/';
}

int ovf_href_decode(char **ret, const char *href, struct err *err)
{
	_auto_str_ struct str s = STR_INIT;

	if (!*href)
		return err_set(err, EINVAL, "a reference to a file without a name");
	if (strlen(href) > OVF_HREF_MAX)
		return err_set(err, EINVAL, "a file name of %zu bytes; %d are allowed",
			strlen(href), OVF_HREF_MAX);
	if (has_scheme(href))
		return err_set(
			err, EPERM, "%s: only files of the package itself are read", href);
	for (const char *p = href; *p; p++) {
		int hi = *p == '%' ? hex_value(p[1]) : -1, lo = hi < 0 ? -1 : hex_value(p[2]);

		if (lo < 0) { /* a lone % stands for itself */
			str_addc(&s, *p);
			continue;
		}
		if (!hi && !lo)
			return err_set(err, EINVAL, "%s: a file name with a NUL byte", href);
		str_addc(&s, (char)(hi << 4 | lo));
		p += 2;
	}
	if (s.s[0] == '/' || s.s[0] == '\\' || has_scheme(s.s))
		return err_set(err, EPERM, "%s: an absolute file name in a package", href);
	if (climbs(s.s))
		return err_set(err, EPERM, "%s: leads out of the package", href);
	*ret = str_steal(&s);
	return 0;
}

static int read_file(struct ovf_file *f, const struct xml_node *n, struct err *err)
{
	const char *href = xml_attr(n, "href"), *size = xml_attr(n, "size");
	const char *chunk = xml_attr(n, "chunkSize"), *compression = xml_attr(n, "compression");
	_auto_(mem) char *name = NULL;
	int r;

	if (!xml_attr(n, "id") || !href)
		return err_set(err, EINVAL, "a File without %s", href ? "id" : "href");
	r = ovf_href_decode(&name, href, err);
	if (r < 0)
		return r;
	f->id = xstrdup(xml_attr(n, "id"));
	f->href = xstrdup(href);
	if (size && parse_u64(size, INT64_MAX, &f->size) < 0)
		return err_set(
			err, EINVAL, "%s: the size \"%.*s\" is no number", href, SHOW, size);
	f->has_size = size;
	if (chunk && (parse_u64(chunk, INT64_MAX, &f->chunk_size) < 0 || !f->chunk_size))
		return err_set(err, EINVAL, "%s: the chunk size \"%.*s\" is no number of bytes",
			href, SHOW, chunk);
	if (compression && strcasecmp(compression, "identity") && *compression)
		f->compression = xstrdup(compression);
	return 0;
}

static int read_files(struct ovf_refs *refs, const struct xml_node *envelope, struct err *err)
{
	xml_foreach(n, xml_child(envelope, "References"), "File")
	{
		struct ovf_file *f;
		int r;

		if (refs->n_files == OVF_FILES_MAX)
			return err_set(err, EINVAL, "line %u: more than the %d files allowed",
				xml_line(n), OVF_FILES_MAX);
		if (is_power_of_2(refs->n_files) || !refs->n_files)
			refs->files = xrealloc(
				refs->files, MAX(refs->n_files * 2, 1u), sizeof(*refs->files));
		f = &refs->files[refs->n_files++];
		*f = (struct ovf_file){0};
		r = read_file(f, n, err);
		if (r < 0)
			return err_prefix(err, "line %u", xml_line(n));
		for (unsigned i = 0; i + 1 < refs->n_files; i++) {
			if (!strcmp(refs->files[i].id, f->id))
				return err_set(err, EINVAL, "line %u: a second File with id %s",
					xml_line(n), f->id);
			if (!strcmp(refs->files[i].href, f->href))
				return err_set(err, EINVAL,
					"line %u: a second File with href %s", xml_line(n),
					f->href);
		}
	}
	return 0;
}

/* ---- disks ---- */

static const char *disk_format(const char *uri)
{
	static const struct {
		const char *part;
		const char *format;
	} formats[] = {
		{"vmdk", "vmdk"},
		{"qcow2", "qcow2"},
		{"vhdx", "vhdx"},
		{"vhd", "vpc"},
	};

	for (size_t i = 0; uri && i < ARRAY_SIZE(formats); i++)
		if (strcasestr(uri, formats[i].part))
			return formats[i].format;
	return NULL;
}

static int find_file(const struct ovf_refs *refs, const char *id, unsigned *ret)
{
	for (unsigned i = 0; i < refs->n_files; i++)
		if (!strcmp(refs->files[i].id, id)) {
			*ret = i;
			return 0;
		}
	return -ENOENT;
}

static int read_disk(const struct ovf_refs *refs, struct ovf_disk *d, const struct xml_node *n,
	struct err *err)
{
	const char *id = xml_attr(n, "diskId"), *ref = xml_attr(n, "fileRef");
	const char *capacity = xml_attr(n, "capacity");
	const char *units = xml_attr(n, "capacityAllocationUnits");
	int r;

	if (!id || !*id)
		return err_set(err, EINVAL, "a Disk without diskId");
	d->id = xstrdup(id);
	if (xml_attr(n, "parentRef"))
		return err_set(err, ENOTSUP,
			"disk %.*s is a delta of disk %.*s: export the machine without snapshots",
			SHOW, id, SHOW, xml_attr(n, "parentRef"));
	if (!capacity)
		return err_set(err, EINVAL, "disk %.*s has no capacity", SHOW, id);
	r = ovf_amount(capacity, units ? units : "byte", "the capacity", &d->capacity, err);
	if (r < 0)
		return err_prefix(err, "disk %.*s", SHOW, id);
	if (!d->capacity)
		return err_set(err, EINVAL, "disk %.*s has a capacity of 0", SHOW, id);
	d->format = disk_format(xml_attr(n, "format"));
	d->has_file = ref && *ref;
	if (d->has_file && find_file(refs, ref, &d->file) < 0)
		return err_set(err, EINVAL,
			"disk %.*s is in the file %.*s, which References does not have", SHOW,
			id, SHOW, ref);
	return 0;
}

static int read_disks(struct ovf_refs *refs, const struct xml_node *envelope, struct err *err)
{
	xml_foreach(n, ovf_section(envelope, "DiskSection"), "Disk")
	{
		struct ovf_disk *d;
		int r;

		if (refs->n_disks == OVF_DISKS_MAX)
			return err_set(err, EINVAL, "line %u: more than the %d disks allowed",
				xml_line(n), OVF_DISKS_MAX);
		if (is_power_of_2(refs->n_disks) || !refs->n_disks)
			refs->disks = xrealloc(
				refs->disks, MAX(refs->n_disks * 2, 1u), sizeof(*refs->disks));
		d = &refs->disks[refs->n_disks++];
		*d = (struct ovf_disk){0};
		r = read_disk(refs, d, n, err);
		if (r < 0)
			return err_prefix(err, "line %u", xml_line(n));
		for (unsigned i = 0; i + 1 < refs->n_disks; i++) {
			const struct ovf_disk *e = &refs->disks[i];

			if (!strcmp(e->id, d->id))
				return err_set(err, EINVAL, "line %u: a second Disk with id %s",
					xml_line(n), d->id);
			if (e->has_file && d->has_file && e->file == d->file)
				return err_set(err, EINVAL,
					"line %u: disks %s and %s are in the same file",
					xml_line(n), e->id, d->id);
		}
	}
	return 0;
}

int ovf_refs_read(struct ovf_refs **ret, const struct xml_node *envelope, struct err *err)
{
	_auto_(ovf_refs) struct ovf_refs *refs = xnew(struct ovf_refs);
	int r;

	if (strcmp(xml_name(envelope), "Envelope"))
		return err_set(err, EINVAL, "not an OVF descriptor: the root element is <%.*s>",
			SHOW, xml_name(envelope));
	r = read_files(refs, envelope, err);
	if (r >= 0)
		r = read_disks(refs, envelope, err);
	if (r < 0)
		return r;
	*ret = STEAL(refs);
	return 0;
}

void ovf_refs_free(struct ovf_refs *refs)
{
	if (!refs)
		return;
	for (unsigned i = 0; i < refs->n_files; i++) {
		free(refs->files[i].id);
		free(refs->files[i].href);
		free(refs->files[i].compression);
	}
	free(refs->files);
	for (unsigned i = 0; i < refs->n_disks; i++)
		free(refs->disks[i].id);
	free(refs->disks);
	free(refs);
}

int ovf_refs_parse(struct ovf_refs **ret, const char *text, size_t len, struct err *err)
{
	_auto_(xml) struct xml *doc = NULL;
	int r = xml_parse(&doc, text, len, "OVF", err);

	if (r < 0)
		return r;
	r = ovf_refs_read(ret, xml_root(doc), err);
	return r < 0 ? err_prefix(err, "OVF") : 0;
}
