// SPDX-License-Identifier: LGPL-2.1-or-later
/* raw: the file's bytes are the disk's bytes, so the block of the file is the image. */
#include "formats/image.h"

static int raw_open(struct block **ret, struct block *take_file, const struct image_open *how,
	struct err *err)
{
	take_file->growable = false; /* the guest's disk has the size it has */
	*ret = take_file;
	return 0;
}

static int raw_create(struct block **ret, struct block *take_file,
	const struct image_create *how, struct err *err)
{
	int r = block_resize(take_file, how->size, err);

	/* Without BLOCK_MAY_UNMAP zeros take up their space. */
	if (r == 0 && how->preallocate && how->size)
		r = block_zero(take_file, 0, how->size, 0, err);
	if (r < 0)
		return r;
	take_file->growable = false;
	*ret = take_file;
	return 0;
}

const struct image_format image_raw = {
	.name = "raw",
	.description = "the disk's bytes as they are",
	.can = IMAGE_CAN_READ | IMAGE_CAN_WRITE | IMAGE_CAN_CREATE,
	.suffixes = "raw,img",
	.open = raw_open,
	.create = raw_create,
};
