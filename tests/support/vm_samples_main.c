// SPDX-License-Identifier: LGPL-2.1-or-later
/* vm_samples DIR: writes the samples as DIR/sample-N.xml. */
#include "formats/base/io.h"
#include "formats/vm/libvirt.h"
#include "tests/support/vm_samples.h"

#include <stdio.h>

int main(int argc, char **argv)
{
	struct err err = {0};

	if (argc != 2)
		return 2;
	for (unsigned i = 0;; i++) {
		_auto_(vmspec) struct vmspec *vm = vm_sample(i);
		_auto_(mem) char *text = NULL, *path = NULL;

		if (!vm)
			return 0;
		path = xasprintf("%s/sample-%u.xml", argv[1], i);
		if (libvirt_write(&text, vm, &err) < 0 ||
			io_write_file(path, text, strlen(text), &err) < 0) {
			fprintf(stderr, "%s\n", err.text);
			return 1;
		}
	}
}
