// SPDX-License-Identifier: LGPL-2.1-or-later
/* nbd_conn: the transmission phase of one connection. */
#include "formats/nbd/nbd_conn.h"

#include "formats/base/alloc.h"
#include "formats/base/log.h"
#include "formats/nbd/nbd_proto.h"
#include "formats/nbd/nbd_stream.h"

#include <inttypes.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* Runs of zeros shorter than this are sent as data: a chunk has a price too. */
#define HOLE_MIN ((size_t)64 * 1024)

/* Ranges of 4 GiB are zeroed in steps of this, so that a stop need not wait for all of it. */
#define ZERO_STEP (256 * MiB)

struct conn {
	int fd;
	struct block *block;
	const atomic_bool *stop;
	struct nbd_terms terms;

	pthread_mutex_t recv_lock;
	bool ended; /* under recv_lock: nothing more is received */

	pthread_mutex_t send_lock;

	pthread_mutex_t lock;
	pthread_cond_t freed;
	size_t big_bytes;   /* under lock: sum of the buffers beyond a piece */
	struct err failure; /* under lock: the block's first */
};

struct request {
	unsigned type, flags;
	struct be64 cookie;
	uint64_t off;
	uint32_t len;
	uint8_t *buf;     /* a write's bytes */
	uint32_t refusal; /* decided while receiving: an NBD_E*, or 0 */
	const char *refusal_why;
};

struct worker {
	struct conn *c;
	pthread_t thread;
	uint8_t *piece; /* NBD_PIECE bytes */
	uint8_t *big;   /* beyond a piece, for one request */
	size_t big_len;
};

static uint32_t nbd_errno(int code)
{
	switch (code) {
	case EPERM:
	case EROFS:
	case EACCES:
		return NBD_EPERM;
	case ENOMEM:
		return NBD_ENOMEM;
	case EINVAL:
		return NBD_EINVAL;
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return NBD_ENOSPC;
	default:
		return NBD_EIO;
	}
}

static void big_release(struct worker *w)
{
	pthread_mutex_lock(&w->c->lock);
	w->c->big_bytes -= w->big_len;
	pthread_cond_broadcast(&w->c->freed);
	pthread_mutex_unlock(&w->c->lock);
}

/* A buffer of `len` bytes until buffer_drop(); waits while other requests have them all. NULL when
 * there is no memory. */
static uint8_t *buffer_get(struct worker *w, size_t len)
{
	struct conn *c = w->c;
	void *big = NULL;

	if (len <= NBD_PIECE)
		return w->piece;
	pthread_mutex_lock(&c->lock);
	while (c->big_bytes + len > NBD_CONN_BYTES_MAX)
		pthread_cond_wait(&c->freed, &c->lock);
	c->big_bytes += len;
	pthread_mutex_unlock(&c->lock);
	w->big_len = len;
	if (alloc_limited(&big, len, 1, NBD_REQUEST_MAX, "request", NULL) < 0)
		big_release(w);
	w->big = big;
	return w->big;
}

static void buffer_drop(struct worker *w)
{
	if (!w->big)
		return;
	free(STEAL(w->big));
	big_release(w);
}

/* Sends a whole message; a client that cannot be reached is one that has left. */
static int send_message(struct conn *c, struct iovec *iov, size_t count)
{
	struct err err = {0};
	int r;

	pthread_mutex_lock(&c->send_lock);
	r = nbd_send(c->fd, iov, count, 0, &err);
	pthread_mutex_unlock(&c->send_lock);
	if (r < 0) {
		log_debug("nbd", "%s", err.text);
		shutdown(c->fd, SHUT_RDWR); /* wakes the one who receives */
	}
	return r;
}

static int send_simple(
	struct conn *c, const struct request *q, uint32_t error, const void *data, size_t len)
{
	struct nbd_simple_reply head = {
		.magic = be32_make(NBD_MAGIC_SIMPLE),
		.error = be32_make(error),
		.cookie = q->cookie,
	};
	struct iovec iov[] = {
		{.iov_base = &head, .iov_len = sizeof(head)},
		{.iov_base = (void *)data, .iov_len = len},
	};

	return send_message(c, iov, ARRAY_SIZE(iov));
}

/* One chunk: a fixed part and a variable part behind it. */
static int send_chunk(struct conn *c, const struct request *q, unsigned type, bool done,
	const void *fixed, size_t fixed_len, const void *data, size_t len)
{
	struct nbd_chunk head = {
		.magic = be32_make(NBD_MAGIC_CHUNK),
		.flags = be16_make(done ? NBD_REPLY_FLAG_DONE : 0),
		.type = be16_make(type),
		.cookie = q->cookie,
		.len = be32_make(fixed_len + len),
	};
	struct iovec iov[] = {
		{.iov_base = &head, .iov_len = sizeof(head)},
		{.iov_base = (void *)fixed, .iov_len = fixed_len},
		{.iov_base = (void *)data, .iov_len = len},
	};

	return send_message(c, iov, ARRAY_SIZE(iov));
}

static int send_error(struct conn *c, const struct request *q, uint32_t error, const char *why)
{
	struct {
		struct be32 error;
		struct be16 len;
	} fixed;
	size_t len = MIN(strlen(why), (size_t)NBD_STRING_MAX);

	log_debug("nbd", "command %u, %" PRIu32 " bytes at %" PRIu64 ": error %u: %s", q->type,
		q->len, q->off, error, why);
	if (!c->terms.structured)
		return send_simple(c, q, error, NULL, 0);
	fixed.error = be32_make(error);
	fixed.len = be16_make(len);
	return send_chunk(c, q, NBD_REPLY_ERROR, true, &fixed, sizeof(fixed), why, len);
}

/* The block failed: tell the client, and remember it for the server's owner. */
static int send_failure(struct conn *c, const struct request *q, const struct err *err)
{
	pthread_mutex_lock(&c->lock);
	if (!c->failure.code)
		c->failure = *err;
	pthread_mutex_unlock(&c->lock);
	return send_error(c, q, nbd_errno(err->code), err->text);
}

static int send_done(struct conn *c, const struct request *q)
{
	return send_simple(c, q, 0, NULL, 0);
}

/* The end of the run of zeros, or of other bytes, that starts at `from`, in steps of
 * HOLE_MIN. */
static size_t run_end(const uint8_t *buf, size_t len, size_t from, bool *zero)
{
	size_t end = from;

	*zero = bytes_are_zero(buf + from, MIN(HOLE_MIN, len - from));
	do
		end += MIN(HOLE_MIN, len - end);
	while (end < len && bytes_are_zero(buf + end, MIN(HOLE_MIN, len - end)) == *zero);
	return end;
}

/* Bytes as chunks: data, and holes where they are zero. `last`: nothing follows. */
static int send_content(
	struct conn *c, const struct request *q, uint64_t off, size_t len, bool last)
{
	size_t pos = 0;

	while (pos < len) {
		bool zero;
		size_t end = run_end(q->buf, len, pos, &zero);
		bool done = last && end == len;
		struct {
			struct be64 off;
			struct be32 len;
		} fixed = {.off = be64_make(off + pos), .len = be32_make(end - pos)};
		int r;

		if (zero)
			r = send_chunk(c, q, NBD_REPLY_OFFSET_HOLE, done, &fixed, sizeof(fixed),
				NULL, 0);
		else
			r = send_chunk(c, q, NBD_REPLY_OFFSET_DATA, done, &fixed.off,
				sizeof(fixed.off), q->buf + pos, end - pos);
		if (r < 0)
			return r;
		pos = end;
	}
	return 0;
}

static int serve_read_pieces(struct worker *w, struct request *q)
{
	struct err err = {0};
	uint32_t done = 0;

	q->buf = w->piece;
	while (done < q->len) {
		size_t n = MIN((size_t)(q->len - done), NBD_PIECE);
		int r = block_pread(w->c->block, q->buf, n, q->off + done, &err);

		if (r < 0)
			return send_failure(w->c, q, &err);
		r = send_content(w->c, q, q->off + done, n, done + n == q->len);
		if (r < 0)
			return r;
		done += n;
	}
	return 0;
}

static int serve_read(struct worker *w, struct request *q)
{
	struct conn *c = w->c;
	struct be64 off = be64_make(q->off);
	struct err err = {0};
	int r;

	if (!q->len && c->terms.structured)
		return send_chunk(c, q, NBD_REPLY_NONE, true, NULL, 0, NULL, 0);
	if (!q->len)
		return send_done(c, q);
	if (c->terms.structured && !(q->flags & NBD_CMD_FLAG_DF))
		return serve_read_pieces(w, q);
	q->buf = buffer_get(w, q->len);
	if (!q->buf)
		return send_error(c, q, NBD_ENOMEM, "no memory for the request");
	r = block_pread(c->block, q->buf, q->len, q->off, &err);
	if (r < 0)
		return send_failure(c, q, &err);
	if (!c->terms.structured)
		return send_simple(c, q, 0, q->buf, q->len);
	return send_chunk(c, q, NBD_REPLY_OFFSET_DATA, true, &off, sizeof(off), q->buf, q->len);
}

/* After a change: the answer, and with FUA first the flush. */
static int finish_change(struct conn *c, const struct request *q, int r, struct err *err)
{
	if (r == 0 && (q->flags & NBD_CMD_FLAG_FUA))
		r = block_flush(c->block, err);
	return r < 0 ? send_failure(c, q, err) : send_done(c, q);
}

static int serve_write(struct worker *w, struct request *q)
{
	struct err err = {0};
	int r = block_pwrite(w->c->block, q->buf, q->len, q->off, &err);

	return finish_change(w->c, q, r, &err);
}

static int serve_flush(struct worker *w, struct request *q)
{
	struct err err = {0};
	int r = block_flush(w->c->block, &err);

	return r < 0 ? send_failure(w->c, q, &err) : send_done(w->c, q);
}

static int serve_trim(struct worker *w, struct request *q)
{
	struct err err = {0};
	int r = block_discard(w->c->block, q->off, q->len, &err);

	return finish_change(w->c, q, r, &err);
}

static int serve_write_zeroes(struct worker *w, struct request *q)
{
	unsigned flags = q->flags & NBD_CMD_FLAG_NO_HOLE ? 0 : BLOCK_MAY_UNMAP;
	uint64_t off = q->off, left = q->len;
	struct err err = {0};
	int r = 0;

	while (left && r == 0) {
		uint64_t n = MIN(left, (uint64_t)ZERO_STEP);

		if (*w->c->stop && off > q->off)
			return send_error(
				w->c, q, NBD_ESHUTDOWN, "the server is being stopped");
		r = block_zero(w->c->block, off, n, flags, &err);
		off += n;
		left -= n;
	}
	return finish_change(w->c, q, r, &err);
}

static int serve_block_status(struct worker *w, struct request *q)
{
	struct {
		struct be32 len, flags;
	} list[NBD_STATUS_EXTENTS_MAX];
	struct be32 context = be32_make(NBD_CONTEXT_ALLOCATION);
	size_t max = q->flags & NBD_CMD_FLAG_REQ_ONE ? 1 : ARRAY_SIZE(list);
	uint64_t off = q->off, end = q->off + q->len;
	size_t n = 0;

	while (off < end && n < max) {
		struct extent e;
		struct err err = {0};
		unsigned flags = 0;
		int r = block_extent(w->c->block, off, end - off, &e, &err);

		if (r < 0)
			return send_failure(w->c, q, &err);
		/* In our blocks a hole without BLOCK_ZERO shows a layer below; in NBD it would
		 * mean that nobody knows what is there. */
		if (e.flags & BLOCK_ZERO)
			flags = NBD_STATE_ZERO | (e.flags & BLOCK_HOLE ? NBD_STATE_HOLE : 0);
		if (n && be32_get(list[n - 1].flags) == flags) {
			list[n - 1].len = be32_make(be32_get(list[n - 1].len) + e.len);
		} else {
			list[n].len = be32_make(e.len);
			list[n++].flags = be32_make(flags);
		}
		off += e.len;
	}
	return send_chunk(w->c, q, NBD_REPLY_BLOCK_STATUS, true, &context, sizeof(context),
		list, n * sizeof(list[0]));
}

enum {
	RANGE = 1,   /* off and len say where on the disk */
	CHANGES = 2, /* needs a writable block */
	SOME = 4,    /* a length of zero is not valid */
};

static const struct command {
	int (*serve)(struct worker *w, struct request *q);
	unsigned props;
	unsigned flags;        /* flags it may have, beside FUA, which all may */
	uint32_t beyond_error; /* when the range is not inside the disk */
} commands[] = {
	[NBD_CMD_READ] = {serve_read, RANGE, NBD_CMD_FLAG_DF, NBD_EINVAL},
	[NBD_CMD_WRITE] = {serve_write, RANGE | CHANGES, 0, NBD_ENOSPC},
	[NBD_CMD_FLUSH] = {serve_flush, 0, 0, 0},
	[NBD_CMD_TRIM] = {serve_trim, RANGE | CHANGES, 0, NBD_EINVAL},
	[NBD_CMD_WRITE_ZEROES] = {serve_write_zeroes, RANGE | CHANGES, NBD_CMD_FLAG_NO_HOLE,
		NBD_ENOSPC},
	[NBD_CMD_BLOCK_STATUS] = {serve_block_status, RANGE | SOME, NBD_CMD_FLAG_REQ_ONE,
		NBD_EINVAL},
};

static void refuse(struct request *q, uint32_t error, const char *why)
{
	q->refusal = error;
	q->refusal_why = why;
}

/* Everything about a request that can be known before it is carried out. */
static void check_request(const struct conn *c, struct request *q)
{
	const struct command *cmd = q->type < ARRAY_SIZE(commands) ? &commands[q->type] : NULL;
	unsigned known = NBD_CMD_FLAG_FUA;

	if (!cmd || !cmd->serve) {
		refuse(q, NBD_EINVAL, "unknown command");
		return;
	}
	known |= cmd->flags;
	if (!c->terms.structured)
		known &= ~(unsigned)NBD_CMD_FLAG_DF;
	if (q->flags & ~known)
		refuse(q, NBD_EINVAL, "unknown flag for this command");
	else if (q->type == NBD_CMD_BLOCK_STATUS && !c->terms.allocation)
		refuse(q, NBD_EINVAL, "no metadata context was selected");
	else if ((cmd->props & CHANGES) && c->block->read_only)
		refuse(q, NBD_EPERM, "the export is read-only");
	else if ((cmd->props & RANGE) && !range_ok(q->off, q->len, block_size(c->block)))
		refuse(q, cmd->beyond_error, "beyond the end of the export");
	else if ((cmd->props & SOME) && !q->len)
		refuse(q, NBD_EINVAL, "a length of zero");
	else if ((q->type == NBD_CMD_READ || q->type == NBD_CMD_WRITE) &&
		 q->len > NBD_REQUEST_MAX)
		refuse(q, NBD_EINVAL, "longer than the maximum block size");
}

/* A whole request, with a write's bytes. Called under recv_lock. -ECANCELED: a disconnect. */
static int receive(struct worker *w, struct request *q, struct err *err)
{
	struct conn *c = w->c;
	struct nbd_request head;
	int r = nbd_recv(c->fd, &head, sizeof(head), 0, err);

	if (r < 0)
		return r;
	if (be32_get(head.magic) != NBD_MAGIC_REQUEST)
		return err_set(err, EINVAL, "not a request");
	*q = (struct request){
		.type = be16_get(head.type),
		.flags = be16_get(head.flags),
		.cookie = head.cookie,
		.off = be64_get(head.off),
		.len = be32_get(head.len),
	};
	log_trace("nbd", "command %u flags 0x%x: %" PRIu32 " bytes at %" PRIu64, q->type,
		q->flags, q->len, q->off);
	if (q->type == NBD_CMD_DISC)
		return err_set(err, ECANCELED, "the client disconnects");
	check_request(c, q);
	if (q->type != NBD_CMD_WRITE)
		return 0;
	if (q->len > NBD_WRITE_SKIP_MAX)
		return err_set(err, EINVAL, "a write of %" PRIu32 " bytes", q->len);
	if (!q->refusal) {
		q->buf = buffer_get(w, q->len);
		if (!q->buf)
			refuse(q, NBD_ENOMEM, "no memory for the request");
	}
	if (q->refusal)
		return nbd_recv_skip(c->fd, q->len, 0, err);
	return nbd_recv(c->fd, q->buf, q->len, 0, err);
}

static bool next_request(struct worker *w, struct request *q)
{
	struct conn *c = w->c;
	bool more;

	pthread_mutex_lock(&c->recv_lock);
	if (!c->ended) {
		struct err err = {0};

		if (*c->stop || receive(w, q, &err) < 0) {
			log_debug("nbd", "end of transmission: %s", err.text);
			c->ended = true;
		}
	}
	more = !c->ended;
	pthread_mutex_unlock(&c->recv_lock);
	return more;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct request q;

	while (next_request(w, &q)) {
		int r = q.refusal ? send_error(w->c, &q, q.refusal, q.refusal_why)
				  : commands[q.type].serve(w, &q);

		buffer_drop(w);
		if (r < 0)
			break;
	}
	buffer_drop(w);
	return NULL;
}

static void transmit(struct conn *c)
{
	struct worker workers[NBD_CONN_THREADS] = {0};
	unsigned started = 1;

	for (unsigned i = 0; i < ARRAY_SIZE(workers); i++) {
		workers[i].c = c;
		workers[i].piece = xaligned(4096, NBD_PIECE);
	}
	/* When the system has no more threads to give, fewer do. */
	while (started < ARRAY_SIZE(workers) &&
		!pthread_create(&workers[started].thread, NULL, work, &workers[started]))
		started++;
	work(&workers[0]);
	for (unsigned i = 1; i < started; i++)
		pthread_join(workers[i].thread, NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(workers); i++)
		free(workers[i].piece);
}

int nbd_conn_serve(int fd, struct block *block, const atomic_bool *stop, struct err *err)
{
	struct conn c = {
		.fd = fd,
		.block = block,
		.stop = stop,
		.recv_lock = PTHREAD_MUTEX_INITIALIZER,
		.send_lock = PTHREAD_MUTEX_INITIALIZER,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.freed = PTHREAD_COND_INITIALIZER,
	};
	struct err shake_err = {0};

	if (nbd_handshake(fd, block, &c.terms, &shake_err) < 0)
		log_debug("nbd", "handshake: %s", shake_err.text);
	else
		transmit(&c);
	shutdown(fd, SHUT_RDWR);
	return c.failure.code ? err_pass(err, &c.failure) : 0;
}
