// SPDX-License-Identifier: LGPL-2.1-or-later
/* block_concat: parts one after the other. */
#include "formats/block/block_concat.h"

#include "formats/base/alloc.h"

struct concat {
	struct block **parts;
	uint64_t *starts; /* of each part, and the end of the last: count + 1 */
	size_t count;
};

static void concat_free(struct block *b)
{
	struct concat *c = b->self;

	for (size_t i = 0; i < c->count; i++)
		block_free(c->parts[i]);
	free(c->parts);
	free(c->starts);
	free(c);
}

/* The part in which `off` lies; sets *at to the offset in it and cuts *len at its end. */
static struct block *find_part(struct concat *c, uint64_t off, uint64_t *len, uint64_t *at)
{
	size_t low = 0, high = c->count;

	/* starts[low] <= off < starts[high]; empty parts are never the answer. */
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (c->starts[middle] <= off)
			low = middle;
		else
			high = middle;
	}
	*at = off - c->starts[low];
	*len = MIN(*len, c->starts[low + 1] - off);
	return c->parts[low];
}

static int concat_pread(struct block *b, void *buf, size_t len, uint64_t off, struct err *err)
{
	for (uint8_t *p = buf; len;) {
		uint64_t n = len, at;
		struct block *part = find_part(b->self, off, &n, &at);
		int r = block_pread(part, p, n, at, err);

		if (r < 0)
			return r;
		p += n;
		off += n;
		len -= n;
	}
	return 0;
}

static int concat_pwrite(
	struct block *b, const void *buf, size_t len, uint64_t off, struct err *err)
{
	for (const uint8_t *p = buf; len;) {
		uint64_t n = len, at;
		struct block *part = find_part(b->self, off, &n, &at);
		int r = block_pwrite(part, p, n, at, err);

		if (r < 0)
			return r;
		p += n;
		off += n;
		len -= n;
	}
	return 0;
}

static int concat_zero(
	struct block *b, uint64_t off, uint64_t len, unsigned flags, struct err *err)
{
	for (uint64_t n, at; len; off += n, len -= n) {
		struct block *part;
		int r;

		n = len;
		part = find_part(b->self, off, &n, &at);
		r = block_zero(part, at, n, flags, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int concat_discard(struct block *b, uint64_t off, uint64_t len, struct err *err)
{
	for (uint64_t n, at; len; off += n, len -= n) {
		struct block *part;
		int r;

		n = len;
		part = find_part(b->self, off, &n, &at);
		r = block_discard(part, at, n, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int concat_flush(struct block *b, struct err *err)
{
	struct concat *c = b->self;
	int r = 0;

	for (size_t i = 0; i < c->count && r >= 0; i++)
		r = block_flush(c->parts[i], err);
	return r;
}

static int concat_extent(struct block *b, uint64_t off, uint64_t max, uint64_t *len,
	unsigned *flags, struct err *err)
{
	struct extent e;
	struct block *part;
	uint64_t at;
	int r;

	part = find_part(b->self, off, &max, &at);
	r = block_extent(part, at, max, &e, err);
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
	.pwrite = concat_pwrite,
	.zero = concat_zero,
	.discard = concat_discard,
	.flush = concat_flush,
	.extent = concat_extent,
};

int block_concat_new(struct block **ret, struct block **take_parts, size_t count,
	const char *label, struct err *err)
{
	_auto_(mem) uint64_t *starts = NULL;
	bool read_only = false;
	struct concat *c;

	if (!count || count > BLOCK_CONCAT_MAX_PARTS)
		return err_set(err, EINVAL, "%s: %zu parts cannot be one disk", label, count);
	starts = xcalloc(count + 1, sizeof(*starts));
	for (size_t i = 0; i < count; i++) {
		uint64_t size = block_size(take_parts[i]);

		if (size > BLOCK_MAX_SIZE - starts[i])
			return err_set(
				err, EINVAL, "%s: part %zu makes the disk too long", label, i);
		starts[i + 1] = starts[i] + size;
		read_only |= take_parts[i]->read_only;
	}
	c = xnew(struct concat);
	c->parts = xmemdup(take_parts, count * sizeof(*take_parts));
	c->count = count;
	c->starts = STEAL(starts);
	*ret = block_alloc(&concat_ops, c, c->starts[count], label);
	(*ret)->read_only = read_only;
	return 0;
}
