/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/families.h"

#include "exchange.h"

static const char *const outcome_texts[] = {
	[OUTCOME_OK] = "ok",
	[OUTCOME_ERROR] = "error",
	[OUTCOME_ABORTED] = "aborted",
};

static const char *const role_texts[] = {
	[0] = "unknown",
	[SIDE_CLIENT] = "client",
	[SIDE_SERVER] = "server",
};

static const char *const state_texts[] = {
	[SESSION_SAME] = "",
	[SESSION_IDLE] = "idle",
	[SESSION_TRANSACTION] = "idle_in_transaction",
	[SESSION_ACTIVE] = "active",
	[SESSION_NONE] = "",
};

#define OPERATION { .name = "operation", .source = LABEL_NAME, .at = AT_OPERATION }
#define STATUS { .name = "status", .source = LABEL_CHOICE, .choices = outcome_texts }
#define METHOD { .name = "method", .source = LABEL_NAME, .at = AT_OPERATION }
#define ENDPOINT { .name = "endpoint", .source = LABEL_NAME, .at = AT_ROUTE }
#define CODE { .name = "status", .source = LABEL_CODE }
#define PEER { .name = "peer", .source = LABEL_NAME, .at = AT_PEER }
#define ROLE { .name = "role", .source = LABEL_CHOICE, .choices = role_texts }
#define STATE { .name = "state", .source = LABEL_CHOICE, .choices = state_texts }
#define PROTOCOL { .name = "protocol", .source = LABEL_NAME, .at = AT_PROTOCOL }

#define COUNTER(name_, variants_, help_, ...)                                                      \
	{                                                                                          \
		.name = (name_), .type = SERIES_COUNTER, .variants = (variants_), .help = (help_), \
		.labels = {                                                                        \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}
#define GAUGE(name_, variants_, help_, ...)                                                      \
	{                                                                                        \
		.name = (name_), .type = SERIES_GAUGE, .variants = (variants_), .help = (help_), \
		.labels = {                                                                      \
			__VA_ARGS__                                                              \
		}                                                                                \
	}
#define HISTOGRAM(name_, buckets_, help_, ...)                                                   \
	{                                                                                        \
		.name = (name_), .type = SERIES_HISTOGRAM, .variants = 1, .buckets = (buckets_), \
		.help = (help_), .labels = {                                                     \
			__VA_ARGS__                                                              \
		}                                                                                \
	}

const struct series_metric metric_families[METRICS] = {
	[METRIC_HTTP_REQUESTS] = COUNTER(
		"http_requests_total", 2,
		"HTTP requests served; status aborted: the connection ended before the answer did.",
		METHOD, ENDPOINT, CODE),
	[METRIC_HTTP_DURATION] = HISTOGRAM(
		"http_request_duration_seconds", BUCKETS_HTTP,
		"From the arrival of a request's first byte to the last byte of its response.",
		METHOD, ENDPOINT, CODE),
	[METRIC_HTTP_CLIENT_REQUESTS] = COUNTER(
		"http_client_requests_total", 2,
		"HTTP requests sent; status aborted: the connection ended before the answer did.",
		METHOD, ENDPOINT, CODE, PEER),
	[METRIC_HTTP_CLIENT_DURATION] = HISTOGRAM(
		"http_client_request_duration_seconds", BUCKETS_HTTP,
		"From the first byte of a request sent to the last byte of its response read.",
		METHOD, ENDPOINT, CODE, PEER),
	[METRIC_DB_QUERIES] =
		COUNTER("db_queries_total", 3, "Database statements executed for this service.",
			OPERATION, STATUS),
	[METRIC_DB_DURATION] = HISTOGRAM(
		"db_query_duration_seconds", BUCKETS_DATABASE,
		"From the last byte of a statement sent to its completion read.", OPERATION),
	[METRIC_DB_SERVER_QUERIES] =
		COUNTER("db_server_queries_total", 3,
			"Database statements that this server executed.", OPERATION, STATUS),
	[METRIC_DB_SERVER_DURATION] =
		HISTOGRAM("db_server_query_duration_seconds", BUCKETS_DATABASE,
			  "From the arrival of a statement to its completion sent.", OPERATION),
	[METRIC_REDIS_COMMANDS] =
		COUNTER("redis_commands_total", 3, "Redis commands sent by this service.",
			OPERATION, STATUS),
	[METRIC_REDIS_DURATION] = HISTOGRAM("redis_command_duration_seconds", BUCKETS_CACHE,
					    "From a command sent to its reply read.", OPERATION),
	[METRIC_REDIS_SERVER_COMMANDS] =
		COUNTER("redis_server_commands_total", 3,
			"Redis commands that this server executed.", OPERATION, STATUS),
	[METRIC_REDIS_SERVER_DURATION] =
		HISTOGRAM("redis_server_command_duration_seconds", BUCKETS_CACHE,
			  "From the arrival of a command to its reply sent.", OPERATION),
	[METRIC_REDIS_HITS] =
		COUNTER("redis_cache_hits_total", 1, "Keys that read commands found.", OPERATION),
	[METRIC_REDIS_MISSES] = COUNTER("redis_cache_misses_total", 1,
					"Keys that read commands did not find.", OPERATION),
	[METRIC_DB_POOL] = GAUGE(
		"db_connection_pool_size", 1,
		"Connections to databases in use: a statement in flight or a transaction open."),
	[METRIC_DB_CONNECTIONS] =
		GAUGE("db_connections", 3, "Open connections to databases.", STATE, PEER),
	[METRIC_REDIS_CONNECTIONS] =
		GAUGE("redis_connections", 1, "Open connections to Redis.", PEER),
	[METRIC_HTTP_CONNECTIONS] = GAUGE("http_connections", 2, "Open HTTP connections.", ROLE),
	[METRIC_TCP_OPENED] = COUNTER("tcp_connections_opened_total", 3, "TCP connections opened.",
				      ROLE, PROTOCOL, PEER),
	[METRIC_TCP_CLOSED] =
		COUNTER("tcp_connections_closed_total", 3,
			"TCP connections closed, of those seen to open.", ROLE, PROTOCOL, PEER),
	[METRIC_TCP_FAILURES] =
		COUNTER("tcp_connect_failures_total", 1,
			"TCP connections that were refused or timed out.", ROLE, PROTOCOL, PEER),
	[METRIC_TCP_CONNECT] = HISTOGRAM("tcp_connect_duration_seconds", BUCKETS_DATABASE,
					 "From SYN to established, as the client waited.", PEER),
};
