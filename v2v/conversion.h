/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * conversion: the state that the stages share; private to v2v/. Each field names the stage that
 * fills it. Inputs and outputs are rows of const tables.
 */
#pragma once

#include "v2v/v2v.h"

#include "formats/block/block.h"

struct guest;
struct ova;

struct v2v_disk {
	struct block *source;  /* open: the guest's bytes; NULL once the overlay took it */
	struct block *overlay; /* overlay: source plus changes */
	char *name;            /* emit: "web01-sda" */
};

struct stat;

struct v2v_input {
	struct v2v_mode mode;
	/* 0..100: is this source mine? */
	int (*claims)(const char *path);
	/* Fills c->source and, for each of its disks, c->disks[].source. */
	int (*describe)(struct conversion *c, struct err *err);
	/* Proves disk i against what the source says of it (a manifest), beside the copy and in a
	 * thread of its own. 1: it agrees; 0: the source says nothing about it. NULL = the source
	 * has nothing to prove with. */
	int (*verify)(
		struct conversion *c, unsigned i, const struct progress *p, struct err *err);
};

struct v2v_output {
	struct v2v_mode mode;
	bool needs_directory;
	/* overlay: is there room, are the names free? Before anything long begins. */
	int (*prepare)(struct conversion *c, struct err *err);
	/* Makes the target image of disk i; writes happen under a temporary name. */
	int (*create_disk)(
		struct conversion *c, unsigned i, struct block **ret, struct err *err);
	/* Writes the descriptions and gives everything its final name. */
	int (*finish)(struct conversion *c, struct err *err);
	/* Removes what the others made; may be called when nothing was made. */
	void (*undo)(struct conversion *c);
};

/* The folder DIR/.NAME.wherry in which outputs grow until they are whole. */
struct staging {
	char *path;
	int fd; /* locked: one conversion of a name at a time; -1 = none */
};

struct conversion {
	struct v2v_opts opts;
	const struct v2v_input *in;
	const struct v2v_output *out;

	struct stat *identities; /* open: of the files named as sources */
	struct ova *package;     /* open, input ova */
	struct vmspec *source;   /* describe */
	struct v2v_disk *disks;  /* describe; source->n_disks of them */
	struct guest *guest;     /* inspect */
	struct facts *facts;     /* inspect */
	struct plan *plan;       /* plan */
	struct vmspec *target;   /* plan */

	char *name;                 /* describe: the new machine's, fit for file names */
	struct staging staging;     /* overlay */
	char *output_path;          /* emit: DIR/NAME.xml */
	char *report_path;          /* emit */
	struct check_report *check; /* check */

	uint64_t copied, holes; /* copy: bytes written, bytes known to be zero */
	unsigned verified;      /* copy: disks whose checksum the source had, and that agree */
	char **warnings;
	double seconds[V2V_N_STAGES];
	unsigned n_done; /* stages that ran */
};

void v2v_warn(struct conversion *c, const char *fmt, ...) _printf_(2, 3);

/* The row that claims this source most, or the one of that name. EINVAL. */
int v2v_find_input(const struct v2v_opts *opts, const struct v2v_input **ret, struct err *err);
int v2v_find_output(
	const struct v2v_opts *opts, const struct v2v_output **ret, struct err *err);

/* copy: all disks, overlay to output; the sources are verified beside it. */
int v2v_copy(struct conversion *c, struct err *err);

/* check: boots the output, or what `disks` of `vm` are, see boot.h. */
int v2v_check(struct conversion *c, struct err *err);
