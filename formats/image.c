// SPDX-License-Identifier: LGPL-2.1-or-later
/* image: the table of formats, and finding the right row. */
#include "formats/image.h"

#include <string.h>

extern const struct image_format image_raw;

const struct image_format *const image_formats[] = {
	&image_raw,
	NULL,
};

const struct image_format *image_format_find(const char *name)
{
	for (size_t i = 0; image_formats[i]; i++)
		if (!strcmp(image_formats[i]->name, name))
			return image_formats[i];
	return NULL;
}

int image_probe(struct block *file, const struct image_format **ret, struct err *err)
{
	uint8_t head[IMAGE_PROBE_LEN];
	size_t len = MIN((uint64_t)sizeof(head), file->size);
	const struct image_format *best = &image_raw;
	int best_score = 0;
	int r = block_pread(file, head, len, 0, err);

	if (r < 0)
		return r;
	for (size_t i = 0; image_formats[i]; i++) {
		const struct image_format *f = image_formats[i];
		int score = f->probe ? f->probe(head, len, file->size) : 0;

		if (score > best_score) {
			best = f;
			best_score = score;
		}
	}
	*ret = best;
	return 0;
}
