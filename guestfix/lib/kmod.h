/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * kmod: the text files that depmod leaves beside a kernel's modules (modules.dep(5)), and the
 * binary index of dependencies that kmod reads instead.
 *
 * Names of modules are compared as the kernel does it: hyphen and underscore are the same.
 *
 * Threads: no state.
 */
#pragma once

#include "guestfix/lib/text.h"

/* A module and what it needs, at most. */
#define KMOD_MAX_CLOSURE 64
/* Lines of a modules.dep that are looked at. */
#define KMOD_MAX_MODULES 65536

/*
 * Where module `name` is: 0 = a file; its path and those of all modules it needs are added to
 * *paths (relative to the module folder, no path twice). 1 = built into the kernel. -ENOENT: the
 * kernel does not have it. `dep` and `builtin` may be NULL.
 */
int kmod_closure(const char *dep, const char *builtin, const char *name, char ***paths);

/* Does the kernel have it, as a file or built in? */
bool kmod_has(const char *dep, const char *builtin, const char *name);

/* The name of the module in a file "kernel/a/virtio-pci.ko.xz": "virtio_pci". Caller frees. */
char *kmod_name(const char *path);

/* What follows ".ko" in a path: "", ".xz" ...; NULL = not a module. */
const char *kmod_suffix(const char *path);

/*
 * A modules.dep whose files have another suffix: "" for ".ko" as they are in an initramfs that was
 * packed as a whole. Returns the text; caller frees.
 */
char *kmod_rename_dep(const char *dep, const char *suffix);

/*
 * modules.dep.bin from modules.dep: kmod's index format 2.1, a trie by module name whose values are
 * the lines of the text (kmod: libkmod/libkmod-index.h). EINVAL: more modules than
 * KMOD_MAX_MODULES, or a name with bytes above 0x7f. Caller frees.
 */
int kmod_dep_index(const char *dep, void **ret, size_t *ret_len, struct err *err);
