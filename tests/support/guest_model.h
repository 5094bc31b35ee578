/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * guest_model: the facts of a small Debian guest, made by hand, for tests of rules.
 *
 * One disk "sda" of the source: sda1 ext4 on / (UUID 1111), sda5 swap (UUID 5555). One kernel
 * 6.1.0-1 with virtio as modules, and an initramfs without them. udev 252.
 */
#pragma once

#include "guestfix/plan.h"

struct model {
	struct facts *f;
	struct vmspec *vm; /* one NIC 00:50:56:00:00:01 in slot 192, one SCSI disk */
	struct plan_opts o;
	struct plan *p; /* after model_plan() */
};

void model_init(struct model *m);
void model_done(struct model *m);
/* A file of the guest with this text. */
void model_file(struct model *m, const char *path, const char *text);
/* The bytes of an initramfs for the kernel: entries "NAME" (a folder when it ends in "/"),
 * "NAME=TEXT" (a file), "NAME>TARGET" (a link); NULL-terminated. Replaces the one there is. */
void model_initrd(struct model *m, const char *const *entries);
/* Plans; the test fails when that fails. */
void model_plan(struct model *m);
/* What the plan would make of the file; NULL = no edit of it. */
const char *model_after(const struct model *m, const char *path);
const struct edit *model_edit(const struct model *m, const char *path);
