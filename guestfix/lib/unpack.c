// SPDX-License-Identifier: LGPL-2.1-or-later
// unpack: compressed streams with an exact end, see unpack.h.
#include "guestfix/lib/unpack.h"

#include "formats/base/bytes.h"

#include <archive.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#define OUT_SIZE (256 * 1024)

static const struct {
	enum initrd_compression c;
	uint8_t len;
	uint8_t magic[6];
} magics[] = {
	{INITRD_GZIP, 3, {0x1f, 0x8b, 8}},
	{INITRD_ZSTD, 4, {0x28, 0xb5, 0x2f, 0xfd}},
	{INITRD_XZ, 6, {0xfd, '7', 'z', 'X', 'Z', 0}},
	{INITRD_LZMA, 3, {0x5d, 0, 0}},
	{INITRD_LZ4, 4, {0x02, 0x21, 0x4c, 0x18}},
	{INITRD_LZ4, 4, {0x04, 0x22, 0x4d, 0x18}},
	{INITRD_BZIP2, 3, {'B', 'Z', 'h'}},
	{INITRD_LZOP, 4, {0x89, 'L', 'Z', 'O'}},
};

bool unpack_detect(const uint8_t *in, size_t len, enum initrd_compression *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(magics); i++) {
		if (len < magics[i].len || memcmp(in, magics[i].magic, magics[i].len))
			continue;
		*ret = magics[i].c;
		return true;
	}
	return false;
}

static int unpack_gzip(const uint8_t *in, size_t len, uint8_t *out, unpack_sink *sink,
	void *opaque, size_t *consumed, struct err *err)
{
	z_stream z = {.next_in = (Bytef *)in, .avail_in = (uInt)MIN(len, (size_t)UINT32_MAX)};
	int ret = 0, zr;

	if (inflateInit2(&z, 15 + 16) != Z_OK)
		return err_set(err, ENOMEM, "gzip: out of memory");
	do {
		z.next_out = out;
		z.avail_out = OUT_SIZE;
		zr = inflate(&z, Z_NO_FLUSH);
		if (zr != Z_OK && zr != Z_STREAM_END) {
			ret = err_set(err, EINVAL, "gzip stream: %s after %lu bytes",
				z.msg ? z.msg : "cut short", z.total_in);
			break;
		}
		ret = sink(opaque, out, OUT_SIZE - z.avail_out, err);
	} while (ret >= 0 && zr != Z_STREAM_END);
	*consumed = z.total_in;
	inflateEnd(&z);
	return ret < 0 ? ret : 0;
}

static int unpack_zstd(const uint8_t *in, size_t len, uint8_t *out, unpack_sink *sink,
	void *opaque, size_t *consumed, struct err *err)
{
	ZSTD_DStream *z = ZSTD_createDStream();
	ZSTD_inBuffer i = {.src = in, .size = len};
	size_t zr;
	int ret = 0;

	if (!z)
		return err_set(err, ENOMEM, "zstd: out of memory");
	/* 2^28 = UNPACK_MAX_MEMORY; zstd itself says 2^27 when nothing is set. */
	ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, 28);
	do {
		ZSTD_outBuffer o = {.dst = out, .size = OUT_SIZE};
		size_t before = i.pos;

		zr = ZSTD_decompressStream(z, &o, &i);
		if (ZSTD_isError(zr))
			ret = err_set(err, EINVAL, "zstd stream: %s after %zu bytes",
				ZSTD_getErrorName(zr), i.pos);
		else if (zr != 0 && i.pos == before && o.pos == 0)
			ret = err_set(
				err, EINVAL, "zstd stream: cut short after %zu bytes", i.pos);
		else
			ret = sink(opaque, out, o.pos, err);
	} while (ret >= 0 && zr != 0);
	*consumed = i.pos;
	ZSTD_freeDStream(z);
	return ret < 0 ? ret : 0;
}

static int unpack_lzma(bool xz, const uint8_t *in, size_t len, uint8_t *out, unpack_sink *sink,
	void *opaque, size_t *consumed, struct err *err)
{
	lzma_stream z = LZMA_STREAM_INIT;
	lzma_ret zr = xz ? lzma_stream_decoder(&z, UNPACK_MAX_MEMORY, 0)
			 : lzma_alone_decoder(&z, UNPACK_MAX_MEMORY);
	int ret = 0;

	if (zr != LZMA_OK)
		return err_set(err, ENOMEM, "xz: out of memory");
	z.next_in = in;
	z.avail_in = len;
	do {
		z.next_out = out;
		z.avail_out = OUT_SIZE;
		zr = lzma_code(&z, LZMA_FINISH);
		if (zr != LZMA_OK && zr != LZMA_STREAM_END)
			ret = err_set(err, EINVAL, "%s stream: %s after %zu bytes",
				xz ? "xz" : "lzma",
				zr == LZMA_MEMLIMIT_ERROR ? "asks for too much memory"
				: zr == LZMA_BUF_ERROR    ? "cut short"
							  : "damaged",
				(size_t)z.total_in);
		else
			ret = sink(opaque, out, OUT_SIZE - z.avail_out, err);
	} while (ret >= 0 && zr != LZMA_STREAM_END);
	*consumed = z.total_in;
	lzma_end(&z);
	return ret < 0 ? ret : 0;
}

/*
 * The end of an lz4 stream in its legacy format, which has no mark for it: chunks with their sizes
 * until a size of zero, or one that no chunk can have (the kernel's lib/decompress_unlz4.c).
 */
static size_t lz4_end(const uint8_t *in, size_t len)
{
	const uint32_t magic = 0x184c2102, max = 8 * MiB + 8 * MiB / 255 + 16;
	size_t at = 4;

	if (le32_load(in) != magic)
		return len;
	while (range_ok(at, 4, len)) {
		uint32_t size = le32_load(in + at);

		if (size == magic) { /* one more stream */
			at += 4;
			continue;
		}
		if (!size || size > max || !range_ok(at + 4, size, len))
			return at;
		at += 4 + size;
	}
	return at;
}

static int unpack_libarchive(enum initrd_compression c, const uint8_t *in, size_t len,
	uint8_t *out, unpack_sink *sink, void *opaque, size_t *consumed, struct err *err)
{
	struct archive *a = archive_read_new();
	struct archive_entry *entry;
	la_ssize_t n = 0;
	int ret = 0;

	if (!a)
		return err_set(err, ENOMEM, "libarchive: out of memory");
	len = c == INITRD_LZ4 ? lz4_end(in, len) : len;
	if (c == INITRD_LZ4)
		archive_read_support_filter_lz4(a);
	else if (c == INITRD_BZIP2)
		archive_read_support_filter_bzip2(a);
	else
		archive_read_support_filter_lzop(a);
	archive_read_support_format_raw(a);
	if (archive_read_open_memory(a, in, len) != ARCHIVE_OK ||
		archive_read_next_header(a, &entry) != ARCHIVE_OK)
		ret = err_set(err, EINVAL, "%s stream: %s", initrd_compression_name(c),
			archive_error_string(a) ?: "damaged");
	while (ret >= 0 && (n = archive_read_data(a, out, OUT_SIZE)) > 0)
		ret = sink(opaque, out, (size_t)n, err);
	if (ret >= 0 && n < 0)
		ret = err_set(err, EINVAL, "%s stream: %s", initrd_compression_name(c),
			archive_error_string(a) ?: "damaged");
	*consumed = c == INITRD_LZ4
			    ? len
			    : (size_t)MIN((uint64_t)archive_filter_bytes(a, -1), (uint64_t)len);
	archive_read_free(a);
	return ret < 0 ? ret : 0;
}

int unpack_stream(enum initrd_compression c, const uint8_t *in, size_t len, unpack_sink *sink,
	void *opaque, size_t *consumed, struct err *err)
{
	_auto_(mem) uint8_t *out = xmalloc(OUT_SIZE);

	switch (c) {
	case INITRD_GZIP:
		return unpack_gzip(in, len, out, sink, opaque, consumed, err);
	case INITRD_ZSTD:
		return unpack_zstd(in, len, out, sink, opaque, consumed, err);
	case INITRD_XZ:
	case INITRD_LZMA:
		return unpack_lzma(c == INITRD_XZ, in, len, out, sink, opaque, consumed, err);
	case INITRD_LZ4:
	case INITRD_BZIP2:
	case INITRD_LZOP:
		return unpack_libarchive(c, in, len, out, sink, opaque, consumed, err);
	case INITRD_PLAIN:
		break;
	}
	return err_set(err, EINVAL, "not a compressed stream");
}

struct collect {
	struct str s;
	size_t limit;
};

static int collect_sink(void *opaque, const uint8_t *bytes, size_t len, struct err *err)
{
	struct collect *c = opaque;

	if (len > c->limit - c->s.len)
		return err_set(
			err, EINVAL, "unpacks to more than the %zu bytes allowed", c->limit);
	str_addn(&c->s, bytes, len);
	return 0;
}

int unpack_all(enum initrd_compression c, const void *in, size_t len, size_t limit, void **ret,
	size_t *ret_len, struct err *err)
{
	struct collect to = {.s = STR_INIT, .limit = limit};
	size_t consumed;
	int r = unpack_stream(c, in, len, collect_sink, &to, &consumed, err);

	if (r < 0) {
		str_clear(&to.s);
		return r;
	}
	*ret_len = to.s.len;
	*ret = str_steal(&to.s);
	return 0;
}
