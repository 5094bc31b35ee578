// SPDX-License-Identifier: LGPL-2.1-or-later
/* vmdk_cache: a small sharded LRU of inflated grains. */
#include "formats/vmdk/vmdk_cache.h"

#include "formats/base/alloc.h"

#include <pthread.h>

#define CACHE_BYTES (16 * MiB)
#define SHARDS      8
#define MAX_PLACES  256 /* of a shard: a lookup compares them all */

#define NO_GRAIN UINT64_MAX

struct shard {
	pthread_mutex_t lock; /* all of the following */
	uint64_t clock;
	uint64_t grain[MAX_PLACES];
	uint64_t used[MAX_PLACES]; /* the clock when it was last wanted */
	uint8_t *data[MAX_PLACES]; /* allocated when first filled */
};

struct vmdk_cache {
	size_t grain_len;
	size_t places; /* in use of each shard */
	struct shard shards[SHARDS];
};

struct vmdk_cache *vmdk_cache_new(size_t grain_len)
{
	struct vmdk_cache *c = xnew(struct vmdk_cache);
	size_t places = CACHE_BYTES / grain_len / SHARDS;

	c->grain_len = grain_len;
	c->places = MAX(MIN(places, (size_t)MAX_PLACES), (size_t)1);
	for (size_t i = 0; i < SHARDS; i++) {
		pthread_mutex_init(&c->shards[i].lock, NULL);
		for (size_t k = 0; k < MAX_PLACES; k++)
			c->shards[i].grain[k] = NO_GRAIN;
	}
	return c;
}

void vmdk_cache_free(struct vmdk_cache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < SHARDS; i++) {
		for (size_t k = 0; k < c->places; k++)
			free(c->shards[i].data[k]);
		pthread_mutex_destroy(&c->shards[i].lock);
	}
	free(c);
}

static struct shard *shard_of(struct vmdk_cache *c, uint64_t grain)
{
	return &c->shards[grain % SHARDS];
}

/* The grain's place, or c->places. */
static size_t find(const struct vmdk_cache *c, const struct shard *s, uint64_t grain)
{
	size_t k = 0;

	while (k < c->places && s->grain[k] != grain)
		k++;
	return k;
}

bool vmdk_cache_get(struct vmdk_cache *c, uint64_t grain, size_t at, size_t len, void *buf)
{
	struct shard *s = shard_of(c, grain);
	size_t k;

	pthread_mutex_lock(&s->lock);
	k = find(c, s, grain);
	if (k < c->places) {
		memcpy(buf, s->data[k] + at, len);
		s->used[k] = ++s->clock;
	}
	pthread_mutex_unlock(&s->lock);
	return k < c->places;
}

void vmdk_cache_put(struct vmdk_cache *c, uint64_t grain, const void *data)
{
	struct shard *s = shard_of(c, grain);
	size_t k;

	pthread_mutex_lock(&s->lock);
	k = find(c, s, grain);
	if (k == c->places) { /* else another thread was quicker */
		k = 0;
		for (size_t i = 1; i < c->places; i++)
			if (s->used[i] < s->used[k])
				k = i;
		if (!s->data[k])
			s->data[k] = xmalloc(c->grain_len);
		memcpy(s->data[k], data, c->grain_len);
		s->grain[k] = grain;
	}
	s->used[k] = ++s->clock;
	pthread_mutex_unlock(&s->lock);
}
