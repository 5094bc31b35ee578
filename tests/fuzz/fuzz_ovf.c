// SPDX-License-Identifier: LGPL-2.1-or-later
/* fuzz_ovf: descriptors of any bytes. A machine that is accepted is within the limits, and what
 * can be written of it is XML that is read back. */
#include "formats/vm/libvirt.h"
#include "formats/vm/ovf/ovf.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/ovf_sample.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_auto_(vmspec) struct vmspec *vm = NULL, *back = NULL;
	_auto_(mem) char *text = NULL;
	struct err err = {0};
	int r = ovf_parse(&vm, (const char *)data, size, &err);

	if (r < 0) {
		if (err.code != -r || !*err.text)
			abort();
		return 0;
	}
	if (!vm->memory || !vm->vcpus || vm->n_disks > VM_MAX_DISKS || vm->n_nics > VM_MAX_NICS)
		abort();
	if (libvirt_write(&text, vm, &err) >= 0 &&
		libvirt_parse(&back, text, strlen(text), &err) < 0)
		abort();
	return 0;
}

void fuzz_seeds(void (*use)(const char *name, const void *data, size_t size, void *opaque),
	void *opaque)
{
	static const char small[] =
		"<Envelope><References><File id='f' href='a%20b'/></References><DiskSection>"
		"<Disk diskId='d' fileRef='f' capacity='1'/></DiskSection><VirtualSystem id='v'>"
		"<VirtualHardwareSection>"
		"<Item><InstanceID>1</InstanceID><ResourceType>3</ResourceType>"
		"<VirtualQuantity>1</VirtualQuantity></Item>"
		"<Item><InstanceID>2</InstanceID><ResourceType>4</ResourceType>"
		"<VirtualQuantity>9</VirtualQuantity></Item>"
		"<Item><InstanceID>3</InstanceID><ResourceType>5</ResourceType></Item>"
		"<Item><InstanceID>4</InstanceID><ResourceType>17</ResourceType>"
		"<Parent>3</Parent><HostResource>/disk/d</HostResource></Item>"
		"</VirtualHardwareSection></VirtualSystem></Envelope>";

	use("vmware", ovf_sample, strlen(ovf_sample), opaque);
	use("small", small, strlen(small), opaque);
}
