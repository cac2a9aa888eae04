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
#define CACHED_PATH 60	/* longer paths are worked out each time */

/* 64 bytes: one cache line. */
struct cached {
	uint16_t name; /* NAME_NONE: free */
	uint8_t size;
	uint8_t path[CACHED_PATH + 1];
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

static uint16_t work_out(const struct routes *routes, struct bytes path, uint32_t holder)
{
	size_t segments = pattern_segments(path);
	char folded[NAME_SIZE];
	struct bytes text = { (const uint8_t *)folded, 0 };
	uint16_t name;

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
static size_t hash_path(struct bytes path)
{
	uint64_t hash = 0xcbf29ce484222325ULL ^ path.size, word = 0;
	size_t i;

	for (i = 0; i + 8 <= path.size; i += 8) {
		memcpy(&word, path.data + i, 8);
		hash = (hash ^ word ^ hash >> 31) * 0x100000001b3ULL;
	}
	for (word = 0; i < path.size; i++)
		word = word << 8 | path.data[i];
	hash = (hash ^ word ^ hash >> 31) * 0x9e3779b97f4a7c15ULL;
	return hash >> 40 & (CACHE_SIZE - 1);
}

uint16_t routes_find(struct routes *routes, struct bytes target, uint32_t holder)
{
	struct cached *cached;
	struct bytes path;
	uint16_t name;

	if (!target_path(target, &path))
		return names_intern(NAME_ROUTE, bytes_equal(target, BYTES("*")) ?
							BYTES("*") :
							BYTES("{authority}"));
	if (path.size > CACHED_PATH)
		return work_out(routes, path, holder);
	cached = &routes->cache[hash_path(path)];
	if (cached->name != NAME_NONE && cached->size == path.size &&
	    memcmp(cached->path, path.data, path.size) == 0)
		return cached->name;
	name = work_out(routes, path, holder);
	if (name != NAME_OTHER) {
		cached->name = name;
		cached->size = (uint8_t)path.size;
		memcpy(cached->path, path.data, path.size);
	}
	return name;
}
