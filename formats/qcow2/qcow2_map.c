// SPDX-License-Identifier: LGPL-2.1-or-later
/* qcow2_map: from the guest's offset to the file's, and the tables in between. */
#include "formats/qcow2/qcow2.h"

#include "formats/base/alloc.h"
#include "formats/base/log.h"

#include <inttypes.h>
#include <stdio.h>

/* Bits that must be zero: in L1 entries, in standard L2 entries. */
#define L1_RESERVED UINT64_C(0x7f000000000001ff)
#define L2_RESERVED UINT64_C(0x3f000000000001fe)

bool qcow2_in_file(const struct qcow2 *q, uint64_t off, uint64_t len)
{
	if (range_ok(off, len, q->file_size))
		return true;
	return q->writable && off >= q->first_new &&
	       range_ok(off, len, q->next << q->cluster_bits);
}

static bool overlap(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
	return a_len && b_len && a < b + b_len && b < a + a_len;
}

bool qcow2_in_tables(const struct qcow2 *q, uint64_t off, uint64_t len)
{
	return off < q->cluster || overlap(off, len, q->l1_off, q->l1_size * 8) ||
	       overlap(off, len, q->rt_off, q->rt_size * 8);
}

/* What is wrong with `len` bytes of the file at off, for an error; NULL = nothing. */
static const char *bad_place(const struct qcow2 *q, uint64_t off, uint64_t len)
{
	if (!qcow2_in_file(q, off, len))
		return "outside the file";
	if (qcow2_in_tables(q, off, len))
		return "within the header or a table of the image";
	return NULL;
}

/* A damaged entry: an error that names it and what is lost, unless that is accepted. */
static int lost(struct qcow2 *q, uint64_t off, uint64_t len, struct err *err, const char *what,
	uint64_t entry, const char *why)
{
	if (q->damaged_ok) {
		log_debug("qcow2",
			"%s: guest bytes %" PRIu64 "+%" PRIu64 ": %s 0x%" PRIx64
			": %s: read as zeros",
			q->name, off, len, what, entry, why);
		return 0;
	}
	return err_set(err, EINVAL,
		"%s: guest bytes at %" PRIu64 ": %s 0x%016" PRIx64 ": %s (the file has %" PRIu64
		" bytes)",
		q->name, off, what, entry, why, q->file_size);
}

/* ---- L2 tables ---- */

static int write_slot(struct qcow2 *q, struct qcow2_slot *slot, struct err *err)
{
	int r = block_pwrite(q->file, slot->table, q->cluster,
		q->l1[slot->l1_index] & QCOW2_OFFSET_MASK, err);

	if (r == 0)
		slot->dirty = false;
	return r;
}

static struct qcow2_slot *slot_of(struct qcow2 *q, uint64_t l1_index)
{
	return &q->slots[l1_index % q->slot_count];
}

/* Empties the slot for this L1 index; what was in it is written out. The caller fills it and
 * then sets its index. */
static int claim_slot(
	struct qcow2 *q, uint64_t l1_index, struct qcow2_slot **ret, struct err *err)
{
	struct qcow2_slot *slot = slot_of(q, l1_index);

	if (slot->table && slot->dirty) {
		int r = write_slot(q, slot, err);

		if (r < 0)
			return r;
	}
	if (!slot->table)
		slot->table = xaligned(4096, q->cluster);
	slot->l1_index = UINT64_MAX;
	*ret = slot;
	return 0;
}

static const char *bad_l1(const struct qcow2 *q, uint64_t entry)
{
	uint64_t host = entry & QCOW2_OFFSET_MASK;

	if (entry & L1_RESERVED)
		return "reserved bits are set";
	if (!host)
		return entry ? "no offset, but marked as used" : NULL;
	if (!is_aligned(host, q->cluster))
		return "not on a cluster";
	return bad_place(q, host, q->cluster);
}

/* The L2 table of an L1 entry that is not empty. *ret NULL: damaged, and that is accepted (never
 * in an image that is being written). */
static int load_table(
	struct qcow2 *q, uint64_t l1_index, struct qcow2_slot **ret, struct err *err)
{
	struct qcow2_slot *slot = slot_of(q, l1_index);
	uint64_t entry = q->l1[l1_index];
	const char *why;
	int r;

	*ret = slot;
	if (slot->table && slot->l1_index == l1_index)
		return 0;
	why = bad_l1(q, entry);
	if (why) {
		char what[60];

		*ret = NULL;
		snprintf(what, sizeof(what), "L1 entry %" PRIu64, l1_index);
		return lost(q, l1_index * qcow2_table_span(q), qcow2_table_span(q), err, what,
			entry, why);
	}
	r = claim_slot(q, l1_index, ret, err);
	if (r < 0)
		return r;
	r = block_pread(q->file, slot->table, q->cluster, entry & QCOW2_OFFSET_MASK, err);
	if (r < 0)
		return err_prefix(err, "L2 table of L1 entry %" PRIu64, l1_index);
	slot->l1_index = l1_index;
	return 0;
}

static uint64_t l1_index_of(const struct qcow2 *q, uint64_t off)
{
	return off >> (q->cluster_bits + q->l2_bits);
}

static uint64_t l2_index_of(const struct qcow2 *q, uint64_t off)
{
	return (off >> q->cluster_bits) & ((UINT64_C(1) << q->l2_bits) - 1);
}

bool qcow2_no_table(const struct qcow2 *q, uint64_t off)
{
	return !q->l1[l1_index_of(q, off)];
}

/* ---- entries ---- */

void qcow2_compressed_range(const struct qcow2 *q, uint64_t entry, uint64_t *off, uint64_t *len)
{
	unsigned x = 62 - (q->cluster_bits - 8);
	uint64_t sectors = ((entry & (QCOW2_COMPRESSED - 1)) >> x) + 1;

	*off = entry & ((UINT64_C(1) << x) - 1);
	*len = sectors * 512 - (*off & 511);
}

static const char *bad_compressed(const struct qcow2 *q, uint64_t entry)
{
	uint64_t off, len;

	qcow2_compressed_range(q, entry, &off, &len);
	if (off >> 56)
		return "offset of more than 56 bits";
	/* The last sector may end beyond the file: the count is rounded up. */
	if (!qcow2_in_file(q, off, len) && !qcow2_in_file(q, off, 1))
		return "outside the file";
	return qcow2_in_tables(q, off, len) ? "within the header or a table of the image"
					    : NULL;
}

static const char *bad_standard(const struct qcow2 *q, uint64_t entry)
{
	uint64_t host = entry & QCOW2_OFFSET_MASK;

	if (entry & L2_RESERVED)
		return "reserved bits are set";
	if ((entry & QCOW2_ZERO_FLAG) && (q->version < 3 || q->extended_l2))
		return "zero flag in an image that has none";
	if (!host)
		return entry & QCOW2_COPIED ? "no offset, but marked as used" : NULL;
	return is_aligned(host, q->cluster) ? NULL : "not on a cluster";
}

/* A cluster, or with extended L2 entries a subcluster: its kind and place. */
struct unit {
	enum qcow2_kind kind;
	uint64_t host, entry;
};

static uint64_t unit_size(const struct qcow2 *q)
{
	return q->extended_l2 ? q->cluster / QCOW2_SUBCLUSTERS : q->cluster;
}

/* The unit that begins at guest offset `off`. Returns what is wrong with it. */
static const char *classify(
	const struct qcow2 *q, const uint8_t *table, uint64_t off, struct unit *u)
{
	uint64_t index = l2_index_of(q, off), in = off & (q->cluster - 1);
	uint64_t len = MIN(unit_size(q), q->size - off);
	uint64_t entry = be64_load(table + index * (q->extended_l2 ? 16 : 8));
	const char *why;

	*u = (struct unit){.entry = entry, .host = (entry & QCOW2_OFFSET_MASK) + in};
	if (entry & QCOW2_COMPRESSED) {
		u->kind = QCOW2_DEFLATED;
		return bad_compressed(q, entry);
	}
	why = bad_standard(q, entry);
	if (why)
		return why;
	if (q->extended_l2) {
		uint64_t map = be64_load(table + index * 16 + 8);
		unsigned bit = (unsigned)(in / unit_size(q));
		bool used = map >> bit & 1, zero = map >> (bit + QCOW2_SUBCLUSTERS) & 1;

		if (used && (zero || !(entry & QCOW2_OFFSET_MASK)))
			return "subcluster is allocated without a cluster, or zero as well";
		u->kind = used ? QCOW2_DATA : zero ? QCOW2_ZEROED : QCOW2_HOLE;
	} else if (entry & QCOW2_ZERO_FLAG) {
		u->kind = entry & QCOW2_OFFSET_MASK ? QCOW2_ZEROED : QCOW2_HOLE;
	} else {
		u->kind = entry & QCOW2_OFFSET_MASK ? QCOW2_DATA : QCOW2_HOLE;
	}
	return u->kind == QCOW2_DATA ? bad_place(q, u->host, len) : NULL;
}

static int look_up(
	struct qcow2 *q, const uint8_t *table, uint64_t off, struct unit *u, struct err *err)
{
	const char *why = classify(q, table, off, u);
	char what[80];

	if (!why)
		return 0;
	u->kind = QCOW2_LOST;
	snprintf(what, sizeof(what), "L1 entry %" PRIu64 ", L2 entry %" PRIu64,
		l1_index_of(q, off), l2_index_of(q, off));
	return lost(q, off, unit_size(q), err, what, u->entry, why);
}

/* Does unit `u`, `ahead` bytes after `first`, belong to the same run? */
static bool same_run(
	const struct unit *first, const struct unit *u, uint64_t ahead, bool contiguous)
{
	if (u->kind != first->kind || u->kind == QCOW2_LOST)
		return false;
	if (!contiguous)
		return true;
	return u->kind != QCOW2_DATA || u->host == first->host + ahead;
}

/* Within one L2 table; `end` is at most the end of what it maps. */
static int map_in_table(struct qcow2 *q, const uint8_t *table, uint64_t off, uint64_t end,
	bool contiguous, struct qcow2_run *run, struct err *err)
{
	uint64_t start = align_down(off, unit_size(q)), at;
	struct unit first, u;
	int r = look_up(q, table, start, &first, err);

	if (r < 0)
		return r;
	/* One at a time: two clusters may name the same compressed bytes. */
	if (contiguous && first.kind == QCOW2_DEFLATED)
		end = MIN(end, align_down(off, q->cluster) + q->cluster);
	for (at = start + unit_size(q); at < end; at += unit_size(q)) {
		/* What is wrong with the next one is said when it is asked for. */
		if (classify(q, table, at, &u) || !same_run(&first, &u, at - start, contiguous))
			break;
	}
	*run = (struct qcow2_run){
		.kind = first.kind,
		.len = MIN(at, end) - off,
		.host = first.host + (off - start),
		.entry = first.entry,
	};
	return 0;
}

int qcow2_map(struct qcow2 *q, uint64_t off, uint64_t max, bool contiguous,
	struct qcow2_run *run, struct err *err)
{
	uint64_t span = qcow2_table_span(q), end = off + max;
	struct qcow2_slot *slot;
	uint64_t at = off;
	int r;

	while (at < end && qcow2_no_table(q, at))
		at = align_down(at, span) + span;
	if (at > off) {
		*run = (struct qcow2_run){.kind = QCOW2_HOLE, .len = MIN(at, end) - off};
		return 0;
	}
	end = MIN(end, align_down(off, span) + span);
	r = load_table(q, l1_index_of(q, off), &slot, err);
	if (r < 0)
		return r;
	if (!slot) {
		*run = (struct qcow2_run){.kind = QCOW2_LOST, .len = end - off};
		return 0;
	}
	return map_in_table(q, slot->table, off, end, contiguous, run, err);
}

/* ---- changes ---- */

int qcow2_entry(struct qcow2 *q, uint64_t off, uint64_t *entry, struct err *err)
{
	struct qcow2_slot *slot;
	struct unit u;
	int r;

	*entry = 0;
	if (qcow2_no_table(q, off))
		return 0;
	r = load_table(q, l1_index_of(q, off), &slot, err);
	if (r < 0)
		return r;
	r = look_up(q, slot->table, align_down(off, q->cluster), &u, err);
	if (r == 0)
		*entry = u.entry;
	return r;
}

/* The first change since the file was consistent: say so in the file. */
static int begin_change(struct qcow2 *q, struct err *err)
{
	int r;

	if (q->state == QCOW2_NEW || q->state == QCOW2_DIRTY)
		return 0;
	q->state = QCOW2_UNMARKED;
	r = qcow2_header_write(q, true, err);
	if (r == 0)
		q->state = QCOW2_DIRTY;
	return r;
}

/* The slot of an L2 table that is ours alone and may be changed. */
static int own_table(
	struct qcow2 *q, uint64_t l1_index, struct qcow2_slot **ret, struct err *err)
{
	uint64_t old = q->l1[l1_index], host;
	struct qcow2_slot *slot;
	int r;

	if (old) {
		r = load_table(q, l1_index, ret, err);
		if (r < 0 || (old & QCOW2_COPIED))
			return r;
	} else {
		r = claim_slot(q, l1_index, ret, err);
		if (r < 0)
			return r;
		memset((*ret)->table, 0, q->cluster);
	}
	slot = *ret;
	r = qcow2_alloc(q, 1, &host, err);
	if (r < 0)
		return r;
	if (old)
		qcow2_release(q, old & QCOW2_OFFSET_MASK, q->cluster);
	slot->l1_index = l1_index;
	q->l1[l1_index] = host | QCOW2_COPIED;
	q->l1_dirty = true;
	slot->dirty = true;
	return 0;
}

int qcow2_set_entry(struct qcow2 *q, uint64_t off, uint64_t entry, struct err *err)
{
	struct qcow2_slot *slot;
	int r = begin_change(q, err);

	if (r < 0)
		return r;
	r = own_table(q, l1_index_of(q, off), &slot, err);
	if (r < 0)
		return r;
	be64_store(slot->table + l2_index_of(q, off) * 8, entry);
	slot->dirty = true;
	return 0;
}

int qcow2_flush_l2(struct qcow2 *q, struct err *err)
{
	for (size_t i = 0; i < q->slot_count; i++) {
		int r = 0;

		if (q->slots[i].table && q->slots[i].dirty)
			r = write_slot(q, &q->slots[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

int qcow2_flush_l1(struct qcow2 *q, struct err *err)
{
	_auto_(mem) uint8_t *raw = NULL;
	int r;

	if (!q->l1_dirty)
		return 0;
	raw = xaligned(4096, align_up(q->l1_size * 8, 4096));
	for (uint64_t i = 0; i < q->l1_size; i++)
		be64_store(raw + i * 8, q->l1[i]);
	r = block_pwrite(q->file, raw, q->l1_size * 8, q->l1_off, err);
	if (r == 0)
		q->l1_dirty = false;
	return r;
}
