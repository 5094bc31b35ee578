/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm_text: the small texts that all descriptions of machines share (names, UUIDs, MAC
 * addresses, numbers), from whatever form a description has to the one form of struct vmspec.
 *
 * Threads: any; the functions have no state.
 */
#pragma once

#include "formats/base/err.h"

/* Longest name of a machine, network or device that is kept, and longest description. */
#define VM_NAME_MAX        255
#define VM_DESCRIPTION_MAX 16384

/* A copy without control characters and outer white space, cut at VM_NAME_MAX bytes (between
 * UTF-8 characters). NULL when nothing is left, or for NULL. Caller frees. */
char *vm_name_clean(const char *text);
/* The same for a description: keeps line breaks, cut at VM_DESCRIPTION_MAX bytes. */
char *vm_description_clean(const char *text);

/* A UUID in lower case with dashes, from any form with 32 hexadecimal digits ("56 4d ...",
 * "{...}"). EINVAL, *ret untouched. Caller frees. */
int vm_uuid_parse(const char *text, char **ret);
/* VMware's two signed 64-bit halves (vm.genid, vm.genidX) as the GUID the guest reads. EINVAL. */
int vm_genid_from_halves(const char *genid, const char *genid_x, char **ret);
/* "00:50:56:aa:bb:cc" from the forms with colons, dashes or nothing between. All zeros and group
 * addresses are no address of a card: EINVAL. Caller frees. */
int vm_mac_parse(const char *text, char **ret);

/* "true"/"false" and the like, any letter case; else `other`. */
bool vm_bool(const char *text, bool other);
