// SPDX-License-Identifier: LGPL-2.1-or-later
/* firmware: a look at the GUID partition table. */
#include "v2v/check/firmware.h"

#include "formats/base/alloc.h"
#include "formats/base/bytes.h"

#include <string.h>

#define SECTOR         512
/* What every GPT has room for; more are not looked at. */
#define ENTRIES_MAX    128
#define ENTRY_SIZE_MIN 128
#define ENTRY_SIZE_MAX 4096

struct gpt_header {
	uint8_t signature[8];
	uint8_t other[64];
	struct le64 entries_lba;
	struct le32 entries;
	struct le32 entry_size;
};

static const uint8_t esp[16] = {0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b,
	0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b};
static const uint8_t bios_boot[16] = {
	'H', 'a', 'h', '!', 'I', 'd', 'o', 'n', 't', 'N', 'e', 'e', 'd', 'E', 'F', 'I'};

int firmware_guess(struct block *disk, enum vm_firmware *ret, struct err *err)
{
	bool has_esp = false, has_bios = false;
	_auto_(mem) uint8_t *table = NULL;
	struct gpt_header h;
	uint64_t count, size, off;
	int r;

	*ret = VM_FIRMWARE_BIOS;
	if (disk->size < 2 * SECTOR)
		return 0;
	r = block_pread(disk, &h, sizeof(h), SECTOR, err);
	if (r < 0)
		return r;
	count = MIN(le32_get(h.entries), (uint32_t)ENTRIES_MAX);
	size = le32_get(h.entry_size);
	off = le64_get(h.entries_lba);
	if (memcmp(h.signature, "EFI PART", 8) || size < ENTRY_SIZE_MIN ||
		size > ENTRY_SIZE_MAX || off > disk->size / SECTOR ||
		!range_ok(off * SECTOR, count * size, disk->size))
		return 0;
	table = xmalloc(count * size);
	if (count) {
		r = block_pread(disk, table, count * size, off * SECTOR, err);
		if (r < 0)
			return r;
	}
	for (uint64_t i = 0; i < count; i++) {
		has_esp |= !memcmp(table + i * size, esp, sizeof(esp));
		has_bios |= !memcmp(table + i * size, bios_boot, sizeof(bios_boot));
	}
	if (has_esp && !has_bios)
		*ret = VM_FIRMWARE_UEFI;
	return 0;
}
