// SPDX-License-Identifier: LGPL-2.1-or-later
// linux_persist: the guest's own configuration, so that the initramfs it builds after its next
// kernel update has the virtio modules too.
#include "guestfix/lib/kmod.h"
#include "guestfix/rules/rules.h"

static const char reason[] = "the initramfs that the guest builds next must have them too";

/* Those that some kernel has as a file; drivers that are built in need no entry. */
static bool is_module_of_any(const struct facts *f, const char *name)
{
	for (size_t i = 0; i < f->n_kernels; i++) {
		char **paths = NULL;
		int r = kmod_closure(
			f->kernels[i].modules_dep, f->kernels[i].modules_builtin, name, &paths);

		strv_free(paths);
		if (r == 0)
			return true;
	}
	return false;
}

static bool lists_module(const char *text, size_t len, const char *name)
{
	const char *pos = text, *end = text + len;
	struct span line, word;

	while (text_line(&pos, end, &line))
		if (text_first_word(&line, &word) && span_is(word, name))
			return true;
	return false;
}

static void persist_initramfs_tools(struct rules *r)
{
	static const char path[] = "/etc/initramfs-tools/modules";
	_auto_str_ struct str text = STR_INIT;
	const char *old = "";
	size_t len = 0;
	bool any = false;

	if (facts_file(r->f, path) && !rules_text(r, path, &old, &len)) {
		rules_todo(r, "%s: not readable; add the virtio modules by hand", path);
		return;
	}
	str_addn(&text, old, len);
	if (len && old[len - 1] != '\n')
		str_addc(&text, '\n');
	for (const char *const *m = boot_modules; *m; m++) {
		if (lists_module(old, len, *m) || !is_module_of_any(r->f, *m))
			continue;
		if (!any)
			str_add(&text, "# drivers for KVM's disks, added by wherry\n");
		any = true;
		str_addf(&text, "%s\n", *m);
	}
	if (!any)
		return;
	len = text.len;
	rules_write(r, path, str_steal(&text), len, "list the virtio modules", reason);
}

static void persist_dracut(struct rules *r)
{
	static const char path[] = "/etc/dracut.conf.d/10-wherry.conf";
	_auto_str_ struct str text = STR_INIT;
	size_t len;

	str_add(&text, "# drivers for KVM's disks, added by wherry\nadd_drivers+=\"");
	for (const char *const *m = boot_modules; *m; m++)
		if (is_module_of_any(r->f, *m))
			str_addf(&text, " %s", *m);
	str_add(&text, " \"\n");
	len = text.len;
	rules_write(r, path, str_steal(&text), len, "list the virtio modules", reason);
}

int rule_persist(struct rules *r, struct err *err)
{
	if (!is_module_of_any(r->f, "virtio_blk") && !is_module_of_any(r->f, "virtio_scsi"))
		return 0;
	if (facts_file(r->f, "/usr/sbin/update-initramfs"))
		persist_initramfs_tools(r);
	if (facts_file(r->f, "/usr/bin/dracut"))
		persist_dracut(r);
	return 0;
}
