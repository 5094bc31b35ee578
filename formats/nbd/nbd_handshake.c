// SPDX-License-Identifier: LGPL-2.1-or-later
/* nbd_handshake: option haggling. "Fixed newstyle negotiation" of the specification. */
#include "formats/nbd/nbd_handshake.h"

#include "formats/base/alloc.h"
#include "formats/base/io.h"
#include "formats/nbd/nbd_proto.h"
#include "formats/nbd/nbd_stream.h"

#include <sys/uio.h>

/* The smallest preferred block size the specification recommends for any server. */
#define PREFERRED_DEFAULT 4096

struct shake {
	int fd;
	const struct block *block;
	double deadline;
	bool no_zeroes;
	struct nbd_terms terms;
	uint32_t option; /* the one being answered */
};

/* What a handler says besides errors. */
enum { NEXT_OPTION = 0, TRANSMIT = 1 };

/* A reader over an option's data: never beyond its end. */
struct cursor {
	const uint8_t *p;
	size_t left;
};

static bool take_u16(struct cursor *c, uint16_t *ret)
{
	if (c->left < 2)
		return false;
	*ret = be16_load(c->p);
	c->p += 2;
	c->left -= 2;
	return true;
}

static bool take_u32(struct cursor *c, uint32_t *ret)
{
	if (c->left < 4)
		return false;
	*ret = be32_load(c->p);
	c->p += 4;
	c->left -= 4;
	return true;
}

/* A 32-bit length and that many bytes, not terminated. */
static bool take_string(struct cursor *c, struct cursor *ret)
{
	uint32_t len;

	if (!take_u32(c, &len) || len > c->left || len > NBD_STRING_MAX)
		return false;
	*ret = (struct cursor){.p = c->p, .left = len};
	c->p += len;
	c->left -= len;
	return true;
}

static bool string_is(const struct cursor *s, const char *text)
{
	return s->left == strlen(text) && !memcmp(s->p, text, s->left);
}

static int reply(struct shake *s, uint32_t type, const void *data, size_t len, struct err *err)
{
	struct nbd_option_reply head = {
		.magic = be64_make(NBD_MAGIC_REP),
		.option = be32_make(s->option),
		.type = be32_make(type),
		.len = be32_make(len),
	};
	struct iovec iov[] = {
		{.iov_base = &head, .iov_len = sizeof(head)},
		{.iov_base = (void *)data, .iov_len = len},
	};

	return nbd_send(s->fd, iov, ARRAY_SIZE(iov), s->deadline, err);
}

/* Errors carry a text, which clients show to people. */
static int refuse(struct shake *s, uint32_t type, const char *why, struct err *err)
{
	return reply(s, type, why, strlen(why), err);
}

static unsigned transmission_flags(const struct shake *s)
{
	/* One block serves all connections, so a flush on any of them covers all. */
	unsigned flags = NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA |
			 NBD_FLAG_CAN_MULTI_CONN;

	if (s->block->read_only)
		flags |= NBD_FLAG_READ_ONLY;
	else
		flags |= NBD_FLAG_SEND_WRITE_ZEROES;
	if (!s->block->read_only && s->block->ops->discard)
		flags |= NBD_FLAG_SEND_TRIM;
	if (s->terms.structured)
		flags |= NBD_FLAG_SEND_DF;
	return flags;
}

/* EXPORT_NAME has no way to say no but to hang up. */
static int opt_export_name(struct shake *s, struct cursor data, struct err *err)
{
	struct {
		struct be64 size;
		struct be16 flags;
		uint8_t zeroes[124];
	} answer = {.size = be64_make(block_size(s->block))};
	struct iovec iov = {.iov_base = &answer, .iov_len = sizeof(answer)};
	int r;

	if (data.left)
		return err_set(err, ENOENT, "the client asked for another export");
	s->terms.flags = transmission_flags(s);
	answer.flags = be16_make(s->terms.flags);
	if (s->no_zeroes)
		iov.iov_len -= sizeof(answer.zeroes);
	r = nbd_send(s->fd, &iov, 1, s->deadline, err);
	return r < 0 ? r : TRANSMIT;
}

static int send_info_block_size(struct shake *s, struct err *err)
{
	uint32_t preferred = s->block->preferred;
	struct {
		struct be16 type;
		struct be32 min, preferred, max;
	} info;

	if (!is_power_of_2(preferred) || preferred > NBD_REQUEST_MAX)
		preferred = PREFERRED_DEFAULT;
	info.type = be16_make(NBD_INFO_BLOCK_SIZE);
	info.min = be32_make(1);
	info.preferred = be32_make(MAX(preferred, (uint32_t)PREFERRED_DEFAULT));
	info.max = be32_make(NBD_REQUEST_MAX);
	return reply(s, NBD_REP_INFO, &info, sizeof(info), err);
}

static int send_info_export(struct shake *s, struct err *err)
{
	struct {
		struct be16 type;
		struct be64 size;
		struct be16 flags;
	} info = {
		.type = be16_make(NBD_INFO_EXPORT),
		.size = be64_make(block_size(s->block)),
		.flags = be16_make(transmission_flags(s)),
	};

	return reply(s, NBD_REP_INFO, &info, sizeof(info), err);
}

/* INFO and GO: name, then a list of the kinds of information that are wanted. */
static int opt_go(struct shake *s, struct cursor data, struct err *err)
{
	struct cursor name;
	uint16_t count, kind;
	bool want_size = false;
	int r;

	if (!take_string(&data, &name) || !take_u16(&data, &count) ||
		data.left != (size_t)count * 2)
		return refuse(
			s, NBD_REP_ERR_INVALID, "lengths in the option do not agree", err);
	if (name.left)
		return refuse(s, NBD_REP_ERR_UNKNOWN, "the only export is \"\"", err);
	while (take_u16(&data, &kind))
		want_size |= kind == NBD_INFO_BLOCK_SIZE;
	/* Kinds that are not known are left out, which the specification allows. */
	r = send_info_export(s, err);
	if (r == 0 && want_size)
		r = send_info_block_size(s, err);
	if (r == 0)
		r = reply(s, NBD_REP_ACK, NULL, 0, err);
	if (r < 0 || s->option == NBD_OPT_INFO)
		return r;
	s->terms.flags = transmission_flags(s);
	return TRANSMIT;
}

static int opt_abort(struct shake *s, struct cursor data, struct err *err)
{
	/* The client may have left already: whether it gets the answer does not matter. */
	reply(s, NBD_REP_ACK, NULL, 0, NULL);
	return err_set(err, ECANCELED, "the client ended the handshake");
}

static int opt_list(struct shake *s, struct cursor data, struct err *err)
{
	struct be32 name_len = be32_make(0);
	int r;

	if (data.left)
		return refuse(s, NBD_REP_ERR_INVALID, "the option takes no data", err);
	r = reply(s, NBD_REP_SERVER, &name_len, sizeof(name_len), err);
	return r < 0 ? r : reply(s, NBD_REP_ACK, NULL, 0, err);
}

static int opt_structured_reply(struct shake *s, struct cursor data, struct err *err)
{
	if (data.left)
		return refuse(s, NBD_REP_ERR_INVALID, "the option takes no data", err);
	s->terms.structured = true;
	return reply(s, NBD_REP_ACK, NULL, 0, err);
}

static int send_context(struct shake *s, uint32_t id, struct err *err)
{
	static const char name[] = "base:allocation";
	struct {
		struct be32 id;
		char name[sizeof(name) - 1];
	} context = {.id = be32_make(id)};

	memcpy(context.name, name, sizeof(context.name));
	return reply(s, NBD_REP_META_CONTEXT, &context, sizeof(context), err);
}

/* LIST and SET: export name, number of queries, queries. */
static int opt_meta_context(struct shake *s, struct cursor data, struct err *err)
{
	bool list = s->option == NBD_OPT_LIST_META_CONTEXT;
	bool found = false;
	struct cursor name, query;
	uint32_t count;
	int r = 0;

	if (!list)
		s->terms.allocation = false; /* each SET replaces the last, even a bad one */
	if (!s->terms.structured)
		return refuse(s, NBD_REP_ERR_INVALID, "needs structured replies", err);
	if (!take_string(&data, &name) || !take_u32(&data, &count))
		return refuse(s, NBD_REP_ERR_INVALID, "the option is too short", err);
	if (list && count == 0)
		found = true;
	/* A lying count ends with the data: take_string() fails. */
	for (uint32_t i = 0; i < count; i++) {
		if (!take_string(&data, &query))
			return refuse(s, NBD_REP_ERR_INVALID,
				"lengths in the option do not agree", err);
		if (string_is(&query, "base:allocation") ||
			(list && string_is(&query, "base:")))
			found = true;
	}
	if (data.left)
		return refuse(s, NBD_REP_ERR_INVALID, "data behind the end of the option", err);
	if (name.left)
		return refuse(s, NBD_REP_ERR_UNKNOWN, "the only export is \"\"", err);
	if (found)
		r = send_context(s, list ? 0 : NBD_CONTEXT_ALLOCATION, err);
	if (r < 0)
		return r;
	if (!list)
		s->terms.allocation = found;
	return reply(s, NBD_REP_ACK, NULL, 0, err);
}

/* NEXT_OPTION, TRANSMIT, or a negative errno: hang up. */
static const struct option {
	uint32_t option;
	int (*handle)(struct shake *s, struct cursor data, struct err *err);
} options[] = {
	{NBD_OPT_EXPORT_NAME, opt_export_name},
	{NBD_OPT_ABORT, opt_abort},
	{NBD_OPT_LIST, opt_list},
	{NBD_OPT_INFO, opt_go},
	{NBD_OPT_GO, opt_go},
	{NBD_OPT_STRUCTURED_REPLY, opt_structured_reply},
	{NBD_OPT_LIST_META_CONTEXT, opt_meta_context},
	{NBD_OPT_SET_META_CONTEXT, opt_meta_context},
};

static int greet(struct shake *s, struct err *err)
{
	struct nbd_greeting hello = {
		.magic = be64_make(NBD_MAGIC_INIT),
		.option_magic = be64_make(NBD_MAGIC_OPTION),
		.flags = be16_make(NBD_FIXED_NEWSTYLE | NBD_NO_ZEROES),
	};
	struct iovec iov = {.iov_base = &hello, .iov_len = sizeof(hello)};
	struct be32 answer;
	uint32_t flags;
	int r = nbd_send(s->fd, &iov, 1, s->deadline, err);

	if (r == 0)
		r = nbd_recv(s->fd, &answer, sizeof(answer), s->deadline, err);
	if (r < 0)
		return r;
	flags = be32_get(answer);
	if (flags & ~(uint32_t)(NBD_FIXED_NEWSTYLE | NBD_NO_ZEROES))
		return err_set(err, EINVAL, "unknown handshake flags 0x%x", flags);
	if (!(flags & NBD_FIXED_NEWSTYLE))
		return err_set(err, ENOTSUP, "the client does not speak fixed newstyle");
	s->no_zeroes = flags & NBD_NO_ZEROES;
	return 0;
}

static int answer_option(struct shake *s, struct err *err)
{
	_auto_(mem) void *data = NULL;
	struct nbd_option head;
	uint32_t len;
	int r = nbd_recv(s->fd, &head, sizeof(head), s->deadline, err);

	if (r < 0)
		return r;
	if (be64_get(head.magic) != NBD_MAGIC_OPTION)
		return err_set(err, EINVAL, "not an option");
	s->option = be32_get(head.option);
	len = be32_get(head.len);
	r = alloc_limited(&data, len, 1, NBD_OPTION_BYTES_MAX, "bytes of an option", err);
	if (r < 0)
		return r;
	r = nbd_recv(s->fd, data, len, s->deadline, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (options[i].option == s->option)
			return options[i].handle(
				s, (struct cursor){.p = data, .left = len}, err);
	return refuse(s, NBD_REP_ERR_UNSUP, "unknown option", err);
}

int nbd_handshake(int fd, const struct block *block, struct nbd_terms *ret, struct err *err)
{
	struct shake s = {
		.fd = fd,
		.block = block,
		.deadline = io_now() + NBD_HANDSHAKE_SECONDS,
	};
	int r = greet(&s, err);

	for (unsigned i = 0; r == NEXT_OPTION && i < NBD_OPTIONS_MAX; i++)
		r = answer_option(&s, err);
	if (r < 0)
		return r;
	if (r == NEXT_OPTION)
		return err_set(err, EINVAL, "more than %u options", NBD_OPTIONS_MAX);
	*ret = s.terms;
	return 0;
}
