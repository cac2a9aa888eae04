/* SPDX-License-Identifier: Apache-2.0 */
/* Exchanges and connections go in, the text of a scrape comes out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "export/exposition.h"
#include "sink/families.h"
#include "sink/metrics.h"
#include "traffic.h"
#include "util/clock.h"

static struct config config;
static struct identities *identities;
static struct metrics *metrics;
static struct text scrape;
static uint32_t shop, stock;

static struct connection connect_to(const struct protocol *protocol, enum side side,
				    const char *peer)
{
	return traffic_connection(shop, protocol, side, peer);
}

static void report(const struct exchange *exchange)
{
	struct sink *sink = metrics_sink(metrics);

	sink->exchange(sink, exchange);
}

static void change(const struct connection *connection, enum connection_change what,
		   enum session_state before)
{
	struct sink *sink = metrics_sink(metrics);

	sink->connection(sink, connection, what, before);
}

static void session(struct connection *connection, enum session_state state)
{
	enum session_state before = connection->session;

	connection->session = state;
	change(connection, CONNECTION_SESSION, before);
}

static void render(enum exposition format)
{
	scrape.size = 0;
	assert_int_equal(exposition_write(&scrape, format, metrics_series(metrics), NULL, NULL), 0);
	text_put(&scrape, "", 1);
}

/* The scrape has `line` as a whole line. The identity's labels of shop are left out by the caller.
 */
static bool has_line(const char *line)
{
	const char *at = scrape.data;
	size_t size = strlen(line);

	while ((at = strstr(at, line))) {
		if ((at == scrape.data || at[-1] == '\n') && at[size] == '\n')
			return true;
		at++;
	}
	return false;
}

#define SHOP "service=\"shop\",namespace=\"\",pod=\"\",container=\"\""

static void shows(const char *line)
{
	if (!has_line(line))
		fail_msg("no line %s in\n%s", line, scrape.data);
}

static int set_up(void **state)
{
	char error[256];

	(void)state;
	if (config_load(NULL, &config, error, sizeof(error)) || identities_new(64, 64, &identities))
		return -1;
	shop = traffic_identity(identities, "shop");
	stock = traffic_identity(identities, "stock");
	return metrics_new(&config, identities, &metrics);
}

static int tear_down(void **state)
{
	(void)state;
	metrics_free(metrics);
	identities_free(identities);
	config_free(&config);
	free(scrape.data);
	scrape = (struct text){ 0 };
	return 0;
}

static void test_http(void **state)
{
	struct connection served = connect_to(&traffic_http, SIDE_SERVER, "10.0.0.9");
	struct connection called = connect_to(&traffic_http, SIDE_CLIENT, "10.0.0.1:80");
	struct exchange exchange = traffic_exchange(&served, "GET", 3000000);

	(void)state;
	exchange.target = BYTES("/api/travels/17");
	exchange.code = 200;
	report(&exchange);
	exchange.end = exchange.begin + 20 * NSEC_PER_SEC;
	report(&exchange);
	exchange.timed = false;
	report(&exchange);
	exchange.outcome = OUTCOME_ABORTED;
	exchange.code = 0;
	report(&exchange);
	exchange = traffic_exchange(&called, "POST", 2500000);
	exchange.target = BYTES("/pay");
	exchange.code = 503;
	exchange.outcome = OUTCOME_ERROR;
	report(&exchange);
	render(EXPOSITION_TEXT);
#define GET "{" SHOP ",method=\"GET\",endpoint=\"/api/travels/{id}\""
	shows("http_requests_total" GET ",status=\"200\"} 3");
	shows("http_requests_total" GET ",status=\"aborted\"} 1");
	shows("http_request_duration_seconds_bucket" GET ",status=\"200\",le=\"0.0025\"} 0");
	shows("http_request_duration_seconds_bucket" GET ",status=\"200\",le=\"0.005\"} 1");
	shows("http_request_duration_seconds_bucket" GET ",status=\"200\",le=\"10.0\"} 1");
	shows("http_request_duration_seconds_bucket" GET ",status=\"200\",le=\"+Inf\"} 2");
	shows("http_request_duration_seconds_sum" GET ",status=\"200\"} 20.003");
	shows("http_request_duration_seconds_count" GET ",status=\"200\"} 2");
	assert_null(strstr(scrape.data, "seconds_count" GET ",status=\"aborted\""));
#define POST "{" SHOP ",method=\"POST\",endpoint=\"/pay\",status=\"503\",peer=\"10.0.0.1:80\""
	shows("http_client_requests_total" POST "} 1");
	shows("http_client_request_duration_seconds_bucket" POST ",le=\"0.0025\"} 1");
	shows("onlooker_series 35");
}

static void test_operations(void **state)
{
	struct connection to_db = connect_to(&traffic_database, SIDE_CLIENT, "db:5432");
	struct connection in_db = connect_to(&traffic_database, SIDE_SERVER, "10.0.0.9");
	struct connection to_cache = connect_to(&traffic_cache, SIDE_CLIENT, "cache:6379");
	struct connection in_cache = connect_to(&traffic_cache, SIDE_SERVER, "10.0.0.9");
	struct exchange exchange = traffic_exchange(&to_db, "SELECT", 50000);

	(void)state;
	report(&exchange);
	exchange.outcome = OUTCOME_ERROR;
	report(&exchange);
	exchange.outcome = OUTCOME_ABORTED;
	report(&exchange);
	exchange = traffic_exchange(&in_db, "INSERT", 1);
	report(&exchange);
	exchange = traffic_exchange(&to_cache, "MGET", 1);
	exchange.hits = 2;
	report(&exchange);
	exchange = traffic_exchange(&in_cache, "GET", 1);
	exchange.misses = 1;
	report(&exchange);
	render(EXPOSITION_TEXT);
	shows("db_queries_total{" SHOP ",operation=\"SELECT\",status=\"ok\"} 1");
	shows("db_queries_total{" SHOP ",operation=\"SELECT\",status=\"error\"} 1");
	shows("db_queries_total{" SHOP ",operation=\"SELECT\",status=\"aborted\"} 1");
	shows("db_query_duration_seconds_count{" SHOP ",operation=\"SELECT\"} 2");
	shows("db_query_duration_seconds_sum{" SHOP ",operation=\"SELECT\"} 0.0001");
	shows("db_query_duration_seconds_bucket{" SHOP ",operation=\"SELECT\",le=\"0.00005\"} 2");
	shows("db_server_queries_total{" SHOP ",operation=\"INSERT\",status=\"ok\"} 1");
	shows("db_server_query_duration_seconds_count{" SHOP ",operation=\"INSERT\"} 1");
	shows("redis_commands_total{" SHOP ",operation=\"MGET\",status=\"ok\"} 1");
	shows("redis_command_duration_seconds_count{" SHOP ",operation=\"MGET\"} 1");
	shows("redis_cache_hits_total{" SHOP ",operation=\"MGET\"} 2");
	shows("redis_cache_misses_total{" SHOP ",operation=\"MGET\"} 0");
	shows("redis_server_commands_total{" SHOP ",operation=\"GET\",status=\"ok\"} 1");
	shows("redis_server_command_duration_seconds_count{" SHOP ",operation=\"GET\"} 1");
	assert_null(strstr(scrape.data, "redis_cache_misses_total{" SHOP ",operation=\"GET\""));
}

static void test_connections(void **state)
{
	struct connection db = connect_to(&traffic_database, SIDE_CLIENT, "db:5432");
	struct connection cached = connect_to(&traffic_cache, SIDE_CLIENT, "cache:6379");
	struct connection served = connect_to(&traffic_http, SIDE_SERVER, "10.0.0.9");
	struct connection other = connect_to(NULL, SIDE_SERVER, "10.0.0.9");
	struct connection failed = connect_to(NULL, SIDE_CLIENT, "db:5432");

	(void)state;
	other.opened_here = 0;
	change(&db, CONNECTION_OPENED, SESSION_NONE);
	change(&cached, CONNECTION_OPENED, SESSION_NONE);
	change(&served, CONNECTION_OPENED, SESSION_NONE);
	change(&other, CONNECTION_OPENED, SESSION_NONE);
	change(&failed, CONNECTION_FAILED, SESSION_NONE);
	session(&db, SESSION_IDLE);
	session(&cached, SESSION_IDLE);
	session(&served, SESSION_IDLE);
	render(EXPOSITION_TEXT);
	shows("db_connections{" SHOP ",state=\"idle\",peer=\"db:5432\"} 1");
	shows("db_connection_pool_size{" SHOP "} 0");
	shows("redis_connections{" SHOP ",peer=\"cache:6379\"} 1");
	shows("http_connections{" SHOP ",role=\"server\"} 1");
#define OPENED "tcp_connections_opened_total{" SHOP
	shows(OPENED ",role=\"client\",protocol=\"postgresql\",peer=\"db:5432\"} 1");
	shows(OPENED ",role=\"server\",protocol=\"http\",peer=\"10.0.0.9\"} 1");
	assert_null(strstr(scrape.data, OPENED ",role=\"server\",protocol=\"unknown\""));
	shows("tcp_connect_failures_total{" SHOP
	      ",role=\"client\",protocol=\"unknown\",peer=\"db:5432\"} 1");
	shows("tcp_connect_duration_seconds_sum{" SHOP ",peer=\"db:5432\"} 0.0001");
	assert_null(strstr(scrape.data, "tcp_connect_duration_seconds_sum{" SHOP ",peer=\"10."));
	session(&db, SESSION_ACTIVE);
	session(&db, SESSION_TRANSACTION);
	render(EXPOSITION_TEXT);
	shows("db_connections{" SHOP ",state=\"idle\",peer=\"db:5432\"} 0");
	shows("db_connections{" SHOP ",state=\"active\",peer=\"db:5432\"} 0");
	shows("db_connections{" SHOP ",state=\"idle_in_transaction\",peer=\"db:5432\"} 1");
	shows("db_connection_pool_size{" SHOP "} 1");
	session(&db, SESSION_NONE);
	change(&db, CONNECTION_CLOSED, SESSION_NONE);
	session(&cached, SESSION_NONE);
	session(&served, SESSION_NONE);
	change(&other, CONNECTION_CLOSED, SESSION_NONE);
	render(EXPOSITION_TEXT);
	shows("db_connections{" SHOP ",state=\"idle_in_transaction\",peer=\"db:5432\"} 0");
	shows("db_connection_pool_size{" SHOP "} 0");
	shows("redis_connections{" SHOP ",peer=\"cache:6379\"} 0");
	shows("http_connections{" SHOP ",role=\"server\"} 0");
	shows("tcp_connections_closed_total{" SHOP
	      ",role=\"client\",protocol=\"postgresql\",peer=\"db:5432\"} 1");
	assert_null(strstr(scrape.data, "closed_total{" SHOP ",role=\"server\""));
}

/* Many connections to more peers than there may be, while limits change: all end at 0. */
static void test_gauges_end_at_zero(void **state)
{
	static const enum session_state states[] = { SESSION_NONE, SESSION_IDLE,
						     SESSION_TRANSACTION, SESSION_ACTIVE };
	const struct protocol *const all[] = { &traffic_http, &traffic_database, &traffic_cache };
	struct connection connections[300];
	struct config other = config;
	char peer[32];

	(void)state;
	srandom(11);
	for (int i = 0; i < 300; i++) {
		snprintf(peer, sizeof(peer), "10.1.0.%d:80", i % 150);
		connections[i] = connect_to(all[i % 3], i % 7 ? SIDE_CLIENT : SIDE_SERVER, peer);
		connections[i].identity = i % 2 ? shop : stock;
	}
	for (int i = 0; i < 30000; i++) {
		if (i % 500 == 0) {
			other.limits.series = 100 + (uint64_t)random() % 100;
			other.limits.peer_limit = 1 + (uint64_t)random() % 60;
			assert_int_equal(metrics_configure(metrics, &other), 0);
		}
		session(&connections[random() % 300], states[random() % 4]);
	}
	for (int i = 0; i < 300; i++)
		session(&connections[i], SESSION_NONE);
	for (unsigned int m = METRIC_DB_POOL; m <= METRIC_HTTP_CONNECTIONS; m++) {
		const struct series *series = series_first(metrics_series(metrics), m);

		assert_non_null(series);
		for (; series; series = series->next)
			assert_int_equal(series->level, 0);
	}
	assert_true(series_dropped(metrics_series(metrics), METRIC_DB_CONNECTIONS) > 0);
}

static void test_bounds(void **state)
{
	struct connection served = connect_to(&traffic_http, SIDE_SERVER, "10.0.0.9");
	struct connection called = connect_to(&traffic_http, SIDE_CLIENT, "");
	struct exchange exchange;
	char text[64];

	(void)state;
	called.identity = stock;
	for (int i = 0; i < 260; i++) {
		exchange = traffic_exchange(&served, "GET", 1);
		exchange.code = 200;
		snprintf(text, sizeof(text), "/page-%c%c", 'a' + i / 26, 'a' + i % 26);
		exchange.target = traffic_view(text);
		report(&exchange);
	}
	for (int i = 0; i < 110; i++) {
		snprintf(text, sizeof(text), "10.2.0.%d:80", i);
		called.peer = traffic_name(NAME_PEER, text);
		exchange = traffic_exchange(&called, "GET", 1);
		exchange.code = 200;
		exchange.target = BYTES("/");
		report(&exchange);
	}
	render(EXPOSITION_TEXT);
	shows("http_requests_total{" SHOP ",method=\"GET\",endpoint=\"other\",status=\"200\"} 60");
	shows("http_requests_total{" SHOP
	      ",method=\"GET\",endpoint=\"/page-hr\",status=\"200\"} 1");
	shows("http_client_requests_total{service=\"stock\",namespace=\"\",pod=\"\",container=\"\","
	      "method=\"GET\",endpoint=\"/\",status=\"200\",peer=\"other\"} 10");
	shows("onlooker_series_dropped_total{metric=\"http_requests_total\"} 60");
	shows("onlooker_series_dropped_total{metric=\"http_request_duration_seconds\"} 60");
	shows("onlooker_series_dropped_total{metric=\"http_client_requests_total\"} 10");
	shows("onlooker_series_dropped_total{metric=\"db_queries_total\"} 0");
}

/* However many different things come, the lines are not more than the limit, and none is lost. */
static void test_series_limit(void **state)
{
	struct connection served = connect_to(&traffic_http, SIDE_SERVER, "10.0.0.9");
	struct config small = config;
	uint64_t total = 0, own = 0;
	size_t lines = 0;

	(void)state;
	small.limits.series = 100;
	small.limits.endpoint_limit = 1;
	assert_int_equal(metrics_configure(metrics, &small), 0);
	for (unsigned int i = 0; i < 1000; i++) {
		struct exchange exchange = traffic_exchange(&served, "GET", 1);

		/* A second route is one too many, and then there is no room for so many codes. */
		exchange.code = (uint16_t)(200 + i % 300);
		exchange.target = i % 2 ? BYTES("/a") : BYTES("/");
		report(&exchange);
	}
	render(EXPOSITION_TEXT);
	assert_true(series_lines(metrics_series(metrics)) <= 100);
	for (const char *at = scrape.data; (at = strstr(at, "{service=")); at++)
		lines++;
	assert_int_equal(lines, series_lines(metrics_series(metrics)));
	shows("# TYPE http_requests_total counter");
	for (const struct series *series =
		     series_first(metrics_series(metrics), METRIC_HTTP_REQUESTS);
	     series; series = series->next) {
		total += series->count;
		if (series->key.names[AT_ROUTE] != NAME_OTHER)
			own += series->count;
	}
	assert_int_equal(total, 1000);
	/* What lost a label to both bounds was lost once. */
	assert_int_equal(series_dropped(metrics_series(metrics), METRIC_HTTP_REQUESTS), 1000 - own);
	assert_non_null(strstr(scrape.data,
			       "http_requests_total{service=\"other\",namespace=\"\",pod=\"\","
			       "container=\"\",method=\"other\",endpoint=\"other\","
			       "status=\"other\"} "));
}

static void test_configure(void **state)
{
	char *patterns[] = { "/shop/{item}" };
	struct connection served = connect_to(&traffic_http, SIDE_SERVER, "10.0.0.9");
	struct exchange exchange = traffic_exchange(&served, "GET", 1);
	struct config other = config;

	(void)state;
	assert_false(metrics_buckets_differ(metrics, &other));
	other.http.bound_ns[0]++;
	assert_true(metrics_buckets_differ(metrics, &other));
	exchange.target = BYTES("/shop/shoe");
	exchange.code = 200;
	report(&exchange);
	other.endpoints = (struct config_endpoints){ patterns, 1 };
	assert_int_equal(metrics_configure(metrics, &other), 0);
	report(&exchange);
	render(EXPOSITION_TEXT);
	shows("http_requests_total{" SHOP
	      ",method=\"GET\",endpoint=\"/shop/shoe\",status=\"200\"} 1");
	shows("http_requests_total{" SHOP
	      ",method=\"GET\",endpoint=\"/shop/{item}\",status=\"200\"} 1");
}

static void test_openmetrics(void **state)
{
	struct connection served = connect_to(&traffic_http, SIDE_SERVER, "10.0.0.9");
	struct exchange exchange = traffic_exchange(&served, "GET", 1);

	(void)state;
	exchange.target = BYTES("/");
	exchange.code = 200;
	report(&exchange);
	render(EXPOSITION_OPENMETRICS);
	shows("# TYPE http_requests counter");
	shows("# TYPE http_request_duration_seconds histogram");
	shows("# TYPE db_connection_pool_size gauge");
	shows("http_requests_total{" SHOP ",method=\"GET\",endpoint=\"/\",status=\"200\"} 1");
	assert_string_equal(scrape.data + scrape.size - 1 - strlen("\n# EOF\n"), "\n# EOF\n");
}

static void test_cost(void **state)
{
	struct connection served = connect_to(&traffic_http, SIDE_SERVER, "10.0.0.9");
	struct connection called = connect_to(&traffic_cache, SIDE_CLIENT, "cache:6379");
	struct exchange request = traffic_exchange(&served, "GET", 3000000);
	struct exchange command = traffic_exchange(&called, "GET", 3000000);
	uint64_t begin = clock_now(), http;

	(void)state;
	request.target = BYTES("/api/travels/17");
	request.code = 200;
	for (int i = 0; i < 500000; i++)
		report(&request);
	http = (clock_now() - begin) / 500000;
	begin = clock_now();
	for (int i = 0; i < 500000; i++)
		report(&command);
	begin = (clock_now() - begin) / 500000;
	print_message("request %llu ns, command %llu ns\n", (unsigned long long)http,
		      (unsigned long long)begin);
	/* Ten times and more what they take: only to notice that something is badly wrong. */
	assert_true(http < 3000 && begin < 3000);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_http),	TEST(test_operations),
		TEST(test_connections), TEST(test_gauges_end_at_zero),
		TEST(test_bounds),	TEST(test_series_limit),
		TEST(test_configure),	TEST(test_openmetrics),
		TEST(test_cost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
