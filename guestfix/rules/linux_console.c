// SPDX-License-Identifier: LGPL-2.1-or-later
// linux_console: a console on the first serial port. What is there is kept; one is added only
// when asked for. systemd starts a login on what the kernel has as its console by itself.
#include "guestfix/rules/rules.h"

static const char cfg_path[] = "/boot/grub/grub.cfg";
static const char default_path[] = "/etc/default/grub";
static const char summary[] = "add a console on ttyS0";
static const char reason[] = "asked for: the kernel and a login on the serial port";

/* Is this line of grub.cfg a kernel with its parameters? */
static bool is_linux_line(const struct span *line)
{
	struct span word;
	size_t at = 0;

	return text_word(line, &at, &word) &&
	       (span_is(word, "linux") || span_is(word, "linux16") ||
		       span_is(word, "linuxefi"));
}

static bool has_serial(struct span params)
{
	return memmem(params.s, params.len, "console=ttyS0", 13) != NULL;
}

/* With tty0 before it, the screen goes on showing messages; the last one is /dev/console. */
static const char *addition(struct span params)
{
	return memmem(params.s, params.len, "console=tty0", 12)
		       ? " console=ttyS0,115200"
		       : " console=tty0 console=ttyS0,115200";
}

/* Looks at all kernel lines; counts those with and without. */
static void count_lines(const char *text, size_t len, unsigned *with, unsigned *without)
{
	const char *pos = text, *end = text + len;
	struct span line;

	while (text_line(&pos, end, &line))
		if (is_linux_line(&line))
			++*(has_serial(line) ? with : without);
}

static void change_cfg(struct rules *r, const char *text, size_t len)
{
	const char *pos = text, *end = text + len;
	_auto_str_ struct str out = STR_INIT;
	struct span line;

	while (text_line(&pos, end, &line)) {
		struct span params = span_trim(line);
		size_t at_end = (size_t)(params.s + params.len - line.s);

		if (is_linux_line(&line) && !has_serial(line)) {
			str_addn(&out, line.s, at_end);
			str_add(&out, addition(line));
			str_addn(&out, line.s + at_end, line.len - at_end);
		} else {
			str_addn(&out, line.s, line.len);
		}
		if (line.s + line.len < end)
			str_addc(&out, '\n');
	}
	len = out.len;
	rules_write(r, cfg_path, str_steal(&out), len, summary, reason);
}

/* So that the next update-grub keeps it. */
static void change_default(struct rules *r)
{
	const char *text;
	struct span value;
	size_t len;

	if (!rules_text(r, default_path, &text, &len))
		return;
	if (text_shell_span(text, len, "GRUB_CMDLINE_LINUX", &value)) {
		const char *end = value.s + value.len;
		char *changed;

		/* Without quotes a second word would be a command. */
		if (has_serial(value) || end >= text + len || (*end != '"' && *end != '\'')) {
			if (!has_serial(value))
				rules_todo(r, "%s: add console=ttyS0 to GRUB_CMDLINE_LINUX",
					default_path);
			return;
		}
		changed = text_splice(text, len, end, 0,
			value.len ? addition(value) : addition(value) + 1, &len);
		rules_write(r, default_path, changed, len, summary, reason);
	} else {
		_auto_str_ struct str out = STR_INIT;

		str_addn(&out, text, len);
		if (len && text[len - 1] != '\n')
			str_addc(&out, '\n');
		str_add(&out, "GRUB_CMDLINE_LINUX=\"console=tty0 console=ttyS0,115200\"\n");
		len = out.len;
		rules_write(r, default_path, str_steal(&out), len, summary, reason);
	}
}

int rule_console(struct rules *r, struct err *err)
{
	unsigned with = 0, without = 0;
	const char *text;
	size_t len;

	if (!rules_text(r, cfg_path, &text, &len)) {
		if (r->o->serial_console)
			rules_todo(r,
				"there is no %s: add console=ttyS0 to the boot loader's "
				"configuration by hand",
				cfg_path);
		return 0;
	}
	count_lines(text, len, &with, &without);
	r->p->caps.serial_console = with > 0;
	if (!r->o->serial_console || !without)
		return 0;
	change_cfg(r, text, len);
	change_default(r);
	r->p->caps.serial_console = true;
	return 0;
}
