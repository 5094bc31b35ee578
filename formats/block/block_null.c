// SPDX-License-Identifier: LGPL-2.1-or-later
/* block_null: nothing, as a block. */
#include "formats/block/block_null.h"

#include <string.h>

static int null_pread(struct block *b, void *buf, size_t len, uint64_t off, struct err *err)
{
	memset(buf, 0, len);
	return 0;
}

static int null_pwrite(
	struct block *b, const void *buf, size_t len, uint64_t off, struct err *err)
{
	return 0;
}

static int null_zero(
	struct block *b, uint64_t off, uint64_t len, unsigned flags, struct err *err)
{
	return 0;
}

static int null_extent(struct block *b, uint64_t off, uint64_t max, uint64_t *len,
	unsigned *flags, struct err *err)
{
	*len = max;
	*flags = BLOCK_ZERO | BLOCK_HOLE;
	return 0;
}

static const struct block_ops null_ops = {
	.name = "null",
	.pread = null_pread,
	.pwrite = null_pwrite,
	.zero = null_zero,
	.extent = null_extent,
};

struct block *block_null_new(uint64_t size, const char *label)
{
	return block_alloc(&null_ops, NULL, size, label);
}
