/* SPDX-License-Identifier: Apache-2.0 */
/* The metrics that are made of exchanges and connections: names, labels, meanings. */
#ifndef ONLOOKER_FAMILIES_H
#define ONLOOKER_FAMILIES_H

#include "sink/series.h"

enum metric_number {
	METRIC_HTTP_REQUESTS,
	METRIC_HTTP_DURATION,
	METRIC_HTTP_CLIENT_REQUESTS,
	METRIC_HTTP_CLIENT_DURATION,
	METRIC_DB_QUERIES,
	METRIC_DB_DURATION,
	METRIC_DB_SERVER_QUERIES,
	METRIC_DB_SERVER_DURATION,
	METRIC_REDIS_COMMANDS,
	METRIC_REDIS_DURATION,
	METRIC_REDIS_SERVER_COMMANDS,
	METRIC_REDIS_SERVER_DURATION,
	METRIC_REDIS_HITS,
	METRIC_REDIS_MISSES,
	METRIC_DB_POOL,
	METRIC_DB_CONNECTIONS,
	METRIC_REDIS_CONNECTIONS,
	METRIC_HTTP_CONNECTIONS,
	METRIC_TCP_OPENED,
	METRIC_TCP_CLOSED,
	METRIC_TCP_FAILURES,
	METRIC_TCP_CONNECT,
	METRICS,
};

/* Which bounds a histogram has. */
enum metric_buckets {
	BUCKETS_HTTP,
	BUCKETS_DATABASE,
	BUCKETS_CACHE,
	BUCKETS,
};

/* What key.names holds. HTTP and the protocol metrics: */
enum metric_name {
	AT_OPERATION = 0, /* method, verb, command */
	AT_PROTOCOL = 0,  /* tcp_* */
	AT_ROUTE = 1,
	AT_PEER = 2,
};

extern const struct series_metric metric_families[METRICS];

#endif
