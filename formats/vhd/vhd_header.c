// SPDX-License-Identifier: LGPL-2.1-or-later
/* vhd_header: decoding and checking the footer and the dynamic header. */
#include "formats/vhd/vhd_header.h"

#include <inttypes.h>

#define PARENT_UNITS 256 /* of UTF-16 in the parent's name */

/* The geometry that means "larger than a geometry can say". */
#define MAX_CYLINDERS 65535
#define MAX_HEADS     16
#define MAX_SECTORS   255

struct raw_footer {
	uint8_t cookie[8];
	struct be32 features;
	struct be32 version;
	struct be64 header_at;
	struct be32 timestamp;
	uint8_t creator[4];
	struct be32 creator_version;
	struct be32 creator_os;
	struct be64 original_size;
	struct be64 current_size;
	struct be16 cylinders;
	uint8_t heads;
	uint8_t sectors;
	struct be32 type;
	struct be32 checksum;
	uint8_t uuid[16];
	uint8_t saved_state;
	uint8_t reserved[427];
};
_Static_assert(sizeof(struct raw_footer) == VHD_FOOTER_LEN, "layout of the footer");

struct raw_header {
	uint8_t cookie[8];
	struct be64 unused;
	struct be64 table_at;
	struct be32 version;
	struct be32 entries;
	struct be32 block;
	struct be32 checksum;
	uint8_t parent_uuid[16];
	struct be32 parent_timestamp;
	struct be32 reserved1;
	struct be16 parent_name[PARENT_UNITS];
	uint8_t locators[8][24];
	uint8_t reserved2[256];
};
_Static_assert(sizeof(struct raw_header) == VHD_HEADER_LEN, "layout of the dynamic header");

bool vhd_footer_is(const uint8_t *raw, size_t len)
{
	return len >= VHD_OLD_FOOTER_LEN && !memcmp(raw, "conectix", 8);
}

/* The ones' complement of the sum of all bytes but the checksum's own. */
static int check_sum(const uint8_t *raw, size_t len, const struct be32 *stored, struct err *err)
{
	uint32_t sum = 0, says = be32_get(*stored);

	for (size_t i = 0; i < len; i++)
		sum += raw[i];
	for (size_t i = 0; i < sizeof(stored->b); i++)
		sum -= stored->b[i];
	if (says == ~sum)
		return 0;
	return err_set(err, EBADMSG, "its checksum is %08" PRIx32 ", its bytes give %08" PRIx32,
		says, ~sum);
}

static uint64_t guest_size(const struct raw_footer *raw)
{
	uint64_t c = be16_get(raw->cylinders),
		 bytes = c * raw->heads * raw->sectors * VHD_SECTOR;
	bool max = c == MAX_CYLINDERS && raw->heads == MAX_HEADS && raw->sectors == MAX_SECTORS;
	bool by_geometry = !memcmp(raw->creator, "vpc ", 4) || !memcmp(raw->creator, "qemu", 4);

	return by_geometry && bytes && !max ? bytes : be64_get(raw->current_size);
}

int vhd_footer_parse(struct vhd_footer *ret, const uint8_t *bytes, struct err *err)
{
	const struct raw_footer *raw = (const struct raw_footer *)bytes;
	struct vhd_footer f = {
		.type = be32_get(raw->type),
		.size = guest_size(raw),
		.header_at = be64_get(raw->header_at),
		.saved_state = raw->saved_state,
	};

	if (!vhd_footer_is(bytes, VHD_FOOTER_LEN))
		return err_set(err, EINVAL, "there is no \"conectix\"");
	if (be32_get(raw->version) >> 16 != 1)
		return err_set(err, ENOTSUP, "version 0x%08" PRIx32 " (1.x is read)",
			be32_get(raw->version));
	if (!f.size || f.size % VHD_SECTOR || f.size > BLOCK_MAX_SIZE)
		return err_set(err, EINVAL,
			"a disk of %" PRIu64 " bytes: not some whole sectors", f.size);
	for (size_t i = 0; i < sizeof(raw->creator); i++)
		f.creator[i] = raw->creator[i] >= ' ' && raw->creator[i] < 0x7f
				       ? (char)raw->creator[i]
				       : '?';
	*ret = f;
	return check_sum(bytes, VHD_FOOTER_LEN, &raw->checksum, err);
}

/* UTF-16 to UTF-8; halves of surrogate pairs become U+FFFD. `to` has 3 bytes a unit and one. */
static void decode_name(char *to, size_t room, const struct be16 *from)
{
	size_t n = 0;

	for (size_t i = 0; i < PARENT_UNITS && room - n > 3; i++) {
		unsigned u = be16_get(from[i]);

		if (!u)
			break;
		if (u >= 0xd800 && u < 0xe000)
			u = 0xfffd;
		if (u < 0x80) {
			to[n++] = (char)u;
		} else if (u < 0x800) {
			to[n++] = (char)(0xc0 | u >> 6);
			to[n++] = (char)(0x80 | (u & 0x3f));
		} else {
			to[n++] = (char)(0xe0 | u >> 12);
			to[n++] = (char)(0x80 | (u >> 6 & 0x3f));
			to[n++] = (char)(0x80 | (u & 0x3f));
		}
	}
	to[n] = '\0';
}

int vhd_header_parse(struct vhd_header *ret, const uint8_t *bytes, struct err *err)
{
	const struct raw_header *raw = (const struct raw_header *)bytes;
	uint32_t block = be32_get(raw->block);

	if (memcmp(raw->cookie, "cxsparse", 8))
		return err_set(err, EINVAL, "there is no \"cxsparse\"");
	if (be32_get(raw->version) >> 16 != 1)
		return err_set(err, ENOTSUP, "version 0x%08" PRIx32 " (1.x is read)",
			be32_get(raw->version));
	if (!is_power_of_2(block) || block < VHD_MIN_BLOCK || block > VHD_MAX_BLOCK)
		return err_set(err, EINVAL,
			"blocks of %" PRIu32 " bytes (a power of two from %u to %" PRIu64
			" is read)",
			block, VHD_MIN_BLOCK, VHD_MAX_BLOCK);
	*ret = (struct vhd_header){
		.table_at = be64_get(raw->table_at),
		.entries = be32_get(raw->entries),
		.block = block,
	};
	decode_name(ret->parent, sizeof(ret->parent), raw->parent_name);
	return check_sum(bytes, VHD_HEADER_LEN, &raw->checksum, err);
}
