/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/route.h"

#include <errno.h>
#include <stdlib.h>

#include "sink/fold.h"
#include "sink/pattern.h"
#include "sink/target.h"
#include "util/names.h"
#include "util/utf8.h"

#define CACHE_SIZE 1024 /* a power of two */
#define CACHED_SIZE 60	/* longer targets are worked out each time */

/* 64 bytes: one cache line. */
struct cached {
	uint16_t name; /* NAME_NONE: free */
	uint8_t size;
	uint8_t target[CACHED_SIZE + 1];
};

_Static_assert(sizeof(struct cached) == 64, "an entry is a cache line");

struct routes {
	struct pattern *patterns;
	uint16_t *names; /* of the patterns */
	size_t count;
	struct cached cache[CACHE_SIZE]; /* touched as paths come: a page takes memory when used */
};

/* ---- patterns ---- */

static void patterns_free(struct pattern *patterns, size_t count, uint16_t *names)
{
	for (size_t i = 0; i < count; i++)
		pattern_free(&patterns[i]);
	free(patterns);
	free(names);
}

static uint16_t intern_pattern(const char *text)
{
	char name[NAME_SIZE];

	utf8_copy(name, sizeof(name), text);
	return names_intern(NAME_ROUTE, (struct bytes){ (const uint8_t *)name, strlen(name) });
}

int routes_configure(struct routes *routes, const struct config_endpoints *endpoints)
{
	struct pattern *patterns = calloc(endpoints->count + 1, sizeof(*patterns));
	uint16_t *names = calloc(endpoints->count + 1, sizeof(*names));
	size_t i = 0;

	if (!patterns || !names)
		goto fail;
	for (; i < endpoints->count; i++) {
		if (pattern_init(&patterns[i], endpoints->patterns[i]))
			goto fail;
		names[i] = intern_pattern(endpoints->patterns[i]);
	}
	patterns_free(routes->patterns, routes->count, routes->names);
	routes->patterns = patterns;
	routes->names = names;
	routes->count = i;
	for (i = 0; i < CACHE_SIZE; i++)
		if (routes->cache[i].name != NAME_NONE)
			routes->cache[i].name = NAME_NONE;
	return 0;
fail:
	patterns_free(patterns, i, names);
	return -ENOMEM;
}

int routes_new(const struct config_endpoints *endpoints, struct routes **ret)
{
	struct routes *routes = calloc(1, sizeof(*routes));

	if (!routes)
		return -ENOMEM;
	if (routes_configure(routes, endpoints)) {
		routes_free(routes);
		return -ENOMEM;
	}
	*ret = routes;
	return 0;
}

void routes_free(struct routes *routes)
{
	if (!routes)
		return;
	patterns_free(routes->patterns, routes->count, routes->names);
	free(routes);
}

/* ---- paths ---- */

static uint16_t work_out(const struct routes *routes, struct bytes target, uint32_t holder)
{
	struct bytes path;
	char folded[NAME_SIZE];
	struct bytes text = { (const uint8_t *)folded, 0 };
	size_t segments;
	uint16_t name;

	if (!target_path(target, &path))
		return names_intern(NAME_ROUTE, bytes_equal(target, BYTES("*")) ?
							BYTES("*") :
							BYTES("{authority}"));
	segments = pattern_segments(path);
	for (size_t i = 0; i < routes->count; i++)
		if (pattern_match(&routes->patterns[i], path, segments))
			return routes->names[i];
	text.size = fold_path(path, folded, sizeof(folded));
	if (holder != NAMES_NOBODY)
		return names_intern_for(NAME_ROUTE, holder, text);
	name = names_find(text);
	return name == NAME_NONE ? NAME_OTHER : name;
}

/* FNV-1a over words, folded; a collision costs time only. */
static size_t place_of(struct bytes target)
{
	uint64_t hash = 0xcbf29ce484222325ULL ^ target.size, word = 0;
	size_t i;

	for (i = 0; i + 8 <= target.size; i += 8) {
		memcpy(&word, target.data + i, 8);
		hash = (hash ^ word ^ hash >> 31) * 0x100000001b3ULL;
	}
	for (word = 0; i < target.size; i++)
		word = word << 8 | target.data[i];
	hash = (hash ^ word ^ hash >> 31) * 0x9e3779b97f4a7c15ULL;
	return hash >> 40 & (CACHE_SIZE - 1);
}

uint16_t routes_known(const struct routes *routes, struct bytes target)
{
	const struct cached *cached;

	if (target.size > CACHED_SIZE)
		return NAME_NONE;
	cached = &routes->cache[place_of(target)];
	if (!bytes_equal((struct bytes){ cached->target, cached->size }, target))
		return NAME_NONE;
	return cached->name;
}

uint16_t routes_find(struct routes *routes, struct bytes target, uint32_t holder)
{
	uint16_t name = routes_known(routes, target);
	struct cached *cached;

	if (name != NAME_NONE)
		return name;
	name = work_out(routes, target, holder);
	if (name != NAME_OTHER && target.size && target.size <= CACHED_SIZE) {
		cached = &routes->cache[place_of(target)];
		cached->name = name;
		cached->size = (uint8_t)target.size;
		memcpy(cached->target, target.data, target.size);
	}
	return name;
}
