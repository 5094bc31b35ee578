/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qcow2: reads versions 2 and 3, writes version 3 (QEMU's docs/interop/qcow2). The outside sees
 * image_qcow2 (image.h); this header is shared by the files of the folder:
 *
 *	qcow2.c           the row of the table: probe, open, create; reading
 *	qcow2_header.c    the header: checked, read, written
 *	qcow2_map.c       guest offset -> host offset: L1, the cache of L2 tables
 *	qcow2_inflate.c   compressed clusters
 *	qcow2_write.c     writing, zeroing, discarding, flushing
 *	qcow2_refcount.c  who uses a host cluster; allocation
 *
 *	guest offset:  [ L1 index | L2 index | offset in cluster ]
 *	                    |           |
 *	L1 table (in memory, contiguous) |
 *	   `--> L2 table (one cluster) --+--> host cluster | zeros | nothing | compressed bytes
 *
 * Writing. New clusters come from a bump pointer at the end of the file, never from the middle,
 * so a sequence of full-cluster writes becomes one contiguous run in the file and the same calls
 * give the same bytes. Data goes to the file at once, outside the lock; the L2 tables change in
 * memory once the data is there. A cluster that is zeroed keeps its place in the file.
 *
 * A disk whose size is no multiple of 512 is written as one that ends in zeros up to the next
 * multiple: QEMU would ignore its last bytes.
 *
 * On disk everything becomes consistent in block_flush(), in this order: L2 tables, refcount
 * blocks, refcount table, L1 table, sync, header, sync. THE IMAGE IS COMPLETE AFTER
 * block_flush(). A new image has no header until then, so nothing takes it for an image. After
 * that, and in an image opened for writing, the first change sets the dirty bit of the header
 * and the next flush clears it: what a crash leaves says itself that its refcounts need repair.
 *
 * Memory: the L1 table (at most 32 MiB), at most QCOW2_L2_CACHE bytes of L2 tables, and when
 * writing the refcount table (at most 8 MiB). It does not grow with the disk.
 *
 * Threads: pread, pwrite, zero, discard, extent, flush as block.h says. `lock` guards the
 * mutable part of struct qcow2; no file I/O for guest data happens under it. `part_lock` is held
 * while a cluster is rewritten of which only a part is new; it comes before `lock`.
 */
#pragma once

#include "formats/base/bytes.h"
#include "formats/image.h"

#include <pthread.h>

#define QCOW2_MAGIC 0x514649fbu

/* Limits, the same as QEMU's, so that each reads what the other wrote. */
#define QCOW2_MIN_CLUSTER_BITS 9
#define QCOW2_MAX_CLUSTER_BITS 21
#define QCOW2_MAX_L1_BYTES     (32 * MiB)
#define QCOW2_MAX_RT_BYTES     (8 * MiB)
#define QCOW2_MAX_SNAPSHOTS    65536

#define QCOW2_DEFAULT_CLUSTER (64 * KiB)

/* Memory for L2 tables: enough for 256 GiB in 64 KiB clusters without reading any twice. */
#define QCOW2_L2_CACHE (32 * MiB)

/* Entries of the L1, L2 and refcount tables. */
#define QCOW2_OFFSET_MASK UINT64_C(0x00fffffffffffe00)
#define QCOW2_COPIED      (UINT64_C(1) << 63)
#define QCOW2_COMPRESSED  (UINT64_C(1) << 62)
#define QCOW2_ZERO_FLAG   UINT64_C(1)
#define QCOW2_SUBCLUSTERS 32

enum {
	QCOW2_INCOMPAT_DIRTY = 1,
	QCOW2_INCOMPAT_CORRUPT = 2,
	QCOW2_INCOMPAT_DATA_FILE = 4,
	QCOW2_INCOMPAT_COMPRESSION = 8,
	QCOW2_INCOMPAT_EXTENDED_L2 = 16,
};

enum { QCOW2_ZLIB = 0, QCOW2_ZSTD = 1 };

/* Byte 0 of the file. Version 2 ends before incompatible. */
struct qcow2_header {
	struct be32 magic, version;
	struct be64 backing_off;
	struct be32 backing_len, cluster_bits;
	struct be64 size;
	struct be32 crypt, l1_size;
	struct be64 l1_off, rt_off;
	struct be32 rt_clusters, nb_snapshots;
	struct be64 snapshots_off;
	struct be64 incompatible, compatible, autoclear;
	struct be32 refcount_order, header_len;
	uint8_t compression, padding[7];
};
#define QCOW2_V2_HEADER 72
#define QCOW2_V3_HEADER 104

/* What a guest range is. LOST: its entry is damaged, and the caller accepts zeros. */
enum qcow2_kind {
	QCOW2_HOLE,     /* zeros, no host cluster */
	QCOW2_ZEROED,   /* zeros, with a host cluster in reserve */
	QCOW2_DATA,     /* bytes at `host` */
	QCOW2_DEFLATED, /* compressed: `entry` */
	QCOW2_LOST,
};

struct qcow2_run {
	enum qcow2_kind kind;
	uint64_t len;   /* guest bytes, at least 1 */
	uint64_t host;  /* DATA: where the first byte is */
	uint64_t entry; /* DEFLATED: the L2 entry */
};

/* One slot of the L2 cache; L1 index i lives in slot i % slot_count. */
struct qcow2_slot {
	uint64_t l1_index;
	uint8_t *table; /* a cluster as on disk; NULL = empty slot */
	bool dirty;
};

enum qcow2_state {
	QCOW2_NEW,      /* created; no header in the file yet */
	QCOW2_CLEAN,    /* the file is consistent */
	QCOW2_UNMARKED, /* the same, but a header was being written: with the dirty bit or not */
	QCOW2_DIRTY,    /* changed since; the file's header has the dirty bit */
};

struct qcow2_inflate;

struct qcow2 {
	struct block *file;
	const char *name; /* the file's label */

	/* Constant after open. */
	struct qcow2_header disk; /* as in the file; only header.c changes it */
	unsigned version, cluster_bits, l2_bits, refcount_order;
	bool extended_l2, damaged_ok, writable;
	uint8_t compression;
	uint64_t cluster; /* bytes */
	uint64_t size;    /* bytes the guest sees */
	uint64_t l1_size; /* entries */
	uint64_t l1_off;
	uint64_t file_size; /* when it was opened; 0 for a new image */
	uint64_t first_new; /* host offset of the first cluster we may allocate */
	struct qcow2_inflate *inflate;

	uint64_t lost; /* guest bytes read as zeros because of damaged_ok; atomic */

	pthread_mutex_t part_lock;
	pthread_mutex_t lock; /* for all below */
	enum qcow2_state state;
	uint64_t *l1; /* host byte order */
	bool l1_dirty;
	struct qcow2_slot *slots;
	size_t slot_count;

	/* Writing only. */
	uint64_t next;    /* cluster number of the bump pointer */
	uint64_t counted; /* below this cluster number refcounts in the file are right */
	uint64_t *rt;     /* refcount table; bit 0 = block not in the file yet */
	uint64_t rt_size; /* entries */
	uint64_t rt_off;
	bool rt_dirty;
	uint64_t *freed; /* cluster numbers that lose a reference at the next flush */
	size_t freed_count, freed_cap;
};

/* ---- qcow2_header.c ---- */

/* Reads and checks the header; fills the constant part of q and rt_off, rt_size. */
int qcow2_header_read(struct qcow2 *q, bool write, struct err *err);

/* The header of a new image: q's constant fields to q->disk. */
void qcow2_header_make(struct qcow2 *q);

/* Writes q->disk with the present place of the refcount table and this dirty bit; syncs. */
int qcow2_header_write(struct qcow2 *q, bool dirty, struct err *err);

/* ---- qcow2_map.c ---- lock held ---- */

/* Do [off, off+len) of the file exist, and are no table of ours? */
bool qcow2_in_file(const struct qcow2 *q, uint64_t off, uint64_t len);
bool qcow2_in_tables(const struct qcow2 *q, uint64_t off, uint64_t len);

/* What the guest's bytes from off are; run->len is at most max. `contiguous`: as for reading, a
 * run has one place in the file, one compressed cluster. Otherwise as for a map: only kinds
 * count. EINVAL names the entry that is damaged and the guest's bytes lost with it. */
int qcow2_map(struct qcow2 *q, uint64_t off, uint64_t max, bool contiguous,
	struct qcow2_run *run, struct err *err);

/* L2 entry of the cluster at guest offset off, checked. Not for extended L2 entries. */
int qcow2_entry(struct qcow2 *q, uint64_t off, uint64_t *entry, struct err *err);

/* Sets it. The L2 table is made, or copied if shared, first; with it begins a change. */
int qcow2_set_entry(struct qcow2 *q, uint64_t off, uint64_t entry, struct err *err);

/* Are all clusters of the L2 table of guest offset off unallocated, there being none? */
bool qcow2_no_table(const struct qcow2 *q, uint64_t off);

/* Guest bytes that one L2 table maps. */
static inline uint64_t qcow2_table_span(const struct qcow2 *q)
{
	return q->cluster << q->l2_bits;
}

/* Writes the L2 tables that changed; the L1 table. No sync. */
int qcow2_flush_l2(struct qcow2 *q, struct err *err);
int qcow2_flush_l1(struct qcow2 *q, struct err *err);

/* Where the compressed bytes of this entry are. */
void qcow2_compressed_range(
	const struct qcow2 *q, uint64_t entry, uint64_t *off, uint64_t *len);

/* ---- qcow2_refcount.c ---- lock held ---- */

/* Loads the refcount table and finds where allocation may begin. For opening to write. */
int qcow2_refcount_open(struct qcow2 *q, struct err *err);

/* n new clusters in a row; host offset in *ret. */
int qcow2_alloc(struct qcow2 *q, uint64_t n, uint64_t *ret, struct err *err);

/* The cluster(s) of host bytes [off, off+len) lose a reference. */
void qcow2_release(struct qcow2 *q, uint64_t off, uint64_t len);

/* What a standard or compressed L2 entry referred to loses a reference. */
void qcow2_release_entry(struct qcow2 *q, uint64_t entry);

/* n clusters at `host`, just allocated, were not used after all. */
void qcow2_alloc_undo(struct qcow2 *q, uint64_t host, uint64_t n);

/* Brings refcount blocks and table in the file up to date. No sync. */
int qcow2_flush_refcounts(struct qcow2 *q, struct err *err);

/* ---- qcow2_inflate.c ---- any thread, own lock ---- */

struct qcow2_inflate *qcow2_inflate_new(const struct qcow2 *q);
void qcow2_inflate_free(struct qcow2_inflate *z);

/* Bytes [in, in+len) of the compressed cluster that `entry` names, to buf. */
int qcow2_inflate_read(const struct qcow2 *q, uint64_t entry, uint64_t guest_off, size_t in,
	size_t len, void *buf, struct err *err);

/* ---- qcow2_write.c ---- */

int qcow2_pwrite(struct block *b, const void *buf, size_t len, uint64_t off, struct err *err);
int qcow2_zero(struct block *b, uint64_t off, uint64_t len, unsigned flags, struct err *err);
int qcow2_discard(struct block *b, uint64_t off, uint64_t len, struct err *err);
int qcow2_flush(struct block *b, struct err *err);

/* ---- qcow2.c ---- */

int qcow2_pread(struct block *b, void *buf, size_t len, uint64_t off, struct err *err);
