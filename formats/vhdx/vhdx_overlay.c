// SPDX-License-Identifier: LGPL-2.1-or-later
/* vhdx_overlay: disjoint pieces in order, over a file. */
#include "formats/vhdx/vhdx_overlay.h"

#include "formats/base/alloc.h"

struct overlay {
	struct block *file;
	void *bytes;
	struct vhdx_write *pieces; /* sorted, disjoint */
	size_t count;
};

static void overlay_free(struct block *b)
{
	struct overlay *o = b->self;

	block_free(o->file);
	free(o->bytes);
	free(o->pieces);
	free(o);
}

/* The first piece that ends behind `off`, or the count. */
static size_t find_piece(const struct overlay *o, uint64_t off)
{
	size_t low = 0, high = o->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (o->pieces[mid].off + o->pieces[mid].len <= off)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* The piece that covers off, or NULL; *len (at most max) is cut to where that holds. */
static const struct vhdx_write *piece_at(
	const struct overlay *o, uint64_t off, uint64_t max, uint64_t *len)
{
	size_t i = find_piece(o, off);
	const struct vhdx_write *w = &o->pieces[i];

	*len = max;
	if (i == o->count)
		return NULL;
	if (w->off > off) {
		*len = MIN(max, w->off - off);
		return NULL;
	}
	*len = MIN(max, w->off + w->len - off);
	return w;
}

/* How much of [off, off + len) the file has. */
static uint64_t in_file(const struct overlay *o, uint64_t off, uint64_t len)
{
	return off < o->file->size ? MIN(len, o->file->size - off) : 0;
}

static int overlay_pread(struct block *b, void *buf, size_t len, uint64_t off, struct err *err)
{
	struct overlay *o = b->self;
	uint8_t *p = buf;

	while (len) {
		uint64_t n;
		const struct vhdx_write *w = piece_at(o, off, len, &n);

		if (w && w->bytes) {
			memcpy(p, w->bytes + (off - w->off), n);
		} else if (w) {
			memset(p, 0, n);
		} else {
			uint64_t there = in_file(o, off, n);
			int r = there ? block_pread(o->file, p, there, off, err) : 0;

			if (r < 0)
				return r;
			memset(p + there, 0, n - there);
		}
		p += n;
		off += n;
		len -= n;
	}
	return 0;
}

static int overlay_extent(struct block *b, uint64_t off, uint64_t max, uint64_t *len,
	unsigned *flags, struct err *err)
{
	struct overlay *o = b->self;
	const struct vhdx_write *w = piece_at(o, off, max, len);
	uint64_t there;

	if (w) {
		*flags = w->bytes ? 0 : BLOCK_ZERO;
		return 0;
	}
	there = in_file(o, off, *len);
	if (there)
		return block_extent_below(o->file, off, there, len, flags, err);
	*flags = BLOCK_ZERO | BLOCK_HOLE;
	return 0;
}

static const struct block_ops overlay_ops = {
	.name = "vhdx-log",
	.free = overlay_free,
	.pread = overlay_pread,
	.extent = overlay_extent,
};

static int compare_u64(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? -1 : x > y;
}

/* All places where a write begins or ends, sorted, each once. */
static uint64_t *all_edges(const struct vhdx_write *writes, size_t count, size_t *ret_count)
{
	uint64_t *edges = xcalloc(count * 2 + 1, sizeof(*edges));
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		edges[2 * i] = writes[i].off;
		edges[2 * i + 1] = writes[i].off + writes[i].len;
	}
	qsort(edges, count * 2, sizeof(*edges), compare_u64);
	for (size_t i = 0; i < count * 2; i++)
		if (!n || edges[n - 1] != edges[i])
			edges[n++] = edges[i];
	*ret_count = n;
	return edges;
}

static size_t edge_index(const uint64_t *edges, size_t count, uint64_t off)
{
	const uint64_t *e = bsearch(&off, edges, count, sizeof(*edges), compare_u64);

	return (size_t)(e - edges);
}

/* The first piece from i on that no write has yet: follows `next`, shortening the way for those
 * who come later, so that all walks together are about as long as the list. */
static size_t first_free(size_t *next, size_t i)
{
	while (next[i] != i) {
		next[i] = next[next[i]];
		i = next[i];
	}
	return i;
}

/* Piece i lies between edges i and i + 1. The last write gets its pieces first. */
static void cut(struct overlay *o, const struct vhdx_write *writes, size_t count)
{
	size_t n;
	_auto_(mem) uint64_t *edges = all_edges(writes, count, &n);
	_auto_(mem) size_t *next = xcalloc(n + 1, sizeof(*next));
	_auto_(mem) const struct vhdx_write **owner = xcalloc(n + 1, sizeof(*owner));

	for (size_t i = 0; i <= n; i++)
		next[i] = i;
	for (size_t w = count; w-- > 0;) {
		size_t i = first_free(next, edge_index(edges, n, writes[w].off));
		size_t end = edge_index(edges, n, writes[w].off + writes[w].len);

		for (; i < end; i = first_free(next, i)) {
			owner[i] = &writes[w];
			next[i] = i + 1;
		}
	}
	o->pieces = xcalloc(n + 1, sizeof(*o->pieces));
	for (size_t i = 0; i + 1 < n; i++) {
		const struct vhdx_write *w = owner[i];

		if (w)
			o->pieces[o->count++] = (struct vhdx_write){
				.off = edges[i],
				.len = edges[i + 1] - edges[i],
				.bytes = w->bytes ? w->bytes + (edges[i] - w->off) : NULL,
			};
	}
}

struct block *vhdx_overlay_new(struct block *take_file, uint64_t size,
	const struct vhdx_write *writes, size_t count, void *take_bytes)
{
	struct overlay *o = xnew(struct overlay);
	struct block *b;

	o->file = take_file;
	o->bytes = take_bytes;
	cut(o, writes, count);
	b = block_alloc(&overlay_ops, o, size, take_file->label);
	b->read_only = true;
	return b;
}
