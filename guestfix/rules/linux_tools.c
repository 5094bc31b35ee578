// SPDX-License-Identifier: LGPL-2.1-or-later
// linux_tools: services of VMware's tools are masked, so that the boot is clean. Nothing is
// uninstalled: the packages stay the owner's, and unmasking brings them back.
#include "guestfix/rules/rules.h"

static const char *const units[] = {
	"open-vm-tools.service",
	"vgauth.service",
	"run-vmblock\\x2dfuse.mount",
	"vmware-tools.service",
	"vmware-tools-thinprint.service",
};

/* Scripts from before systemd; it makes units of them, which can be masked the same way. */
static const char *const scripts[] = {"vmware-tools", "vmware-tools-thinprint"};

static bool exists(const struct rules *r, const char *dir, const char *name)
{
	_auto_(mem) char *path = xasprintf("%s/%s", dir, name);

	return facts_file(r->f, path) != NULL;
}

static void mask(struct rules *r, const char *unit)
{
	_auto_(mem) char *path = xasprintf("/etc/systemd/system/%s", unit);
	_auto_(mem) char *summary = xasprintf("mask %s", unit);
	const struct facts_file *now = facts_file(r->f, path);
	struct edit *e;

	if (now && now->link && !strcmp(now->link, "/dev/null"))
		return;
	e = rules_edit(r, EDIT_SYMLINK, path, summary, "it only works on VMware");
	e->target = xstrdup("/dev/null");
}

int rule_tools(struct rules *r, struct err *err)
{
	if (r->o->keep_tools)
		return 0;
	for (unsigned i = 0; i < ARRAY_SIZE(units); i++)
		if (exists(r, "/lib/systemd/system", units[i]) ||
			exists(r, "/etc/systemd/system", units[i]))
			mask(r, units[i]);
	for (unsigned i = 0; i < ARRAY_SIZE(scripts); i++) {
		_auto_(mem) char *unit = xasprintf("%s.service", scripts[i]);

		if (exists(r, "/etc/init.d", scripts[i]) &&
			!exists(r, "/lib/systemd/system", unit) &&
			!exists(r, "/etc/systemd/system", unit))
			mask(r, unit);
	}
	return 0;
}
