// SPDX-License-Identifier: LGPL-2.1-or-later
/* digest: published test vectors (FIPS 180-4 examples), streaming, hexadecimal. */
#include "tests/unit/test.h"

#include "formats/base/alloc.h"
#include "formats/base/digest.h"

static const struct {
	enum digest_algo algo;
	const char *text;
	const char *hex;
} vectors[] = {
	{DIGEST_SHA1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
	{DIGEST_SHA1, "", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
	{DIGEST_SHA256, "abc",
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
	{DIGEST_SHA256, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
	{DIGEST_SHA512, "abc",
		"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
		"2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
};

static void published_vectors_agree(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		size_t len = strlen(vectors[i].text);

		/* In two pieces, cut everywhere. */
		for (size_t cut = 0; cut <= len; cut++) {
			_auto_(digest) struct digest *d = NULL;
			char hex[DIGEST_HEX_MAX];
			uint8_t sum[DIGEST_MAX];
			struct err err = {0};

			assert_ok(digest_new(&d, vectors[i].algo, &err));
			digest_add(d, vectors[i].text, cut);
			digest_add(d, vectors[i].text + cut, len - cut);
			digest_end(d, sum);
			assert_string_equal(digest_hex(hex, sum, digest_len(vectors[i].algo)),
				vectors[i].hex);
		}
	}
}

static void names_of_algorithms_are_found(void **state)
{
	static const struct {
		const char *name;
		int algo; /* -1 = unknown */
	} rows[] = {
		{"SHA1", DIGEST_SHA1},
		{"sha-1", DIGEST_SHA1},
		{"Sha256", DIGEST_SHA256},
		{"SHA-512", DIGEST_SHA512},
		{"SHA", -1},
		{"SHA2", -1},
		{"SHA2566", -1},
		{"MD5", -1},
		{"", -1},
		{"SHA--256", -1},
		{"S-HA256", -1},
		{"SHA256 ", -1},
		{"-SHA1", -1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		enum digest_algo algo;
		int r = digest_by_name(rows[i].name, &algo);

		assert_int_equal(r, rows[i].algo < 0 ? -ENOTSUP : 0);
		if (!r)
			assert_int_equal(algo, rows[i].algo);
	}
}

static void hexadecimal_is_exact(void **state)
{
	uint8_t b[2];

	assert_int_equal(digest_from_hex("00fF", b, 2), 0);
	assert_int_equal(b[0], 0);
	assert_int_equal(b[1], 255);
	assert_int_equal(digest_from_hex("00f", b, 2), -EINVAL);
	assert_int_equal(digest_from_hex("00", b, 2), -EINVAL);
	assert_int_equal(digest_from_hex("00ff0", b, 2), -EINVAL);
	assert_int_equal(digest_from_hex("00fg", b, 2), -EINVAL);
	assert_int_equal(digest_from_hex("0 ff", b, 2), -EINVAL);
	assert_int_equal(digest_from_hex("", b, 2), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_vectors_agree),
		cmocka_unit_test(names_of_algorithms_are_found),
		cmocka_unit_test(hexadecimal_is_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
