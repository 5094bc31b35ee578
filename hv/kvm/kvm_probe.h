/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * kvm_probe: can this machine's KVM run ordinary 64-bit guests?
 *
 * The presence of /dev/kvm says little: it may be closed to this user, and there are KVMs
 * (nested ones without the processor's help) that create machines and run guest code through
 * the kernel's instruction emulator, thousands of times too slowly or not at all. So a guest is
 * run: 64-bit code on page tables of its own that loops KVM_PROBE_LOOPS times with a known
 * result, uses CPUID and the floating point unit, and its speed is measured.
 *
 * The guest runs in a child process, so that whatever it does ends with that process. The
 * answer comes within about a third of a second; on a machine so busy that the child is hardly
 * ever scheduled, within one second.
 *
 * Threads: any.
 */
#pragma once

#include "formats/base/util.h"

enum kvm_verdict {
	KVM_USABLE,
	KVM_ABSENT,        /* there is no /dev/kvm */
	KVM_NO_PERMISSION, /* there is one, not for this user */
	KVM_TOO_SLOW,      /* guest code runs, at the speed of an emulator */
	KVM_BROKEN,        /* machines cannot be created, or run 64-bit code wrongly */
};

struct kvm_probe {
	enum kvm_verdict verdict;
	double guest_seconds; /* processor time of the guest's run; 0 when it did not finish */
	char why[200];        /* one sentence, for reports */
};

/* Rounds of the guest's loop, four instructions each. */
#define KVM_PROBE_LOOPS 250000u

const char *kvm_verdict_name(enum kvm_verdict v); /* "usable", "absent", "no permission" ... */

/* Measures. Always fills *ret; returns 0 when KVM is usable, else -ENOTSUP. */
int kvm_probe(struct kvm_probe *ret);
