// SPDX-License-Identifier: LGPL-2.1-or-later
/* vmdk_desc: the grammar of descriptors. */
#include "formats/vmdk/vmdk_desc.h"

#include "formats/base/str.h"
#include "formats/vmdk/vmdk_header.h"

#include <ctype.h>
#include <iconv.h>
#include <inttypes.h>
#include <strings.h>

static const struct {
	const char *name;
	enum vmdk_extent_type type;
} type_names[] = {
	{"FLAT", VMDK_EXTENT_FLAT},
	{"SPARSE", VMDK_EXTENT_SPARSE},
	{"ZERO", VMDK_EXTENT_ZERO},
	{"VMFS", VMDK_EXTENT_VMFS},
	{"VMFSSPARSE", VMDK_EXTENT_VMFSSPARSE},
	{"SESPARSE", VMDK_EXTENT_SESPARSE},
	{"VMFSRDM", VMDK_EXTENT_VMFSRDM},
	{"VMFSRAW", VMDK_EXTENT_VMFSRAW},
};

static const char *const access_names[] = {
	[VMDK_RW] = "RW", [VMDK_RDONLY] = "RDONLY", [VMDK_NOACCESS] = "NOACCESS"};

/* Encodings that VMware writes; the second is iconv's name, NULL needs no conversion. */
static const struct {
	const char *name, *iconv;
} encodings[] = {
	{"UTF-8", NULL},
	{"US-ASCII", NULL},
	{"windows-1252", "WINDOWS-1252"},
	{"ISO-8859-1", "ISO-8859-1"},
	{"windows-1250", "WINDOWS-1250"},
	{"windows-1251", "WINDOWS-1251"},
	{"Big5", "BIG5"},
	{"GBK", "GBK"},
	{"GB18030", "GB18030"},
	{"Shift_JIS", "SHIFT_JIS"},
	{"EUC-JP", "EUC-JP"},
	{"EUC-KR", "EUC-KR"},
};

const char *vmdk_extent_type_name(enum vmdk_extent_type type)
{
	return type_names[type].name;
}

void vmdk_desc_free(struct vmdk_desc *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->extent_count; i++)
		free(d->extents[i].file);
	for (size_t i = 0; i < d->key_count; i++) {
		free(d->keys[i].name);
		free(d->keys[i].value);
	}
	free(d->extents);
	free(d->keys);
	free(d->create_type);
	free(d->parent_file);
	free(d->encoding);
	free(d);
}

const char *vmdk_desc_key(const struct vmdk_desc *d, const char *name)
{
	for (size_t i = 0; i < d->key_count; i++)
		if (!strcasecmp(d->keys[i].name, name))
			return d->keys[i].value;
	return NULL;
}

bool vmdk_desc_is(const void *head, size_t len)
{
	static const char magic[] = "# disk descriptorfile";
	const char *s = head, *end = s + len;

	if (len >= 3 && !memcmp(s, "\xef\xbb\xbf", 3))
		s += 3;
	while (s < end && isspace((unsigned char)*s))
		s++;
	return (size_t)(end - s) >= strlen(magic) && !strncasecmp(s, magic, strlen(magic));
}

/* ---- lines --------------------------------------------------------------------------- */

static char *skip_blanks(char *s)
{
	while (*s == ' ' || *s == '\t')
		s++;
	return s;
}

/* The word at *s, NUL-terminated in place; *s moves behind it. "" at the end. */
static char *next_word(char **s)
{
	char *word = skip_blanks(*s), *end = word;

	while (*end && *end != ' ' && *end != '\t')
		end++;
	*s = *end ? end + 1 : end;
	*end = 0;
	return word;
}

/* The quoted string at *s without its quotes, or NULL if there is none; *s moves behind it. */
static char *next_quoted(char **s)
{
	char *text = skip_blanks(*s), *end;

	if (*text != '"')
		return NULL;
	end = strchr(++text, '"');
	if (!end)
		return NULL;
	*end = 0;
	*s = end + 1;
	return text;
}

static bool find_access(const char *word, enum vmdk_access *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(access_names); i++)
		if (!strcasecmp(word, access_names[i])) {
			*ret = i;
			return true;
		}
	return false;
}

static int find_type(const char *word, enum vmdk_extent_type *ret, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(type_names); i++)
		if (!strcasecmp(word, type_names[i].name)) {
			*ret = type_names[i].type;
			return 0;
		}
	return err_set(err, *word ? ENOTSUP : EINVAL, "extent type \"%s\" is not known", word);
}

/* ACCESS SECTORS TYPE ["FILE" [SECTOR [device lines that are of no use here]]]; `s` is behind
 * ACCESS. */
static int add_extent(struct vmdk_desc *d, enum vmdk_access access, char *s, struct err *err)
{
	struct vmdk_extent_line e = {.access = access};
	char *file, *word;
	int r;

	if (d->extent_count == VMDK_DESC_MAX_EXTENTS)
		return err_set(err, EINVAL, "more than %d extents", VMDK_DESC_MAX_EXTENTS);
	word = next_word(&s);
	if (parse_u64(word, VMDK_MAX_SECTORS, &e.sectors) < 0)
		return err_set(err, EINVAL,
			"\"%s\" is no number of sectors (at most %" PRIu64 ")", word,
			VMDK_MAX_SECTORS);
	r = find_type(next_word(&s), &e.type, err);
	if (r < 0)
		return r;
	file = next_quoted(&s);
	if (!file && e.type != VMDK_EXTENT_ZERO)
		return err_set(err, EINVAL, "a %s extent without a file name in quotes",
			vmdk_extent_type_name(e.type));
	if (file && !*file)
		return err_set(err, EINVAL, "an extent with an empty file name");
	word = next_word(&s);
	if (*word && parse_u64(word, VMDK_MAX_SECTORS, &e.file_sector) < 0)
		return err_set(err, EINVAL, "\"%s\" is no offset in sectors", word);
	if (e.sectors > VMDK_MAX_SECTORS - d->sectors)
		return err_set(err, EINVAL, "all extents have more than %" PRIu64 " sectors",
			VMDK_MAX_SECTORS);
	d->sectors += e.sectors;
	e.file = e.type == VMDK_EXTENT_ZERO ? NULL : xstrdup(file);
	if (is_power_of_2(d->extent_count) || !d->extent_count)
		d->extents = xrealloc(d->extents, d->extent_count ? d->extent_count * 2 : 1,
			sizeof(*d->extents));
	d->extents[d->extent_count++] = e;
	return 0;
}

static void trim_end(char *s)
{
	char *end = s + strlen(s);

	while (end > s && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = 0;
}

/* key = value or key = "value" */
static int add_key(struct vmdk_desc *d, char *line, struct err *err)
{
	char *equals = strchr(line, '='), *value;

	if (!equals || equals == line)
		return err_set(err, EINVAL, "\"%.60s\" is neither a key nor an extent", line);
	if (d->key_count == VMDK_DESC_MAX_KEYS)
		return err_set(err, EINVAL, "more than %d keys", VMDK_DESC_MAX_KEYS);
	*equals = 0;
	trim_end(line);
	value = skip_blanks(equals + 1);
	if (*value == '"') {
		char *rest = value;

		value = next_quoted(&rest);
		if (!value)
			return err_set(err, EINVAL, "%.60s: a quote is not closed", line);
		if (*skip_blanks(rest))
			return err_set(err, EINVAL,
				"%.60s: text behind the closing quote: %.60s", line, rest);
	}
	if (is_power_of_2(d->key_count) || !d->key_count)
		d->keys = xrealloc(
			d->keys, d->key_count ? d->key_count * 2 : 1, sizeof(*d->keys));
	d->keys[d->key_count++] =
		(struct vmdk_key){.name = xstrdup(line), .value = xstrdup(value)};
	return 0;
}

static int parse_line(struct vmdk_desc *d, char *line, struct err *err)
{
	enum vmdk_access access;
	size_t word;

	line = skip_blanks(line);
	trim_end(line);
	if (!*line || *line == '#')
		return 0;
	word = strcspn(line, " \t");
	if (word < 16) {
		char first[16] = "";

		memcpy(first, line, word);
		if (find_access(first, &access))
			return add_extent(d, access, line + word, err);
	}
	return add_key(d, line, err);
}

/* ---- the header's keys --------------------------------------------------------------- */

/* The key's value, if all its lines agree. */
static int only_value(
	const struct vmdk_desc *d, const char *name, const char **ret, struct err *err)
{
	*ret = vmdk_desc_key(d, name);
	for (size_t i = 0; i < d->key_count; i++)
		if (!strcasecmp(d->keys[i].name, name) && strcmp(d->keys[i].value, *ret))
			return err_set(err, EINVAL,
				"%s is there twice: \"%.60s\" and \"%.60s\"", name, *ret,
				d->keys[i].value);
	return 0;
}

static int read_cid(const struct vmdk_desc *d, const char *name, uint32_t *ret, struct err *err)
{
	const char *value;
	int r = only_value(d, name, &value, err);
	char *end = NULL;
	unsigned long v;

	*ret = VMDK_NO_PARENT;
	if (r < 0 || !value)
		return r;
	v = isxdigit((unsigned char)*value) ? strtoul(value, &end, 16) : 0;
	if (!end || *end || end - value > 8)
		return err_set(err, EINVAL, "%s is \"%.60s\", not up to 8 hexadecimal digits",
			name, value);
	*ret = v;
	return 0;
}

/* Text of the descriptor's encoding as UTF-8. */
static int to_utf8(char **text, const char *from, const char *encoding, struct err *err)
{
	size_t in_len = strlen(*text), out_len = in_len * 4;
	_auto_(mem) char *converted = NULL;
	char *in = *text, *out;
	size_t r;
	iconv_t c = iconv_open("UTF-8", from);

	if (c == (iconv_t)-1)
		return err_set(err, ENOTSUP,
			"encoding %s: this system cannot convert it to UTF-8", encoding);
	out = converted = xcalloc(out_len + 1, 1);
	r = iconv(c, &in, &in_len, &out, &out_len);
	iconv_close(c);
	if (r == (size_t)-1)
		return err_set(err, EINVAL, "\"%.200s\" is not valid %s", *text, encoding);
	free(*text);
	*text = STEAL(converted);
	return 0;
}

static bool is_ascii(const char *s)
{
	while (*s && !(*s & 0x80))
		s++;
	return !*s;
}

/* Names that are not ASCII become UTF-8. */
static int decode_names(struct vmdk_desc *d, struct err *err)
{
	const char *from = NULL;
	bool known = !d->encoding;

	for (size_t i = 0; d->encoding && i < ARRAY_SIZE(encodings); i++)
		if (!strcasecmp(d->encoding, encodings[i].name)) {
			known = true;
			from = encodings[i].iconv;
		}
	for (size_t i = 0; i <= d->extent_count; i++) {
		char **name = i < d->extent_count ? &d->extents[i].file : &d->parent_file;
		int r;

		if (!*name || is_ascii(*name))
			continue;
		if (!known)
			return err_set(
				err, ENOTSUP, "encoding \"%.60s\" is not known", d->encoding);
		r = from ? to_utf8(name, from, d->encoding, err) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

/* Is the disk encrypted? VMware writes these keys then. */
static int check_encryption(const struct vmdk_desc *d, struct err *err)
{
	static const char *const keys[] = {"encryption.keySafe", "encryptedData",
		"encryption.data", "ddb.encoding.keySafe"};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (vmdk_desc_key(d, keys[i]))
			return err_set(err, ENOTSUP,
				"the disk is encrypted (%s): decrypt it in VMware first",
				keys[i]);
	return 0;
}

static int read_header_keys(struct vmdk_desc *d, struct err *err)
{
	const char *version, *create_type, *parent, *encoding;
	uint64_t v = 1;
	int r;

	if ((r = check_encryption(d, err)) < 0 ||
		(r = only_value(d, "version", &version, err)) < 0 ||
		(r = only_value(d, "createType", &create_type, err)) < 0 ||
		(r = only_value(d, "parentFileNameHint", &parent, err)) < 0 ||
		(r = only_value(d, "encoding", &encoding, err)) < 0 ||
		(r = read_cid(d, "CID", &d->cid, err)) < 0 ||
		(r = read_cid(d, "parentCID", &d->parent_cid, err)) < 0)
		return r;
	if (version && parse_u64(version, UINT32_MAX, &v) < 0)
		return err_set(err, EINVAL, "version is \"%.60s\", not a number", version);
	if (v < 1 || v > 4)
		return err_set(err, ENOTSUP, "descriptor version %" PRIu64, v);
	d->version = v;
	d->create_type = xstrdup_null(create_type);
	d->parent_file = xstrdup_null(parent);
	d->encoding = xstrdup_null(encoding);
	return decode_names(d, err);
}

int vmdk_desc_parse(struct vmdk_desc **ret, const char *text, size_t len, struct err *err)
{
	_auto_(vmdk_desc) struct vmdk_desc *d = xnew(struct vmdk_desc);
	_auto_(mem) char *copy = NULL;
	char *line;
	int r;

	if (len > VMDK_DESC_MAX_BYTES)
		return err_set(err, EINVAL, "descriptor of %zu bytes (at most %zu)", len,
			VMDK_DESC_MAX_BYTES);
	line = copy = xstrndup(text, len); /* to the first NUL */
	if (starts_with(line, "\xef\xbb\xbf"))
		line += 3;
	for (unsigned number = 1; *line; number++) {
		size_t n = strcspn(line, "\r\n");
		char *next = line + n;

		if (*next == '\r' && next[1] == '\n')
			*next++ = 0;
		if (*next)
			*next++ = 0;
		r = parse_line(d, line, err);
		if (r < 0)
			return err_prefix(err, "descriptor: line %u", number);
		line = next;
	}
	r = read_header_keys(d, err);
	if (r < 0)
		return err_prefix(err, "descriptor");
	if (!d->extent_count)
		return err_set(err, EINVAL, "descriptor: no extent, so no disk");
	*ret = STEAL(d);
	return 0;
}
