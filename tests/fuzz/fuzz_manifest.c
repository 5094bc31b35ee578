// SPDX-License-Identifier: LGPL-2.1-or-later
/* fuzz_manifest: manifests of any bytes. What is accepted can be found again. */
#include "formats/base/str.h"
#include "formats/ova/manifest.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_auto_(manifest) struct manifest *m = NULL;
	struct err err = {0};
	int r = manifest_parse(&m, (const char *)data, size, "fuzz.mf", &err);

	if (r < 0) {
		if (err.code != -r || !*err.text)
			abort();
		return 0;
	}
	if (strv_len(m->warnings) > MANIFEST_WARNINGS_MAX + 1)
		abort();
	for (size_t i = 0; i < m->n_entries; i++)
		if (manifest_find(m, m->entries[i].name) != &m->entries[i])
			abort();
	return 0;
}

void fuzz_seeds(void (*use)(const char *name, const void *data, size_t size, void *opaque),
	void *opaque)
{
	static const char text[] =
		"SHA1(vm.ovf)= a9993e364706816aba3e25717850c26c9cd0d89d\r\n"
		"SHA256 (d.vmdk) = "
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n"
		"MD5(x)= 00\n"
		"SHA1(d.vmdk)= a9993e364706816aba3e25717850c26c9cd0d89d\n";

	use("mixed", text, strlen(text), opaque);
}
