/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/metrics.h"

#include <errno.h>
#include <stdlib.h>

#include "sink/budget.h"
#include "sink/families.h"
#include "sink/route.h"
#include "sink/shortcut.h"
#include "util/names.h"

struct metrics {
	struct sink sink; /* first: a sink is its metrics */
	struct config_buckets buckets[BUCKETS];
	struct config_limits limits;
	struct series_set *series;
	struct series *observed; /* by the last exchange */
	struct routes *routes;
	struct budget *route_budget, *peer_budget;
	struct shortcuts shortcuts;
};

/* ---- labels ---- */

static struct series_key key_of(const struct connection *connection, unsigned int metric)
{
	return (struct series_key){ .identity = connection->identity, .metric = (uint8_t)metric };
}

/* The peer as a label; whether it is the budget's `other` is the same at every call. */
static uint16_t peer_label(struct metrics *metrics, const struct connection *connection,
			   bool *ret_cut)
{
	*ret_cut = connection->peer == NAME_OTHER ||
		   !budget_admit(metrics->peer_budget, connection->identity,
				 (uint16_t)connection->peer, metrics->limits.peer_limit, true);
	return *ret_cut ? NAME_OTHER : (uint16_t)connection->peer;
}

static uint16_t route_label(struct metrics *metrics, const struct exchange *exchange, bool *ret_cut)
{
	uint32_t identity = exchange->connection->identity;
	uint64_t limit = metrics->limits.endpoint_limit;
	uint16_t name = NAME_OTHER;

	/* Without a target there was no memory to keep it. */
	if (exchange->target.data)
		name = routes_find(metrics->routes, exchange->target,
				   budget_full(metrics->route_budget, identity, limit) ?
					   NAMES_NOBODY :
					   identity + 1);
	*ret_cut = name == NAME_OTHER ||
		   !budget_admit(metrics->route_budget, identity, name, limit, false);
	return *ret_cut ? NAME_OTHER : name;
}

static uint16_t protocol_label(const struct connection *connection)
{
	const char *name = connection->protocol ? connection->protocol->name : "unknown";

	return names_intern(NAME_OPERATION, (struct bytes){ (const uint8_t *)name, strlen(name) });
}

/* ---- exchanges ---- */

static bool is_timed(const struct exchange *exchange)
{
	return exchange->timed && exchange->outcome != OUTCOME_ABORTED;
}

/* Counts and observes in the series that were found before. False: it is not known where they are.
 */
static bool count_known(struct metrics *metrics, const struct exchange *exchange,
			struct shortcut_tag tag)
{
	const struct shortcut *shortcut = shortcut_place(&metrics->shortcuts, tag);

	if (!is_timed(exchange) || !shortcut_leads(shortcut, tag))
		return false;
	series_count(shortcut->first, 1);
	series_record(metrics->series, shortcut->second, exchange->end - exchange->begin);
	metrics->observed = shortcut->second;
	return true;
}

/* Counts under `key` and, where the duration is known, observes it in the metric's histogram. */
static void count(struct metrics *metrics, const struct exchange *exchange,
		  const struct series_key *key, const struct series_key *duration,
		  struct shortcut_tag tag, bool cut)
{
	if (!series_add(metrics->series, key, 1) && cut)
		series_drop(metrics->series, key->metric);
	if (!is_timed(exchange))
		return;
	if (!series_observe(metrics->series, duration, exchange->end - exchange->begin) && cut)
		series_drop(metrics->series, duration->metric);
	if (cut)
		return;
	metrics->observed = series_find(metrics->series, duration);
	shortcut_set(shortcut_place(&metrics->shortcuts, tag), tag,
		     series_find(metrics->series, key), metrics->observed);
}

static uint16_t http_code(const struct exchange *exchange)
{
	return exchange->outcome == OUTCOME_ABORTED ? CODE_ABORTED : exchange->code;
}

static struct shortcut_tag http_tag(const struct exchange *exchange, unsigned int metric,
				    uint16_t route, uint16_t peer)
{
	struct shortcut_tag tag =
		shortcut_tag(exchange->connection->identity, metric, 0, exchange->operation);

	tag.two = (uint64_t)http_code(exchange) << 32 | (uint64_t)route << 16 | peer;
	return tag;
}

static void count_http(struct metrics *metrics, const struct exchange *exchange)
{
	const struct connection *connection = exchange->connection;
	bool client = connection->side == SIDE_CLIENT;
	unsigned int metric = client ? METRIC_HTTP_CLIENT_REQUESTS : METRIC_HTTP_REQUESTS;
	uint16_t peer = client ? (uint16_t)connection->peer : 0, route = NAME_NONE;
	bool route_cut, peer_cut = false;
	struct series_key key, duration;

	if (exchange->target.data)
		route = routes_known(metrics->routes, exchange->target);
	/* What has a shortcut was admitted to the budgets. */
	if (route != NAME_NONE &&
	    count_known(metrics, exchange, http_tag(exchange, metric, route, peer)))
		return;
	route = route_label(metrics, exchange, &route_cut);
	if (client)
		peer = peer_label(metrics, connection, &peer_cut);
	key = key_of(connection, metric);
	key.code = http_code(exchange);
	key.names[AT_OPERATION] = exchange->operation;
	key.names[AT_ROUTE] = route;
	if (client)
		key.names[AT_PEER] = peer;
	duration = key;
	duration.metric = client ? METRIC_HTTP_CLIENT_DURATION : METRIC_HTTP_DURATION;
	count(metrics, exchange, &key, &duration, http_tag(exchange, metric, route, peer),
	      route_cut || peer_cut || exchange->operation == NAME_OTHER);
}

/* Databases and caches: operation and status, the histogram without status. */
static void count_operation(struct metrics *metrics, const struct exchange *exchange,
			    unsigned int counter, unsigned int histogram)
{
	uint32_t identity = exchange->connection->identity;
	bool cut = exchange->operation == NAME_OTHER;
	struct shortcut_tag tag =
		shortcut_tag(identity, counter, exchange->outcome, exchange->operation);
	struct series_key key, duration;

	if (!cut && count_known(metrics, exchange, tag))
		return;
	key = key_of(exchange->connection, counter);
	duration = key_of(exchange->connection, histogram);
	key.choice = exchange->outcome;
	key.names[AT_OPERATION] = exchange->operation;
	duration.names[AT_OPERATION] = exchange->operation;
	count(metrics, exchange, &key, &duration, tag, cut);
}

static void count_keys(struct metrics *metrics, const struct exchange *exchange)
{
	struct shortcut_tag tag = shortcut_tag(exchange->connection->identity, METRIC_REDIS_HITS, 0,
					       exchange->operation);
	struct shortcut *shortcut = shortcut_place(&metrics->shortcuts, tag);
	struct series_key hits, misses;

	if (shortcut_leads(shortcut, tag)) {
		series_count(shortcut->first, exchange->hits);
		series_count(shortcut->second, exchange->misses);
		return;
	}
	hits = key_of(exchange->connection, METRIC_REDIS_HITS);
	misses = key_of(exchange->connection, METRIC_REDIS_MISSES);
	/* Both, so that a ratio can be had before either has happened. */
	hits.names[AT_OPERATION] = misses.names[AT_OPERATION] = exchange->operation;
	series_add(metrics->series, &hits, exchange->hits);
	series_add(metrics->series, &misses, exchange->misses);
	shortcut_set(shortcut, tag, series_find(metrics->series, &hits),
		     series_find(metrics->series, &misses));
}

static void on_exchange(struct sink *sink, const struct exchange *exchange)
{
	struct metrics *metrics = (struct metrics *)sink;
	const struct connection *connection = exchange->connection;
	bool client = connection->side == SIDE_CLIENT;

	metrics->observed = NULL;
	if (!connection->protocol)
		return;
	switch (connection->protocol->family) {
	case FAMILY_HTTP:
		count_http(metrics, exchange);
		break;
	case FAMILY_DATABASE:
		if (client)
			count_operation(metrics, exchange, METRIC_DB_QUERIES, METRIC_DB_DURATION);
		else
			count_operation(metrics, exchange, METRIC_DB_SERVER_QUERIES,
					METRIC_DB_SERVER_DURATION);
		break;
	case FAMILY_CACHE:
		if (client) {
			count_operation(metrics, exchange, METRIC_REDIS_COMMANDS,
					METRIC_REDIS_DURATION);
			if (exchange->hits || exchange->misses)
				count_keys(metrics, exchange);
		} else {
			count_operation(metrics, exchange, METRIC_REDIS_SERVER_COMMANDS,
					METRIC_REDIS_SERVER_DURATION);
		}
		break;
	}
}

/* ---- connections ---- */

static bool is_open(enum session_state session)
{
	return session != SESSION_NONE && session != SESSION_SAME;
}

static bool in_use(enum session_state session)
{
	return session == SESSION_ACTIVE || session == SESSION_TRANSACTION;
}

static void move_database(struct metrics *metrics, const struct connection *connection,
			  enum session_state before, enum session_state after)
{
	struct series_key pool = key_of(connection, METRIC_DB_POOL);
	struct series_key key = key_of(connection, METRIC_DB_CONNECTIONS);
	bool cut, away = false;

	series_move(metrics->series, &pool, in_use(after) - in_use(before));
	key.names[AT_PEER] = peer_label(metrics, connection, &cut);
	if (is_open(before)) {
		key.choice = (uint8_t)before;
		series_move(metrics->series, &key, -1);
	}
	if (is_open(after)) {
		key.choice = (uint8_t)after;
		away = series_move(metrics->series, &key, 1);
	}
	if (cut && !away && is_open(after) > is_open(before))
		series_drop(metrics->series, key.metric);
}

static void move_open(struct metrics *metrics, struct series_key *key, bool cut, int delta)
{
	if (!delta)
		return;
	if (!series_move(metrics->series, key, delta) && cut && delta > 0)
		series_drop(metrics->series, key->metric);
}

static void change_session(struct metrics *metrics, const struct connection *connection,
			   enum session_state before)
{
	bool client = connection->side == SIDE_CLIENT, cut = false;
	int delta = is_open(connection->session) - is_open(before);
	struct series_key key;

	if (!connection->protocol)
		return;
	switch (connection->protocol->family) {
	case FAMILY_HTTP:
		key = key_of(connection, METRIC_HTTP_CONNECTIONS);
		key.choice = connection->side;
		move_open(metrics, &key, cut, delta);
		break;
	case FAMILY_DATABASE:
		if (client)
			move_database(metrics, connection, before, connection->session);
		break;
	case FAMILY_CACHE:
		if (!client || !delta)
			break;
		key = key_of(connection, METRIC_REDIS_CONNECTIONS);
		key.names[AT_PEER] = peer_label(metrics, connection, &cut);
		move_open(metrics, &key, cut, delta);
		break;
	}
}

static void count_tcp(struct metrics *metrics, const struct connection *connection,
		      unsigned int metric)
{
	struct series_key key = key_of(connection, metric);
	bool cut;

	key.choice = connection->side;
	key.names[AT_PROTOCOL] = protocol_label(connection);
	key.names[AT_PEER] = peer_label(metrics, connection, &cut);
	if (!series_add(metrics->series, &key, 1) && cut)
		series_drop(metrics->series, metric);
}

static void observe_connect(struct metrics *metrics, const struct connection *connection)
{
	struct series_key key = key_of(connection, METRIC_TCP_CONNECT);
	bool cut;

	if (connection->side != SIDE_CLIENT || !connection->born ||
	    connection->established < connection->born)
		return;
	key.names[AT_PEER] = peer_label(metrics, connection, &cut);
	if (!series_observe(metrics->series, &key, connection->established - connection->born) &&
	    cut)
		series_drop(metrics->series, METRIC_TCP_CONNECT);
}

static void on_connection(struct sink *sink, const struct connection *connection,
			  enum connection_change change, enum session_state before)
{
	struct metrics *metrics = (struct metrics *)sink;

	switch (change) {
	case CONNECTION_OPENED:
		if (!connection->opened_here)
			break;
		count_tcp(metrics, connection, METRIC_TCP_OPENED);
		observe_connect(metrics, connection);
		break;
	case CONNECTION_SESSION:
		change_session(metrics, connection, before);
		break;
	case CONNECTION_CLOSED:
		if (connection->opened_here)
			count_tcp(metrics, connection, METRIC_TCP_CLOSED);
		break;
	case CONNECTION_FAILED:
		count_tcp(metrics, connection, METRIC_TCP_FAILURES);
		break;
	}
}

/* ---- exemplars ---- */

int metrics_exemplify(struct metrics *metrics)
{
	return series_exemplify(metrics->series, CONFIG_EXEMPLARS(metrics->limits.series));
}

struct series *metrics_observed(const struct metrics *metrics)
{
	return metrics->observed;
}

void metrics_exemplar(struct metrics *metrics, struct series *observed, const struct exemplar *what)
{
	series_exemplar(metrics->series, observed, what);
}

/* ---- the sink ---- */

static void on_tick(struct sink *sink, uint64_t now)
{
	series_tick(((struct metrics *)sink)->series, now);
}

static void on_close(struct sink *sink)
{
	metrics_free((struct metrics *)sink);
}

int metrics_new(const struct config *config, const struct identities *identities,
		struct metrics **ret)
{
	struct metrics *metrics = calloc(1, sizeof(*metrics));

	if (!metrics)
		return -ENOMEM;
	metrics->sink = (struct sink){
		.name = "metrics",
		.exchange = on_exchange,
		.connection = on_connection,
		.tick = on_tick,
		.close = on_close,
	};
	metrics->buckets[BUCKETS_HTTP] = config->http;
	metrics->buckets[BUCKETS_DATABASE] = config->database;
	metrics->buckets[BUCKETS_CACHE] = config->cache;
	metrics->limits = config->limits;
	if (routes_new(&config->endpoints, &metrics->routes) ||
	    budget_new(IDENTITIES_LIMIT, &metrics->route_budget) ||
	    budget_new(IDENTITIES_LIMIT, &metrics->peer_budget) ||
	    series_set_new(metric_families, METRICS, metrics->buckets, BUCKETS,
			   config->limits.series, identities, &metrics->series)) {
		metrics_free(metrics);
		return -ENOMEM;
	}
	*ret = metrics;
	return 0;
}

void metrics_free(struct metrics *metrics)
{
	if (!metrics)
		return;
	series_set_free(metrics->series);
	budget_free(metrics->route_budget);
	budget_free(metrics->peer_budget);
	routes_free(metrics->routes);
	free(metrics);
}

struct sink *metrics_sink(struct metrics *metrics)
{
	return &metrics->sink;
}

int metrics_configure(struct metrics *metrics, const struct config *config)
{
	int err = routes_configure(metrics->routes, &config->endpoints);

	if (err)
		return err;
	metrics->limits = config->limits;
	series_set_limit(metrics->series, config->limits.series);
	return 0;
}

static bool buckets_equal(const struct config_buckets *a, const struct config_buckets *b)
{
	return a->count == b->count &&
	       memcmp(a->bound_ns, b->bound_ns, a->count * sizeof(a->bound_ns[0])) == 0;
}

bool metrics_buckets_differ(const struct metrics *metrics, const struct config *config)
{
	return !buckets_equal(&metrics->buckets[BUCKETS_HTTP], &config->http) ||
	       !buckets_equal(&metrics->buckets[BUCKETS_DATABASE], &config->database) ||
	       !buckets_equal(&metrics->buckets[BUCKETS_CACHE], &config->cache);
}

const struct series_set *metrics_series(const struct metrics *metrics)
{
	return metrics->series;
}
