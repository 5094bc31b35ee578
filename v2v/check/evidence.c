// SPDX-License-Identifier: LGPL-2.1-or-later
/* evidence: writes down what the check saw. */
#include "v2v/check/evidence.h"

#include "formats/base/json.h"
#include "formats/base/io.h"
#include "formats/base/str.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

struct evidence {
	char *dir;
	int serial;
	size_t serial_bytes;
	int serial_error; /* errno of the first failure, 0 = none */
	struct str events;
	unsigned n_events;
};

static char *path_of(const struct evidence *e, const char *name)
{
	return xasprintf("%s/%s", e->dir, name);
}

int evidence_new(struct evidence **ret, const char *dir, struct err *err)
{
	static const char *const old[] = {"screen.png", "machine.txt", "report.json"};
	_auto_(mem) char *serial = NULL;
	struct evidence *e;
	int fd;

	if (!dir)
		return 0;
	if (mkdir(dir, 0777) < 0 && errno != EEXIST)
		return err_set_errno(err, errno,
			"cannot make the folder %s (another place: --evidence DIR)", dir);
	serial = xasprintf("%s/serial.log", dir);
	fd = open(serial, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_set_errno(err, errno, "cannot create %s", serial);
	e = xnew(struct evidence);
	e->dir = xstrdup(dir);
	e->serial = fd;
	e->events = (struct str)STR_INIT;
	/* An earlier check's evidence must not pass for this one's. */
	for (size_t i = 0; i < ARRAY_SIZE(old); i++) {
		_auto_(mem) char *path = path_of(e, old[i]);

		unlink(path);
	}
	*ret = e;
	return 0;
}

void evidence_free(struct evidence *e)
{
	if (!e)
		return;
	close(e->serial);
	str_clear(&e->events);
	free(e->dir);
	free(e);
}

void evidence_serial(struct evidence *e, const void *bytes, size_t len)
{
	static const char cut[] = "\n[wherry: the rest was not kept]\n";
	int r;

	if (!e || e->serial_error || e->serial_bytes > EVIDENCE_SERIAL_MAX)
		return;
	e->serial_bytes += len;
	r = io_write(e->serial, bytes, len, "serial.log", NULL);
	if (r >= 0 && e->serial_bytes > EVIDENCE_SERIAL_MAX)
		r = io_write(e->serial, cut, strlen(cut), "serial.log", NULL);
	if (r < 0)
		e->serial_error = -r;
}

void evidence_event(
	struct evidence *e, enum engine_event_kind kind, const char *detail, double seconds)
{
	static const char *const names[] = {
		[ENGINE_RESET] = "reset",
		[ENGINE_POWEROFF] = "power off",
		[ENGINE_PANIC] = "panic",
		[ENGINE_FAILED] = "engine failed",
	};

	if (e && e->n_events++ < EVIDENCE_EVENTS_MAX)
		str_addf(&e->events, "\t%.1f s: %s %s\n", seconds, names[kind], detail);
}

int evidence_machine(struct evidence *e, const struct engine_ops *ops,
	const struct engine *engine, struct check_report *r, struct err *err)
{
	_auto_str_ struct str s = STR_INIT;
	_auto_(mem) char *machine = NULL, *path = NULL;
	int ret;

	if (!e)
		return 0;
	machine = ops->describe(engine);
	path = path_of(e, "machine.txt");
	str_addf(&s, "accelerator: %s\n", r->kvm ? "kvm" : "emulation");
	if (r->accel_why[0])
		str_addf(&s, "because: %s\n", r->accel_why);
	str_addf(&s, "memory: %" PRIu64 " MiB\nvcpus: %u\n", r->memory / MiB, r->vcpus);
	if (r->console == CHECK_CONSOLE_ADDED)
		str_add(&s,
			"serial console: put on the kernel's command line for this boot only\n");
	str_add(&s, machine);
	str_addf(&s, "events:\n%s", e->events.s);
	if (e->serial_error)
		str_addf(&s, "serial.log is incomplete: %s\n", strerror(e->serial_error));
	ret = io_write_file(path, s.s, s.len, err);
	if (ret < 0)
		return ret;
	r->machine = STEAL(path);
	r->serial_log = path_of(e, "serial.log");
	return 0;
}

void evidence_screen(struct evidence *e, const struct engine_ops *ops, struct engine *engine,
	struct check_report *r)
{
	char *path;

	if (!e)
		return;
	path = path_of(e, "screen.png");
	if (ops->screen(engine, path, NULL) < 0)
		free(path);
	else
		r->screen = path;
}

int evidence_report(struct evidence *e, struct check_report *r, struct err *err)
{
	_auto_(mem) char *text = NULL;
	json_t *j;

	if (!e)
		return 0;
	r->json = path_of(e, "report.json");
	j = check_report_json(r);
	text = json_dumps(j, JSON_INDENT(2));
	json_decref(j);
	return io_write_file(r->json, text, strlen(text), err);
}

static json_t *text_or_null(const char *s)
{
	return s && *s ? json_text(s) : json_null();
}

static json_t *phases_json(const struct check_report *r)
{
	json_t *j = json_object();

	for (unsigned i = 0; i < WATCH_N_PHASES; i++)
		json_object_set_new(j, watch_phase_name((enum watch_phase)i),
			r->phase[i] < 0 ? json_null() : json_real(r->phase[i]));
	return j;
}

static json_t *devices_json(const struct check_report *r)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < r->n_devices; i++) {
		const struct engine_device *d = &r->devices[i];

		json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:s}", "name", d->name, "what",
				      d->what, "state", engine_device_state_name(d->state),
				      "features", d->features));
	}
	return list;
}

json_t *check_report_json(const struct check_report *r)
{
	json_t *j = json_pack("{s:s, s:b, s:s}", "verdict", r->verdict->name, "pass",
		r->verdict->pass, "sentence", r->verdict->sentence);

	json_object_set_new(j, "detail", text_or_null(r->detail));
	json_object_set_new(j, "cause", text_or_null(r->cause));
	json_object_set_new(j, "advice", text_or_null(r->verdict->advice));
	json_object_set_new(j, "seconds", json_real(r->seconds));
	json_object_set_new(j, "phases", phases_json(r));
	json_object_set_new(j, "reached", json_string(watch_phase_name(r->reached)));
	json_object_set_new(j, "resets", json_integer(r->resets));
	json_object_set_new(j, "engine", json_string(r->engine));
	json_object_set_new(j, "accelerator", json_string(r->kvm ? "kvm" : "emulation"));
	json_object_set_new(j, "accelerator_why", text_or_null(r->accel_why));
	json_object_set_new(j, "memory", json_integer((json_int_t)r->memory));
	json_object_set_new(j, "vcpus", json_integer(r->vcpus));
	json_object_set_new(
		j, "console_added", json_boolean(r->console == CHECK_CONSOLE_ADDED));
	json_object_set_new(j, "devices", devices_json(r));
	json_object_set_new(j, "devices_error", text_or_null(r->devices_error));
	json_object_set_new(j, "notes", json_texts(r->notes));
	json_object_set_new(j, "evidence",
		json_pack("{s:o, s:o, s:o, s:o}", "serial", text_or_null(r->serial_log),
			"screen", text_or_null(r->screen), "machine", text_or_null(r->machine),
			"report", text_or_null(r->json)));
	return j;
}
