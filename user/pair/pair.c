/* SPDX-License-Identifier: Apache-2.0 */
#include "pair/pair.h"

#include <errno.h>

#define TARGETS_LIMIT 65536
#define TARGETS_KEPT 256
#define HELD_LIMIT 65536
#define HELD_KEPT 64
#define HELD_MOST 1024 /* of one connection */

void outlet_init(struct outlet *outlet, uint32_t open_requests)
{
	*outlet = (struct outlet){ .open_requests = open_requests };
	pool_init(&outlet->targets, MEMORY_STREAMS, sizeof(struct target), TARGETS_LIMIT,
		  TARGETS_KEPT);
	pool_init(&outlet->held, MEMORY_STREAMS, sizeof(struct held), HELD_LIMIT, HELD_KEPT);
}

void outlet_free(struct outlet *outlet)
{
	pool_free(&outlet->targets);
	pool_free(&outlet->held);
}

int outlet_add(struct outlet *outlet, struct sink *sink)
{
	if (outlet->sink_count == SINKS_MAX)
		return -ENOSPC;
	outlet->sinks[outlet->sink_count++] = sink;
	return 0;
}

void outlet_connection(struct outlet *outlet, const struct connection *connection,
		       enum connection_change change, enum session_state before)
{
	for (unsigned int i = 0; i < outlet->sink_count; i++)
		outlet->sinks[i]->connection(outlet->sinks[i], connection, change, before);
}

static void outlet_exchange(struct outlet *outlet, const struct exchange *exchange)
{
	for (unsigned int i = 0; i < outlet->sink_count; i++)
		outlet->sinks[i]->exchange(outlet->sinks[i], exchange);
}

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

/* Only paths are read by a sink so far; statements' texts are not worth a copy each. */
static struct target *target_copy(struct outlet *outlet, const struct connection *connection,
				  struct bytes text)
{
	struct target *target;

	if (!text.size || !connection->protocol || connection->protocol->family != FAMILY_HTTP)
		return NULL;
	target = pool_take(&outlet->targets);
	if (!target)
		return NULL;
	target->size = text.size < TARGET_SIZE ? text.size : TARGET_SIZE;
	memcpy(target->bytes, text.data, target->size);
	return target;
}

static struct exchange exchange_of(const struct request *request,
				   const struct connection *connection,
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

	if (request->target)
		exchange.target = (struct bytes){ request->target->bytes, request->target->size };
	if (message) {
		if (message->operation)
			exchange.operation = message->operation;
		exchange.outcome = message->failed ? OUTCOME_ERROR : OUTCOME_OK;
		exchange.code = message->code;
		exchange.hits = message->hits;
		exchange.misses = message->misses;
		exchange.timed = message->role == MESSAGE_RESPONSE;
	} else {
		exchange.outcome = OUTCOME_ABORTED;
		exchange.timed = false;
	}
	if (exchange.end < exchange.begin)
		exchange.end = exchange.begin;
	return exchange;
}

/* ---- on trial ---- */

/* Keeps an exchange, and its request's target with it; one too many is never reported. */
static void held_push(struct pair *pair, struct outlet *outlet, struct request *request,
		      const struct exchange *exchange)
{
	struct held *held = pair->held_count < HELD_MOST ? pool_take(&outlet->held) : NULL;

	if (!held) {
		outlet->unpaired++;
		return;
	}
	*held = (struct held){ .target = request->target, .exchange = *exchange };
	request->target = NULL;
	if (pair->held)
		pair->held_last->next = held;
	else
		pair->held = held;
	pair->held_last = held;
	pair->held_count++;
}

static void held_end(struct pair *pair, struct outlet *outlet, bool report)
{
	struct held *held;

	while ((held = pair->held)) {
		pair->held = held->next;
		if (report)
			outlet_exchange(outlet, &held->exchange);
		else
			outlet->unpaired++;
		pool_give(&outlet->targets, held->target);
		pool_give(&outlet->held, held);
	}
	pair->held_count = 0;
}

void pair_unmute(struct pair *pair, struct outlet *outlet)
{
	pair->muted = false;
	held_end(pair, outlet, true);
}

/* One exchange is complete. */
static void pair_report(struct pair *pair, struct request *request, struct outlet *outlet,
			const struct connection *connection, const struct message *message,
			uint64_t end)
{
	struct exchange exchange = exchange_of(request, connection, message, end);

	request->counted++;
	if (pair->muted && pair->holds)
		held_push(pair, outlet, request, &exchange);
	else if (pair->muted)
		outlet->unpaired += request->counted == 1;
	else
		outlet_exchange(outlet, &exchange);
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
		pair_report(pair, &alone, outlet, connection, message, when->last);
		return 0;
	}
	error = queue_push(&pair->waiting, outlet->open_requests, &request);
	if (error) {
		outlet->refused++;
		return error;
	}
	request_fill(request, message, when);
	request->target = target_copy(outlet, connection, message->target);
	return 0;
}

static void queue_drop(struct queue *queue, struct outlet *outlet)
{
	struct request *front = queue_front(queue);

	if (front)
		pool_give(&outlet->targets, front->target);
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
		pair_report(pair, request, outlet, connection, message, when->last);
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

static void queue_abort(struct queue *queue, struct outlet *outlet,
			const struct connection *connection, uint64_t now)
{
	struct request *request;

	while ((request = queue_front(queue))) {
		if (!request->silent && !request->counted) {
			struct exchange exchange = exchange_of(request, connection, NULL, now);

			outlet_exchange(outlet, &exchange);
		}
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
		queue_abort(&pair->deferred, outlet, connection, now);
	while (pair->deferred.count)
		queue_drop(&pair->deferred, outlet);
	queue_free(&pair->deferred);
	queue_abort(&pair->waiting, outlet, connection, now);
}

void pair_forget(struct pair *pair, struct outlet *outlet)
{
	held_end(pair, outlet, false);
	while (pair->deferred.count)
		queue_forget(&pair->deferred, outlet);
	while (pair->waiting.count)
		queue_forget(&pair->waiting, outlet);
	queue_free(&pair->deferred);
	queue_free(&pair->waiting);
}
