// SPDX-License-Identifier: LGPL-2.1-or-later
/* manifest: parsing of .mf files. */
#include "formats/ova/manifest.h"

#include "formats/base/alloc.h"
#include "formats/base/str.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

/* One parse. */
struct parse {
	struct manifest *m;
	const char *file;
	unsigned line;
	unsigned odd; /* lines of no known form */
};

static void warn_odd(struct parse *p, const char *why)
{
	if (p->odd++ < MANIFEST_WARNINGS_MAX)
		strv_take(&p->m->warnings,
			xasprintf("%s: line %u ignored: %s", p->file, p->line, why));
}

/* Removes white space from both ends, in place. */
static char *trim(char *s)
{
	size_t len;

	while (isspace((unsigned char)*s))
		s++;
	len = strlen(s);
	while (len && isspace((unsigned char)s[len - 1]))
		s[--len] = 0;
	return s;
}

static int add_entry(struct parse *p, enum digest_algo algo, const char *name,
	const uint8_t *sum, struct err *err)
{
	struct manifest *m = p->m;
	struct manifest_entry *e = (struct manifest_entry *)manifest_find(m, name);

	if (e && e->algo == algo && memcmp(e->sum, sum, digest_len(algo)))
		return err_set(err, EINVAL, "%s: line %u: a second, different %s digest of %s",
			p->file, p->line, digest_name(algo), name);
	if (!e) {
		if (m->n_entries == MANIFEST_ENTRIES_MAX)
			return err_set(err, EINVAL,
				"%s: line %u: more than the %d files allowed", p->file, p->line,
				MANIFEST_ENTRIES_MAX);
		/* Grows in powers of two. */
		if (is_power_of_2(m->n_entries) || !m->n_entries)
			m->entries = xrealloc(m->entries, MAX(m->n_entries * 2, (size_t)1),
				sizeof(*m->entries));
		e = &m->entries[m->n_entries++];
		*e = (struct manifest_entry){.name = xstrdup(name), .algo = algo};
	} else if (algo < e->algo) {
		return 0;
	}
	e->algo = algo;
	memcpy(e->sum, sum, digest_len(algo));
	return 0;
}

/* ALGORITHM [space] (NAME) [space] = [space] HEX */
static int parse_line(struct parse *p, char *line, struct err *err)
{
	uint8_t sum[DIGEST_MAX];
	enum digest_algo algo;
	char *open, *close, *equals, *name;

	line = trim(line);
	if (!*line)
		return 0;
	/* A name may contain anything, so the '(' is the first and the '=' the last one. */
	open = strchr(line, '(');
	equals = strrchr(line, '=');
	if (!open || !equals || equals < open) {
		warn_odd(p, "not of the form ALGORITHM(FILE)= DIGEST");
		return 0;
	}
	*equals = 0;
	name = trim(open + 1);
	close = name + strlen(name);
	if (close == name || close[-1] != ')') {
		warn_odd(p, "not of the form ALGORITHM(FILE)= DIGEST");
		return 0;
	}
	close[-1] = 0;
	*open = 0;
	if (digest_by_name(trim(line), &algo) < 0) {
		warn_odd(p, "an unknown digest algorithm");
		return 0;
	}
	if (!*name) {
		warn_odd(p, "an empty file name");
		return 0;
	}
	if (digest_from_hex(trim(equals + 1), sum, digest_len(algo)) < 0)
		return err_set(err, EINVAL,
			"%s: line %u: the %s digest of %s is not %zu hexadecimal digits",
			p->file, p->line, digest_name(algo), name, 2 * digest_len(algo));
	return add_entry(p, algo, name, sum, err);
}

int manifest_parse(
	struct manifest **ret, const char *text, size_t len, const char *file, struct err *err)
{
	_auto_(manifest) struct manifest *m = xnew(struct manifest);
	struct parse p = {.m = m, .file = file};
	_auto_(mem) char *copy = NULL;
	char *line;
	int r;

	if (len > MANIFEST_BYTES_MAX)
		return err_set(err, EINVAL,
			"%s: %zu bytes are more than the %" PRIu64 " allowed", file, len,
			(uint64_t)MANIFEST_BYTES_MAX);
	if (memchr(text, 0, len))
		return err_set(err, EINVAL, "%s: not a text: it contains NUL bytes", file);
	copy = xstrndup(text, len);
	line = copy;
	if (starts_with(line, "\xef\xbb\xbf")) /* a byte order mark */
		line += 3;
	while (line) {
		char *next = strchr(line, '\n');

		if (next)
			*next++ = 0;
		p.line++;
		r = parse_line(&p, line, err);
		if (r < 0)
			return r;
		line = next;
	}
	if (p.odd > MANIFEST_WARNINGS_MAX)
		strv_take(&m->warnings, xasprintf("%s: %u more lines ignored", file,
						p.odd - MANIFEST_WARNINGS_MAX));
	*ret = STEAL(m);
	return 0;
}

void manifest_free(struct manifest *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n_entries; i++)
		free(m->entries[i].name);
	free(m->entries);
	strv_free(m->warnings);
	free(m);
}

const struct manifest_entry *manifest_find(const struct manifest *m, const char *name)
{
	for (size_t i = 0; i < m->n_entries; i++)
		if (!strcmp(m->entries[i].name, name))
			return &m->entries[i];
	return NULL;
}
