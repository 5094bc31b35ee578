// SPDX-License-Identifier: LGPL-2.1-or-later
/* tar: the walker. Layout of headers: POSIX.1 pax, "ustar Interchange Format". */
#include "formats/ova/tar.h"

#include "formats/base/str.h"

#include <ctype.h>
#include <inttypes.h>

#define BLOCK 512

struct header {
	char name[100];
	char mode[8];
	char uid[8];
	char gid[8];
	char size[12];
	char mtime[12];
	char checksum[8];
	char type;
	char link[100];
	char magic[8]; /* with the version: "ustar\0" "00", or GNU's "ustar  \0" */
	char user[32];
	char group[32];
	char major[8];
	char minor[8];
	char prefix[155];
	char pad[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "a tar header is one block");

/* What extended headers said about the member that follows. */
struct extended {
	char *path;
	uint64_t size;
	bool has_size;
	unsigned count;
};

/* A number in octal, perhaps with spaces around it, or GNU's base 256. */
static int parse_number(const char *field, size_t len, uint64_t *ret)
{
	const uint8_t *f = (const uint8_t *)field;
	uint64_t v = 0;
	size_t i = 0, digits;

	if (f[0] & 0x80) {
		/* 0x80: positive, big-endian; 0xff: negative. */
		if (f[0] != 0x80)
			return -EINVAL;
		for (i = 1; i < len; i++) {
			if (v >> 55)
				return -EINVAL;
			v = v << 8 | f[i];
		}
		*ret = v;
		return 0;
	}
	while (i < len && f[i] == ' ')
		i++;
	for (digits = i; i < len && f[i] >= '0' && f[i] <= '7'; i++)
		v = v << 3 | (uint64_t)(f[i] - '0');
	if (i == digits || (i < len && f[i] && f[i] != ' '))
		return -EINVAL;
	*ret = v;
	return 0;
}

/* The sum of all bytes, those of the checksum field counted as spaces. Some old writers summed
 * signed bytes. */
static bool checksum_ok(const struct header *h)
{
	const uint8_t *b = (const uint8_t *)h;
	size_t from = offsetof(struct header, checksum), to = from + sizeof(h->checksum);
	uint64_t want, sum = 0;
	int64_t signed_sum = 0;

	for (size_t i = 0; i < BLOCK; i++) {
		uint8_t c = i >= from && i < to ? ' ' : b[i];

		sum += c;
		signed_sum += (int8_t)c;
	}
	return parse_number(h->checksum, sizeof(h->checksum), &want) >= 0 &&
	       (want == sum || (int64_t)want == signed_sum);
}

bool tar_probe(struct block *file)
{
	struct header h;

	return file->size >= BLOCK && block_pread(file, &h, BLOCK, 0, NULL) >= 0 &&
	       !bytes_are_zero(&h, BLOCK) && checksum_ok(&h);
}

int tar_clean_name(const char *name, char **ret, struct err *err)
{
	_auto_str_ struct str s = STR_INIT;

	if (name[0] == '/')
		return err_set(err, EPERM, "%s: an absolute member name", name);
	while (*name) {
		size_t len = strcspn(name, "/");

		if (len == 2 && !strncmp(name, "..", 2))
			return err_set(err, EPERM, "%s: a member name with \"..\"", name);
		if (len && !(len == 1 && *name == '.')) {
			if (s.len)
				str_addc(&s, '/');
			str_addn(&s, name, len);
		}
		name += len + (name[len] != 0);
	}
	if (s.len > TAR_NAME_MAX)
		return err_set(err, EINVAL, "a member name of %zu bytes; %d are allowed", s.len,
			TAR_NAME_MAX);
	*ret = str_steal(&s);
	return 0;
}

void tar_begin(struct tar_reader *t, struct block *file, const char *label)
{
	*t = (struct tar_reader){.file = file, .label = label};
}

void tar_end(struct tar_reader *t)
{
	free(t->name);
	t->name = NULL;
}

/* The name in the header itself; the prefix field is ustar's only. */
static char *header_name(const struct header *h)
{
	_auto_(mem) char *name = xstrndup(h->name, sizeof(h->name));
	_auto_(mem) char *prefix = xstrndup(h->prefix, sizeof(h->prefix));

	if (memcmp(h->magic, "ustar\0", 6) || !*prefix)
		return STEAL(name);
	return xasprintf("%s/%s", prefix, name);
}

/* ---- extended headers ---- */

/* One "path=..." or the like of a pax header. */
static int pax_record(
	struct extended *ext, const char *record, size_t len, char type, struct err *err)
{
	const char *equals = memchr(record, '=', len);
	size_t key = equals ? (size_t)(equals - record) : 0, rest = len - key - 1;
	bool is_path = key == 4 && !memcmp(record, "path", 4);
	bool is_size = key == 4 && !memcmp(record, "size", 4);

	if (!key)
		return err_set(err, EINVAL, "a pax record without a key");
	if (key > 11 && !memcmp(record, "GNU.sparse.", 11))
		return err_set(
			err, ENOTSUP, "a sparse member: make the archive without --sparse");
	if (!is_path && !is_size)
		return 0;
	if (type == 'g')
		return err_set(err, EINVAL, "one %.*s for all members", (int)key, record);
	if (is_path) {
		if (!rest || rest > TAR_NAME_MAX || memchr(equals + 1, 0, rest))
			return err_set(err, EINVAL, "a pax path of %zu bytes", rest);
		free(ext->path);
		ext->path = xstrndup(equals + 1, rest);
		return 0;
	}
	{
		_auto_(mem) char *text = xstrndup(equals + 1, rest);

		if (parse_u64(text, INT64_MAX, &ext->size) < 0)
			return err_set(
				err, EINVAL, "the pax size \"%.40s\" is no number", text);
		ext->has_size = true;
	}
	return 0;
}

/* Records "LENGTH KEY=VALUE\n", where LENGTH counts the whole record. */
static int pax_records(
	struct extended *ext, const char *text, size_t len, char type, struct err *err)
{
	while (len) {
		size_t digits = 0, n = 0;
		int r;

		while (digits < len && digits < 8 && isdigit((unsigned char)text[digits]))
			n = n * 10 + (size_t)(text[digits++] - '0');
		if (!digits || digits == len || text[digits] != ' ' || n > len ||
			n < digits + 2 || text[n - 1] != '\n')
			return err_set(err, EINVAL, "a damaged pax record");
		r = pax_record(ext, text + digits + 1, n - digits - 2, type, err);
		if (r < 0)
			return r;
		text += n;
		len -= n;
	}
	return 0;
}

/* Reads the bytes of an extended header of type L, x or g. */
static int read_extended(struct tar_reader *t, struct extended *ext, char type, uint64_t offset,
	uint64_t size, struct err *err)
{
	_auto_(mem) char *text = NULL;
	uint64_t limit = type == 'L' ? TAR_NAME_MAX + 1 : TAR_PAX_MAX;
	void *buf;
	int r;

	if (++ext->count > TAR_EXTENSIONS_MAX)
		return err_set(err, EINVAL, "more than %d extended headers before one member",
			TAR_EXTENSIONS_MAX);
	if (type == 'K') /* the target of a link: links are not followed */
		return 0;
	r = alloc_limited(&buf, size + 1, 1, limit + 1, "bytes of an extended header", err);
	if (r < 0)
		return r;
	text = buf;
	r = block_pread(t->file, text, size, offset, err);
	if (r < 0)
		return r;
	if (type != 'L')
		return pax_records(ext, text, size, type, err);
	if (!*text)
		return err_set(err, EINVAL, "an empty long name");
	free(ext->path);
	ext->path = xstrdup(text);
	return 0;
}

/* ---- members ---- */

static int member_type(struct tar_reader *t, const struct header *h, uint64_t *size,
	enum tar_type *ret, struct err *err)
{
	switch (h->type) {
	case '0':
	case '\0':
	case '7': { /* contiguous */
		size_t len = strlen(t->name);

		/* Before POSIX a trailing slash made a directory. */
		*ret = len && t->name[len - 1] == '/' ? TAR_DIRECTORY : TAR_FILE;
		return 0;
	}
	case '5':
		*ret = TAR_DIRECTORY;
		*size = 0; /* some writers put an allocation hint here */
		return 0;
	case 'S':
		return err_set(err, ENOTSUP,
			"%s: a sparse member: make the archive without --sparse", t->name);
	case 'M':
		return err_set(err, ENOTSUP, "%s: a part of a multi-volume archive", t->name);
	case '1': /* hard link */
	case '2': /* symbolic link */
	case '3': /* character device */
	case '4': /* block device */
	case '6': /* FIFO */
		*size = 0;
		break;
	default:
		break; /* unknown kinds are like files (POSIX), but nobody asked for them */
	}
	*ret = TAR_OTHER;
	return 0;
}

/* One header and what belongs to it. 2: it was an extended one. */
static int read_member(
	struct tar_reader *t, struct extended *ext, struct tar_member *m, struct err *err)
{
	uint64_t at = t->next, left = t->file->size - at, size;
	struct header h;
	int r;

	if (left < BLOCK)
		return err_set(err, EINVAL,
			"cut: a header needs %d bytes, the file ends after %" PRIu64, BLOCK,
			left);
	r = block_pread(t->file, &h, BLOCK, at, err);
	if (r < 0)
		return r;
	if (bytes_are_zero(&h, BLOCK)) {
		if (ext->count)
			return err_set(
				err, EINVAL, "the archive ends after an extended header");
		t->terminated = true;
		return 0;
	}
	if (!checksum_ok(&h))
		return err_set(err, EINVAL, "not a tar header: its checksum is wrong");
	if (parse_number(h.size, sizeof(h.size), &size) < 0)
		return err_set(err, EINVAL, "the size in the header is no number");
	if (h.type == 'L' || h.type == 'K' || h.type == 'x' || h.type == 'g') {
		free(t->name);
		t->name = xstrdup("extended header");
	} else {
		free(t->name);
		t->name = ext->path ? STEAL(ext->path) : header_name(&h);
		if (ext->has_size)
			size = ext->size;
		r = member_type(t, &h, &size, &m->type, err);
		if (r < 0)
			return r;
	}
	at += BLOCK;
	if (!range_ok(at, size, t->file->size))
		return err_set(err, EINVAL,
			"%s: cut: its %" PRIu64 " bytes begin at %" PRIu64
			", the file ends at %" PRIu64 ": %" PRIu64 " bytes are missing",
			t->name, size, at, t->file->size, size - (t->file->size - at));
	/* The last member's padding may be missing. */
	t->next = at + MIN(align_up(size, BLOCK), t->file->size - at);
	m->offset = at;
	m->size = size;
	if (h.type == 'L' || h.type == 'K' || h.type == 'x' || h.type == 'g') {
		r = read_extended(t, ext, h.type, at, size, err);
		return r < 0 ? r : 2;
	}
	return 1;
}

int tar_next(struct tar_reader *t, struct tar_member *m, struct err *err)
{
	struct extended ext = {0};
	uint64_t at;
	char *clean = NULL;
	int r;

	do {
		at = t->next;
		if (t->terminated || (at == t->file->size && !ext.count)) {
			r = 0;
			break;
		}
		r = read_member(t, &ext, m, err);
	} while (r == 2);
	free(ext.path);
	if (r > 0) {
		r = tar_clean_name(t->name, &clean, err);
		if (r >= 0 && m->type == TAR_FILE && !*clean) {
			free(clean);
			r = err_set(err, EINVAL, "a member without a name");
		}
		if (r >= 0) {
			free(t->name);
			t->name = clean;
			m->name = clean;
			r = 1;
		}
	}
	return r < 0 ? err_prefix(err, "%s: tar header at %" PRIu64, t->label, at) : r;
}
