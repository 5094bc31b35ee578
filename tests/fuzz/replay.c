// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * replay: a fuzz target without a fuzzer. Without arguments: every seed, cut short at many
 * places, and with bytes changed at many places (the same in each run). Arguments: these files.
 * --seeds FOLDER: writes the seeds there, for a fuzzer to begin with.
 */
#include "tests/fuzz/fuzz.h"

#include "formats/base/io.h"
#include "formats/base/str.h"

#include <stdio.h>

/* Places where a seed is cut, and where it is changed. */
#define CUTS    100
#define CHANGES 400

struct tally {
	unsigned seeds, inputs;
};

static void run_on(const uint8_t *data, size_t size, struct tally *t)
{
	uint8_t *copy = xmemdup(data, size); /* exactly so long: a sanitizer sees the end */

	LLVMFuzzerTestOneInput(copy, size);
	t->inputs++;
	free(copy);
}

static void replay(const char *name, const void *data, size_t size, void *opaque)
{
	uint8_t *changed = xmemdup(data, size);
	struct tally *t = opaque;
	uint32_t random = 1;

	t->seeds++;
	run_on(data, size, t);
	for (unsigned i = 0; i < CUTS; i++)
		run_on(data, size * i / CUTS, t);
	for (unsigned i = 0; size && i < CHANGES; i++) {
		/* Half of the changes near the beginning, where headers are. */
		size_t span = i % 2 ? size : MIN(size, (size_t)512), at;
		uint8_t old;

		random = random * 1664525 + 1013904223;
		at = (random >> 8) % span;
		old = changed[at];
		changed[at] = i % 3 == 0 ? 0 : i % 3 == 1 ? 0xff : random >> 3;
		run_on(changed, size, t);
		if (i % 8) /* the others add up */
			changed[at] = old;
	}
	free(changed);
}

static void write_seed(const char *name, const void *data, size_t size, void *opaque)
{
	_auto_(mem) char *path = xasprintf("%s/%s", (const char *)opaque, name);
	struct err err = {0};

	if (io_write_file(path, data, size, &err) < 0) {
		fprintf(stderr, "replay: %s\n", err.text);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	struct tally t = {0};

	if (argc == 3 && !strcmp(argv[1], "--seeds")) {
		fuzz_seeds(write_seed, argv[2]);
		return 0;
	}
	for (int i = 1; i < argc; i++) {
		struct err err = {0};
		char *data;
		size_t size;

		if (io_read_file(argv[i], GiB, &data, &size, &err) < 0) {
			fprintf(stderr, "replay: %s\n", err.text);
			return 1;
		}
		run_on((uint8_t *)data, size, &t);
		free(data);
	}
	if (argc == 1)
		fuzz_seeds(replay, &t);
	printf("ok - %u inputs made from %u seeds are survived\n", t.inputs, t.seeds);
	return 0;
}
