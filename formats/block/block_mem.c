// SPDX-License-Identifier: LGPL-2.1-or-later
/* block_mem: bytes in memory as a block. */
#include "formats/block/block_mem.h"

#include "formats/base/alloc.h"

#include <assert.h>
#include <inttypes.h>

struct mem {
	uint8_t *bytes;
	uint64_t limit; /* bytes there is room for */
};

static void mem_free(struct block *b)
{
	struct mem *m = b->self;

	free(m->bytes);
	free(m);
}

static int mem_pread(struct block *b, void *buf, size_t len, uint64_t off, struct err *err)
{
	struct mem *m = b->self;

	memcpy(buf, m->bytes + off, len);
	return 0;
}

/* A growable block reaches its limit as a file reaches the end of the disk. */
static int check_room(struct block *b, uint64_t off, uint64_t len, struct err *err)
{
	struct mem *m = b->self;

	if (range_ok(off, len, m->limit))
		return 0;
	return err_set_errno(err, ENOSPC,
		"%s: cannot write %" PRIu64 " bytes at %" PRIu64 ": the limit is %" PRIu64,
		b->label, len, off, m->limit);
}

static int mem_pwrite(
	struct block *b, const void *buf, size_t len, uint64_t off, struct err *err)
{
	struct mem *m = b->self;
	int r = check_room(b, off, len, err);

	if (r >= 0)
		memcpy(m->bytes + off, buf, len);
	return r;
}

static int mem_zero(
	struct block *b, uint64_t off, uint64_t len, unsigned flags, struct err *err)
{
	struct mem *m = b->self;
	int r = check_room(b, off, len, err);

	if (r >= 0)
		memset(m->bytes + off, 0, len);
	return r;
}

static int mem_resize(struct block *b, uint64_t size, struct err *err)
{
	struct mem *m = b->self;
	int r = check_room(b, 0, size, err);

	/* What is cut off must not come back when the block grows again. */
	if (r >= 0 && size < b->size)
		memset(m->bytes + size, 0, b->size - size);
	return r;
}

static const struct block_ops mem_ops = {
	.name = "mem",
	.free = mem_free,
	.pread = mem_pread,
	.pwrite = mem_pwrite,
	.zero = mem_zero,
	.resize = mem_resize,
};

static struct block *mem_new(void *bytes, uint64_t size, uint64_t limit, const char *label)
{
	struct mem *m = xnew(struct mem);

	m->bytes = bytes;
	m->limit = limit;
	return block_alloc(&mem_ops, m, size, label);
}

struct block *block_mem_new(uint64_t size, const char *label)
{
	return mem_new(xcalloc(size, 1), size, size, label);
}

struct block *block_mem_new_growable(uint64_t limit, const char *label)
{
	struct block *b = mem_new(xcalloc(limit, 1), 0, limit, label);

	b->growable = true;
	return b;
}

struct block *block_mem_from(const void *bytes, size_t len, const char *label)
{
	return mem_new(xmemdup(bytes, len), len, len, label);
}

uint8_t *block_mem_bytes(struct block *b)
{
	struct mem *m = b->self;

	assert(b->ops == &mem_ops);
	return m->bytes;
}
