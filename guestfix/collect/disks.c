// SPDX-License-Identifier: LGPL-2.1-or-later
// disks: finds the root file system among all volumes and mounts what belongs to it.
#include "guestfix/collect/collect.h"

#include "formats/base/log.h"
#include "guestfix/lib/probe.h"
#include "guestfix/lib/text.h"

#include <sys/stat.h>

/* A system that was found. */
struct system {
	unsigned volume;
	char *subvol;  /* mount option of btrfs; NULL */
	char *release; /* text of os-release; "" = it lies on another file system */
};

#define MAX_SYSTEMS 16
#define MAX_MOUNTS  64
#define MAX_PATH    4095 /* PATH_MAX of Linux, without its NUL */

struct search {
	struct facts *f;
	struct guest *g;
	struct system systems[MAX_SYSTEMS];
	unsigned n;
	int mounted; /* index of the system that is mounted on / now; -1 */
};

/* ---- volumes ---- */

static int collect_lvs(struct facts *f, struct guest *g, struct err *err)
{
	_auto_(mem) uint8_t *head = xcalloc(1, PROBE_HEAD);
	char **names = NULL;
	int r = guest_logical_volumes(g, &names, err);

	strv_foreach (name, names) {
		struct facts_volume *v;
		uint64_t size;
		size_t len;

		if (f->n_volumes == FACTS_MAX_VOLUMES)
			break;
		r = guest_device_size(g, *name, &size, err);
		if (r < 0)
			break;
		len = (size_t)MIN(size, (uint64_t)PROBE_HEAD);
		r = guest_device_read(g, *name, head, len, 0, err);
		if (r < 0)
			break;
		v = facts_add_volume(f);
		v->device = xstrdup(*name);
		v->lv = true;
		v->size = size;
		probe_content(v, head, len);
	}
	strv_free(names);
	return r;
}

static int collect_volumes(
	struct facts *f, struct guest *g, const struct vmspec *source, struct err *err)
{
	bool lvm = false;

	f->n_disks = guest_n_disks(g);
	for (unsigned i = 0; i < f->n_disks; i++) {
		struct block *b = guest_disk(g, i);
		int r;

		f->disk_size[i] = b->size;
		r = probe_disk(f, i, b, err);
		if (r < 0)
			return r;
	}
	collect_disk_names(f, source);
	for (size_t i = 0; i < f->n_volumes; i++)
		lvm = lvm || (f->volumes[i].type && !strcmp(f->volumes[i].type, "LVM2_member"));
	return lvm ? collect_lvs(f, g, err) : 0;
}

/* A sleeping system believes that its file systems are as it left them: writing destroys them. */
static int refuse_hibernated(const struct facts *f, struct err *err)
{
	for (size_t i = 0; i < f->n_volumes; i++)
		if (f->volumes[i].hibernated)
			return err_set(err, EPERM,
				"the guest is hibernated (%s holds its memory): start it once more "
				"and shut it down",
				f->volumes[i].device);
	return 0;
}

/* ---- the root ---- */

static bool may_be_root(const struct facts_volume *v)
{
	static const char *const types[] = {"ext4", "ext3", "ext2", "xfs", "btrfs"};

	for (unsigned i = 0; v->type && i < ARRAY_SIZE(types); i++)
		if (!strcmp(v->type, types[i]))
			return true;
	return false;
}

/* Is a root file system mounted on / whose /usr, where os-release is, lies on another? */
static int is_root_without_usr(struct guest *g, struct err *err)
{
	static const char *const names[] = {"/etc/fstab", "/etc/debian_version"};
	struct guest_stat st;
	int r = 1;

	for (unsigned i = 0; r > 0 && i < ARRAY_SIZE(names); i++)
		r = guest_stat(g, names[i], &st, err);
	return r;
}

/* The os-release of what is mounted on /, if there is one; else NULL. */
static int read_release(struct guest *g, char **ret, struct err *err)
{
	static const char *const names[] = {"/etc/os-release", "/usr/lib/os-release"};

	*ret = NULL;
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		struct guest_stat st;
		size_t len;
		int r = guest_stat(g, names[i], &st, err);

		if (r < 0)
			return r;
		if (r && S_ISREG(st.mode))
			return guest_read(g, names[i], FACTS_MAX_TEXT, ret, &len, err);
	}
	return 0;
}

static int try_mount(struct search *s, unsigned volume, const char *subvol, struct err *err)
{
	_auto_(mem) char *option = subvol ? xasprintf("subvol=%s", subvol) : NULL;
	struct system *sys = &s->systems[s->n];
	char *release;
	int r;

	s->mounted = -1;
	r = guest_umount_all(s->g, err);
	if (r < 0)
		return r;
	r = guest_mount(s->g, s->f->volumes[volume].device, "/", option, err);
	if (r < 0)
		return r;
	r = read_release(s->g, &release, err);
	if (r >= 0 && !release && (r = is_root_without_usr(s->g, err)) > 0)
		release = xstrdup("");
	if (r < 0 || !release || s->n == MAX_SYSTEMS) {
		free(r < 0 ? NULL : release);
		return r;
	}
	*sys = (struct system){volume, xstrdup_null(subvol), release};
	s->mounted = (int)s->n++;
	return 0;
}

/* Root on btrfs usually lies in a subvolume: Ubuntu's is "@", Debian's "@rootfs". */
static int try_subvolumes(struct search *s, unsigned volume, struct err *err)
{
	static const char *const names[] = {"@rootfs", "@"};
	struct guest_stat st;
	int r = 0;

	for (unsigned i = 0; r >= 0 && i < ARRAY_SIZE(names); i++) {
		_auto_(mem) char *etc = xasprintf("/%s/etc", names[i]);

		r = guest_stat(s->g, etc, &st, err);
		if (r > 0)
			return try_mount(s, volume, names[i], err);
	}
	return r;
}

static int find_systems(struct search *s, struct err *err)
{
	for (unsigned i = 0; i < s->f->n_volumes; i++) {
		const struct facts_volume *v = &s->f->volumes[i];
		unsigned before = s->n;
		struct err e = {0};
		int r;

		if (!may_be_root(v))
			continue;
		r = try_mount(s, i, NULL, &e);
		if (r >= 0 && s->n == before && !strcmp(v->type, "btrfs"))
			r = try_subvolumes(s, i, &e);
		if (r < 0) /* one damaged volume does not hide a system on another */
			facts_warn(s->f, "%s (%s): %s", v->device, v->type, e.text);
	}
	return 0;
}

/* What to say when there is no system: what is on the disks instead. */
static int no_system(const struct facts *f, struct err *err)
{
	_auto_str_ struct str s = STR_INIT;

	for (size_t i = 0; i < f->n_volumes && s.len < 500; i++) {
		const char *type = f->volumes[i].type ?: "unknown";

		str_addf(&s, "%s%s (%s)", s.len ? ", " : "", f->volumes[i].device,
			!strcmp(type, "crypto_LUKS") ? "LUKS, encrypted"
			: !strcmp(type, "ntfs")      ? "ntfs, perhaps Windows"
						     : type);
	}
	strv_foreach (w, f->warnings)
		str_addf(&s, "; %s", *w);
	return err_set(err, ENOTSUP,
		"no Linux system that is handled was found; the disks hold: %s",
		s.len ? s.s : "nothing that is known");
}

static int choose_system(struct search *s, unsigned *ret, struct err *err)
{
	const char *wish = guest_root_wish(s->g);
	_auto_str_ struct str list = STR_INIT;

	if (!s->n)
		return no_system(s->f, err);
	*ret = 0;
	if (wish && starts_with(wish, "/dev/")) {
		for (; *ret < s->n; (*ret)++)
			if (!strcmp(s->f->volumes[s->systems[*ret].volume].device, wish))
				return 0;
	} else if (s->n == 1 || (wish && !strcmp(wish, "first"))) {
		return 0;
	}
	for (unsigned i = 0; i < s->n; i++) {
		struct system *sys = &s->systems[i];
		_auto_(mem) char *name =
			text_shell_value(sys->release, strlen(sys->release), "PRETTY_NAME");

		str_addf(&list, "%s%s (%s)", i ? ", " : "", s->f->volumes[sys->volume].device,
			name ?: "unknown");
	}
	if (wish && starts_with(wish, "/dev/"))
		return err_set(
			err, EINVAL, "there is no system on %s, but on %s", wish, list.s);
	return err_set(err, EINVAL, "%u systems, choose one as the root: %s", s->n, list.s);
}

/* ---- what belongs to it ---- */

struct fstab_line {
	char *device, *dir, *options;
	unsigned volume;
};

/* The lines of fstab that can and should be mounted, "/" not among them. */
static unsigned parse_fstab(
	struct facts *f, const char *text, size_t len, struct fstab_line *ret)
{
	static const char *const types[] = {"ext4", "ext3", "ext2", "xfs", "btrfs", "vfat"};
	const char *pos = text, *end = text + len;
	struct span line, word[4];
	unsigned n = 0;

	while (n < MAX_MOUNTS && text_line(&pos, end, &line)) {
		_auto_(mem) char *device = NULL;
		unsigned words = 0;
		bool known = false;
		size_t at = 0;
		int volume;

		while (words < 4 && text_word(&line, &at, &word[words]))
			words++;
		/* A blank written as \040 is in no path that matters here. */
		if (words < 3 || memchr(word[1].s, '\\', word[1].len) || word[0].s[0] == '#' ||
			word[1].s[0] != '/' || word[1].len < 2 || word[1].len > MAX_PATH ||
			memmem(word[1].s, word[1].len, "..", 2))
			continue;
		device = span_dup(word[0]);
		volume = facts_find_volume(f, device);
		for (unsigned i = 0; volume >= 0 && i < ARRAY_SIZE(types); i++)
			known = known || (f->volumes[volume].type &&
						 !strcmp(f->volumes[volume].type, types[i]));
		if (!known)
			continue;
		ret[n++] = (struct fstab_line){STEAL(device), span_dup(word[1]),
			words > 3 ? span_dup(word[3]) : NULL, (unsigned)volume};
	}
	return n;
}

static int by_length(const void *a, const void *b)
{
	size_t la = strlen(((const struct fstab_line *)a)->dir);
	size_t lb = strlen(((const struct fstab_line *)b)->dir);

	return (la > lb) - (la < lb);
}

static int note_mount(
	struct facts *f, struct guest *g, const char *dir, unsigned volume, struct err *err)
{
	struct facts_mount *m = facts_add_mount(f);

	m->dir = xstrdup(dir);
	m->volume = volume;
	return guest_free_space(g, dir, &m->free_bytes, &m->free_inodes, err);
}

/* The subvol= of a line's options, alone; NULL = none. */
static char *subvol_option(const char *options)
{
	const char *p = options ? strstr(options, "subvol") : NULL;

	return p ? xstrndup(p, strcspn(p, ",")) : NULL;
}

static int mount_fstab(struct facts *f, struct guest *g, struct err *err)
{
	const struct facts_file *fstab;
	struct fstab_line lines[MAX_MOUNTS];
	unsigned n = 0;
	int r = collect_file(f, g, "/etc/fstab", err);

	fstab = facts_file(f, "/etc/fstab");
	if (r >= 0 && fstab && fstab->data)
		n = parse_fstab(f, fstab->data, fstab->len, lines);
	qsort(lines, n, sizeof(lines[0]), by_length);
	for (unsigned i = 0; r >= 0 && i < n; i++) {
		_auto_(mem) char *option = subvol_option(lines[i].options);
		struct guest_stat st;
		struct err e = {0};

		r = guest_stat(g, lines[i].dir, &st, err);
		if (r < 0)
			break;
		if (!r || !S_ISDIR(st.mode)) {
			facts_warn(f, "%s: no such folder to mount %s on", lines[i].dir,
				lines[i].device);
			continue;
		}
		r = guest_mount(
			g, f->volumes[lines[i].volume].device, lines[i].dir, option, &e);
		if (r < 0) {
			facts_warn(f, "%s: %s", lines[i].dir, e.text);
			r = 0;
			continue;
		}
		r = note_mount(f, g, lines[i].dir, lines[i].volume, err);
	}
	for (unsigned i = 0; i < n; i++) {
		free(lines[i].device);
		free(lines[i].dir);
		free(lines[i].options);
	}
	return r;
}

static void note_release(struct facts *f, const char *text)
{
	size_t len = strlen(text);

	f->os_id = text_shell_value(text, len, "ID");
	f->os_like = text_shell_value(text, len, "ID_LIKE");
	f->os_version = text_shell_value(text, len, "VERSION_ID");
	f->os_name = text_shell_value(text, len, "PRETTY_NAME");
	f->family_debian =
		(f->os_id && (!strcmp(f->os_id, "debian") || !strcmp(f->os_id, "ubuntu"))) ||
		(f->os_like &&
			(text_has_word(
				 (struct span){f->os_like, strlen(f->os_like)}, "debian") ||
				text_has_word((struct span){f->os_like, strlen(f->os_like)},
					"ubuntu")));
}

/* Mounts the chosen system and all of its file systems. */
static int mount_system(struct search *s, unsigned i, struct err *err)
{
	struct system *sys = &s->systems[i];
	int r = 0;

	if (s->mounted != (int)i) {
		_auto_(mem) char *option =
			sys->subvol ? xasprintf("subvol=%s", sys->subvol) : NULL;

		r = guest_umount_all(s->g, err);
		if (r >= 0)
			r = guest_mount(
				s->g, s->f->volumes[sys->volume].device, "/", option, err);
	}
	if (r < 0)
		return r;
	s->f->root = (int)sys->volume;
	r = note_mount(s->f, s->g, "/", sys->volume, err);
	if (r >= 0)
		r = mount_fstab(s->f, s->g, err);
	if (r >= 0 && !*sys->release) { /* now /usr is there */
		free(STEAL(sys->release));
		r = read_release(s->g, &sys->release, err);
	}
	if (r >= 0)
		note_release(s->f, sys->release ?: "ID=debian\n");
	return r;
}

int collect_disks(
	struct facts *f, struct guest *g, const struct vmspec *source, struct err *err)
{
	struct search s = {.f = f, .g = g, .mounted = -1};
	unsigned chosen = 0;
	int r = collect_volumes(f, g, source, err);

	if (r >= 0)
		r = refuse_hibernated(f, err);
	if (r >= 0)
		r = find_systems(&s, err);
	if (r >= 0)
		r = choose_system(&s, &chosen, err);
	if (r >= 0)
		r = mount_system(&s, chosen, err);
	for (unsigned i = 0; i < s.n; i++) {
		free(s.systems[i].subvol);
		free(s.systems[i].release);
	}
	return r;
}
