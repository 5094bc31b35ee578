// SPDX-License-Identifier: LGPL-2.1-or-later
/* mkvmdk: composing a VMDK in memory. */
#include "tests/support/mkvmdk.h"

#include "formats/base/str.h"

#include <assert.h>
#include <endian.h>
#include <inttypes.h>
#include <zlib.h>

#define SECTOR 512
#define GTES   512

struct writer {
	struct str out;
	const struct mkvmdk *how;
	struct mkvmdk_file *f;
	uint64_t sectors;
	unsigned grain; /* sectors */
	uint32_t overhead;
};

static void add32(struct str *s, uint32_t v)
{
	v = htole32(v);
	str_addn(s, &v, 4);
}

static void add64(struct str *s, uint64_t v)
{
	v = htole64(v);
	str_addn(s, &v, 8);
}

static void pad(struct str *s)
{
	while (s->len % SECTOR)
		str_addn(s, "", 1);
}

static uint32_t here(const struct writer *w)
{
	assert(w->out.len % SECTOR == 0);
	return w->out.len / SECTOR;
}

static void add_header(struct writer *w, struct str *s, uint64_t gd)
{
	const struct mkvmdk *how = w->how;
	uint32_t flags = 1 | (how->redundant ? 2 : 0) | (how->zero_grains ? 4 : 0) |
			 (how->sparse ? 0 : 1 << 16 | 1 << 17);
	unsigned version = how->version       ? how->version
			   : !how->sparse     ? 3
			   : how->zero_grains ? 2
					      : 1;

	str_addn(s, "KDMV", 4);
	add32(s, version);
	add32(s, flags);
	add64(s, w->sectors);
	add64(s, w->grain);
	add64(s, 1);  /* descriptor */
	add64(s, 20); /* its sectors */
	add32(s, GTES);
	add64(s, w->f->rgd);
	add64(s, gd);
	add64(s, w->overhead);
	str_addn(s, "\0\n \r\n", 5);
	str_addn(s, how->sparse ? "\0\0" : "\1\0", 2);
	pad(s);
}

static void add_descriptor(struct writer *w)
{
	size_t begin = w->out.len;

	if (w->how->descriptor)
		str_add(&w->out, w->how->descriptor);
	else
		str_addf(&w->out,
			"# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\n"
			"createType=\"%s\"\n\n# Extent description\n%s %" PRIu64
			" SPARSE \"made.vmdk\"\n\n# The Disk Data Base\n#DDB\n\n"
			"ddb.adapterType = \"lsilogic\"\nddb.virtualHWVersion = \"13\"\n",
			w->how->sparse ? "monolithicSparse" : "streamOptimized",
			w->how->sparse ? "RW" : "RDONLY", w->sectors);
	assert(w->out.len - begin <= 20 * SECTOR);
	while (w->out.len < begin + 20 * SECTOR)
		str_addn(&w->out, "", 1);
}

static void add_marker(struct writer *w, uint64_t sectors, uint32_t type)
{
	if (w->how->no_markers)
		return;
	add64(&w->out, sectors);
	add32(&w->out, 0);
	add32(&w->out, type);
	pad(&w->out);
}

static bool all_zero(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i])
			return false;
	return true;
}

/* Writes one grain of which the disk has `used` bytes. */
static void add_grain(struct writer *w, size_t number, const uint8_t *data, size_t used)
{
	size_t len = (size_t)w->grain * SECTOR;
	uint8_t *whole = xcalloc(len, 1);
	size_t n = w->how->short_last ? used : len;

	memcpy(whole, data, used);
	w->f->grain_at[number] = here(w);
	if (w->how->sparse) {
		str_addn(&w->out, whole, n);
	} else {
		uLongf room = compressBound(len) + 64;
		uint8_t *packed = xmalloc(room);
		int r = compress2(packed, &room, whole, n, w->how->stored ? 0 : 6);

		assert(r == Z_OK);
		add64(&w->out, (uint64_t)number * w->grain);
		add32(&w->out, room);
		str_addn(&w->out, packed, room);
		free(packed);
	}
	pad(&w->out);
	free(whole);
}

/* Number of the grain that comes as the i-th. */
static size_t order(const struct writer *w, size_t i)
{
	size_t n = w->f->grains;

	if (!w->how->shuffle)
		return i;
	return i % 2 ? n - 1 - i / 2 : i / 2;
}

static void put_entry(struct writer *w, uint32_t table_at, size_t i, uint32_t v)
{
	v = htole32(v);
	memcpy(w->out.s + (size_t)table_at * SECTOR + i * 4, &v, 4);
}

static uint32_t entry(const struct writer *w, const uint8_t *raw, size_t len, size_t grain)
{
	size_t at = grain * w->grain * SECTOR;

	if (w->f->grain_at[grain])
		return w->f->grain_at[grain];
	return w->how->zero_grains && at < len ? 1 : 0;
}

/* Reserves a directory and all its tables, side by side. Returns the directory's sector. */
static uint32_t reserve_tables(struct writer *w, uint32_t *gt)
{
	uint32_t gd = here(w);

	for (size_t i = 0; i < w->f->tables; i++)
		add32(&w->out, 0);
	pad(&w->out);
	for (size_t i = 0; i < w->f->tables; i++) {
		gt[i] = here(w);
		put_entry(w, gd, i, gt[i]);
		for (unsigned k = 0; k < GTES; k++)
			add32(&w->out, 0);
	}
	return gd;
}

static void add_tables_behind(struct writer *w, const uint8_t *raw, size_t len)
{
	for (size_t i = 0; i < w->f->tables; i++) {
		bool used = false;

		for (size_t k = i * GTES; k < MIN((i + 1) * GTES, w->f->grains); k++)
			used |= entry(w, raw, len, k) != 0;
		if (!used)
			continue;
		add_marker(w, GTES * 4 / SECTOR, 1);
		w->f->gt[i] = here(w);
		for (size_t k = i * GTES; k < (i + 1) * GTES; k++)
			add32(&w->out, k < w->f->grains ? entry(w, raw, len, k) : 0);
	}
	add_marker(w, div_up(w->f->tables * 4, SECTOR), 2);
	w->f->gd = here(w);
	for (size_t i = 0; i < w->f->tables; i++)
		add32(&w->out, w->f->gt[i]);
	pad(&w->out);
}

static void add_footer(struct writer *w)
{
	add_marker(w, 1, 3);
	w->f->footer = here(w);
	add_header(w, &w->out, w->f->gd);
}

static void add_grains(struct writer *w, const uint8_t *raw, size_t len)
{
	size_t grain = (size_t)w->grain * SECTOR;

	for (size_t i = 0; i < w->f->grains; i++) {
		size_t g = order(w, i), at = g * grain;
		size_t used = at < len ? MIN(len - at, grain) : 0;

		if (used && (w->how->keep_zeros || !all_zero(raw + at, used)))
			add_grain(w, g, raw + at, used);
	}
}

static void fill_reserved(struct writer *w, const uint32_t *gt, const uint8_t *raw, size_t len)
{
	for (size_t g = 0; g < w->f->grains; g++)
		put_entry(w, gt[g / GTES], g % GTES, entry(w, raw, len, g));
}

void mkvmdk(struct mkvmdk_file *ret, const void *raw, size_t len, const struct mkvmdk *how)
{
	struct writer w = {.out = STR_INIT, .how = how, .f = ret};
	struct str header = STR_INIT;
	bool front = how->sparse || how->tables == MKVMDK_FRONT;
	uint32_t *rgt;

	assert(len % SECTOR == 0);
	w.sectors = how->sectors ? how->sectors : len / SECTOR;
	w.grain = how->grain ? how->grain : 128;
	*ret = (struct mkvmdk_file){.grains = div_up(w.sectors, w.grain)};
	ret->tables = div_up(ret->grains, GTES);
	ret->gt = xcalloc(ret->tables, sizeof(*ret->gt));
	ret->grain_at = xcalloc(ret->grains, sizeof(*ret->grain_at));
	rgt = xcalloc(ret->tables, sizeof(*rgt));

	add_header(&w, &w.out, 0); /* written again at the end */
	add_descriptor(&w);
	if (front && how->redundant)
		ret->rgd = reserve_tables(&w, rgt);
	if (front)
		ret->gd = reserve_tables(&w, ret->gt);
	while (w.out.len % ((size_t)w.grain * SECTOR))
		str_addn(&w.out, "", 1);
	w.overhead = here(&w);
	add_grains(&w, raw, len);
	if (front) {
		fill_reserved(&w, ret->gt, raw, len);
		if (ret->rgd)
			fill_reserved(&w, rgt, raw, len);
	} else {
		add_tables_behind(&w, raw, len);
		add_footer(&w);
	}
	if (!how->sparse && !how->no_end)
		for (unsigned i = 0; i < SECTOR; i++)
			str_addn(&w.out, "", 1);
	for (size_t i = 0; i < how->padding; i++)
		str_addn(&w.out, "", 1);
	add_header(&w, &header, front || how->tables == MKVMDK_BOTH ? ret->gd : UINT64_MAX);
	memcpy(w.out.s, header.s, SECTOR);
	str_clear(&header);
	free(rgt);
	ret->len = w.out.len;
	ret->bytes = (uint8_t *)str_steal(&w.out);
}

void mkvmdk_free(struct mkvmdk_file *f)
{
	free(f->bytes);
	free(f->gt);
	free(f->grain_at);
	*f = (struct mkvmdk_file){0};
}

bool mkvmdk_option(struct mkvmdk *how, const char *option)
{
	const struct {
		const char *name;
		bool *flag;
	} flags[] = {
		{"sparse", &how->sparse},
		{"redundant", &how->redundant},
		{"zero_grains", &how->zero_grains},
		{"keep_zeros", &how->keep_zeros},
		{"shuffle", &how->shuffle},
		{"stored", &how->stored},
		{"short_last", &how->short_last},
		{"no_markers", &how->no_markers},
		{"no_end", &how->no_end},
	};
	uint64_t v;

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (!strcmp(option, flags[i].name)) {
			*flags[i].flag = true;
			return true;
		}
	if (!strcmp(option, "front"))
		how->tables = MKVMDK_FRONT;
	else if (!strcmp(option, "both"))
		how->tables = MKVMDK_BOTH;
	else if (starts_with(option, "grain=") && !parse_u64(option + 6, 8192, &v))
		how->grain = v;
	else if (starts_with(option, "version=") && !parse_u64(option + 8, 100, &v))
		how->version = v;
	else if (starts_with(option, "padding=") && !parse_u64(option + 8, 64 * MiB, &v))
		how->padding = v;
	else
		return false;
	return true;
}
