/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* print: machines, guests, plans and results, for people to read. */
#pragma once

#include "formats/vm/vmspec.h"

struct check_report;
struct conversion;

/* What the description says. */
void print_machine(const struct vmspec *vm, char *const *warnings);
/* The machine and what was found in its guest. */
void print_inspection(const struct conversion *c);
/* Every edit with its reason. */
void print_plan(const struct conversion *c);
/* The end of a conversion: found, changed, not expressed, to do, where everything is. */
void print_summary(const struct conversion *c);
/* The verdict of a boot check and its evidence. */
void print_check(const struct check_report *r);

/* Are all disks and cards of the target virtio? */
bool print_is_virtio(const struct vmspec *vm);
