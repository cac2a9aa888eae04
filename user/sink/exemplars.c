/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/exemplars.h"

#include <errno.h>
#include <string.h>

#include "sink/series.h"
#include "util/memory.h"

struct exemplars {
	struct list shown; /* in the order they came */
	struct exemplar *free;
	size_t limit, used, count; /* ever taken, and shown */
	struct exemplar all[];
};

static size_t size_of(size_t limit)
{
	return sizeof(struct exemplars) + limit * sizeof(struct exemplar);
}

int exemplars_new(size_t limit, struct exemplars **ret)
{
	struct exemplars *exemplars = memory_take_zeroed(MEMORY_FIXED, size_of(limit));

	if (!exemplars)
		return -ENOMEM;
	exemplars->limit = limit;
	list_init(&exemplars->shown);
	*ret = exemplars;
	return 0;
}

void exemplars_free(struct exemplars *exemplars)
{
	if (exemplars)
		memory_give(MEMORY_FIXED, exemplars, size_of(exemplars->limit));
}

/* The link of a series that leads to its exemplar of `bucket`, or to where that would be. */
static struct exemplar **find_link(struct series *series, unsigned int bucket)
{
	struct exemplar **link = &series->exemplars;

	while (*link && (*link)->bucket < bucket)
		link = &(*link)->next;
	return link;
}

static void drop(struct exemplars *exemplars, struct exemplar *exemplar)
{
	*find_link(exemplar->series, exemplar->bucket) = exemplar->next;
	list_remove(&exemplar->age);
	exemplar->next = exemplars->free;
	exemplars->free = exemplar;
	exemplars->count--;
}

static struct exemplar *oldest(const struct exemplars *exemplars)
{
	return LIST_OF(exemplars->shown.next, struct exemplar, age);
}

/* What nobody has written to yet is taken last: it costs no memory until then. */
static struct exemplar *take(struct exemplars *exemplars)
{
	struct exemplar *ret = exemplars->free;

	if (!ret && exemplars->used < exemplars->limit)
		return &exemplars->all[exemplars->used++];
	if (!ret)
		drop(exemplars, oldest(exemplars));
	ret = exemplars->free;
	exemplars->free = ret->next;
	return ret;
}

static struct exemplar *add(struct exemplars *exemplars, struct series *series, unsigned int bucket)
{
	struct exemplar *ret = take(exemplars), **link = find_link(series, bucket);

	*ret = (struct exemplar){ .next = *link, .series = series, .bucket = bucket };
	list_init(&ret->age);
	*link = ret;
	exemplars->count++;
	return ret;
}

void exemplars_put(struct exemplars *exemplars, struct series *series, unsigned int bucket,
		   const struct exemplar *what)
{
	struct exemplar *at = *find_link(series, bucket);

	if (!at || at->bucket != bucket)
		at = add(exemplars, series, bucket);
	else if (at->end > what->end)
		return;
	/* Said once: the clocks drift apart, and the same exemplar has one time. */
	at->stamp = (clock_wall() - (clock_now() - what->end)) / NSEC_PER_MSEC;
	at->duration = what->duration;
	at->end = what->end;
	at->span = what->span;
	memcpy(at->trace, what->trace, sizeof(at->trace));
	list_remove(&at->age);
	list_add(&exemplars->shown, &at->age);
}

void exemplars_expire(struct exemplars *exemplars, uint64_t now)
{
	while (!list_empty(&exemplars->shown) && oldest(exemplars)->end + EXEMPLARS_NS <= now)
		drop(exemplars, oldest(exemplars));
}

size_t exemplars_count(const struct exemplars *exemplars)
{
	return exemplars->count;
}
