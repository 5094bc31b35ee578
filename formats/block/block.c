// SPDX-License-Identifier: LGPL-2.1-or-later
/* block: the chokepoint. Every request to every driver passes here. */
#include "formats/block/block.h"

#include "formats/base/alloc.h"

#include <inttypes.h>

/* How many answers of a driver block_extent() merges before it returns what it has. */
#define MERGE_STEPS 4096

/* Zeros written at a time where a driver cannot zero by itself. */
#define ZERO_CHUNK ((size_t)MiB)

struct block *block_alloc(
	const struct block_ops *ops, void *self, uint64_t size, const char *label)
{
	struct block *b = xnew(struct block);

	b->ops = ops;
	b->self = self;
	b->size = size;
	b->read_only = !ops->pwrite;
	b->label = xstrdup(label);
	return b;
}

void block_free(struct block *b)
{
	if (!b)
		return;
	if (b->ops->free)
		b->ops->free(b);
	free(b->label);
	free(b);
}

static int check_range(
	const struct block *b, const char *verb, uint64_t off, uint64_t len, struct err *err)
{
	if (range_ok(off, len, b->size))
		return 0;
	return err_set(err, EINVAL,
		"%s: cannot %s %" PRIu64 " bytes at %" PRIu64 ": the disk has %" PRIu64
		" bytes",
		b->label, verb, len, off, b->size);
}

static int check_write(
	const struct block *b, const char *verb, uint64_t off, uint64_t len, struct err *err)
{
	int r = check_range(b, verb, off, len, err);

	if (r < 0)
		return r;
	if (b->read_only)
		return err_set(err, EROFS, "%s: cannot %s: opened read-only", b->label, verb);
	return 0;
}

static size_t max_request(const struct block *b)
{
	size_t max = b->max_request ? b->max_request : BLOCK_MAX_REQUEST;

	return b->align > 1 ? align_down(max, b->align) : max;
}

/* Is [off, off + len) as the driver wants it? The tail of a block whose size is no multiple of
 * the alignment counts as aligned. */
static bool fits(const struct block *b, uint64_t off, uint64_t len)
{
	return b->align <= 1 || (is_aligned(off, b->align) &&
					(is_aligned(len, b->align) || off + len == b->size));
}

/* Part of one aligned unit: read it whole, and for a write put it back whole. */
static int bounce(
	struct block *b, void *in, const void *out, size_t len, uint64_t off, struct err *err)
{
	uint64_t unit = align_down(off, b->align);
	size_t unit_len = MIN((uint64_t)b->align, b->size - unit);
	_auto_(mem) uint8_t *buf = xaligned(4096, unit_len);
	int r = b->ops->pread(b, buf, unit_len, unit, err);

	if (r < 0)
		return r;
	if (in) {
		memcpy(in, buf + (off - unit), len);
		return 0;
	}
	memcpy(buf + (off - unit), out, len);
	return b->ops->pwrite(b, buf, unit_len, unit, err);
}

/* One loop for both directions: `in` is the reader's buffer, else `out` is the writer's. */
static int transfer(struct block *b, uint8_t *in, const uint8_t *out, size_t len, uint64_t off,
	struct err *err)
{
	while (len) {
		size_t n = MIN(len, max_request(b));
		int r;

		if (!fits(b, off, n)) {
			uint64_t head = off & (b->align - 1);

			if (head || n < b->align) {
				n = MIN(n, b->align - head);
				r = bounce(b, in, out, n, off, err);
				goto next;
			}
			n = align_down(n, b->align);
		}
		r = in ? b->ops->pread(b, in, n, off, err)
		       : b->ops->pwrite(b, out, n, off, err);
	next:
		if (r < 0)
			return r;
		if (in)
			in += n;
		else
			out += n;
		off += n;
		len -= n;
	}
	return 0;
}

int block_pread(struct block *b, void *buf, size_t len, uint64_t off, struct err *err)
{
	int r = check_range(b, "read", off, len, err);

	return r < 0 ? r : transfer(b, buf, NULL, len, off, err);
}

int block_pwrite(struct block *b, const void *buf, size_t len, uint64_t off, struct err *err)
{
	int r = check_write(b, "write", off, len, err);

	return r < 0 ? r : transfer(b, NULL, buf, len, off, err);
}

static int zero_by_writing(struct block *b, uint64_t off, uint64_t len, struct err *err)
{
	_auto_(mem) uint8_t *zeros = NULL;
	size_t chunk = MIN(len, (uint64_t)ZERO_CHUNK);

	zeros = xaligned(4096, chunk);
	memset(zeros, 0, chunk);
	while (len) {
		size_t n = MIN(len, (uint64_t)chunk);
		int r = transfer(b, NULL, zeros, n, off, err);

		if (r < 0)
			return r;
		off += n;
		len -= n;
	}
	return 0;
}

int block_zero(struct block *b, uint64_t off, uint64_t len, unsigned flags, struct err *err)
{
	int r = check_write(b, "zero", off, len, err);

	if (r < 0 || !len)
		return r;
	if (b->ops->zero) {
		/* Only a real failure may be left in *err: -ENOTSUP is the driver's "you do
		 * it". */
		struct err inner = {0};

		r = b->ops->zero(b, off, len, flags, &inner);
		if (r != -ENOTSUP) {
			if (r < 0 && err)
				*err = inner;
			return r;
		}
	}
	return zero_by_writing(b, off, len, err);
}

int block_discard(struct block *b, uint64_t off, uint64_t len, struct err *err)
{
	struct err inner = {0};
	int r = check_write(b, "discard", off, len, err);

	if (r < 0 || !len || !b->ops->discard)
		return r;
	r = b->ops->discard(b, off, len, &inner);
	if (r == -ENOTSUP)
		return 0;
	if (r < 0 && err)
		*err = inner;
	return r;
}

int block_flush(struct block *b, struct err *err)
{
	return b->ops->flush ? b->ops->flush(b, err) : 0;
}

int block_extent(
	struct block *b, uint64_t off, uint64_t max, struct extent *ret, struct err *err)
{
	uint64_t end;
	int r;

	if (off >= b->size)
		return check_range(b, "map", off, 1, err);
	end = off + MIN(max ? max : 1, b->size - off);
	*ret = (struct extent){.off = off};
	if (!b->ops->extent) {
		ret->len = end - off;
		return 0;
	}
	for (unsigned i = 0; i < MERGE_STEPS && off < end; i++) {
		uint64_t len = 0;
		unsigned flags = 0;

		r = b->ops->extent(b, off, end - off, &len, &flags, err);
		if (r < 0)
			return ret->len ? 0 : r; /* what is known so far; the rest fails when
						    asked */
		if (!len || len > end - off)
			return err_set(err, EIO,
				"%s: driver %s answered a map of %" PRIu64
				" bytes for %" PRIu64,
				b->label, b->ops->name, len, end - off);
		if (ret->len && flags != ret->flags)
			break;
		ret->flags = flags;
		ret->len += len;
		off += len;
	}
	return 0;
}

bool bytes_are_zero(const void *p, size_t len)
{
	const uint8_t *b = p;

	/* The first 16 bytes are zero, and all others equal the ones 16 before them: memcmp
	 * runs at memory speed and stops at the first difference. */
	for (size_t i = 0; i < MIN(len, (size_t)16); i++)
		if (b[i])
			return false;
	return len <= 16 || !memcmp(b, b + 16, len - 16);
}
