/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * firmware: which firmware a bare disk wants, judged by its partition table, for a check without
 * a description of the machine. (UEFI 2.10, 5.3: GUID partition table.)
 */
#pragma once

#include "formats/block/block.h"
#include "formats/vm/vmspec.h"

/*
 * UEFI when there is a GPT with an EFI system partition and no BIOS boot partition, else BIOS
 * (also for an empty disk). Fails only when the disk cannot be read.
 */
int firmware_guess(struct block *disk, enum vm_firmware *ret, struct err *err);
