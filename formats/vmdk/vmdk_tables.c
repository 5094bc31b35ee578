// SPDX-License-Identifier: LGPL-2.1-or-later
/* vmdk_tables: reading, checking and caching grain directories and grain tables. */
#include "formats/vmdk/vmdk_tables.h"

#include "formats/base/alloc.h"
#include "formats/base/bytes.h"
#include "formats/base/log.h"
#include "formats/vmdk/vmdk_walk.h"

#include <inttypes.h>
#include <pthread.h>

/* Tables kept of one disk, by index modulo this: neighbours never push each other out. */
#define SLOTS 2048

/* Tables read at a time where they lie side by side (64 KiB of file). */
#define BATCH 32

/* Tables that one vmdk_tables_run() looks into before it answers with what it has. */
#define MAX_RUN_TABLES 4096

/* In a directory in memory: the entry was bad. */
#define GD_BAD UINT32_MAX

struct slot {
	uint64_t table;
	uint32_t gte[VMDK_GTES];
};

struct vmdk_tables {
	struct block *file; /* borrowed */
	struct vmdk_header h;
	uint64_t count;  /* tables */
	uint64_t gd_at;  /* where the directory in use lies (sectors) */
	uint32_t *gd;    /* NULL: found by walking the stream */
	uint32_t *other; /* the redundant directory, whole; or NULL */
	uint64_t other_at;
	struct vmdk_walk *walk; /* what walking the stream found; or NULL */
	/* Sectors of all tables in order, where some lie above the overhead. */
	uint32_t *sorted;
	uint64_t sorted_count;
	bool damaged_ok;

	pthread_mutex_t lock; /* what follows */
	uint8_t *empty;       /* a bit for each table known to hold no entry */
	struct slot **slots;
	size_t slot_count;
};

static bool overlaps(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
	return a < b + b_len && b < a + a_len;
}

static uint64_t gd_sectors(const struct vmdk_tables *t)
{
	return div_up(t->count * 4, VMDK_SECTOR);
}

/* Which fixed structure [at, at + len) (sectors) touches, or NULL. */
static const char *touches(const struct vmdk_tables *t, uint64_t at, uint64_t len)
{
	if (!at)
		return "it lies on the header";
	if (t->h.desc_at && overlaps(at, len, t->h.desc_at, t->h.desc_sectors))
		return "it lies on the descriptor";
	if (t->gd && overlaps(at, len, t->gd_at, gd_sectors(t)))
		return "it lies on the grain directory";
	if (t->other && overlaps(at, len, t->other_at, gd_sectors(t)))
		return "it lies on the redundant grain directory";
	return NULL;
}

static int compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* All used entries of a directory in rising order. */
static uint32_t *sorted_entries(const uint32_t *gd, uint64_t count, uint64_t *ret_count)
{
	uint32_t *v = xcalloc(count, sizeof(*v));
	bool rising = true;
	uint64_t n = 0;

	for (uint64_t i = 0; i < count; i++) {
		if (!gd[i] || gd[i] == GD_BAD)
			continue;
		if (n && gd[i] < v[n - 1])
			rising = false;
		v[n++] = gd[i];
	}
	if (!rising)
		qsort(v, n, sizeof(*v), compare_u32);
	*ret_count = n;
	return v;
}

/* Reads the directory at sector `at` into *ret (entries not checked). */
static int read_directory(const struct vmdk_tables *t, uint64_t at, const char *which,
	uint32_t **ret, struct err *err)
{
	_auto_(mem) uint32_t *gd = NULL;
	int r;

	if (!at || at >= VMDK_MAX_SECTORS ||
		!range_ok(at * VMDK_SECTOR, t->count * 4, t->file->size))
		return err_set(err, EINVAL,
			"%s at sector %" PRIu64 ": %" PRIu64 " entries do not lie inside the "
			"file of %" PRIu64 " sectors",
			which, at, t->count, t->file->size / VMDK_SECTOR);
	if (t->h.desc_at && overlaps(at, gd_sectors(t), t->h.desc_at, t->h.desc_sectors))
		return err_set(err, EINVAL,
			"%s at sector %" PRIu64 ": it lies on the descriptor", which, at);
	r = alloc_limited((void **)&gd, t->count, 4, VMDK_MAX_TABLES, which, err);
	if (r < 0)
		return r;
	r = block_pread(t->file, gd, t->count * 4, at * VMDK_SECTOR, err);
	if (r < 0)
		return r;
	for (uint64_t i = 0; i < t->count; i++)
		gd[i] = le32_load(&gd[i]);
	*ret = STEAL(gd);
	return 0;
}

/*
 * Checks each entry of a directory; with `mend` bad ones become GD_BAD, else the first is an
 * error. Two entries for one table would give one range of the disk the content of another.
 */
static int check_directory(const struct vmdk_tables *t, uint64_t at, uint32_t *gd,
	const char *which, bool mend, struct err *err)
{
	_auto_(mem) uint32_t *sorted = NULL;
	uint64_t n;
	int r;

	for (uint64_t i = 0; i < t->count; i++) {
		const char *what;

		if (!gd[i] || (mend && gd[i] == GD_BAD))
			continue;
		if (!range_ok((uint64_t)gd[i] * VMDK_SECTOR, VMDK_GT_LEN, t->file->size))
			r = err_set(err, EINVAL,
				"%s: grain table %" PRIu64 " at sector %u: outside the file of "
				"%" PRIu64 " sectors",
				which, i, gd[i], t->file->size / VMDK_SECTOR);
		else if ((what = touches(t, gd[i], VMDK_GT_LEN / VMDK_SECTOR)))
			r = err_set(err, EINVAL, "%s: grain table %" PRIu64 " at sector %u: %s",
				which, i, gd[i], what);
		else if (overlaps(gd[i], VMDK_GT_LEN / VMDK_SECTOR, at, gd_sectors(t)))
			r = err_set(err, EINVAL,
				"%s: grain table %" PRIu64 " at sector %u: it lies on the "
				"directory itself",
				which, i, gd[i]);
		else
			continue;
		if (!mend)
			return r;
		gd[i] = GD_BAD;
	}
	sorted = sorted_entries(gd, t->count, &n);
	for (uint64_t i = 1; i < n; i++)
		if (sorted[i] - sorted[i - 1] < VMDK_GT_LEN / VMDK_SECTOR)
			return err_set(err, EINVAL,
				"%s: two grain tables overlap, at sectors %u and %u", which,
				sorted[i - 1], sorted[i]);
	return 0;
}

/* Where a directory may be. */
struct place {
	const char *which;
	uint64_t at;
};

/* Takes the first whole directory of `places`, and the next whole one as its copy. */
static int pick_directory(
	struct vmdk_tables *t, const struct place *places, size_t n, struct err *err)
{
	struct err first = {0};

	for (size_t i = 0; i < n; i++) {
		_auto_(mem) uint32_t *gd = NULL;
		struct err why = {0};
		int r;

		if (t->gd && places[i].at == t->gd_at)
			continue;
		r = read_directory(t, places[i].at, places[i].which, &gd, &why);
		if (!r)
			r = check_directory(t, places[i].at, gd, places[i].which, false, &why);
		if (r == -EINVAL) {
			log_debug("vmdk", "%s: %s", t->file->label, why.text);
			if (!first.code)
				first = why;
		} else if (r < 0) {
			return err_pass(err, &why);
		} else if (!t->gd) {
			t->gd = STEAL(gd);
			t->gd_at = places[i].at;
		} else {
			t->other = STEAL(gd);
			t->other_at = places[i].at;
			return 0;
		}
	}
	if (t->gd)
		return 0;
	return err_set(err, EINVAL, "%s", first.code ? first.text : "no grain directory");
}

/* The same when none is whole and the caller wants what there is. */
static int pick_damaged_directory(
	struct vmdk_tables *t, const struct place *places, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		_auto_(mem) uint32_t *gd = NULL;

		if (read_directory(t, places[i].at, places[i].which, &gd, err) < 0 ||
			check_directory(t, places[i].at, gd, places[i].which, true, err) < 0)
			continue;
		t->gd = STEAL(gd);
		t->gd_at = places[i].at;
		return 0;
	}
	return err->code ? -err->code : err_set(err, EINVAL, "no grain directory");
}

static int find_directory(struct vmdk_tables *t, struct err *err)
{
	struct vmdk_header footer;
	struct err why = {0}, no_footer = {0};
	struct place places[4];
	size_t n = 0;
	int r;

	if (t->h.gd_at != VMDK_GD_AT_END)
		places[n++] = (struct place){"grain directory", t->h.gd_at};
	if ((t->h.flags & VMDK_REDUNDANT) && t->h.rgd_at)
		places[n++] = (struct place){"redundant grain directory", t->h.rgd_at};
	if (t->h.compressed) {
		r = vmdk_footer_find(&footer, &t->h, t->file, &no_footer);
		if (r < 0 && r != -ENODATA)
			return err_pass(err, &no_footer);
		if (!r)
			places[n++] = (struct place){"footer's grain directory", footer.gd_at};
		if (!r && (footer.flags & VMDK_REDUNDANT) && footer.rgd_at)
			places[n++] = (struct place){
				"footer's redundant grain directory", footer.rgd_at};
	}
	r = pick_directory(t, places, n, &why);
	if (!r || r != -EINVAL)
		return r ? err_pass(err, &why) : 0;
	if (!n && no_footer.code)
		why = no_footer;
	if (!t->h.compressed) {
		struct err lost = {0};

		if (t->damaged_ok && !pick_damaged_directory(t, places, n, &lost))
			return 0;
		return err_set(err, EINVAL, "%s", why.text);
	}
	/* A stream names the place of each grain in front of it: it can be read without tables,
	 * and where its end is lost, this says how much is there. */
	r = vmdk_walk_new(&t->walk, t->file, &t->h, err);
	if (r < 0 || t->damaged_ok)
		return r;
	return vmdk_walk_describe(t->walk, why.text, err);
}

int vmdk_tables_open(struct vmdk_tables **ret, struct block *file, const struct vmdk_header *h,
	unsigned share, bool damaged_ok, struct err *err)
{
	_auto_(vmdk_tables) struct vmdk_tables *t = xnew(struct vmdk_tables);
	int r;

	pthread_mutex_init(&t->lock, NULL);
	t->file = file;
	t->h = *h;
	t->count = vmdk_table_count(h);
	t->damaged_ok = damaged_ok;
	r = t->count ? find_directory(t, err) : 0;
	if (r < 0)
		return r;
	t->empty = xcalloc(t->count / 8 + 1, 1);
	/* What one read brings must fit. */
	t->slot_count = MAX((size_t)SLOTS / share, (size_t)BATCH);
	t->slots = xcalloc(t->slot_count, sizeof(*t->slots));
	if (t->gd && !h->compressed) {
		t->sorted = sorted_entries(t->gd, t->count, &t->sorted_count);
		/* What lies wholly in the overhead is out of the grains' reach anyway. */
		if (!t->sorted_count ||
			t->sorted[t->sorted_count - 1] + (uint64_t)VMDK_GT_LEN / VMDK_SECTOR <=
				h->overhead) {
			free(STEAL(t->sorted));
			t->sorted_count = 0;
		}
	}
	*ret = STEAL(t);
	return 0;
}

void vmdk_tables_free(struct vmdk_tables *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->slot_count; i++)
		free(t->slots[i]);
	free(t->slots);
	vmdk_walk_free(t->walk);
	free(t->gd);
	free(t->other);
	free(t->sorted);
	free(t->empty);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

/* Does [at, at + len) (sectors) lie on a table? Two rising neighbours decide. */
static bool on_a_table(const struct vmdk_tables *t, uint64_t at, uint64_t len)
{
	uint64_t lo = 0, hi = t->sorted_count;

	while (lo < hi) { /* the first table that ends behind `at` */
		uint64_t mid = lo + (hi - lo) / 2;

		if (t->sorted[mid] + (uint64_t)VMDK_GT_LEN / VMDK_SECTOR <= at)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < t->sorted_count && t->sorted[lo] < at + len;
}

/* Why no grain can be at this sector; NULL when one can. */
static const char *objection(const struct vmdk_tables *t, uint64_t grain, uint32_t gte)
{
	uint64_t at = (uint64_t)gte * VMDK_SECTOR;
	uint64_t len = t->h.compressed ? VMDK_MARKER_LEN : vmdk_grain_used(&t->h, grain);
	uint64_t sectors = div_up(len, VMDK_SECTOR);

	if (gte == VMDK_GTE_LOST)
		return "its grain table is lost, or the table's two copies contradict each other";
	if (!range_ok(at, len, t->file->size))
		return "it lies outside the file";
	if (!t->h.compressed && gte < t->h.overhead)
		return "it lies below the first grain, among the metadata";
	if (touches(t, gte, sectors))
		return touches(t, gte, sectors);
	if (t->sorted && on_a_table(t, gte, sectors))
		return "it lies on a grain table";
	return NULL;
}

static bool is_special(const struct vmdk_tables *t, uint32_t gte)
{
	return gte == VMDK_GTE_HOLE ||
	       (gte == VMDK_GTE_ZERO && (t->h.flags & VMDK_ZERO_GRAINS));
}

int vmdk_tables_check(
	const struct vmdk_tables *t, uint64_t grain, uint32_t gte, struct err *err)
{
	const char *why = objection(t, grain, gte);

	if (!why)
		return 0;
	if (gte == VMDK_GTE_LOST)
		return err_set(err, EINVAL,
			"grain %" PRIu64 " (LBA %" PRIu64 "), grain table %" PRIu64
			" entry %u: %s",
			grain, grain * t->h.grain_sectors, grain / VMDK_GTES,
			(unsigned)(grain % VMDK_GTES), why);
	return err_set(err, EINVAL,
		"grain %" PRIu64 " (LBA %" PRIu64 "), grain table %" PRIu64
		" entry %u: sector %u: %s (the file has %" PRIu64 " sectors)",
		grain, grain * t->h.grain_sectors, grain / VMDK_GTES,
		(unsigned)(grain % VMDK_GTES), gte, why, t->file->size / VMDK_SECTOR);
}

/* Reads tables i .. i + n - 1 of a directory, which lie side by side there or are 0 (read as
 * zeros) or bad (filled with ones), into buf. */
static int read_tables(struct vmdk_tables *t, const uint32_t *gd, uint64_t i, size_t n,
	uint8_t *buf, struct err *err)
{
	for (size_t k = 0, run; k < n; k += run, buf += run * VMDK_GT_LEN) {
		uint64_t at = gd[i + k];
		int r;

		run = 1;
		if (!at || at == GD_BAD) {
			memset(buf, at ? 0xff : 0, VMDK_GT_LEN);
			continue;
		}
		while (k + run < n && gd[i + k + run] == at + run * (VMDK_GT_LEN / VMDK_SECTOR))
			run++;
		r = block_pread(t->file, buf, run * VMDK_GT_LEN, at * VMDK_SECTOR, err);
		if (r < 0)
			return err_prefix(
				err, "grain table %" PRIu64 " at sector %" PRIu64, i + k, at);
	}
	return 0;
}

/* One entry out of its two copies. */
static uint32_t merge(const struct vmdk_tables *t, uint64_t grain, uint32_t a, uint32_t b)
{
	bool a_good, b_good;

	if (a == b || grain >= vmdk_grains(&t->h))
		return a;
	a_good = !is_special(t, a) && !objection(t, grain, a);
	b_good = !is_special(t, b) && !objection(t, grain, b);
	if (a_good && b_good)
		return t->damaged_ok ? a : VMDK_GTE_LOST;
	/* An entry that points somewhere beats one that says "nothing" and one that cannot be. */
	if (a_good || b_good)
		return a_good ? a : b;
	return is_special(t, b) ? b : a;
}

static bool is_empty(const struct vmdk_tables *t, uint64_t table)
{
	return (t->gd && !t->gd[table] && (!t->other || !t->other[table])) ||
	       (t->empty[table / 8] & 1 << table % 8);
}

/* Puts one table as it was read into its slot, or notes that it is empty. */
static void keep(
	struct vmdk_tables *t, uint64_t table, const uint8_t *raw, const uint8_t *other)
{
	struct slot **slot = &t->slots[table % t->slot_count];

	if (bytes_are_zero(raw, VMDK_GT_LEN) &&
		(!other || bytes_are_zero(other, VMDK_GT_LEN))) {
		t->empty[table / 8] |= 1 << table % 8;
		return;
	}
	if (!*slot)
		*slot = xnew(struct slot);
	(*slot)->table = table;
	for (unsigned k = 0; k < VMDK_GTES; k++)
		(*slot)->gte[k] = le32_load(raw + k * 4);
	if (!other || !memcmp(raw, other, VMDK_GT_LEN))
		return;
	for (unsigned k = 0; k < VMDK_GTES; k++)
		(*slot)->gte[k] = merge(
			t, table * VMDK_GTES + k, (*slot)->gte[k], le32_load(other + k * 4));
}

/* How many tables from `table` on can be read at once. */
static size_t batch_len(const struct vmdk_tables *t, uint64_t table)
{
	size_t n = 1;

	while (n < BATCH && table + n < t->count && t->gd[table] && t->gd[table] != GD_BAD &&
		t->gd[table + n] == t->gd[table] + n * (VMDK_GT_LEN / VMDK_SECTOR))
		n++;
	return n;
}

static int load(struct vmdk_tables *t, uint64_t table, struct err *err)
{
	size_t n = t->gd ? batch_len(t, table) : 1;
	_auto_(mem) uint8_t *raw = xmalloc(n * VMDK_GT_LEN);
	_auto_(mem) uint8_t *other = t->other ? xmalloc(n * VMDK_GT_LEN) : NULL;
	struct err why = {0};
	int r;

	if (t->walk) {
		vmdk_walk_table(t->walk, table, raw);
		keep(t, table, raw, NULL);
		return 0;
	}
	r = read_tables(t, t->gd, table, n, raw, &why);
	if (r < 0 && n > 1) { /* a neighbour's trouble is not this table's */
		n = 1;
		r = read_tables(t, t->gd, table, n, raw, err);
	} else if (r < 0) {
		err_pass(err, &why);
	}
	if (!r && other)
		r = read_tables(t, t->other, table, n, other, err);
	if (r < 0)
		return r;
	for (size_t k = 0; k < n; k++)
		keep(t, table + k, raw + k * VMDK_GT_LEN,
			other ? other + k * VMDK_GT_LEN : NULL);
	return 0;
}

/* The table's entries (valid while the lock is held), or NULL in *ret for an empty one. */
static int find(struct vmdk_tables *t, uint64_t table, const uint32_t **ret, struct err *err)
{
	struct slot *slot;
	int r;

	*ret = NULL;
	if (is_empty(t, table))
		return 0;
	slot = t->slots[table % t->slot_count];
	if (!slot || slot->table != table) {
		r = load(t, table, err);
		if (r < 0 || is_empty(t, table))
			return r;
		slot = t->slots[table % t->slot_count];
	}
	*ret = slot->gte;
	return 0;
}

int vmdk_tables_get(
	struct vmdk_tables *t, uint64_t first, size_t count, uint32_t *gte, struct err *err)
{
	int r = 0;

	pthread_mutex_lock(&t->lock);
	while (count) {
		size_t at = first % VMDK_GTES, n = MIN(count, VMDK_GTES - at);
		const uint32_t *table;

		r = find(t, first / VMDK_GTES, &table, err);
		if (r < 0)
			break;
		if (table)
			memcpy(gte, table + at, n * sizeof(*gte));
		else
			memset(gte, 0, n * sizeof(*gte));
		first += n;
		count -= n;
		gte += n;
	}
	pthread_mutex_unlock(&t->lock);
	return r;
}

static enum vmdk_run kind_of(const struct vmdk_tables *t, uint64_t grain, uint32_t gte)
{
	if (gte == VMDK_GTE_HOLE)
		return VMDK_RUN_HOLE;
	if (is_special(t, gte))
		return VMDK_RUN_ZERO;
	return objection(t, grain, gte) ? VMDK_RUN_LOST : VMDK_RUN_DATA;
}

int vmdk_tables_run(struct vmdk_tables *t, uint64_t first, uint64_t max, enum vmdk_run *kind,
	uint64_t *count, struct err *err)
{
	uint64_t grain = first, end = first + max;
	int r = 0;

	pthread_mutex_lock(&t->lock);
	for (unsigned looked = 0; grain < end && looked < MAX_RUN_TABLES;) {
		uint64_t stop = MIN(end, align_down(grain, VMDK_GTES) + VMDK_GTES);
		const uint32_t *table;

		if (!is_empty(t, grain / VMDK_GTES))
			looked++;
		r = find(t, grain / VMDK_GTES, &table, err);
		if (r < 0)
			break;
		if (grain == first)
			*kind = table ? kind_of(t, grain, table[grain % VMDK_GTES])
				      : VMDK_RUN_HOLE;
		if (!table) {
			if (*kind != VMDK_RUN_HOLE)
				break;
			grain = stop;
			continue;
		}
		while (grain < stop && kind_of(t, grain, table[grain % VMDK_GTES]) == *kind)
			grain++;
		if (grain < stop)
			break;
	}
	pthread_mutex_unlock(&t->lock);
	*count = grain - first;
	return *count ? 0 : r;
}
