// SPDX-License-Identifier: LGPL-2.1-or-later
/* ova: packages as tars and folders, whole, odd and damaged. */
#include "tests/unit/test.h"

#include "formats/base/io.h"
#include "formats/ova/ova.h"
#include "formats/block/block_mem.h"
#include "tests/support/tar_build.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* One package being made: its members in order, and a manifest of them. */
struct maker {
	char dir[40];
	char path[60];
	struct str tar;
	struct str mf;
	enum digest_algo algo;
};

static int setup(void **state)
{
	struct maker *m = xnew(struct maker);

	strcpy(m->dir, "/tmp/wherry-test-ova-XXXXXX");
	if (!mkdtemp(m->dir))
		return -1;
	snprintf(m->path, sizeof(m->path), "%s/t.ova", m->dir);
	m->tar = m->mf = (struct str)STR_INIT;
	m->algo = DIGEST_SHA256;
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	struct maker *m = *state;
	char command[100];

	snprintf(command, sizeof(command), "rm -rf %s", m->dir);
	str_clear(&m->tar);
	str_clear(&m->mf);
	free(m);
	return system(command);
}

static void list(struct maker *m, const char *name, const void *bytes, size_t len)
{
	char hex[DIGEST_HEX_MAX];
	uint8_t sum[DIGEST_MAX];

	assert_int_equal(digest_buffer(m->algo, bytes, len, sum, NULL), 0);
	str_addf(&m->mf, "%s(%s)= %s\n", digest_name(m->algo), name,
		digest_hex(hex, sum, digest_len(m->algo)));
}

/* A member that the manifest lists. */
static void add(struct maker *m, const char *name, const char *text)
{
	tar_text(&m->tar, name, '0', text);
	list(m, name, text, strlen(text));
}

static void save(const char *path, const void *bytes, size_t len)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static int open_made(struct maker *m, struct ova **o, struct err *err)
{
	save(m->path, m->tar.s, m->tar.len);
	return ova_open(o, m->path, err);
}

/* A descriptor with these File elements. */
static char *ovf(const char *files)
{
	return xasprintf("<Envelope><References>%s</References></Envelope>", files);
}

#define ONE_FILE "<File id='f1' href='d.vmdk'/>"

/* vm.ovf, d.vmdk ("disk") and the manifest behind them. */
static void simple(struct maker *m, const char *files)
{
	_auto_(mem) char *text = ovf(files);

	add(m, "vm.ovf", text);
	add(m, "d.vmdk", "disk");
	tar_text(&m->tar, "vm.mf", '0', m->mf.s);
	tar_close(&m->tar);
}

static void assert_content(struct ova *o, const char *name, const char *want)
{
	_auto_(block) struct block *b = NULL;
	struct err err = {0};
	char buf[200] = {0};

	assert_ok(ova_member(o, name, &b, &err));
	assert_int_equal(b->size, strlen(want));
	assert_true(b->read_only);
	assert_ok(block_pread(b, buf, strlen(want), 0, &err));
	assert_string_equal(buf, want);
}

static void assert_warned(const struct ova *o, const char *part)
{
	strv_foreach (w, ova_warnings(o))
		if (strstr(*w, part))
			return;
	fail_msg("no warning says \"%s\"", part);
}

static void a_package_is_read_in_place(void **state)
{
	struct maker *m = *state;
	_auto_(ova) struct ova *o = NULL;
	_auto_(block) struct block *b = NULL;
	struct err err = {0};
	uint8_t want[DIGEST_MAX], is[DIGEST_MAX];
	enum digest_algo algo;
	char byte;
	size_t len;

	simple(m, ONE_FILE);
	assert_ok(open_made(m, &o, &err));
	assert_null(ova_warnings(o));
	assert_non_null(strstr(ova_ovf(o, &len), "d.vmdk"));
	assert_int_equal(len, strlen(ova_ovf(o, &len)));
	assert_content(o, "d.vmdk", "disk");
	assert_int_equal(ova_verify_member(o, "d.vmdk", NULL, &err), 1);
	assert_int_equal(ova_manifest(o, "d.vmdk", &algo, want), 1);
	assert_int_equal(algo, DIGEST_SHA256);
	assert_int_equal(digest_buffer(algo, "disk", 4, is, &err), 0);
	assert_memory_equal(want, is, 32);
	assert_fails(
		ova_member(o, "none", &b, &err), ENOENT, "t.ova: none: not in the package");
	assert_int_equal(ova_manifest(o, "none", &algo, want), 0);
	assert_fails(ova_member(o, "../vm.ovf", &b, &err), ENOENT, "not in the package");
	/* A member outlives the package. */
	assert_ok(ova_member(o, "d.vmdk", &b, &err));
	ova_free(STEAL(o));
	assert_ok(block_pread(b, &byte, 1, 3, &err));
	assert_int_equal(byte, 'k');
}

static void a_folder_and_a_descriptor_in_it_are_packages(void **state)
{
	struct maker *m = *state;
	_auto_(mem) char *text = ovf(ONE_FILE "<File id='f2' href='sub/e.vmdk'/>");
	_auto_(ova) struct ova *dir = NULL, *file = NULL;
	struct err err = {0};
	char path[100];

	snprintf(path, sizeof(path), "%s/sub", m->dir);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/sub/e.vmdk", m->dir);
	save(path, "sub", 3);
	snprintf(path, sizeof(path), "%s/d.vmdk", m->dir);
	save(path, "disk", 4);
	list(m, "d.vmdk", "disk", 4);
	list(m, "sub/e.vmdk", "sub", 3);
	list(m, "vm.ovf", text, strlen(text));
	snprintf(path, sizeof(path), "%s/vm.mf", m->dir);
	save(path, m->mf.s, m->mf.len);
	snprintf(path, sizeof(path), "%s/vm.ovf", m->dir);
	save(path, text, strlen(text));
	assert_ok(ova_open(&dir, m->dir, &err));
	assert_ok(ova_open(&file, path, &err));
	assert_null(ova_warnings(dir));
	assert_null(ova_warnings(file));
	for (int i = 0; i < 2; i++) {
		struct ova *o = i ? dir : file;

		assert_content(o, "d.vmdk", "disk");
		assert_content(o, "sub/e.vmdk", "sub");
		assert_int_equal(ova_verify_member(o, "d.vmdk", NULL, &err), 1);
		assert_int_equal(ova_verify_member(o, "sub/e.vmdk", NULL, &err), 1);
	}
	ova_free(STEAL(file));
	/* Of two descriptors in a folder one must be named. */
	snprintf(path, sizeof(path), "%s/b.ovf", m->dir);
	save(path, text, strlen(text));
	ova_free(STEAL(dir));
	assert_fails(
		ova_open(&dir, m->dir, &err), ENOTSUP, "several .ovf files (b.ovf, vm.ovf)");
	assert_ok(ova_open(&file, path, &err));
	assert_warned(file, "vm.mf: taken as the manifest of b.ovf");
}

static void links_do_not_lead_out_of_a_folder(void **state)
{
	struct maker *m = *state;
	_auto_(mem) char *text = ovf(ONE_FILE);
	_auto_(ova) struct ova *o = NULL;
	struct err err = {0};
	char path[100];

	snprintf(path, sizeof(path), "%s/d.vmdk", m->dir);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	snprintf(path, sizeof(path), "%s/vm.ovf", m->dir);
	save(path, text, strlen(text));
	assert_fails(ova_open(&o, m->dir, &err), EPERM, "d.vmdk: outside");
	snprintf(path, sizeof(path), "%s/d.vmdk", m->dir);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_fails(ova_open(&o, m->dir, &err), EPERM, "d.vmdk: not a regular file");
}

static void two_spellings_of_a_name_must_have_the_same_digest(void **state)
{
	_auto_(mem) char *text = ovf(ONE_FILE);
	struct maker *m = *state;

	for (int same = 0; same < 2; same++) {
		_auto_(ova) struct ova *o = NULL;
		struct err err = {0};

		str_clear(&m->tar);
		str_clear(&m->mf);
		add(m, "vm.ovf", text);
		add(m, "d.vmdk", "disk");
		list(m, "D.VMDK", same ? "disk" : "else", 4);
		tar_text(&m->tar, "vm.mf", '0', m->mf.s);
		tar_close(&m->tar);
		if (same)
			assert_ok(open_made(m, &o, &err));
		else
			assert_fails(open_made(m, &o, &err), EINVAL, "two digests of d.vmdk");
	}
}

static void all_digests_of_a_manifest_are_checked(void **state)
{
	struct maker *m = *state;

	for (int algo = 0; algo < DIGEST_ALGOS; algo++) {
		_auto_(ova) struct ova *o = NULL;
		struct err err = {0};

		str_clear(&m->tar);
		str_clear(&m->mf);
		m->algo = algo;
		simple(m, ONE_FILE);
		assert_ok(open_made(m, &o, &err));
		ova_free(STEAL(o));
		/* One bit of the disk. */
		for (size_t i = 0; i + 4 < m->tar.len; i++)
			if (!memcmp(m->tar.s + i, "disk", 4))
				m->tar.s[i] ^= 1;
		assert_fails(open_made(m, &o, &err), EBADMSG, digest_name(algo));
		assert_non_null(strstr(err.text, "t.ova: d.vmdk: damaged"));
		assert_non_null(strstr(err.text, ", the manifest says "));
	}
}

/* A disk larger than OVA_SMALL_MAX is checked only when asked. */
static void large_members_are_verified_on_demand(void **state)
{
	struct maker *m = *state;
	_auto_(mem) char *text = ovf(ONE_FILE), *bytes = xcalloc(3 * MiB, 1);
	struct err err = {0};

	for (int damaged = 0; damaged < 2; damaged++) {
		_auto_(ova) struct ova *o = NULL;

		str_clear(&m->tar);
		str_clear(&m->mf);
		bytes[2 * MiB] = 0;
		add(m, "vm.ovf", text);
		list(m, "d.vmdk", bytes, 3 * MiB);
		bytes[2 * MiB] = (char)damaged;
		tar_bytes(&m->tar, "d.vmdk", '0', bytes, 3 * MiB);
		tar_text(&m->tar, "vm.mf", '0', m->mf.s);
		tar_close(&m->tar);
		assert_ok(open_made(m, &o, &err));
		if (damaged)
			assert_fails(ova_verify_member(o, "d.vmdk", NULL, &err), EBADMSG,
				"t.ova: d.vmdk: damaged: its SHA256 is ");
		else
			assert_int_equal(ova_verify_member(o, "d.vmdk", NULL, &err), 1);
	}
}

struct listener {
	uint64_t last, total;
	unsigned calls, stop_at;
};

static int listen(void *opaque, uint64_t done, uint64_t total)
{
	struct listener *l = opaque;

	assert_true(done > l->last && done <= total);
	l->last = done;
	l->total = total;
	return ++l->calls == l->stop_at;
}

static void verifying_reports_progress_and_can_be_cancelled(void **state)
{
	struct maker *m = *state;
	_auto_(mem) char *text = ovf(ONE_FILE), *bytes = xcalloc(5 * MiB / 2, 1);
	struct listener all = {0}, stop = {.stop_at = 2};
	struct progress p = {.report = listen, .opaque = &all};
	_auto_(ova) struct ova *o = NULL;
	struct err err = {0};

	add(m, "vm.ovf", text);
	list(m, "d.vmdk", bytes, 5 * MiB / 2);
	tar_bytes(&m->tar, "d.vmdk", '0', bytes, 5 * MiB / 2);
	tar_text(&m->tar, "vm.mf", '0', m->mf.s);
	tar_close(&m->tar);
	assert_ok(open_made(m, &o, &err));
	assert_int_equal(ova_verify_member(o, "d.vmdk", &p, &err), 1);
	assert_int_equal(all.last, 5 * MiB / 2);
	assert_int_equal(all.total, 5 * MiB / 2);
	p.opaque = &stop;
	assert_fails(ova_verify_member(o, "d.vmdk", &p, &err), ECANCELED, "interrupted");
	assert_int_equal(stop.calls, 2);
}

static void chunks_are_one_member(void **state)
{
	struct maker *m = *state;
	static const char *const files[] = {
		"<File id='f1' href='d.vmdk' size='10' chunkSize='4'/>",
		"<File id='f1' href='d.vmdk' chunkSize='4'/>",
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_auto_(mem) char *text = ovf(files[i]);
		_auto_(ova) struct ova *o = NULL;
		_auto_(block) struct block *b = NULL;
		struct err err = {0};
		uint8_t sum[DIGEST_MAX];
		enum digest_algo algo;
		char buf[10];

		str_clear(&m->tar);
		str_clear(&m->mf);
		add(m, "vm.ovf", text);
		add(m, "d.vmdk.000000000", "0123");
		add(m, "d.vmdk.000000001", "4567");
		add(m, "d.vmdk.000000002", "89");
		tar_text(&m->tar, "vm.mf", '0', m->mf.s);
		tar_close(&m->tar);
		assert_ok(open_made(m, &o, &err));
		assert_null(ova_warnings(o));
		assert_content(o, "d.vmdk", "0123456789");
		assert_int_equal(ova_verify_member(o, "d.vmdk", NULL, &err), 1);
		assert_int_equal(ova_manifest(o, "d.vmdk", &algo, sum), 0);
		/* Every range of it. */
		assert_ok(ova_member(o, "d.vmdk", &b, &err));
		for (size_t off = 0; off < 10; off++)
			for (size_t len = 1; len <= 10 - off; len++) {
				assert_ok(block_pread(b, buf, len, off, &err));
				assert_memory_equal(buf, &"0123456789"[off], len);
			}
	}
}

static void wrong_chunks_are_refused(void **state)
{
	struct maker *m = *state;
	static const struct {
		const char *file, *chunks[3];
		int code;
		const char *part;
	} rows[] = {
		{"<File id='f1' href='d' size='10' chunkSize='4'/>", {"0123", "4567"}, ENOENT,
			"d.000000002: not in the package"},
		{"<File id='f1' href='d' size='10' chunkSize='4'/>", {"0123", "456", "89"},
			EINVAL, "chunk 1 of 3 has 3 bytes, the chunk size is 4"},
		{"<File id='f1' href='d' size='10' chunkSize='4'/>", {"0123", "4567", "89abc"},
			EINVAL, "chunk 2 of 3 has 5 bytes"},
		{"<File id='f1' href='d' size='10' chunkSize='4'/>", {"0123", "4567", "8"},
			EINVAL, "d has 9 bytes, the descriptor says 10"},
		{"<File id='f1' href='d' size='10' chunkSize='4'/>", {NULL}, ENOENT,
			"d.000000000"},
		{"<File id='f1' href='d' chunkSize='4'/>", {NULL}, ENOENT, "d.000000000"},
		{"<File id='f1' href='d' size='9000000000000000000' chunkSize='1'/>",
			{"0", "1", "2"}, ENOENT, "d.000000003"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_auto_(mem) char *text = ovf(rows[i].file);
		_auto_(ova) struct ova *o = NULL;
		struct err err = {0};

		str_clear(&m->tar);
		add(m, "vm.ovf", text);
		for (int c = 0; c < 3 && rows[i].chunks[c]; c++) {
			char name[20];

			snprintf(name, sizeof(name), "d.%09d", c);
			add(m, name, rows[i].chunks[c]);
		}
		tar_close(&m->tar);
		assert_fails(open_made(m, &o, &err), rows[i].code, rows[i].part);
	}
}

static void tolerable_oddities_are_warnings(void **state)
{
	struct maker *m = *state;
	static const struct {
		const char *href;   /* of the disk in the descriptor */
		const char *stored; /* its name in the archive */
		const char *part;
	} rows[] = {
		{"d.vmdk", "d.vmdk", "no manifest"},
		{"d.vmdk", "D.VMDK", "D.VMDK is called d.vmdk in the descriptor"},
		{"my%20disk.vmdk", "my disk.vmdk", "no manifest"},
		{"100%25.vmdk", "100%.vmdk", "no manifest"},
		{"my%20disk.vmdk", "my%20disk.vmdk", "no manifest"},
		{"./d.vmdk", "d.vmdk", "no manifest"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_auto_(mem) char *file = xasprintf("<File id='f1' href='%s'/>", rows[i].href);
		_auto_(mem) char *text = ovf(file);
		_auto_(ova) struct ova *o = NULL;
		struct err err = {0};

		str_clear(&m->tar);
		tar_text(&m->tar, "vm.ovf", '0', text);
		tar_text(&m->tar, "._vm.ovf", '0', "junk of macOS");
		tar_text(&m->tar, rows[i].stored, '0', "disk");
		tar_text(&m->tar, "vm.cert", '0', "signature");
		tar_text(&m->tar, "link", '2', "");
		tar_close(&m->tar);
		assert_ok(open_made(m, &o, &err));
		assert_warned(o, rows[i].part);
		assert_warned(o, "vm.cert: the signature is not checked");
		assert_warned(o, "link: ignored");
		assert_content(o, rows[i].href, "disk");
		assert_int_equal(ova_verify_member(o, rows[i].href, NULL, &err), 0);
	}
}

static void odd_manifests_are_warnings(void **state)
{
	struct maker *m = *state;
	_auto_(mem) char *text = ovf(ONE_FILE);
	_auto_(ova) struct ova *o = NULL;
	struct err err = {0};

	tar_text(&m->tar, "vm.ovf", '0', text);
	tar_text(&m->tar, "d.vmdk", '0', "disk");
	list(m, "gone.iso", "x", 1);
	str_add(&m->mf, "MD5(x)= 00\r\n");
	tar_text(&m->tar, "VM.mf", '0', m->mf.s);
	assert_ok(open_made(m, &o, &err));
	assert_warned(o, "VM.mf: line 2 ignored");
	assert_warned(o, "gone.iso: in the manifest, but not in the package");
	assert_warned(o, "vm.ovf: not in the manifest");
	assert_warned(o, "d.vmdk: not in the manifest");
	assert_warned(o, "the archive has no end marker");
}

static void a_package_in_a_folder_of_the_archive_is_read(void **state)
{
	struct maker *m = *state;
	_auto_(mem) char *text = ovf(ONE_FILE);
	_auto_(ova) struct ova *o = NULL;
	struct err err = {0};

	tar_text(&m->tar, "vm/", '5', "");
	tar_text(&m->tar, "vm/vm.ovf", '0', text);
	tar_text(&m->tar, "vm/d.vmdk", '0', "disk");
	tar_text(&m->tar, "d.vmdk", '0', "another");
	list(m, "vm.ovf", text, strlen(text));
	list(m, "d.vmdk", "disk", 4);
	tar_text(&m->tar, "vm/vm.mf", '0', m->mf.s);
	tar_close(&m->tar);
	assert_ok(open_made(m, &o, &err));
	assert_null(ova_warnings(o));
	assert_content(o, "d.vmdk", "disk");
	assert_int_equal(ova_verify_member(o, "d.vmdk", NULL, &err), 1);
}

static void packages_that_are_none_are_refused(void **state)
{
	struct maker *m = *state;
	static const struct {
		const char *members[8]; /* name, text ... */
		int code;
		const char *part;
	} rows[] = {
		{{"a.txt", "x"}, EINVAL, "t.ova: no .ovf in it"},
		{{".ovf", "x"}, EINVAL, "no .ovf in it"},
		{{"vm.ovf", "", "b.OVF", ""}, ENOTSUP, "several .ovf files"},
		{{"vm.ovf", ""}, EINVAL, "empty"},
		{{"vm.ovf", "hello"}, EINVAL, "line 1"},
		{{"vm.ovf", "<domain/>"}, EINVAL, "the root element is <domain>"},
		{{"vm.ovf", "<Envelope><References>" ONE_FILE "</References></Envelope>"},
			ENOENT, "t.ova: d.vmdk: not in the package"},
		{{"vm.ovf",
			 "<Envelope><References><File id='f' href='d' size='5'/></References>"
			 "</Envelope>",
			 "d", "disk"},
			EINVAL, "d has 4 bytes, the descriptor says 5"},
		{{"vm.ovf",
			 "<Envelope><References><File id='f' href='../d'/></References></Envelope>",
			 "d", "disk"},
			EPERM, "leads out of the package"},
		{{"vm.ovf", "<Envelope/>", "a", "1", "a", "2"}, EINVAL,
			"two members are called a"},
		{{"vm.ovf", "<Envelope/>", "./vm.ovf", "<Envelope/>"}, EINVAL,
			"two members are called vm.ovf"},
		{{"vm.ovf", "<Envelope/>", "../x", "1"}, EPERM, "a member name with \"..\""},
		{{"vm.ovf", "<Envelope/>", "/x", "1"}, EPERM, "an absolute member name"},
		{{"vm.ovf", "<Envelope/>", "vm.mf", "SHA1(vm.ovf)= 00"}, EINVAL,
			"not 40 hexadecimal"},
		{{"vm.ovf", "<Envelope/>", "vm.mf",
			 "SHA1(vm.ovf)= da39a3ee5e6b4b0d3255bfef95601890afd80709"},
			EBADMSG, "vm.ovf: damaged: its SHA1 is"},
		{{"vm.ovf",
			 "<Envelope><References><File id='f' href='d.vmdk'/></References></Envelope>",
			 "D.vmdk", "1", "d.VMDK", "2"},
			ENOENT, "d.vmdk: not in the package"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_auto_(ova) struct ova *o = NULL;
		struct err err = {0};

		str_clear(&m->tar);
		for (int n = 0; n < 8 && rows[i].members[n]; n += 2)
			tar_text(&m->tar, rows[i].members[n], '0', rows[i].members[n + 1]);
		tar_close(&m->tar);
		assert_fails(open_made(m, &o, &err), rows[i].code, rows[i].part);
		assert_null(o);
	}
}

static void files_of_other_kinds_are_refused(void **state)
{
	struct maker *m = *state;
	static const struct {
		const char *bytes;
		size_t len;
		int code;
		const char *part;
	} rows[] = {
		{"", 0, EINVAL, "not an OVA"},
		{"hello", 5, EINVAL, "not an OVA"},
		{"\x1f\x8b\x08", 3, ENOTSUP,
			"compressed with gzip as a whole: unpack it first"},
		{"\xfd"
		 "7zXZ\0",
			6, ENOTSUP, "compressed with xz"},
		{"PK\x03\x04", 4, ENOTSUP, "compressed with zip"},
		{"\x28\xb5\x2f\xfd", 4, ENOTSUP, "compressed with zstd"},
		{"KDMV", 4, EINVAL, "not an OVA"},
	};
	_auto_(ova) struct ova *o = NULL;
	struct err err = {0};
	char path[100];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		save(m->path, rows[i].bytes, rows[i].len);
		assert_fails(ova_open(&o, m->path, &err), rows[i].code, rows[i].part);
	}
	snprintf(path, sizeof(path), "%s/none.ova", m->dir);
	assert_fails(ova_open(&o, path, &err), ENOENT, "none.ova");
	snprintf(path, sizeof(path), "%s/none.ovf", m->dir);
	assert_fails(ova_open(&o, path, &err), ENOENT, "none.ovf");
	assert_fails(ova_open(&o, "", &err), ENOENT, "");
	unlink(m->path);
	assert_fails(ova_open(&o, m->dir, &err), EINVAL, "no .ovf in it");
}

static void a_compressed_member_is_not_supported(void **state)
{
	struct maker *m = *state;
	_auto_(ova) struct ova *o = NULL;
	_auto_(block) struct block *b = NULL;
	struct err err = {0};

	simple(m, "<File id='f1' href='d.vmdk' compression='gzip'/>");
	assert_ok(open_made(m, &o, &err));
	assert_fails(
		ova_member(o, "d.vmdk", &b, &err), ENOTSUP, "d.vmdk: compressed with gzip");
	/* Its stored bytes can be checked all the same. */
	assert_int_equal(ova_verify_member(o, "d.vmdk", NULL, &err), 1);
}

static void a_cut_archive_is_an_error_wherever_it_is_cut(void **state)
{
	struct maker *m = *state;
	size_t whole, accepted = 0;

	simple(m, ONE_FILE);
	whole = m->tar.len;
	for (size_t len = 0; len < whole; len += 7) {
		_auto_(ova) struct ova *o = NULL;
		struct err err = {0};
		int r;

		m->tar.len = len;
		r = open_made(m, &o, &err);
		m->tar.len = whole;
		/* All members may be whole although the end marker is not. */
		if (r < 0)
			continue;
		assert_content(o, "d.vmdk", "disk");
		if (len < whole - TAR_BLOCK)
			assert_warned(o, "no end marker");
		accepted++;
	}
	assert_true(accepted && accepted < 700);
}

static void many_members_are_found(void **state)
{
	struct maker *m = *state;
	_auto_(ova) struct ova *o = NULL;
	struct err err = {0};

	tar_text(&m->tar, "vm.ovf", '0', "<Envelope/>");
	for (int i = 0; i < 1000; i++) {
		char name[20];

		snprintf(name, sizeof(name), "m%d", (i * 7919) % 1000);
		tar_text(&m->tar, name, '0', name);
	}
	tar_close(&m->tar);
	assert_ok(open_made(m, &o, &err));
	for (int i = 0; i < 1000; i++) {
		char name[20];

		snprintf(name, sizeof(name), "m%d", i);
		assert_content(o, name, name);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_package_is_read_in_place),
		T(a_folder_and_a_descriptor_in_it_are_packages),
		T(links_do_not_lead_out_of_a_folder),
		T(two_spellings_of_a_name_must_have_the_same_digest),
		T(all_digests_of_a_manifest_are_checked),
		T(large_members_are_verified_on_demand),
		T(verifying_reports_progress_and_can_be_cancelled),
		T(chunks_are_one_member),
		T(wrong_chunks_are_refused),
		T(tolerable_oddities_are_warnings),
		T(odd_manifests_are_warnings),
		T(a_package_in_a_folder_of_the_archive_is_read),
		T(packages_that_are_none_are_refused),
		T(files_of_other_kinds_are_refused),
		T(a_compressed_member_is_not_supported),
		T(a_cut_archive_is_an_error_wherever_it_is_cut),
		T(many_members_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
