// SPDX-License-Identifier: LGPL-2.1-or-later
/* block_mem: bytes in memory as a block. */
#include "formats/block/block_mem.h"

#include "formats/base/alloc.h"

#include <assert.h>

static void mem_free(struct block *b)
{
	free(b->self);
}

static int mem_pread(struct block *b, void *buf, size_t len, uint64_t off, struct err *err)
{
	memcpy(buf, (uint8_t *)b->self + off, len);
	return 0;
}

static int mem_pwrite(
	struct block *b, const void *buf, size_t len, uint64_t off, struct err *err)
{
	memcpy((uint8_t *)b->self + off, buf, len);
	return 0;
}

static int mem_zero(
	struct block *b, uint64_t off, uint64_t len, unsigned flags, struct err *err)
{
	memset((uint8_t *)b->self + off, 0, len);
	return 0;
}

static const struct block_ops mem_ops = {
	.name = "mem",
	.free = mem_free,
	.pread = mem_pread,
	.pwrite = mem_pwrite,
	.zero = mem_zero,
};

struct block *block_mem_new(uint64_t size, const char *label)
{
	return block_alloc(&mem_ops, xcalloc(size, 1), size, label);
}

struct block *block_mem_from(const void *bytes, size_t len, const char *label)
{
	return block_alloc(&mem_ops, xmemdup(bytes, len), len, label);
}

uint8_t *block_mem_bytes(struct block *b)
{
	assert(b->ops == &mem_ops);
	return b->self;
}
