// SPDX-License-Identifier: LGPL-2.1-or-later
/* copy: plan, workers, writer. */
#include "formats/copy/copy.h"

#include "formats/base/alloc.h"
#include "formats/base/io.h"
#include "formats/base/log.h"

#include <inttypes.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

/* What is read and written at a time, if the blocks do not prefer more. A write of 1 MiB is
 * enough for the disk; twice that halves the number of waits. */
#define CHUNK     (2 * MiB)
#define MAX_CHUNK (8 * MiB)

/* Zeros are looked for in units of at least this; a chunk has at most 64 (bits of a word). */
#define MIN_UNIT (64 * KiB)

#define DEFAULT_MEMORY (64 * MiB)
#define MAX_SLOTS      1024
#define MAX_THREADS    16

/* How long the writer waits for the workers before it asks the listener whether to go on. */
#define HEARTBEAT_NS 200000000

/* A chunk, or a hole of any length. */
struct item {
	uint64_t off, len;
	bool hole;     /* all of it; there is no buffer */
	bool all_data; /* the plan knows: no need to look at the extents */
	bool finished; /* by its worker */
	uint64_t data; /* bit per unit: not zero */
	uint64_t read, holes;
	uint8_t *buf;
	int result;
	struct err err;
};

struct copy {
	struct block *src, *dst;
	struct copy_opts opts;
	struct copy_stats stats; /* the writer's */
	uint64_t size;
	uint64_t chunk, unit; /* powers of two */
	unsigned slots;
	double start;

	pthread_mutex_t plan_lock; /* one worker plans at a time */
	uint64_t planned;          /* up to here; a multiple of chunk, or size */
	uint64_t data_end;         /* the source said "data" up to here */

	pthread_mutex_t lock; /* below; taken inside plan_lock */
	pthread_cond_t room;  /* the writer gave back an item, or stop */
	pthread_cond_t ready; /* a worker finished an item */
	struct item *items;   /* a ring: number n is items[n % slots] */
	uint64_t taken;       /* numbers below are with workers or finished */
	uint64_t written;     /* numbers below are written */
	uint8_t **spare;      /* buffers that nobody uses, the warmest last */
	unsigned spares;
	bool stop;
};

/* ---- plan ------------------------------------------------------------------------------ */

/* What comes next: a hole that spans whole chunks, or one chunk. Called with plan_lock. */
static int plan_next(struct copy *c, struct item *it, struct err *err)
{
	uint64_t chunk_end = MIN(c->planned + c->chunk, c->size);
	struct extent e;
	int r;

	*it = (struct item){.off = c->planned, .len = chunk_end - c->planned};
	if (c->planned >= c->data_end) {
		r = block_extent(c->src, c->planned, c->size - c->planned, &e, err);
		if (r < 0)
			return r;
		if (!(e.flags & BLOCK_ZERO))
			c->data_end = e.off + e.len;
		else if (e.off + e.len >= chunk_end) {
			uint64_t end = e.off + e.len;

			it->len = (end == c->size ? end : align_down(end, c->chunk)) - it->off;
			it->hole = true;
		}
	}
	it->all_data = chunk_end <= c->data_end;
	c->planned += it->len;
	return 0;
}

/* A buffer of one chunk; called with the lock. There are never more than items in the ring. */
static uint8_t *get_buffer(struct copy *c)
{
	return c->spares ? c->spare[--c->spares] : xaligned(4096, c->chunk);
}

static void put_buffer(struct copy *c, struct item *it)
{
	if (it->buf)
		c->spare[c->spares++] = STEAL(it->buf);
}

/* The next item to work on, NULL when there is none. A failed plan is an item too: its error is
 * met by the writer in its turn. */
static struct item *take_item(struct copy *c)
{
	struct item *it = NULL;
	bool go;

	pthread_mutex_lock(&c->plan_lock);
	pthread_mutex_lock(&c->lock);
	while (!c->stop && c->taken - c->written >= c->slots)
		pthread_cond_wait(&c->room, &c->lock);
	go = !c->stop && c->planned < c->size;
	pthread_mutex_unlock(&c->lock);
	if (go) {
		struct err err = {0};
		struct item next;
		int r = plan_next(c, &next, &err);

		if (r < 0) {
			next.result = r;
			next.err = err;
			c->planned = c->size;
		}
		pthread_mutex_lock(&c->lock);
		if (!next.hole)
			next.buf = get_buffer(c);
		it = &c->items[c->taken++ % c->slots];
		*it = next;
		pthread_mutex_unlock(&c->lock);
	}
	pthread_mutex_unlock(&c->plan_lock);
	return it;
}

/* ---- workers --------------------------------------------------------------------------- */

/* Fills the item's buffer: data is read, what the extents call zero is not. */
static int read_item(struct copy *c, struct item *it, struct err *err)
{
	uint64_t end = it->off + it->len;
	struct extent e;
	int r = 0;

	for (uint64_t off = it->off; off < end && r >= 0; off += e.len) {
		uint8_t *p = it->buf + (off - it->off);

		if (it->all_data)
			e = (struct extent){.off = off, .len = end - off};
		else
			r = block_extent(c->src, off, end - off, &e, err);
		if (r < 0)
			break;
		if (e.flags & BLOCK_ZERO) {
			memset(p, 0, e.len);
			it->holes += e.len;
		} else {
			r = block_pread(c->src, p, e.len, off, err);
			it->read += e.len;
		}
	}
	return r;
}

static void find_data(struct copy *c, struct item *it)
{
	for (uint64_t at = 0, bit = 0; at < it->len; at += c->unit, bit++)
		if (!bytes_are_zero(it->buf + at, MIN(c->unit, it->len - at)))
			it->data |= UINT64_C(1) << bit;
}

static void *worker(void *arg)
{
	struct copy *c = arg;
	struct item *it;

	while ((it = take_item(c))) {
		if (it->hole)
			it->holes = it->len;
		else if (it->result >= 0)
			it->result = read_item(c, it, &it->err);
		if (!it->hole && it->result >= 0)
			find_data(c, it);
		pthread_mutex_lock(&c->lock);
		it->finished = true;
		pthread_cond_signal(&c->ready);
		pthread_mutex_unlock(&c->lock);
	}
	return NULL;
}

/* ---- writer ---------------------------------------------------------------------------- */

static struct timespec heartbeat(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += HEARTBEAT_NS;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	return t;
}

/* Waits until the oldest item is finished. -ECANCELED when the listener has had enough. */
static int wait_for_item(struct copy *c, uint64_t done, struct item **ret, struct err *err)
{
	struct timespec until = heartbeat();
	struct item *it = &c->items[c->written % c->slots];
	int r = 0;

	pthread_mutex_lock(&c->lock);
	while (r >= 0 && !(c->taken > c->written && it->finished)) {
		if (pthread_cond_timedwait(&c->ready, &c->lock, &until) != ETIMEDOUT)
			continue;
		pthread_mutex_unlock(&c->lock);
		r = progress_report(c->opts.progress, done, c->size, err);
		until = heartbeat();
		pthread_mutex_lock(&c->lock);
	}
	pthread_mutex_unlock(&c->lock);
	*ret = it;
	return r;
}

/* The oldest item is written; its slot and buffer are free. */
static void give_back(struct copy *c, struct item *it)
{
	pthread_mutex_lock(&c->lock);
	put_buffer(c, it);
	it->finished = false;
	c->written++;
	pthread_cond_signal(&c->room);
	pthread_mutex_unlock(&c->lock);
}

static int write_zeros(struct copy *c, uint64_t off, uint64_t len, struct err *err)
{
	c->stats.zeros += len;
	if (c->opts.target_is_zero)
		return 0;
	return block_zero(c->dst, off, len, BLOCK_MAY_UNMAP, err);
}

/* The chunk in runs of units that are data or zero. */
static int write_chunk(struct copy *c, struct item *it, struct err *err)
{
	uint64_t at = 0, end, bit = 0;
	int r = 0;

	for (; at < it->len && r >= 0; at = end) {
		bool data = it->data >> bit & 1;

		do {
			bit++;
			end = MIN(bit * c->unit, it->len);
		} while (end < it->len && (it->data >> bit & 1) == data);
		if (data) {
			r = block_pwrite(c->dst, it->buf + at, end - at, it->off + at, err);
			c->stats.written += end - at;
		} else {
			r = write_zeros(c, it->off + at, end - at, err);
		}
	}
	return r;
}

static int write_item(struct copy *c, struct item *it, struct err *err)
{
	int r = it->result;

	if (r < 0)
		*err = it->err;
	if (r >= 0)
		r = it->hole ? write_zeros(c, it->off, it->len, err) : write_chunk(c, it, err);
	c->stats.read += it->read;
	c->stats.holes += it->holes;
	if (r < 0)
		return err_prefix(
			err, "copy of the %" PRIu64 " bytes at %" PRIu64, it->len, it->off);
	return 0;
}

/* Waits as long as the bandwidth wants it, asking the listener now and then. */
static int throttle(struct copy *c, uint64_t done, struct err *err)
{
	double until = 0;
	int r = 0;

	if (c->opts.bandwidth)
		until = c->start + (double)c->stats.written / (double)c->opts.bandwidth;
	while (r >= 0 && io_now() < until) {
		double left = MIN(until - io_now(), HEARTBEAT_NS / 1e9);
		struct timespec t = {.tv_nsec = (long)(MAX(left, 0.0) * 1e9)};

		clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
		r = progress_report(c->opts.progress, done, c->size, err);
	}
	return r;
}

static int write_all(struct copy *c, struct err *err)
{
	uint64_t done = 0;
	struct item *it;
	int r = progress_report(c->opts.progress, 0, c->size, err);

	while (done < c->size && r >= 0) {
		r = wait_for_item(c, done, &it, err);
		if (r < 0)
			break;
		r = write_item(c, it, err);
		if (r < 0)
			break;
		done += it->len;
		give_back(c, it);
		r = progress_report(c->opts.progress, done, c->size, err);
		if (r >= 0)
			r = throttle(c, done, err);
	}
	return r;
}

/* ---- the whole ------------------------------------------------------------------------- */

/* Makes dst long enough, and zero beyond the source. */
static int fit_target(struct copy *c, struct err *err)
{
	uint64_t size = block_size(c->dst);

	if (size < c->size && c->dst->growable)
		return block_resize(c->dst, c->size, err);
	if (size < c->size)
		return err_set(err, EINVAL,
			"%s: %" PRIu64 " bytes are too few for the %" PRIu64 " of %s",
			c->dst->label, size, c->size, c->src->label);
	if (size == c->size || c->opts.target_is_zero)
		return 0;
	return block_zero(c->dst, c->size, size - c->size, BLOCK_MAY_UNMAP, err);
}

/* The chunk: whole units of what both sides prefer, if that is reasonable. */
static void choose_sizes(struct copy *c)
{
	uint32_t wishes[] = {c->src->preferred, c->dst->preferred};
	uint64_t memory = c->opts.memory ? c->opts.memory : DEFAULT_MEMORY;

	c->chunk = CHUNK;
	for (unsigned i = 0; i < ARRAY_SIZE(wishes); i++)
		if (is_power_of_2(wishes[i]) && wishes[i] <= MAX_CHUNK)
			c->chunk = MAX(c->chunk, (uint64_t)wishes[i]);
	c->unit = MAX(MIN_UNIT, c->chunk / 64);
	if (is_power_of_2(c->dst->preferred) && c->dst->preferred <= c->chunk)
		c->unit = MAX(c->unit, (uint64_t)c->dst->preferred);
	c->slots = (unsigned)MAX(MIN(memory / c->chunk, (uint64_t)MAX_SLOTS), (uint64_t)2);
}

static unsigned count_threads(struct copy *c)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned n = c->opts.threads;

	if (!n)
		n = online > 0 ? (unsigned)MIN(online, (long)MAX_THREADS) : 1;
	n = MIN(n, (unsigned)MAX_THREADS);
	return MIN(n, c->slots);
}

static void set_up(struct copy *c)
{
	pthread_condattr_t attr;

	choose_sizes(c);
	c->items = xcalloc(c->slots, sizeof(*c->items));
	c->spare = xcalloc(c->slots, sizeof(*c->spare));
	pthread_mutex_init(&c->plan_lock, NULL);
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->room, &attr);
	pthread_cond_init(&c->ready, &attr);
	pthread_condattr_destroy(&attr);
}

static void tear_down(struct copy *c)
{
	for (; c->written < c->taken; c->written++)
		free(c->items[c->written % c->slots].buf);
	while (c->spares)
		free(c->spare[--c->spares]);
	free(c->items);
	free(c->spare);
	pthread_cond_destroy(&c->room);
	pthread_cond_destroy(&c->ready);
	pthread_mutex_destroy(&c->lock);
	pthread_mutex_destroy(&c->plan_lock);
}

/* Signals stay with the threads that were there before. */
static unsigned start_workers(struct copy *c, pthread_t *threads)
{
	unsigned want = count_threads(c), n = 0;
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (n < want && !pthread_create(&threads[n], NULL, worker, c))
		n++;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return n;
}

static void stop_workers(struct copy *c, pthread_t *threads, unsigned n)
{
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	pthread_cond_broadcast(&c->room);
	pthread_mutex_unlock(&c->lock);
	for (unsigned i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

int copy_run(struct block *src, struct block *dst, const struct copy_opts *opts,
	struct copy_stats *stats, struct err *err)
{
	struct copy c = {.src = src, .dst = dst, .size = block_size(src), .start = io_now()};
	pthread_t threads[MAX_THREADS];
	struct err unwanted;
	unsigned n;
	int r;

	if (!err)
		err = &unwanted;
	if (opts)
		c.opts = *opts;
	set_up(&c);
	r = fit_target(&c, err);
	if (r >= 0) {
		n = start_workers(&c, threads);
		r = n ? write_all(&c, err) : err_set(err, EAGAIN, "cannot start a thread");
		stop_workers(&c, threads, n);
	}
	tear_down(&c);
	if (r >= 0)
		r = block_flush(dst, err);
	c.stats.seconds = io_now() - c.start;
	log_debug("copy", "%s: %" PRIu64 " read, %" PRIu64 " written, %.3f s", src->label,
		c.stats.read, c.stats.written, c.stats.seconds);
	if (stats)
		*stats = c.stats;
	return r;
}
