// SPDX-License-Identifier: LGPL-2.1-or-later
/* main: finds the subcommand, parses its options, runs it. */
#include "cli/cli.h"
#include "cli/commands.h"

#include "formats/base/log.h"
#include "formats/base/str.h"

#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

const struct opt cli_common_opts[] = {
	{"-h", "--help", OPT_FLAG, offsetof(struct cli_common, help), NULL, "show this help"},
	{"-q", "--quiet", OPT_FLAG, offsetof(struct cli_common, quiet), NULL,
		"print results and errors only"},
	{"-v", "--verbose", OPT_FLAG, offsetof(struct cli_common, verbose), NULL,
		"print what is being done, in detail"},
	{"-D", "--debug", OPT_STRING, offsetof(struct cli_common, debug), "AREAS",
		"debug messages of these areas (vmdk,nbd ...; all)"},
	{NULL, "--json", OPT_FLAG, offsetof(struct cli_common, json), NULL,
		"print the result as JSON"},
	{NULL, "--progress", OPT_STRING, offsetof(struct cli_common, progress), "HOW",
		"auto, none, bar, lines, or fd:N for JSON lines"},
	{0},
};

/* In the order of `wherry help`. */
const struct command *const commands[] = {
	&command_convert,
	&command_plan,
	&command_inspect,
	&command_check,
	&command_copy,
	&command_info,
	&command_serve,
	&command_features,
	NULL,
};

static volatile sig_atomic_t interrupts;

static void on_signal(int sig)
{
	static const char text[] = "\nwherry: stopping and undoing; once more to end at once\n";

	if (interrupts++)
		_exit(EXIT_INTERRUPTED);
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		return;
}

bool cli_interrupted(void)
{
	return interrupts > 0;
}

int cli_error(const struct err *err)
{
	fprintf(stderr, "wherry: %s\n", err->text);
	switch (err->code) {
	case ECANCELED:
		return EXIT_INTERRUPTED;
	case ENOTSUP:
		return EXIT_UNSUPPORTED;
	default:
		return EXIT_FAILED;
	}
}

void cli_warn(const char *fmt, ...)
{
	va_list ap;

	fputs("wherry: warning: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void cli_print_json(struct json_t *take_value)
{
	json_dumpf(take_value, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(take_value);
}

static void print_commands(void)
{
	puts("wherry " WHERRY_VERSION
	     ": converts virtual machines to KVM guests, and boots them to prove it\n\n"
	     "usage: wherry COMMAND [OPTIONS] ARGUMENTS\n");
	for (const struct command *const *c = commands; *c; c++)
		printf("  %-10s %s\n", (*c)->name, (*c)->summary);
	puts("\n'wherry COMMAND --help' shows a command's options, 'man wherry-COMMAND' explains "
	     "them.");
}

static void print_help(const struct command *c)
{
	printf("usage: wherry %s [OPTIONS] %s\n\n%s\n\n", c->name, c->args, c->summary);
	if (c->opts) {
		opt_print(c->opts);
		putchar('\n');
	}
	puts("Options of every command:");
	opt_print(cli_common_opts);
}

static const struct command *find_command(const char *name)
{
	for (const struct command *const *c = commands; *c; c++)
		if (!strcmp((*c)->name, name))
			return *c;
	return NULL;
}

static int usage(const char *command, const char *text)
{
	fprintf(stderr, "wherry%s%s: %s\nTry 'wherry %s%s--help'.\n", command ? " " : "",
		command ? command : "", text, command ? command : "", command ? " " : "");
	return EXIT_USAGE;
}

int cli_usage(const struct cli_common *common, const struct err *err)
{
	return usage(common->command, err->text);
}

/* NULL, or what is wrong with --progress HOW. */
static char *check_progress(const char *how)
{
	static const char *const words[] = {"auto", "none", "bar", "lines"};
	uint64_t fd;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!how || !strcmp(how, words[i]))
			return NULL;
	if (!starts_with(how, "fd:") || parse_u64(how + 3, 1023, &fd) < 0)
		return xasprintf(
			"--progress: '%s' is not one of auto, none, bar, lines, fd:N", how);
	return fcntl((int)fd, F_GETFD) < 0
		       ? xasprintf("--progress %s: there is no open file with that number", how)
		       : NULL;
}

static int no_command(const char *name)
{
	_auto_(mem) char *text = NULL;
	const char *names[64] = {0}, *near;

	for (size_t i = 0; commands[i] && i + 1 < ARRAY_SIZE(names); i++)
		names[i] = commands[i]->name;
	near = opt_nearest(name, names, sizeof(names[0]));
	text = xasprintf("no command '%s'%s%s%s", name, near ? "; did you mean '" : "",
		near ? near : "", near ? "'?" : "");
	return usage(NULL, text);
}

static void catch_signals(void)
{
	static const int stops[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction sa = {.sa_handler = on_signal}, old;

	/* Those that the caller ignores (nohup, a job in the background) stay ignored. */
	for (size_t i = 0; i < ARRAY_SIZE(stops); i++)
		if (!sigaction(stops[i], NULL, &old) && old.sa_handler != SIG_IGN)
			sigaction(stops[i], &sa, NULL);
	sa.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &sa, NULL);
	/* A limit on the size of files is an error of the write, which undoes what was begun. */
	sigaction(SIGXFSZ, &sa, NULL);
}

static int run(const struct command *c, char **argv)
{
	_Alignas(max_align_t) char fields[CLI_OPTS_MAX] = {0};
	struct cli_common common = {.command = c->name};
	_auto_(mem) char *wrong = NULL;
	struct err err = {0};
	char **args = NULL;
	size_t n;
	int r;

	if (opt_parse(argv, c->opts, fields, cli_common_opts, &common, &args, &err) < 0) {
		r = usage(c->name, err.text);
		goto out;
	}
	if (common.help) {
		print_help(c);
		r = EXIT_DONE;
		goto out;
	}
	n = strv_len(args);
	if (n < c->min_args || n > c->max_args) {
		_auto_(mem) char *text =
			n < c->min_args
				? xasprintf("what is missing: %s", c->args)
				: xasprintf("unexpected argument '%s'", args[c->max_args]);

		r = usage(c->name, text);
		goto out;
	}
	wrong = check_progress(common.progress);
	if (wrong) {
		r = usage(c->name, wrong);
		goto out;
	}
	if (common.debug)
		log_setup(LOG_TRACE, strcmp(common.debug, "all") ? common.debug : NULL,
			STDERR_FILENO);
	else if (common.verbose)
		log_setup(LOG_DEBUG, NULL, STDERR_FILENO);
	r = c->run(&common, fields, args);
	if (fflush(stdout) || ferror(stdout)) {
		fputs("wherry: cannot write to standard output\n", stderr);
		r = r ? r : EXIT_FAILED;
	}
out:
	opt_free(c->opts, fields);
	free(args);
	return r;
}

int main(int argc, char **argv)
{
	const struct command *c;
	char *name = argc > 1 ? argv[1] : NULL;

	catch_signals();
	if (!name || !strcmp(name, "--help") || !strcmp(name, "-h") ||
		(!strcmp(name, "help") && !argv[2])) {
		print_commands();
		return name ? EXIT_DONE : EXIT_USAGE;
	}
	if (!strcmp(name, "--version") || !strcmp(name, "-V")) {
		puts("wherry " WHERRY_VERSION);
		return EXIT_DONE;
	}
	if (!strcmp(name, "help")) {
		c = find_command(argv[2]);
		if (!c)
			return no_command(argv[2]);
		print_help(c);
		return EXIT_DONE;
	}
	c = find_command(name);
	return c ? run(c, argv + 2) : no_command(name);
}
