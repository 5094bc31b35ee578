/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmdk_desc: the descriptor of a VMDK: a small text that says what the disk consists of. It is
 * embedded in a sparse extent, or a file of its own beside the extents.
 *
 *	# Disk DescriptorFile
 *	version=1
 *	CID=f00dcafe
 *	parentCID=ffffffff
 *	createType="streamOptimized"
 *	RW 6291456 SPARSE "web01-disk1.vmdk"
 *	ddb.adapterType = "lsilogic"
 *
 * Keys are compared without regard to case, at the beginning of lines only. LF, CRLF and CR end
 * lines, NUL ends the text. A line that is neither a comment, a key nor an extent is an error: an
 * extent that was passed over would move all that follows it.
 *
 * Threads: a descriptor does not change once parsed.
 *
 * Virtual Disk Format 5.0, "The Descriptor File".
 */
#pragma once

#include "formats/base/err.h"

/* Limits. 62 TiB in pieces of 2 GiB are 31744 extents. */
#define VMDK_DESC_MAX_BYTES   ((size_t)4 * MiB)
#define VMDK_DESC_MAX_EXTENTS 32768
#define VMDK_DESC_MAX_KEYS    4096

enum vmdk_access { VMDK_RW, VMDK_RDONLY, VMDK_NOACCESS };

enum vmdk_extent_type {
	VMDK_EXTENT_FLAT,
	VMDK_EXTENT_SPARSE,
	VMDK_EXTENT_ZERO,
	VMDK_EXTENT_VMFS,
	VMDK_EXTENT_VMFSSPARSE,
	VMDK_EXTENT_SESPARSE,
	VMDK_EXTENT_VMFSRDM,
	VMDK_EXTENT_VMFSRAW,
};

struct vmdk_extent_line {
	enum vmdk_access access;
	enum vmdk_extent_type type;
	uint64_t sectors;
	char *file;           /* UTF-8; NULL for ZERO */
	uint64_t file_sector; /* where it begins in the file */
};

struct vmdk_key {
	char *name, *value;
};

#define VMDK_NO_PARENT UINT32_C(0xffffffff)

struct vmdk_desc {
	unsigned version;
	uint32_t cid, parent_cid; /* VMDK_NO_PARENT when the line is missing */
	char *create_type;        /* NULL when missing */
	char *parent_file;        /* parentFileNameHint, UTF-8, or NULL */
	char *encoding;           /* or NULL: UTF-8 */
	struct vmdk_extent_line *extents;
	size_t extent_count;
	uint64_t sectors; /* of all extents together, checked not to overflow */
	/* All lines key = value in their order, those above too, as they are in the file. */
	struct vmdk_key *keys;
	size_t key_count;
};

/*
 * Parses `len` bytes of text. -EINVAL names the line; -ENOTSUP for an encrypted disk, a version
 * or an encoding that is not known. Caller frees *ret with vmdk_desc_free().
 */
int vmdk_desc_parse(struct vmdk_desc **ret, const char *text, size_t len, struct err *err);
void vmdk_desc_free(struct vmdk_desc *d);
DEFINE_AUTO(vmdk_desc)

/* The value of a key such as "ddb.adapterType", or NULL. Borrowed. */
const char *vmdk_desc_key(const struct vmdk_desc *d, const char *name);

/* "FLAT", "SPARSE" ... */
const char *vmdk_extent_type_name(enum vmdk_extent_type type);

/* Does this begin like a descriptor in a file of its own? */
bool vmdk_desc_is(const void *head, size_t len);
