// SPDX-License-Identifier: LGPL-2.1-or-later
/* concat: blocks one behind the other. */
#include "formats/ova/concat.h"

#include "formats/base/alloc.h"

struct concat {
	size_t n;
	struct part {
		struct block *b;
		uint64_t off; /* where it begins in the whole */
	} parts[];
};

static void concat_free(struct block *b)
{
	struct concat *c = b->self;

	for (size_t i = 0; i < c->n; i++)
		block_free(c->parts[i].b);
	free(c);
}

/* The part that holds the byte at `off`, which is inside. Empty parts hold none. */
static const struct part *part_at(const struct concat *c, uint64_t off)
{
	size_t lo = 0, hi = c->n;

	/* The last part that begins at or before off. */
	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;

		if (c->parts[mid].off <= off)
			lo = mid;
		else
			hi = mid;
	}
	return &c->parts[lo];
}

static int concat_pread(struct block *b, void *buf, size_t len, uint64_t off, struct err *err)
{
	uint8_t *out = buf;

	while (len) {
		const struct part *p = part_at(b->self, off);
		size_t n = MIN((uint64_t)len, p->off + p->b->size - off);
		int r = block_pread(p->b, out, n, off - p->off, err);

		if (r < 0)
			return r;
		out += n;
		off += n;
		len -= n;
	}
	return 0;
}

static int concat_extent(struct block *b, uint64_t off, uint64_t max, uint64_t *len,
	unsigned *flags, struct err *err)
{
	const struct part *p = part_at(b->self, off);
	struct extent e;
	int r = block_extent(p->b, off - p->off, max, &e, err);

	if (r < 0)
		return r;
	*len = e.len;
	*flags = e.flags;
	return 0;
}

static const struct block_ops concat_ops = {
	.name = "concat",
	.free = concat_free,
	.pread = concat_pread,
	.extent = concat_extent,
};

int concat_open(struct block **ret, struct block *const *take_parts, size_t n,
	const char *label, struct err *err)
{
	_auto_(mem) struct concat *c = xcalloc(1, sizeof(*c) + n * sizeof(c->parts[0]));
	uint64_t size = 0;

	c->n = n;
	for (size_t i = 0; i < n; i++) {
		c->parts[i] = (struct part){.b = take_parts[i], .off = size};
		if (__builtin_add_overflow(size, take_parts[i]->size, &size))
			return err_set(err, EINVAL, "%s: its parts are too large", label);
	}
	*ret = block_alloc(&concat_ops, STEAL(c), size, label);
	return 0;
}
