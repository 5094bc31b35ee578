// SPDX-License-Identifier: LGPL-2.1-or-later
// linux_network: interfaces keep their names, and with them their configuration.
//
// udev names an interface by its place on the PCI bus: VMware's slot 192 is ens192, on KVM it
// would be enp1s0, and the address configured for ens192 would be gone. A .link file that ties
// the name to the MAC address keeps both (systemd.link(5)). Which MAC belongs to which name is
// taken from the slot numbers in the VM's description, or there is only one of each; otherwise
// it is not guessed.
#include "guestfix/rules/rules.h"

#include <ctype.h>

#define MAX_NAMES     64
/* Bytes of a file that is looked at for the addresses of interfaces, and how many of them. */
#define MAX_TIE       (64 * 1024)
#define MAX_ADDRESSES 256
#define MAX_NAME      15 /* IFNAMSIZ - 1 */

/* ---- names that the guest's configuration mentions ---- */

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-';
}

/* Ethernet by udev's scheme or the kernel's: "ens192", "enp3s0", "eth0"; VLANs ("ens192.5") and
 * aliases ("eth0:1") count as their parent. */
static void add_name(char ***names, struct span s)
{
	_auto_(mem) char *name = NULL;
	size_t n = 0;

	while (n < s.len && is_name_char(s.s[n]))
		n++;
	if (n < 3 || n > MAX_NAME || (n < s.len && s.s[n] != '.' && s.s[n] != ':'))
		return;
	name = xstrndup(s.s, n);
	if (!(starts_with(name, "eth") && isdigit((unsigned char)name[3])) &&
		!starts_with(name, "ens") && !starts_with(name, "enp") &&
		!starts_with(name, "eno") && !starts_with(name, "enx"))
		return;
	if (strv_len(*names) < MAX_NAMES && !strv_has(*names, name))
		strv_take(names, STEAL(name));
}

/* Lines of an iface paragraph that name other interfaces (bridge-utils, ifenslave, vlan). */
static bool names_ports(struct span word)
{
	static const char *const keys[] = {"bridge_ports", "bridge-ports", "bond-slaves",
		"bond_slaves", "slaves", "bond-primary", "vlan-raw-device", "vlan_raw_device"};

	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++)
		if (span_is(word, keys[i]))
			return true;
	return false;
}

/* interfaces(5): "auto ens192", "iface ens192 inet static" ... */
static void names_of_interfaces(char ***names, const char *text, size_t len)
{
	const char *pos = text;
	struct span line, word;

	while (text_line(&pos, text + len, &line)) {
		bool iface;
		size_t at = 0;

		if (!text_word(&line, &at, &word))
			continue;
		iface = span_is(word, "iface");
		if (!iface && !span_is(word, "auto") && !span_starts(word, "allow-") &&
			!names_ports(word))
			continue;
		while (text_word(&line, &at, &word)) {
			add_name(names, word);
			if (iface)
				break;
		}
	}
}

/* Values of `key` in ini files: systemd.network's Name=, NetworkManager's interface-name=. */
static void names_of_ini(char ***names, const char *text, size_t len, const char *key)
{
	const char *pos = text;
	struct span line, word;

	while (text_line(&pos, text + len, &line)) {
		struct span t = span_trim(line);
		size_t at = strlen(key) + 1;

		if (!span_starts(t, key) || t.len < at || t.s[at - 1] != '=')
			continue;
		while (text_word(&t, &at, &word))
			add_name(names, word);
	}
}

/* netplan: the keys right below "ethernets:". Enough of YAML for what netplan files are. */
static void names_of_netplan(char ***names, const char *text, size_t len)
{
	const char *pos = text;
	size_t section = 0, child = 0;
	bool inside = false;
	struct span line;

	while (text_line(&pos, text + len, &line)) {
		struct span t = span_trim(line);
		size_t indent = (size_t)(t.s - line.s);

		if (!t.len || t.s[0] == '#')
			continue;
		if (span_is(t, "ethernets:")) {
			inside = true;
			section = indent;
			child = 0;
			continue;
		}
		if (inside && indent <= section)
			inside = false;
		if (!inside)
			continue;
		child = child ?: indent;
		if (indent != child)
			continue;
		if (t.s[0] == '"' || t.s[0] == '\'') {
			t.s++;
			t.len--;
		}
		t.len = strcspn(t.s, ":\"' \t\n");
		add_name(names, t);
	}
}

static char **configured_names(const struct facts *f)
{
	char **names = NULL;

	for (size_t i = 0; i < f->n_files; i++) {
		const struct facts_file *file = &f->files[i];
		const char *p = file->path;

		if (!file->data)
			continue;
		if (starts_with(p, "/etc/network/interfaces"))
			names_of_interfaces(&names, file->data, file->len);
		else if (starts_with(p, "/etc/systemd/network/") && ends_with(p, ".network"))
			names_of_ini(&names, file->data, file->len, "Name");
		else if (starts_with(p, "/etc/NetworkManager/"))
			names_of_ini(&names, file->data, file->len, "interface-name");
		else if (starts_with(p, "/etc/netplan/") && ends_with(p, ".yaml"))
			names_of_netplan(&names, file->data, file->len);
	}
	return names;
}

/* ---- names that are tied to a MAC address already ---- */

/* Lines of .link and netplan files: "Name=ens192", "set-name: ens192". */
static bool gives_name(struct span line, const char *name)
{
	static const char *const keys[] = {"name", "set-name"};

	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++) {
		size_t n = strlen(keys[i]);
		struct span rest = {line.s + n, line.len - n};

		if (!span_starts(line, keys[i]))
			continue;
		rest = span_trim(rest);
		if (!rest.len || rest.s[0] != "=:"[i])
			continue;
		rest = span_trim((struct span){rest.s + 1, rest.len - 1});
		if (rest.len > 1 && rest.s[0] == rest.s[rest.len - 1] &&
			(rest.s[0] == '"' || rest.s[0] == '\''))
			rest = (struct span){rest.s + 1, rest.len - 2};
		if (span_is(rest, name))
			return true;
	}
	return false;
}

/* What the text, in small letters, says: the address at all; that it has this name. .link and netplan
 * files have both somewhere, udev's rules in one line. */
static void look_for(struct span text, bool rules, const char *mac, const char *name,
	bool *has_mac, bool *tied)
{
	_auto_(mem) char *assign = xasprintf("name=\"%s\"", name);
	const char *pos = text.s;
	bool has_name = false;
	struct span line;

	*has_mac = *tied = false;
	while (text_line(&pos, text.s + text.len, &line)) {
		struct span t = span_trim(line);
		bool here;

		if (!t.len || t.s[0] == '#' || t.s[0] == ';')
			continue;
		here = memmem(t.s, t.len, mac, strlen(mac));
		*has_mac = *has_mac || here;
		has_name = has_name || gives_name(t, name);
		if (rules && here && memmem(t.s, t.len, assign, strlen(assign)))
			*tied = true;
	}
	if (!rules)
		*tied = *has_mac && has_name;
}

/* Does the file speak of this address, and tie it to the name? */
static void ties(const struct facts_file *file, const char *mac, const char *name,
	bool *has_mac, bool *tied)
{
	_auto_(mem) char *lower = NULL;

	*has_mac = *tied = false;
	if (!file->data || file->len > MAX_TIE || strlen(file->data) != file->len)
		return;
	lower = xstrdup(file->data);
	for (char *c = lower; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	look_for((struct span){lower, file->len}, ends_with(file->path, ".rules"), mac, name,
		has_mac, tied);
}

static bool is_link(const char *path)
{
	return starts_with(path, "/etc/systemd/network/") && ends_with(path, ".link");
}

static bool can_tie(const char *path)
{
	return is_link(path) ||
	       (starts_with(path, "/etc/udev/rules.d/") && ends_with(path, ".rules")) ||
	       starts_with(path, "/etc/netplan/");
}

static bool is_tied(const struct facts *f, const char *mac, const char *name)
{
	for (size_t i = 0; i < f->n_files; i++) {
		const char *p = f->files[i].path;
		bool has_mac, tied = false;

		if (can_tie(p))
			ties(&f->files[i], mac, name, &has_mac, &tied);
		if (tied)
			return true;
	}
	return false;
}

/* Does a MAC address begin here? */
static bool is_mac(const char *s)
{
	for (unsigned i = 0; i < 17; i++)
		if (i % 3 == 2 ? s[i] != ':' : !isxdigit((unsigned char)s[i]))
			return false;
	return true;
}

/* The one address that the guest ties the name to, lower case; NULL = none, or several. */
static char *tied_mac(const struct facts *f, const char *name)
{
	unsigned looked_at = 0;
	char *found = NULL;

	for (size_t i = 0; i < f->n_files; i++) {
		const struct facts_file *file = &f->files[i];

		for (size_t at = 0; can_tie(file->path) && file->data && at + 17 <= file->len;
			at++) {
			_auto_(mem) char *mac = NULL;
			bool has_mac, tied;

			if (!is_mac(file->data + at))
				continue;
			if (++looked_at > MAX_ADDRESSES) {
				free(found);
				return NULL;
			}
			mac = xstrndup(file->data + at, 17);
			for (char *c = mac; *c; c++)
				*c = (char)tolower((unsigned char)*c);
			at += 16;
			ties(file, mac, name, &has_mac, &tied);
			if (!tied || (found && !strcmp(found, mac)))
				continue;
			if (found) {
				free(found);
				return NULL;
			}
			found = STEAL(mac);
		}
	}
	return found;
}

/* Of all .link files that fit an interface udev reads only the first (systemd.link(5)). */
static void warn_of_other_links(struct rules *r, const char *mac, const char *name)
{
	for (size_t i = 0; i < r->f->n_files; i++) {
		const struct facts_file *file = &r->f->files[i];
		bool has_mac = false, tied;

		if (is_link(file->path))
			ties(file, mac, name, &has_mac, &tied);
		if (has_mac)
			rules_todo(r,
				"%s is for the same interface as 10-wherry-%s.link, and only the "
				"first of them counts: put Name=%s and its settings into one file",
				file->path, name, name);
	}
}

/* ---- which NIC is which name ---- */

/* The NIC that had this name in the source; -1 = not known. */
static int find_nic(const struct rules *r, const char *name, size_t n_names)
{
	const struct vmspec *s = r->source;
	uint64_t slot;

	for (unsigned i = 0; i < s->n_nics; i++)
		if (s->nics[i].guest_name && !strcmp(s->nics[i].guest_name, name))
			return (int)i;
	if (starts_with(name, "ens") && parse_u64(name + 3, 100000, &slot) >= 0)
		for (unsigned i = 0; i < s->n_nics; i++)
			if (s->nics[i].pci_slot && s->nics[i].pci_slot == slot)
				return (int)i;
	for (unsigned i = 0; i < s->n_nics; i++)
		if (s->nics[i].mac && is_tied(r->f, s->nics[i].mac, name))
			return (int)i;
	/* One of each: they belong together, unless the slot says that it was another one. */
	if (s->n_nics == 1 && n_names == 1 &&
		(!s->nics[0].pci_slot || !starts_with(name, "ens")))
		return 0;
	return -1;
}

/* An address of KVM's own range, the same each time for the same machine and NIC. */
static char *make_mac(const struct vmspec *s, unsigned nic)
{
	const char *seed = s->uuid ?: s->name ?: "";
	uint32_t h = 2166136261u + nic; /* FNV-1a */

	for (; *seed; seed++)
		h = (h ^ (unsigned char)*seed) * 16777619u;
	return xasprintf("52:54:00:%02x:%02x:%02x", h >> 16 & 0xff, h >> 8 & 0xff, h & 0xff);
}

static void keep_name(struct rules *r, const char *name, unsigned nic)
{
	const char *known = r->source->nics[nic].mac;
	_auto_(mem) char *tied = known ? NULL : tied_mac(r->f, name);
	bool made_up = !known && !tied;
	_auto_(mem) char *mac = made_up ? make_mac(r->source, nic) : xstrdup(known ?: tied);
	_auto_(mem) char *path = xasprintf("/etc/systemd/network/10-wherry-%s.link", name);
	_auto_(mem) char *summary = NULL;
	struct plan_nic *n;
	char *text;

	for (char *c = mac; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	r->p->nics = xrealloc(r->p->nics, r->p->n_nics + 1, sizeof(*r->p->nics));
	n = &r->p->nics[r->p->n_nics++];
	*n = (struct plan_nic){
		.index = nic, .mac = xstrdup(mac), .name = xstrdup(name), .new_mac = made_up};
	if (is_tied(r->f, mac, name))
		return;
	if (r->f->systemd_version < 209) {
		rules_todo(r,
			"the interface with address %s must keep the name %s; this guest's udev is "
			"too old for a .link file",
			mac, name);
		return;
	}
	summary = xasprintf("the interface with address %s is %s", mac, name);
	text = xasprintf("# written by wherry: the name this interface had before\n"
			 "[Match]\nMACAddress=%s\n\n[Link]\nName=%s\n",
		mac, name);
	warn_of_other_links(r, mac, name);
	rules_write(r, path, text, strlen(text), summary,
		"on KVM the interface would get another name and lose its configuration");
}

int rule_network(struct rules *r, struct err *err)
{
	char **names = configured_names(r->f);
	bool taken[VM_MAX_NICS] = {false};

	strv_foreach (name, names) {
		int nic = r->source ? find_nic(r, *name, strv_len(names)) : -1;

		if (nic < 0) {
			rules_todo(r,
				"interface %s is configured, but it is not known which network card "
				"it was; its name may change",
				*name);
		} else if (!taken[nic]) {
			taken[nic] = true;
			keep_name(r, *name, (unsigned)nic);
		}
	}
	strv_free(names);
	return 0;
}
