// SPDX-License-Identifier: LGPL-2.1-or-later
/* copy: one disk image into another. */
#include "cli/commands.h"

#include "formats/base/json.h"
#include "formats/base/str.h"
#include "formats/copy/copy_image.h"

#include <stdio.h>
#include <strings.h>
#include <sys/stat.h>

struct copy_cli {
	char *format, *output_format;
	uint64_t cluster_size, memory, bandwidth;
	unsigned threads;
	bool force, buffered;
};

#define FIELD(name) offsetof(struct copy_cli, name)

static const struct opt copy_cli_opts[] = {
	{"-f", "--format", OPT_STRING, FIELD(format), "FORMAT",
		"format of SOURCE (default: found out)"},
	{"-O", "--output-format", OPT_STRING, FIELD(output_format), "FORMAT",
		"format of DESTINATION (default: by its suffix)"},
	{NULL, "--cluster-size", OPT_SIZE, FIELD(cluster_size), "SIZE",
		"unit of allocation in DESTINATION, where the format has one"},
	{NULL, "--force", OPT_FLAG, FIELD(force), NULL, "replace DESTINATION if it exists"},
	{NULL, "--buffered", OPT_FLAG, FIELD(buffered), NULL,
		"write through the page cache instead of O_DIRECT"},
	{NULL, "--threads", OPT_UINT, FIELD(threads), "N",
		"threads that read and unpack (default: one per CPU)", NULL, 1, 16},
	{NULL, "--memory", OPT_SIZE, FIELD(memory), "SIZE",
		"memory for buffers (default: 64M)"},
	{NULL, "--bandwidth", OPT_SIZE, FIELD(bandwidth), "SIZE",
		"write at most this many bytes per second"},
	{0},
};

/* Is `suffix` one of the comma-separated list? */
static bool in_list(const char *list, const char *suffix)
{
	size_t len = strlen(suffix);

	for (const char *p = list; p && *p; p += strcspn(p, ","), p += *p == ',')
		if (strcspn(p, ",") == len && !strncasecmp(p, suffix, len))
			return true;
	return false;
}

static int choose_output(
	const char *path, const char *name, const struct image_format **ret, struct err *err)
{
	const char *base = strrchr(path, '/'), *dot = strrchr(base ? base : path, '.');

	*ret = name ? image_format_find(name) : NULL;
	if (name && !*ret)
		return err_set(err, EINVAL, "no image format is named \"%s\"", name);
	for (size_t i = 0; !*ret && dot && image_formats[i]; i++)
		if (in_list(image_formats[i]->suffixes, dot + 1))
			*ret = image_formats[i];
	if (!*ret)
		return err_set(err, EINVAL,
			"%s: its suffix says no format; say it with -O (qcow2, raw)", path);
	if (!((*ret)->can & IMAGE_CAN_CREATE))
		return err_set(err, ENOTSUP,
			"%s: images of format %s are not made (qcow2 and raw are)", path,
			(*ret)->name);
	return 0;
}

/* Replacing the source by its copy would lose the source. */
static int check_not_same(const char *a, const char *b, struct err *err)
{
	struct stat x, y;

	if (!stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino)
		return err_set(err, EINVAL, "%s and %s are the same file", a, b);
	return 0;
}

static void print_result(const struct cli_common *common, const char *format, const char *to,
	uint64_t size, const struct copy_stats *st)
{
	char disk[32], data[32], speed[32];

	if (common->json) {
		cli_print_json(json_pack("{s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:f}", "path",
			json_text(to), "format", format, "size", (json_int_t)size, "read",
			(json_int_t)st->read, "holes", (json_int_t)st->holes, "written",
			(json_int_t)st->written, "zeros", (json_int_t)st->zeros, "seconds",
			st->seconds));
		return;
	}
	if (common->quiet)
		return;
	format_size(disk, sizeof(disk), size);
	format_size(data, sizeof(data), st->written);
	format_size(speed, sizeof(speed),
		st->seconds > 0 ? (uint64_t)((double)st->written / st->seconds) : 0);
	printf("%s: %s with %s of data, copied in %.1f s (%s/s)\n", to, disk, data, st->seconds,
		speed);
}

static int copy(const struct cli_common *common, const struct copy_cli *o, const char *from,
	const char *to, struct err *err)
{
	_auto_(block) struct block *src = NULL;
	_auto_(show) struct show *show = show_new(common);
	struct copy_image image = {.path = to,
		.cluster_size = (uint32_t)o->cluster_size,
		.buffered = o->buffered,
		.replace = o->force};
	struct copy_opts opts = {.threads = o->threads,
		.memory = o->memory,
		.bandwidth = o->bandwidth,
		.progress = show_progress(show)};
	struct copy_stats stats;
	int r = choose_output(to, o->output_format, &image.format, err);

	if (r >= 0)
		r = check_not_same(from, to, err);
	if (r >= 0)
		r = image_open(&src, from, o->format, NULL, NULL, err);
	if (r < 0)
		return r;
	show_stage(show, "Copying");
	r = copy_to_image(src, &image, &opts, &stats, err);
	show_clear(show);
	if (r >= 0)
		print_result(common, image.format->name, to, block_size(src), &stats);
	return r;
}

static int copy_cli_run(const struct cli_common *common, void *opts, char **args)
{
	struct copy_cli *o = opts;
	struct err err = {0};

	if (o->cluster_size && (o->cluster_size < 512 || o->cluster_size > 2 * MiB ||
				       !is_power_of_2(o->cluster_size))) {
		err_set(&err, EINVAL, "--cluster-size: not a power of two from 512 to 2M");
		cli_error(&err);
		return EXIT_USAGE;
	}
	return copy(common, o, args[0], args[1], &err) < 0 ? cli_error(&err) : EXIT_DONE;
}

const struct command command_copy = {
	.name = "copy",
	.summary = "copy a disk image into another, of the same or another format",
	.args = "SOURCE DESTINATION",
	.min_args = 2,
	.max_args = 2,
	.opts = copy_cli_opts,
	.opts_size = sizeof(struct copy_cli),
	.run = copy_cli_run,
};
