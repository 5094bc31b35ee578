/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rules: what is changed in a guest. Each rule looks at the facts (and at what earlier rules have
 * planned) and adds edits, warnings and to-dos; the table in rules.c has them in order with one
 * sentence each. Rules are pure.
 *
 * Threads: no state.
 */
#pragma once

#include "guestfix/lib/text.h"
#include "guestfix/plan.h"

struct rules {
	const struct facts *f;
	const struct vmspec *source; /* NULL = not known */
	const struct plan_opts *o;   /* never NULL */
	struct plan *p;
	const char *rule; /* the one that runs */
};

struct rule {
	const char *name;
	const char *what; /* for the manual */
	int (*plan)(struct rules *r, struct err *err);
};

/* In the order they run; the last has name NULL. */
extern const struct rule guestfix_rules[];

int rule_kernels(struct rules *r, struct err *err);   /* linux_kernels.c */
int rule_names(struct rules *r, struct err *err);     /* linux_names.c */
int rule_tools(struct rules *r, struct err *err);     /* linux_tools.c */
int rule_network(struct rules *r, struct err *err);   /* linux_network.c */
int rule_console(struct rules *r, struct err *err);   /* linux_console.c */
int rule_uefi(struct rules *r, struct err *err);      /* linux_uefi.c */
int rule_initramfs(struct rules *r, struct err *err); /* linux_initramfs.c */
int rule_persist(struct rules *r, struct err *err);   /* linux_persist.c */

/* ---- for rules ---- */

/* The file as it will be when the edits so far are done; borrowed. False: there is none, or its
 * content is not known. */
bool rules_text(const struct rules *r, const char *path, const char **text, size_t *len);

/*
 * The file becomes `data` (taken). Joins with an earlier edit of the same file; nothing happens
 * when nothing changes. summary and reason are copied.
 */
void rules_write(struct rules *r, const char *path, char *take_data, size_t len,
	const char *summary, const char *reason);

/* A zeroed edit of the running rule; path, summary, reason are copied. */
struct edit *rules_edit(struct rules *r, enum edit_kind kind, const char *path,
	const char *summary, const char *reason);

void rules_todo(struct rules *r, const char *fmt, ...) _printf_(2, 3);
void rules_warn(struct rules *r, const char *fmt, ...) _printf_(2, 3);

/* linux_kernels.c: the kernel that boots by default; never NULL after rule_kernels(). */
const struct facts_kernel *rules_default_kernel(const struct facts *f);

/* The virtio modules a boot needs, NULL-terminated. */
extern const char *const boot_modules[];

/* linux_names.c: a configuration text of "RESUME=/dev/sda5" or of crypttab; NULL = nothing changes. */
char *names_map_resume(const struct rules *r, const char *text, size_t len, size_t *ret_len);
char *names_map_table(const struct rules *r, const char *text, size_t len, unsigned field,
	const char *file, size_t *ret_len);

/* linux_initramfs.c: files below the module folder that the plan wants to see: modules that the
 * initramfs lacks, and indexes. Empty (NULL) when it lacks none. Caller frees with strv_free. */
char **initramfs_wanted_files(const struct facts_kernel *k);
