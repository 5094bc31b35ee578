/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * crc32c: the cyclic redundancy check with Castagnoli's polynomial (RFC 3720, appendix B.4), as
 * VHDX has it in its headers, tables and log. The processor's instruction is used where there is
 * one (SSE 4.2), else a small table.
 *
 *	uint32_t crc = crc32c(0, head, head_len);
 *	crc = crc32c(crc, rest, rest_len);            the same as of both in one piece
 *
 * Threads: any; the functions have no state.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Continues `crc`, the check of what came before (0 = nothing). */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t len);

/* The same by the table, whatever the processor can; for tests. */
uint32_t crc32c_by_table(uint32_t crc, const void *bytes, size_t len);
