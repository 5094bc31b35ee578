// SPDX-License-Identifier: LGPL-2.1-or-later
/* qemu_devices: which drivers bound to which virtio devices, asked of the running QEMU. */
#include "formats/base/str.h"
#include "v2v/check/qemu/engine_qemu.h"

#include <ctype.h>
#include <stdio.h>

/* "VIRTIO_BLK_F_FLUSH: Flush command supported" is listed as its first word. */
static void add_features(struct str *s, const json_t *list)
{
	const json_t *value;
	size_t i;

	json_array_foreach(list, i, value)
	{
		const char *text = json_string_value(value);

		if (!text)
			continue;
		if (s->len)
			str_addc(s, ' ');
		str_addn(s, text, strcspn(text, ": "));
	}
}

static bool list_has(const json_t *list, const char *prefix)
{
	const json_t *value;
	size_t i;

	json_array_foreach(list, i, value)
	{
		const char *text = json_string_value(value);

		if (text && starts_with(text, prefix))
			return true;
	}
	return false;
}

/*
 * Firmware drives virtio disks too, with the barest features; every operating system's driver
 * asks for indirect descriptors or event indexes, which QEMU offers.
 */
static enum engine_device_state state_of(const json_t *status)
{
	const json_t *bits = json_object_get(json_object_get(status, "status"), "statuses");
	const json_t *ring =
		json_object_get(json_object_get(status, "guest-features"), "transports");

	if (!list_has(bits, "VIRTIO_CONFIG_S_DRIVER_OK"))
		return ENGINE_DEVICE_UNUSED;
	if (list_has(ring, "VIRTIO_RING_F_EVENT_IDX") ||
		list_has(ring, "VIRTIO_RING_F_INDIRECT_DESC"))
		return ENGINE_DEVICE_DRIVEN;
	return ENGINE_DEVICE_FIRMWARE;
}

static int ask_virtio(struct qmp *q, const char *path, struct engine_device *d, struct err *err)
{
	_auto_str_ struct str features = STR_INIT;
	json_t *status, *guest;
	int r = qmp_call(
		q, "x-query-virtio-status", json_pack("{s:s}", "path", path), &status, err);

	if (r < 0)
		return r;
	d->state = state_of(status);
	guest = json_object_get(status, "guest-features");
	add_features(&features, json_object_get(guest, "transports"));
	add_features(&features, json_object_get(guest, "dev-features"));
	snprintf(d->features, sizeof(d->features), "%s", features.s);
	json_decref(status);
	return 0;
}

/* "disk3" -> "disk 3"; "rng" -> "". */
static void name_what(char *to, size_t size, const char *id, size_t len)
{
	size_t word = 0;

	while (word < len && isalpha((unsigned char)id[word]))
		word++;
	to[0] = 0;
	if (word < len)
		snprintf(to, size, "%.*s %.*s", (int)word, id, (int)(len - word), id + word);
}

/* The virtio device under /machine/peripheral/ID, or NULL. */
static const char *virtio_path(const json_t *list, const char *id, size_t len)
{
	static const char top[] = "/machine/peripheral/";
	const json_t *value;
	size_t i;

	json_array_foreach(list, i, value)
	{
		const char *path = json_string_value(json_object_get(value, "path"));

		if (path && starts_with(path, top) && !strncmp(path + strlen(top), id, len) &&
			path[strlen(top) + len] == '/')
			return path;
	}
	return NULL;
}

int qemu_devices(struct qmp *q, char *const *devices, struct engine_device **ret, unsigned *n,
	struct err *err)
{
	size_t count = MIN(strv_len(devices), (size_t)ENGINE_MAX_DEVICES);
	struct engine_device *list;
	json_t *virtio;
	int r = qmp_call(q, "x-query-virtio", NULL, &virtio, err);

	if (r < 0)
		return r;
	list = xcalloc(count, sizeof(*list));
	for (size_t i = 0; i < count && r >= 0; i++) {
		size_t id = strcspn(devices[i], " ");
		const char *path = virtio_path(virtio, devices[i], id);

		snprintf(list[i].name, sizeof(list[i].name), "%s", devices[i] + id + 1);
		name_what(list[i].what, sizeof(list[i].what), devices[i], id);
		if (path)
			r = ask_virtio(q, path, &list[i], err);
	}
	json_decref(virtio);
	if (r < 0) {
		free(list);
		return r;
	}
	*ret = list;
	*n = (unsigned)count;
	return 0;
}
