// SPDX-License-Identifier: LGPL-2.1-or-later
/* show: progress on a terminal, in lines, or as JSON lines on a descriptor. */
#include "cli/cli.h"

#include "formats/base/io.h"
#include "formats/base/str.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum mode { SHOW_NONE, SHOW_BAR, SHOW_LINES, SHOW_JSON };

/* Seconds between two updates. */
#define BAR_INTERVAL   0.1
#define LINES_INTERVAL 10.0
#define JSON_INTERVAL  0.5

struct show {
	enum mode mode;
	int fd;
	bool drawn;   /* a bar is on the screen */
	bool seconds; /* the stage counts milliseconds */
	double stage_start, last;
	char *stage;
	struct progress progress;
};

static int terminal_width(void)
{
	struct winsize ws;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &ws) < 0 || !ws.ws_col)
		return 80;
	return ws.ws_col;
}

void show_clear(struct show *s)
{
	if (s->drawn)
		fputs("\r\033[K", stderr);
	s->drawn = false;
}

static void draw_bar(struct show *s, double part, uint64_t done, double elapsed)
{
	int width = terminal_width() - 58, filled;
	char size[32], speed[32];

	width = MAX(width, 10);
	filled = (int)(part * width);
	format_size(size, sizeof(size), done);
	format_size(speed, sizeof(speed), elapsed > 0 ? (uint64_t)((double)done / elapsed) : 0);
	fprintf(stderr, "\r%-22.22s [", s->stage);
	for (int i = 0; i < width; i++)
		fputc(i < filled ? '=' : ' ', stderr);
	if (s->seconds)
		fprintf(stderr, "] %.0f s\033[K", (double)done / 1000);
	else
		fprintf(stderr, "] %3.0f%% %10s %9s/s\033[K", part * 100, size, speed);
	fflush(stderr);
	s->drawn = true;
}

static void write_json(struct show *s, uint64_t done, uint64_t total, double elapsed)
{
	_auto_str_ struct str line = STR_INIT;
	struct err err;

	/* The label is ours: letters, digits and spaces. */
	str_addf(&line, "{\"stage\":\"%s\",\"done\":%llu,\"total\":%llu,\"seconds\":%.1f}\n",
		s->stage, (unsigned long long)done, (unsigned long long)total, elapsed);
	if (io_write(s->fd, line.s, line.len, "progress", &err) < 0)
		s->mode = SHOW_NONE; /* nobody listens any more */
}

static int report(void *opaque, uint64_t done, uint64_t total)
{
	static const double intervals[] = {
		[SHOW_BAR] = BAR_INTERVAL,
		[SHOW_LINES] = LINES_INTERVAL,
		[SHOW_JSON] = JSON_INTERVAL,
	};
	struct show *s = opaque;
	double now = io_now(), part = total ? (double)done / (double)total : 1;

	if (cli_interrupted())
		return 1;
	if (s->mode == SHOW_NONE || (now - s->last < intervals[s->mode] && done < total))
		return 0;
	s->last = now;
	if (s->mode == SHOW_BAR)
		draw_bar(s, part, done, now - s->stage_start);
	else if (s->mode == SHOW_JSON)
		write_json(s, done, total, now - s->stage_start);
	else if (done < total && s->seconds)
		fprintf(stderr, "%s: %.0f s\n", s->stage, (double)done / 1000);
	else if (done < total)
		fprintf(stderr, "%s: %.0f%%\n", s->stage, part * 100);
	return 0;
}

struct show *show_new(const struct cli_common *common)
{
	const char *how = common->progress ? common->progress : "auto";
	struct show *s = xnew(struct show);
	uint64_t fd;

	s->progress = (struct progress){.report = report, .opaque = s};
	s->stage = xstrdup("");
	if (starts_with(how, "fd:") && !parse_u64(how + 3, 1023, &fd)) {
		s->mode = SHOW_JSON;
		s->fd = (int)fd;
	} else if (common->quiet || !strcmp(how, "none")) {
		s->mode = SHOW_NONE;
	} else if (!strcmp(how, "bar") || (!strcmp(how, "auto") && isatty(STDERR_FILENO))) {
		s->mode = SHOW_BAR;
	} else {
		s->mode = SHOW_LINES;
	}
	show_stage(s, "");
	return s;
}

void show_stage(struct show *s, const char *label)
{
	show_clear(s);
	free(s->stage);
	s->stage = xstrdup(label);
	s->stage_start = io_now();
	s->last = s->mode == SHOW_LINES ? s->stage_start : 0;
	s->seconds = false;
}

void show_stage_seconds(struct show *s, const char *label)
{
	show_stage(s, label);
	s->seconds = true;
}

const struct progress *show_progress(struct show *s)
{
	return &s->progress;
}

void show_free(struct show *s)
{
	if (!s)
		return;
	show_clear(s);
	free(s->stage);
	free(s);
}
