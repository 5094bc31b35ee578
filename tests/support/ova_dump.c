// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * ova_dump PACKAGE: opens a package, reads its descriptor, verifies and reads every byte of every
 * disk, and prints "ID SIZE SHA256" of what each guest disk contains. Warnings and errors go to
 * standard error. Exit status as the program's: 0, 1 failed, 3 not supported.
 */
#include "formats/ova/ova_disk.h"
#include "formats/vm/ovf/ovf.h"

#include <inttypes.h>
#include <stdio.h>

#define CHUNK (1 * MiB)

static int dump_disk(struct ova *o, const struct vm_disk *d, struct err *err)
{
	_auto_(block) struct block *b = NULL;
	_auto_(digest) struct digest *sum = NULL;
	_auto_(mem) uint8_t *buf = xaligned(4096, CHUNK);
	char hex[DIGEST_HEX_MAX];
	uint8_t bytes[DIGEST_MAX];
	int r = ova_disk_verify(o, d, NULL, err);

	if (r >= 0)
		r = ova_disk_open(o, d, &b, err);
	if (r >= 0)
		r = digest_new(&sum, DIGEST_SHA256, err);
	for (uint64_t off = 0; r >= 0 && off < b->size;) {
		struct extent e;
		size_t n;

		/* Extents must hold on hostile disks too. */
		r = block_extent(b, off, CHUNK, &e, err);
		if (r < 0)
			break;
		n = (size_t)e.len;
		r = block_pread(b, buf, n, off, err);
		if (r >= 0 && (e.flags & BLOCK_ZERO) && !bytes_are_zero(buf, n))
			r = err_set(err, EIO, "an extent of zeros at %" PRIu64 " is none", off);
		digest_add(sum, buf, n);
		off += n;
	}
	if (r < 0)
		return r;
	digest_end(sum, bytes);
	printf("%s %" PRIu64 " %s\n", d->id, b->size, digest_hex(hex, bytes, 32));
	return 0;
}

static int dump(const char *path, struct err *err)
{
	_auto_(ova) struct ova *o = NULL;
	_auto_(vmspec) struct vmspec *vm = NULL;
	const char *text;
	size_t len;
	int r = ova_open(&o, path, err);

	if (r < 0)
		return r;
	strv_foreach (w, ova_warnings(o))
		fprintf(stderr, "warning: %s\n", *w);
	text = ova_ovf(o, &len);
	r = ovf_parse(&vm, text, len, err);
	for (unsigned i = 0; r >= 0 && i < vm->n_disks; i++)
		r = dump_disk(o, &vm->disks[i], err);
	return r;
}

int main(int argc, char **argv)
{
	struct err err = {0};
	int r;

	if (argc != 2)
		return 2;
	r = dump(argv[1], &err);
	if (r < 0)
		fprintf(stderr, "%s\n", err.text);
	return r == -ENOTSUP ? 3 : r < 0 ? 1 : 0;
}
