// SPDX-License-Identifier: LGPL-2.1-or-later
/* digest: SHA-1, SHA-256, SHA-512 through OpenSSL's EVP interface (which uses SHA-NI). */
#include "formats/base/digest.h"

#include "formats/base/alloc.h"

#include <assert.h>
#include <ctype.h>
#include <openssl/evp.h>

struct digest {
	EVP_MD_CTX *ctx;
};

static const struct {
	const char *name;
	const char *lower;
	size_t len;
	const EVP_MD *(*md)(void);
} algos[DIGEST_ALGOS] = {
	[DIGEST_SHA1] = {"SHA1", "sha1", 20, EVP_sha1},
	[DIGEST_SHA256] = {"SHA256", "sha256", 32, EVP_sha256},
	[DIGEST_SHA512] = {"SHA512", "sha512", 64, EVP_sha512},
};

const char *digest_name(enum digest_algo algo)
{
	return algos[algo].name;
}

size_t digest_len(enum digest_algo algo)
{
	return algos[algo].len;
}

int digest_by_name(const char *name, enum digest_algo *ret)
{
	for (unsigned a = 0; a < DIGEST_ALGOS; a++) {
		const char *want = algos[a].lower, *s = name;
		bool dash = false;

		while (*want && *s) {
			if (*s == '-' && !dash && want - algos[a].lower == 3) {
				dash = true;
				s++;
				continue;
			}
			if (tolower((unsigned char)*s) != *want)
				break;
			s++;
			want++;
		}
		if (!*want && !*s) {
			*ret = a;
			return 0;
		}
	}
	return -ENOTSUP;
}

int digest_new(struct digest **ret, enum digest_algo algo, struct err *err)
{
	_auto_(digest) struct digest *d = xnew(struct digest);

	d->ctx = EVP_MD_CTX_new();
	if (!d->ctx)
		return err_set(err, ENOMEM, "%s: no memory", digest_name(algo));
	if (EVP_DigestInit_ex(d->ctx, algos[algo].md(), NULL) != 1)
		return err_set(err, ENOTSUP, "%s: not available from the cryptographic library",
			digest_name(algo));
	*ret = STEAL(d);
	return 0;
}

void digest_free(struct digest *d)
{
	if (!d)
		return;
	EVP_MD_CTX_free(d->ctx);
	free(d);
}

void digest_add(struct digest *d, const void *bytes, size_t len)
{
	int ok = EVP_DigestUpdate(d->ctx, bytes, len);

	assert(ok == 1);
	(void)ok;
}

void digest_end(struct digest *d, uint8_t sum[DIGEST_MAX])
{
	int ok = EVP_DigestFinal_ex(d->ctx, sum, NULL);

	assert(ok == 1);
	(void)ok;
}

int digest_buffer(enum digest_algo algo, const void *bytes, size_t len, uint8_t sum[DIGEST_MAX],
	struct err *err)
{
	_auto_(digest) struct digest *d = NULL;
	int r = digest_new(&d, algo, err);

	if (r < 0)
		return r;
	digest_add(d, bytes, len);
	digest_end(d, sum);
	return 0;
}

const char *digest_hex(char buf[DIGEST_HEX_MAX], const uint8_t *sum, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	assert(len <= DIGEST_MAX);
	for (size_t i = 0; i < len; i++) {
		buf[2 * i] = digits[sum[i] >> 4];
		buf[2 * i + 1] = digits[sum[i] & 15];
	}
	buf[2 * len] = 0;
	return buf;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int digest_from_hex(const char *hex, uint8_t *sum, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		int hi = hex_value(hex[0]), lo = hi < 0 ? -1 : hex_value(hex[1]);

		if (lo < 0)
			return -EINVAL;
		sum[i] = (uint8_t)(hi << 4 | lo);
		hex += 2;
	}
	return *hex ? -EINVAL : 0;
}
