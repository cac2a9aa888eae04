/* SPDX-License-Identifier: Apache-2.0 */
#include "pair/pair.h"

#include <errno.h>

#define COUNTED_MOST 0x7fff
#define HELD_MOST 1024	  /* on trial */
#define UNREAD_MOST 65536 /* a query may have many statements */

void pair_expect(const struct pair *pair, struct expect *ret)
{
	const struct request *waiting = queue_front(&pair->waiting);
	const struct request *deferred = queue_front(&pair->deferred);

	ret->waiting = waiting != NULL;
	ret->operation = waiting ? waiting->operation : 0;
	ret->counted = waiting ? waiting->counted : 0;
	ret->tag = waiting ? waiting->tag : 0;
	ret->deferred = deferred != NULL;
	ret->deferred_operation = deferred ? deferred->operation : 0;
	ret->deferred_tag = deferred ? deferred->tag : 0;
	ret->late = ret->torn = false;
}

/* When it began as the server's end saw it, which is followed for both. */
static void take_arrival(struct exchange *exchange, const struct request *request)
{
	exchange->begin = request->arrived;
	exchange->timed &= request->arrived != 0;
	if (exchange->end < exchange->begin)
		exchange->end = exchange->begin;
}

static uint64_t number_of(const struct pair *pair, const struct request *request)
{
	if (!pair->link)
		return 0;
	return (uint64_t)pair->link << 32 | (uint32_t)(pair->origin + request->position);
}

/* Field by field, in place: what was just written is slow to copy. */
static void exchange_fill(struct exchange *ret, const struct pair *pair,
			  const struct request *request, const struct connection *connection,
			  const struct message *message, uint64_t end)
{
	bool server = connection->side == SIDE_SERVER;
	bool whole =
		server || (connection->protocol && connection->protocol->family == FAMILY_HTTP);

	ret->connection = connection;
	ret->operation = message && message->operation ? message->operation : request->operation;
	ret->code = message ? message->code : 0;
	ret->outcome = !message ? OUTCOME_ABORTED : message->failed ? OUTCOME_ERROR : OUTCOME_OK;
	ret->timed = message && message->role == MESSAGE_RESPONSE;
	ret->begin = whole ? request->first : request->last;
	ret->read = request->read;
	ret->task = server && pair->ends ? 0 : request->task; /* the client's task sent it */
	ret->answer_task = 0;
	ret->query = request->query;
	ret->error = message && message->failed ? message->query : 0;
	ret->database = message && message->database ? message->database : pair->database;
	ret->details = target_details(request->target);
	ret->both = number_of(pair, request);
	ret->hits = message ? message->hits : 0;
	ret->misses = message ? message->misses : 0;
	ret->target.data = request->target ? request->target->bytes : NULL;
	ret->target.size = request->target ? request->target->size : 0;
	ret->end = end < ret->begin ? ret->begin : end;
}

void pair_unmute(struct pair *pair, struct outlet *outlet)
{
	pair->muted = false;
	held_end(&pair->held, outlet, true);
}

/* The client's exchange, which is complete once it has read the answer; at once if there is none.
 */
static void report_client(struct pair *pair, struct request *request, struct outlet *outlet,
			  const struct message *message, const struct moment *when)
{
	struct ends *ends = pair->ends;
	bool answered = message->role == MESSAGE_RESPONSE;
	struct exchange exchange;
	struct held *held;

	if (answered && !ends_have_read(ends, when->end)) {
		held = held_push(&ends->unread, outlet, UNREAD_MOST, request->target, when->end);
		if (held)
			exchange_fill(&held->exchange, pair, request, ends->client, message,
				      when->last);
		return;
	}
	exchange_fill(&exchange, pair, request, ends->client, message, when->last);
	if (answered)
		ends_complete(ends, &exchange, when->end);
	outlet_exchange(outlet, &exchange);
}

/* One exchange is complete. */
static void pair_report(struct pair *pair, struct request *request, struct outlet *outlet,
			const struct connection *connection, const struct message *message,
			const struct moment *when)
{
	/* What has no answer is certain. */
	bool muted = pair->muted && message->role == MESSAGE_RESPONSE;
	struct exchange exchange;
	struct held *held;

	if (request->counted < COUNTED_MOST)
		request->counted++;
	if (muted && pair->holds) {
		held = held_push(&pair->held, outlet, HELD_MOST, request->target, 0);
		if (held)
			exchange_fill(&held->exchange, pair, request, connection, message,
				      when->last);
	} else if (muted) {
		outlet->unpaired += request->counted == 1;
	} else {
		exchange_fill(&exchange, pair, request, connection, message, when->last);
		if (pair->ends)
			take_arrival(&exchange, request);
		if (connection->side == SIDE_SERVER && message->role == MESSAGE_RESPONSE)
			exchange.answer_task = when->task;
		outlet_exchange(outlet, &exchange);
	}
	if (pair->ends && pair->ends->client)
		report_client(pair, request, outlet, message, when);
}

static void request_fill(struct request *request, const struct message *message,
			 const struct moment *when)
{
	request->tag = message->tag;
	request->first = when->first;
	request->last = when->last;
	request->read = when->read;
	request->task = when->task;
	request->position = when->position;
	request->operation = message->operation;
	request->silent = message->silent;
	request->query = message->query;
}

static int pair_request(struct pair *pair, struct outlet *outlet,
			const struct connection *connection, const struct message *message,
			const struct moment *when)
{
	struct request *request;
	int error;

	if (message->action & MESSAGE_COUNT) {
		struct request alone = { 0 };

		request_fill(&alone, message, when);
		pair_report(pair, &alone, outlet, connection, message, when);
		return 0;
	}
	error = queue_push(&pair->waiting, outlet->open_requests, &request);
	if (error) {
		outlet->refused++;
		return error;
	}
	request_fill(request, message, when);
	if (message->silent && message->query)
		pair->database = message->query;
	request->target = target_copy(outlet, connection, message->target);
	if (pair->ends)
		ends_request(pair->ends, &pair->waiting, request);
	return 0;
}

static void queue_drop(struct queue *queue, struct outlet *outlet)
{
	struct request *front = queue_front(queue);

	if (front)
		target_release(outlet, front->target);
	queue_pop(queue);
}

/* The oldest request's answers will not be told from others. */
static void queue_forget(struct queue *queue, struct outlet *outlet)
{
	outlet->unpaired += !queue_front(queue)->counted;
	queue_drop(queue, outlet);
}

void pair_keep_newest(struct pair *pair, struct outlet *outlet, uint32_t count)
{
	while (pair->waiting.count > count)
		queue_forget(&pair->waiting, outlet);
}

bool pair_resume(struct pair *pair, struct outlet *outlet, uint64_t request, uint64_t parsed)
{
	const struct request *front;

	while (pair->deferred.count)
		queue_forget(&pair->deferred, outlet);
	while ((front = queue_front(&pair->waiting)) && front->position < request)
		queue_forget(&pair->waiting, outlet);
	return front ? front->position == request : parsed == request;
}

static int pair_defer(struct pair *pair, struct outlet *outlet)
{
	struct request *front = queue_front(&pair->waiting);
	struct request *moved;
	int error;

	if (!front)
		return 0;
	error = queue_push(&pair->deferred, outlet->open_requests, &moved);
	if (error) {
		outlet->refused++;
		return error;
	}
	*moved = *front;
	queue_pop(&pair->waiting);
	return 0;
}

int pair_apply(struct pair *pair, struct outlet *outlet, const struct connection *connection,
	       const struct message *message, const struct moment *when)
{
	struct queue *queue = &pair->waiting;
	struct request *request;

	if (message->role == MESSAGE_DETAILS) {
		request = queue_find(queue, queue->pushed);
		if (request && request->target)
			target_detail(outlet, request->target, message->details);
		return 0;
	}
	if (message->role == MESSAGE_REQUEST)
		return pair_request(pair, outlet, connection, message, when);
	if (message->action & MESSAGE_DEFERRED)
		queue = &pair->deferred;
	request = queue_front(queue);
	pair->last = message->action & MESSAGE_LAST;
	if (request && (message->action & MESSAGE_COUNT))
		pair_report(pair, request, outlet, connection, message, when);
	if (message->action & MESSAGE_POP)
		queue_drop(queue, outlet);
	if (message->action & MESSAGE_DROP_DEFERRED) {
		while (pair->deferred.count)
			queue_drop(&pair->deferred, outlet);
	}
	if (message->action & MESSAGE_DEFER)
		return pair_defer(pair, outlet);
	return 0;
}

static void report_aborted(const struct pair *pair, const struct request *request,
			   struct outlet *outlet, const struct connection *connection, uint64_t now)
{
	struct exchange exchange;

	if (request->silent || request->counted)
		return;
	exchange_fill(&exchange, pair, request, connection, NULL, now);
	outlet_exchange(outlet, &exchange);
}

/* `read`: the number of the newest request that came to this end's program. */
static void queue_abort(const struct pair *pair, struct queue *queue, struct outlet *outlet,
			const struct connection *connection, uint64_t read, uint64_t now)
{
	const struct connection *client = pair->ends ? pair->ends->client : NULL;
	bool served = !pair->last || connection->side != SIDE_SERVER;
	struct request *request;

	while ((request = queue_front(queue))) {
		if (served && queue->pushed - queue->count < read)
			report_aborted(pair, request, outlet, connection, now);
		if (client)
			report_aborted(pair, request, outlet, client, now);
		queue_drop(queue, outlet);
	}
	queue_free(queue);
}

void pair_abort(struct pair *pair, struct outlet *outlet, const struct connection *connection,
		uint64_t now)
{
	if (pair->muted) {
		pair_forget(pair, outlet);
		return;
	}
	/* Deferred requests without the one that would execute them were never executed. */
	if (pair->waiting.count)
		queue_abort(pair, &pair->deferred, outlet, connection, UINT64_MAX, now);
	while (pair->deferred.count)
		queue_drop(&pair->deferred, outlet);
	queue_free(&pair->deferred);
	queue_abort(pair, &pair->waiting, outlet, connection,
		    pair->ends ? pair->ends->arrived : UINT64_MAX, now);
}

void pair_abort_client(struct pair *pair, struct outlet *outlet, uint64_t now, uint32_t unfinished)
{
	const struct connection *client = pair->ends->client;
	const struct queue *deferred = &pair->deferred, *waiting = &pair->waiting;

	/* Deferred ones as in pair_abort(). */
	for (uint32_t n = 0; client && waiting->count && n < deferred->count; n++)
		report_aborted(pair, queue_at(deferred, n), outlet, client, now);
	for (uint32_t n = unfinished; client && n < waiting->count; n++)
		report_aborted(pair, queue_at(waiting, n), outlet, client, now);
	ends_client_gone(pair->ends, outlet);
}

void pair_forget(struct pair *pair, struct outlet *outlet)
{
	pair->last = false;
	held_end(&pair->held, outlet, false);
	while (pair->deferred.count)
		queue_forget(&pair->deferred, outlet);
	while (pair->waiting.count)
		queue_forget(&pair->waiting, outlet);
	queue_free(&pair->deferred);
	queue_free(&pair->waiting);
}
