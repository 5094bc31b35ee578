// SPDX-License-Identifier: LGPL-2.1-or-later
// initrd: the archives of an initramfs, walked as the kernel unpacks them.
#include "guestfix/lib/initrd.h"

#include "guestfix/lib/unpack.h"

#include <sys/stat.h>

#define HEADER_SIZE    110 /* newc: magic and 13 numbers of 8 hexadecimal digits */
#define MAX_LINKS      40  /* symbolic links followed for one path, as the kernel does */
#define MAX_KEPT_FILES 1024

/*
 * The walker gets bytes in pieces of any size. It gathers what it needs next (a header, a name, a
 * small file) in `have`, or skips the bytes of a file.
 */
enum state { IN_HEADER, IN_NAME, IN_KEPT, IN_SKIPPED };

struct walk {
	struct initrd *rd;
	enum state state;
	struct str have;
	size_t want;         /* bytes `have` must reach */
	uint64_t skip;       /* bytes to pass over (data, padding) */
	uint64_t pos;        /* bytes of this archive so far, for alignment */
	uint64_t unpacked;   /* bytes of all archives */
	uint32_t mode, size; /* of the current entry */
	uint32_t name_size;
	size_t cap, kept;
	size_t memory; /* of what is kept of entries */
	bool ended;    /* the archive's last entry was seen */
	char *name;
};

void initrd_free(struct initrd *rd)
{
	if (!rd)
		return;
	for (size_t i = 0; i < rd->n_entries; i++) {
		free(rd->entries[i].path);
		free(rd->entries[i].link);
		free(rd->entries[i].data);
	}
	free(rd->entries);
	free(rd);
}

/* The number in field `i` of the header. */
static int header_number(const char *h, unsigned i, uint32_t *ret)
{
	uint32_t v = 0;

	for (unsigned k = 0; k < 8; k++) {
		char c = h[6 + i * 8 + k];
		unsigned digit;

		if (c >= '0' && c <= '9')
			digit = (unsigned)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			digit = (unsigned)((c | 0x20) - 'a') + 10;
		else
			return -EINVAL;
		v = v << 4 | digit;
	}
	*ret = v;
	return 0;
}

static int parse_header(struct walk *w, struct err *err)
{
	const char *h = w->have.s;

	if (memcmp(h, "070701", 6) && memcmp(h, "070702", 6))
		return err_set(err, EINVAL,
			"initramfs: no cpio header at byte %llu of an archive",
			(unsigned long long)(w->pos - HEADER_SIZE));
	if (header_number(h, 1, &w->mode) < 0 || header_number(h, 6, &w->size) < 0 ||
		header_number(h, 11, &w->name_size) < 0)
		return err_set(
			err, EINVAL, "initramfs: a number in a cpio header is malformed");
	if (w->name_size < 1 || w->name_size > INITRD_MAX_PATH)
		return err_set(err, EINVAL, "initramfs: a name of %u bytes, %d are allowed",
			w->name_size, INITRD_MAX_PATH);
	w->state = IN_NAME;
	w->want = w->name_size;
	w->ended = false;
	return 0;
}

static bool is_kept(const struct walk *w, const char *name)
{
	if (S_ISLNK(w->mode))
		return true;
	return S_ISREG(w->mode) && w->size <= INITRD_MAX_KEPT && w->kept < MAX_KEPT_FILES &&
	       (starts_with(name, "conf/") || starts_with(name, "cryptroot/"));
}

static uint64_t padding(uint64_t pos)
{
	return align_up(pos, 4) - pos;
}

/* The data of an entry begins (its name is known). Returns 1 at the end of the archive. */
static int parse_name(struct walk *w, struct err *err)
{
	const char *name = w->have.s;

	if (name[w->name_size - 1] != '\0')
		return err_set(err, EINVAL, "initramfs: a name without its end");
	if (!strcmp(name, "TRAILER!!!")) {
		w->state = IN_HEADER;
		w->want = HEADER_SIZE;
		w->ended = true;
		return 1; /* the zeros behind it are nobody's */
	}
	w->skip = padding(w->pos);
	while (*name == '/' || (name[0] == '.' && name[1] == '/'))
		name++;
	free(w->name);
	w->name = xstrdup(name);
	w->state = is_kept(w, name) ? IN_KEPT : IN_SKIPPED;
	if (S_ISLNK(w->mode) && w->size > INITRD_MAX_PATH)
		return err_set(err, EINVAL, "initramfs: a link of %u bytes", w->size);
	w->want = w->state == IN_KEPT ? w->size : 0;
	return 0;
}

static int add_entry(struct walk *w, struct err *err)
{
	struct initrd *rd = w->rd;
	struct initrd_entry *e;

	if (rd->n_entries == INITRD_MAX_ENTRIES)
		return err_set(err, EINVAL, "initramfs: more than the %d entries allowed",
			INITRD_MAX_ENTRIES);
	w->memory += strlen(w->name) + w->have.len;
	if (w->memory > INITRD_MAX_MEMORY)
		return err_set(err, EINVAL,
			"initramfs: names and links of more than the %d bytes allowed",
			INITRD_MAX_MEMORY);
	if (rd->n_entries == w->cap) {
		w->cap = w->cap ? w->cap * 2 : 1024;
		rd->entries = xrealloc(rd->entries, w->cap, sizeof(*rd->entries));
	}
	e = &rd->entries[rd->n_entries];
	*e = (struct initrd_entry){
		.path = STEAL(w->name),
		.mode = w->mode,
		.size = w->size,
		.seq = rd->n_entries,
	};
	rd->n_entries++;
	if (w->state == IN_KEPT && S_ISLNK(w->mode)) {
		e->link = xstrndup(w->have.s, w->have.len);
	} else if (w->state == IN_KEPT) {
		e->data = xmemdup(w->have.s, w->have.len + 1);
		w->kept++;
	}
	return 0;
}

/* What was gathered is complete. Returns 1 at the end of an archive. */
static int step(struct walk *w, struct err *err)
{
	int ret = 0;

	switch (w->state) {
	case IN_HEADER:
		ret = parse_header(w, err);
		break;
	case IN_NAME:
		ret = parse_name(w, err);
		break;
	case IN_KEPT:
	case IN_SKIPPED:
		ret = add_entry(w, err);
		w->skip = w->state == IN_SKIPPED ? w->size + padding(w->pos + w->size)
						 : padding(w->pos);
		w->state = IN_HEADER;
		w->want = HEADER_SIZE;
		break;
	}
	w->have.len = 0;
	return ret;
}

/*
 * Walks over bytes of an archive. Returns how many it took: all, or fewer when the archive ended.
 */
static ssize_t walk_feed(struct walk *w, const uint8_t *p, size_t len, struct err *err)
{
	size_t left = len;

	for (;;) {
		size_t n = (size_t)MIN(w->skip, (uint64_t)left);
		int ret;

		w->skip -= n;
		if (!n) {
			n = MIN(w->want - w->have.len, left);
			str_addn(&w->have, p, n);
		}
		p += n;
		left -= n;
		w->pos += n;
		w->unpacked += n;
		if (w->unpacked > INITRD_MAX_UNPACKED)
			return err_set(err, EINVAL,
				"initramfs: unpacks to more than %llu bytes",
				(unsigned long long)INITRD_MAX_UNPACKED);
		if (w->skip || w->have.len < w->want) {
			if (!left)
				return (ssize_t)len;
			continue;
		}
		ret = step(w, err);
		if (ret < 0)
			return ret;
		if (ret > 0)
			return (ssize_t)(len - left);
	}
}

/* Between archives, or at least entries: nothing is half read. */
static bool walk_is_idle(const struct walk *w)
{
	return w->state == IN_HEADER && !w->have.len && !w->skip;
}

static void walk_restart(struct walk *w)
{
	w->pos = 0;
	w->skip = 0;
}

/* Unpacked bytes: archives with zeros between them. */
static int unpacked_sink(void *opaque, const uint8_t *bytes, size_t len, struct err *err)
{
	struct walk *w = opaque;

	while (len) {
		ssize_t n;

		if (walk_is_idle(w) && *bytes == 0) {
			walk_restart(w);
			bytes++;
			len--;
			continue;
		}
		n = walk_feed(w, bytes, len, err);
		if (n < 0)
			return (int)n;
		bytes += n;
		len -= (size_t)n;
		if (walk_is_idle(w) && len)
			walk_restart(w);
	}
	return 0;
}

/* One archive, packed or not, at the start of in; returns the bytes it took. */
static int parse_segment(struct walk *w, const uint8_t *in, size_t len, size_t *consumed,
	uint64_t *largest, struct err *err)
{
	enum initrd_compression c = INITRD_PLAIN;
	uint64_t before = w->unpacked;
	int ret;

	walk_restart(w);
	if (len >= 6 && !memcmp(in, "07070", 5)) {
		ssize_t n = walk_feed(w, in, len, err);

		if (n < 0)
			return (int)n;
		*consumed = (size_t)n;
	} else if (unpack_detect(in, len, &c)) {
		ret = unpack_stream(c, in, len, unpacked_sink, w, consumed, err);
		if (ret < 0)
			return err_prefix(err, "initramfs");
	} else {
		return err_set(err, ENOTSUP,
			"initramfs: neither cpio nor a known compression (%02x %02x %02x %02x)",
			in[0], len > 1 ? in[1] : 0, len > 2 ? in[2] : 0, len > 3 ? in[3] : 0);
	}
	if (!walk_is_idle(w) || !w->ended)
		return err_set(err, EINVAL, "initramfs: archive %u is cut short",
			w->rd->n_segments + 1);
	if (!*consumed)
		return err_set(err, EINVAL, "initramfs: an empty stream");
	if (w->unpacked - before > *largest) {
		*largest = w->unpacked - before;
		w->rd->compression = c;
	}
	return 0;
}

static int by_path(const void *pa, const void *pb)
{
	const struct initrd_entry *a = pa, *b = pb;
	int d = strcmp(a->path, b->path);

	return d ? d : (a->seq > b->seq) - (a->seq < b->seq);
}

/* Sorts, and leaves of entries with the same path the last one, as unpacking does. */
static void sort_entries(struct initrd *rd)
{
	size_t n = 0;

	if (!rd->n_entries)
		return;
	qsort(rd->entries, rd->n_entries, sizeof(*rd->entries), by_path);
	for (size_t i = 0; i < rd->n_entries; i++) {
		struct initrd_entry *e = &rd->entries[i];

		if (i + 1 < rd->n_entries && !strcmp(e->path, e[1].path)) {
			free(e->path);
			free(e->link);
			free(e->data);
			continue;
		}
		rd->entries[n++] = *e;
	}
	rd->n_entries = n;
}

int initrd_parse(struct initrd **ret, const void *bytes, size_t len, struct err *err)
{
	_auto_(initrd) struct initrd *rd = xnew(struct initrd);
	struct walk w = {.rd = rd, .have = STR_INIT, .want = HEADER_SIZE};
	const uint8_t *in = bytes;
	uint64_t largest = 0;
	size_t pos = 0;
	int r = 0;

	while (r >= 0) {
		size_t consumed;

		while (pos < len && in[pos] == 0)
			pos++;
		if (pos == len)
			break;
		if (rd->n_segments == INITRD_MAX_SEGMENTS) {
			r = err_set(err, EINVAL, "initramfs: more than the %d archives allowed",
				INITRD_MAX_SEGMENTS);
			break;
		}
		r = parse_segment(&w, in + pos, len - pos, &consumed, &largest, err);
		if (r >= 0) {
			rd->n_segments++;
			pos += consumed;
		}
	}
	str_clear(&w.have);
	free(w.name);
	if (r < 0)
		return r;
	if (!rd->n_entries)
		return err_set(err, EINVAL, "initramfs: empty");
	sort_entries(rd);
	*ret = STEAL(rd);
	return 0;
}

const struct initrd_entry *initrd_find(const struct initrd *rd, const char *path)
{
	size_t lo = 0, hi = rd->n_entries;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int d = strcmp(path, rd->entries[mid].path);

		if (!d)
			return &rd->entries[mid];
		if (d < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

/* Appends one part to a path that is real already, ".." taking one away. */
static void push_part(struct str *s, const char *part, size_t n)
{
	if (n == 0 || (n == 1 && part[0] == '.'))
		return;
	if (n == 2 && !memcmp(part, "..", 2)) {
		while (s->len && s->s[s->len - 1] != '/')
			s->s[--s->len] = '\0';
		if (s->len)
			s->s[--s->len] = '\0';
		return;
	}
	if (s->len)
		str_addc(s, '/');
	str_addn(s, part, n);
}

char *initrd_real_path(const struct initrd *rd, const char *path)
{
	_auto_str_ struct str done = STR_INIT;
	_auto_(mem) char *todo = xstrdup(path);
	unsigned links = 0;
	char *p = todo;

	while (*p) {
		size_t n = strcspn(p, "/");
		bool last = p[n] == '\0';
		_auto_(mem) char *parent = xstrdup(done.s);
		const struct initrd_entry *e;
		char *next;

		push_part(&done, p, n);
		e = last ? NULL : initrd_find(rd, done.s);
		p += n + !last;
		if (!e || !e->link)
			continue;
		if (++links > MAX_LINKS || strlen(e->link) + strlen(p) > INITRD_MAX_PATH)
			return NULL;
		str_clear(&done);
		if (e->link[0] != '/')
			str_add(&done, parent);
		next = xasprintf("%s/%s", e->link, p);
		free(todo);
		todo = p = next;
	}
	return str_steal(&done);
}

bool initrd_has_module(const struct initrd *rd, const char *version, const char *name)
{
	_auto_(mem) char *folder = xasprintf("lib/modules/%s/", version);

	for (size_t i = 0; i < rd->n_entries; i++) {
		const struct initrd_entry *e = &rd->entries[i];
		const char *base, *want = name;

		if (!S_ISREG(e->mode) || !strstr(e->path, folder))
			continue;
		base = strrchr(e->path, '/') + 1;
		for (; *base && *want; base++, want++)
			if (*base != *want && !(*base == '-' && *want == '_'))
				break;
		if (!*want && starts_with(base, ".ko"))
			return true;
	}
	return false;
}
