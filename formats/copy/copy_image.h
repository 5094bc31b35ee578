/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * copy_image: a disk into a new image file that is there completely or not at all: it is written
 * as PATH.tmp-PID (PATH.tmp-PID-N where a killed process left the first), made stable, and
 * renamed last. On failure the temporary file is removed; a process that is killed leaves it
 * behind, but never something called PATH.
 */
#pragma once

#include "formats/copy/copy.h"
#include "formats/image.h"

struct copy_image {
	const char *path;
	const struct image_format *format;
	uint32_t cluster_size; /* 0 = the format's default */
	bool buffered;         /* through the page cache instead of O_DIRECT */
	bool replace;          /* an existing file at `path`, when all went well */
};

/*
 * Copies src. `opts` and `stats` as for copy_run(), opts->target_is_zero is set here. EEXIST when
 * `path` is there and not to be replaced, EINVAL when it is something else than a file.
 */
int copy_to_image(struct block *src, const struct copy_image *to, const struct copy_opts *opts,
	struct copy_stats *stats, struct err *err);
