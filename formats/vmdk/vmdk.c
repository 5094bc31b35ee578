// SPDX-License-Identifier: LGPL-2.1-or-later
/* vmdk: from a file to the block of the disk in it. */
#include "formats/vmdk/vmdk.h"

#include "formats/base/alloc.h"
#include "formats/base/bytes.h"
#include "formats/base/log.h"
#include "formats/vmdk/vmdk_desc.h"
#include "formats/vmdk/vmdk_extents.h"
#include "formats/vmdk/vmdk_sparse.h"

#include <inttypes.h>

/* Other magic numbers of VMware's extents. */
#define COWD_MAGIC     "COWD"
#define SESPARSE_MAGIC UINT64_C(0x00000000cafebabe)

#define SNAPSHOT_ADVICE "consolidate the snapshots in VMware, or export the machine as OVA"

static int vmdk_probe(const uint8_t *head, size_t len, uint64_t size)
{
	if (vmdk_header_is(head, len))
		return 100;
	if (vmdk_desc_is(head, len))
		return 95;
	if (len >= VMDK_SECTOR &&
		(!memcmp(head, COWD_MAGIC, 4) || le64_load(head) == SESPARSE_MAGIC))
		return 90;
	return 0;
}

/* The disk of a descriptor whose data is elsewhere. On success takes `file`, of which nothing is
 * needed any more. */
static int open_separate(struct block **ret, const struct vmdk_desc *d, struct block *file,
	const struct image_open *how, struct err *err)
{
	int r = vmdk_extents_supported(d, err);

	if (r >= 0)
		r = vmdk_extents_open(ret, d, how->dirfd, how->damaged_ok, file->label, err);
	if (r < 0)
		return r;
	log_debug("vmdk", "%s: %s, %" PRIu64 " sectors in %zu extents", file->label,
		d->create_type ? d->create_type : "?", d->sectors, d->extent_count);
	block_free(file);
	return 0;
}

/* The descriptor in a file of its own. */
static int read_separate(struct vmdk_desc **ret, struct block *file, struct err *err)
{
	_auto_(mem) char *text = NULL;
	int r;

	if (file->size > VMDK_DESC_MAX_BYTES)
		return err_set(err, EINVAL, "descriptor of %" PRIu64 " bytes (at most %zu)",
			file->size, VMDK_DESC_MAX_BYTES);
	text = xmalloc(file->size);
	r = block_pread(file, text, file->size, 0, err);
	return r < 0 ? r : vmdk_desc_parse(ret, text, file->size, err);
}

/* Does what the descriptor says fit the extent it is embedded in? */
static int check_embedded(
	const struct vmdk_desc *d, const struct vmdk_header *h, struct err *err)
{
	const struct vmdk_extent_line *e = &d->extents[0];
	int r = vmdk_extents_supported(d, err);

	if (r < 0)
		return r;
	if (d->extent_count != 1)
		return err_set(err, ENOTSUP,
			"its descriptor names %zu extents: a disk in this file and in others is not "
			"read; export the machine as OVA",
			d->extent_count);
	if (e->type != VMDK_EXTENT_SPARSE)
		return err_set(err, EINVAL,
			"its descriptor says that it is of type %s, its header SPARSE",
			vmdk_extent_type_name(e->type));
	if (e->access == VMDK_NOACCESS)
		return err_set(err, ENOTSUP, "its descriptor allows no access to its extent");
	if (e->sectors != h->capacity)
		return err_set(err, EINVAL,
			"its descriptor says %" PRIu64 " sectors, its header %" PRIu64,
			e->sectors, h->capacity);
	return 0;
}

static int refuse_piece(struct err *err)
{
	return err_set(err, ENOTSUP,
		"it has no descriptor: a piece of a disk in several files? Open the file that "
		"describes the disk");
}

/* The text at the header's place for it. */
static int read_embedded(struct vmdk_desc **ret, struct block *file,
	const struct vmdk_header *h, struct err *err)
{
	_auto_(mem) char *text = NULL;
	size_t len;
	int r;

	if (!h->desc_at || !h->desc_sectors)
		return refuse_piece(err);
	if (h->desc_at > VMDK_MAX_SECTORS || h->desc_sectors > VMDK_MAX_SECTORS ||
		!range_ok(h->desc_at * VMDK_SECTOR, h->desc_sectors * VMDK_SECTOR, file->size))
		return err_set(err, EINVAL,
			"descriptor of %" PRIu64 " sectors at sector %" PRIu64
			": outside the file of %" PRIu64 " bytes",
			h->desc_sectors, h->desc_at, file->size);
	if (h->desc_sectors > VMDK_DESC_MAX_BYTES / VMDK_SECTOR)
		return err_set(err, EINVAL, "descriptor of %" PRIu64 " sectors (at most %zu)",
			h->desc_sectors, VMDK_DESC_MAX_BYTES / VMDK_SECTOR);
	len = h->desc_sectors * VMDK_SECTOR;
	text = xmalloc(len);
	r = block_pread(file, text, len, h->desc_at * VMDK_SECTOR, err);
	if (r < 0)
		return r;
	return *text ? vmdk_desc_parse(ret, text, len, err) : refuse_piece(err);
}

static int open_sparse(struct block **ret, struct block *file, const uint8_t *head,
	const struct image_open *how, struct err *err)
{
	_auto_(vmdk_desc) struct vmdk_desc *d = NULL;
	struct vmdk_header h;
	int r = vmdk_header_parse(&h, head, err);

	if (r < 0)
		return r;
	r = read_embedded(&d, file, &h, err);
	if (r < 0)
		return r;
	if (!h.capacity) /* nothing but a place for the descriptor */
		return open_separate(ret, d, file, how, err);
	r = check_embedded(d, &h, err);
	if (r < 0)
		return r;
	log_debug("vmdk", "%s: %s, version %u, %" PRIu64 " sectors in grains of %u%s",
		file->label, d->create_type ? d->create_type : "?", h.version, h.capacity,
		h.grain_sectors, h.unclean ? ", not closed cleanly" : "");
	return vmdk_sparse_new(ret, file, &h, 1, how->damaged_ok, err);
}

static int open_by_magic(
	struct block **ret, struct block *file, const struct image_open *how, struct err *err)
{
	_auto_(vmdk_desc) struct vmdk_desc *d = NULL;
	uint8_t head[VMDK_SECTOR] = {0};
	size_t len = MIN((uint64_t)sizeof(head), file->size);
	int r = block_pread(file, head, len, 0, err);

	if (r < 0)
		return r;
	if (vmdk_header_is(head, len))
		return open_sparse(ret, file, head, how, err);
	if (!memcmp(head, COWD_MAGIC, 4))
		return err_set(err, ENOTSUP,
			"a vmfsSparse (COWD) extent, a snapshot of ESX: " SNAPSHOT_ADVICE);
	if (le64_load(head) == SESPARSE_MAGIC)
		return err_set(err, ENOTSUP,
			"an SESparse extent, a snapshot of ESX: " SNAPSHOT_ADVICE);
	if (vmdk_desc_is(head, len)) {
		r = read_separate(&d, file, err);
		return r < 0 ? r : open_separate(ret, d, file, how, err);
	}
	return err_set(err, EINVAL, "not a VMDK: neither a sparse header nor a descriptor");
}

static int vmdk_open(struct block **ret, struct block *take_file, const struct image_open *how,
	struct err *err)
{
	static const struct image_open plain = {0};
	struct err why = {0};
	int r;

	if (how && how->write)
		return err_set(err, ENOTSUP, "%s: VMDKs are only read", take_file->label);
	r = open_by_magic(ret, take_file, how ? how : &plain, &why);
	if (r < 0)
		err_set(err, -r, "%s: %s", take_file->label, why.text);
	return r;
}

static int vmdk_files(char ***list, struct block *file, struct err *err)
{
	_auto_(vmdk_desc) struct vmdk_desc *d = NULL;
	struct vmdk_header h = {0};
	uint8_t head[VMDK_SECTOR] = {0};
	size_t len = MIN((uint64_t)sizeof(head), file->size);
	int r = block_pread(file, head, len, 0, err);

	if (r >= 0 && vmdk_desc_is(head, len)) {
		r = read_separate(&d, file, err);
	} else if (r >= 0 && vmdk_header_is(head, len)) {
		r = vmdk_header_parse(&h, head, err);
		if (r >= 0 && !h.capacity)
			r = read_embedded(&d, file, &h, err);
	}
	if (r < 0)
		return err_prefix(err, "%s", file->label);
	if (d)
		vmdk_extents_files(d, list);
	return 0;
}

uint64_t vmdk_lost_grains(const struct block *b)
{
	return vmdk_extents_is(b) ? vmdk_extents_lost(b) : vmdk_sparse_lost(b);
}

const struct image_format image_vmdk = {
	.name = "vmdk",
	.description = "VMware: sparse, flat, split, stream-optimized",
	.can = IMAGE_CAN_READ,
	.suffixes = "vmdk",
	.probe = vmdk_probe,
	.open = vmdk_open,
	.files = vmdk_files,
};
