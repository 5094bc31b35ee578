// SPDX-License-Identifier: LGPL-2.1-or-later
/* raw: the file's bytes are the disk's bytes, so the block of the file is the image. */
#include "formats/image.h"

static int raw_open(struct block **ret, struct block *take_file, const struct image_open *how,
	struct err *err)
{
	*ret = take_file;
	return 0;
}

const struct image_format image_raw = {
	.name = "raw",
	.description = "the disk's bytes as they are",
	.can = IMAGE_CAN_READ | IMAGE_CAN_WRITE,
	.suffixes = "raw,img",
	.open = raw_open,
};
