/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "spans_bed.h"
#include "util/memory.h"

#define OBJECT(address) BED_OBJECT(address)
#define BORN(time) BED_BORN(time)

/* ---- whose calls ---- */

/* Two requests at once in one thread; a call of each, in tasks that descend from theirs. */
static void test_descent(void **state)
{
	struct connection *one = bed_connection(&traffic_http, SIDE_SERVER, 7);
	struct connection *two = bed_connection(&traffic_http, SIDE_SERVER, 7);
	struct connection *db = bed_connection(&traffic_database, SIDE_CLIENT, 7);

	(void)state;
	BED_TELL(7, BORN(101 * MS), BORN(50 * MS));
	BED_TELL(7, BORN(102 * MS), BORN(50 * MS));
	BED_TELL(7, BORN(111 * MS), BORN(101 * MS), BORN(50 * MS));
	BED_TELL(7, BORN(112 * MS), BORN(102 * MS), BORN(50 * MS));
	bed_call(db, "SELECT", 120 * MS, 121 * MS, BORN(111 * MS));
	bed_call(db, "INSERT", 122 * MS, 123 * MS, BORN(112 * MS));
	bed_call(db, "DELETE", 124 * MS, 125 * MS, BORN(50 * MS));
	bed_request(one, "/one", 100 * MS, 130 * MS, 0, BORN(101 * MS));
	bed_request(two, "/two", 100 * MS, 131 * MS, 0, BORN(112 * MS));
	bed_tick(140 * MS);
	assert_int_equal(bed_count, 0);
	bed_settle();
	assert_int_equal(bed_count, 5);
	bed_assert_child("SELECT", "GET /one");
	bed_assert_child("INSERT", "GET /two");
	bed_assert_root("DELETE");
	bed_assert_root("GET /one");
	assert_memory_not_equal(bed_find("GET /one")->span.trace, bed_find("GET /two")->span.trace,
				SPAN_TRACE_SIZE);
}

/* Told of after the answer: begun before it, or after. */
static void test_late_calls(void **state)
{
	struct connection *http = bed_connection(&traffic_http, SIDE_SERVER, 7);
	struct connection *db = bed_connection(&traffic_database, SIDE_CLIENT, 7);

	(void)state;
	BED_TELL(7, BORN(101 * MS), BORN(50 * MS));
	bed_request(http, "/", 100 * MS, 130 * MS, 0, BORN(101 * MS));
	bed_call(db, "SELECT", 129 * MS, 200 * MS, BORN(101 * MS));
	bed_call(db, "INSERT", 131 * MS, 200 * MS, BORN(101 * MS));
	bed_settle();
	bed_assert_child("SELECT", "GET /");
	bed_assert_root("INSERT");
}

/*
 * A task for all requests of a connection. What the first has left running goes on during the
 * second, and is not its.
 */
static void test_background(void **state)
{
	struct connection *http = bed_connection(&traffic_http, SIDE_SERVER, 7);
	struct connection *db = bed_connection(&traffic_database, SIDE_CLIENT, 7);

	(void)state;
	BED_TELL(7, BORN(50 * MS), OBJECT(0x1000));
	BED_TELL(7, BORN(101 * MS), BORN(50 * MS), OBJECT(0x1000));
	BED_TELL(7, BORN(201 * MS), BORN(50 * MS), OBJECT(0x1000));
	bed_request(http, "/first", 100 * MS, 130 * MS, 0, BORN(50 * MS));
	bed_call(db, "SELECT", 210 * MS, 211 * MS, BORN(101 * MS));
	bed_call(db, "INSERT", 212 * MS, 213 * MS, BORN(201 * MS));
	bed_call(db, "DELETE", 214 * MS, 215 * MS, BORN(50 * MS));
	bed_request(http, "/second", 200 * MS, 230 * MS, 0, BORN(50 * MS));
	bed_settle();
	bed_assert_root("SELECT");
	bed_assert_child("INSERT", "GET /second");
	bed_assert_child("DELETE", "GET /second");
}

/* One thread or goroutine for a request from its reading to its answer. */
static void test_thread_per_request(void **state)
{
	struct connection *one = bed_connection(&traffic_http, SIDE_SERVER, 7);
	struct connection *two = bed_connection(&traffic_http, SIDE_SERVER, 7);
	struct connection *db = bed_connection(&traffic_database, SIDE_CLIENT, 7);

	(void)state;
	bed_call(db, "SELECT", 110 * MS, 111 * MS, 71);
	bed_call(db, "INSERT", 112 * MS, 113 * MS, OBJECT(0x72));
	bed_call(db, "DELETE", 114 * MS, 115 * MS, 73);
	bed_request(one, "/one", 100 * MS, 130 * MS, 71, 71);
	bed_request(two, "/two", 100 * MS, 130 * MS, 70, OBJECT(0x72));
	bed_settle();
	bed_assert_child("SELECT", "GET /one");
	bed_assert_child("INSERT", "GET /two");
	bed_assert_root("DELETE");
	assert_int_equal(spans_counts(bed).parents[SPANS_BY_TASK], 2);
}

/* A thread that has two requests under way at once, then and ever after. */
static void test_thread_for_many(void **state)
{
	struct connection *one = bed_connection(&traffic_http, SIDE_SERVER, 7);
	struct connection *two = bed_connection(&traffic_http, SIDE_SERVER, 7);
	struct connection *db = bed_connection(&traffic_database, SIDE_CLIENT, 7);

	(void)state;
	bed_call(db, "SELECT", 105 * MS, 106 * MS, 71);
	bed_call(db, "INSERT", 115 * MS, 116 * MS, 71);
	bed_request(one, "/one", 100 * MS, 120 * MS, 71, 71);
	bed_request(two, "/two", 110 * MS, 130 * MS, 71, 71);
	bed_call(db, "DELETE", 205 * MS, 206 * MS, 71);
	bed_request(one, "/three", 200 * MS, 210 * MS, 71, 71);
	bed_settle();
	bed_assert_root("SELECT");
	bed_assert_root("INSERT");
	bed_assert_root("DELETE");
	assert_int_equal(bed_count, 6);
}

/* A task that was born before the requests which it does at once is no better than a thread. */
static void test_task_for_many(void **state)
{
	struct connection *one = bed_connection(&traffic_http, SIDE_SERVER, 7);
	struct connection *two = bed_connection(&traffic_http, SIDE_SERVER, 7);
	struct connection *db = bed_connection(&traffic_database, SIDE_CLIENT, 7);
	uint64_t loop = BORN(50 * MS);

	(void)state;
	BED_TELL(7, loop, 71);
	bed_call(db, "SELECT", 115 * MS, 116 * MS, loop); /* for the second one */
	bed_request(one, "/one", 100 * MS, 120 * MS, loop, loop);
	bed_request(two, "/two", 110 * MS, 130 * MS, loop, loop);
	bed_settle();
	bed_assert_root("SELECT");
	assert_int_equal(bed_count, 3);
}

/*
 * As long as a process's tasks were not found its threads had many requests at once: then a task
 * for all requests of a connection is trusted all the same, but not the threads.
 */
static void test_threads_before_tasks(void **state)
{
	struct connection *one = bed_connection(&traffic_http, SIDE_SERVER, 7);
	struct connection *two = bed_connection(&traffic_http, SIDE_SERVER, 7);
	struct connection *db = bed_connection(&traffic_database, SIDE_CLIENT, 7);

	(void)state;
	bed_request(one, "/one", 100 * MS, 120 * MS, 71, 71);
	bed_request(two, "/two", 110 * MS, 130 * MS, 71, 71);
	BED_TELL(7, BORN(150 * MS), 71);
	bed_call(db, "SELECT", 205 * MS, 206 * MS, BORN(150 * MS));
	bed_request(one, "/three", 200 * MS, 210 * MS, 71, BORN(150 * MS));
	bed_call(db, "INSERT", 215 * MS, 216 * MS, OBJECT(0x72));
	bed_request(two, "/four", 200 * MS, 220 * MS, 71, OBJECT(0x72));
	bed_call(db, "DELETE", 305 * MS, 306 * MS, 71);
	bed_request(one, "/five", 300 * MS, 310 * MS, 71, 71);
	bed_settle();
	bed_assert_child("SELECT", "GET /three");
	bed_assert_child("INSERT", "GET /four");
	bed_assert_root("DELETE");
}

/* One thread with jobs beside its requests, of which one was waiting when a request was read. */
static void test_jobs_beside(void **state)
{
	struct connection *http = bed_connection(&traffic_http, SIDE_SERVER, 7);
	struct connection *db = bed_connection(&traffic_database, SIDE_CLIENT, 7);

	(void)state;
	bed_call(db, "SELECT", 90 * MS, 101 * MS, 71);
	bed_call(db, "INSERT", 105 * MS, 106 * MS, 71);
	bed_request(http, "/one", 100 * MS, 120 * MS, 71, 71);
	bed_call(db, "DELETE", 205 * MS, 206 * MS, 71);
	bed_request(http, "/two", 200 * MS, 220 * MS, 71, 71);
	bed_settle();
	bed_assert_root("SELECT");
	bed_assert_root("INSERT");
	bed_assert_root("DELETE");
}

/* The same, of which one was done between two requests; what a request left to be tidied up is
 * none. */
static void test_jobs_between(void **state)
{
	struct connection *http = bed_connection(&traffic_http, SIDE_SERVER, 7);
	struct connection *db = bed_connection(&traffic_database, SIDE_CLIENT, 7);

	(void)state;
	bed_call(db, "BEGIN", 50 * MS, 51 * MS, 71); /* as it starts */
	bed_request(http, "/one", 100 * MS, 120 * MS, 71, 71);
	bed_call(db, "ROLLBACK", 121 * MS, 122 * MS, 71);
	bed_call(db, "INSERT", 5205 * MS, 5206 * MS, 71);
	bed_request(http, "/two", 5200 * MS, 5220 * MS, 71, 71);
	bed_tick(6000 * MS);
	bed_call(db, "SELECT", 7000 * MS, 7001 * MS, 71);
	bed_call(db, "DELETE", 10205 * MS, 10206 * MS, 71);
	bed_request(http, "/three", 10200 * MS, 10220 * MS, 71, 71);
	bed_settle();
	bed_assert_root("ROLLBACK");
	bed_assert_child("INSERT", "GET /two");
	bed_assert_root("SELECT");
	bed_assert_root("DELETE");
}

/* Read by one thread, answered by another. */
static void test_handed_over(void **state)
{
	struct connection *http = bed_connection(&traffic_http, SIDE_SERVER, 7);
	struct connection *db = bed_connection(&traffic_database, SIDE_CLIENT, 7);

	(void)state;
	bed_call(db, "SELECT", 105 * MS, 106 * MS, 72);
	bed_request(http, "/", 100 * MS, 120 * MS, 71, 72);
	bed_settle();
	bed_assert_root("SELECT");
}

/* Two requests in one read, answered one after the other. */
static void test_pipelined(void **state)
{
	struct connection *http = bed_connection(&traffic_http, SIDE_SERVER, 7);
	struct connection *db = bed_connection(&traffic_database, SIDE_CLIENT, 7);

	(void)state;
	bed_call(db, "SELECT", 105 * MS, 106 * MS, 71);
	bed_request(http, "/one", 100 * MS, 120 * MS, 71, 71);
	bed_call(db, "INSERT", 125 * MS, 126 * MS, 71);
	bed_request(http, "/two", 100 * MS, 130 * MS, 71, 71);
	bed_call(db, "DELETE", 205 * MS, 206 * MS, 71);
	bed_request(http, "/three", 200 * MS, 210 * MS, 71, 71);
	bed_settle();
	bed_assert_child("SELECT", "GET /one");
	bed_assert_root("INSERT");
	bed_assert_child("DELETE", "GET /three");
}

/* The same task numbers in two processes. */
static void test_processes(void **state)
{
	struct connection *one = bed_connection(&traffic_http, SIDE_SERVER, 7);
	struct connection *db = bed_connection(&traffic_database, SIDE_CLIENT, 8);

	(void)state;
	bed_call(db, "SELECT", 110 * MS, 111 * MS, 71);
	bed_request(one, "/", 100 * MS, 130 * MS, 71, 71);
	bed_settle();
	bed_assert_root("SELECT");
}

/* ---- the caller's trace ---- */

static void test_traceparent(void **state)
{
	struct connection *http = bed_connection(&traffic_http, SIDE_SERVER, 7);
	struct connection *db = bed_connection(&traffic_database, SIDE_CLIENT, 7);
	struct details details = bed_header(0xab, 0x11, TRACE_SAMPLED);
	const struct bed_span *span;

	(void)state;
	bed_call(db, "SELECT", 110 * MS, 111 * MS, 70);
	bed_next.details = &details;
	bed_next.both = 9; /* the header says more */
	bed_request(http, "/", 100 * MS, 120 * MS, 70, 70);
	bed_settle();
	span = bed_find("GET /");
	assert_memory_equal(span->span.trace, details.context.trace_id, SPAN_TRACE_SIZE);
	assert_true(span->span.parent == 0x11 && span->span.remote);
	assert_int_equal(span->span.flags, TRACE_SAMPLED);
	assert_int_equal(span->span.state.size, strlen("vendor=1"));
	bed_assert_child("SELECT", "GET /");
}

/* Sampled or not is the parent's to say, but for errors. */
static void test_parent_decides(void **state)
{
	struct connection *http = bed_connection(&traffic_http, SIDE_SERVER, 7);
	struct details no = bed_header(0xab, 0x11, 0), yes = bed_header(0xcd, 0x11, TRACE_SAMPLED);

	(void)state;
	bed_again(SAMPLER_PARENT_RATIO, 0, NSEC_PER_SEC);
	bed_next.details = &no;
	bed_request(http, "/no", 100 * MS, 120 * MS, 70, 70);
	bed_next.details = &yes;
	bed_request(http, "/yes", 200 * MS, 220 * MS, 70, 70);
	bed_next.details = &no;
	bed_next.code = 500;
	bed_request(http, "/failed", 300 * MS, 320 * MS, 70, 70);
	bed_settle();
	assert_int_equal(bed_count, 2);
	bed_find("GET /yes");
	assert_int_equal(bed_find("GET /failed")->span.status, SPAN_ERROR);
	bed_again(SAMPLER_ALWAYS_ON, 1, 0);
	bed_next.details = &no;
	bed_request(http, "/no", 100 * MS, 120 * MS, 70, 70);
	bed_settle();
	assert_int_equal(bed_count, 1);
}

/* ---- what spans say ---- */

static void test_server_span(void **state)
{
	struct connection *http = bed_connection(&traffic_http, SIDE_SERVER, 7);
	struct details details = { .authority = BYTES("shop.example:8080"),
				   .agent = BYTES("curl/8"),
				   .minor = 1 };
	const struct bed_span *span;

	(void)state;
	bed_next.details = &details;
	bed_next.read = 102 * MS;
	bed_next.code = 503;
	bed_request(http, "/api/travels/42", 100 * MS, 120 * MS, 70, 70);
	bed_settle();
	span = bed_find("GET /api/travels/{id}");
	assert_int_equal(span->span.kind, SPAN_SERVER);
	assert_int_equal(span->span.status, SPAN_ERROR);
	assert_true(span->span.begin == 100 * MS && span->span.end == 120 * MS);
	assert_int_equal(span->span.owner.tgid, 7);
	assert_string_equal(span->text[SPAN_HTTP_REQUEST_METHOD], "GET");
	assert_string_equal(span->text[SPAN_HTTP_ROUTE], "/api/travels/{id}");
	assert_string_equal(span->text[SPAN_URL_PATH], "/api/travels/42");
	assert_string_equal(span->text[SPAN_URL_SCHEME], "http");
	assert_string_equal(span->text[SPAN_HTTP_RESPONSE_STATUS_CODE], "503");
	assert_string_equal(span->text[SPAN_ERROR_TYPE], "503");
	assert_string_equal(span->text[SPAN_SERVER_ADDRESS], "shop.example");
	assert_string_equal(span->text[SPAN_SERVER_PORT], "8080");
	assert_string_equal(span->text[SPAN_CLIENT_ADDRESS], "10.0.0.9");
	assert_string_equal(span->text[SPAN_NETWORK_PROTOCOL_VERSION], "1.1");
	assert_string_equal(span->text[SPAN_USER_AGENT_ORIGINAL], "curl/8");
	assert_string_equal(span->text[SPAN_QUEUE_DURATION], "0.002000000");
}

/* What is no path does not show: queries, and parameters of segments, a session's among them. */
static void test_paths(void **state)
{
	static const char *const cases[][2] = {
		{ "/a?b=secret", "/a" },
		{ "/a#token=secret", "/a" },
		{ "/a;v#token=secret/b", "/a" },
		{ "http://h#token=secret", "/" },
		{ "/a;jsessionid=secret", "/a" },
		{ "/a;jsessionid=secret?b", "/a" },
		{ "/a;v=secret/b;c/d", "/a/b/d" },
		{ "/a/;secret/", "/a//" },
		{ ";secret", "" },
		{ "http://u:secret@h/a;secret", "/a" },
		{ "*", "" },
	};
	struct connection *out = bed_connection(&traffic_http, SIDE_CLIENT, 7);
	struct details details = { .authority = BYTES("h"), .agent = BYTES("agent") };
	char name[16];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct bed_span *span;

		snprintf(name, sizeof(name), "M%zu", i);
		bed_next.details = &details;
		bed_next.code = 200;
		bed_next.target =
			(struct bytes){ (const uint8_t *)cases[i][0], strlen(cases[i][0]) };
		bed_call(out, name, 100 * MS, 101 * MS, 70);
		span = bed_find(name);
		assert_string_equal(span->text[SPAN_URL_PATH], cases[i][1]);
		assert_string_equal(span->text[SPAN_SERVER_ADDRESS], "h");
		assert_string_equal(span->text[SPAN_USER_AGENT_ORIGINAL], "agent");
	}
}

/* Named in a request's head, or by the connection; a port that is meant is told. */
static void test_servers(void **state)
{
	static const struct {
		struct bytes authority, scheme;
		const char *address, *port;
	} cases[] = {
		{ BYTES("shop.example"), BYTES(""), "shop.example", "80" },
		{ BYTES("shop.example:"), BYTES(""), "shop.example", "80" },
		{ BYTES("shop.example"), BYTES("https"), "shop.example", "443" },
		{ BYTES("shop.example:8443"), BYTES("https"), "shop.example", "8443" },
		{ BYTES("[::1]"), BYTES("http"), "::1", "80" },
		{ BYTES("[::1]:81"), BYTES("http"), "::1", "81" },
		{ BYTES("shop:99999"), BYTES(""), "shop", "" },
		{ BYTES("shop:x"), BYTES(""), "shop", "" },
		{ BYTES(""), BYTES(""), "db", "5432" },
	};
	struct connection *out = bed_connection(&traffic_http, SIDE_CLIENT, 7);
	char name[16];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct details details = { .authority = cases[i].authority,
					   .scheme = cases[i].scheme };
		const struct bed_span *span;

		snprintf(name, sizeof(name), "M%zu", i);
		bed_next.details = &details;
		bed_next.code = 200;
		bed_call(out, name, 100 * MS, 101 * MS, 70);
		span = bed_find(name);
		assert_string_equal(span->text[SPAN_SERVER_ADDRESS], cases[i].address);
		assert_string_equal(span->text[SPAN_SERVER_PORT], cases[i].port);
	}
}

static void test_client_spans(void **state)
{
	struct connection *db = bed_connection(&traffic_database, SIDE_CLIENT, 7);
	struct connection *out = bed_connection(&traffic_http, SIDE_CLIENT, 7);
	const struct bed_span *span;

	(void)state;
	bed_next.outcome = OUTCOME_ERROR;
	bed_call(db, "SELECT", 100 * MS, 101 * MS, 70);
	span = bed_find("SELECT");
	assert_int_equal(span->span.kind, SPAN_CLIENT);
	assert_int_equal(span->span.status, SPAN_ERROR);
	assert_string_equal(span->text[SPAN_DB_SYSTEM_NAME], "postgresql");
	assert_string_equal(span->text[SPAN_DB_OPERATION_NAME], "SELECT");
	assert_string_equal(span->text[SPAN_SERVER_ADDRESS], "db");
	assert_string_equal(span->text[SPAN_SERVER_PORT], "5432");
	assert_string_equal(span->text[SPAN_ERROR_TYPE], "_OTHER");
	bed_next.code = 404;
	bed_next.target = BYTES("http://other/x/1?token=secret");
	bed_call(out, "POST", 100 * MS, 101 * MS, 70);
	span = bed_find("POST");
	assert_int_equal(span->span.status, SPAN_ERROR);
	assert_string_equal(span->text[SPAN_URL_PATH], "/x/1");
	assert_string_equal(span->text[SPAN_HTTP_ROUTE], "");
	assert_string_equal(span->text[SPAN_ERROR_TYPE], "404");
	bed_next.outcome = OUTCOME_ABORTED;
	bed_call(db, "INSERT", 100 * MS, 101 * MS, 70);
	assert_string_equal(bed_find("INSERT")->text[SPAN_ERROR_TYPE], "aborted");
	bed_settle();
}

/* Databases' own ends, and what has no times, make no spans. */
static void test_no_spans(void **state)
{
	struct connection *db = bed_connection(&traffic_database, SIDE_SERVER, 7);
	struct connection *http = bed_connection(&traffic_http, SIDE_SERVER, 7);
	struct exchange untimed = traffic_exchange(http, "GET", 1);

	(void)state;
	bed_call(db, "SELECT", 100 * MS, 101 * MS, 70);
	untimed.timed = false;
	untimed.begin = 0;
	spans_sink(bed)->exchange(spans_sink(bed), &untimed);
	bed_settle();
	assert_int_equal(bed_count, 0);
	assert_int_equal(spans_counts(bed).losses[SPANS_UNTIMED], 1);
}

/* When it arrived was not seen: by descent its calls are known all the same, by thread not. */
static void test_vague(void **state)
{
	struct connection *http = bed_connection(&traffic_http, SIDE_SERVER, 7);
	struct connection *db = bed_connection(&traffic_database, SIDE_CLIENT, 7);

	(void)state;
	BED_TELL(7, BORN(101 * MS), BORN(50 * MS));
	bed_call(db, "SELECT", 110 * MS, 111 * MS, BORN(101 * MS));
	bed_next.read = 99 * MS;
	bed_request(http, "/one", 0, 120 * MS, 0, BORN(101 * MS));
	bed_call(db, "INSERT", 210 * MS, 211 * MS, 71);
	bed_next.read = 199 * MS;
	bed_request(http, "/two", 0, 220 * MS, 0, 71);
	bed_settle();
	bed_assert_child("SELECT", "GET /one");
	assert_true(bed_find("GET /one")->span.begin == 99 * MS);
	assert_string_equal(bed_find("GET /one")->text[SPAN_QUEUE_DURATION], "");
	bed_find("GET /two");
	bed_assert_root("INSERT");
}

/* ---- bounds ---- */

/* Calls without end in a program that serves: the oldest are given up, the newest stay. */
static void test_room(void **state)
{
	struct connection *http = bed_connection(&traffic_http, SIDE_SERVER, 7);
	struct connection *db = bed_connection(&traffic_database, SIDE_CLIENT, 7);
	struct spans_counts counts;

	(void)state;
	bed_again(SAMPLER_ALWAYS_OFF, 0, NSEC_PER_SEC);
	spans_sink(bed)->connection(spans_sink(bed), http, CONNECTION_OPENED, SESSION_NONE);
	for (uint64_t i = 0; i < 40000; i++)
		bed_call(db, "SELECT", 100 * MS + i, 100 * MS + i + 1, 71);
	counts = spans_counts(bed);
	assert_int_equal(counts.kept, 32768);
	assert_int_equal(counts.hurried, 40000 - 32768);
	bed_next.code = 500;
	bed_request(http, "/", 100 * MS + 39990, 101 * MS, 71, 71);
	bed_settle();
	counts = spans_counts(bed);
	assert_int_equal(bed_count, 11);
	assert_int_equal(counts.losses[SPANS_NO_ROOM], 0);
	assert_int_equal(counts.traces[SPANS_FAILED], 1);
	assert_int_equal(counts.traces[SPANS_LEFT_OUT], 40000 - 10);
}

/* More processes than there are places for. */
static void test_many_processes(void **state)
{
	(void)state;
	for (uint32_t i = 1; i <= 3000; i++) {
		struct connection http =
			traffic_connection(1, &traffic_http, SIDE_SERVER, "10.0.0.9");

		http.tgid = i;
		spans_sink(bed)->connection(spans_sink(bed), &http, CONNECTION_OPENED,
					    SESSION_NONE);
		bed_request(&http, "/", i * MS, i * MS + 1, 71, 71);
		if (i % 100 == 0)
			bed_tick((i + 500) * MS);
	}
	bed_settle();
	assert_int_equal(bed_count, 3000);
}

/*
 * What a thread costs that gives so many answers one after the other, with a call for each, before
 * the first of them is settled: CPU time, ns, of each.
 */
static double cost_of_answers(uint64_t count)
{
	struct connection *http = bed_connection(&traffic_http, SIDE_SERVER, 7);
	struct connection *db = bed_connection(&traffic_database, SIDE_CLIENT, 7);
	uint64_t begin = clock_read(CLOCK_THREAD_CPUTIME_ID), at = 100 * MS;

	for (uint64_t i = 0; i < count; i++, at += 10) {
		bed_call(db, "SELECT", at + 1, at + 2, 71);
		bed_request(http, "/", at, at + 9, 71, 71);
	}
	bed_settle();
	return (double)(clock_read(CLOCK_THREAD_CPUTIME_ID) - begin) / (double)count;
}

/* However many are answered a second: each costs the same, but for the processor's caches. */
static void test_many_answers(void **state)
{
	double few, many;

	(void)state;
	few = cost_of_answers(1000);
	bed_again(SAMPLER_ALWAYS_ON, 1, NSEC_PER_SEC);
	many = cost_of_answers(16000);
	assert_int_equal(bed_count, 32000);
	assert_int_equal(spans_counts(bed).parents[SPANS_BY_TASK], 16000);
	assert_true(many < 8 * few);
}

/* Where memory is short traces are what goes: what counts has the part that is its own. */
static void test_memory(void **state)
{
	const size_t limit = (size_t)64 << 20, some = (size_t)8 << 20;
	struct connection *http = bed_connection(&traffic_http, SIDE_SERVER, 7);
	struct connection *db = bed_connection(&traffic_database, SIDE_CLIENT, 7);
	size_t own;

	(void)state;
	memory_limit(limit, 0, 0);
	memory_limit(limit - memory_room(MEMORY_STREAMS) + some, 0, 0);
	own = memory_room(MEMORY_STREAMS) / 8;
	for (uint64_t i = 0; i < 30000; i++) {
		bed_call(db, "SELECT", 100 * MS + i, 100 * MS + i + 1, 71);
		bed_request(http, "/", 100 * MS + i, 100 * MS + i + 1, 72, 72);
	}
	assert_true(spans_counts(bed).losses[SPANS_NO_ROOM] > 0);
	assert_true(memory_room(MEMORY_STREAMS) >= own);
	bed_settle();
	memory_limit(SIZE_MAX, 0, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_begin, bed_end)
	const struct CMUnitTest tests[] = {
		TEST(test_descent),
		TEST(test_late_calls),
		TEST(test_background),
		TEST(test_thread_per_request),
		TEST(test_thread_for_many),
		TEST(test_threads_before_tasks),
		TEST(test_jobs_beside),
		TEST(test_jobs_between),
		TEST(test_task_for_many),
		TEST(test_handed_over),
		TEST(test_pipelined),
		TEST(test_processes),
		TEST(test_traceparent),
		TEST(test_parent_decides),
		TEST(test_server_span),
		TEST(test_paths),
		TEST(test_servers),
		TEST(test_client_spans),
		TEST(test_no_spans),
		TEST(test_vague),
		TEST(test_room),
		TEST(test_many_processes),
		TEST(test_many_answers),
		TEST(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
