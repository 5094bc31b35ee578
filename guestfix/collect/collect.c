// SPDX-License-Identifier: LGPL-2.1-or-later
// collect: facts_collect(), and the configuration files that rules look at.
#include "guestfix/collect/collect.h"

#include "formats/base/io.h"
#include "guestfix/guest_impl.h"
#include "guestfix/lib/text.h"

#include <sys/stat.h>

/* Names in one folder that are looked at. */
#define MAX_FOLDER 256
/* The list of installed packages may be long on a desktop. */
#define MAX_STATUS (32 * 1024 * 1024)

/* Files whose content rules need. */
static const char *const files[] = {
	"/boot/grub/grub.cfg",
	"/boot/grub/device.map",
	"/etc/crypttab",
	"/etc/default/grub",
	"/etc/initramfs-tools/initramfs.conf",
	"/etc/initramfs-tools/modules",
	"/etc/mdadm/mdadm.conf",
	"/etc/network/interfaces",
};

/* Folders all of whose files they need. */
static const char *const folders[] = {
	"/etc/default/grub.d",
	"/etc/dracut.conf.d",
	"/etc/initramfs-tools/conf.d",
	"/etc/netplan",
	"/etc/network/interfaces.d",
	"/etc/NetworkManager/system-connections",
	"/etc/systemd/network",
	"/etc/udev/rules.d",
};

/* What only has to be known to exist. */
static const char *const existences[] = {
	"/usr/bin/dracut",
	"/usr/sbin/update-initramfs",
	"/etc/systemd/system/open-vm-tools.service",
	"/etc/systemd/system/vgauth.service",
	"/etc/systemd/system/run-vmblock\\x2dfuse.mount",
	"/etc/systemd/system/vmware-tools.service",
	"/etc/systemd/system/vmware-tools-thinprint.service",
	"/lib/systemd/system/open-vm-tools.service",
	"/lib/systemd/system/vgauth.service",
	"/lib/systemd/system/run-vmblock\\x2dfuse.mount",
	"/lib/systemd/system/vmware-tools.service",
	"/lib/systemd/system/vmware-tools-thinprint.service",
	"/etc/init.d/vmware-tools",
	"/etc/init.d/vmware-tools-thinprint",
};

/* Packages whose presence or version matters. */
static const char *const packages[] = {
	"udev",
	"qemu-guest-agent",
	"open-vm-tools",
	"grub-pc",
};

/* One file; `st` and `link` are what lstat said. */
static int add_file(struct facts *f, struct guest *g, const char *path,
	const struct guest_stat *lst, struct err *err)
{
	struct guest_stat st = *lst;
	_auto_(mem) char *link = NULL, *real = NULL, *data = NULL;
	struct facts_file *file;
	size_t len = 0;
	int r;

	if (f->n_files == FACTS_MAX_FILES)
		return err_set(
			err, EINVAL, "more than %d configuration files", FACTS_MAX_FILES);
	if (S_ISLNK(lst->mode)) {
		r = guest_readlink(g, path, &link, err);
		if (r < 0)
			return r;
		r = guest_stat(g, path, &st, err);
		if (r < 0)
			return r;
		if (r && S_ISREG(st.mode))
			r = guest_realpath(g, path, &real, err);
		if (r < 0)
			return r;
	}
	if (S_ISREG(st.mode) && st.size <= FACTS_MAX_TEXT &&
		st.size <= FACTS_MAX_BYTES - f->bytes) {
		r = guest_read(g, path, FACTS_MAX_TEXT, &data, &len, err);
		if (r < 0)
			return r;
		f->bytes += len;
	} else if (S_ISREG(st.mode)) {
		facts_warn(f,
			"%s: %llu bytes are too many for a configuration file; left alone",
			path, (unsigned long long)st.size);
	}
	file = facts_add_file(f, path, data, len);
	file->link = STEAL(link);
	file->real = STEAL(real);
	file->mode = st.mode & 07777;
	file->uid = st.uid;
	file->gid = st.gid;
	return 0;
}

int collect_file(struct facts *f, struct guest *g, const char *path, struct err *err)
{
	struct guest_stat st;
	int r = guest_lstat(g, path, &st, err);

	return r <= 0 ? r : add_file(f, g, path, &st, err);
}

int collect_folder(struct facts *f, struct guest *g, const char *dir, struct err *err)
{
	struct guest_stat st;
	char **names = NULL;
	size_t n = 0;
	int r = guest_stat(g, dir, &st, err);

	if (r <= 0 || !S_ISDIR(st.mode))
		return r < 0 ? r : 0;
	r = guest_list(g, dir, &names, err);
	strv_foreach (name, names) {
		_auto_(mem) char *path = xasprintf("%s/%s", dir, *name);

		if (++n > MAX_FOLDER) {
			facts_warn(f, "%s: more than %d files, the rest is not looked at", dir,
				MAX_FOLDER);
			break;
		}
		r = guest_lstat(g, path, &st, err);
		if (r > 0 && (S_ISREG(st.mode) || S_ISLNK(st.mode)))
			r = add_file(f, g, path, &st, err);
		if (r < 0)
			break;
	}
	strv_free(names);
	return r < 0 ? r : 0;
}

int collect_existence(struct facts *f, struct guest *g, const char *path, struct err *err)
{
	_auto_(mem) char *link = NULL;
	struct guest_stat st;
	int r = guest_lstat(g, path, &st, err);

	if (r <= 0)
		return r;
	if (S_ISLNK(st.mode)) {
		r = guest_readlink(g, path, &link, err);
		if (r < 0)
			return r;
	}
	facts_add_file(f, path, NULL, 0)->link = STEAL(link);
	return 0;
}

/* Is `name` one of the packages to look for? */
static bool is_wanted(struct span name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(packages); i++)
		if (span_is(name, packages[i]))
			return true;
	return false;
}

/* The installed ones of the wanted packages, with their versions (dpkg(1): the status file is a
 * list of paragraphs). */
static void parse_packages(struct facts *f, const char *text, size_t len)
{
	const char *pos = text, *end = text + len;
	struct span line, name = {0};
	bool installed = false;

	while (text_line(&pos, end, &line)) {
		if (!line.len)
			name.len = 0;
		else if (span_starts(line, "Package: ")) {
			name = (struct span){line.s + 9, line.len - 9};
			installed = false;
			if (!is_wanted(name))
				name.len = 0;
		} else if (name.len && span_starts(line, "Status: "))
			installed = memmem(line.s, line.len, " installed", 10);
		else if (name.len && installed && span_starts(line, "Version: "))
			strv_take(&f->packages, xasprintf("%.*s %.*s", (int)name.len, name.s,
							(int)(line.len - 9), line.s + 9));
	}
}

static int collect_packages(struct facts *f, struct guest *g, struct err *err)
{
	static const char status[] = "/var/lib/dpkg/status";
	_auto_(mem) char *text = NULL;
	struct guest_stat st;
	const char *udev;
	size_t len;
	int r = guest_stat(g, status, &st, err);

	if (r < 0)
		return r;
	if (!r || !S_ISREG(st.mode) || st.size > MAX_STATUS) {
		facts_warn(f, "%s: not readable; nothing is known about packages", status);
		return 0;
	}
	r = guest_read(g, status, MAX_STATUS, &text, &len, err);
	if (r < 0)
		return r;
	parse_packages(f, text, len);
	udev = facts_package(f, "udev");
	if (udev) {
		const char *colon = strchr(udev, ':'); /* an epoch comes before it */

		f->systemd_version = (unsigned)strtoul(colon ? colon + 1 : udev, NULL, 10);
	}
	return 0;
}

/* The processor a program is for, by its ELF header. */
static int collect_arch(struct facts *f, struct guest *g, struct err *err)
{
	static const struct {
		unsigned machine;
		const char *name;
	} machines[] = {{62, "x86_64"}, {3, "i686"}, {183, "aarch64"}};
	_auto_(mem) char *elf = NULL;
	struct guest_stat st;
	size_t len;
	int r = guest_stat(g, "/bin/true", &st, err);

	if (r <= 0 || !S_ISREG(st.mode) || st.size > FACTS_MAX_TEXT)
		return r < 0 ? r : 0;
	r = guest_read(g, "/bin/true", FACTS_MAX_TEXT, &elf, &len, err);
	if (r < 0 || len < 20 || memcmp(elf, "\177ELF", 4) || elf[5] != 1)
		return r < 0 ? r : 0;
	for (unsigned i = 0; i < ARRAY_SIZE(machines); i++)
		if ((unsigned)((uint8_t)elf[18] | (uint8_t)elf[19] << 8) == machines[i].machine)
			f->arch = xstrdup(machines[i].name);
	return 0;
}

static int collect_hostname(struct facts *f, struct guest *g, struct err *err)
{
	const struct facts_file *file;
	struct span line;
	const char *pos;
	int r = collect_file(f, g, "/etc/hostname", err);

	if (r < 0)
		return r;
	file = facts_file(f, "/etc/hostname");
	if (!file || !file->data)
		return 0;
	pos = file->data;
	if (text_line(&pos, file->data + file->len, &line))
		f->hostname = span_dup(span_trim(line));
	return 0;
}

static int collect_config(struct facts *f, struct guest *g, struct err *err)
{
	int r = collect_hostname(f, g, err);

	for (unsigned i = 0; r >= 0 && i < ARRAY_SIZE(files); i++)
		r = collect_file(f, g, files[i], err);
	for (unsigned i = 0; r >= 0 && i < ARRAY_SIZE(folders); i++)
		r = collect_folder(f, g, folders[i], err);
	for (unsigned i = 0; r >= 0 && i < ARRAY_SIZE(existences); i++)
		r = collect_existence(f, g, existences[i], err);
	if (r >= 0)
		r = collect_packages(f, g, err);
	if (r >= 0)
		r = collect_arch(f, g, err);
	return r;
}

static int refuse_foreign(const struct facts *f, struct err *err)
{
	if (!f->family_debian)
		return err_set(err, ENOTSUP,
			"%s (ID=%s) is not handled; the Debian family is (debian, ubuntu and what "
			"is like them)",
			f->os_name ?: "a Linux system", f->os_id ?: "none");
	return 0;
}

int facts_collect(
	struct facts **ret, struct guest *g, const struct vmspec *source, struct err *err)
{
	_auto_(facts) struct facts *f = facts_new();
	double start = io_now();
	int r = collect_disks(f, g, source, err);

	if (r >= 0)
		r = refuse_foreign(f, err);
	if (r >= 0)
		r = collect_config(f, g, err);
	if (r >= 0)
		r = collect_boot(f, g, err);
	g->times.collect = io_now() - start;
	if (r < 0)
		return r;
	*ret = STEAL(f);
	return 0;
}
