/* SPDX-License-Identifier: Apache-2.0 */
/* Requests whose callers are seen, too: traces that go through several processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "spans_bed.h"

/*
 *	GET /a (7) -- GET (7 calls 8) -- GET /b (8) -- SELECT
 *
 * told of in the order in which things end.
 */
static void test_chain(void **state)
{
	struct connection *a = bed_connection(&traffic_http, SIDE_SERVER, 7);
	struct connection *out = bed_connection(&traffic_http, SIDE_CLIENT, 7);
	struct connection *b = bed_connection(&traffic_http, SIDE_SERVER, 8);
	struct connection *db = bed_connection(&traffic_database, SIDE_CLIENT, 8);

	(void)state;
	bed_call(db, "SELECT", 120 * MS, 121 * MS, 80);
	bed_next.both = 5;
	bed_request(b, "/b", 111 * MS, 130 * MS, 80, 80);
	bed_next.both = 5;
	bed_next.code = 200;
	bed_call(out, "GET", 110 * MS, 131 * MS, 70);
	bed_request(a, "/a", 100 * MS, 140 * MS, 70, 70);
	bed_settle();
	bed_assert_child("SELECT", "GET /b");
	bed_assert_child("GET /b", "GET");
	bed_assert_child("GET", "GET /a");
	assert_int_equal(bed_find("GET")->span.kind, SPAN_CLIENT);
	assert_int_equal(spans_counts(bed).traces[SPANS_SAMPLED], 1);
	assert_int_equal(spans_counts(bed).parents[SPANS_BY_BOTH], 1);
}

/* The caller serves nothing: its call is the root, also if it is told of seconds later. */
static void test_outer_caller(void **state)
{
	struct connection *out = bed_connection(&traffic_http, SIDE_CLIENT, 7);
	struct connection *b = bed_connection(&traffic_http, SIDE_SERVER, 8);

	(void)state;
	bed_next.both = 5;
	bed_request(b, "/b", 111 * MS, 130 * MS, 80, 80);
	bed_tick(3 * NSEC_PER_SEC);
	bed_next.both = 5;
	bed_call(out, "GET", 110 * MS, 131 * MS, 70);
	bed_settle();
	bed_assert_child("GET /b", "GET");
	bed_assert_root("GET");
	assert_int_equal(spans_counts(bed).split, 0);
}

/* The caller does not come. */
static void test_split(void **state)
{
	struct connection *out = bed_connection(&traffic_http, SIDE_CLIENT, 7);
	struct connection *b = bed_connection(&traffic_http, SIDE_SERVER, 8);

	(void)state;
	bed_next.both = 5;
	bed_request(b, "/b", 111 * MS, 130 * MS, 80, 80);
	bed_tick(1 * NSEC_PER_SEC);
	bed_tick(10 * NSEC_PER_SEC);
	assert_int_equal(bed_count, 0);
	bed_tick(12 * NSEC_PER_SEC);
	assert_int_equal(bed_count, 1);
	assert_int_equal(spans_counts(bed).split, 1);
	bed_next.both = 5;
	bed_call(out, "GET", 110 * MS, 131 * MS, 70);
	bed_settle();
	bed_assert_root("GET");
	bed_assert_root("GET /b");
}

/* A call is told of before the request that it is at its other end, whoever makes it. */
static void test_call_first(void **state)
{
	struct connection *a = bed_connection(&traffic_http, SIDE_SERVER, 7);
	struct connection *out = bed_connection(&traffic_http, SIDE_CLIENT, 7);
	struct connection *job = bed_connection(&traffic_http, SIDE_CLIENT, 9);
	struct connection *b = bed_connection(&traffic_http, SIDE_SERVER, 8);

	(void)state;
	bed_next.both = 5;
	bed_call(out, "GET", 110 * MS, 131 * MS, 70);
	bed_next.both = 6;
	bed_call(job, "PUT", 110 * MS, 131 * MS, 90);
	bed_next.both = 5;
	bed_request(b, "/b", 111 * MS, 130 * MS, 80, 80);
	bed_next.both = 6;
	bed_request(b, "/c", 111 * MS, 132 * MS, 81, 81);
	bed_request(a, "/a", 100 * MS, 140 * MS, 70, 70);
	bed_settle();
	bed_assert_child("GET /b", "GET");
	bed_assert_child("GET", "GET /a");
	bed_assert_child("GET /c", "PUT");
	bed_assert_root("PUT");
	assert_int_equal(spans_counts(bed).parents[SPANS_BY_BOTH], 2);
	assert_int_equal(spans_counts(bed).split, 0);
}

/* The caller has given up, and its own request is answered, seconds before the called one is. */
static void test_impatient(void **state)
{
	struct connection *a = bed_connection(&traffic_http, SIDE_SERVER, 7);
	struct connection *out = bed_connection(&traffic_http, SIDE_CLIENT, 7);
	struct connection *b = bed_connection(&traffic_http, SIDE_SERVER, 8);

	(void)state;
	bed_next.both = 5;
	bed_next.outcome = OUTCOME_ABORTED;
	bed_call(out, "GET", 110 * MS, 131 * MS, 70);
	bed_request(a, "/a", 100 * MS, 140 * MS, 70, 70);
	for (uint64_t now = 200; now < 5000; now += 100)
		bed_tick(now * MS);
	assert_int_equal(bed_count, 0);
	bed_next.both = 5;
	bed_request(b, "/b", 111 * MS, 5000 * MS, 80, 80);
	bed_tick(5900 * MS);
	bed_tick(6400 * MS);
	assert_int_equal(bed_count, 3);
	bed_assert_child("GET /b", "GET");
	bed_assert_child("GET", "GET /a");
	bed_settle();
}

/* The request does not come: the call is shown without it, and who comes later is on his own. */
static void test_call_in_vain(void **state)
{
	struct connection *out = bed_connection(&traffic_http, SIDE_CLIENT, 7);
	struct connection *b = bed_connection(&traffic_http, SIDE_SERVER, 8);

	(void)state;
	bed_next.both = 5;
	bed_call(out, "GET", 110 * MS, 131 * MS, 70);
	for (uint64_t now = 200; now < 10100; now += 100)
		bed_tick(now * MS);
	assert_int_equal(bed_count, 0);
	for (uint64_t now = 10100; now < 11000; now += 100)
		bed_tick(now * MS);
	assert_int_equal(bed_count, 1);
	bed_next.both = 5;
	bed_request(b, "/b", 111 * MS, 11000 * MS, 80, 80);
	bed_settle();
	bed_assert_root("GET");
	bed_assert_root("GET /b");
	assert_int_equal(spans_counts(bed).split, 1);
}

/* Another instrumentation began the trace within the program: what it sent along tells. */
static void test_outgoing_traceparent(void **state)
{
	struct connection *a = bed_connection(&traffic_http, SIDE_SERVER, 7);
	struct connection *out = bed_connection(&traffic_http, SIDE_CLIENT, 7);
	struct connection *b = bed_connection(&traffic_http, SIDE_SERVER, 8);
	struct details details = bed_header(0xab, 0x22, TRACE_SAMPLED);

	(void)state;
	bed_next.both = 5;
	bed_next.details = &details;
	bed_request(b, "/b", 111 * MS, 130 * MS, 80, 80);
	bed_next.both = 5;
	bed_next.details = &details;
	bed_call(out, "GET", 110 * MS, 131 * MS, 70);
	bed_request(a, "/a", 100 * MS, 140 * MS, 70, 70);
	bed_settle();
	bed_assert_child("GET", "GET /a");
	bed_assert_root("GET /a");
	assert_memory_equal(bed_find("GET /a")->span.trace, details.context.trace_id,
			    SPAN_TRACE_SIZE);
	assert_memory_equal(bed_find("GET /b")->span.trace, details.context.trace_id,
			    SPAN_TRACE_SIZE);
	assert_true(bed_find("GET /b")->span.parent == 0x22);
}

/* The same, and the call is told of first: it is not waited for who has a parent of his own. */
static void test_outgoing_traceparent_first(void **state)
{
	struct connection *out = bed_connection(&traffic_http, SIDE_CLIENT, 7);
	struct connection *b = bed_connection(&traffic_http, SIDE_SERVER, 8);
	struct details details = bed_header(0xab, 0x22, TRACE_SAMPLED);

	(void)state;
	bed_next.both = 5;
	bed_next.details = &details;
	bed_call(out, "GET", 110 * MS, 131 * MS, 70);
	assert_int_equal(bed_count, 1);
	bed_next.both = 5;
	bed_next.details = &details;
	bed_request(b, "/b", 111 * MS, 130 * MS, 80, 80);
	bed_settle();
	assert_true(bed_find("GET")->span.parent == 0x22);
	assert_true(bed_find("GET /b")->span.parent == 0x22);
	assert_int_equal(spans_counts(bed).split, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_begin, bed_end)
	const struct CMUnitTest tests[] = {
		TEST(test_chain),
		TEST(test_outer_caller),
		TEST(test_split),
		TEST(test_call_first),
		TEST(test_impatient),
		TEST(test_call_in_vain),
		TEST(test_outgoing_traceparent),
		TEST(test_outgoing_traceparent_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
