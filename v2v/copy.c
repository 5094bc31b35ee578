// SPDX-License-Identifier: LGPL-2.1-or-later
/* copy: overlay to output, with the source's own checksums verified beside it. */
#include "v2v/conversion.h"

#include "formats/copy/copy.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>

/* A verification that runs while a disk is copied. */
struct verifier {
	struct conversion *c;
	unsigned disk;
	atomic_bool stop; /* the copy failed: no need to finish */
	pthread_t thread;
	bool running;
	int r;
	struct err err;
};

static int verify_progress(void *opaque, uint64_t done, uint64_t total)
{
	struct verifier *v = opaque;

	return atomic_load(&v->stop);
}

static void *verify_main(void *opaque)
{
	struct verifier *v = opaque;
	struct progress p = {.report = verify_progress, .opaque = v};

	v->r = v->c->in->verify(v->c, v->disk, &p, &v->err);
	return NULL;
}

static int verify_start(struct verifier *v, struct err *err)
{
	int e;

	if (!v->c->in->verify)
		return 0;
	e = pthread_create(&v->thread, NULL, verify_main, v);
	if (e)
		return err_set_errno(err, e, "cannot start a thread");
	v->running = true;
	return 0;
}

/* Waits for the verifier; `copied` is what the copy returned. */
static int verify_end(struct verifier *v, int copied, struct err *err)
{
	if (!v->running)
		return copied;
	if (copied < 0)
		atomic_store(&v->stop, true);
	pthread_join(v->thread, NULL);
	if (copied >= 0 && v->r < 0 && err)
		*err = v->err;
	return copied < 0 ? copied : v->r;
}

/* Progress of one disk as a part of all of them. */
struct part {
	const struct progress *whole;
	uint64_t before, total;
};

static int part_progress(void *opaque, uint64_t done, uint64_t total)
{
	const struct part *p = opaque;

	return p->whole->report(p->whole->opaque, p->before + done, p->total);
}

static int copy_disk(
	struct conversion *c, unsigned i, const struct progress *progress, struct err *err)
{
	struct copy_opts opts = {
		.threads = c->opts.threads, .progress = progress, .target_is_zero = true};
	struct verifier verifier = {.c = c, .disk = i};
	_auto_(block) struct block *target = NULL;
	struct copy_stats stats = {0};
	int r;

	r = c->out->create_disk(c, i, &target, err);
	if (r >= 0)
		r = verify_start(&verifier, err);
	if (r >= 0)
		r = copy_run(c->disks[i].overlay, target, &opts, &stats, err);
	if (r >= 0)
		r = block_flush(target, err);
	r = verify_end(&verifier, r, err);
	c->verified += r > 0;
	c->copied += stats.written;
	c->holes += stats.zeros + stats.holes;
	return r < 0 ? err_prefix(err, "disk %u", i + 1) : 0;
}

int v2v_copy(struct conversion *c, struct err *err)
{
	struct part part = {.whole = c->opts.progress};
	struct progress progress = {.report = part_progress, .opaque = &part};

	for (unsigned i = 0; i < c->source->n_disks; i++)
		part.total += c->disks[i].overlay->size;
	for (unsigned i = 0; i < c->source->n_disks; i++) {
		int r = copy_disk(c, i, part.whole ? &progress : NULL, err);

		if (r < 0)
			return r;
		part.before += c->disks[i].overlay->size;
	}
	return 0;
}
