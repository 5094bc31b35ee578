/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * block_null: reads as zeros and swallows what is written. An empty disk to convert, or a target
 * for a copy whose result nobody wants.
 */
#pragma once

#include "formats/block/block.h"

struct block *block_null_new(uint64_t size, const char *label);
