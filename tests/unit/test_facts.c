// SPDX-License-Identifier: LGPL-2.1-or-later
/* facts: which volume a name means, which disk had which name, texts of configuration files. */
#include "tests/unit/test.h"

#include "guestfix/collect/collect.h"
#include "guestfix/lib/text.h"

/* ---- names of volumes ---- */

static struct facts_volume *add(struct facts *f, unsigned disk, unsigned part, const char *uuid)
{
	struct facts_volume *v = facts_add_volume(f);

	v->disk = disk;
	v->part = part;
	v->device = xasprintf("/dev/sd%c%u", 'a' + disk, part);
	v->uuid = xstrdup_null(uuid);
	return v;
}

static struct facts *two_disks(void)
{
	struct facts *f = facts_new();
	struct facts_volume *v;

	f->n_disks = 2;
	f->disk_name[0] = xstrdup("sda");
	f->disk_name[1] = xstrdup("nvme0n1");
	v = add(f, 0, 1, "aaaa-1111");
	v->label = xstrdup("Root");
	v->partuuid = xstrdup("12345678-01");
	add(f, 0, 11, "bbbb");
	add(f, 1, 2, "cccc")->partlabel = xstrdup("data");
	v = facts_add_volume(f);
	v->lv = true;
	v->device = xstrdup("/dev/vg-0/my-root");
	return f;
}

static void a_volume_is_found_by_every_kind_of_name(void **state)
{
	static const struct {
		const char *name;
		int index;
	} names[] = {
		{"UUID=aaaa-1111", 0},
		{"UUID=\"AAAA-1111\"", 0},
		{"LABEL=Root", 0},
		{"LABEL=root", -1},
		{"PARTUUID=12345678-01", 0},
		{"PARTLABEL=data", 2},
		{"/dev/disk/by-uuid/bbbb", 1},
		{"/dev/disk/by-label/Root", 0},
		{"/dev/disk/by-partlabel/data", 2},
		{"/dev/sda1", 0},
		{"/dev/sda11", 1},
		{"/dev/nvme0n1p2", 2},
		{"/dev/nvme0n12", -1},
		{"/dev/sda2", -1},
		{"/dev/sda01", -1},
		{"/dev/sda", -1},
		{"/dev/sdaa1", -1},
		{"/dev/sdb1", -1},
		{"/dev/vg-0/my-root", 3},
		{"/dev/mapper/vg--0-my--root", 3},
		{"/dev/mapper/vg-0-my-root", -1},
		{"UUID=", -1},
		{"LABEL=\"\"", -1},
		{"tmpfs", -1},
		{"", -1},
		{"/dev/sda99999999999999999999", -1},
	};
	struct facts *f = two_disks();

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		if (facts_find_volume(f, names[i].name) != names[i].index)
			fail_msg("%s: %d instead of %d", names[i].name,
				facts_find_volume(f, names[i].name), names[i].index);
	facts_free(f);
}

static void the_longest_mount_point_above_a_path_counts(void **state)
{
	struct facts *f = facts_new();

	facts_add_mount(f)->dir = xstrdup("/");
	facts_add_mount(f)->dir = xstrdup("/boot");
	assert_string_equal(facts_mount_of(f, "/boot/x")->dir, "/boot");
	assert_string_equal(facts_mount_of(f, "/boot")->dir, "/boot");
	assert_string_equal(facts_mount_of(f, "/bootx")->dir, "/");
	facts_free(f);
}

static void facts_with_bytes_that_are_no_text_still_print(void **state)
{
	struct facts *f = two_disks();
	json_t *j;

	f->os_name = xstrdup("bad \xff bytes");
	f->volumes[0].label = (free(f->volumes[0].label), xstrdup("\xc0\x80"));
	j = facts_json(f);
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(j, "os"), "name")),
		"bad \\xff bytes");
	json_decref(j);
	facts_free(f);
}

/* ---- names of disks ---- */

static void name_disks(char out[3][16], unsigned n, const struct vm_disk *disks)
{
	struct vmspec *vm = vmspec_new();
	struct facts *f = facts_new();

	for (unsigned i = 0; i < n; i++) {
		struct vm_disk *d = vmspec_add_disk(vm);

		d->bus = disks[i].bus;
		d->controller = disks[i].controller;
		d->unit = disks[i].unit;
	}
	f->n_disks = n;
	collect_disk_names(f, vm);
	for (unsigned i = 0; i < n; i++)
		snprintf(out[i], 16, "%s", f->disk_name[i] ?: "-");
	facts_free(f);
	vmspec_free(vm);
}

static void disks_are_named_in_the_order_of_controllers_not_of_booting(void **state)
{
	char n[3][16];

	name_disks(n, 3,
		(struct vm_disk[]){{.bus = VM_BUS_SCSI, .controller = 1, .unit = 0},
			{.bus = VM_BUS_SCSI, .controller = 0, .unit = 2},
			{.bus = VM_BUS_SCSI, .controller = 0, .unit = 1}});
	assert_string_equal(n[0], "sdc");
	assert_string_equal(n[1], "sdb");
	assert_string_equal(n[2], "sda");
	/* NVMe has names of its own and does not count among sd */
	name_disks(n, 3,
		(struct vm_disk[]){{.bus = VM_BUS_NVME, .controller = 0, .unit = 0},
			{.bus = VM_BUS_SCSI, .controller = 0, .unit = 0},
			{.bus = VM_BUS_NVME, .controller = 1, .unit = 1}});
	assert_string_equal(n[0], "nvme0n1");
	assert_string_equal(n[1], "sda");
	assert_string_equal(n[2], "nvme1n2");
}

static void disks_of_two_drivers_have_no_certain_names(void **state)
{
	char n[3][16];

	name_disks(n, 3,
		(struct vm_disk[]){
			{.bus = VM_BUS_SCSI}, {.bus = VM_BUS_SATA}, {.bus = VM_BUS_XEN}});
	assert_string_equal(n[0], "-");
	assert_string_equal(n[1], "-");
	assert_string_equal(n[2], "xvda");
}

/* ---- texts ---- */

static char *value(const char *text, const char *key)
{
	return text_shell_value(text, strlen(text), key);
}

static void shell_assignments_are_read_as_a_shell_would(void **state)
{
	static const struct {
		const char *text, *value;
	} cases[] = {
		{"ID=debian\n", "debian"},
		{"ID=debian", "debian"},
		{"ID=\"a b\"\n", "a b"},
		{"ID='a b' # c\n", "a b"},
		{"ID=a # b\n", "a"},
		{"export ID=x\n", "x"},
		{"#ID=no\n", NULL},
		{"IDX=no\nXID=no\n", NULL},
		{"ID=a\nID=b\n", "b"},
		{"ID=\"open\n", NULL},
		{"ID=\r\n", ""},
		{"", NULL},
		{"ID", NULL},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		char *v = value(cases[i].text, "ID");

		if (cases[i].value)
			assert_string_equal(v, cases[i].value);
		else
			assert_null(v);
		free(v);
	}
}

static void lines_keep_nul_bytes_and_missing_newlines(void **state)
{
	static const char text[] = "a\0b\n\nlast";
	const char *pos = text, *end = text + sizeof(text) - 1;
	struct span line;

	assert_true(text_line(&pos, end, &line));
	assert_int_equal(line.len, 3);
	assert_true(text_line(&pos, end, &line));
	assert_int_equal(line.len, 0);
	assert_true(text_line(&pos, end, &line));
	assert_true(span_is(line, "last"));
	assert_false(text_line(&pos, end, &line));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_volume_is_found_by_every_kind_of_name),
		cmocka_unit_test(the_longest_mount_point_above_a_path_counts),
		cmocka_unit_test(facts_with_bytes_that_are_no_text_still_print),
		cmocka_unit_test(disks_are_named_in_the_order_of_controllers_not_of_booting),
		cmocka_unit_test(disks_of_two_drivers_have_no_certain_names),
		cmocka_unit_test(shell_assignments_are_read_as_a_shell_would),
		cmocka_unit_test(lines_keep_nul_bytes_and_missing_newlines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
