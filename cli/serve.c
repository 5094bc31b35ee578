// SPDX-License-Identifier: LGPL-2.1-or-later
/* serve: shows the content of an image to other programs over NBD. */
#include "cli/commands.h"

#include "formats/base/alloc.h"
#include "formats/base/str.h"
#include "formats/image.h"
#include "formats/nbd/nbd_server.h"

#include <ctype.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>

struct serve_cli {
	char *socket, *format;
	bool write, once;
};

static const struct opt serve_opts[] = {
	{"-f", "--format", OPT_STRING, offsetof(struct serve_cli, format), "FORMAT",
		"format of the image (default: look into it)"},
	{NULL, "--socket", OPT_STRING, offsetof(struct serve_cli, socket), "PATH",
		"the Unix socket to make; required"},
	{NULL, "--write", OPT_FLAG, offsetof(struct serve_cli, write), NULL,
		"let clients change the image"},
	{NULL, "--once", OPT_FLAG, offsetof(struct serve_cli, once), NULL,
		"end when the last client has left"},
	{0},
};

/* The path as a part of a URI. */
static char *uri_of(const char *path)
{
	char *uri = xmalloc(strlen(path) * 3 + 64);
	char *p = stpcpy(uri, "nbd+unix:///?socket=");

	for (; *path; path++) {
		unsigned char c = *path;

		if (isalnum(c) || strchr("/-._~", c))
			*p++ = c;
		else
			p += sprintf(p, "%%%02X", c);
	}
	*p = 0;
	return uri;
}

static void announce(const struct cli_common *common, const struct serve_cli *o,
	const struct block *image, const struct image_format *format)
{
	_auto_(mem) char *uri = uri_of(o->socket);

	if (common->json)
		cli_print_json(json_pack("{s:s, s:s, s:I, s:b}", "uri", uri, "format",
			format->name, "size", (json_int_t)image->size, "writable", o->write));
	else
		puts(uri);
	fflush(stdout);
}

/* Until a signal, or with --once until the last client has left. Signals are let in only while
 * it waits, so none is missed between the question and the waiting. */
static void wait_for_end(struct nbd_server *server, bool once, const sigset_t *waiting)
{
	struct pollfd p = {.fd = once ? nbd_server_idle_fd(server) : -1, .events = POLLIN};

	while (!cli_interrupted())
		if (ppoll(&p, 1, NULL, waiting) > 0)
			break;
}

static int serve(const struct cli_common *common, const struct serve_cli *o, const char *path,
	struct err *err)
{
	_auto_(nbd_server) struct nbd_server *server = NULL;
	_auto_(block) struct block *image = NULL;
	const struct image_open how = {.write = o->write};
	const struct image_format *format;
	sigset_t block_all, before;
	int r = image_open(&image, path, o->format, &how, &format, err);

	if (r < 0)
		return r;
	/* The server's threads inherit this mask: signals are for the waiting thread. */
	sigemptyset(&block_all);
	sigaddset(&block_all, SIGINT);
	sigaddset(&block_all, SIGTERM);
	sigaddset(&block_all, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &block_all, &before);
	r = nbd_server_new(&server, image, o->socket, err);
	if (r == 0) {
		announce(common, o, image, format);
		wait_for_end(server, o->once, &before);
		r = nbd_server_stop(server, err);
	}
	/* Whatever failed: what clients wrote is kept. The first error is told. */
	if (server && o->write) {
		int flushed = block_flush(image, r < 0 ? NULL : err);

		r = r < 0 ? r : flushed;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

static int serve_run(const struct cli_common *common, void *opts, char **args)
{
	const struct serve_cli *o = opts;
	struct err err = {0};

	if (!o->socket) {
		err_set(&err, EINVAL, "serve: --socket is missing");
		cli_error(&err);
		return EXIT_USAGE;
	}
	return serve(common, o, args[0], &err) < 0 ? cli_error(&err) : EXIT_DONE;
}

const struct command command_serve = {
	.name = "serve",
	.summary = "show the content of an image over NBD",
	.args = "IMAGE",
	.min_args = 1,
	.max_args = 1,
	.opts = serve_opts,
	.opts_size = sizeof(struct serve_cli),
	.run = serve_run,
};
