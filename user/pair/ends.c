/* SPDX-License-Identifier: Apache-2.0 */
#include "pair/ends.h"

/* ---- readings ---- */

/* The oldest one left is the first to have come to `position`. */
static void forget_before(struct readings *readings, uint64_t position)
{
	unsigned int gone = 0;

	while (gone < readings->count && readings->ring[gone].end <= position)
		gone++;
	if (!gone)
		return;
	readings->count -= gone;
	memmove(readings->ring, readings->ring + gone, readings->count * sizeof(readings->ring[0]));
}

/* When there are too many the newest two become one: coarser times, never another's. */
static void remember(struct readings *readings, const struct reading *reading)
{
	struct reading *newest = &readings->ring[READINGS - 1];

	if (readings->count < READINGS) {
		readings->ring[readings->count++] = *reading;
	} else {
		newest->end = reading->end;
		newest->time = reading->time;
	}
}

/* ---- the server's end ---- */

static void arrive(struct request *request, const struct reading *reading)
{
	if (request->position < reading->position)
		return; /* that record was lost */
	request->arrived = reading->arrival ? reading->arrival : reading->time;
	request->read = reading->time;
}

void ends_server_read(struct ends *ends, struct queue *waiting, const struct reading *reading,
		      uint64_t parsed)
{
	uint64_t oldest = waiting->pushed - waiting->count;
	struct request *request;

	if (ends->arrived < oldest)
		ends->arrived = oldest;
	while ((request = queue_find(waiting, ends->arrived + 1)) &&
	       request->position < reading->end) {
		arrive(request, reading);
		ends->arrived++;
	}
	if (reading->end > parsed)
		remember(&ends->requests, reading);
}

void ends_request(struct ends *ends, struct queue *waiting, struct request *request)
{
	forget_before(&ends->requests, request->position);
	if (!ends->requests.count)
		return;
	arrive(request, &ends->requests.ring[0]);
	ends->arrived = waiting->pushed;
}

/* ---- the client's end ---- */

/* It has read the answer up to its last byte, `until` - 1; if that was not seen, it takes no time.
 */
static void complete(struct exchange *exchange, const struct reading *reading, uint64_t until)
{
	exchange->end = reading->time;
	exchange->timed &= reading->time && until > reading->position;
	if (exchange->end < exchange->begin)
		exchange->end = exchange->begin;
}

void ends_client_read(struct ends *ends, struct outlet *outlet, const struct reading *reading,
		      uint64_t parsed)
{
	struct held *held;

	if (!ends->client)
		return;
	while ((held = ends->unread.first) && held->until <= reading->end) {
		complete(&held->exchange, reading, held->until);
		held_pop(&ends->unread, outlet, true);
	}
	if (reading->end > parsed)
		remember(&ends->answers, reading);
}

bool ends_have_read(struct ends *ends, uint64_t until)
{
	forget_before(&ends->answers, until - 1);
	/* Those that are read earlier are reported earlier. */
	return !ends->unread.first && ends->answers.count;
}

void ends_complete(const struct ends *ends, struct exchange *exchange, uint64_t until)
{
	complete(exchange, &ends->answers.ring[0], until);
}

void ends_settle(struct ends *ends, struct outlet *outlet)
{
	if (!ends->client)
		return;
	for (struct held *held = ends->unread.first; held; held = held->next)
		held->exchange.timed = false;
	held_end(&ends->unread, outlet, true);
}

void ends_client_gone(struct ends *ends, struct outlet *outlet)
{
	if (!ends->client)
		return;
	for (struct held *held = ends->unread.first; held; held = held->next) {
		held->exchange.outcome = OUTCOME_ABORTED;
		held->exchange.code = 0;
		held->exchange.hits = held->exchange.misses = 0;
		held->exchange.timed = false;
	}
	held_end(&ends->unread, outlet, true);
	ends->client = NULL;
}
