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

/* One loop for both directions: `in` is the reader's buffer, else `out` is the writer's. */
static int transfer(struct block *b, uint8_t *in, const uint8_t *out, uint64_t len,
	uint64_t off, struct err *err)
{
	uint64_t n, at;
	int r = 0;

	for (uint64_t done = 0; done < len && r >= 0; done += n) {
		struct block *part;

		n = len - done;
		part = find_part(b->self, off + done, &n, &at);
		r = in ? block_pread(part, in + done, n, at, err)
		       : block_pwrite(part, out + done, n, at, err);
	}
	return r;
}

static int concat_pread(struct block *b, void *buf, size_t len, uint64_t off, struct err *err)
{
	return transfer(b, buf, NULL, len, off, err);
}

static int concat_pwrite(
	struct block *b, const void *buf, size_t len, uint64_t off, struct err *err)
{
	return transfer(b, NULL, buf, len, off, err);
}

/* And one for what has no buffer. */
static int forget(
	struct block *b, uint64_t off, uint64_t len, bool zero, unsigned flags, struct err *err)
{
	uint64_t end = off + len, n, at;
	int r = 0;

	for (; off < end && r >= 0; off += n) {
		struct block *part;

		n = end - off;
		part = find_part(b->self, off, &n, &at);
		r = zero ? block_zero(part, at, n, flags, err)
			 : block_discard(part, at, n, err);
	}
	return r;
}

static int concat_zero(
	struct block *b, uint64_t off, uint64_t len, unsigned flags, struct err *err)
{
	return forget(b, off, len, true, flags, err);
}

static int concat_discard(struct block *b, uint64_t off, uint64_t len, struct err *err)
{
	return forget(b, off, len, false, 0, err);
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
	uint64_t at;
	struct block *part = find_part(b->self, off, &max, &at);

	return block_extent_below(part, at, max, len, flags, err);
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
