/* SPDX-License-Identifier: Apache-2.0 */
#include "pair/pair.h"

#include <errno.h>

#define HELD_MOST 1024 /* on trial */

struct expect pair_expect(const struct pair *pair)
{
	const struct request *waiting = queue_front(&pair->waiting);
	const struct request *deferred = queue_front(&pair->deferred);
	struct expect expect = { 0 };

	if (waiting) {
		expect.waiting = true;
		expect.operation = waiting->operation;
		expect.counted = waiting->counted;
		expect.tag = waiting->tag;
	}
	if (deferred) {
		expect.deferred = true;
		expect.deferred_operation = deferred->operation;
		expect.deferred_tag = deferred->tag;
	}
	return expect;
}

/* When it began as the server's end saw it, which is followed for both. */
static void take_arrival(struct exchange *exchange, const struct request *request)
{
	exchange->begin = request->arrived;
	exchange->task = request->reader;
	exchange->timed = request->arrived != 0;
}

static struct exchange exchange_of(const struct request *request,
				   const struct connection *connection, const struct ends *ends,
				   const struct message *message, uint64_t end)
{
	bool server = connection->side == SIDE_SERVER;
	bool whole =
		server || (connection->protocol && connection->protocol->family == FAMILY_HTTP);
	struct exchange exchange = {
		.connection = connection,
		.operation = request->operation,
		.timed = true,
		.begin = whole ? request->first : request->last,
		.end = end,
		.read = request->read,
		.task = request->task,
	};

	if (server && ends)
		take_arrival(&exchange, request);
	if (request->target)
		exchange.target = (struct bytes){ request->target->bytes, request->target->size };
	if (message) {
		if (message->operation)
			exchange.operation = message->operation;
		exchange.outcome = message->failed ? OUTCOME_ERROR : OUTCOME_OK;
		exchange.code = message->code;
		exchange.hits = message->hits;
		exchange.misses = message->misses;
		exchange.timed &= message->role == MESSAGE_RESPONSE;
	} else {
		exchange.outcome = OUTCOME_ABORTED;
		exchange.timed = false;
	}
	if (exchange.end < exchange.begin)
		exchange.end = exchange.begin;
	return exchange;
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
	struct exchange exchange =
		exchange_of(request, pair->ends->client, NULL, message, when->last);

	if (message->role == MESSAGE_RESPONSE)
		ends_answer(pair->ends, outlet, &exchange, request->target, when->end);
	else
		outlet_exchange(outlet, &exchange);
}

/* One exchange is complete. */
static void pair_report(struct pair *pair, struct request *request, struct outlet *outlet,
			const struct connection *connection, const struct message *message,
			const struct moment *when)
{
	struct exchange exchange =
		exchange_of(request, connection, pair->ends, message, when->last);

	request->counted++;
	if (pair->muted && pair->holds)
		held_push(&pair->held, outlet, HELD_MOST, &exchange, request->target, 0);
	else if (pair->muted)
		outlet->unpaired += request->counted == 1;
	else
		outlet_exchange(outlet, &exchange);
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

	if (message->role == MESSAGE_REQUEST)
		return pair_request(pair, outlet, connection, message, when);
	if (message->action & MESSAGE_DEFERRED)
		queue = &pair->deferred;
	request = queue_front(queue);
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

static void report_aborted(const struct request *request, struct outlet *outlet,
			   const struct connection *connection, uint64_t now)
{
	struct exchange exchange = exchange_of(request, connection, NULL, NULL, now);

	if (!request->silent && !request->counted)
		outlet_exchange(outlet, &exchange);
}

static void queue_abort(struct queue *queue, struct outlet *outlet,
			const struct connection *connection, const struct connection *client,
			uint64_t now)
{
	struct request *request;

	while ((request = queue_front(queue))) {
		report_aborted(request, outlet, connection, now);
		if (client)
			report_aborted(request, outlet, client, now);
		queue_drop(queue, outlet);
	}
	queue_free(queue);
}

void pair_abort(struct pair *pair, struct outlet *outlet, const struct connection *connection,
		uint64_t now)
{
	const struct connection *client = pair->ends ? pair->ends->client : NULL;

	if (pair->muted) {
		pair_forget(pair, outlet);
		return;
	}
	/* Deferred requests without the one that would execute them were never executed. */
	if (pair->waiting.count)
		queue_abort(&pair->deferred, outlet, connection, client, now);
	while (pair->deferred.count)
		queue_drop(&pair->deferred, outlet);
	queue_free(&pair->deferred);
	queue_abort(&pair->waiting, outlet, connection, client, now);
}

void pair_abort_client(struct pair *pair, struct outlet *outlet, uint64_t now)
{
	const struct connection *client = pair->ends->client;
	const struct queue *queues[] = { &pair->deferred, &pair->waiting };

	/* Deferred ones as in pair_abort(). */
	for (unsigned int i = pair->waiting.count ? 0 : 1; client && i < 2; i++) {
		for (uint32_t n = 0; n < queues[i]->count; n++)
			report_aborted(queue_at(queues[i], n), outlet, client, now);
	}
	ends_client_gone(pair->ends, outlet);
}

void pair_forget(struct pair *pair, struct outlet *outlet)
{
	held_end(&pair->held, outlet, false);
	while (pair->deferred.count)
		queue_forget(&pair->deferred, outlet);
	while (pair->waiting.count)
		queue_forget(&pair->waiting, outlet);
	queue_free(&pair->deferred);
	queue_free(&pair->waiting);
}
