// SPDX-License-Identifier: LGPL-2.1-or-later
/* info: what an image file is, and where its data lies. */
#include "cli/commands.h"

#include "formats/base/json.h"
#include "formats/base/str.h"
#include "formats/image.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

struct info_cli {
	char *format;
	bool map;
};

static const struct opt info_cli_opts[] = {
	{"-f", "--format", OPT_STRING, offsetof(struct info_cli, format), "FORMAT",
		"format of IMAGE (default: found out)"},
	{NULL, "--map", OPT_FLAG, offsetof(struct info_cli, map), NULL,
		"list the extents: which ranges are data, zeros, holes"},
	{0},
};

/* A JSON map is built in memory. */
#define MAX_JSON_EXTENTS (1u << 20)

struct info {
	const char *path;
	const struct image_format *format;
	uint64_t size, file_size, file_used, data, zeros;
	uint32_t unit;
};

static const char *kind_name(unsigned flags)
{
	if (flags & BLOCK_HOLE)
		return "hole";
	return flags & BLOCK_ZERO ? "zero" : "data";
}

static int show_extent(const struct extent *e, bool print, json_t *list, struct err *err)
{
	if (print)
		printf("%16" PRIu64 " %16" PRIu64 "  %s\n", e->off, e->len,
			kind_name(e->flags));
	if (!list)
		return 0;
	if (json_array_size(list) == MAX_JSON_EXTENTS)
		return err_set(err, ENOTSUP, "more than %u extents: list them without --json",
			MAX_JSON_EXTENTS);
	json_array_append_new(
		list, json_pack("{s:I, s:I, s:s}", "offset", (json_int_t)e->off, "length",
			      (json_int_t)e->len, "kind", kind_name(e->flags)));
	return 0;
}

/* Adds up the extents, and shows each (with `print`) or appends it to `list` (may be NULL). */
static int walk(struct block *b, struct info *info, bool print, json_t *list, struct err *err)
{
	struct extent e, run = {0};
	int r = 0;

	for (uint64_t off = 0; off < info->size && r >= 0; off += e.len) {
		r = block_extent(b, off, UINT64_MAX, &e, err);
		if (r < 0)
			return r;
		*(e.flags & BLOCK_ZERO ? &info->zeros : &info->data) += e.len;
		if (run.len && run.flags == e.flags) {
			run.len += e.len;
			continue;
		}
		if (run.len)
			r = show_extent(&run, print, list, err);
		run = e;
	}
	return r >= 0 && run.len ? show_extent(&run, print, list, err) : r;
}

static void print_text(const struct info *i)
{
	const struct {
		const char *name;
		uint64_t bytes;
	} sizes[] = {{"disk", i->size}, {"data", i->data}, {"zeros", i->zeros},
		{"file", i->file_size}, {"on disk", i->file_used}, {"unit", i->unit}};
	char text[32];

	printf("%-9s%s\n%-9s%s (%s)\n", "image", i->path, "format", i->format->name,
		i->format->description);
	for (unsigned s = 0; s < ARRAY_SIZE(sizes); s++)
		if (sizes[s].bytes || !s)
			printf("%-9s%s (%" PRIu64 " bytes)\n", sizes[s].name,
				format_size(text, sizeof(text), sizes[s].bytes),
				sizes[s].bytes);
}

static json_t *to_json(const struct info *i)
{
	return json_pack("{s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "path", json_text(i->path),
		"format", i->format->name, "size", (json_int_t)i->size, "data",
		(json_int_t)i->data, "zeros", (json_int_t)i->zeros, "file-size",
		(json_int_t)i->file_size, "file-used", (json_int_t)i->file_used, "unit",
		(json_int_t)i->unit);
}

static int show_info(const struct cli_common *common, const struct info_cli *o,
	const char *path, struct err *err)
{
	_auto_(block) struct block *b = NULL;
	struct info info = {.path = path};
	bool print = o->map && !common->json;
	json_t *list = o->map && common->json ? json_array() : NULL, *all;
	struct stat st;
	int r = image_open(&b, path, o->format, NULL, &info.format, err);

	if (r >= 0) {
		info.size = block_size(b);
		info.unit = b->preferred;
		if (!stat(path, &st)) {
			info.file_size = (uint64_t)st.st_size;
			info.file_used = (uint64_t)st.st_blocks * 512;
		}
		r = walk(b, &info, print, list, err);
	}
	if (r < 0) {
		json_decref(list);
		return r;
	}
	if (common->json) {
		all = to_json(&info);
		if (list)
			json_object_set_new(all, "map", list);
		cli_print_json(all);
	} else if (!print) {
		print_text(&info);
	}
	return 0;
}

static int info_cli_run(const struct cli_common *common, void *opts, char **args)
{
	struct err err = {0};

	return show_info(common, opts, args[0], &err) < 0 ? cli_error(&err) : EXIT_DONE;
}

const struct command command_info = {
	.name = "info",
	.summary = "what a disk image is, how large, and where its data lies",
	.args = "IMAGE",
	.min_args = 1,
	.max_args = 1,
	.opts = info_cli_opts,
	.opts_size = sizeof(struct info_cli),
	.run = info_cli_run,
};
