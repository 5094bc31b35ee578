/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cli: what every subcommand has in common: the table of commands, the options that all of them
 * know, exit codes, the way errors, results and progress are shown. Only this folder prints.
 *
 * Results go to standard output, progress and errors to standard error.
 */
#pragma once

#include "cli/opt.h"
#include "formats/base/progress.h"

struct json_t;

enum {
	EXIT_DONE = 0,   /* done and, where asked, proven */
	EXIT_FAILED = 1, /* failed, undone */
	EXIT_USAGE = 2,
	EXIT_UNSUPPORTED = 3, /* source not supported, nothing written */
	EXIT_BOOT = 4,        /* converted, but the boot check failed */
	EXIT_EMULATED = 5,    /* converted with emulated (non-virtio) devices */
	EXIT_INTERRUPTED = 130,
};

/* Options of every command. */
struct cli_common {
	bool help, quiet, verbose, json;
	char *debug;    /* areas */
	char *progress; /* auto, none, bar, lines, fd:N */
	const char *command;
};
extern const struct opt cli_common_opts[];

struct command {
	const char *name;
	const char *summary; /* one line */
	const char *args;    /* "SOURCE DESTINATION" */
	unsigned min_args, max_args;
	const struct opt *opts; /* NULL = none of its own */
	size_t opts_size;       /* of the struct the table fills; at most CLI_OPTS_MAX */
	/* `args` is a strv; returns an exit code. */
	int (*run)(const struct cli_common *common, void *opts, char **args);
};

#define CLI_OPTS_MAX 512

extern const struct command *const commands[]; /* NULL-terminated; in main.c */

/* "wherry: TEXT" on standard error; returns the exit code that belongs to the error: 130 for
 * ECANCELED, 3 for ENOTSUP, else 1. */
int cli_error(const struct err *err);
/* The same for a wrong use that only the command could see; returns EXIT_USAGE. */
int cli_usage(const struct cli_common *common, const struct err *err);
/* "wherry: warning: TEXT" */
void cli_warn(const char *fmt, ...) _printf_(1, 2);
/* Prints the value (taken) as indented JSON to standard output. */
void cli_print_json(struct json_t *take_value);

/* SIGINT, SIGTERM and SIGHUP ask the running command to stop: true from then on. The second one
 * ends the process at once. */
bool cli_interrupted(void);

/*
 * A progress display: a bar on a terminal, a line now and then elsewhere, JSON lines with fd:N,
 * nothing with --quiet. `stage` may change the label in the middle.
 *
 *	struct show *show = show_new(common);
 *	show_stage(show, "Copying disk 1/2");
 *	opts.progress = show_progress(show);
 *	...
 *	show_free(show);
 *
 * The progress callback cancels once cli_interrupted().
 */
struct show;
struct show *show_new(const struct cli_common *common);
void show_stage(struct show *s, const char *label);
/* The same for a stage that counts milliseconds instead of bytes. */
void show_stage_seconds(struct show *s, const char *label);
/* Removes the bar from the terminal, so that a line can be printed. */
void show_clear(struct show *s);
const struct progress *show_progress(struct show *s);
void show_free(struct show *s);
DEFINE_AUTO(show)
