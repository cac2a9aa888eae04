/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "sink/live.h"
#include "traffic.h"

static struct config config;
static struct identities *identities;
static uint32_t shop;

static void test_totals(void **state)
{
	struct connection served = traffic_connection(shop, &traffic_http, SIDE_SERVER, "10.0.0.9");
	struct connection to_db =
		traffic_connection(shop, &traffic_database, SIDE_CLIENT, "db:5432");
	struct exchange exchange = traffic_exchange(&served, "GET", 3000000);
	const struct table_row *rows;
	struct live *live = NULL;
	struct sink *sink;
	size_t n;

	(void)state;
	assert_int_equal(live_new(&config, identities, &live), 0);
	sink = live_sink(live);
	sink->exchange(sink, &exchange);
	exchange.outcome = OUTCOME_ABORTED;
	sink->exchange(sink, &exchange);
	to_db.session = SESSION_IDLE;
	sink->connection(sink, &to_db, CONNECTION_SESSION, SESSION_NONE);
	to_db.session = SESSION_ACTIVE;
	sink->connection(sink, &to_db, CONNECTION_SESSION, SESSION_IDLE);
	rows = live_rows(live, &n);
	assert_int_equal(n, 2);
	assert_string_equal(rows[0].service, "shop");
	assert_string_equal(rows[0].protocol, "http");
	assert_string_equal(rows[0].role, "server");
	assert_int_equal(rows[0].count, 2);
	assert_int_equal(rows[0].errors, 1);
	assert_int_equal(rows[0].buckets_n, config.http.count + 1);
	assert_int_equal(rows[0].buckets[2], 1);
	assert_int_equal(rows[0].bounds_ns[2], 5000000);
	assert_string_equal(rows[1].protocol, "postgresql");
	assert_int_equal(rows[1].connections, 1);
	to_db.session = SESSION_NONE;
	sink->connection(sink, &to_db, CONNECTION_SESSION, SESSION_ACTIVE);
	assert_int_equal(live_rows(live, &n)[1].connections, 0);
	live_free(live);
}

/* Two processes of one service share a row; more services than rows are left out. */
static void test_rows(void **state)
{
	struct connection called;
	struct exchange exchange;
	struct live *live = NULL;
	struct sink *sink;
	char program[16];
	size_t n;

	(void)state;
	assert_int_equal(live_new(&config, identities, &live), 0);
	sink = live_sink(live);
	for (int i = 0; i < 2 * TABLE_ROWS; i++) {
		snprintf(program, sizeof(program), "p%d", i / 2);
		called = traffic_connection(traffic_identity(identities, program),
					    &traffic_database, SIDE_CLIENT, "db:5432");
		exchange = traffic_exchange(&called, "SELECT", 1);
		sink->exchange(sink, &exchange);
	}
	assert_int_equal(live_rows(live, &n)[n - 1].count, 2);
	assert_int_equal(n, TABLE_ROWS);
	called = traffic_connection(traffic_identity(identities, "late"), &traffic_database,
				    SIDE_CLIENT, "db:5432");
	exchange = traffic_exchange(&called, "SELECT", 1);
	sink->exchange(sink, &exchange);
	live_rows(live, &n);
	assert_int_equal(n, TABLE_ROWS);
	sink->close(sink);
}

static int set_up(void **state)
{
	char error[256];

	(void)state;
	if (config_load(NULL, &config, error, sizeof(error)) ||
	    identities_new(PROCESSES_LIMIT, IDENTITIES_LIMIT, &identities))
		return -1;
	shop = traffic_identity(identities, "shop");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	identities_free(identities);
	config_free(&config);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_totals),
		cmocka_unit_test(test_rows),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
