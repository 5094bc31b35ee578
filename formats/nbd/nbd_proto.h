/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nbd_proto: numbers and messages of the NBD protocol, as its specification (doc/proto.md of the
 * NetworkBlockDevice project) names them. Everything on the wire is big-endian. Only what the
 * server uses.
 *
 *	server                      client
 *	greeting            ->
 *	                    <-      flags (32 bits)
 *	                    <-      option ...          "haggling": any number of times
 *	option reply ...    ->
 *	                    <-      EXPORT_NAME or GO   ends the haggling
 *	                    <-      request ...         "transmission": any number at a time,
 *	reply / chunks ...  ->                          answered in any order, by cookie
 */
#pragma once

#include "formats/base/bytes.h"

#define NBD_MAGIC_INIT    UINT64_C(0x4e42444d41474943) /* "NBDMAGIC" */
#define NBD_MAGIC_OPTION  UINT64_C(0x49484156454f5054) /* "IHAVEOPT" */
#define NBD_MAGIC_REP     UINT64_C(0x0003e889045565a9)
#define NBD_MAGIC_REQUEST UINT32_C(0x25609513)
#define NBD_MAGIC_SIMPLE  UINT32_C(0x67446698)
#define NBD_MAGIC_CHUNK   UINT32_C(0x668e33ef)

/* Handshake flags, the same bits in both directions. */
enum { NBD_FIXED_NEWSTYLE = 1, NBD_NO_ZEROES = 2 };

/* Transmission flags: what the export can do. */
enum {
	NBD_FLAG_HAS_FLAGS = 1 << 0,
	NBD_FLAG_READ_ONLY = 1 << 1,
	NBD_FLAG_SEND_FLUSH = 1 << 2,
	NBD_FLAG_SEND_FUA = 1 << 3,
	NBD_FLAG_SEND_TRIM = 1 << 5,
	NBD_FLAG_SEND_WRITE_ZEROES = 1 << 6,
	NBD_FLAG_SEND_DF = 1 << 7,
	NBD_FLAG_CAN_MULTI_CONN = 1 << 8,
};

enum nbd_opt {
	NBD_OPT_EXPORT_NAME = 1,
	NBD_OPT_ABORT = 2,
	NBD_OPT_LIST = 3,
	NBD_OPT_INFO = 6,
	NBD_OPT_GO = 7,
	NBD_OPT_STRUCTURED_REPLY = 8,
	NBD_OPT_LIST_META_CONTEXT = 9,
	NBD_OPT_SET_META_CONTEXT = 10,
};

enum nbd_rep {
	NBD_REP_ACK = 1,
	NBD_REP_SERVER = 2,
	NBD_REP_INFO = 3,
	NBD_REP_META_CONTEXT = 4,
};
#define NBD_REP_ERR_UNSUP   UINT32_C(0x80000001)
#define NBD_REP_ERR_INVALID UINT32_C(0x80000003)
#define NBD_REP_ERR_UNKNOWN UINT32_C(0x80000006)

enum { NBD_INFO_EXPORT = 0, NBD_INFO_BLOCK_SIZE = 3 };

enum nbd_cmd {
	NBD_CMD_READ = 0,
	NBD_CMD_WRITE = 1,
	NBD_CMD_DISC = 2,
	NBD_CMD_FLUSH = 3,
	NBD_CMD_TRIM = 4,
	NBD_CMD_CACHE = 5,
	NBD_CMD_WRITE_ZEROES = 6,
	NBD_CMD_BLOCK_STATUS = 7,
};

enum {
	NBD_CMD_FLAG_FUA = 1 << 0,
	NBD_CMD_FLAG_NO_HOLE = 1 << 1,
	NBD_CMD_FLAG_DF = 1 << 2,
	NBD_CMD_FLAG_REQ_ONE = 1 << 3,
};

enum { NBD_REPLY_FLAG_DONE = 1 };

enum nbd_chunk_type {
	NBD_REPLY_NONE = 0,
	NBD_REPLY_OFFSET_DATA = 1,
	NBD_REPLY_OFFSET_HOLE = 2,
	NBD_REPLY_BLOCK_STATUS = 5,
	NBD_REPLY_ERROR = 0x8001,
};

/* Flags of the context base:allocation. */
enum { NBD_STATE_HOLE = 1, NBD_STATE_ZERO = 2 };

/* The values an error may have on the wire, whatever errno is here. */
enum nbd_error {
	NBD_EPERM = 1,
	NBD_EIO = 5,
	NBD_ENOMEM = 12,
	NBD_EINVAL = 22,
	NBD_ENOSPC = 28,
	NBD_EOVERFLOW = 75,
	NBD_ENOTSUP = 95,
	NBD_ESHUTDOWN = 108,
};

/* "Values, Strings": no string on the wire is longer. */
#define NBD_STRING_MAX 4096

struct nbd_greeting {
	struct be64 magic, option_magic;
	struct be16 flags;
};

struct nbd_option {
	struct be64 magic;
	struct be32 option, len;
};

struct nbd_option_reply {
	struct be64 magic;
	struct be32 option, type, len;
};

struct nbd_request {
	struct be32 magic;
	struct be16 flags, type;
	struct be64 cookie, off;
	struct be32 len;
};

struct nbd_simple_reply {
	struct be32 magic, error;
	struct be64 cookie;
};

struct nbd_chunk {
	struct be32 magic;
	struct be16 flags, type;
	struct be64 cookie;
	struct be32 len;
};
