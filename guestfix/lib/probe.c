// SPDX-License-Identifier: LGPL-2.1-or-later
// probe: partition tables and headers of file systems, see probe.h.
#include "guestfix/lib/probe.h"

#include "formats/base/bytes.h"

#include <ctype.h>

#define SECTOR 512

/* ---- texts ---- */

/* 16 bytes as a UUID in the order they lie (file systems). */
static char *uuid_text(const uint8_t *u)
{
	bool zero = true;

	for (unsigned i = 0; i < 16; i++)
		zero = zero && !u[i];
	if (zero)
		return NULL;
	return xasprintf("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12],
		u[13], u[14], u[15]);
}

/* 16 bytes as a GUID: the first three fields are little-endian (UEFI). */
static char *guid_text(const uint8_t *g)
{
	const uint8_t u[16] = {g[3], g[2], g[1], g[0], g[5], g[4], g[7], g[6], g[8], g[9],
		g[10], g[11], g[12], g[13], g[14], g[15]};

	return uuid_text(u);
}

/* A label of a fixed size: ends at a NUL, spaces at its end do not count. NULL when empty. */
static char *label_text(const void *p, size_t max)
{
	_auto_(mem) char *s = xstrndup(p, max);
	size_t n = strlen(s);

	while (n && s[n - 1] == ' ')
		s[--n] = '\0';
	return n ? STEAL(s) : NULL;
}

/* UTF-16LE of a GPT name; what is not ASCII becomes "?". */
static char *gpt_name(const uint8_t *p)
{
	char s[37];
	unsigned n = 0;

	for (; n < 36; n++) {
		unsigned c = le16_load(p + n * 2);

		if (!c)
			break;
		s[n] = c < 0x80 && isprint((int)c) ? (char)c : '?';
	}
	s[n] = '\0';
	return n ? xstrdup(s) : NULL;
}

/* ---- file systems: each looks at the head of a volume and fills in what it is ---- */

static bool is_ext(struct facts_volume *v, const uint8_t *h, size_t len)
{
	const uint8_t *sb = h + 1024;
	uint32_t compat, incompat, ro_compat;

	if (len < 2048 || le16_load(sb + 0x38) != 0xef53)
		return false;
	compat = le32_load(sb + 0x5c);
	incompat = le32_load(sb + 0x60);
	ro_compat = le32_load(sb + 0x64);
	if (incompat & 0x8) /* a journal device of its own */
		return false;
	/* ext3 knows filetype, recover, meta_bg; sparse_super, large_file, btree_dir. */
	if ((incompat & ~UINT32_C(0x16)) || (ro_compat & ~UINT32_C(0x7)))
		v->type = xstrdup("ext4");
	else
		v->type = xstrdup(compat & 0x4 ? "ext3" : "ext2");
	v->uuid = uuid_text(sb + 0x68);
	v->label = label_text(sb + 0x78, 16);
	return true;
}

static bool is_xfs(struct facts_volume *v, const uint8_t *h, size_t len)
{
	if (len < SECTOR || memcmp(h, "XFSB", 4))
		return false;
	v->type = xstrdup("xfs");
	v->uuid = uuid_text(h + 32);
	v->label = label_text(h + 108, 12);
	return true;
}

static bool is_btrfs(struct facts_volume *v, const uint8_t *h, size_t len)
{
	const uint8_t *sb = h + 0x10000;

	if (len < 0x10000 + 0x1000 || memcmp(sb + 0x40, "_BHRfS_M", 8))
		return false;
	v->type = xstrdup("btrfs");
	v->uuid = uuid_text(sb + 0x20);
	v->label = label_text(sb + 0x12b, 256);
	return true;
}

static bool is_swap(struct facts_volume *v, const uint8_t *h, size_t len)
{
	static const char *const sleeping[] = {
		"S1SUSPEND", "S2SUSPEND", "ULSUSPEND", "LINHIB0001"};

	/* The signature ends the first page, whose size depends on the processor. */
	for (size_t page = 4096; page <= 65536 && page <= len; page *= 2) {
		const char *sig = (const char *)h + page - 10;
		bool swap = !memcmp(sig, "SWAPSPACE2", 10) || !memcmp(sig, "SWAP-SPACE", 10);

		for (unsigned i = 0; i < ARRAY_SIZE(sleeping); i++)
			if (!memcmp(sig, sleeping[i], strlen(sleeping[i])))
				swap = v->hibernated = true;
		if (!swap)
			continue;
		v->type = xstrdup("swap");
		v->uuid = uuid_text(h + 0x40c);
		v->label = label_text(h + 0x41c, 16);
		return true;
	}
	return false;
}

static bool is_luks(struct facts_volume *v, const uint8_t *h, size_t len)
{
	if (len < SECTOR || memcmp(h, "LUKS\xba\xbe", 6))
		return false;
	v->type = xstrdup("crypto_LUKS");
	v->uuid = label_text(h + 168, 40);
	return true;
}

static bool is_lvm(struct facts_volume *v, const uint8_t *h, size_t len)
{
	/* The label may lie in any of the first four sectors. */
	for (unsigned i = 0; i < 4 && (i + 1) * SECTOR <= len; i++) {
		const uint8_t *s = h + i * SECTOR;
		const char *u = (const char *)s + 32;

		if (memcmp(s, "LABELONE", 8) || memcmp(s + 24, "LVM2 001", 8))
			continue;
		v->type = xstrdup("LVM2_member");
		v->uuid = xasprintf("%.6s-%.4s-%.4s-%.4s-%.4s-%.4s-%.6s", u, u + 6, u + 10,
			u + 14, u + 18, u + 22, u + 26);
		return true;
	}
	return false;
}

static bool is_md(struct facts_volume *v, const uint8_t *h, size_t len)
{
	/* Superblock 1.1 lies at the start, 1.2 at 4 KiB; 1.0 and 0.90 at the end are not seen. */
	for (size_t at = 0; at <= 4096; at += 4096) {
		if (len < at + SECTOR || le32_load(h + at) != 0xa92b4efc ||
			le32_load(h + at + 4) != 1)
			continue;
		v->type = xstrdup("linux_raid_member");
		v->uuid = uuid_text(h + at + 16);
		v->label = label_text(h + at + 32, 32);
		return true;
	}
	return false;
}

static bool is_ntfs(struct facts_volume *v, const uint8_t *h, size_t len)
{
	if (len < SECTOR || memcmp(h + 3, "NTFS    ", 8))
		return false;
	v->type = xstrdup("ntfs");
	v->uuid = xasprintf("%016llX", (unsigned long long)le64_load(h + 0x48));
	return true;
}

static bool is_vfat(struct facts_volume *v, const uint8_t *h, size_t len)
{
	const uint8_t *serial, *label;

	if (len < SECTOR || h[510] != 0x55 || h[511] != 0xaa)
		return false;
	if (!memcmp(h + 0x52, "FAT32   ", 8))
		serial = h + 0x43;
	else if (!memcmp(h + 0x36, "FAT16   ", 8) || !memcmp(h + 0x36, "FAT12   ", 8))
		serial = h + 0x27;
	else
		return false;
	label = serial + 4;
	v->type = xstrdup("vfat");
	v->uuid = xasprintf("%02X%02X-%02X%02X", serial[3], serial[2], serial[1], serial[0]);
	if (memcmp(label, "NO NAME    ", 11))
		v->label = label_text(label, 11);
	return true;
}

void probe_content(struct facts_volume *v, const uint8_t *head, size_t len)
{
	/* Containers first: their content may lie where a file system's header would be. */
	static bool (*const probes[])(struct facts_volume *, const uint8_t *, size_t) = {
		is_luks, is_lvm, is_md, is_btrfs, is_xfs, is_ext, is_swap, is_ntfs, is_vfat};

	for (unsigned i = 0; i < ARRAY_SIZE(probes); i++)
		if (probes[i](v, head, len))
			return;
}

/* ---- partition tables ---- */

struct table {
	struct facts *f;
	struct block *b;
	unsigned disk;
	uint32_t id; /* of the MBR */
	uint8_t head[PROBE_HEAD];
};

static int read_head(struct table *t, uint64_t off, uint64_t size, size_t *len, struct err *err)
{
	*len = (size_t)MIN(size, (uint64_t)PROBE_HEAD);
	return block_pread(t->b, t->head, *len, off, err);
}

/* The volume, with its content looked at. NULL: it does not fit on the disk, or there are too
 * many. */
static int add_volume(struct table *t, unsigned part, uint64_t off, uint64_t size,
	struct facts_volume **ret, struct err *err)
{
	struct facts_volume *v;
	size_t len;
	int r;

	*ret = NULL;
	if (!size || !range_ok(off, size, t->b->size)) {
		facts_warn(t->f,
			"disk %u: partition %u (%llu bytes at %llu) lies outside the disk",
			t->disk + 1, part, (unsigned long long)size, (unsigned long long)off);
		return 0;
	}
	if (t->f->n_volumes == FACTS_MAX_VOLUMES) {
		facts_warn(t->f, "disk %u: more than %d volumes, the rest is not looked at",
			t->disk + 1, FACTS_MAX_VOLUMES);
		return 0;
	}
	r = read_head(t, off, size, &len, err);
	if (r < 0)
		return err_prefix(err, "disk %u: partition %u", t->disk + 1, part);
	v = facts_add_volume(t->f);
	v->disk = t->disk;
	v->part = part;
	v->off = off;
	v->size = size;
	if (t->disk < 26)
		v->device = xasprintf("/dev/sd%c", 'a' + t->disk);
	else
		v->device =
			xasprintf("/dev/sd%c%c", 'a' + t->disk / 26 - 1, 'a' + t->disk % 26);
	if (part) {
		char *whole = v->device;

		v->device = xasprintf("%s%u", whole, part);
		free(whole);
	}
	probe_content(v, t->head, len);
	*ret = v;
	return 0;
}

static int add_mbr_partition(struct table *t, unsigned part, uint8_t type, uint64_t start,
	uint64_t sectors, struct err *err)
{
	struct facts_volume *v;
	int r = add_volume(t, part, start * SECTOR, sectors * SECTOR, &v, err);

	if (r < 0 || !v)
		return r;
	v->partuuid = t->id ? xasprintf("%08x-%02x", t->id, part) : NULL;
	v->esp = type == 0xef;
	return 0;
}

static bool is_extended(uint8_t type)
{
	return type == 0x05 || type == 0x0f || type == 0x85;
}

/* Logical partitions: a chain of tables, each with one partition and the place of the next table,
 * relative to the extended partition. The count bounds a chain that bites its tail. */
static int walk_logical(struct table *t, uint32_t extended, struct err *err)
{
	uint64_t at = extended;

	for (unsigned part = 5; part < 5 + 64; part++) {
		uint8_t s[SECTOR];
		const uint8_t *e = s + 446, *next = e + 16;
		int r;

		if (!range_ok(at * SECTOR, SECTOR, t->b->size))
			break;
		r = block_pread(t->b, s, SECTOR, at * SECTOR, err);
		if (r < 0)
			return r;
		if (s[510] != 0x55 || s[511] != 0xaa)
			break;
		if (e[4] && le32_load(e + 12)) {
			r = add_mbr_partition(
				t, part, e[4], at + le32_load(e + 8), le32_load(e + 12), err);
			if (r < 0)
				return r;
		}
		if (!is_extended(next[4]) || !le32_load(next + 8))
			return 0;
		at = (uint64_t)extended + le32_load(next + 8);
	}
	facts_warn(t->f, "disk %u: the chain of logical partitions is damaged", t->disk + 1);
	return 0;
}

static int walk_mbr(struct table *t, const uint8_t *mbr, struct err *err)
{
	int r = 0;

	t->id = le32_load(mbr + 440);
	for (unsigned i = 0; r >= 0 && i < 4; i++) {
		const uint8_t *e = mbr + 446 + i * 16;
		uint32_t start = le32_load(e + 8), sectors = le32_load(e + 12);

		if (!e[4] || !sectors)
			continue;
		if (is_extended(e[4]))
			r = walk_logical(t, start, err);
		else
			r = add_mbr_partition(t, i + 1, e[4], start, sectors, err);
	}
	return r;
}

static int add_gpt_partition(struct table *t, unsigned part, const uint8_t *e, struct err *err)
{
	static const uint8_t esp[16] = {0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba,
		0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b};
	static const uint8_t bios_boot[16] = {0x48, 0x61, 0x68, 0x21, 0x49, 0x64, 0x6f, 0x6e,
		0x74, 0x4e, 0x65, 0x65, 0x64, 0x45, 0x46, 0x49};
	uint64_t first = le64_load(e + 32), last = le64_load(e + 40);
	struct facts_volume *v;
	int r;

	if (first > last || last >= t->b->size / SECTOR) {
		facts_warn(
			t->f, "disk %u: partition %u lies outside the disk", t->disk + 1, part);
		return 0;
	}
	r = add_volume(t, part, first * SECTOR, (last - first + 1) * SECTOR, &v, err);
	if (r < 0 || !v)
		return r;
	v->esp = !memcmp(e, esp, 16);
	v->bios_boot = !memcmp(e, bios_boot, 16);
	v->partuuid = guid_text(e + 16);
	v->partlabel = gpt_name(e + 56);
	return 0;
}

/* Returns 1 when there is a GPT (even if a damaged one). */
static int walk_gpt(struct table *t, struct err *err)
{
	uint8_t h[SECTOR];
	uint64_t table;
	uint32_t count, size;
	int r;

	if (t->b->size < 3 * SECTOR)
		return 0;
	r = block_pread(t->b, h, SECTOR, SECTOR, err);
	if (r < 0)
		return r;
	if (memcmp(h, "EFI PART", 8))
		return 0;
	table = le64_load(h + 72);
	count = le32_load(h + 80);
	size = le32_load(h + 84);
	if (size < 128 || size > 4096 || table > t->b->size / SECTOR ||
		count > PROBE_MAX_PARTITIONS ||
		!range_ok(table * SECTOR, (uint64_t)count * size, t->b->size)) {
		facts_warn(t->f, "disk %u: the GPT header is damaged", t->disk + 1);
		return 1;
	}
	for (uint32_t i = 0; i < count; i++) {
		uint8_t e[128];

		r = block_pread(t->b, e, sizeof(e), table * SECTOR + (uint64_t)i * size, err);
		if (r < 0)
			return r;
		if (bytes_are_zero(e, 16))
			continue;
		r = add_gpt_partition(t, i + 1, e, err);
		if (r < 0)
			return r;
	}
	return 1;
}

/* Does the first sector hold a table, and not just the boot code of a file system? */
static bool looks_like_mbr(const uint8_t *s)
{
	unsigned used = 0;

	if (s[510] != 0x55 || s[511] != 0xaa)
		return false;
	for (unsigned i = 0; i < 4; i++) {
		const uint8_t *e = s + 446 + i * 16;

		if (e[0] & 0x7f)
			return false;
		used += e[4] && le32_load(e + 12);
	}
	return used > 0;
}

int probe_disk(struct facts *f, unsigned disk, struct block *b, struct err *err)
{
	_auto_(mem) struct table *t = xnew(struct table);
	struct facts_volume *v;
	uint8_t mbr[SECTOR];
	int r;

	t->f = f;
	t->b = b;
	t->disk = disk;
	if (b->size < SECTOR)
		return 0;
	r = walk_gpt(t, err);
	if (r)
		return r < 0 ? r : 0;
	r = block_pread(b, mbr, SECTOR, 0, err);
	if (r < 0)
		return r;
	if (looks_like_mbr(mbr))
		return walk_mbr(t, mbr, err);
	return add_volume(t, 0, 0, b->size, &v, err);
}
