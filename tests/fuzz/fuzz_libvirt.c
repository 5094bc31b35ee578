// SPDX-License-Identifier: LGPL-2.1-or-later
/* fuzz_libvirt: domains of any bytes. What is accepted and can be written is read back
 * with as many devices. */
#include "formats/vm/libvirt.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/vm_samples.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_auto_(vmspec) struct vmspec *vm = NULL, *back = NULL;
	_auto_(mem) char *text = NULL;
	struct err err = {0};
	int r = libvirt_parse(&vm, (const char *)data, size, &err);

	if (r < 0) {
		if (err.code != -r || !*err.text)
			abort();
		return 0;
	}
	if (libvirt_write(&text, vm, &err) < 0)
		return 0;
	if (libvirt_parse(&back, text, strlen(text), &err) < 0 ||
		back->n_disks != vm->n_disks || back->n_nics != vm->n_nics ||
		back->memory < vm->memory)
		abort();
	return 0;
}

void fuzz_seeds(void (*use)(const char *name, const void *data, size_t size, void *opaque),
	void *opaque)
{
	struct vmspec *vm;

	for (unsigned i = 0; i < 5 && (vm = vm_sample(i)); i++) {
		_auto_(mem) char *text = NULL, *name = xasprintf("sample-%u", i);

		if (libvirt_write(&text, vm, NULL) >= 0)
			use(name, text, strlen(text), opaque);
		vmspec_free(vm);
	}
}
