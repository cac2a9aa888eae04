/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/claims.h"

#include <errno.h>

#include "sink/places.h"
#include "util/clock.h"

#define ROOTS 4096 /* a power of two */
#define LOOK_BACK 64
#define TIDY_NS NSEC_PER_SEC /* after an answer: what a request leaves to be done */

struct claims {
	const struct tasks *tasks;
	struct places places;
	struct list held; /* calls, oldest first */
	size_t held_count;
	/* Open requests, by what their calls descend from; in a bucket by when they ended. */
	struct list roots[ROOTS];
};

int claims_new(const struct tasks *tasks, struct claims **ret)
{
	struct claims *claims = memory_take_zeroed(MEMORY_FIXED, sizeof(*claims));

	if (!claims)
		return -ENOMEM;
	claims->tasks = tasks;
	list_init(&claims->held);
	for (size_t i = 0; i < ROOTS; i++)
		list_init(&claims->roots[i]);
	places_init(&claims->places);
	*ret = claims;
	return 0;
}

void claims_free(struct claims *claims)
{
	if (!claims)
		return;
	places_free(&claims->places);
	memory_give(MEMORY_FIXED, claims, sizeof(*claims));
}

void claims_serve(struct claims *claims, const struct span_owner *owner)
{
	place_find(&claims->places, owner, true);
}

bool claims_serves(struct claims *claims, const struct span_owner *owner)
{
	return place_find(&claims->places, owner, false);
}

/* ---- whose ---- */

static uint64_t since(const struct node *request)
{
	return request->read ? request->read : request->begin;
}

/* By descent alone, through tasks that are younger than the request. */
static bool descends(const struct node *call, const struct node *request)
{
	uint64_t task = call->task;

	for (int i = 0; task; i++) {
		if (task == request->root)
			return true;
		if (TASK_KIND(task) != TASK_BORN || TASK_VALUE(task) < since(request) ||
		    i == EVENT_ANCESTORS)
			return false;
		task = call->ancestors[i];
	}
	return false;
}

static bool made_for(const struct node *call, const struct node *request)
{
	return call->begin >= since(request) && call->begin <= request->end &&
	       descends(call, request);
}

/* A task that was there before the request may do several at once. */
static bool is_shared(uint64_t task, uint64_t since)
{
	return TASK_KIND(task) != TASK_BORN || TASK_VALUE(task) < since;
}

static bool trusted(const struct node *request)
{
	return !is_shared(request->root, since(request)) ||
	       !(request->place->mixed & place_kind(request->root));
}

/* ---- requests ---- */

static struct list *root_bucket(struct claims *claims, const struct place *place, uint64_t root)
{
	uint64_t hash = (root ^ (uintptr_t)place) * 0x9e3779b97f4a7c15ULL;

	return &claims->roots[hash >> 40 & (ROOTS - 1)];
}

/* What its calls descend from; 0 where that is not known, or is another request's, too. */
static uint64_t root_of(const struct claims *claims, const struct node *request, uint64_t answer)
{
	struct window window = { .since = since(request), .end = request->end };

	if (!answer || (request->vague && TASK_KIND(answer) != TASK_BORN))
		return 0;
	/* Read by one thread and answered by another: in between, who knows. */
	if (TASK_KIND(answer) == TASK_THREAD && request->task && request->task != answer)
		return 0;
	window.root = claims->tasks ?
			      task_root(claims->tasks, request->owner.tgid, answer, window.since) :
			      answer;
	window.shared = is_shared(window.root, window.since);
	window.connection = request->connection;
	return place_unique(request->place, &window) ? window.root : 0;
}

/*
 * A thread that does one thing after the other reads no request while it waits for an answer, and
 * asks nobody between requests. This one does: an event loop with jobs of its own, which nothing
 * tells from the work of its requests.
 */
static bool has_jobs(const struct node *request)
{
	uint64_t read = since(request), idle = place_answered(request->place, request->root, read);
	const struct list *calls = &request->place->calls, *at = calls->prev;

	for (int i = 0; i < LOOK_BACK && at != calls; i++, at = at->prev) {
		const struct node *call = LIST_OF(at, const struct node, beside);

		/* What nobody read the rest of may look as if it was waited for. */
		if (call->task != request->root || call->begin >= read ||
		    call->protocol->family == FAMILY_HTTP || call->outcome == OUTCOME_ABORTED)
			continue;
		if (call->end > read || (idle && call->begin > idle + TIDY_NS))
			return true;
	}
	return false;
}

static void unhold(struct claims *claims, struct node *call)
{
	list_remove(&call->held);
	list_remove(&call->beside);
	claims->held_count--;
	place_release(&claims->places, call->place);
	call->place = NULL;
}

/* What came before the request was read is older than it. */
static void claim_held(struct claims *claims, struct node *request)
{
	struct list *calls = &request->place->calls, *at = calls, *next;

	while (at->prev != calls && LIST_OF(at->prev, struct node, beside)->kept >= since(request))
		at = at->prev;
	for (; at != calls; at = next) {
		struct node *call = LIST_OF(at, struct node, beside);

		next = at->next;
		if (!made_for(call, request))
			continue;
		unhold(claims, call);
		node_attach(request, call);
	}
}

/* It gets calls from now on. As a rule it is the last one to have ended. */
static void list_request(struct claims *claims, struct node *request)
{
	struct list *bucket = root_bucket(claims, request->place, request->root), *at = bucket;

	while (at->prev != bucket && LIST_OF(at->prev, struct node, same_root)->end > request->end)
		at = at->prev;
	list_add(at, &request->same_root);
}

void claims_request(struct claims *claims, struct node *request, uint64_t answer)
{
	request->open = true;
	request->place = place_find(&claims->places, &request->owner, true);
	if (!request->place)
		return;
	place_keep(&claims->places, request->place);
	request->root = root_of(claims, request, answer);
	if (request->root && TASK_KIND(request->root) == TASK_THREAD && has_jobs(request))
		request->place->mixed |= place_kind(request->root);
	if (!request->root || !trusted(request))
		return;
	claim_held(claims, request);
	list_request(claims, request);
}

struct node *claims_settle(struct claims *claims, struct node *request)
{
	struct node *doubtful = NULL;

	request->open = false;
	if (!request->place)
		return NULL;
	list_remove(&request->same_root);
	if (!trusted(request)) {
		doubtful = request->first;
		request->first = request->last = NULL;
	}
	place_release(&claims->places, request->place);
	request->place = NULL;
	return doubtful;
}

/* ---- calls ---- */

static void take_ancestors(const struct claims *claims, struct node *call)
{
	const uint64_t *ancestors = NULL;

	if (claims->tasks && TASK_KIND(call->task) == TASK_BORN)
		ancestors = tasks_ancestors(claims->tasks, call->owner.tgid, call->task);
	if (ancestors)
		memcpy(call->ancestors, ancestors, sizeof(call->ancestors));
	else
		call->ancestors[0] = 0;
}

/*
 * The requests with this root that the call was made for: as many as there are, two at most, and
 * the last one that was found. Those that had ended before the call was begun are not looked at, of
 * which a thread that answers one after the other leaves thousands.
 */
static int find_rooted(struct claims *claims, const struct place *place, const struct node *call,
		       uint64_t root, struct node **ret)
{
	const struct list *bucket = root_bucket(claims, place, root), *at = bucket->prev;
	int count = 0;

	for (; at != bucket && count < 2; at = at->prev) {
		struct node *request = LIST_OF(at, struct node, same_root);

		if (request->end < call->begin)
			break;
		if (request->root != root || request->place != place || !made_for(call, request))
			continue;
		*ret = request;
		count++;
	}
	return count;
}

/* The only open request that the call was made for. */
static struct node *find_open(struct claims *claims, const struct place *place,
			      const struct node *call)
{
	struct node *found = NULL;
	uint64_t task = call->task;
	int count = 0;

	for (int i = 0; task; task = call->ancestors[i++]) {
		count += find_rooted(claims, place, call, task, &found);
		if (count > 1)
			return NULL;
		if (i == EVENT_ANCESTORS)
			break;
	}
	return found;
}

bool claims_call(struct claims *claims, struct node *call)
{
	struct place *place = place_find(&claims->places, &call->owner, false);
	struct node *request;

	if (!place)
		return false;
	take_ancestors(claims, call);
	request = find_open(claims, place, call);
	if (request) {
		node_attach(request, call);
		return true;
	}
	call->place = place;
	place_keep(&claims->places, place);
	list_add(&claims->held, &call->held);
	list_add(&place->calls, &call->beside);
	claims->held_count++;
	return true;
}

struct node *claims_expire(struct claims *claims, uint64_t before)
{
	struct node *call;

	if (list_empty(&claims->held))
		return NULL;
	call = LIST_OF(claims->held.next, struct node, held);
	if (call->kept >= before)
		return NULL;
	unhold(claims, call);
	return call;
}

size_t claims_held(const struct claims *claims)
{
	return claims->held_count;
}
