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
	b->refs = 1;
	pthread_mutex_init(&b->unit_lock, NULL);
	return b;
}

struct block *block_ref(struct block *b)
{
	__atomic_add_fetch(&b->refs, 1, __ATOMIC_RELAXED);
	return b;
}

void block_free(struct block *b)
{
	if (!b || __atomic_sub_fetch(&b->refs, 1, __ATOMIC_ACQ_REL))
		return;
	if (b->ops->free)
		b->ops->free(b);
	pthread_mutex_destroy(&b->unit_lock);
	free(b->label);
	free(b);
}

uint64_t block_size(const struct block *b)
{
	return __atomic_load_n(&b->size, __ATOMIC_ACQUIRE);
}

void block_set_label(struct block *b, const char *label)
{
	free(b->label);
	b->label = xstrdup(label);
}

/* A write to [.., end) succeeded: the size is at least that. */
static void grow_to(struct block *b, uint64_t end)
{
	uint64_t size = block_size(b);

	while (size < end && !__atomic_compare_exchange_n(&b->size, &size, end, false,
				     __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		;
}

static int check_range(const struct block *b, const char *verb, uint64_t off, uint64_t len,
	uint64_t size, struct err *err)
{
	if (range_ok(off, len, size))
		return 0;
	return err_set(err, EINVAL,
		"%s: cannot %s %" PRIu64 " bytes at %" PRIu64 ": the disk has %" PRIu64
		" bytes",
		b->label, verb, len, off, block_size(b));
}

/* For writes of all kinds; those that may grow the block pass its `growable`. */
static int check_write(const struct block *b, const char *verb, uint64_t off, uint64_t len,
	bool growable, struct err *err)
{
	if (b->read_only)
		return err_set(err, EROFS, "%s: cannot %s: opened read-only", b->label, verb);
	return check_range(b, verb, off, len, growable ? BLOCK_MAX_SIZE : block_size(b), err);
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
	return b->align <= 1 ||
	       (is_aligned(off, b->align) &&
		       (is_aligned(len, b->align) || off + len == block_size(b)));
}

/*
 * Part of one aligned unit: read it whole, and for a write put it back whole. Two writers of
 * different parts would undo each other's work without the lock. A growing block gets a whole
 * unit at its end.
 */
static int bounce(
	struct block *b, void *in, const void *out, size_t len, uint64_t off, struct err *err)
{
	uint64_t unit = align_down(off, b->align), size = block_size(b);
	uint64_t there = unit < size ? MIN((uint64_t)b->align, size - unit) : 0;
	size_t unit_len = out && b->growable ? b->align : (size_t)there;
	_auto_(mem) uint8_t *buf = xaligned(4096, b->align);
	int r = 0;

	if (out)
		pthread_mutex_lock(&b->unit_lock);
	memset(buf + there, 0, b->align - there);
	if (there)
		r = b->ops->pread(b, buf, there, unit, err);
	if (r >= 0 && out) {
		memcpy(buf + (off - unit), out, len);
		r = b->ops->pwrite(b, buf, unit_len, unit, err);
		if (r >= 0)
			grow_to(b, unit + unit_len);
	}
	if (out)
		pthread_mutex_unlock(&b->unit_lock);
	else if (r >= 0)
		memcpy(in, buf + (off - unit), len);
	return r;
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
		if (r >= 0 && out)
			grow_to(b, off + n);
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
	int r = check_range(b, "read", off, len, block_size(b), err);

	return r < 0 ? r : transfer(b, buf, NULL, len, off, err);
}

int block_pwrite(struct block *b, const void *buf, size_t len, uint64_t off, struct err *err)
{
	int r = check_write(b, "write", off, len, b->growable, err);

	return r < 0 ? r : transfer(b, NULL, buf, len, off, err);
}

static int zero_by_writing(struct block *b, uint64_t off, uint64_t len, struct err *err)
{
	_auto_(mem) uint8_t *zeros = NULL;
	size_t chunk = MIN(len, (uint64_t)ZERO_CHUNK);

	if (!len)
		return 0;
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

/* What of [off, *end) is a multiple of the driver's alignment: *start to *end (may be empty). */
static void whole_units(const struct block *b, uint64_t off, uint64_t *start, uint64_t *end)
{
	*start = off;
	if (b->align <= 1)
		return;
	*start = align_up(off, b->align);
	if (*end != block_size(b))
		*end = align_down(*end, b->align);
	if (*start > *end)
		*start = *end = off;
}

/* The driver's own zero, or writing where it has none or declines the range. */
static int zero_units(
	struct block *b, uint64_t off, uint64_t len, unsigned flags, struct err *err)
{
	/* Only a real failure may be left in *err: -ENOTSUP is the driver's "you do it". */
	struct err inner = {0};
	int r = -ENOTSUP;

	if (!len)
		return 0;
	if (b->ops->zero)
		r = b->ops->zero(b, off, len, flags, &inner);
	if (r == -ENOTSUP)
		return zero_by_writing(b, off, len, err);
	if (r >= 0)
		grow_to(b, off + len);
	else
		err_pass(err, &inner);
	return r;
}

int block_zero(struct block *b, uint64_t off, uint64_t len, unsigned flags, struct err *err)
{
	uint64_t start, end = off + len;
	int r = check_write(b, "zero", off, len, b->growable, err);

	if (r < 0 || !len)
		return r;
	whole_units(b, off, &start, &end);
	if (start == end)
		return zero_by_writing(b, off, len, err);
	r = zero_by_writing(b, off, start - off, err);
	if (r >= 0)
		r = zero_units(b, start, end - start, flags, err);
	if (r >= 0)
		r = zero_by_writing(b, end, off + len - end, err);
	return r;
}

int block_discard(struct block *b, uint64_t off, uint64_t len, struct err *err)
{
	uint64_t start, end = off + len;
	struct err inner = {0};
	int r = check_write(b, "discard", off, len, false, err);

	if (r < 0 || !len || !b->ops->discard)
		return r;
	whole_units(b, off, &start, &end);
	if (start == end)
		return 0;
	r = b->ops->discard(b, start, end - start, &inner);
	if (r == -ENOTSUP)
		return 0;
	if (r < 0)
		err_pass(err, &inner);
	return r;
}

int block_flush(struct block *b, struct err *err)
{
	return b->ops->flush ? b->ops->flush(b, err) : 0;
}

int block_resize(struct block *b, uint64_t size, struct err *err)
{
	int r;

	if (b->read_only)
		return err_set(err, EROFS, "%s: cannot resize: opened read-only", b->label);
	if (size == b->size)
		return 0;
	if (!b->ops->resize || size > BLOCK_MAX_SIZE)
		return err_set(err, ENOTSUP,
			"%s: cannot change the size from %" PRIu64 " to %" PRIu64 " bytes",
			b->label, b->size, size);
	r = b->ops->resize(b, size, err);
	if (r >= 0)
		__atomic_store_n(&b->size, size, __ATOMIC_RELEASE);
	return r;
}

int block_extent(
	struct block *b, uint64_t off, uint64_t max, struct extent *ret, struct err *err)
{
	uint64_t end;
	int r;

	if (off >= block_size(b))
		return check_range(b, "map", off, 1, block_size(b), err);
	end = off + MIN(max ? max : 1, block_size(b) - off);
	*ret = (struct extent){.off = off};
	if (!b->ops->extent) {
		ret->len = end - off;
		return 0;
	}
	for (unsigned i = 0; i < MERGE_STEPS && off < end; i++) {
		uint64_t len = 0;
		unsigned flags = 0;

		r = b->ops->extent(b, off, end - off, &len, &flags, err);
		if (r < 0 && ret->len) {
			/* What is known so far is an answer; the rest fails when asked. */
			err_clear(err);
			return 0;
		}
		if (r < 0)
			return r;
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

int block_extent_below(struct block *below, uint64_t off, uint64_t max, uint64_t *len,
	unsigned *flags, struct err *err)
{
	struct extent e;
	int r = block_extent(below, off, max, &e, err);

	if (r < 0)
		return r;
	*len = e.len;
	*flags = e.flags;
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
