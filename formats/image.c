// SPDX-License-Identifier: LGPL-2.1-or-later
/* image: the table of formats, and finding the right row. */
#include "formats/image.h"

#include "formats/base/alloc.h"
#include "formats/block/block_file.h"

#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

extern const struct image_format image_qcow2;
extern const struct image_format image_raw;
extern const struct image_format image_vhd;
extern const struct image_format image_vhdx;
extern const struct image_format image_vmdk;

const struct image_format *const image_formats[] = {
	&image_qcow2,
	&image_vhdx,
	&image_vmdk,
	&image_vhd,
	&image_raw,
	NULL,
};

const struct image_format *image_format_find(const char *name)
{
	for (size_t i = 0; image_formats[i]; i++)
		if (!strcmp(image_formats[i]->name, name))
			return image_formats[i];
	return NULL;
}

/* Files that are no disk's bytes, by what they begin with. As raw disks they would be copied
 * without an error, to something that no guest can use. */
static const struct {
	const char *what;
	size_t at;
	const char *magic;
	size_t len;
} foreign[] = {
	{"a VDI image", 64, "\x7f\x10\xda\xbe", 4},
	{"a QED image", 0, "QED", 4},
	{"a Parallels image", 0, "WithoutFreeSpace", 16},
	{"a Parallels image", 0, "WithouFreSpacExt", 16},
	{"a tar archive (wherry inspect and convert read OVAs)", 257, "ustar", 5},
	{"compressed with gzip", 0, "\x1f\x8b\x08", 3},
	{"compressed with xz", 0,
		"\xfd"
		"7zXZ",
		6},
	{"compressed with zstd", 0, "\x28\xb5\x2f\xfd", 4},
	{"compressed with bzip2", 4, "1AY&SY", 6},
	{"a zip archive", 0, "PK\x03\x04", 4},
	{"a 7-Zip archive", 0, "7z\xbc\xaf\x27\x1c", 6},
};

/* Is what no format claims a disk? Its boot sector says so whatever else it looks like. */
static int check_raw(const struct block *file, const uint8_t *head, size_t len, struct err *err)
{
	if (len >= 512 && head[510] == 0x55 && head[511] == 0xaa)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++)
		if (range_ok(foreign[i].at, foreign[i].len, len) &&
			!memcmp(head + foreign[i].at, foreign[i].magic, foreign[i].len))
			return err_set(err, ENOTSUP,
				"%s: is %s, not a disk image that can be read; if these are a "
				"disk's bytes, say that the format is raw",
				file->label, foreign[i].what);
	return 0;
}

/* The row that claims the file by its end, if any. */
static int probe_end(struct block *file, const struct image_format **ret, struct err *err)
{
	uint8_t tail[IMAGE_PROBE_END];
	size_t len = MIN((uint64_t)sizeof(tail), file->size);
	int best = 0, r = block_pread(file, tail, len, file->size - len, err);

	if (r < 0)
		return r;
	for (size_t i = 0; image_formats[i]; i++) {
		const struct image_format *f = image_formats[i];
		int score = f->probe_end ? f->probe_end(tail, len, file->size) : 0;

		if (score > best) {
			*ret = f;
			best = score;
		}
	}
	return best;
}

int image_probe(struct block *file, const struct image_format **ret, struct err *err)
{
	uint8_t head[IMAGE_PROBE_LEN];
	size_t len = MIN((uint64_t)sizeof(head), file->size);
	const struct image_format *best = &image_raw;
	int best_score = 0;
	int r = block_pread(file, head, len, 0, err);

	if (r < 0)
		return r;
	for (size_t i = 0; image_formats[i]; i++) {
		const struct image_format *f = image_formats[i];
		int score = f->probe ? f->probe(head, len, file->size) : 0;

		if (score > best_score) {
			best = f;
			best_score = score;
		}
	}
	if (!best_score)
		best_score = probe_end(file, &best, err);
	if (best_score < 0)
		return best_score;
	*ret = best;
	return best_score ? 0 : check_raw(file, head, len, err);
}

static int find(const char *name, const struct image_format **ret, struct err *err)
{
	*ret = image_format_find(name);
	return *ret ? 0 : err_set(err, EINVAL, "no image format is named \"%s\"", name);
}

/* Does the path end with one of the format's suffixes? */
static bool has_suffix(const char *path, const struct image_format *f)
{
	const char *dot = strrchr(path, '.');
	size_t len = dot ? strlen(dot + 1) : 0, n;

	for (const char *s = f->suffixes; len && s && *s; s += n + (s[n] == ',')) {
		n = strcspn(s, ",");
		if (n == len && !strncasecmp(s, dot + 1, n))
			return true;
	}
	return false;
}

/* Opens with the folder of `path` for names in the image, unless the caller gave another. */
static int open_in_folder(struct block **ret, struct block *take_file,
	const struct image_format *f, const char *path, bool trusted,
	const struct image_open *how, struct err *err)
{
	const char *slash = strrchr(path, '/');
	_auto_(mem) char *folder =
		slash ? xstrndup(path, (size_t)(slash - path) + 1) : xstrdup(".");
	_auto_(fd) int fd = -1;
	struct image_open h = *how;

	if (f->files && trusted && h.dirfd < 1) {
		fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return err_set_errno(err, errno, "cannot open the folder %s", folder);
		h.dirfd = fd;
	}
	return f->open(ret, take_file, &h, err);
}

int image_open(struct block **ret, const char *path, const char *format,
	const struct image_open *how, const struct image_format **ret_format, struct err *err)
{
	static const struct image_open plain;
	const struct image_open *h = how ? how : &plain;
	_auto_(block) struct block *file = NULL;
	const struct image_format *f;
	int r = block_file_open(
		&file, path, h->write ? BLOCK_FILE_WRITE | BLOCK_FILE_GROW : 0, err);

	if (r < 0)
		return r;
	r = format ? find(format, &f, err) : image_probe(file, &f, err);
	if (r < 0)
		return r;
	if (h->write && !(f->can & IMAGE_CAN_WRITE))
		return err_set(err, ENOTSUP, "%s: images of format %s are not written in place",
			path, f->name);
	r = open_in_folder(ret, file, f, path, format || has_suffix(path, f), h, err);
	if (r < 0)
		return r;
	STEAL(file);
	if (ret_format)
		*ret_format = f;
	return 0;
}

int image_create(struct block **ret, const char *path, const struct image_format *format,
	const struct image_create *how, struct err *err)
{
	_auto_(block) struct block *file = NULL;
	int r;

	if (!(format->can & IMAGE_CAN_CREATE))
		return err_set(err, ENOTSUP, "%s: images of format %s are not made", path,
			format->name);
	r = block_file_create(&file, path, how->direct ? BLOCK_FILE_DIRECT : 0, err);
	if (r < 0)
		return r;
	r = format->create(ret, file, how, err);
	if (r < 0) {
		unlink(path);
		return r;
	}
	STEAL(file);
	return 0;
}
