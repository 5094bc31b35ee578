// SPDX-License-Identifier: LGPL-2.1-or-later
/* vhdx_bat: from the guest's offset to the file's; section 2.5. */
#include "formats/vhdx/vhdx.h"

#include "formats/base/alloc.h"
#include "formats/base/log.h"

#include <inttypes.h>

#define STATE    UINT64_C(7)
#define RESERVED UINT64_C(0xffff8)
#define PLACE    (~UINT64_C(0xfffff))

enum {
	NOT_PRESENT = 0,
	UNDEFINED = 1,
	ZERO = 2,
	UNMAPPED = 3,
	UNMAPPED_095 = 5, /* of version 0.95 of the format */
	FULLY_PRESENT = 6,
	PARTIALLY_PRESENT = 7,
};

uint64_t vhdx_bat_entries(const struct vhdx *v)
{
	uint64_t blocks = div_up(v->size, v->block);

	return blocks ? blocks + (blocks - 1) / v->ratio : 0;
}

/* Does a block at off lie on something else? Of the parts in order, the last that begins before
 * the block's end is the only one that can. */
static bool is_used(const struct vhdx *v, uint64_t off, uint64_t len)
{
	size_t low = 0, high = v->used_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (v->used[mid].off < off + len)
			low = mid + 1;
		else
			high = mid;
	}
	return low && v->used[low - 1].off + v->used[low - 1].len > off;
}

/* What is wrong with the block's entry; NULL = nothing. `len`: the disk's bytes in it. */
static const char *classify(
	const struct vhdx *v, uint64_t entry, uint64_t len, enum vhdx_kind *kind)
{
	uint64_t off = entry & PLACE;

	*kind = VHDX_HOLE;
	if (entry & RESERVED)
		return "reserved bits are set";
	switch (entry & STATE) {
	case NOT_PRESENT:
	case UNDEFINED:
	case UNMAPPED:
	case UNMAPPED_095:
		return NULL;
	case ZERO:
		*kind = VHDX_ZERO;
		return NULL;
	case FULLY_PRESENT:
		break;
	case PARTIALLY_PRESENT:
		return "partly present, in an image without a parent";
	default:
		return "a state that is not known";
	}
	*kind = VHDX_DATA;
	if (!range_ok(off, len, v->file->size))
		return "outside the file";
	if (is_used(v, off, v->block))
		return "within the header, the log or a region of the image";
	return NULL;
}

/* The page with BAT entry `index`. */
static int load_page(struct vhdx *v, uint64_t index, const uint8_t **ret, struct err *err)
{
	uint64_t page = index / VHDX_PAGE_ENTRIES, first = page * VHDX_PAGE_ENTRIES;
	struct vhdx_page *p = &v->pages[page % VHDX_PAGES];
	uint64_t count = MIN((uint64_t)VHDX_PAGE_ENTRIES, vhdx_bat_entries(v) - first);
	int r;

	if (!p->entries)
		p->entries = xmalloc((size_t)VHDX_PAGE_ENTRIES * 8);
	if (p->index != page) {
		p->index = UINT64_MAX;
		r = block_pread(v->file, p->entries, count * 8, v->bat.off + first * 8, err);
		if (r < 0)
			return err_prefix(err, "BAT entry %" PRIu64, index);
		p->index = page;
	}
	*ret = p->entries;
	return 0;
}

static int one_block(struct vhdx *v, uint64_t block, struct vhdx_run *ret, struct err *err)
{
	uint64_t index = block + block / v->ratio, entry;
	uint64_t off = block * v->block, len = MIN(v->block, v->size - off);
	const uint8_t *page;
	const char *why;
	int r = load_page(v, index, &page, err);

	if (r < 0)
		return r;
	entry = le64_load(page + index % VHDX_PAGE_ENTRIES * 8);
	*ret = (struct vhdx_run){.len = len, .host = entry & PLACE};
	why = classify(v, entry, len, &ret->kind);
	if (!why)
		return 0;
	if (!v->damaged_ok)
		return err_set(err, EINVAL,
			"%s: block %" PRIu64 " (guest bytes at %" PRIu64 "): BAT entry %" PRIu64
			", 0x%016" PRIx64 ": %s (the file has %" PRIu64 " bytes)",
			v->name, block, off, index, entry, why, v->file->size);
	log_debug("vhdx", "%s: block %" PRIu64 ": BAT entry %" PRIu64 ": %s: read as zeros",
		v->name, block, index, why);
	ret->kind = VHDX_LOST;
	return 0;
}

/* Does `next` go on where a run of so many bytes ends? */
static bool goes_on(const struct vhdx_run *run, const struct vhdx_run *next)
{
	return run->kind == next->kind &&
	       (run->kind != VHDX_DATA || run->host + run->len == next->host);
}

int vhdx_map(struct vhdx *v, uint64_t off, uint64_t max, struct vhdx_run *ret, struct err *err)
{
	uint64_t block = off / v->block, in = off % v->block;
	int r = one_block(v, block, ret, err);

	if (r < 0)
		return r;
	ret->len -= in;
	ret->host += in;
	/* At most a page of entries at a time, so that nobody waits long for the lock. */
	for (unsigned i = 0; i < VHDX_PAGE_ENTRIES && ret->len < max; i++) {
		struct vhdx_run next;

		block++;
		/* An error there is the next caller's. */
		if (block * v->block >= v->size || one_block(v, block, &next, NULL) < 0 ||
			!goes_on(ret, &next))
			break;
		ret->len += next.len;
	}
	ret->len = MIN(ret->len, max);
	return 0;
}
