// SPDX-License-Identifier: LGPL-2.1-or-later
/* vhdx: the format's row in the table of images; opening and reading. */
#include "formats/vhdx/vhdx.h"

#include "formats/base/alloc.h"
#include "formats/base/log.h"

#include <inttypes.h>

static int vhdx_probe(const uint8_t *head, size_t len, uint64_t size)
{
	return len >= 8 && !memcmp(head, "vhdxfile", 8) ? 100 : 0;
}

static void vhdx_free(struct vhdx *v)
{
	if (!v)
		return;
	for (unsigned i = 0; i < VHDX_PAGES; i++)
		free(v->pages[i].entries);
	free(v->used);
	block_free(v->file);
	pthread_mutex_destroy(&v->lock);
	free(v);
}
DEFINE_AUTO(vhdx)

static void free_block(struct block *b)
{
	struct vhdx *v = b->self;

	if (v->lost)
		log_debug("vhdx",
			"%s: %" PRIu64 " bytes were read as zeros because they are lost",
			v->name, v->lost);
	vhdx_free(v);
}

static int map_locked(
	struct vhdx *v, uint64_t off, uint64_t max, struct vhdx_run *run, struct err *err)
{
	int r;

	pthread_mutex_lock(&v->lock);
	r = vhdx_map(v, off, max, run, err);
	pthread_mutex_unlock(&v->lock);
	return r;
}

static int vhdx_pread(struct block *b, void *buf, size_t len, uint64_t off, struct err *err)
{
	struct vhdx *v = b->self;
	uint8_t *p = buf;

	while (len) {
		struct vhdx_run run;
		int r = map_locked(v, off, len, &run, err);

		if (r == 0 && run.kind == VHDX_DATA)
			r = block_pread(v->file, p, run.len, run.host, err);
		else if (r == 0)
			memset(p, 0, run.len);
		if (r < 0)
			return r;
		if (run.kind == VHDX_LOST)
			__atomic_add_fetch(&v->lost, run.len, __ATOMIC_RELAXED);
		p += run.len;
		off += run.len;
		len -= run.len;
	}
	return 0;
}

static int vhdx_extent(struct block *b, uint64_t off, uint64_t max, uint64_t *len,
	unsigned *flags, struct err *err)
{
	struct vhdx *v = b->self;
	struct vhdx_run run;
	int r = map_locked(v, off, max, &run, err);

	if (r < 0)
		return r;
	/* A fixed image may be a file with holes. */
	if (run.kind == VHDX_DATA)
		return block_extent_below(v->file, run.host, run.len, len, flags, err);
	*len = run.len;
	/* What is lost is no zeros: so the reader comes, and it is noticed. */
	*flags = run.kind == VHDX_HOLE   ? BLOCK_ZERO | BLOCK_HOLE
		 : run.kind == VHDX_ZERO ? BLOCK_ZERO
					 : 0;
	return 0;
}

static const struct block_ops vhdx_ops = {
	.name = "vhdx",
	.free = free_block,
	.pread = vhdx_pread,
	.extent = vhdx_extent,
};

static struct vhdx *vhdx_new(bool damaged_ok)
{
	struct vhdx *v = xnew(struct vhdx);

	v->damaged_ok = damaged_ok;
	for (unsigned i = 0; i < VHDX_PAGES; i++)
		v->pages[i].index = UINT64_MAX;
	pthread_mutex_init(&v->lock, NULL);
	return v;
}

static int check_magic(struct block *file, struct err *err)
{
	uint8_t magic[8] = {0};
	int r = block_pread(file, magic, MIN((uint64_t)sizeof(magic), file->size), 0, err);

	if (r == 0 && memcmp(magic, "vhdxfile", sizeof(magic)) != 0)
		return err_set(err, EINVAL, "not a VHDX: it does not begin with \"vhdxfile\"");
	return r;
}

/* Everything that is checked before the first byte is read; sets v->file. */
static int open_parts(struct vhdx *v, struct block *file, struct err *err)
{
	struct vhdx_header h;
	int r = check_magic(file, err);

	if (r == 0)
		r = vhdx_header_read(&h, file, err);
	if (r == 0)
		r = vhdx_log_replay(&v->file, file, &h, v->damaged_ok, err);
	if (r == 0)
		r = vhdx_regions_read(v, &h, err);
	if (r == 0)
		r = vhdx_meta_read(v, err);
	return r;
}

static int vhdx_open(struct block **ret, struct block *take_file, const struct image_open *how,
	struct err *err)
{
	_auto_(vhdx) struct vhdx *v = vhdx_new(how->damaged_ok);
	struct err why = {0};
	struct block *b;
	int r;

	if (how->write)
		return err_set(err, ENOTSUP, "%s: VHDX images are only read", take_file->label);
	r = open_parts(v, take_file, &why);
	if (r < 0)
		return err_set(err, -r, "%s: %s", take_file->label, why.text);
	v->name = v->file->label;
	log_debug("vhdx",
		"%s: blocks of %" PRIu64 ", sectors of %" PRIu32 ", chunk ratio %" PRIu64,
		v->name, v->block, v->sector, v->ratio);
	b = block_alloc(&vhdx_ops, v, v->size, v->name);
	b->preferred = (uint32_t)MIN(v->block, 2 * MiB);
	b->read_only = true;
	STEAL(v);
	block_free(take_file); /* v->file is, or sits on, a reference to it */
	*ret = b;
	return 0;
}

const struct image_format image_vhdx = {
	.name = "vhdx",
	.description = "Hyper-V: fixed and dynamic VHDX",
	.can = IMAGE_CAN_READ,
	.suffixes = "vhdx",
	.probe = vhdx_probe,
	.open = vhdx_open,
};
