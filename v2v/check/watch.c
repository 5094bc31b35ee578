// SPDX-License-Identifier: LGPL-2.1-or-later
/* watch: console bytes to lines, lines and events to phases and one verdict. */
#include "v2v/check/watch.h"

#include "formats/base/str.h"
#include "v2v/check/watch_rules.h"

#include <ctype.h>
#include <stdio.h>

/* A line that is not ended is looked at when nothing came for so long: a prompt. */
#define SETTLED_SECONDS 0.5
/* After a panic or power off was signalled, the console may still say why. */
#define PENDING_SECONDS 1.0
/* Bytes of a cut line that are looked at again with the next piece. */
#define OVERLAP         80
/* Kept of a line in details, causes and notes. */
#define DETAIL_MAX      300
/* Parameters of an escape sequence, after which it is taken for text. */
#define ESCAPE_MAX      64

enum escape { ESCAPE_NONE, ESCAPE_BEGUN, ESCAPE_CSI, ESCAPE_STRING };

struct watch {
	struct watch_opts opts;
	double start, last_output, now;

	char line[WATCH_LINE_MAX + 1];
	size_t len;
	bool fresh; /* the unfinished line grew since it was looked at */
	char last_line[DETAIL_MAX + 1];
	enum escape escape;
	unsigned escape_len;

	bool any; /* the phase below has been seen at all since the last reset */
	enum watch_phase phase;
	double first[WATCH_N_PHASES];
	unsigned resets;

	char cause[DETAIL_MAX + 1];
	enum watch_phase cause_phase;
	char **notes;

	int pending; /* enum watch_id, or -1 */
	double pending_since;
	int verdict; /* enum watch_id, or -1 */
	char detail[DETAIL_MAX + 1];
};

/* Longest part of a line before the text that matters which is kept with it. */
#define BEFORE_MATCH 200

/*
 * The line without leading and trailing blanks, cut, printable: control characters never get
 * here, except those of the second kind (U+0080 to U+009F).
 */
static void keep_line(char *to, const char *line)
{
	size_t n;

	while (isspace((unsigned char)*line))
		line++;
	n = strnlen(line, DETAIL_MAX);
	while (n && isspace((unsigned char)line[n - 1]))
		n--;
	memcpy(to, line, n);
	to[n] = 0;
	for (size_t i = 0; i + 1 < n; i++)
		if ((to[i] & 0xff) == 0xc2 && (to[i + 1] & 0xff) < 0xa0)
			to[i] = to[i + 1] = '?';
}

static void forget_phases(struct watch *w)
{
	w->any = false;
	w->phase = WATCH_FIRMWARE;
	for (unsigned i = 0; i < WATCH_N_PHASES; i++)
		w->first[i] = -1;
}

struct watch *watch_new(const struct watch_opts *o, double now)
{
	struct watch *w = xnew(struct watch);

	w->opts = *o;
	if (!w->opts.resets)
		w->opts.resets = WATCH_RESETS;
	w->start = w->last_output = w->now = now;
	w->verdict = w->pending = -1;
	forget_phases(w);
	return w;
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	strv_free(w->notes);
	free(w);
}

static void decide(struct watch *w, enum watch_id id, const char *detail)
{
	if (w->verdict >= 0)
		return;
	w->verdict = (int)id;
	keep_line(w->detail, detail);
}

static void reach(struct watch *w, enum watch_phase p)
{
	if (w->any && p <= w->phase)
		return;
	w->any = true;
	w->phase = p;
	w->first[p] = w->now - w->start;
}

static void find_phase(struct watch *w, const char *line)
{
	reach(w, WATCH_FIRMWARE);
	if (watch_is_kernel_line(line))
		reach(w, WATCH_KERNEL);
	for (const struct watch_phase_rule *r = watch_phase_rules; r->text; r++)
		if (r->phase > w->phase && strstr(line, r->text) &&
			!(r->unless && strstr(line, r->unless)))
			reach(w, r->phase);
}

/* Does the rule hold for this line, which has its text somewhere? */
static bool matches(const struct watch_line_rule *r, const char *line, enum watch_phase phase)
{
	if (phase < r->first || phase > r->last)
		return false;
	if (r->also && !strstr(line, r->also))
		return false;
	return r->where == WATCH_ANYWHERE || starts_with(line, r->text);
}

static void add_note(struct watch *w, const char *line)
{
	char text[DETAIL_MAX + 1];

	keep_line(text, line);
	if (strv_len(w->notes) < WATCH_NOTES && !strv_has(w->notes, text))
		strv_add(&w->notes, text);
}

static void set_cause(struct watch *w, const char *line)
{
	/* The first of a phase is nearest to the root of the trouble; a later phase's counts more. */
	if (w->cause[0] && w->cause_phase >= w->phase)
		return;
	keep_line(w->cause, line);
	w->cause_phase = w->phase;
}

static void look_at(struct watch *w, const char *line)
{
	while (*line == ' ' || *line == '\t')
		line++;
	if (!*line)
		return;
	find_phase(w, line);
	keep_line(w->last_line, line);
	if (watch_is_login_prompt(line)) {
		reach(w, WATCH_USERSPACE);
		decide(w, WATCH_LOGIN_PROMPT, line);
	}
	for (const struct watch_line_rule *r = watch_line_rules; r->text; r++) {
		const char *at = strstr(line, r->text);

		if (!at || !matches(r, line, w->phase))
			continue;
		/* In a very long line what matters is where the text is. */
		if (at - line > BEFORE_MATCH)
			line = at;
		if (r->meaning == WATCH_MEANS_VERDICT)
			decide(w, r->id, line);
		else if (r->meaning == WATCH_MEANS_CAUSE)
			set_cause(w, line);
		else
			add_note(w, line);
		break;
	}
}

static void end_line(struct watch *w)
{
	w->line[w->len] = 0;
	if (w->fresh)
		look_at(w, w->line);
	w->len = 0;
	w->fresh = false;
}

static void add_char(struct watch *w, char c)
{
	w->line[w->len++] = c;
	w->fresh = true;
	if (w->len == WATCH_LINE_MAX) {
		char tail[OVERLAP];

		memcpy(tail, w->line + w->len - OVERLAP, OVERLAP);
		end_line(w);
		memcpy(w->line, tail, OVERLAP);
		w->len = OVERLAP;
	}
}

/* One byte inside an escape sequence (ECMA-48). Those that move the cursor end the line. */
static void escape_char(struct watch *w, unsigned char c)
{
	if (++w->escape_len > ESCAPE_MAX && w->escape != ESCAPE_STRING) {
		w->escape = ESCAPE_NONE;
		return;
	}
	switch (w->escape) {
	case ESCAPE_BEGUN:
		if (c == '[')
			w->escape = ESCAPE_CSI;
		else if (c && strchr("]PX^_", c))
			w->escape = ESCAPE_STRING;
		else if (c < 0x20 || c > 0x2f) /* those in between announce one more byte */
			w->escape = ESCAPE_NONE;
		break;
	case ESCAPE_CSI:
		if (c < 0x40 || c > 0x7e)
			break;
		if (strchr("ABEFHJSTdf", c))
			end_line(w);
		else if (c == 'C' && w->len && w->line[w->len - 1] != ' ')
			add_char(w, ' ');
		w->escape = ESCAPE_NONE;
		break;
	case ESCAPE_STRING:
		/* Ends with BEL or ESC \; a newline or too much length shows it was none. */
		if (c == 7 || c == '\\' || c == '\n' || w->escape_len > WATCH_LINE_MAX)
			w->escape = ESCAPE_NONE;
		break;
	case ESCAPE_NONE:
		break;
	}
}

void watch_serial(struct watch *w, const void *bytes, size_t len, double now)
{
	const unsigned char *p = bytes;

	w->now = now;
	if (!len)
		return;
	w->last_output = now;
	for (; len--; p++) {
		if (*p == 0x1b) {
			w->escape = ESCAPE_BEGUN;
			w->escape_len = 0;
		} else if (w->escape != ESCAPE_NONE) {
			escape_char(w, *p);
		} else if (*p == '\n' || *p == '\r' || *p == '\f' || *p == '\v') {
			end_line(w);
		} else if (*p == '\b') {
			w->len -= w->len > 0;
		} else if (*p == '\t') {
			add_char(w, ' ');
		} else if (*p >= 0x20 && *p != 0x7f) {
			add_char(w, (char)*p);
		}
	}
}

/* `fmt` of decide() with "after how long, in which phase, at which line". */
static void decide_with_place(struct watch *w, enum watch_id id, const char *what)
{
	_auto_str_ struct str s = STR_INIT;

	str_add(&s, what);
	if (w->any)
		str_addf(&s, "; the last phase seen was: %s; the last line: %s",
			watch_phase_name(w->phase), w->last_line);
	else
		str_add(&s, "; nothing was ever printed");
	decide(w, id, s.s);
}

static void on_reset(struct watch *w)
{
	char text[80];

	end_line(w);
	w->resets++;
	w->pending = -1;
	if (w->resets >= w->opts.resets) {
		snprintf(text, sizeof(text), "%u resets in %.0f s", w->resets,
			w->now - w->start);
		decide_with_place(w, WATCH_REBOOT_LOOP, text);
	}
	w->escape = ESCAPE_NONE;
	w->last_output = w->now;
	if (w->verdict < 0)
		forget_phases(w);
}

static void suspect(struct watch *w, enum watch_id id, const char *detail)
{
	if (w->pending >= 0 || w->verdict >= 0)
		return;
	w->pending = (int)id;
	w->pending_since = w->now;
	keep_line(w->detail, detail ? detail : "");
}

void watch_event(struct watch *w, enum watch_event e, const char *detail, double now)
{
	w->now = now;
	switch (e) {
	case WATCH_EVENT_RESET:
		on_reset(w);
		break;
	case WATCH_EVENT_POWEROFF:
		suspect(w, WATCH_POWERED_OFF, detail);
		break;
	case WATCH_EVENT_PANIC:
		suspect(w, WATCH_KERNEL_PANIC, detail);
		break;
	case WATCH_EVENT_AGENT:
		reach(w, WATCH_USERSPACE);
		decide(w, WATCH_AGENT_ANSWERED, detail ? detail : "");
		break;
	case WATCH_EVENT_ENGINE:
		decide(w, WATCH_ENGINE_FAILED, detail ? detail : "");
		break;
	}
}

static void judge_time(struct watch *w)
{
	char text[80];

	if (w->now - w->last_output >= w->opts.silence && !w->opts.no_console) {
		snprintf(text, sizeof(text), "nothing for %.0f s", w->opts.silence);
		decide_with_place(w, WATCH_NO_OUTPUT, text);
	}
	if (w->now - w->start >= w->opts.timeout) {
		snprintf(text, sizeof(text), "not up after %.0f s", w->opts.timeout);
		decide_with_place(w, w->opts.no_console ? WATCH_NO_SIGN : WATCH_TIMEOUT, text);
	}
}

void watch_tick(struct watch *w, double now)
{
	w->now = now;
	if (w->fresh && now - w->last_output >= SETTLED_SECONDS) {
		w->line[w->len] = 0;
		w->fresh = false;
		look_at(w, w->line);
	}
	if (w->verdict < 0 && w->pending >= 0) {
		char detail[DETAIL_MAX + 1];

		memcpy(detail, w->detail, sizeof(detail));
		if (now - w->pending_since >= PENDING_SECONDS)
			decide(w, (enum watch_id)w->pending, detail);
		return;
	}
	judge_time(w);
}

const struct watch_verdict *watch_verdict(const struct watch *w)
{
	return w->verdict < 0 ? NULL : &watch_verdicts[w->verdict];
}

const char *watch_detail(const struct watch *w)
{
	return w->verdict < 0 ? "" : w->detail;
}

const char *watch_cause(const struct watch *w)
{
	return w->cause;
}

double watch_phase_seconds(const struct watch *w, enum watch_phase p)
{
	return w->first[p];
}

enum watch_phase watch_phase(const struct watch *w)
{
	return w->phase;
}

unsigned watch_resets(const struct watch *w)
{
	return w->resets;
}

char *const *watch_notes(const struct watch *w)
{
	return w->notes;
}

const char *watch_phase_name(enum watch_phase p)
{
	static const char *const names[] = {
		[WATCH_FIRMWARE] = "firmware",
		[WATCH_LOADER] = "boot loader",
		[WATCH_KERNEL] = "kernel",
		[WATCH_USERSPACE] = "user space",
	};

	return p < ARRAY_SIZE(names) ? names[p] : "unknown";
}
