/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2_check: counts the users of every cluster of a qcow2 file in memory, from the
 * specification, and compares with the refcounts in it. No snapshots, refcounts of 16 bits. */
#pragma once

#include "tests/unit/test.h"

#include "formats/base/alloc.h"
#include "formats/base/bytes.h"
#include "formats/block/block_mem.h"

struct qcow2_check {
	const uint8_t *bytes;
	uint64_t size, cluster, clusters;
	unsigned *users;
};

static inline uint64_t check_u64(struct qcow2_check *c, uint64_t off)
{
	assert_true(range_ok(off, 8, c->size));
	return be64_load(c->bytes + off);
}

static inline void check_use(struct qcow2_check *c, uint64_t off, uint64_t len)
{
	for (uint64_t i = off / c->cluster; i * c->cluster < off + len; i++) {
		assert_in_range(i, 0, c->clusters - 1);
		c->users[i]++;
	}
}

static inline void check_l2(struct qcow2_check *c, uint64_t table)
{
	unsigned bits = (unsigned)__builtin_ctzll(c->cluster), x = 62 - (bits - 8);

	for (uint64_t i = 0; i < c->cluster / 8; i++) {
		uint64_t e = check_u64(c, table + i * 8);

		if (e >> 62 & 1) {
			uint64_t off = e & ((UINT64_C(1) << x) - 1);
			uint64_t sectors = ((e & ~(UINT64_C(3) << 62)) >> x) + 1;

			check_use(c, off, sectors * 512 - off % 512);
		} else if (e & 0x00fffffffffffe00) {
			check_use(c, e & 0x00fffffffffffe00, c->cluster);
			assert_true(e >> 63); /* one user, so it is marked */
		}
	}
}

/* Everything in use has exactly the refcount of its users, and nothing else has any. */
static inline void qcow2_is_consistent(struct block *file)
{
	struct qcow2_check c = {.bytes = block_mem_bytes(file), .size = file->size};
	uint64_t l1 = be64_load(c.bytes + 40), rt = be64_load(c.bytes + 48), rt_len, per_block;

	c.cluster = UINT64_C(1) << be32_load(c.bytes + 20);
	c.clusters = div_up(c.size, c.cluster);
	c.users = xcalloc(c.clusters, sizeof(*c.users));
	rt_len = be32_load(c.bytes + 56) * c.cluster;
	per_block = c.cluster / 2;
	assert_int_equal(check_u64(&c, 72), 0); /* neither dirty nor corrupt */
	check_use(&c, 0, c.cluster);
	check_use(&c, l1, be32_load(c.bytes + 36) * 8);
	check_use(&c, rt, rt_len);
	for (uint64_t i = 0; i < be32_load(c.bytes + 36); i++) {
		uint64_t e = check_u64(&c, l1 + i * 8);

		if (!e)
			continue;
		assert_true(e >> 63);
		check_use(&c, e & 0x00fffffffffffe00, c.cluster);
		check_l2(&c, e & 0x00fffffffffffe00);
	}
	for (uint64_t i = 0; i < rt_len / 8; i++)
		if (check_u64(&c, rt + i * 8))
			check_use(&c, check_u64(&c, rt + i * 8), c.cluster);
	for (uint64_t i = 0; i < rt_len / 8; i++) {
		uint64_t block = check_u64(&c, rt + i * 8);

		for (uint64_t k = 0; k < per_block; k++) {
			uint64_t cluster = i * per_block + k;
			unsigned have = block ? be16_load(c.bytes + block + k * 2) : 0;
			unsigned want = cluster < c.clusters ? c.users[cluster] : 0;

			if (have != want)
				fail_msg("cluster %llu has %u users and refcount %u",
					(unsigned long long)cluster, want, have);
			if (!block && cluster >= c.clusters)
				break;
		}
	}
	assert_true(rt_len / 8 * per_block >= c.clusters);
	free(c.users);
}
