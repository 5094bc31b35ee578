// SPDX-License-Identifier: LGPL-2.1-or-later
/* fuzz_nbd: whatever bytes a client sends, from its first one to the end of the connection. */
#include "tests/fuzz/fuzz.h"

#include "formats/base/alloc.h"
#include "formats/base/bytes.h"
#include "formats/block/block_mem.h"
#include "formats/nbd/nbd_conn.h"
#include "formats/nbd/nbd_proto.h"

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#define DISK_SIZE  (256 * 1024)
#define INPUT_MAX  (128 * 1024) /* fits into a socket's buffer: nobody needs to wait */
#define CANARY     0x5a
#define CANARY_LEN 64

/* A client that takes every answer until the server hangs up. */
static void *drain(void *arg)
{
	char buf[4096];

	while (recv(*(int *)arg, buf, sizeof(buf), 0) > 0)
		;
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct block *disk = block_mem_new(DISK_SIZE + CANARY_LEN, "disk");
	atomic_bool stop = false;
	int fds[2], room = INPUT_MAX * 4;
	pthread_t reader;

	memset(block_mem_bytes(disk) + DISK_SIZE, CANARY, CANARY_LEN);
	disk->size = DISK_SIZE;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds))
		abort();
	setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	/* A part that does not fit is a shorter input. */
	send(fds[1], data, MIN(size, (size_t)INPUT_MAX), MSG_DONTWAIT | MSG_NOSIGNAL);
	shutdown(fds[1], SHUT_WR);
	if (pthread_create(&reader, NULL, drain, &fds[1]))
		abort();
	/* Memory never fails, so neither may the block, whatever the client does. */
	if (nbd_conn_serve(fds[0], disk, &stop, NULL) < 0)
		abort();
	pthread_join(reader, NULL);
	for (unsigned i = 0; i < CANARY_LEN; i++)
		if (block_mem_bytes(disk)[DISK_SIZE + i] != CANARY)
			abort();
	close(fds[0]);
	close(fds[1]);
	block_free(disk);
	return 0;
}

/* --- seeds --- */

#define SEED_MAX 4096

struct out {
	uint8_t *p;
	size_t len;
};

static void put(struct out *o, const void *data, size_t len)
{
	memcpy(o->p + o->len, data, len);
	o->len += len;
}

static void put_u32(struct out *o, uint32_t v)
{
	struct be32 b = be32_make(v);

	put(o, &b, sizeof(b));
}

static void put_option(struct out *o, uint32_t option, const void *data, size_t len)
{
	struct nbd_option head = {
		be64_make(NBD_MAGIC_OPTION), be32_make(option), be32_make(len)};

	put(o, &head, sizeof(head));
	put(o, data, len);
}

static void put_request(
	struct out *o, unsigned flags, unsigned type, uint64_t off, uint32_t len)
{
	struct nbd_request q = {
		.magic = be32_make(NBD_MAGIC_REQUEST),
		.flags = be16_make(flags),
		.type = be16_make(type),
		.cookie = be64_make(o->len),
		.off = be64_make(off),
		.len = be32_make(len),
	};

	put(o, &q, sizeof(q));
}

static void put_commands(struct out *o)
{
	static const char text[100] = "what is written";

	put_request(o, 0, NBD_CMD_READ, 0, 512);
	put_request(o, NBD_CMD_FLAG_FUA, NBD_CMD_WRITE, 1000, sizeof(text));
	put(o, text, sizeof(text));
	put_request(o, NBD_CMD_FLAG_DF, NBD_CMD_READ, 0, DISK_SIZE);
	put_request(o, NBD_CMD_FLAG_NO_HOLE, NBD_CMD_WRITE_ZEROES, 4096, 65536);
	put_request(o, 0, NBD_CMD_TRIM, 0, 4096);
	put_request(o, NBD_CMD_FLAG_REQ_ONE, NBD_CMD_BLOCK_STATUS, 0, DISK_SIZE);
	put_request(o, 0, NBD_CMD_BLOCK_STATUS, 5, 1000);
	put_request(o, 0, NBD_CMD_FLUSH, 0, 0);
	put_request(o, 0, NBD_CMD_DISC, 0, 0);
}

/* What a client sends that agrees on everything, one that only asks, and an old one. */
static void put_handshake(struct out *o, unsigned kind)
{
	static const char go[] = "\0\0\0\0\0\1\0\3";

	put_u32(o, kind == 2 ? 1 : 3);
	switch (kind) {
	case 0:
		put_option(o, NBD_OPT_STRUCTURED_REPLY, "", 0);
		put_option(o, NBD_OPT_SET_META_CONTEXT,
			"\0\0\0\0\0\0\0\1\0\0\0\17base:allocation", 27);
		put_option(o, NBD_OPT_GO, go, 8);
		break;
	case 1:
		put_option(o, NBD_OPT_LIST, "", 0);
		put_option(o, NBD_OPT_STRUCTURED_REPLY, "", 0);
		put_option(o, NBD_OPT_LIST_META_CONTEXT, "\0\0\0\0\0\0\0\0", 8);
		put_option(o, NBD_OPT_INFO, go, 8);
		put_option(o, 5, "", 0);
		put_option(o, NBD_OPT_ABORT, "", 0);
		break;
	default:
		put_option(o, NBD_OPT_EXPORT_NAME, "", 0);
	}
}

void fuzz_seeds(void (*use)(const char *name, const void *data, size_t size, void *opaque),
	void *opaque)
{
	static const char *const names[] = {"everything", "asking", "old"};

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		uint8_t buf[SEED_MAX];
		struct out o = {.p = buf};

		put_handshake(&o, i);
		if (i != 1)
			put_commands(&o);
		use(names[i], buf, o.len, opaque);
	}
}
