// SPDX-License-Identifier: LGPL-2.1-or-later
/* qcow2_header: every field of the header is checked here, before anything uses it. */
#include "formats/qcow2/qcow2.h"

#include <ctype.h>
#include <inttypes.h>

/* Header extensions end with the first cluster; more than this many is nonsense. */
#define MAX_EXTENSIONS 1000

#define EXT_FEATURE_NAMES 0x6803f857u
#define EXT_BITMAPS       0x23852875u
#define EXT_DATA_FILE     0x44415441u

#define KNOWN_INCOMPAT                                                                         \
	(QCOW2_INCOMPAT_DIRTY | QCOW2_INCOMPAT_CORRUPT | QCOW2_INCOMPAT_DATA_FILE |            \
		QCOW2_INCOMPAT_COMPRESSION | QCOW2_INCOMPAT_EXTENDED_L2)

/* Text from the file as text for an error. */
static void printable(char *dst, size_t size, const uint8_t *src, size_t len)
{
	size_t n = MIN(len, size - 1);

	for (size_t i = 0; i < n; i++) {
		if (!src[i])
			n = i;
		dst[i] = isprint(src[i]) ? (char)src[i] : '?';
	}
	dst[n] = '\0';
}

/* Text of a part of the first cluster, or "" if it is not there. */
static void text_at(struct qcow2 *q, uint64_t off, uint64_t len, char *dst, size_t size)
{
	uint8_t raw[256];
	size_t n = MIN(len, (uint64_t)sizeof(raw));

	dst[0] = '\0';
	if (range_ok(off, n, q->file_size) && block_pread(q->file, raw, n, off, NULL) == 0)
		printable(dst, size, raw, n);
}

struct extensions {
	char data_file[200];   /* name of the external data file */
	char unknown_bit[100]; /* what the image calls the feature asked for */
	bool bitmaps;
};

/* The feature name table's name of an incompatible bit. */
static void find_feature(
	struct qcow2 *q, uint64_t off, uint64_t len, unsigned bit, struct extensions *ext)
{
	for (unsigned i = 0; i < MAX_EXTENSIONS && len >= 48; i++, off += 48, len -= 48) {
		uint8_t row[2];

		if (block_pread(q->file, row, 2, off, NULL) < 0)
			return;
		if (row[0] == 0 && row[1] == bit)
			text_at(q, off + 2, 46, ext->unknown_bit, sizeof(ext->unknown_bit));
	}
}

/* Walks the header extensions. `bit`: the incompatible feature whose name is wanted. */
static int read_extensions(
	struct qcow2 *q, uint64_t off, unsigned bit, struct extensions *ext, struct err *err)
{
	uint64_t end = MIN(q->cluster, q->file_size);

	if (be64_get(q->disk.backing_off))
		end = MIN(end, be64_get(q->disk.backing_off));
	for (unsigned i = 0; i < MAX_EXTENSIONS; i++) {
		struct {
			struct be32 type, len;
		} head;
		uint64_t len;
		int r;

		if (!range_ok(off, sizeof(head), end))
			return 0;
		r = block_pread(q->file, &head, sizeof(head), off, err);
		if (r < 0)
			return r;
		off += sizeof(head);
		len = be32_get(head.len);
		if (!be32_get(head.type))
			return 0;
		if (!range_ok(off, len, end))
			return err_set(err, EINVAL,
				"%s: header extension 0x%08x at %" PRIu64 ": its %" PRIu64
				" bytes reach beyond the header's cluster",
				q->name, be32_get(head.type), off, len);
		switch (be32_get(head.type)) {
		case EXT_FEATURE_NAMES:
			find_feature(q, off, len, bit, ext);
			break;
		case EXT_BITMAPS:
			ext->bitmaps = true;
			break;
		case EXT_DATA_FILE:
			text_at(q, off, len, ext->data_file, sizeof(ext->data_file));
			break;
		}
		off = align_up(off + len, 8);
	}
	return err_set(
		err, EINVAL, "%s: more than %u header extensions", q->name, MAX_EXTENSIONS);
}

/* Features that we refuse, each by its name. */
static int check_features(struct qcow2 *q, uint32_t header_len, bool write, struct err *err)
{
	uint64_t incompat = be64_get(q->disk.incompatible);
	uint64_t unknown = incompat & ~(uint64_t)KNOWN_INCOMPAT;
	unsigned bit = unknown ? (unsigned)__builtin_ctzll(unknown) : 64;
	struct extensions ext = {0};
	int r = read_extensions(q, header_len, bit, &ext, err);

	if (r < 0)
		return r;
	if (be64_get(q->disk.backing_off)) {
		char name[200];

		text_at(q, be64_get(q->disk.backing_off), be32_get(q->disk.backing_len), name,
			sizeof(name));
		return err_set(err, ENOTSUP,
			"%s: has the backing file \"%s\": images on other images are not read",
			q->name, name);
	}
	if (be32_get(q->disk.crypt))
		return err_set(err, ENOTSUP, "%s: is encrypted (method %u, %s)", q->name,
			be32_get(q->disk.crypt),
			be32_get(q->disk.crypt) == 1   ? "AES"
			: be32_get(q->disk.crypt) == 2 ? "LUKS"
						       : "unknown");
	if (unknown)
		return err_set(err, ENOTSUP,
			"%s: needs incompatible feature bit %u (%s), which is not known here",
			q->name, bit, ext.unknown_bit[0] ? ext.unknown_bit : "no name given");
	if (incompat & QCOW2_INCOMPAT_DATA_FILE)
		return err_set(err, ENOTSUP,
			"%s: keeps its data in an external data file (\"%s\")", q->name,
			ext.data_file);
	if ((incompat & QCOW2_INCOMPAT_CORRUPT) && !q->damaged_ok)
		return err_set(err, EINVAL,
			"%s: is marked as corrupt: repair a copy with qemu-img check -r all",
			q->name);
	if (!write)
		return 0;
	if (incompat & (QCOW2_INCOMPAT_CORRUPT | QCOW2_INCOMPAT_DIRTY))
		return err_set(err, EINVAL,
			"%s: is marked as %s: not written before qemu-img check -r all",
			q->name, incompat & QCOW2_INCOMPAT_DIRTY ? "dirty" : "corrupt");
	if (q->version < 3 || q->extended_l2 || ext.bitmaps)
		return err_set(err, ENOTSUP, "%s: is not written in place: it %s", q->name,
			q->version < 3   ? "has version 2"
			: q->extended_l2 ? "has extended L2 entries"
					 : "has dirty bitmaps");
	return 0;
}

/* A table that the header names: on a cluster, within the file, not in the header. */
static int check_table(
	struct qcow2 *q, const char *what, uint64_t off, uint64_t len, struct err *err)
{
	if (!is_aligned(off, q->cluster))
		return err_set(err, EINVAL,
			"%s: header: %s at %" PRIu64 ": not on a cluster of %" PRIu64, q->name,
			what, off, q->cluster);
	if (len && off < q->cluster)
		return err_set(
			err, EINVAL, "%s: header: %s at 0: overlaps the header", q->name, what);
	if (!range_ok(off, len, q->file_size))
		return err_set(err, EINVAL,
			"%s: header: %s of %" PRIu64 " bytes at %" PRIu64
			": outside the file of %" PRIu64 " bytes",
			q->name, what, len, off, q->file_size);
	return 0;
}

/* Sizes and places of the tables. */
static int check_tables(struct qcow2 *q, struct err *err)
{
	const struct qcow2_header *h = &q->disk;
	uint64_t needed = div_up(q->size, qcow2_table_span(q));
	uint64_t rt_bytes = (uint64_t)be32_get(h->rt_clusters) << q->cluster_bits;
	int r;

	q->l1_size = be32_get(h->l1_size);
	q->l1_off = be64_get(h->l1_off);
	q->rt_off = be64_get(h->rt_off);
	q->rt_size = rt_bytes / 8;
	if (q->l1_size > QCOW2_MAX_L1_BYTES / 8)
		return err_set(err, EINVAL,
			"%s: header: L1 table of %" PRIu64 " entries: more than the %" PRIu64
			" allowed",
			q->name, q->l1_size, QCOW2_MAX_L1_BYTES / 8);
	if (q->l1_size < needed)
		return err_set(err, EINVAL,
			"%s: header: L1 table of %" PRIu64 " entries: a disk of %" PRIu64
			" bytes needs %" PRIu64,
			q->name, q->l1_size, q->size, needed);
	if (rt_bytes > QCOW2_MAX_RT_BYTES)
		return err_set(err, EINVAL,
			"%s: header: refcount table of %" PRIu64
			" bytes: more than the %" PRIu64 " allowed",
			q->name, rt_bytes, QCOW2_MAX_RT_BYTES);
	if (be32_get(h->nb_snapshots) > QCOW2_MAX_SNAPSHOTS)
		return err_set(err, EINVAL,
			"%s: header: %u snapshots: more than the %u allowed", q->name,
			be32_get(h->nb_snapshots), QCOW2_MAX_SNAPSHOTS);
	r = check_table(q, "L1 table", q->l1_off, q->l1_size * 8, err);
	if (r < 0)
		return r;
	/* Who only reads does not need the rest; but a file that lost its end should not pass
	 * for a whole one. */
	if (q->damaged_ok) {
		q->rt_size = 0;
		return 0;
	}
	if (!rt_bytes)
		return err_set(err, EINVAL, "%s: header: has no refcount table", q->name);
	r = check_table(q, "refcount table", q->rt_off, rt_bytes, err);
	if (r < 0)
		return r;
	/* A snapshot's entry has 40 bytes at least. */
	if (be32_get(h->nb_snapshots))
		r = check_table(q, "snapshot table", be64_get(h->snapshots_off),
			40 * (uint64_t)be32_get(h->nb_snapshots), err);
	return r;
}

static int check_version(struct qcow2 *q, struct err *err)
{
	const struct qcow2_header *h = &q->disk;

	if (be32_get(h->magic) != QCOW2_MAGIC)
		return err_set(err, EINVAL, "%s: is not qcow2: magic 0x%08x", q->name,
			be32_get(h->magic));
	q->version = be32_get(h->version);
	if (q->version != 2 && q->version != 3)
		return err_set(err, ENOTSUP, "%s: qcow version %u (2 and 3 are read)", q->name,
			q->version);
	if (q->version == 3 && q->file_size < QCOW2_V3_HEADER)
		return err_set(err, EINVAL,
			"%s: the file of %" PRIu64 " bytes ends within the header", q->name,
			q->file_size);
	return 0;
}

/* Version 3's own fields, with version 2's values where it has none. */
static int check_v3(struct qcow2 *q, uint32_t *header_len, struct err *err)
{
	struct qcow2_header *h = &q->disk;

	if (q->version == 2) {
		memset((uint8_t *)h + QCOW2_V2_HEADER, 0, sizeof(*h) - QCOW2_V2_HEADER);
		*header_len = QCOW2_V2_HEADER;
		q->refcount_order = 4;
		return 0;
	}
	*header_len = be32_get(h->header_len);
	if (*header_len < QCOW2_V3_HEADER || *header_len % 8 || *header_len > q->cluster)
		return err_set(err, EINVAL, "%s: header: length %u", q->name, *header_len);
	if (*header_len == QCOW2_V3_HEADER)
		h->compression = 0;
	q->refcount_order = be32_get(h->refcount_order);
	if (q->refcount_order > 6)
		return err_set(err, EINVAL, "%s: header: refcount order %u: more than 6",
			q->name, q->refcount_order);
	q->compression = h->compression;
	if (!!(be64_get(h->incompatible) & QCOW2_INCOMPAT_COMPRESSION) != !!q->compression)
		return err_set(err, EINVAL,
			"%s: header: compression type %u contradicts the feature bit", q->name,
			q->compression);
	if (q->compression > QCOW2_ZSTD)
		return err_set(err, ENOTSUP,
			"%s: header: compression type %u (0 zlib and 1 zstd are read)", q->name,
			q->compression);
	return 0;
}

int qcow2_header_read(struct qcow2 *q, bool write, struct err *err)
{
	struct qcow2_header *h = &q->disk;
	uint32_t header_len;
	int r;

	if (q->file_size < QCOW2_V2_HEADER)
		return err_set(err, EINVAL,
			"%s: the file of %" PRIu64 " bytes ends within the header", q->name,
			q->file_size);
	r = block_pread(q->file, h, MIN(sizeof(*h), q->file_size), 0, err);
	if (r < 0)
		return r;
	r = check_version(q, err);
	if (r < 0)
		return r;
	q->cluster_bits = be32_get(h->cluster_bits);
	if (q->cluster_bits < QCOW2_MIN_CLUSTER_BITS ||
		q->cluster_bits > QCOW2_MAX_CLUSTER_BITS)
		return err_set(err, EINVAL, "%s: header: cluster bits %u: not %u to %u",
			q->name, q->cluster_bits, QCOW2_MIN_CLUSTER_BITS,
			QCOW2_MAX_CLUSTER_BITS);
	q->cluster = UINT64_C(1) << q->cluster_bits;
	r = check_v3(q, &header_len, err);
	if (r < 0)
		return r;
	q->extended_l2 = be64_get(h->incompatible) & QCOW2_INCOMPAT_EXTENDED_L2;
	if (q->extended_l2 && q->cluster_bits < 14)
		return err_set(err, EINVAL,
			"%s: header: extended L2 entries with cluster bits %u: not 14 to 21",
			q->name, q->cluster_bits);
	q->l2_bits = q->cluster_bits - (q->extended_l2 ? 4 : 3);
	q->size = be64_get(h->size);
	if (q->size > BLOCK_MAX_SIZE)
		return err_set(err, EINVAL, "%s: header: disk size %" PRIu64, q->name, q->size);
	r = check_features(q, header_len, write, err);
	return r < 0 ? r : check_tables(q, err);
}

void qcow2_header_make(struct qcow2 *q)
{
	q->disk = (struct qcow2_header){
		.magic = be32_make(QCOW2_MAGIC),
		.version = be32_make(3),
		.cluster_bits = be32_make(q->cluster_bits),
		/* QEMU ignores what is beyond the last whole sector. */
		.size = be64_make(align_up(q->size, 512)),
		.l1_size = be32_make((uint32_t)q->l1_size),
		.l1_off = be64_make(q->l1_off),
		.refcount_order = be32_make(q->refcount_order),
		.header_len = be32_make(sizeof(struct qcow2_header)),
	};
}

int qcow2_header_write(struct qcow2 *q, bool dirty, struct err *err)
{
	struct qcow2_header *h = &q->disk;
	uint64_t incompat = be64_get(h->incompatible) & ~(uint64_t)QCOW2_INCOMPAT_DIRTY;
	int r;

	h->incompatible = be64_make(incompat | (dirty ? QCOW2_INCOMPAT_DIRTY : 0));
	h->autoclear = be64_make(0);
	h->rt_off = be64_make(q->rt_off);
	h->rt_clusters = be32_make((uint32_t)(q->rt_size * 8 >> q->cluster_bits));
	/* What follows is not ours to change; in a new image it is zeros. */
	r = block_pwrite(q->file, h, QCOW2_V3_HEADER, 0, err);
	return r < 0 ? r : block_flush(q->file, err);
}
