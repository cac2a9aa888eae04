/* SPDX-License-Identifier: Apache-2.0 */
/* The processes that serve requests, for claims.h, each with the calls it has made. */
#ifndef ONLOOKER_PLACES_H
#define ONLOOKER_PLACES_H

#include "sink/node.h"

#define PLACES_BUCKETS 1024 /* a power of two */
#define PLACE_WINDOWS 32

/* When a request was under way, and for whom. */
struct window {
	uint64_t root; /* 0: free */
	uint64_t since, end;
	bool shared; /* the root is older than the request */
	const void *connection;
};

struct place {
	struct list idle; /* while nothing is kept for it, by how long */
	struct place *next;
	struct span_owner owner;
	struct list calls; /* held, oldest first */
	size_t kept;	   /* requests and calls that point here */
	uint8_t mixed;	   /* kinds of which a task older than its requests had two at once */
	uint8_t newest;
	struct window windows[PLACE_WINDOWS]; /* of the requests answered last */
};

struct places {
	struct place *buckets[PLACES_BUCKETS];
	struct list idle; /* the one for longest first */
	struct pool pool;
};

void places_init(struct places *places);
void places_free(struct places *places);

/* The place of a process; NULL where there is none and, with `make`, no room for one. */
struct place *place_find(struct places *places, const struct span_owner *owner, bool make);

/* The kind of a task, as `mixed` has it. */
static inline uint8_t place_kind(uint64_t task)
{
	return (uint8_t)(1U << TASK_KIND(task));
}

/* Somebody points to it: it stays until place_release(). */
void place_keep(struct places *places, struct place *place);
void place_release(struct places *places, struct place *place);

/* When the task gave its last answer that was over at `time`; 0: not known. */
uint64_t place_answered(const struct place *place, uint64_t root, uint64_t time);

/*
 * Remembers a request. False: another one with the same root was under way at the same time, so
 * that what descends from the root may be either's.
 */
bool place_unique(struct place *place, const struct window *window);

#endif
