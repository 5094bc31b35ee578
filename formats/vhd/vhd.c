// SPDX-License-Identifier: LGPL-2.1-or-later
/* vhd: from a file to the block of the disk in it. */
#include "formats/vhd/vhd.h"

#include "formats/base/log.h"
#include "formats/block/block_window.h"
#include "formats/vhd/vhd_dynamic.h"
#include "formats/vhd/vhd_header.h"

#include <inttypes.h>

/* One of the two places where a footer may be. */
struct found {
	struct vhd_footer f;
	size_t len; /* of the footer at the end: 512, or 511; 0 = there is none */
	int r;      /* of its parsing; -ENODATA = none */
	struct err why;
};

static int vhd_probe(const uint8_t *head, size_t len, uint64_t size)
{
	return vhd_footer_is(head, len) ? 100 : 0;
}

/* The footer in the last `len` bytes of something, in 512 bytes; false if there is none. */
static bool tail_footer(
	const uint8_t *tail, size_t len, uint8_t raw[VHD_FOOTER_LEN], size_t *ret_len)
{
	for (size_t n = VHD_FOOTER_LEN; n >= VHD_OLD_FOOTER_LEN; n--)
		if (len >= n && vhd_footer_is(tail + len - n, n)) {
			memset(raw, 0, VHD_FOOTER_LEN);
			memcpy(raw, tail + len - n, n);
			*ret_len = n;
			return true;
		}
	return false;
}

/*
 * A fixed disk begins with the guest's bytes, so only its end tells. A guest can write such an end
 * to a raw disk: therefore it must be right in all respects, and then at worst that guest's disk is
 * shown shorter or as other bytes of its own. A dynamic disk whose first sector is lost is found
 * here too.
 */
static int vhd_probe_end(const uint8_t *tail, size_t len, uint64_t size)
{
	uint8_t raw[VHD_FOOTER_LEN];
	struct vhd_footer f;
	size_t n;

	if (!tail_footer(tail, len, raw, &n) || vhd_footer_parse(&f, raw, NULL) < 0)
		return 0;
	if (f.type == VHD_FIXED)
		return f.size <= size - n ? 80 : 0;
	return range_ok(f.header_at, VHD_HEADER_LEN, size - n) ? 80 : 0;
}

static int find_end(struct found *ret, struct block *file, struct err *err)
{
	uint8_t tail[VHD_FOOTER_LEN] = {0}, raw[VHD_FOOTER_LEN];
	size_t len = MIN((uint64_t)sizeof(tail), file->size);
	int r = block_pread(file, tail, len, file->size - len, err);

	*ret = (struct found){.r = -ENODATA};
	if (r < 0)
		return r;
	if (tail_footer(tail, len, raw, &ret->len))
		ret->r = vhd_footer_parse(&ret->f, raw, &ret->why);
	else
		err_set(&ret->why, ENODATA, "there is none");
	return 0;
}

static int find_copy(struct found *ret, struct block *file, struct err *err)
{
	uint8_t raw[VHD_FOOTER_LEN] = {0};
	size_t len = MIN((uint64_t)sizeof(raw), file->size);
	int r = block_pread(file, raw, len, 0, err);

	*ret = (struct found){.r = -ENODATA};
	if (r < 0)
		return r;
	if (vhd_footer_is(raw, len))
		ret->r = vhd_footer_parse(&ret->f, raw, &ret->why);
	else
		err_set(&ret->why, ENODATA, "there is none");
	/* A fixed disk has no copy: this is what the guest has in its first sector. */
	if (!ret->r && ret->f.type == VHD_FIXED)
		ret->r = err_set(&ret->why, ENODATA, "a fixed disk's");
	return 0;
}

static bool agree(const struct vhd_footer *a, const struct vhd_footer *b)
{
	return a->type == b->type && a->size == b->size && a->header_at == b->header_at;
}

/* Neither is right. With damaged_ok one whose only fault is its checksum will do. */
static int take_damaged(struct vhd_footer *ret, const struct found *end,
	const struct found *copy, bool damaged_ok, struct err *err)
{
	const struct found *use = end->r == -EBADMSG ? end : copy;

	if (damaged_ok && use->r == -EBADMSG) {
		*ret = use->f;
		return 0;
	}
	use = end->r == -ENODATA && copy->r != -ENODATA ? copy : end;
	return err_set(err, use->r == -ENODATA ? EINVAL : -use->r,
		"no whole footer: at the end: %s; at offset 0: %s", end->why.text,
		copy->why.text);
}

/* Which footer counts. The one at the end does, unless it is damaged. */
static int choose(struct vhd_footer *ret, const struct found *end, const struct found *copy,
	const char *label, bool damaged_ok, struct err *err)
{
	if (end->r < 0 && copy->r < 0)
		return take_damaged(ret, end, copy, damaged_ok, err);
	if (end->r < 0) {
		log_debug("vhd",
			"%s: its footer at the end is damaged (%s): the copy at offset 0 is used",
			label, end->why.text);
		*ret = copy->f;
		return 0;
	}
	*ret = end->f;
	if (end->f.type == VHD_FIXED)
		return 0;
	if (copy->r < 0) {
		log_debug("vhd", "%s: the copy of its footer at offset 0 is damaged (%s)",
			label, copy->why.text);
		return 0;
	}
	if (agree(&end->f, &copy->f) || damaged_ok)
		return 0;
	return err_set(err, EINVAL,
		"its footer says type %" PRIu32 ", %" PRIu64 " bytes, header at offset %" PRIu64
		"; the copy at offset 0 says type %" PRIu32 ", %" PRIu64
		" bytes, header at offset %" PRIu64,
		end->f.type, end->f.size, end->f.header_at, copy->f.type, copy->f.size,
		copy->f.header_at);
}

static int read_header(struct vhd_header *ret, struct block *file, const struct vhd_footer *f,
	uint64_t data_end, bool damaged_ok, struct err *err)
{
	uint8_t raw[VHD_HEADER_LEN];
	int r;

	if (f->header_at < VHD_FOOTER_LEN || !range_ok(f->header_at, VHD_HEADER_LEN, data_end))
		return err_set(err, EINVAL,
			"dynamic header at offset %" PRIu64
			": not within offsets %u to %" PRIu64 " of the file",
			f->header_at, VHD_FOOTER_LEN, data_end);
	r = block_pread(file, raw, sizeof(raw), f->header_at, err);
	if (r < 0)
		return err_prefix(err, "dynamic header");
	r = vhd_header_parse(ret, raw, err);
	if (r == -EBADMSG && damaged_ok)
		r = 0;
	if (r < 0)
		return err_prefix(err, "dynamic header at offset %" PRIu64, f->header_at);
	return 0;
}

static int open_fixed(struct block **ret, struct block *file, const struct vhd_footer *f,
	uint64_t data_end, struct err *err)
{
	if (f->size > data_end)
		return err_set(err, EINVAL,
			"a fixed disk of %" PRIu64
			" bytes, of which the file has only %" PRIu64,
			f->size, data_end);
	return block_window_open(ret, file, 0, f->size, err);
}

static int open_sparse(struct block **ret, struct block *file, const struct vhd_footer *f,
	uint64_t data_end, bool damaged_ok, struct err *err)
{
	struct vhd_header h;
	int r = read_header(&h, file, f, data_end, damaged_ok, err);

	if (r < 0)
		return r;
	if (f->type == VHD_DIFFERENCING)
		return err_set(err, ENOTSUP,
			"a differencing disk (a snapshot): its parent%s%.200s holds the rest; "
			"merge or coalesce the snapshots first, or export the machine",
			*h.parent ? " " : "", h.parent);
	return vhd_dynamic_new(ret, file, f, &h, data_end, damaged_ok, err);
}

static int open_any(
	struct block **ret, struct block *file, const struct image_open *how, struct err *err)
{
	struct found end, copy;
	struct vhd_footer f;
	uint64_t data_end;
	int r = find_end(&end, file, err);

	if (r == 0)
		r = find_copy(&copy, file, err);
	if (r == 0)
		r = choose(&f, &end, &copy, file->label, how->damaged_ok, err);
	if (r < 0)
		return r;
	data_end = file->size - end.len;
	log_debug("vhd", "%s: type %" PRIu32 " by \"%s\", %" PRIu64 " bytes%s", file->label,
		f.type, f.creator, f.size,
		f.saved_state ? ", of a machine in saved state" : "");
	if (f.type == VHD_FIXED)
		return open_fixed(ret, file, &f, data_end, err);
	if (f.type == VHD_DYNAMIC || f.type == VHD_DIFFERENCING)
		return open_sparse(ret, file, &f, data_end, how->damaged_ok, err);
	return err_set(err, ENOTSUP,
		"disk type %" PRIu32 " (2, fixed, and 3, dynamic, are read)", f.type);
}

static int vhd_open(struct block **ret, struct block *take_file, const struct image_open *how,
	struct err *err)
{
	static const struct image_open plain = {0};
	struct err why = {0};
	int r;

	if (how && how->write)
		return err_set(err, ENOTSUP, "%s: VHDs are only read", take_file->label);
	r = open_any(ret, take_file, how ? how : &plain, &why);
	if (r < 0)
		err_set(err, -r, "%s: %s", take_file->label, why.text);
	return r;
}

uint64_t vhd_lost_blocks(const struct block *b)
{
	return vhd_dynamic_lost(b);
}

const struct image_format image_vhd = {
	.name = "vpc",
	.description = "Microsoft VHD: fixed, dynamic",
	.can = IMAGE_CAN_READ,
	.suffixes = "vhd,vpc",
	.probe = vhd_probe,
	.probe_end = vhd_probe_end,
	.open = vhd_open,
};
