// SPDX-License-Identifier: LGPL-2.1-or-later
/* vhdx_log: finds the active sequence in the log and lays its writes over the file; section 2.3.
 *
 * The log is a ring of sectors of 4 KiB. Which sectors begin a whole entry is found out once for
 * all of them, because the search for the newest sequence may come by often. */
#include "formats/vhdx/vhdx.h"

#include "formats/base/alloc.h"
#include "formats/base/crc32c.h"
#include "formats/base/log.h"
#include "formats/vhdx/vhdx_overlay.h"

#include <inttypes.h>

#define ENTRY_HEADER 64
#define DESCRIPTOR   32

/* Entries do not overlap in a log that is in order, so checking all of them reads the log about
 * once; a log that makes one read it more often than this is none. */
#define MAX_CHECKED_LOGS 4

/* An entry at some sector of the log. */
struct entry {
	uint32_t sectors; /* 0: no whole entry begins here */
	uint32_t tail;    /* sector of the log */
	uint32_t descriptors;
	uint64_t sequence, flushed, last;
};

struct log {
	const struct vhdx_header *header;
	const char *name;
	uint64_t file_size;
	uint8_t *bytes;
	uint32_t sectors;
	struct entry *entries; /* one per sector */

	/* The active sequence: its first and last entry's sector. */
	uint32_t tail, head;
	bool found;

	struct vhdx_write *writes;
	size_t write_count;
};

/* Sector i of the ring, counted from anywhere. */
static uint8_t *sector(const struct log *l, uint64_t i)
{
	return l->bytes + i % l->sectors * VHDX_SECTOR;
}

/* ---- entries ---- */

static uint32_t entry_crc(const struct log *l, uint32_t at, uint32_t count)
{
	static const uint8_t zero[4];
	const uint8_t *p = sector(l, at);
	uint32_t crc = crc32c(crc32c(0, p, 4), zero, sizeof(zero));

	crc = crc32c(crc, p + 8, VHDX_SECTOR - 8);
	for (uint32_t i = 1; i < count; i++)
		crc = crc32c(crc, sector(l, (uint64_t)at + i), VHDX_SECTOR);
	return crc;
}

/* Reads the entry that begins at this sector, if a whole one does. *budget: how many sectors may
 * still be checked. */
static int read_entry(struct log *l, uint32_t at, uint64_t *budget, struct err *err)
{
	const uint8_t *p = sector(l, at);
	struct entry *e = &l->entries[at];
	uint32_t len = le32_load(p + 8), tail = le32_load(p + 12);

	if (memcmp(p, "loge", 4) != 0 ||
		memcmp(p + 32, l->header->log_guid, VHDX_GUID_LEN) != 0)
		return 0;
	if (!len || !is_aligned(len, VHDX_SECTOR) || len > l->header->log.len ||
		!is_aligned(tail, VHDX_SECTOR) || tail >= l->header->log.len)
		return 0;
	if (len / VHDX_SECTOR > *budget)
		return err_set(err, EINVAL,
			"log: entries that overlap each other (sector %" PRIu32 ")", at);
	*budget -= len / VHDX_SECTOR;
	e->sequence = le64_load(p + 16);
	if (!e->sequence || entry_crc(l, at, len / VHDX_SECTOR) != le32_load(p + 4))
		return 0;
	e->tail = tail / VHDX_SECTOR;
	e->descriptors = le32_load(p + 24);
	e->flushed = le64_load(p + 48);
	e->last = le64_load(p + 56);
	e->sectors = len / VHDX_SECTOR;
	return 0;
}

static int read_entries(struct log *l, struct err *err)
{
	uint64_t budget = (uint64_t)l->sectors * MAX_CHECKED_LOGS;
	int r = 0;

	l->entries = xcalloc(l->sectors, sizeof(*l->entries));
	for (uint32_t i = 0; i < l->sectors && r == 0; i++)
		r = read_entry(l, i, &budget, err);
	return r;
}

/* ---- the active sequence ---- */

/* The longest run of entries from `first` on: *head is its last entry's sector, *length its sectors.
 * Returns whether the head's tail is one of them, that is, whether it is a sequence. */
static bool follow(const struct log *l, uint32_t first, uint32_t *head, uint32_t *length)
{
	uint32_t at = first, total = 0;
	bool has_tail = false;

	/* A second round would need the first entry again, with a higher number. */
	while (l->entries[at].sectors && l->entries[at].sectors <= l->sectors - total) {
		const struct entry *e = &l->entries[at];

		if (total && e->sequence != l->entries[*head].sequence + 1)
			break;
		*head = at;
		total += e->sectors;
		at = (uint32_t)(((uint64_t)at + e->sectors) % l->sectors);
	}
	*length = total;
	if (!total)
		return false;
	for (at = first; !has_tail; at = (at + l->entries[at].sectors) % l->sectors) {
		has_tail = at == l->entries[*head].tail;
		if (at == *head)
			break;
	}
	return has_tail;
}

/* Sets tail, head and found. Starts at every sector, but not in the middle of a sequence. */
static void find_active(struct log *l)
{
	for (uint32_t first = 0; first < l->sectors;) {
		uint32_t head = 0, length = 0;
		bool valid = follow(l, first, &head, &length);

		if (valid && (!l->found || l->entries[head].sequence >
						   l->entries[l->head].sequence)) {
			l->found = true;
			l->head = head;
			l->tail = l->entries[head].tail;
		}
		first += valid ? length : 1;
	}
}

/* ---- writes ---- */

/* What is wrong with a write to the file; NULL = nothing. */
static const char *bad_write(const struct log *l, uint64_t off, uint64_t len)
{
	const struct vhdx_region *log = &l->header->log;

	if (!is_aligned(off, VHDX_SECTOR) || !is_aligned(len, VHDX_SECTOR) ||
		!range_ok(off, len, BLOCK_MAX_SIZE - VHDX_SECTOR))
		return "not whole sectors of a file";
	if (off < 192 * KiB) /* the file's identifier and the headers */
		return "on the header, which the log does not change";
	if (off < log->off + log->len && off + len > log->off)
		return "on the log itself";
	return NULL;
}

/* The data sector of an entry becomes the 4 KiB that it stands for. */
static const uint8_t *restore(uint8_t *data, const uint8_t *desc, uint64_t sequence)
{
	if (memcmp(data, "data", 4) != 0 || le32_load(data + 4) != sequence >> 32 ||
		le32_load(data + VHDX_SECTOR - 4) != (uint32_t)sequence)
		return NULL;
	memcpy(data, desc + 8, 8);
	memcpy(data + VHDX_SECTOR - 4, desc + 4, 4);
	return data;
}

/* Adds the write of one descriptor. `data`: sector of the entry for the next data. Returns what is wrong with it. */
static const char *add_write(
	struct log *l, uint32_t at, const uint8_t *desc, uint32_t *data, struct vhdx_write *w)
{
	const struct entry *e = &l->entries[at];
	const char *why;

	w->off = le64_load(desc + 16);
	if (le64_load(desc + 24) != e->sequence)
		return "has another sequence number";
	if (!memcmp(desc, "zero", 4)) {
		w->len = le64_load(desc + 8);
		w->bytes = NULL;
		return bad_write(l, w->off, w->len);
	}
	if (memcmp(desc, "desc", 4) != 0)
		return "is neither data nor zeros";
	w->len = VHDX_SECTOR;
	why = bad_write(l, w->off, w->len);
	if (why)
		return why;
	if (*data >= e->sectors)
		return "has no data sector";
	w->bytes = restore(sector(l, (uint64_t)at + (*data)++), desc, e->sequence);
	return w->bytes ? NULL : "has a data sector of something else";
}

/* Descriptors follow the entry's header; where their sectors end, the data begins. */
static int replay_entry(struct log *l, uint32_t at, struct err *err)
{
	const struct entry *e = &l->entries[at];
	uint64_t descriptor_bytes = ENTRY_HEADER + (uint64_t)e->descriptors * DESCRIPTOR;
	uint32_t data = (uint32_t)MIN(div_up(descriptor_bytes, VHDX_SECTOR), UINT64_C(1) << 31);

	if (data > e->sectors || e->descriptors > VHDX_MAX_LOG_WRITES - l->write_count)
		return err_set(err, EINVAL,
			"log: entry %" PRIu64 " at sector %" PRIu32 ": %" PRIu32
			" descriptors in %" PRIu32 " sectors (at most %d in all entries)",
			e->sequence, at, e->descriptors, e->sectors, VHDX_MAX_LOG_WRITES);
	l->writes =
		xrealloc(l->writes, l->write_count + e->descriptors + 1, sizeof(*l->writes));
	for (uint32_t i = 0; i < e->descriptors; i++) {
		uint64_t pos = ENTRY_HEADER + (uint64_t)i * DESCRIPTOR;
		const uint8_t *desc = sector(l, at + pos / VHDX_SECTOR) + pos % VHDX_SECTOR;
		struct vhdx_write *w = &l->writes[l->write_count];
		const char *why = add_write(l, at, desc, &data, w);

		if (why)
			return err_set(err, EINVAL,
				"log: entry %" PRIu64 " at sector %" PRIu32
				": descriptor %" PRIu32 " (file offset %" PRIu64 "): %s",
				e->sequence, at, i, w->off, why);
		l->write_count += w->len != 0;
	}
	return 0;
}

/* All writes of the active sequence, oldest first. */
static int replay_sequence(struct log *l, struct err *err)
{
	const struct entry *head = &l->entries[l->head];
	uint32_t at = l->tail;
	int r;

	if (head->flushed > l->file_size)
		return err_set(err, EINVAL,
			"log: the file had %" PRIu64
			" bytes when it was written, and has %" PRIu64 ": it was cut off",
			head->flushed, l->file_size);
	if (head->last > BLOCK_MAX_SIZE)
		return err_set(err, EINVAL, "log: a file of %" PRIu64 " bytes", head->last);
	for (;;) {
		r = replay_entry(l, at, err);
		if (r < 0 || at == l->head)
			return r;
		at = (uint32_t)(((uint64_t)at + l->entries[at].sectors) % l->sectors);
	}
}

static void log_clear(struct log *l)
{
	free(l->bytes);
	free(l->entries);
	free(l->writes);
}

static int load(struct log *l, struct block *file, struct err *err)
{
	const struct vhdx_region *at = &l->header->log;

	if (at->len > VHDX_MAX_LOG)
		return err_set(err, ENOTSUP,
			"log: is not empty, and of %" PRIu64 " bytes (at most %" PRIu64 ")",
			at->len, VHDX_MAX_LOG);
	if (!at->len || !range_ok(at->off, at->len, l->file_size))
		return err_set(err, EINVAL,
			"log: %" PRIu64 " bytes at %" PRIu64 ": outside the file of %" PRIu64
			" bytes",
			at->len, at->off, l->file_size);
	l->bytes = xmalloc(at->len);
	l->sectors = (uint32_t)(at->len / VHDX_SECTOR);
	return block_pread(file, l->bytes, at->len, at->off, err);
}

static int replay(
	struct block **ret, struct log *l, struct block *file, bool damaged_ok, struct err *err)
{
	uint64_t size = l->file_size;
	int r = load(l, file, err);

	if (r == 0)
		r = read_entries(l, err);
	if (r < 0)
		return r;
	find_active(l);
	if (!l->found && damaged_ok) {
		log_debug(
			"vhdx", "%s: the log has no whole sequence: read without it", l->name);
		*ret = block_ref(file);
		return 0;
	}
	if (!l->found)
		return err_set(err, EINVAL,
			"log: is not empty, and has no whole sequence of entries: what was "
			"written last is lost");
	r = replay_sequence(l, err);
	if (r < 0)
		return r;
	size = MAX(size, l->entries[l->head].last);
	for (size_t i = 0; i < l->write_count; i++)
		size = MAX(size, l->writes[i].off + l->writes[i].len);
	log_debug("vhdx", "%s: log: entries up to %" PRIu64 ", %zu writes over the file",
		l->name, l->entries[l->head].sequence, l->write_count);
	*ret = vhdx_overlay_new(
		block_ref(file), size, l->writes, l->write_count, STEAL(l->bytes));
	return 0;
}

int vhdx_log_replay(struct block **ret, struct block *file, const struct vhdx_header *h,
	bool damaged_ok, struct err *err)
{
	struct log l = {.header = h, .name = file->label, .file_size = block_size(file)};
	int r = 0;

	if (bytes_are_zero(h->log_guid, VHDX_GUID_LEN))
		*ret = block_ref(file);
	else
		r = replay(ret, &l, file, damaged_ok, err);
	log_clear(&l);
	return r;
}
