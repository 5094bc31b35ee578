// SPDX-License-Identifier: LGPL-2.1-or-later
// cpio: writes one more archive (newc) for the end of an initramfs, see initrd.h.
#include "guestfix/lib/initrd.h"

#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>

/* Inode numbers from here on; the ones in the archives before ours do not matter, because only
 * entries with more than one link are compared. */
#define FIRST_INO 900000

static void pad(struct cpio *c)
{
	while (!is_aligned(c->out.len, 4))
		str_addc(&c->out, '\0');
}

static void add_entry(
	struct cpio *c, const char *path, unsigned mode, const void *data, size_t len)
{
	/* ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check;
	 * no times: equal input gives equal bytes */
	str_addf(&c->out, "070701%08X%08X%08X%08X%08X%08X%08zX%08X%08X%08X%08X%08zX%08X",
		FIRST_INO + c->next_ino++, mode, 0, 0, S_ISDIR(mode) ? 2 : 1, 0, len, 0, 0, 0,
		0, strlen(path) + 1, 0);
	str_addn(&c->out, path, strlen(path) + 1);
	pad(c);
	str_addn(&c->out, data, len);
	pad(c);
}

void cpio_add_file(
	struct cpio *c, const char *path, unsigned mode, const void *data, size_t len)
{
	for (const char *p = strchr(path, '/'); p; p = strchr(p + 1, '/')) {
		_auto_(mem) char *folder = xstrndup(path, (size_t)(p - path));

		if ((c->rd && initrd_find(c->rd, folder)) || strv_has(c->folders, folder))
			continue;
		add_entry(c, folder, S_IFDIR | 0755, "", 0);
		strv_take(&c->folders, STEAL(folder));
	}
	add_entry(c, path, S_IFREG | mode, data, len);
}

static int pack_gzip(const struct str *in, void **ret, size_t *ret_len, struct err *err)
{
	z_stream z = {.next_in = (Bytef *)in->s, .avail_in = (uInt)in->len};
	uLong bound;
	void *out;

	if (in->len > UINT32_MAX / 2 ||
		deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK)
		return err_set(err, ENOMEM, "gzip: %zu bytes are too many", in->len);
	bound = deflateBound(&z, in->len);
	out = xmalloc(bound);
	z.next_out = out;
	z.avail_out = (uInt)bound;
	deflate(&z, Z_FINISH);
	*ret = out;
	*ret_len = z.total_out;
	deflateEnd(&z);
	return 0;
}

static int pack_zstd(const struct str *in, void **ret, size_t *ret_len, struct err *err)
{
	size_t bound = ZSTD_compressBound(in->len);
	void *out = xmalloc(bound);
	/* Level 6 has a window of at most 2 MiB: any kernel can unpack it. */
	size_t n = ZSTD_compress(out, bound, in->s, in->len, 6);

	if (ZSTD_isError(n)) {
		free(out);
		return err_set(err, EINVAL, "zstd: %s", ZSTD_getErrorName(n));
	}
	*ret = out;
	*ret_len = n;
	return 0;
}

int cpio_finish(struct cpio *c, enum initrd_compression compression, void **ret,
	size_t *ret_len, struct err *err)
{
	int r = 0;

	add_entry(c, "TRAILER!!!", 0, "", 0);
	if (compression == INITRD_GZIP) {
		r = pack_gzip(&c->out, ret, ret_len, err);
	} else if (compression == INITRD_ZSTD) {
		r = pack_zstd(&c->out, ret, ret_len, err);
	} else {
		*ret_len = c->out.len;
		*ret = str_steal(&c->out);
	}
	str_clear(&c->out);
	strv_free(c->folders);
	c->folders = NULL;
	return r;
}
