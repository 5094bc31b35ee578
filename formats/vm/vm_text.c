// SPDX-License-Identifier: LGPL-2.1-or-later
/* vm_text: names, UUIDs and MAC addresses out of descriptions. */
#include "formats/vm/vm_text.h"

#include "formats/base/alloc.h"
#include "formats/base/str.h"

#include <ctype.h>
#include <strings.h>

static char *clean(const char *text, size_t max, bool lines)
{
	_auto_str_ struct str s = STR_INIT;
	size_t len;

	if (!text)
		return NULL;
	while (isspace((unsigned char)*text))
		text++;
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (lines && c == '\r')
			continue;
		if ((c >= 0x20 && c != 0x7f) || (lines && (c == '\n' || c == '\t')))
			str_addc(&s, (char)c);
		else
			str_addc(&s, ' ');
	}
	len = MIN(s.len, max);
	/* Not in the middle of a UTF-8 character. */
	while (len < s.len && len && ((unsigned char)s.s[len] & 0xc0) == 0x80)
		len--;
	while (len && isspace((unsigned char)s.s[len - 1]))
		len--;
	return len ? xstrndup(s.s, len) : NULL;
}

char *vm_name_clean(const char *text)
{
	return clean(text, VM_NAME_MAX, false);
}

char *vm_description_clean(const char *text)
{
	return clean(text, VM_DESCRIPTION_MAX, true);
}

/* Exactly `want` hexadecimal digits among the bytes of `between`, in lower case. */
static int hex_digits(const char *text, const char *between, char *digits, size_t want)
{
	size_t n = 0;

	for (; *text; text++) {
		if (isxdigit((unsigned char)*text)) {
			if (n == want)
				return -EINVAL;
			digits[n++] = (char)tolower((unsigned char)*text);
		} else if (!strchr(between, *text)) {
			return -EINVAL;
		}
	}
	return n == want ? 0 : -EINVAL;
}

int vm_uuid_parse(const char *text, char **ret)
{
	char d[32];

	if (!text || hex_digits(text, " -{}", d, sizeof(d)) < 0)
		return -EINVAL;
	*ret = xasprintf("%.8s-%.4s-%.4s-%.4s-%.12s", d, d + 8, d + 12, d + 16, d + 20);
	return 0;
}

static int parse_i64(const char *text, uint64_t *ret)
{
	bool negative = *text == '-';
	uint64_t v;
	int r = parse_u64(text + negative, (uint64_t)INT64_MAX + negative, &v);

	if (r < 0)
		return -EINVAL;
	*ret = negative ? -v : v;
	return 0;
}

int vm_genid_from_halves(const char *genid, const char *genid_x, char **ret)
{
	uint64_t lo, hi;
	struct str s = STR_INIT;

	if (!genid || !genid_x || parse_i64(genid, &lo) < 0 || parse_i64(genid_x, &hi) < 0)
		return -EINVAL;
	/* The 16 bytes are the two halves, little-endian; a GUID's first three fields are
	 * numbers (little-endian too), its last eight bytes stand in memory order. */
	str_addf(&s, "%08x-%04x-%04x-%02x%02x-", (unsigned)(lo & 0xffffffff),
		(unsigned)(lo >> 32 & 0xffff), (unsigned)(lo >> 48), (unsigned)(hi & 0xff),
		(unsigned)(hi >> 8 & 0xff));
	for (unsigned shift = 16; shift < 64; shift += 8)
		str_addf(&s, "%02x", (unsigned)(hi >> shift & 0xff));
	*ret = str_steal(&s);
	return 0;
}

int vm_mac_parse(const char *text, char **ret)
{
	char d[12];

	if (!text || hex_digits(text, " :-.", d, sizeof(d)) < 0)
		return -EINVAL;
	/* The lowest bit of the first byte marks a group address. */
	if (strchr("13579bdf", d[1]) || !memcmp(d, "000000000000", sizeof(d)))
		return -EINVAL;
	*ret = xasprintf(
		"%.2s:%.2s:%.2s:%.2s:%.2s:%.2s", d, d + 2, d + 4, d + 6, d + 8, d + 10);
	return 0;
}

bool vm_bool(const char *text, bool other)
{
	static const struct {
		const char *text;
		bool value;
	} words[] = {
		{"true", true},
		{"yes", true},
		{"on", true},
		{"1", true},
		{"false", false},
		{"no", false},
		{"off", false},
		{"0", false},
	};

	for (size_t i = 0; text && i < ARRAY_SIZE(words); i++)
		if (!strcasecmp(text, words[i].text))
			return words[i].value;
	return other;
}
