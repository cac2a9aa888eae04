/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/places.h"

#include "sink/claims.h"

#define KEPT 16

void places_init(struct places *places)
{
	list_init(&places->idle);
	pool_init(&places->pool, MEMORY_TRACES, sizeof(struct place), PLACES_LIMIT, KEPT);
}

static struct place **bucket_of(struct places *places, const struct span_owner *owner)
{
	uint64_t hash = (owner->process ^ owner->tgid) * 0x9e3779b97f4a7c15ULL;

	return &places->buckets[hash >> 40 & (PLACES_BUCKETS - 1)];
}

static void forget(struct places *places, struct place *place)
{
	struct place **at = bucket_of(places, &place->owner);

	while (*at != place)
		at = &(*at)->next;
	*at = place->next;
	list_remove(&place->idle);
	pool_give(&places->pool, place);
}

void places_free(struct places *places)
{
	while (!list_empty(&places->idle))
		forget(places, LIST_OF(places->idle.next, struct place, idle));
	pool_free(&places->pool);
}

static struct place *place_new(struct places *places, const struct span_owner *owner)
{
	struct place *place, **bucket = bucket_of(places, owner);

	if (places->pool.out == places->pool.limit && !list_empty(&places->idle))
		forget(places, LIST_OF(places->idle.next, struct place, idle));
	place = pool_take(&places->pool);
	if (!place)
		return NULL;
	memset(place, 0, sizeof(*place));
	place->owner = *owner;
	list_init(&place->calls);
	list_init(&place->idle);
	list_add(&places->idle, &place->idle);
	place->next = *bucket;
	*bucket = place;
	return place;
}

struct place *place_find(struct places *places, const struct span_owner *owner, bool make)
{
	struct place *place = *bucket_of(places, owner);

	if (!owner->tgid)
		return NULL;
	while (place &&
	       (place->owner.process != owner->process || place->owner.tgid != owner->tgid))
		place = place->next;
	return place || !make ? place : place_new(places, owner);
}

void place_keep(struct places *places, struct place *place)
{
	(void)places;
	place->kept++;
	list_remove(&place->idle);
}

void place_release(struct places *places, struct place *place)
{
	if (--place->kept == 0)
		list_add(&places->idle, &place->idle);
}

uint64_t place_answered(const struct place *place, uint64_t root, uint64_t time)
{
	uint64_t ret = 0;

	for (int i = 0; i < PLACE_WINDOWS; i++) {
		const struct window *at = &place->windows[i];

		if (at->root == root && at->end <= time && at->end > ret)
			ret = at->end;
	}
	return ret;
}

bool place_unique(struct place *place, const struct window *window)
{
	bool ret = true;

	for (int i = 0; i < PLACE_WINDOWS; i++) {
		const struct window *at = &place->windows[i];

		if (at->root != window->root || at->since >= window->end ||
		    window->since >= at->end)
			continue;
		ret = false;
		/* Sent one behind the other on a connection, they are done one after the other. */
		if ((at->shared || window->shared) && at->connection != window->connection)
			place->mixed |= place_kind(window->root);
	}
	place->newest = (place->newest + 1) % PLACE_WINDOWS;
	place->windows[place->newest] = *window;
	return ret;
}
