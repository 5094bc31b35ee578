// SPDX-License-Identifier: LGPL-2.1-or-later
// rules: the table, guestfix_plan(), and what all rules use.
#include "guestfix/rules/rules.h"

#include <stdarg.h>

/* Device names come first, because the copies of configuration files inside the initramfs are made
 * from what the other rules planned. */
const struct rule guestfix_rules[] = {
	{"kernels", "which kernels can run on KVM, and with which devices", rule_kernels},
	{"names", "names of disks in fstab, crypttab, resume, root= become UUIDs", rule_names},
	{"tools", "services that only work on VMware are masked", rule_tools},
	{"network", "interfaces keep their names, by MAC address", rule_network},
	{"console", "a serial console is added when asked for", rule_console},
	{"uefi", "the boot loader is put where firmware without a memory finds it", rule_uefi},
	{"initramfs", "missing virtio modules are appended to every initramfs", rule_initramfs},
	{"persist", "the next initramfs the guest builds has them too", rule_persist},
	{0},
};

struct edit *rules_edit(struct rules *r, enum edit_kind kind, const char *path,
	const char *summary, const char *reason)
{
	struct plan *p = r->p;
	struct edit *e;

	p->edits = xrealloc(p->edits, p->n_edits + 1, sizeof(*p->edits));
	e = &p->edits[p->n_edits++];
	*e = (struct edit){
		.kind = kind,
		.rule = r->rule,
		.path = xstrdup(path),
		.summary = xstrdup(summary),
		.reason = xstrdup(reason),
		.mode = 0644,
	};
	return e;
}

/* The planned content of a file; NULL = none is planned. Edits have the names of files, not of
 * links to them. */
static struct edit *find_write(const struct rules *r, const char *path)
{
	const struct facts_file *file = facts_file(r->f, path);

	if (file && file->real)
		path = file->real;
	for (size_t i = 0; i < r->p->n_edits; i++)
		if (r->p->edits[i].kind == EDIT_WRITE && !strcmp(r->p->edits[i].path, path))
			return &r->p->edits[i];
	return NULL;
}

bool rules_text(const struct rules *r, const char *path, const char **text, size_t *len)
{
	const struct edit *e = find_write(r, path);
	const struct facts_file *file = facts_file(r->f, path);

	if (e) {
		*text = e->data;
		*len = e->len;
		return true;
	}
	if (!file || !file->data)
		return false;
	*text = file->data;
	*len = file->len;
	return true;
}

/* "A; B" in place of A. */
static void join(char **text, const char *more)
{
	char *both;

	if (strstr(*text, more))
		return;
	both = xasprintf("%s; %s", *text, more);
	free(*text);
	*text = both;
}

void rules_write(struct rules *r, const char *path, char *take_data, size_t len,
	const char *summary, const char *reason)
{
	_auto_(mem) char *data = take_data;
	const struct facts_file *file = facts_file(r->f, path);
	struct edit *e = find_write(r, path);
	const char *now;
	size_t now_len;

	if (rules_text(r, path, &now, &now_len) && now_len == len && !memcmp(now, data, len))
		return;
	if (e) {
		join(&e->summary, summary);
		join(&e->reason, reason);
	} else {
		e = rules_edit(r, EDIT_WRITE, path, summary, reason);
		if (file && file->data) {
			e->old = xmemdup(file->data, file->len + 1);
			e->old_len = file->len;
			e->mode = file->mode;
			if (file->real) { /* through the link, not over it */
				free(e->path);
				e->path = xstrdup(file->real);
			}
		}
	}
	free(e->data);
	e->data = STEAL(data);
	e->len = len;
}

void rules_todo(struct rules *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strv_take(&r->p->todo, xvasprintf(fmt, ap));
	va_end(ap);
}

void rules_warn(struct rules *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strv_take(&r->p->warnings, xvasprintf(fmt, ap));
	va_end(ap);
}

int guestfix_plan(struct plan **ret, const struct facts *f, const struct vmspec *source,
	const struct plan_opts *o, struct err *err)
{
	static const struct plan_opts none = {0};
	_auto_(plan) struct plan *p = xnew(struct plan);
	struct rules r = {.f = f, .source = source, .o = o ?: &none, .p = p};

	strv_foreach (w, f->warnings)
		strv_add(&p->warnings, *w);
	for (const struct rule *rule = guestfix_rules; rule->name; rule++) {
		int x;

		r.rule = rule->name;
		x = rule->plan(&r, err);
		if (x < 0)
			return x;
	}
	*ret = STEAL(p);
	return 0;
}

int guestfix_plan_console(struct plan **ret, const struct facts *f, struct err *err)
{
	static const struct plan_opts only = {.serial_console = true};
	_auto_(plan) struct plan *p = xnew(struct plan);
	struct rules r = {.f = f, .o = &only, .p = p, .rule = "console"};
	int x = rule_console(&r, err);

	if (x < 0)
		return x;
	*ret = STEAL(p);
	return 0;
}
