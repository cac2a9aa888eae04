/* SPDX-License-Identifier: Apache-2.0 */
/* Traces on one side, what a scrape shows of them on the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "export/exposition.h"
#include "sink/metrics.h"
#include "spans_bed.h"

#define MS NSEC_PER_MSEC

static struct identities *identities;
static struct text scrape;
static uint64_t now;

static int begin(void **state)
{
	char error[256];

	now = clock_now();
	if (config_load(NULL, &bed_config, error, sizeof(error)) ||
	    identities_new(16, 16, &identities) ||
	    metrics_new(&bed_config, identities, &bed_metrics) || metrics_exemplify(bed_metrics))
		return -1;
	traffic_identity(identities, "shop");
	return bed_begin(state);
}

static int end(void **state)
{
	bed_end(state);
	metrics_free(bed_metrics);
	bed_metrics = NULL;
	identities_free(identities);
	text_free(&scrape);
	config_free(&bed_config);
	return 0;
}

static void render(enum exposition format)
{
	scrape.size = 0;
	assert_int_equal(exposition_write(&scrape, format, metrics_series(bed_metrics), NULL, NULL),
			 0);
	text_put(&scrape, "", 1);
}

static void hex(const struct bed_span *span, char ret[2 * SPAN_TRACE_SIZE + 1])
{
	for (int i = 0; i < SPAN_TRACE_SIZE; i++)
		snprintf(ret + 2 * i, 3, "%02x", span->span.trace[i]);
}

/* What stands behind the value of the bucket `le` of a histogram; "" nothing. */
static const char *exemplar(const char *histogram, const char *le)
{
	static char line[4096];
	char bound[32];

	snprintf(bound, sizeof(bound), ",le=\"%s\"} ", le);
	for (const char *at = scrape.data; at && *at; at = strchr(at, '\n') + 1) {
		const char *rest;

		snprintf(line, sizeof(line), "%.*s", (int)strcspn(at, "\n"), at);
		rest = strstr(line, bound);
		if (strncmp(line, histogram, strlen(histogram)) != 0 || !rest)
			continue;
		rest += strlen(bound);
		return rest + strspn(rest, "0123456789");
	}
	fail_msg("no bucket %s of %s in\n%s", le, histogram, scrape.data);
	return NULL;
}

static void assert_exemplar(const char *histogram, const char *le, const struct bed_span *span,
			    const char *value)
{
	char trace[2 * SPAN_TRACE_SIZE + 1], expected[128];
	const char *found = exemplar(histogram, le);

	hex(span, trace);
	snprintf(expected, sizeof(expected), " # {trace_id=\"%s\",span_id=\"%016llx\"} %s ", trace,
		 (unsigned long long)span->span.id, value);
	assert_memory_equal(found, expected, strlen(expected));
	/* When it ended, by the wall's clock. */
	assert_true(llabs((long long)(atof(found + strlen(expected)) * 1e3) -
			  (long long)((clock_wall() - clock_now() + span->span.end) / MS)) <= 2);
}

static size_t count(void)
{
	size_t n = 0;

	for (const char *at = scrape.data; (at = strstr(at, " # {")); at++)
		n++;
	return n;
}

/* A request of 30 ms with a query of 3 ms, at once. */
static void serve(const char *path, uint16_t code)
{
	struct connection *http = bed_connection(&traffic_http, SIDE_SERVER, 7);
	struct connection *db = bed_connection(&traffic_database, SIDE_CLIENT, 7);

	bed_call(db, "SELECT", now + 5 * MS, now + 8 * MS, 71);
	bed_next.code = code;
	bed_request(http, path, now, now + 30 * MS, 71, 71);
}

/* Once it is decided, not before; in OpenMetrics only. */
static void test_kept(void **state)
{
	(void)state;
	serve("/", 200);
	render(EXPOSITION_OPENMETRICS);
	assert_int_equal(count(), 0);
	bed_tick(now + NSEC_PER_SEC);
	render(EXPOSITION_OPENMETRICS);
	assert_exemplar("http_request_duration_seconds_bucket", "0.05", bed_find("GET /"), "0.03");
	assert_exemplar("db_query_duration_seconds_bucket{", "0.005", bed_find("SELECT"), "0.003");
	assert_string_equal(exemplar("http_request_duration_seconds_bucket", "0.1"), "");
	assert_string_equal(exemplar("http_request_duration_seconds_bucket", "0.025"), "");
	render(EXPOSITION_TEXT);
	assert_int_equal(count(), 0);
	assert_string_equal(exemplar("http_request_duration_seconds_bucket", "0.05"), "");
}

static void test_left_out(void **state)
{
	(void)state;
	bed_again(SAMPLER_ALWAYS_OFF, 0, NSEC_PER_SEC);
	serve("/", 200);
	serve("/fails", 500);
	bed_tick(now + NSEC_PER_SEC);
	render(EXPOSITION_OPENMETRICS);
	assert_int_equal(bed_count, 1);
	assert_int_equal(count(), 1);
	assert_non_null(
		strstr(scrape.data, "endpoint=\"/fails\",status=\"500\",le=\"0.05\"} 1 # {"));
}

/* Without a duration, or in a series that stands for others, there is none. */
static void test_not_observed(void **state)
{
	struct connection *http = bed_connection(&traffic_http, SIDE_SERVER, 7);

	(void)state;
	bed_request(http, "/", now, now + 30 * MS, 71, 71);
	bed_next.outcome = OUTCOME_ABORTED;
	bed_request(http, "/cut", now + 40 * MS, now + 71 * MS, 71, 71);
	bed_call(http, "GET", now + 80 * MS, now + 112 * MS, 71);
	bed_tick(now + NSEC_PER_SEC);
	render(EXPOSITION_OPENMETRICS);
	assert_int_equal(bed_count, 3);
	assert_int_equal(count(), 1);
	assert_exemplar("http_request_duration_seconds_bucket", "0.05", bed_find("GET /"), "0.03");
}

/* The newest by when it ended, also where an older one's trace is decided later. */
static void test_newest(void **state)
{
	struct connection *one = bed_connection(&traffic_http, SIDE_SERVER, 7);
	struct connection *two = bed_connection(&traffic_http, SIDE_SERVER, 8);

	(void)state;
	bed_request(one, "/", now, now + 30 * MS, 71, 71);
	bed_tick(now + 440 * MS);
	bed_next.both = 5; /* a caller that does not come */
	bed_request(two, "/", now + 400 * MS, now + 431 * MS, 81, 81);
	bed_tick(now + 900 * MS);
	bed_request(one, "/", now + 1000 * MS, now + 1032 * MS, 71, 71);
	bed_tick(now + 2000 * MS);
	render(EXPOSITION_OPENMETRICS);
	assert_int_equal(bed_count, 2);
	assert_int_equal(count(), 1);
	assert_exemplar("http_request_duration_seconds_bucket", "0.05", &bed_spans[1], "0.032");
	bed_tick(now + 20 * NSEC_PER_SEC);
	assert_int_equal(bed_count, 3);
	render(EXPOSITION_OPENMETRICS);
	assert_exemplar("http_request_duration_seconds_bucket", "0.05", &bed_spans[1], "0.032");
}

static void tick_metrics(uint64_t at)
{
	metrics_sink(bed_metrics)->tick(metrics_sink(bed_metrics), at);
}

static void test_age(void **state)
{
	(void)state;
	serve("/", 200);
	bed_tick(now + NSEC_PER_SEC);
	now += 10 * NSEC_PER_SEC;
	serve("/later", 200);
	bed_tick(now + NSEC_PER_SEC);
	now -= 10 * NSEC_PER_SEC;
	tick_metrics(now + 29 * MS + EXEMPLARS_NS);
	render(EXPOSITION_OPENMETRICS);
	assert_int_equal(count(), 3);
	tick_metrics(now + 30 * MS + EXEMPLARS_NS);
	render(EXPOSITION_OPENMETRICS);
	assert_int_equal(count(), 2);
	assert_int_equal(series_exemplars(metrics_series(bed_metrics)), 2);
	assert_exemplar(
		"http_request_duration_seconds_bucket{service=\"other\",namespace=\"\",pod=\"\","
		"container=\"\",method=\"GET\",endpoint=\"/later\"",
		"0.05", bed_find("GET /later"), "0.03");
	tick_metrics(now + 11 * NSEC_PER_SEC + EXEMPLARS_NS);
	render(EXPOSITION_OPENMETRICS);
	assert_int_equal(count() + series_exemplars(metrics_series(bed_metrics)), 0);
}

/* Far more series and buckets than there may be exemplars: the newest have one each. */
static void test_limit(void **state)
{
	struct connection *http = bed_connection(&traffic_http, SIDE_SERVER, 7);
	size_t limit = CONFIG_EXEMPLARS(bed_config.limits.series), before;
	char path[32];

	(void)state;
	bed_config.limits.endpoint_limit = 1000;
	assert_int_equal(metrics_configure(bed_metrics, &bed_config), 0);
	for (uint64_t i = 0; i < 60000; i++) {
		uint64_t at = now + i * MS, took = MS << i / 500 % 12;

		snprintf(path, sizeof(path), "/page/of%c%c", (char)('a' + i % 500 / 30),
			 (char)('a' + i % 30));
		bed_request(http, path, at, at + took, 71, 71);
		bed_tick(at);
	}
	bed_tick(now + 100 * NSEC_PER_SEC);
	assert_int_equal(bed_count, 60000);
	assert_int_equal(series_exemplars(metrics_series(bed_metrics)), limit);
	render(EXPOSITION_TEXT);
	before = scrape.size;
	render(EXPOSITION_OPENMETRICS);
	assert_int_equal(count(), limit);
	assert_true(scrape.size <= before + limit * CONFIG_EXEMPLAR_BYTES + 64);
	/* The last ones are among them. */
	for (size_t i = bed_count - 100; i < bed_count; i++) {
		char trace[2 * SPAN_TRACE_SIZE + 1];

		hex(&bed_spans[i % BED_SPANS], trace);
		assert_non_null(strstr(scrape.data, trace));
	}
	tick_metrics(now + 100 * NSEC_PER_SEC + EXEMPLARS_NS);
	assert_int_equal(series_exemplars(metrics_series(bed_metrics)), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_kept),   TEST(test_left_out), TEST(test_not_observed),
		TEST(test_newest), TEST(test_age),	TEST(test_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
