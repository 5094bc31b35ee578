// SPDX-License-Identifier: LGPL-2.1-or-later
// guestfix-try: runs guestfix on a raw disk and prints what it found, planned and how long each
// phase took; for developers.
//
//	guestfix-try [--apply] [--console] [--tcg] [--root DEVICE] [--mac MAC] [--slot N] [--uefi]
//	             [--out FILE] [--cat PATH]... DISK...
//
// The disks are not written: changes go to an overlay, and with --out its first disk is written to
// FILE as raw bytes. After --apply the guest is looked at once more, and the second plan is printed
// too (it should be empty); --cat prints a file of the guest as it is then.
#include "formats/base/io.h"
#include "formats/base/log.h"
#include "formats/block/block_cow.h"
#include "formats/block/block_file.h"
#include "guestfix/guest_io.h"
#include "guestfix/plan.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

struct options {
	bool apply, console, tcg, uefi;
	const char *root, *mac, *out;
	unsigned slot;
	char **cat;
};

static void print_json(const char *what, json_t *j)
{
	printf("%s ", what);
	json_dumpf(j, stdout, JSON_INDENT(2));
	printf("\n");
	json_decref(j);
}

static int write_out(struct block *b, const char *path, struct err *err)
{
	_auto_(fd) int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	_auto_(mem) char *buf = xmalloc(MiB);

	if (fd < 0 || ftruncate(fd, (off_t)b->size) < 0)
		return err_set_errno(err, errno, "%s", path);
	for (uint64_t off = 0; off < b->size;) {
		size_t n = (size_t)MIN(b->size - off, (uint64_t)MiB);
		int r = block_pread(b, buf, n, off, err);

		if (r >= 0 && !bytes_are_zero(buf, n))
			r = io_pwrite(fd, buf, n, off, path, err);
		if (r < 0)
			return r;
		off += n;
	}
	return 0;
}

/* The machine the guest ran on: as many SCSI disks as there are, one NIC. */
static struct vmspec *make_source(const struct options *o, size_t n_disks)
{
	struct vmspec *vm = vmspec_new();
	struct vm_nic *nic = vmspec_add_nic(vm);

	nic->mac = xstrdup_null(o->mac);
	nic->pci_slot = o->slot;
	vm->firmware = o->uefi ? VM_FIRMWARE_UEFI : VM_FIRMWARE_BIOS;
	for (unsigned i = 0; i < n_disks; i++) {
		struct vm_disk *d = vmspec_add_disk(vm);

		d->bus = VM_BUS_SCSI;
		d->unit = i;
	}
	return vm;
}

static int look(struct guest *g, const struct options *o, const char *what, struct plan **p,
	struct err *err)
{
	_auto_(vmspec) struct vmspec *vm = make_source(o, guest_n_disks(g));
	_auto_(facts) struct facts *f = NULL;
	struct plan_opts po = {.serial_console = o->console};
	double start;
	int r = facts_collect(&f, g, vm, err);

	if (r < 0)
		return r;
	start = io_now();
	r = guestfix_plan(p, f, vm, &po, err);
	if (r < 0)
		return r;
	if (!strcmp(what, "plan"))
		print_json("facts", facts_json(f));
	print_json(what, plan_json(*p));
	printf("planning took %.3f s\n", io_now() - start);
	return 0;
}

static int work(struct guest *g, const struct options *o, struct err *err)
{
	_auto_(plan) struct plan *p = NULL, *again = NULL;
	struct guest_times once;
	int r = look(g, o, "plan", &p, err);

	if (r < 0 || !o->apply)
		return r;
	once = *guest_times(g);
	r = guestfix_apply(g, p, err);
	if (r >= 0)
		r = guest_trim(g, err);
	if (r >= 0)
		r = look(g, o, "again", &again, err);
	strv_foreach (path, o->cat) {
		_auto_(mem) char *text = NULL;
		size_t len;

		if (r >= 0)
			r = guest_read(g, *path, MiB, &text, &len, err);
		if (r >= 0)
			printf("== %s\n%s\n", *path, text);
	}
	printf("first look took %.2f s\n", once.collect);
	return r;
}

static int run(char **disks, const struct options *o, struct err *err)
{
	struct guest_open how = {.force_tcg = o->tcg, .root = o->root, .read_only = !o->apply};
	struct block *blocks[GUEST_MAX_DISKS] = {NULL};
	_auto_(guest) struct guest *g = NULL;
	size_t n = 0;
	int r = 0;

	for (; *disks && r >= 0 && n < GUEST_MAX_DISKS; disks++) {
		struct block *file;

		r = block_file_open(&file, *disks, 0, err);
		if (r >= 0)
			r = block_cow_new(&blocks[n], file, NULL, err);
		if (r >= 0)
			n++;
	}
	if (r >= 0)
		r = guest_open(&g, blocks, n, &how, err);
	if (r >= 0)
		r = work(g, o, err);
	if (r >= 0)
		r = guest_close(g, err);
	if (r >= 0) {
		const struct guest_times *t = guest_times(g);

		printf("launch %.2f collect %.2f apply %.2f trim %.2f close %.2f\n", t->launch,
			t->collect, t->apply, t->trim, t->close);
	}
	if (r >= 0 && o->out)
		r = write_out(blocks[0], o->out, err);
	guest_free(STEAL(g));
	while (n)
		block_free(blocks[--n]);
	return r;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {{"apply", 0, NULL, 'a'},
		{"console", 0, NULL, 'c'}, {"tcg", 0, NULL, 't'}, {"uefi", 0, NULL, 'u'},
		{"root", 1, NULL, 'r'}, {"mac", 1, NULL, 'm'}, {"slot", 1, NULL, 's'},
		{"out", 1, NULL, 'o'}, {"debug", 0, NULL, 'd'}, {"cat", 1, NULL, 'C'}, {0}};
	struct options o = {0};
	struct err err = {0};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) >= 0)
		switch (c) {
		case 'a':
			o.apply = true;
			break;
		case 'c':
			o.console = true;
			break;
		case 't':
			o.tcg = true;
			break;
		case 'u':
			o.uefi = true;
			break;
		case 'r':
			o.root = optarg;
			break;
		case 'm':
			o.mac = optarg;
			break;
		case 's':
			o.slot = (unsigned)atoi(optarg);
			break;
		case 'o':
			o.out = optarg;
			break;
		case 'C':
			strv_add(&o.cat, optarg);
			break;
		case 'd':
			log_setup(LOG_DEBUG, "guestfs,guestfix", 2);
			break;
		default:
			return 2;
		}
	c = run(argv + optind, &o, &err);
	strv_free(o.cat);
	if (c < 0) {
		fprintf(stderr, "guestfix-try: %s\n", err.text);
		return 1;
	}
	return 0;
}
