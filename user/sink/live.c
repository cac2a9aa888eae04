/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/live.h"

#include <errno.h>
#include <stdlib.h>

#include "sink/families.h"

#define CACHE_SIZE 256 /* a power of two */

/* Who is meant by a row, without looking at texts: the row is found by them once. */
struct owner_key {
	const struct protocol *protocol;
	uint32_t identity;
	uint32_t side;
};

struct cached {
	struct owner_key key;
	uint16_t row; /* one more than its index; 0: free */
};

struct totals {
	uint64_t buckets[TABLE_BUCKETS];
	uint8_t side;
};

struct live {
	struct sink sink; /* first: a sink is its totals */
	struct config_buckets bounds[BUCKETS];
	const struct identities *identities;
	size_t count;
	struct cached cache[CACHE_SIZE];
	struct table_row rows[TABLE_ROWS];
	struct totals *totals[TABLE_ROWS];
};

/* ---- rows ---- */

static const struct config_buckets *bounds_of(const struct live *live,
					      const struct protocol *protocol)
{
	switch (protocol->family) {
	case FAMILY_HTTP:
		return &live->bounds[BUCKETS_HTTP];
	case FAMILY_DATABASE:
		return &live->bounds[BUCKETS_DATABASE];
	case FAMILY_CACHE:
		break;
	}
	return &live->bounds[BUCKETS_CACHE];
}

/* The row of a service, by its name: pods of one service share it. TABLE_ROWS: there is no room. */
static size_t find_row(struct live *live, const struct owner_key *key)
{
	const char *service = identity_get(live->identities, key->identity)->service;
	const struct config_buckets *bounds = bounds_of(live, key->protocol);
	size_t i;

	for (i = 0; i < live->count; i++)
		if (live->totals[i]->side == key->side &&
		    live->rows[i].protocol == key->protocol->name &&
		    strcmp(live->rows[i].service, service) == 0)
			return i;
	if (i == TABLE_ROWS)
		return i;
	live->totals[i] = calloc(1, sizeof(*live->totals[i]));
	if (!live->totals[i])
		return TABLE_ROWS;
	live->totals[i]->side = (uint8_t)key->side;
	live->rows[i] = (struct table_row){
		.service = service,
		.protocol = key->protocol->name,
		.role = key->side == SIDE_CLIENT ? "client" : "server",
		.buckets = live->totals[i]->buckets,
		.bounds_ns = bounds->bound_ns,
		.buckets_n = bounds->count + 1,
	};
	return live->count++;
}

/* NULL where the protocol is not known, or there is no room. */
static struct table_row *row_of(struct live *live, const struct connection *connection)
{
	struct owner_key key = { .protocol = connection->protocol,
				 .identity = connection->identity,
				 .side = connection->side };
	struct cached *cached;
	size_t row;

	if (!key.protocol)
		return NULL;
	cached = &live->cache[(key.identity * 4 + key.side + key.protocol->family * 64) &
			      (CACHE_SIZE - 1)];
	if (cached->row && cached->key.protocol == key.protocol &&
	    cached->key.identity == key.identity && cached->key.side == key.side)
		return &live->rows[cached->row - 1];
	row = find_row(live, &key);
	if (row == TABLE_ROWS)
		return NULL;
	*cached = (struct cached){ .key = key, .row = (uint16_t)(row + 1) };
	return &live->rows[row];
}

/* ---- the sink ---- */

static void on_exchange(struct sink *sink, const struct exchange *exchange)
{
	struct live *live = (struct live *)sink;
	struct table_row *row = row_of(live, exchange->connection);
	uint64_t duration = exchange->end - exchange->begin;
	size_t bucket = 0;

	if (!row)
		return;
	row->count++;
	row->errors += exchange->outcome != OUTCOME_OK;
	if (!exchange->timed || exchange->outcome == OUTCOME_ABORTED)
		return;
	while (bucket + 1 < row->buckets_n && duration > row->bounds_ns[bucket])
		bucket++;
	live->totals[row - live->rows]->buckets[bucket]++;
}

static bool is_open(enum session_state session)
{
	return session != SESSION_NONE && session != SESSION_SAME;
}

static void on_connection(struct sink *sink, const struct connection *connection,
			  enum connection_change change, enum session_state before)
{
	struct table_row *row;

	if (change != CONNECTION_SESSION || is_open(before) == is_open(connection->session))
		return;
	row = row_of((struct live *)sink, connection);
	if (row && is_open(before) && row->connections > 0)
		row->connections--;
	else if (row && !is_open(before))
		row->connections++;
}

static void on_close(struct sink *sink)
{
	live_free((struct live *)sink);
}

int live_new(const struct config *config, const struct identities *identities, struct live **ret)
{
	struct live *live = calloc(1, sizeof(*live));

	if (!live)
		return -ENOMEM;
	live->sink = (struct sink){ .name = "live",
				    .exchange = on_exchange,
				    .connection = on_connection,
				    .close = on_close };
	live->bounds[BUCKETS_HTTP] = config->http;
	live->bounds[BUCKETS_DATABASE] = config->database;
	live->bounds[BUCKETS_CACHE] = config->cache;
	live->identities = identities;
	*ret = live;
	return 0;
}

void live_free(struct live *live)
{
	if (!live)
		return;
	for (size_t i = 0; i < live->count; i++)
		free(live->totals[i]);
	free(live);
}

struct sink *live_sink(struct live *live)
{
	return &live->sink;
}

const struct table_row *live_rows(struct live *live, size_t *ret_n)
{
	*ret_n = live->count;
	return live->rows;
}
