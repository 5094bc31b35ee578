// SPDX-License-Identifier: LGPL-2.1-or-later
/* codec: the table of descriptions of machines. */
#include "formats/vm/codec.h"

#include "formats/vm/libvirt.h"
#include "formats/vm/ovf/ovf.h"
#include "formats/vm/vmspec_json.h"

const struct vm_codec vm_codecs[] = {
	{"ovf", "Open Virtualization Format descriptor", ovf_parse, NULL},
	{"libvirt", "libvirt domain XML", libvirt_parse, libvirt_write},
	{"json", "JSON, for programs", NULL, vmspec_json_write},
	{NULL},
};

const struct vm_codec *vm_codec_find(const char *name)
{
	for (const struct vm_codec *c = vm_codecs; c->name; c++)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}
