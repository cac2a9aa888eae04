/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/spans.h"

#include <errno.h>

#include "details.h"
#include "proto/queries.h"
#include "sink/callers.h"
#include "sink/claims.h"
#include "sink/metrics.h"
#include "sink/route.h"
#include "sink/slowness.h"
#include "sink/trace.h"
#include "util/names.h"

struct spans {
	struct sink sink; /* first: a sink is its spans */
	struct tracer tracer;
	struct nodes nodes;
	struct claims *claims;
	struct callers callers;
	struct routes *routes;
	struct slowness *slowness;
	bool details;
	uint64_t slow;	      /* ns; 0: slowness tells */
	struct list open;     /* by when their turn is, like the next */
	struct list awaiting; /* requests whose caller is known by number only */
	uint64_t now;
	struct spans_counts counts;
};

/* ---- traces ---- */

/* Calls may be told of that were made for it; or the request that it is at its other end. */
static bool may_grow(struct spans *spans, struct node *node)
{
	if (node->kind == SPAN_CLIENT && node->awaits && node->kept + SPANS_AWAIT_NS <= spans->now)
		callers_give_up(&spans->callers, node);
	return node->open || (node->kind == SPAN_CLIENT && node->awaits);
}

/* The tree is whole, as far as can be known: unless more may still be told of. */
static void finish(struct spans *spans, struct node *root)
{
	for (struct node *node = root; node; node = node_walk(root, node)) {
		if (!may_grow(spans, node))
			continue;
		root->due = spans->now + SPANS_OPEN_NS;
		list_add(&spans->open, &root->turn);
		return;
	}
	trace_finish(&spans->tracer, root);
	node_free(&spans->nodes, root);
}

/* Calls that are nobody's, the others being their `next`. */
static void finish_each(struct spans *spans, struct node *node)
{
	while (node) {
		struct node *next = node->next;

		node->parent = node->next = NULL;
		finish(spans, node);
		node = next;
	}
}

static void take_turn(struct spans *spans, struct node *node)
{
	if (node->open)
		finish_each(spans, claims_settle(spans->claims, node));
	if (node->parent)
		return;
	if (node->kind == SPAN_CLIENT || !node->awaits) {
		finish(spans, node);
		return;
	}
	node->due = spans->now + SPANS_AWAIT_NS;
	list_add(&spans->awaiting, &node->turn);
}

static void split(struct spans *spans, struct node *request)
{
	callers_give_up(&spans->callers, request);
	spans->counts.split++;
	finish(spans, request);
}

/* The first one whose turn has come, in no list any more; or NULL. */
static struct node *next_due(struct list *list, uint64_t now)
{
	struct node *node;

	if (list_empty(list))
		return NULL;
	node = LIST_OF(list->next, struct node, turn);
	if (node->due > now)
		return NULL;
	list_remove(&node->turn);
	return node;
}

static void pass_time(struct spans *spans, uint64_t now)
{
	struct node *node;

	if (now > spans->now)
		spans->now = now;
	while ((node = next_due(&spans->open, spans->now)))
		take_turn(spans, node);
	while ((node = next_due(&spans->awaiting, spans->now)))
		split(spans, node);
	while (spans->now > SPANS_HELD_NS &&
	       (node = claims_expire(spans->claims, spans->now - SPANS_HELD_NS)))
		finish(spans, node);
}

/* ---- exchanges ---- */

/* Where there is no room the oldest call that is held makes some. */
static struct node *keep(struct spans *spans, const struct exchange *exchange)
{
	struct node *node = node_keep(&spans->nodes, exchange), *oldest;

	while (!node) {
		oldest = claims_expire(spans->claims, UINT64_MAX);
		if (!oldest) {
			spans->counts.losses[SPANS_NO_ROOM]++;
			return NULL;
		}
		spans->counts.hurried++;
		callers_give_up(&spans->callers, oldest);
		finish(spans, oldest);
		node = node_keep(&spans->nodes, exchange);
	}
	node->kept = spans->now;
	if (spans->tracer.metrics)
		node->observed = metrics_observed(spans->tracer.metrics);
	return node;
}

static bool is_slow(const struct spans *spans, const struct exchange *exchange)
{
	return spans->slow && exchange->begin && exchange->end - exchange->begin >= spans->slow;
}

/* A header of its own says more than who is at the other end. */
static void find_caller(struct spans *spans, struct node *request)
{
	bool told = request->words && request->words->context.valid;
	struct node *call = callers_take(&spans->callers, request->both, SPAN_CLIENT);

	if (!told && call)
		node_attach(call, request);
	else if (!told)
		callers_await(&spans->callers, request);
}

static void serve(struct spans *spans, const struct exchange *exchange)
{
	struct node *node = keep(spans, exchange);

	if (!node)
		return;
	/* Who may have no more names in metrics has none here. */
	node->route = exchange->target.data ?
			      routes_find(spans->routes, exchange->target, NAMES_NOBODY) :
			      NAME_OTHER;
	node->slow = spans->slow ? is_slow(spans, exchange) :
				   slowness_count(spans->slowness, node->owner.identity,
						  (uint32_t)node->operation << 16 | node->route,
						  node->end - node->begin);
	claims_request(spans->claims, node, exchange->answer_task);
	if (node->both)
		find_caller(spans, node);
	node->due = spans->now + SPANS_OPEN_NS;
	list_add(&spans->open, &node->turn);
}

/* A call of a program that serves nothing. Many are, and few of those are kept. */
static void call_alone(struct spans *spans, const struct exchange *exchange)
{
	struct trace_origin origin;
	struct node *node;

	if (!exchange->details || !exchange->details->context.valid) {
		trace_begin(&spans->tracer, &origin);
		if (exchange->outcome == OUTCOME_OK && !is_slow(spans, exchange) &&
		    exchange->code < 400 && !trace_sampled(&spans->tracer, &origin)) {
			trace_leave_out(&spans->tracer);
			return;
		}
	}
	node = keep(spans, exchange);
	if (!node)
		return;
	node->slow = is_slow(spans, exchange);
	if (node->words && node->words->context.valid)
		trace_finish(&spans->tracer, node);
	else
		trace_finish_as(&spans->tracer, node, &origin);
	node_free(&spans->nodes, node);
}

/* The request as the other end served it is below the call now, or will be. */
static void find_request(struct spans *spans, struct node *call)
{
	struct node *request = callers_take(&spans->callers, call->both, SPAN_SERVER);

	if (!request) {
		callers_await(&spans->callers, call);
		return;
	}
	if (!request->open)
		list_remove(&request->turn);
	node_attach(call, request);
}

static void call(struct spans *spans, const struct exchange *exchange)
{
	const struct connection *connection = exchange->connection;
	struct span_owner owner = { connection->identity, connection->tgid, connection->process };
	bool header = exchange->details && exchange->details->context.valid;
	bool served = exchange->both && connection->protocol->family == FAMILY_HTTP && !header;
	struct node *node;

	if (!served && !claims_serves(spans->claims, &owner)) {
		call_alone(spans, exchange);
		return;
	}
	node = keep(spans, exchange);
	if (!node)
		return;
	node->slow = is_slow(spans, exchange);
	if (served)
		find_request(spans, node);
	if (claims_call(spans->claims, node))
		return;
	node->due = spans->now + SPANS_OPEN_NS;
	list_add(&spans->open, &node->turn);
}

static void take(struct spans *spans, const struct exchange *exchange)
{
	if (exchange->end > spans->now)
		spans->now = exchange->end;
	/*
	 * Where it is not known when an answer was read its end is when that was sent; where it is
	 * not known when a request arrived it begins when that was sent: good enough for a span,
	 * which a trace would miss.
	 */
	if (!exchange->begin && !exchange->read)
		spans->counts.losses[SPANS_UNTIMED]++;
	else if (exchange->connection->side == SIDE_SERVER)
		serve(spans, exchange);
	else
		call(spans, exchange);
}

static void on_exchange(struct sink *sink, const struct exchange *exchange)
{
	struct spans *spans = (struct spans *)sink;
	const struct connection *connection = exchange->connection;
	struct exchange bare;
	struct query database;

	if (!connection->protocol || !connection->side ||
	    (connection->side == SIDE_SERVER && connection->protocol->family != FAMILY_HTTP))
		return;
	if (!spans->details) {
		bare = *exchange;
		bare.query = bare.error = bare.database = QUERY_NONE;
		bare.details = NULL;
		exchange = &bare;
	}
	/* Said once for a whole session: it is not forgotten while that goes on. */
	if (exchange->database)
		queries_get(exchange->database, &database);
	take(spans, exchange);
}

/* ---- the sink ---- */

static void on_connection(struct sink *sink, const struct connection *connection,
			  enum connection_change change, enum session_state before)
{
	struct spans *spans = (struct spans *)sink;
	struct span_owner owner = { connection->identity, connection->tgid, connection->process };

	(void)before;
	if (change == CONNECTION_OPENED && connection->side == SIDE_SERVER &&
	    connection->protocol && connection->protocol->family == FAMILY_HTTP)
		claims_serve(spans->claims, &owner);
}

static void on_tick(struct sink *sink, uint64_t now)
{
	pass_time((struct spans *)sink, now);
}

/* Nothing more will come: what waits is finished as if its time had come, one wait after the other.
 */
static void on_close(struct sink *sink)
{
	struct spans *spans = (struct spans *)sink;

	spans->tracer.metrics = NULL; /* closed before, and not scraped any more */
	for (int i = 0; i < 4; i++)
		pass_time(spans, spans->now + SPANS_HELD_NS + SPANS_AWAIT_NS);
	spans_free(spans);
}

int spans_configure(struct spans *spans, const struct config *config)
{
	int error = routes_configure(spans->routes, &config->endpoints);

	if (error)
		return error;
	sampling_init(&spans->tracer.sampling, &config->traces);
	spans->slow = config->traces.slow;
	return 0;
}

static int start(struct spans *spans, const struct config *config, const struct tasks *tasks)
{
	int error = routes_new(&config->endpoints, &spans->routes);

	if (!error)
		error = slowness_new(&spans->slowness);
	if (!error)
		error = claims_new(tasks, &spans->claims);
	if (!error)
		error = span_ids_init(&spans->tracer.ids);
	sampling_init(&spans->tracer.sampling, &config->traces);
	spans->slow = config->traces.slow;
	return error;
}

int spans_new(const struct config *config, const struct spans_host *host, struct spans **ret)
{
	struct spans *spans = memory_take_zeroed(MEMORY_FIXED, sizeof(*spans));
	int error;

	if (!spans)
		return -ENOMEM;
	spans->sink = (struct sink){ .name = "spans",
				     .exchange = on_exchange,
				     .connection = on_connection,
				     .tick = on_tick,
				     .close = on_close };
	spans->details = host->details;
	spans->tracer.outlet = host->outlet;
	spans->tracer.metrics = host->metrics;
	spans->tracer.counts = &spans->counts;
	nodes_init(&spans->nodes);
	list_init(&spans->open);
	list_init(&spans->awaiting);
	error = start(spans, config, host->tasks);
	if (error)
		spans_free(spans);
	else
		*ret = spans;
	return error;
}

void spans_free(struct spans *spans)
{
	struct node *node;

	if (!spans)
		return;
	while (spans->claims && (node = claims_expire(spans->claims, UINT64_MAX)))
		node_free(&spans->nodes, node);
	claims_free(spans->claims);
	slowness_free(spans->slowness);
	routes_free(spans->routes);
	nodes_free(&spans->nodes);
	memory_give(MEMORY_FIXED, spans, sizeof(*spans));
}

struct sink *spans_sink(struct spans *spans)
{
	return &spans->sink;
}

struct spans_counts spans_counts(const struct spans *spans)
{
	struct spans_counts counts = spans->counts;

	counts.kept = spans->nodes.all.out;
	return counts;
}
