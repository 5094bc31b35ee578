// SPDX-License-Identifier: LGPL-2.1-or-later
// kmod: modules.dep, modules.builtin and modules.dep.bin, see kmod.h.
#include "guestfix/lib/kmod.h"

#include "formats/base/bytes.h"

static char normal(char c)
{
	return c == '-' ? '_' : c;
}

/* The base name of a module file, without ".ko...": a piece of path. len 0 = not a module. */
static struct span base_name(struct span path)
{
	const char *slash = memrchr(path.s, '/', path.len);
	struct span base = path;
	const char *ko;

	if (slash) {
		base.s = slash + 1;
		base.len = path.len - (size_t)(base.s - path.s);
	}
	ko = memmem(base.s, base.len, ".ko", 3);
	if (!ko)
		return (struct span){base.s, 0};
	base.len = (size_t)(ko - base.s);
	return base;
}

static bool is_named(struct span path, const char *name)
{
	struct span base = base_name(path);

	if (!base.len || base.len != strlen(name))
		return false;
	for (size_t i = 0; i < base.len; i++)
		if (normal(base.s[i]) != normal(name[i]))
			return false;
	return true;
}

char *kmod_name(const char *path)
{
	char *name = span_dup(base_name((struct span){path, strlen(path)}));

	for (char *p = name; *p; p++)
		*p = normal(*p);
	return name;
}

const char *kmod_suffix(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *ko = strstr(slash ? slash : path, ".ko");

	return ko ? ko + 3 : NULL;
}

/* The line "PATH: NEEDED NEEDED ..." of a module. */
static bool find_dep_line(
	const char *dep, const char *name, struct span *path, struct span *needs)
{
	const char *pos = dep, *end = dep + strlen(dep);
	struct span line;

	for (unsigned n = 0; n < KMOD_MAX_MODULES && text_line(&pos, end, &line); n++) {
		const char *colon = memchr(line.s, ':', line.len);

		if (!colon)
			continue;
		*path = (struct span){line.s, (size_t)(colon - line.s)};
		if (!is_named(*path, name))
			continue;
		*needs = (struct span){colon + 1, line.len - path->len - 1};
		return true;
	}
	return false;
}

static bool is_builtin(const char *builtin, const char *name)
{
	const char *pos = builtin, *end = builtin + strlen(builtin);
	struct span line;

	while (text_line(&pos, end, &line))
		if (is_named(span_trim(line), name))
			return true;
	return false;
}

static void add_path(char ***paths, struct span path)
{
	_auto_(mem) char *p = span_dup(path);

	/* A path that leads out of the folder is not one of depmod's. */
	if (!*p || *p == '/' || strstr(p, "..") || strv_has(*paths, p) ||
		strv_len(*paths) >= KMOD_MAX_CLOSURE)
		return;
	strv_take(paths, STEAL(p));
}

int kmod_closure(const char *dep, const char *builtin, const char *name, char ***paths)
{
	struct span path, needs, word;
	size_t pos = 0;

	if (builtin && is_builtin(builtin, name))
		return 1;
	if (!dep || !find_dep_line(dep, name, &path, &needs))
		return -ENOENT;
	add_path(paths, path);
	/* depmod lists all that is needed, not only the next level. */
	while (text_word(&needs, &pos, &word))
		add_path(paths, word);
	return 0;
}

bool kmod_has(const char *dep, const char *builtin, const char *name)
{
	char **paths = NULL;
	int r = kmod_closure(dep, builtin, name, &paths);

	strv_free(paths);
	return r >= 0;
}

static void add_renamed(struct str *s, struct span path, const char *suffix)
{
	const char *slash = memrchr(path.s, '/', path.len);
	const char *base = slash ? slash : path.s;
	const char *ko = memmem(base, path.len - (size_t)(base - path.s), ".ko", 3);

	str_addn(s, path.s, ko ? (size_t)(ko - path.s) + 3 : path.len);
	if (ko)
		str_add(s, suffix);
}

char *kmod_rename_dep(const char *dep, const char *suffix)
{
	const char *pos = dep, *end = dep + strlen(dep);
	struct str s = STR_INIT;
	struct span line, word;

	while (text_line(&pos, end, &line)) {
		const char *colon = memchr(line.s, ':', line.len);
		struct span needs;
		size_t at = 0;

		if (!colon)
			continue;
		add_renamed(&s, (struct span){line.s, (size_t)(colon - line.s)}, suffix);
		str_addc(&s, ':');
		needs = (struct span){colon + 1, line.len - (size_t)(colon - line.s) - 1};
		while (text_word(&needs, &at, &word)) {
			str_addc(&s, ' ');
			add_renamed(&s, word, suffix);
		}
		str_addc(&s, '\n');
	}
	return str_steal(&s);
}

/* ---- the binary index ---- */

#define INDEX_MAGIC   0xb007f457
#define INDEX_VERSION 0x00020001
#define NODE_VALUES   0x40000000u
#define NODE_CHILDREN 0x20000000u
#define NODE_PREFIX   0x80000000u
#define NODE_MASK     0x0fffffffu

struct item {
	char *key;   /* module name */
	char *value; /* its line */
	uint32_t priority;
};

static int by_key(const void *pa, const void *pb)
{
	const struct item *a = pa, *b = pb;
	int d = strcmp(a->key, b->key);

	return d ? d : (a->priority > b->priority) - (a->priority < b->priority);
}

static void add_be32(struct str *s, uint32_t v)
{
	uint8_t b[4];

	be32_store(b, v);
	str_addn(s, b, 4);
}

/* Bytes that all keys in [items, items + n) have in common from `depth` on. */
static size_t common_prefix(const struct item *items, size_t n, size_t depth)
{
	const char *a = items[0].key + depth, *b = items[n - 1].key + depth;
	size_t len = 0;

	/* sorted: what the first and the last share, all share */
	while (a[len] && a[len] == b[len])
		len++;
	return len;
}

/*
 * Writes the node for all keys in the range, which agree in their first `depth` bytes; children
 * first, so that their places are known. Returns the node's place with its flags. The depth of
 * the recursion is the length of a key at most.
 */
static uint32_t write_node(struct str *out, const struct item *items, size_t n, size_t depth)
{
	size_t prefix = common_prefix(items, n, depth), at = depth + prefix, values = 0;
	uint32_t child[128] = {0}, flags = 0, place;
	unsigned first = 0, last = 0;

	while (values < n && items[values].key[at] == '\0')
		values++;
	for (size_t i = values; i < n;) {
		unsigned c = (unsigned char)items[i].key[at];
		size_t count = 1;

		while (i + count < n && (unsigned char)items[i + count].key[at] == c)
			count++;
		child[c] = write_node(out, items + i, count, at + 1);
		first = first ? first : c;
		last = c;
		i += count;
	}
	place = (uint32_t)out->len;
	if (prefix) {
		str_addn(out, items[0].key + depth, prefix);
		str_addc(out, '\0');
		flags |= NODE_PREFIX;
	}
	if (last) {
		str_addc(out, (char)first);
		str_addc(out, (char)last);
		for (unsigned c = first; c <= last; c++)
			add_be32(out, child[c]);
		flags |= NODE_CHILDREN;
	}
	if (values) {
		add_be32(out, (uint32_t)values);
		for (size_t i = 0; i < values; i++) {
			add_be32(out, items[i].priority);
			str_addn(out, items[i].value, strlen(items[i].value) + 1);
		}
		flags |= NODE_VALUES;
	}
	return place | flags;
}

static int read_items(const char *dep, struct item **ret, size_t *n, struct err *err)
{
	const char *pos = dep, *end = dep + strlen(dep);
	struct span line;
	size_t cap = 0;

	while (text_line(&pos, end, &line)) {
		const char *colon = memchr(line.s, ':', line.len);
		_auto_(mem) char *path = NULL;
		struct item *item;

		if (!colon)
			continue;
		path = xstrndup(line.s, (size_t)(colon - line.s));
		if (*n == KMOD_MAX_MODULES)
			return err_set(err, EINVAL,
				"modules.dep: more than the %d modules allowed",
				KMOD_MAX_MODULES);
		if (*n == cap) {
			cap = cap ? cap * 2 : 1024;
			*ret = xrealloc(*ret, cap, sizeof(**ret));
		}
		item = &(*ret)[*n];
		*item = (struct item){kmod_name(path), span_dup(line), (uint32_t)*n};
		(*n)++;
		for (const char *p = item->key; *p; p++)
			if ((unsigned char)*p >= 0x80 || (size_t)(p - item->key) > 255)
				return err_set(
					err, EINVAL, "modules.dep: a strange module name");
	}
	return 0;
}

int kmod_dep_index(const char *dep, void **ret, size_t *ret_len, struct err *err)
{
	struct item *items = NULL;
	struct str out = STR_INIT;
	size_t n = 0;
	int r = read_items(dep, &items, &n, err);

	if (r >= 0) {
		add_be32(&out, INDEX_MAGIC);
		add_be32(&out, INDEX_VERSION);
		add_be32(&out, 0);
		if (n) {
			uint32_t root;

			qsort(items, n, sizeof(*items), by_key);
			root = write_node(&out, items, n, 0);
			be32_store(out.s + 8, root);
			if (out.len > NODE_MASK)
				r = err_set(err, EINVAL, "modules.dep: too large for an index");
		}
	}
	for (size_t i = 0; i < n; i++) {
		free(items[i].key);
		free(items[i].value);
	}
	free(items);
	if (r < 0) {
		str_clear(&out);
		return r;
	}
	*ret_len = out.len;
	*ret = str_steal(&out);
	return 0;
}
