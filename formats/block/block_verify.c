// SPDX-License-Identifier: LGPL-2.1-or-later
/* block_verify: every read compared with a reference. */
#include "formats/block/block_verify.h"

#include "formats/base/alloc.h"
#include "formats/block/block_filter.h"

#include <inttypes.h>

/* What is compared at a time. */
#define PIECE ((uint64_t)MiB)

struct verify {
	struct block_filter filter;
	struct block *reference;
};

static void verify_free(struct block *b)
{
	struct verify *v = b->self;

	block_free(v->reference);
	block_filter_free(b);
}

/* The first byte of [off, off + len) that differs is the error. `data` NULL = zeros. */
static int compare(
	struct block *b, const uint8_t *data, uint64_t len, uint64_t off, struct err *err)
{
	struct verify *v = b->self;
	_auto_(mem) uint8_t *ref = xaligned(4096, MIN(len, PIECE));

	while (len) {
		size_t n = MIN(len, PIECE);
		int r = block_pread(v->reference, ref, n, off, err);

		if (r < 0)
			return r;
		for (size_t i = 0; i < n; i++) {
			uint8_t is = data ? data[i] : 0;

			if (is != ref[i])
				return err_set(err, EIO,
					"%s: byte %" PRIu64 " is %02x, in %s it is %02x",
					b->label, off + i, is, v->reference->label, ref[i]);
		}
		data = data ? data + n : NULL;
		off += n;
		len -= n;
	}
	return 0;
}

static int verify_pread(struct block *b, void *buf, size_t len, uint64_t off, struct err *err)
{
	int r = block_filter_pread(b, buf, len, off, err);

	return r < 0 ? r : compare(b, buf, len, off, err);
}

static int verify_extent(struct block *b, uint64_t off, uint64_t max, uint64_t *len,
	unsigned *flags, struct err *err)
{
	struct verify *v = b->self;
	uint64_t end;
	struct extent e;
	int r = block_filter_extent(b, off, max, len, flags, err);

	if (r < 0 || !(*flags & BLOCK_ZERO))
		return r;
	/* Where the reference calls it zero as well, nothing needs to be read. */
	for (end = off + *len; off < end; off += e.len) {
		r = block_extent(v->reference, off, end - off, &e, err);
		if (r >= 0 && !(e.flags & BLOCK_ZERO))
			r = compare(b, NULL, e.len, off, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static const struct block_ops verify_ops = {
	.name = "verify",
	.free = verify_free,
	.pread = verify_pread,
	.extent = verify_extent,
};

int block_verify_new(struct block **ret, struct block *take_below, struct block *take_reference,
	struct err *err)
{
	struct verify *v;

	if (block_size(take_below) != block_size(take_reference))
		return err_set(err, EINVAL, "%s has %" PRIu64 " bytes, %s has %" PRIu64,
			take_below->label, block_size(take_below), take_reference->label,
			block_size(take_reference));
	v = xnew(struct verify);
	v->reference = take_reference;
	*ret = block_filter_new(&verify_ops, &v->filter, take_below);
	(*ret)->read_only = true;
	(*ret)->growable = false;
	return 0;
}
