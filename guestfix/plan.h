/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plan: what will be changed inside a guest, why, and what the guest can boot with afterwards.
 *
 *	facts ──► rules, in the order of the table in rules/rules.c ──► plan ──► guestfix_apply
 *
 * Planning is pure. A plan is complete: every byte that will be written is in it, so it can be
 * shown, compared, and applied later; each edit also holds what it expects to find, and applying
 * fails (EBADMSG) rather than overwrite something else. An edit whose result is there already is
 * skipped, and a second conversion of the same guest plans nothing.
 *
 * Threads: plain data, one thread at a time.
 */
#pragma once

#include "guestfix/facts.h"

enum edit_kind {
	EDIT_WRITE, /* the whole file becomes `data` (was `old`; old NULL = did not exist) */
	EDIT_APPEND, /* `data` goes behind the file's `old_len` bytes, after zeros up to `offset` */
	EDIT_SYMLINK, /* path becomes a link to `target`, replacing a file or link */
	EDIT_MKDIR,   /* path and its parents become folders, mode `mode` */
	EDIT_REMOVE,  /* the file goes away */
	EDIT_COPY,    /* path becomes a copy of the file `target` (both in the guest) */
};

struct edit {
	enum edit_kind kind;
	const char *rule; /* name of the rule: "initramfs", "names" */
	char *path;       /* from the guest's root */
	char *summary;    /* what: one sentence, for people */
	char *reason;     /* why: one sentence */

	char *old;      /* EDIT_WRITE: content the plan was made from; NULL = no file */
	size_t old_len; /* bytes of it; EDIT_APPEND: the file's size before */
	void *data;
	size_t len;
	uint64_t offset; /* EDIT_APPEND: where data begins, >= old_len */
	char *target;
	unsigned mode; /* permission bits of a new file or folder */
};

/* What the fixed guest boots with: the best that all of it (and for disks, its default kernel)
 * can drive. */
struct caps {
	enum vm_bus
		disk_bus; /* VM_BUS_VIRTIO_BLK, VM_BUS_VIRTIO_SCSI, else what it had: SATA */
	const char *nic_model; /* "virtio", "e1000e", "e1000"; constant string */
	bool rng, balloon, pvpanic, vsock;
	bool virtio_1_0;     /* not only legacy virtio */
	bool serial_console; /* the kernel talks on ttyS0 */
	bool agent;          /* qemu-guest-agent is installed */
	enum vm_machine machine;
	enum vm_firmware firmware; /* UNKNOWN = the disks do not say */
};

/* A NIC whose name in the guest hangs on its MAC address: the target must use that. */
struct plan_nic {
	unsigned index; /* in source->nics */
	char *mac;      /* what the target's NIC must have */
	char *name;     /* "ens192" */
	bool new_mac;   /* the source said none; this one was made up */
};

struct plan {
	struct edit *edits;
	size_t n_edits;
	struct caps caps;
	struct plan_nic *nics;
	size_t n_nics;
	char **todo; /* what the owner must do by hand: one sentence each */
	char **warnings;
};

struct plan_opts {
	bool serial_console; /* add console=ttyS0 where there is none */
	bool keep_tools;     /* leave VMware's services alone */
};

void plan_free(struct plan *p);
DEFINE_AUTO(plan)

/*
 * All edits that make the guest boot on KVM. `source` and `o` may be NULL. ENOTSUP: no kernel of
 * the guest can run there, ENOSPC: no room for an edit (the text says how much is missing).
 */
int guestfix_plan(struct plan **ret, const struct facts *f, const struct vmspec *source,
	const struct plan_opts *o, struct err *err);

/* Only the serial console in the boot entries, for watching a boot on a throw-away overlay. An
 * empty plan when the kernel talks on ttyS0 already. */
int guestfix_plan_console(struct plan **ret, const struct facts *f, struct err *err);

/* {"edits": [{"rule", "kind", "path", "summary", "reason", "bytes"}], "caps", "nics", "todo",
 * "warnings"}. Caller decrefs. */
json_t *plan_json(const struct plan *p);

struct guest;
/*
 * Applies the edits in order. Files are written beside the old one and renamed where there is
 * room. EBADMSG: a file is not what the plan was made from; ENOSPC, EROFS, EIO. After a failure
 * the guest's disks must be thrown away (they are an overlay).
 */
int guestfix_apply(struct guest *g, const struct plan *p, struct err *err);
