/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz: what each fuzz target tests/fuzz/fuzz_NAME.c defines. It is built twice: with libFuzzer
 * (-Dfuzz=true and clang; ./dev fuzz NAME), and always as test_fuzz_NAME with replay.c, which
 * runs the target on its seeds and on simple changes of them in every test run.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* What must hold whatever the input is: an assert() that is never compiled out. */
static inline void fuzz_check(bool ok)
{
	if (!ok)
		abort();
}

/* Must return 0 whatever the bytes are. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Calls use() with each well-formed input that fuzzing starts from. They are made by code: no
 * input is stored. `name` is unique and good for a file name. */
void fuzz_seeds(void (*use)(const char *name, const void *data, size_t size, void *opaque),
	void *opaque);
