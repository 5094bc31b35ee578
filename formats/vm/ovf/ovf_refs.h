/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ovf_refs: the outer parts of an OVF descriptor (DSP0243): the files of the package
 * (References, section 7.1), its disks (DiskSection, 9.1), and units of capacity (annex C).
 *
 *	<References><File ovf:id="file1" ovf:href="vm-disk1.vmdk" ovf:size="123"/></References>
 *	<DiskSection><Disk ovf:diskId="vmdisk1" ovf:fileRef="file1" ovf:capacity="3"
 *		ovf:capacityAllocationUnits="byte * 2^30" .../></DiskSection>
 *
 * A reference to a file is a relative URL: it may be percent-encoded, and it must stay in the
 * package: absolute names, other schemes (http:) and ".." are refused.
 *
 * Threads: the lists never change after they are made.
 */
#pragma once

#include "formats/base/err.h"
#include "formats/base/xml.h"

#define OVF_FILES_MAX 4096 /* of one package */
#define OVF_DISKS_MAX 1024 /* in the DiskSection */
#define OVF_HREF_MAX  1024 /* bytes of a file name */

struct ovf_file {
	char *id;
	char *href;    /* as written */
	uint64_t size; /* bytes as stored; all chunks together */
	bool has_size; /* the descriptor says the size */
	uint64_t
		chunk_size; /* HREF.000000000, HREF.000000001 ... of this many bytes; 0 = whole */
	char *compression; /* "gzip"; NULL = none */
};

struct ovf_disk {
	char *id;
	unsigned file;      /* index into files, if has_file */
	bool has_file;      /* false: an empty disk */
	uint64_t capacity;  /* bytes; not 0 */
	const char *format; /* a name of formats/image.h, or NULL; constant */
	bool used;          /* for ovf_items: some device has it */
};

struct ovf_refs {
	struct ovf_file *files;
	unsigned n_files;
	struct ovf_disk *disks;
	unsigned n_disks;
};

/* From the Envelope element; `name` is for errors. EINVAL, ENOTSUP (delta disks, capacities
 * that are properties), EPERM (names outside the package). */
int ovf_refs_read(struct ovf_refs **ret, const struct xml_node *envelope, struct err *err);
void ovf_refs_free(struct ovf_refs *refs);
DEFINE_AUTO(ovf_refs)

/* The same of a whole descriptor. */
int ovf_refs_parse(struct ovf_refs **ret, const char *text, size_t len, struct err *err);

/* Checks a reference and gives the file name in it with percent-encoding undone. EPERM, EINVAL. */
int ovf_href_decode(char **ret, const char *href, struct err *err);

/* "byte * 2^20", "MegaBytes", "KB" ... as a number of bytes. EINVAL. */
int ovf_units(const char *text, uint64_t *ret);

/* A number of `units` as bytes; `what` is for errors. EINVAL, ENOTSUP for "${property}". */
int ovf_amount(const char *number, const char *units, const char *what, uint64_t *ret,
	struct err *err);

/* The first child section: <NAME>, or OVF 0.9's <Section type="...NAME_Type">. */
const struct xml_node *ovf_section(const struct xml_node *parent, const char *name);
/* The next one after it. */
const struct xml_node *ovf_next_section(const struct xml_node *section, const char *name);
