// SPDX-License-Identifier: LGPL-2.1-or-later
/* probe: partitions as sfdisk makes them, file systems as mkfs makes them, named as blkid does. */
#include "tests/unit/test.h"

#include "formats/base/alloc.h"
#include "formats/base/bytes.h"
#include "formats/base/io.h"
#include "formats/block/block_file.h"
#include "formats/block/block_mem.h"
#include "guestfix/lib/probe.h"

#include <stdlib.h>
#include <unistd.h>

static struct err err;
static char *dir;

static int make_dir(void **state)
{
	dir = xstrdup("/tmp/test_probe-XXXXXX");
	/* mkfs and friends are not in everybody's PATH */
	setenv("PATH", "/usr/sbin:/sbin:/usr/bin:/bin", 1);
	return mkdtemp(dir) ? 0 : -1;
}

static int drop_dir(void **state)
{
	char *cmd = xasprintf("rm -rf '%s'", dir);
	int r = system(cmd);

	free(cmd);
	free(dir);
	return r;
}

/* Runs a script in the folder; its output, or NULL when it fails. */
static char *sh(const char *script)
{
	char *cmd = xasprintf("cd '%s' && (%s) >out 2>/dev/null", dir, script), *out;
	int r = system(cmd);
	size_t len;

	free(cmd);
	if (r)
		return NULL;
	cmd = xasprintf("%s/out", dir);
	assert_ok(io_read_file(cmd, MiB, &out, &len, &err));
	free(cmd);
	return out;
}

static struct facts *probe_file(const char *name)
{
	char *path = xasprintf("%s/%s", dir, name);
	struct facts *f = facts_new();
	struct block *b;

	assert_ok(block_file_open(&b, path, 0, &err));
	f->n_disks = 1;
	assert_ok(probe_disk(f, 0, b, &err));
	block_free(b);
	free(path);
	return f;
}

/* What blkid says of a key of the file system in a file: "UUID=..." lines. */
static char *blkid(const char *name, const char *key)
{
	char *cmd = xasprintf("blkid -p -o value -s %s %s | tr -d '\\n'", key, name);
	char *r = sh(cmd);

	free(cmd);
	return r;
}

static void assert_same(const char *ours, const char *theirs)
{
	if (theirs && *theirs)
		assert_string_equal(ours ? ours : "(none)", theirs);
	else
		assert_null(ours);
}

static void file_systems_have_the_names_blkid_gives_them(void **state)
{
	static const char *const makers[] = {
		"mke2fs -q -F -t ext4 -L root4 img",
		"mke2fs -q -F -t ext3 img",
		"mke2fs -q -F -t ext2 -L 'two words' img",
		"mkswap -L swappy img",
		"mkfs.vfat -F 32 -n ESPLABEL -i deadbeef img",
		"mkfs.vfat -F 16 img",
		"mkfs.btrfs -q -f -L b img",
		"mkfs.xfs -q -f -L x img",
		"mkfs.ntfs -q -F -f img",
		"printf secret | cryptsetup -q luksFormat --pbkdf-force-iterations 4 --pbkdf-memory "
		"32 --type luks2 img -",
	};
	unsigned tried = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(makers); i++) {
		char *cmd = xasprintf("rm -f img && truncate -s 320M img && %s >&2", makers[i]);
		char *r = sh(cmd), *type, *uuid, *label;
		struct facts *f;

		free(cmd);
		if (!r)
			continue; /* that mkfs is not installed */
		free(r);
		tried++;
		f = probe_file("img");
		assert_int_equal(f->n_volumes, 1);
		assert_int_equal(f->volumes[0].part, 0);
		type = blkid("img", "TYPE");
		uuid = blkid("img", "UUID");
		label = blkid("img", "LABEL");
		assert_same(f->volumes[0].type, type);
		assert_same(f->volumes[0].uuid, uuid);
		if (strcmp(type, "ntfs")) /* its label is a file */
			assert_same(f->volumes[0].label, label);
		assert_false(f->volumes[0].hibernated);
		free(type);
		free(uuid);
		free(label);
		facts_free(f);
	}
	assert_true(tried >= 5);
}

/* Each partition's number, start, size and PARTUUID, as sfdisk lists them. */
static char *ours(const struct facts *f)
{
	struct str s = STR_INIT;

	for (size_t i = 0; i < f->n_volumes; i++) {
		const struct facts_volume *v = &f->volumes[i];

		str_addf(&s, "%u %llu %llu %s\n", v->part, (unsigned long long)v->off / 512,
			(unsigned long long)v->size / 512, v->partuuid);
	}
	return str_steal(&s);
}

static const char list[] =
	"sfdisk -J img | python3 -c \"import json,sys\n"
	"t=json.load(sys.stdin)['partitiontable']\n"
	"for p in t['partitions']:\n"
	"  n=int(p['node'][3:])\n"
	"  if p['type'] not in ('5','f'): print(n, p['start'], p['size'],"
	" p['uuid'].lower() if 'uuid' in p else '%s-%02x' % (t['id'][2:], n))\" | sort -k 2n";

static void an_mbr_with_logical_partitions_is_read_as_sfdisk_reads_it(void **state)
{
	char *r = sh("rm -f img && truncate -s 200M img && printf 'label: dos\\n"
		     "label-id: 0x5eafa4ed\\nsize=20M, type=83\\nsize=10M, type=ef\\n"
		     "size=150M, type=5\\nsize=10M, type=83\\nsize=12M, type=82\\nsize=9M\\n' |"
		     "sfdisk -q img");
	struct facts *f;
	char *o;

	if (!r)
		skip();
	free(r);
	f = probe_file("img");
	r = sh(list);
	assert_non_null(r);
	o = ours(f);
	assert_string_equal(o, r);
	assert_int_equal(f->n_volumes, 5);
	assert_true(f->volumes[1].esp);
	assert_string_equal(f->volumes[2].device, "/dev/sda5");
	free(o);
	free(r);
	facts_free(f);
}

static void a_gpt_is_read_as_sfdisk_reads_it(void **state)
{
	char *r = sh("rm -f img && truncate -s 200M img && printf 'label: gpt\\n"
		     "size=10M, type=U, name=esp-part\\nsize=1M, type=21686148-6449-6E6F-744E-"
		     "656564454649\\nsize=50M\\n' | sfdisk -q img");
	struct facts *f;
	char *o;

	if (!r)
		skip();
	free(r);
	f = probe_file("img");
	r = sh(list);
	assert_non_null(r);
	o = ours(f);
	assert_string_equal(o, r);
	assert_true(f->volumes[0].esp);
	assert_string_equal(f->volumes[0].partlabel, "esp-part");
	assert_true(f->volumes[1].bios_boot);
	assert_false(f->volumes[2].esp);
	free(o);
	free(r);
	facts_free(f);
}

/* ---- hostile tables, made by hand ---- */

static struct facts *probe_bytes(const uint8_t *bytes, size_t len)
{
	struct block *b = block_mem_from(bytes, len, "disk");
	struct facts *f = facts_new();

	f->n_disks = 1;
	assert_ok(probe_disk(f, 0, b, &err));
	block_free(b);
	return f;
}

static void set_partition(uint8_t *sector, unsigned i, uint8_t type, uint32_t start, uint32_t n)
{
	uint8_t *e = sector + 446 + i * 16;

	e[4] = type;
	le32_store(e + 8, start);
	le32_store(e + 12, n);
	sector[510] = 0x55;
	sector[511] = 0xaa;
}

static void a_chain_of_logical_partitions_in_a_circle_ends(void **state)
{
	uint8_t *d = xcalloc(1, 64 * 512);
	struct facts *f;

	set_partition(d, 0, 5, 2, 60);
	set_partition(d + 2 * 512, 0, 0x83, 1, 1);
	set_partition(d + 2 * 512, 1, 5, 2, 10); /* to sector 4 */
	set_partition(d + 4 * 512, 0, 0x83, 1, 1);
	set_partition(d + 4 * 512, 1, 5, 2, 10); /* to itself */
	f = probe_bytes(d, 64 * 512);
	assert_true(f->n_volumes <= 64);
	assert_int_equal(strv_len(f->warnings), 1);
	assert_non_null(strstr(f->warnings[0], "chain"));
	facts_free(f);
	free(d);
}

static void partitions_outside_the_disk_are_left_out_with_a_warning(void **state)
{
	uint8_t *d = xcalloc(1, 64 * 512);
	struct facts *f;

	set_partition(d, 0, 0x83, 10, 54);
	set_partition(d, 1, 0x83, 10, 55);
	set_partition(d, 2, 0x83, UINT32_MAX, UINT32_MAX);
	f = probe_bytes(d, 64 * 512);
	assert_int_equal(f->n_volumes, 1);
	assert_int_equal(strv_len(f->warnings), 2);
	facts_free(f);
	free(d);
}

static void a_gpt_header_that_lies_is_refused(void **state)
{
	static const struct {
		unsigned at;
		uint64_t value;
	} lies[] = {{72, UINT64_MAX}, {72, 1000}, {80, UINT32_MAX}, {80, 100000}, {84, 0},
		{84, 64}, {84, UINT32_MAX}};

	for (unsigned i = 0; i < ARRAY_SIZE(lies); i++) {
		uint8_t *d = xcalloc(1, 64 * 512);
		struct facts *f;

		memcpy(d + 512, "EFI PART", 8);
		le64_store(d + 512 + 72, 2);
		le32_store(d + 512 + 80, 4);
		le32_store(d + 512 + 84, 128);
		if (lies[i].at == 72)
			le64_store(d + 512 + 72, lies[i].value);
		else
			le32_store(d + 512 + lies[i].at, (uint32_t)lies[i].value);
		f = probe_bytes(d, 64 * 512);
		assert_int_equal(f->n_volumes, 0);
		assert_int_equal(strv_len(f->warnings), 1);
		facts_free(f);
		free(d);
	}
}

static void a_gpt_partition_with_wild_numbers_is_left_out(void **state)
{
	uint8_t *d = xcalloc(1, 64 * 512), *e = d + 2 * 512;
	struct facts *f;

	memcpy(d + 512, "EFI PART", 8);
	le64_store(d + 512 + 72, 2);
	le32_store(d + 512 + 80, 2);
	le32_store(d + 512 + 84, 128);
	memset(e, 0x11, 16);
	le64_store(e + 32, 5);
	le64_store(e + 40, UINT64_MAX);
	memset(e + 128, 0x11, 16);
	le64_store(e + 128 + 32, 20);
	le64_store(e + 128 + 40, 10);
	f = probe_bytes(d, 64 * 512);
	assert_int_equal(f->n_volumes, 0);
	assert_int_equal(strv_len(f->warnings), 2);
	facts_free(f);
	free(d);
}

static void a_sleeping_systems_swap_is_seen(void **state)
{
	struct facts_volume v = {0};
	uint8_t *head = xcalloc(1, PROBE_HEAD);

	memcpy(head + 4096 - 10, "S1SUSPEND\0", 10);
	probe_content(&v, head, PROBE_HEAD);
	assert_string_equal(v.type, "swap");
	assert_true(v.hibernated);
	free(v.type);
	free(head);
}

static void short_volumes_are_looked_at_without_reading_past_them(void **state)
{
	for (size_t len = 0; len < 5000; len += 7) {
		uint8_t *head = len ? xmalloc(len) : xmalloc(1);
		struct facts_volume v = {0};

		memset(head, 0xff, len ? len : 1);
		probe_content(&v, head, len);
		assert_null(v.type);
		free(head);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_systems_have_the_names_blkid_gives_them),
		cmocka_unit_test(an_mbr_with_logical_partitions_is_read_as_sfdisk_reads_it),
		cmocka_unit_test(a_gpt_is_read_as_sfdisk_reads_it),
		cmocka_unit_test(a_chain_of_logical_partitions_in_a_circle_ends),
		cmocka_unit_test(partitions_outside_the_disk_are_left_out_with_a_warning),
		cmocka_unit_test(a_gpt_header_that_lies_is_refused),
		cmocka_unit_test(a_gpt_partition_with_wild_numbers_is_left_out),
		cmocka_unit_test(a_sleeping_systems_swap_is_seen),
		cmocka_unit_test(short_volumes_are_looked_at_without_reading_past_them),
	};

	return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
