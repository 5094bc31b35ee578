// SPDX-License-Identifier: LGPL-2.1-or-later
/* block_cow: copy on write into a temporary file. */
#include "formats/block/block_cow.h"

#include "formats/base/alloc.h"
#include "formats/block/block_file.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNIT ((uint64_t)BLOCK_COW_UNIT)

/* One byte of state each: 1 GiB of (lazily used) memory for 64 TiB. */
#define MAX_UNITS (UINT64_C(1) << 30)

/* Locks for partial writes; a unit's number chooses. */
#define SHARDS 16

enum { BELOW, DATA, ZERO };

struct cow {
	struct block *below;
	struct block *temp; /* as long as the block */
	uint8_t *units;     /* states; atomic: set only after the temp file has the bytes */
	uint64_t changed;   /* units not BELOW; atomic */
	pthread_mutex_t shards[SHARDS]; /* writers of parts of a unit */
};

static void cow_free(struct block *b)
{
	struct cow *c = b->self;

	block_free(c->below);
	block_free(c->temp);
	for (unsigned i = 0; i < SHARDS; i++)
		pthread_mutex_destroy(&c->shards[i]);
	free(c->units);
	free(c);
}

static unsigned unit_state(struct cow *c, uint64_t unit)
{
	return __atomic_load_n(&c->units[unit], __ATOMIC_ACQUIRE);
}

static void set_state(struct cow *c, uint64_t unit, unsigned state)
{
	if (__atomic_exchange_n(&c->units[unit], (uint8_t)state, __ATOMIC_ACQ_REL) == BELOW)
		__atomic_add_fetch(&c->changed, 1, __ATOMIC_RELAXED);
}

/* From `off` on, how many bytes (at most max) are in units of one state. */
static uint64_t same_state(struct cow *c, uint64_t off, uint64_t max, unsigned *state)
{
	uint64_t unit = off / UNIT, end = off + max;

	*state = unit_state(c, unit);
	do {
		unit++;
	} while (unit * UNIT < end && unit_state(c, unit) == *state);
	return MIN(unit * UNIT, end) - off;
}

static int cow_pread(struct block *b, void *buf, size_t len, uint64_t off, struct err *err)
{
	struct cow *c = b->self;

	for (uint8_t *p = buf; len;) {
		unsigned state;
		size_t n = same_state(c, off, len, &state);
		int r = 0;

		if (state == ZERO)
			memset(p, 0, n);
		else
			r = block_pread(state == DATA ? c->temp : c->below, p, n, off, err);
		if (r < 0)
			return r;
		p += n;
		off += n;
		len -= n;
	}
	return 0;
}

/* Part of one unit, `data` NULL for zeros. The rest of the unit is copied up. */
static int write_part(
	struct block *b, const uint8_t *data, size_t len, uint64_t off, struct err *err)
{
	struct cow *c = b->self;
	uint64_t unit = off / UNIT, start = unit * UNIT;
	size_t unit_len = MIN(UNIT, b->size - start);
	_auto_(mem) uint8_t *buf = NULL;
	int r = 0;

	pthread_mutex_lock(&c->shards[unit % SHARDS]);
	if (unit_state(c, unit) == DATA) {
		r = data ? block_pwrite(c->temp, data, len, off, err)
			 : block_zero(c->temp, off, len, 0, err);
		goto out;
	}
	if (unit_state(c, unit) == ZERO && !data)
		goto out;
	buf = xaligned(4096, unit_len);
	if (unit_state(c, unit) == ZERO)
		memset(buf, 0, unit_len);
	else
		r = block_pread(c->below, buf, unit_len, start, err);
	if (r < 0)
		goto out;
	if (data)
		memcpy(buf + (off - start), data, len);
	else
		memset(buf + (off - start), 0, len);
	r = block_pwrite(c->temp, buf, unit_len, start, err);
	if (r >= 0)
		set_state(c, unit, DATA);
out:
	pthread_mutex_unlock(&c->shards[unit % SHARDS]);
	return r;
}

/* How much of [off, off + len) to handle next; *whole: it is one or more whole units. */
static uint64_t next_piece(struct block *b, uint64_t off, uint64_t len, bool *whole)
{
	uint64_t end = off + len;

	if (end != b->size)
		end = align_down(end, UNIT);
	*whole = is_aligned(off, UNIT) && end > off;
	if (*whole)
		return end - off;
	return MIN(len, UNIT - off % UNIT);
}

static int cow_pwrite(
	struct block *b, const void *buf, size_t len, uint64_t off, struct err *err)
{
	struct cow *c = b->self;

	for (const uint8_t *p = buf; len;) {
		bool whole;
		size_t n = next_piece(b, off, len, &whole);
		int r = whole ? block_pwrite(c->temp, p, n, off, err)
			      : write_part(b, p, n, off, err);

		if (r < 0)
			return r;
		for (uint64_t done = 0; whole && done < n; done += UNIT)
			set_state(c, (off + done) / UNIT, DATA);
		p += n;
		off += n;
		len -= n;
	}
	return 0;
}

/* Whole units become zeros; what the temp file had for them is given back. */
static int forget(struct block *b, uint64_t off, uint64_t len, struct err *err)
{
	struct cow *c = b->self;
	uint64_t end = off + len;
	int r = 0;

	while (off < end && r >= 0) {
		unsigned state;
		uint64_t n = same_state(c, off, end - off, &state);

		for (uint64_t done = 0; state != ZERO && done < n; done += UNIT)
			set_state(c, (off + done) / UNIT, ZERO);
		if (state == DATA)
			r = block_discard(c->temp, off, n, err);
		off += n;
	}
	return r;
}

static int cow_zero(
	struct block *b, uint64_t off, uint64_t len, unsigned flags, struct err *err)
{
	while (len) {
		bool whole;
		uint64_t n = next_piece(b, off, len, &whole);
		int r = whole ? forget(b, off, n, err) : write_part(b, NULL, n, off, err);

		if (r < 0)
			return r;
		off += n;
		len -= n;
	}
	return 0;
}

static int cow_discard(struct block *b, uint64_t off, uint64_t len, struct err *err)
{
	uint64_t start = align_up(off, UNIT), end = off + len;

	if (end != b->size)
		end = align_down(end, UNIT);
	return start < end ? forget(b, start, end - start, err) : 0;
}

static int cow_flush(struct block *b, struct err *err)
{
	/* The temporary file does not outlive the process: nothing needs to be stable. */
	return 0;
}

static int cow_extent(struct block *b, uint64_t off, uint64_t max, uint64_t *len,
	unsigned *flags, struct err *err)
{
	struct cow *c = b->self;
	unsigned state;

	*len = same_state(c, off, max, &state);
	*flags = state == ZERO ? BLOCK_ZERO | BLOCK_HOLE : 0;
	return state == BELOW ? block_extent_below(c->below, off, *len, len, flags, err) : 0;
}

static const struct block_ops cow_ops = {
	.name = "cow",
	.free = cow_free,
	.pread = cow_pread,
	.pwrite = cow_pwrite,
	.zero = cow_zero,
	.discard = cow_discard,
	.flush = cow_flush,
	.extent = cow_extent,
};

/* A file without a name, `size` bytes of hole. */
static int open_temp(struct block **ret, const char *dir, uint64_t size, struct err *err)
{
	_auto_(fd) int fd = open(dir, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
	_auto_(mem) char *label = xasprintf("temporary file in %s", dir);
	_auto_(block) struct block *temp = NULL;
	int r;

	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
		_auto_(mem) char *path = xasprintf("%s/.wherry-XXXXXX", dir);

		fd = mkostemp(path, O_CLOEXEC);
		if (fd >= 0)
			unlink(path);
	}
	if (fd < 0)
		return err_set_errno(err, errno, "cannot create a %s", label);
	r = block_file_from_fd(&temp, fd, label, BLOCK_FILE_WRITE, err);
	if (r < 0)
		return r;
	fd = -1;
	r = block_resize(temp, size, err);
	if (r >= 0)
		*ret = STEAL(temp);
	return r;
}

static const char *temp_dir(const char *dir)
{
	if (!dir)
		dir = getenv("TMPDIR");
	return dir && *dir ? dir : "/var/tmp";
}

int block_cow_new(
	struct block **ret, struct block *take_below, const char *dir, struct err *err)
{
	uint64_t size = block_size(take_below);
	_auto_(block) struct block *temp = NULL;
	_auto_(mem) void *units = NULL;
	struct cow *c;
	int r;

	r = alloc_limited(&units, div_up(size, UNIT), 1, MAX_UNITS, "units of an overlay", err);
	if (r < 0)
		return err_prefix(err, "%s", take_below->label);
	r = open_temp(&temp, temp_dir(dir), size, err);
	if (r < 0)
		return err_prefix(err, "overlay of %s", take_below->label);
	c = xnew(struct cow);
	c->below = take_below;
	c->temp = STEAL(temp);
	c->units = STEAL(units);
	for (unsigned i = 0; i < SHARDS; i++)
		pthread_mutex_init(&c->shards[i], NULL);
	*ret = block_alloc(&cow_ops, c, size, take_below->label);
	(*ret)->preferred = BLOCK_COW_UNIT;
	return 0;
}

uint64_t block_cow_changed(struct block *b)
{
	struct cow *c = b->self;

	assert(b->ops == &cow_ops);
	return MIN(__atomic_load_n(&c->changed, __ATOMIC_RELAXED) * UNIT, b->size);
}
