// SPDX-License-Identifier: LGPL-2.1-or-later
/* ova: finding, checking and opening what is in an OVF package. */
#include "formats/ova/ova.h"

#include "formats/base/io.h"
#include "formats/base/str.h"
#include "formats/base/xml.h"
#include "formats/block/block_file.h"
#include "formats/block/block_window.h"
#include "formats/block/block_concat.h"
#include "formats/ova/manifest.h"
#include "formats/ova/tar.h"
#include "formats/vm/ovf/ovf_refs.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytes hashed at a time. */
#define HASH_CHUNK (1 * MiB)

struct member {
	char *name;
	uint64_t offset; /* in the tar */
	uint64_t size;   /* in the tar */
	const struct manifest_entry *digest;
};

struct ova {
	char *label;            /* the package's name, for errors */
	struct block *file;     /* the tar; NULL for a folder */
	int dirfd;              /* the folder; -1 for a tar */
	char *prefix;           /* folder of the .ovf inside the tar: "" or "sub/" */
	struct member *members; /* sorted: letter case last, so that it can be left out */
	size_t n_members;
	bool cut; /* a tar without end marker */
	char *ovf_name;
	char *ovf;
	size_t ovf_len;
	struct ovf_refs *refs;
	struct manifest *manifest; /* NULL = there is none */
	char **warnings;
};

static void warn(struct ova *o, const char *fmt, ...) _printf_(2, 3);
static void warn(struct ova *o, const char *fmt, ...)
{
	va_list ap;

	if (strv_len(o->warnings) >= OVA_WARNINGS_MAX)
		return;
	va_start(ap, fmt);
	strv_take(&o->warnings, xvasprintf(fmt, ap));
	va_end(ap);
}

/* ---- names ---- */

static const char *base_name(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash ? slash + 1 : name;
}

static bool has_suffix(const char *name, const char *suffix)
{
	size_t a = strlen(name), b = strlen(suffix);

	return a > b && !strcasecmp(name + a - b, suffix);
}

/* Files that operating systems leave in archives and folders. */
static bool is_junk(const char *name)
{
	return starts_with(base_name(name), "._") || starts_with(name, "__MACOSX/");
}

static int compare_members(const void *a, const void *b)
{
	const char *x = ((const struct member *)a)->name, *y = ((const struct member *)b)->name;
	int r = strcasecmp(x, y);

	return r ? r : strcmp(x, y);
}

/* The first member that is not before `name`, letter case left out. */
static size_t lower_bound(const struct ova *o, const char *name)
{
	size_t lo = 0, hi = o->n_members;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcasecmp(o->members[mid].name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* The member of this name: exactly (*same_case), else the only one that differs in letter case
 * alone. */
static struct member *find(const struct ova *o, const char *name, bool *same_case)
{
	size_t from = lower_bound(o, name), to = from;

	*same_case = true;
	for (; to < o->n_members && !strcasecmp(o->members[to].name, name); to++)
		if (!strcmp(o->members[to].name, name))
			return &o->members[to];
	*same_case = false;
	return to - from == 1 ? &o->members[from] : NULL;
}

/* The same for a name relative to the descriptor. */
static const struct member *lookup(const struct ova *o, const char *name, bool *same_case)
{
	_auto_(mem) char *full = xasprintf("%s%s", o->prefix, name), *clean = NULL;

	return tar_clean_name(full, &clean, NULL) < 0 ? NULL : find(o, clean, same_case);
}

/* The stored name for a reference: as written, then decoded. NULL: it is not there. */
static char *stored_name(const struct ova *o, const char *name, bool *same_case)
{
	_auto_(mem) char *decoded = NULL;
	const struct member *m;

	if (ovf_href_decode(&decoded, name, NULL) < 0)
		return NULL;
	m = lookup(o, name, same_case);
	if (!m || !*same_case) {
		bool same;
		const struct member *d = lookup(o, decoded, &same);

		if (d && (!m || same)) {
			m = d;
			*same_case = same;
		}
	}
	if (m)
		return xstrdup(m->name);
	if (o->dirfd >= 0) {
		/* Perhaps in a folder below the package's. */
		_auto_(fd) int fd = -1;

		*same_case = true;
		if (io_open_beneath(o->dirfd, decoded, &fd, NULL) >= 0)
			return STEAL(decoded);
	}
	return NULL;
}

static const struct ovf_file *reference(const struct ova *o, const char *name)
{
	for (unsigned i = 0; o->refs && i < o->refs->n_files; i++)
		if (!strcmp(o->refs->files[i].href, name))
			return &o->refs->files[i];
	return NULL;
}

/* The manifest's entry for a stored name. */
static const struct manifest_entry *digest_of(const struct ova *o, const char *stored)
{
	bool same_case;
	const struct member *m = find(o, stored, &same_case);

	if (m && same_case)
		return m->digest;
	/* In a folder below: not in the list. */
	return o->manifest ? manifest_find(o->manifest, stored) : NULL;
}

/* ---- bytes ---- */

/* One stored file as a block. */
static int open_stored(
	const struct ova *o, const char *stored, struct block **ret, struct err *err)
{
	_auto_(fd) int fd = -1;
	const struct member *m;
	struct block *file;
	bool same_case;
	int r;

	if (!o->file) {
		r = io_open_beneath(o->dirfd, stored, &fd, err);
		if (r >= 0)
			r = block_file_from_fd(ret, fd, stored, 0, err);
		if (r >= 0)
			steal_fd(&fd);
		return r;
	}
	m = find(o, stored, &same_case);
	if (!m || !same_case)
		return err_set(err, ENOENT, "%s: not in the package", stored);
	file = block_ref(o->file);
	r = block_window_open(ret, file, m->offset, m->size, err);
	if (r < 0)
		block_free(file);
	else
		block_set_label(*ret, stored);
	return r;
}

/*
 * The stored names that a reference consists of: one, or all its chunks. Missing: ENOENT. A
 * descriptor that announces chunks although the file is whole is believed the file.
 */
static int pieces(const struct ova *o, const char *name, char ***ret, struct err *err)
{
	const struct ovf_file *f = reference(o, name);
	bool same_case;
	char *stored = stored_name(o, name, &same_case);
	uint64_t count = UINT64_MAX;

	if (stored) {
		strv_take(ret, stored);
		return 0;
	}
	if (f && f->chunk_size) {
		if (f->has_size)
			count = MAX(div_up(f->size, f->chunk_size), UINT64_C(1));
		for (uint64_t i = 0; i < count; i++) {
			_auto_(mem) char *chunk = xasprintf("%s.%09" PRIu64, name, i);

			if (i == OVA_CHUNKS_MAX)
				return err_set(err, EINVAL,
					"%s: more than the %d chunks allowed", name,
					OVA_CHUNKS_MAX);
			stored = stored_name(o, chunk, &same_case);
			if (!stored && i && !f->has_size)
				return 0;
			if (!stored)
				return err_set(err, ENOENT, "%s: not in the package%s", chunk,
					o->cut ? " (the archive has no end: it is cut)" : "");
			strv_take(ret, stored);
		}
		return 0;
	}
	return err_set(err, ENOENT, "%s: not in the package%s", name,
		o->cut ? " (the archive has no end: it is cut)" : "");
}

/* Chunks are full, but for the last, which is not empty. */
static int check_chunks(const struct ovf_file *f, const char *name, struct block *const *parts,
	size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t size = parts[i]->size;

		if (i + 1 < n ? size != f->chunk_size : size > f->chunk_size)
			return err_set(err, EINVAL,
				"%s: chunk %zu of %zu has %" PRIu64
				" bytes, the chunk size is %" PRIu64,
				name, i, n, size, f->chunk_size);
	}
	return 0;
}

/* A member's bytes, whatever they mean. */
static int open_bytes(struct ova *o, const char *name, struct block **ret, struct err *err)
{
	const struct ovf_file *f = reference(o, name);
	char **names = NULL;
	struct block **parts = NULL;
	size_t n = 0, opened = 0;
	int r = pieces(o, name, &names, err);

	if (r >= 0) {
		n = strv_len(names);
		parts = xcalloc(n, sizeof(*parts));
	}
	while (r >= 0 && opened < n) {
		r = open_stored(o, names[opened], &parts[opened], err);
		if (r >= 0)
			opened++;
	}
	if (r >= 0 && n == 1) {
		*ret = parts[0];
		opened = 0;
	} else if (r >= 0) {
		r = check_chunks(f, name, parts, n, err);
		if (r >= 0)
			r = block_concat_new(ret, parts, n, name, err);
		if (r >= 0)
			opened = 0;
	}
	for (size_t i = 0; i < opened; i++)
		block_free(parts[i]);
	free(parts);
	strv_free(names);
	return r;
}

int ova_member(struct ova *o, const char *name, struct block **ret, struct err *err)
{
	const struct ovf_file *f = reference(o, name);
	int r;

	if (f && f->compression)
		return err_set(err, ENOTSUP,
			"%s: %s: compressed with %s: uncompress it and remove the compression "
			"attribute from the descriptor",
			o->label, name, f->compression);
	r = open_bytes(o, name, ret, err);
	return r < 0 ? err_prefix(err, "%s", o->label) : 0;
}

/* ---- digests ---- */

/* Hashes one block; *done of `total` bytes were reported before. */
static int hash_block(struct block *b, enum digest_algo algo, uint8_t sum[DIGEST_MAX],
	const struct progress *p, uint64_t *done, uint64_t total, struct err *err)
{
	_auto_(mem) uint8_t *buf = xaligned(4096, HASH_CHUNK);
	_auto_(digest) struct digest *d = NULL;
	int r = digest_new(&d, algo, err);

	for (uint64_t off = 0; r >= 0 && off < b->size;) {
		size_t n = MIN((uint64_t)HASH_CHUNK, b->size - off);

		r = block_pread(b, buf, n, off, err);
		if (r < 0)
			break;
		digest_add(d, buf, n);
		off += n;
		*done += n;
		r = progress_report(p, *done, total, err);
	}
	if (r >= 0)
		digest_end(d, sum);
	return r;
}

static int verify_block(struct block *b, const char *name, const struct manifest_entry *e,
	const struct progress *p, uint64_t *done, uint64_t total, struct err *err)
{
	char is[DIGEST_HEX_MAX], want[DIGEST_HEX_MAX];
	uint8_t sum[DIGEST_MAX];
	size_t len = digest_len(e->algo);
	int r = hash_block(b, e->algo, sum, p, done, total, err);

	if (r < 0 || !memcmp(sum, e->sum, len))
		return r;
	return err_set(err, EBADMSG, "%s: damaged: its %s is %s, the manifest says %s", name,
		digest_name(e->algo), digest_hex(is, sum, len), digest_hex(want, e->sum, len));
}

int ova_manifest(const struct ova *o, const char *name, enum digest_algo *algo,
	uint8_t expected[DIGEST_MAX])
{
	bool same_case;
	_auto_(mem) char *stored = stored_name(o, name, &same_case);
	const struct manifest_entry *e = stored ? digest_of(o, stored) : NULL;

	if (!e)
		return 0;
	*algo = e->algo;
	memcpy(expected, e->sum, DIGEST_MAX);
	return 1;
}

static int verify(
	struct ova *o, char *const *members, const struct progress *p, struct err *err)
{
	char **names = NULL;
	uint64_t done = 0, total = 0;
	size_t verified = 0;
	int r = 0;

	for (char *const *m = members; *m && r >= 0; m++)
		r = pieces(o, *m, &names, err);
	/* Once for the sum of the sizes, once for the bytes. */
	for (int pass = 0; r >= 0 && pass < 2; pass++) {
		for (char **n = names; r >= 0 && *n; n++) {
			const struct manifest_entry *e = digest_of(o, *n);
			_auto_(block) struct block *b = NULL;

			if (!e)
				continue;
			r = open_stored(o, *n, &b, err);
			if (r >= 0 && !pass)
				total += b->size;
			else if (r >= 0)
				r = verify_block(b, *n, e, p, &done, total, err);
			verified += pass;
		}
	}
	if (r >= 0)
		r = verified && verified == strv_len(names);
	strv_free(names);
	return r;
}

int ova_verify_members(
	struct ova *o, char *const *members, const struct progress *p, struct err *err)
{
	int r = verify(o, members, p, err);

	return r < 0 ? err_prefix(err, "%s", o->label) : r;
}

/* ---- opening ---- */

static void add_member(struct ova *o, const char *name, uint64_t offset, uint64_t size)
{
	if (is_power_of_2(o->n_members) || !o->n_members)
		o->members = xrealloc(
			o->members, MAX(o->n_members * 2, (size_t)1), sizeof(*o->members));
	o->members[o->n_members++] =
		(struct member){.name = xstrdup(name), .offset = offset, .size = size};
}

/* Sorts the list; two members of one name are an error, because readers disagree which counts. */
static int sort_members(struct ova *o, struct err *err)
{
	if (o->n_members)
		qsort(o->members, o->n_members, sizeof(*o->members), compare_members);
	for (size_t i = 1; i < o->n_members; i++)
		if (!strcmp(o->members[i - 1].name, o->members[i].name))
			return err_set(err, EINVAL, "%s: two members are called %s", o->label,
				o->members[i].name);
	return 0;
}

static int list_tar(struct ova *o, struct err *err)
{
	struct tar_reader t;
	struct tar_member m;
	int r;

	tar_begin(&t, o->file, o->label);
	while ((r = tar_next(&t, &m, err)) > 0) {
		if (m.type == TAR_OTHER)
			warn(o, "%s: ignored: a link or special file in the archive", m.name);
		if (m.type != TAR_FILE || is_junk(m.name))
			continue;
		if (o->n_members == OVA_MEMBERS_MAX) {
			r = err_set(err, EINVAL, "%s: more than the %d members allowed",
				o->label, OVA_MEMBERS_MAX);
			break;
		}
		add_member(o, m.name, m.offset, m.size);
	}
	if (r >= 0 && !t.terminated) {
		o->cut = true;
		warn(o, "the archive has no end marker: it may be cut");
	}
	tar_end(&t);
	return r < 0 ? r : sort_members(o, err);
}

static int list_folder(struct ova *o, struct err *err)
{
	int fd = openat(o->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	int r = 0;

	if (!d) {
		r = err_set_errno(err, errno, "%s", o->label);
		if (fd >= 0)
			close(fd);
		return r;
	}
	while ((e = readdir(d))) {
		if (e->d_type == DT_DIR || is_junk(e->d_name))
			continue;
		if (o->n_members == OVA_FOLDER_MAX) {
			r = err_set(err, EINVAL,
				"%s: more than the %d files allowed in the folder", o->label,
				OVA_FOLDER_MAX);
			break;
		}
		add_member(o, e->d_name, 0, 0);
	}
	closedir(d);
	return r < 0 ? r : sort_members(o, err);
}

/* The only member with that suffix. 1, 0 when there is none, ENOTSUP for several. */
static int only_member(struct ova *o, const char *suffix, const char **ret, struct err *err)
{
	const char *found = NULL;

	for (size_t i = 0; i < o->n_members; i++) {
		const char *name = o->members[i].name;

		if (!has_suffix(name, suffix))
			continue;
		if (found)
			return err_set(err, ENOTSUP,
				"%s: several %s files (%s, %s): unpack it and name the one to use",
				o->label, suffix, found, name);
		found = name;
	}
	*ret = found;
	return found ? 1 : 0;
}

/* A whole small member as text. */
static int read_text(struct ova *o, const char *stored, uint64_t limit, char **ret, size_t *len,
	struct err *err)
{
	_auto_(block) struct block *b = NULL;
	_auto_(mem) char *text = NULL;
	int r = open_stored(o, stored, &b, err);

	if (r < 0)
		return r;
	if (b->size > limit)
		return err_set(err, EINVAL,
			"%s: %" PRIu64 " bytes are more than the %" PRIu64 " allowed", stored,
			b->size, limit);
	text = xcalloc(b->size + 1, 1);
	r = block_pread(b, text, b->size, 0, err);
	if (r < 0)
		return r;
	*len = b->size;
	*ret = STEAL(text);
	return 0;
}

static int read_ovf(struct ova *o, struct err *err)
{
	const char *slash, *name = NULL;
	int r;

	if (!o->ovf_name) {
		r = only_member(o, ".ovf", &name, err);
		if (r < 0)
			return r;
		if (!r)
			return err_set(err, EINVAL, "%s: no .ovf in it%s", o->label,
				o->cut ? " (the archive has no end: it is cut)" : "");
		o->ovf_name = xstrdup(name);
	}
	slash = strrchr(o->ovf_name, '/');
	if (slash) {
		free(o->prefix);
		o->prefix = xstrndup(o->ovf_name, (size_t)(slash - o->ovf_name) + 1);
	}
	r = read_text(o, o->ovf_name, XML_BYTES_MAX, &o->ovf, &o->ovf_len, err);
	if (r >= 0)
		r = ovf_refs_parse(&o->refs, o->ovf, o->ovf_len, err);
	return r < 0 ? err_prefix(err, "%s", o->label) : 0;
}

/* The manifest is called as the descriptor is; else the only one counts. */
static int read_manifest(struct ova *o, struct err *err)
{
	const char *base = base_name(o->ovf_name), *other = NULL;
	_auto_(mem) char *want = xasprintf("%.*s.mf", (int)(strlen(base) - 4), base);
	bool same_case;
	_auto_(mem) char *name = stored_name(o, want, &same_case);
	_auto_(mem) char *text = NULL;
	size_t len;
	int r;

	if (!name) {
		if (only_member(o, ".mf", &other, NULL) <= 0) {
			warn(o, "no manifest: nothing can be checked for damage");
			return 0;
		}
		warn(o, "%s: taken as the manifest of %s", other, o->ovf_name);
		name = xstrdup(other);
	}
	r = read_text(o, name, MANIFEST_BYTES_MAX, &text, &len, err);
	if (r >= 0)
		r = manifest_parse(&o->manifest, text, len, name, err);
	if (r < 0)
		return err_prefix(err, "%s", o->label);
	strv_foreach (w, o->manifest->warnings)
		strv_add(&o->warnings, *w);
	return 0;
}

/* Adds the pieces of a reference to *sum, which is more than there are files only when names are
 * spelled in several ways: to open them all could take very long. */
static int count_pieces(const struct ova *o, const char *name, size_t *sum, struct err *err)
{
	char **names = NULL;
	int r = pieces(o, name, &names, err);

	*sum += strv_len(names);
	strv_free(names);
	if (r >= 0 && *sum > o->n_members + o->refs->n_files)
		return err_set(err, EINVAL,
			"%s: the descriptor refers to the same files under many names", name);
	return r;
}

/* Each file that the descriptor refers to is there, as long as it says. */
static int check_references(struct ova *o, struct err *err)
{
	size_t sum = 0;

	for (unsigned i = 0; i < o->refs->n_files; i++) {
		const struct ovf_file *f = &o->refs->files[i];
		_auto_(block) struct block *b = NULL;
		bool same_case;
		_auto_(mem) char *stored = stored_name(o, f->href, &same_case);
		int r = count_pieces(o, f->href, &sum, err);

		if (r >= 0)
			r = open_bytes(o, f->href, &b, err);
		if (r < 0)
			return err_prefix(err, "%s", o->label);
		if (f->has_size && b->size != f->size)
			return err_set(err, EINVAL,
				"%s: %s has %" PRIu64 " bytes, the descriptor says %" PRIu64,
				o->label, f->href, b->size, f->size);
		if (stored && !same_case)
			warn(o, "%s is called %s in the descriptor", stored, f->href);
		if (stored && o->manifest && !digest_of(o, stored))
			warn(o, "%s: not in the manifest: cannot be checked for damage",
				stored);
	}
	return 0;
}

/* Gives each member its digest; what is listed and small is checked now. */
static int check_manifest(struct ova *o, struct err *err)
{
	for (size_t i = 0; o->manifest && i < o->manifest->n_entries; i++) {
		const struct manifest_entry *e = &o->manifest->entries[i];
		_auto_(block) struct block *b = NULL;
		bool same_case;
		_auto_(mem) char *stored = stored_name(o, e->name, &same_case);
		struct member *m = stored ? find(o, stored, &same_case) : NULL;
		uint64_t done = 0;
		int r;

		if (!stored) {
			warn(o, "%s: in the manifest, but not in the package", e->name);
			continue;
		}
		/* Names that differ in letter case or encoding alone: hashed once. */
		if (m && m->digest &&
			(m->digest->algo != e->algo ||
				memcmp(m->digest->sum, e->sum, digest_len(e->algo)) != 0))
			return err_set(err, EINVAL,
				"%s: the manifest has two digests of %s, for %s and %s",
				o->label, stored, m->digest->name, e->name);
		if (m && m->digest)
			continue;
		if (m)
			m->digest = e;
		r = open_stored(o, stored, &b, err);
		if (r >= 0 && b->size <= OVA_SMALL_MAX)
			r = verify_block(b, stored, e, NULL, &done, b->size, err);
		if (r < 0)
			return err_prefix(err, "%s", o->label);
	}
	if (o->manifest && !digest_of(o, o->ovf_name))
		warn(o, "%s: not in the manifest: cannot be checked for damage", o->ovf_name);
	for (size_t i = 0; i < o->n_members; i++)
		if (has_suffix(o->members[i].name, ".cert") &&
			starts_with(o->members[i].name, o->prefix))
			warn(o, "%s: the signature is not checked", o->members[i].name);
	return 0;
}

/* Refuses what is packed as a whole, saying how to go on. */
static int check_packed(struct ova *o, struct err *err)
{
	static const struct {
		const char *magic;
		size_t len;
		const char *name, *command;
	} packers[] = {
		{"\x1f\x8b", 2, "gzip", "gunzip"},
		{"\xfd"
		 "7zXZ",
			5, "xz", "unxz"},
		{"\x28\xb5\x2f\xfd", 4, "zstd", "unzstd"},
		{"BZh", 3, "bzip2", "bunzip2"},
		{"PK\x03\x04", 4, "zip", "unzip"},
		{"7z\xbc\xaf\x27\x1c", 6, "7-Zip", "7z x"},
	};
	uint8_t head[8] = {0};
	int r = block_pread(o->file, head, MIN(o->file->size, (uint64_t)sizeof(head)), 0, err);

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(packers); i++)
		if (!memcmp(head, packers[i].magic, packers[i].len))
			return err_set(err, ENOTSUP,
				"%s: compressed with %s as a whole: unpack it first (%s %s)",
				o->label, packers[i].name, packers[i].command, o->label);
	return r;
}

/* Finds out what `path` is: a folder, a descriptor in a folder, or a tar. */
static int open_place(struct ova *o, const char *path, struct err *err)
{
	const char *base = base_name(path);
	_auto_(mem) char *folder =
		base == path ? xstrdup(".") : xstrndup(path, (size_t)(base - path));
	struct stat st;
	int r;

	if (stat(path, &st) < 0)
		return err_set_errno(err, errno, "%s", path);
	if (S_ISDIR(st.st_mode) || has_suffix(base, ".ovf")) {
		o->dirfd = open(S_ISDIR(st.st_mode) ? path : folder,
			O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (o->dirfd < 0)
			return err_set_errno(err, errno, "%s", path);
		if (!S_ISDIR(st.st_mode))
			o->ovf_name = xstrdup(base);
		return list_folder(o, err);
	}
	r = block_file_open(&o->file, path, 0, err);
	if (r >= 0)
		r = check_packed(o, err);
	if (r < 0)
		return r;
	if (!tar_probe(o->file))
		return err_set(err, EINVAL,
			"%s: not an OVA: it does not begin with a tar header", o->label);
	return list_tar(o, err);
}

int ova_open(struct ova **ret, const char *path, struct err *err)
{
	_auto_(ova) struct ova *o = xnew(struct ova);
	int r;

	o->dirfd = -1;
	o->label = xstrdup(*base_name(path) ? base_name(path) : path);
	o->prefix = xstrdup("");
	r = open_place(o, path, err);
	if (r >= 0)
		r = read_ovf(o, err);
	if (r >= 0)
		r = read_manifest(o, err);
	if (r >= 0)
		r = check_manifest(o, err);
	if (r >= 0)
		r = check_references(o, err);
	if (r < 0)
		return r;
	*ret = STEAL(o);
	return 0;
}

void ova_free(struct ova *o)
{
	if (!o)
		return;
	block_free(o->file);
	fd_autop(&o->dirfd);
	for (size_t i = 0; i < o->n_members; i++)
		free(o->members[i].name);
	free(o->members);
	free(o->label);
	free(o->prefix);
	free(o->ovf_name);
	free(o->ovf);
	ovf_refs_free(o->refs);
	manifest_free(o->manifest);
	strv_free(o->warnings);
	free(o);
}

const char *ova_ovf(const struct ova *o, size_t *len)
{
	*len = o->ovf_len;
	return o->ovf;
}

int ova_folder(const struct ova *o, const char *name, int *ret, struct err *err)
{
	bool same_case;
	_auto_(mem) char *stored = stored_name(o, name, &same_case);
	char *slash = stored ? strrchr(stored, '/') : NULL;

	*ret = -1;
	if (o->dirfd < 0)
		return 0;
	if (slash)
		*slash = 0;
	return io_open_folder_beneath(o->dirfd, slash ? stored : ".", ret, err);
}

char *const *ova_warnings(const struct ova *o)
{
	return o->warnings;
}
