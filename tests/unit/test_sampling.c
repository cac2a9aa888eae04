/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "sink/sampling.h"
#include "sink/slowness.h"
#include "sink/span_ids.h"
#include "spans_bed.h"

#define REQUESTS 2000000 /* with three calls each */
#define FLIGHT 16
#define EACH 4

/* ---- millions of exchanges ---- */

static struct {
	uint64_t traces, failed;
	uint8_t trace[SPAN_TRACE_SIZE];
	size_t spans; /* of the trace pushed last */
	size_t broken;
	uint64_t root;
} seen;

/* A trace's spans come one after the other, the request first. */
static void take(void *context, const struct span *span)
{
	(void)context;
	if (memcmp(span->trace, seen.trace, sizeof(seen.trace)) != 0) {
		seen.broken += seen.traces && seen.spans != EACH;
		seen.broken += span->kind != SPAN_SERVER || span->parent;
		memcpy(seen.trace, span->trace, sizeof(seen.trace));
		seen.spans = 0;
		seen.traces++;
		seen.root = span->id;
	} else {
		seen.broken += span->kind != SPAN_CLIENT || span->parent != seen.root;
	}
	seen.failed += span->status == SPAN_ERROR;
	seen.spans++;
}

static bool fails(uint64_t number)
{
	return number % 1000 == 7;
}

/* FLIGHT at a time, each in a thread of its own; every thousandth fails, at one place or other. */
static void serve_all(struct connection *http, struct connection *db)
{
	for (uint64_t i = 0; i < REQUESTS; i++) {
		uint64_t begin = (1 + i / FLIGHT) * 10 * MS, thread = 70 + i % FLIGHT;

		for (uint64_t call = 0; call < EACH - 1; call++) {
			bed_next.outcome =
				fails(i) && i / 1000 % 4 == call ? OUTCOME_ERROR : OUTCOME_OK;
			bed_call(db, "SELECT", begin + MS + call, begin + 2 * MS, thread);
		}
		bed_next.code = fails(i) && i / 1000 % 4 == 3 ? 500 : 200;
		bed_request(&http[i % FLIGHT], "/", begin, begin + 9 * MS, thread, thread);
		if (i % (10 * FLIGHT) == 0)
			bed_tick(begin);
	}
}

static void test_millions(void **state)
{
	struct spans_host host = { NULL, NULL, true, { take, NULL } };
	struct connection http[FLIGHT], *db;
	struct spans_counts counts;
	double failed = REQUESTS / 1000, kept;

	(void)state;
	spans_free(bed);
	bed_config.traces.sampler = SAMPLER_PARENT_RATIO;
	bed_config.traces.ratio = 0.1;
	bed_config.traces.slow = 0;
	memset(&seen, 0, sizeof(seen));
	assert_int_equal(spans_new(&bed_config, &host, &bed), 0);
	for (int i = 0; i < FLIGHT; i++)
		http[i] = *bed_connection(&traffic_http, SIDE_SERVER, 7);
	db = bed_connection(&traffic_database, SIDE_CLIENT, 7);
	serve_all(http, db);
	bed_tick(REQUESTS * 10 * MS);
	bed_tick(REQUESTS * 20 * MS);
	counts = spans_counts(bed);
	assert_int_equal(counts.kept, 0);
	assert_int_equal(seen.broken, 0);
	assert_int_equal(seen.spans, EACH);
	assert_int_equal(seen.failed, failed);
	/* Of the others a tenth within 1 %, which is 4.7 standard deviations. */
	kept = (double)seen.traces - failed;
	assert_true(fabs(kept / (0.1 * (REQUESTS - failed)) - 1) < 0.01);
	assert_int_equal(counts.traces[SPANS_SLOW], 0);
	assert_int_equal(counts.traces[SPANS_SAMPLED] + counts.traces[SPANS_FAILED], seen.traces);
	assert_int_equal(counts.parents[SPANS_BY_TASK], REQUESTS * (EACH - 1));
	assert_int_equal(counts.losses[SPANS_NO_ROOM] + counts.hurried, 0);
}

/* ---- by the trace's id ---- */

static double fraction(const struct sampling *sampling, struct span_ids *ids)
{
	const struct trace_context none = { 0 };
	uint8_t trace[SPAN_TRACE_SIZE];
	int kept = 0;

	for (int i = 0; i < 4000000; i++) {
		span_ids_trace(ids, trace);
		kept += sampling_keeps(sampling, trace, &none);
	}
	return kept / 4e6;
}

/* Within 1 % of what was asked for; whoever keeps more keeps the same ones, too. */
static void test_ratio(void **state)
{
	struct config_traces config = { .sampler = SAMPLER_RATIO, .ratio = 0.1 };
	struct trace_context none = { 0 };
	struct sampling tenth, half, all, nothing;
	uint8_t trace[SPAN_TRACE_SIZE];
	struct span_ids ids;

	(void)state;
	assert_int_equal(span_ids_init(&ids), 0);
	sampling_init(&tenth, &config);
	config.ratio = 0.5;
	sampling_init(&half, &config);
	config.ratio = 1;
	sampling_init(&all, &config);
	config.ratio = 0;
	sampling_init(&nothing, &config);
	/* 1 % of a tenth is more than six standard deviations of four million draws. */
	assert_true(fabs(fraction(&tenth, &ids) / 0.1 - 1) < 0.01);
	assert_true(fabs(fraction(&half, &ids) / 0.5 - 1) < 0.01);
	assert_true(fraction(&all, &ids) == 1 && fraction(&nothing, &ids) == 0);
	for (int i = 0; i < 100000; i++) {
		span_ids_trace(&ids, trace);
		if (sampling_keeps(&tenth, trace, &none))
			assert_true(sampling_keeps(&half, trace, &none));
	}
	/* R >= T of the last seven bytes; the first nine are nobody's business. */
	memset(trace, 0xff, sizeof(trace));
	memset(trace + 9, 0, 7);
	assert_false(sampling_keeps(&tenth, trace, &none));
	trace[9] = 0xe6; /* 0.9 of 256 is 230.4 */
	trace[10] = 0x67;
	assert_true(sampling_keeps(&tenth, trace, &none));
	trace[10] = 0x65;
	assert_false(sampling_keeps(&tenth, trace, &none));
}

static void test_samplers(void **state)
{
	static const struct {
		enum config_sampler sampler;
		bool alone, parent_no, parent_yes; /* with a ratio of 0 */
	} cases[] = {
		{ SAMPLER_ALWAYS_ON, true, true, true },
		{ SAMPLER_ALWAYS_OFF, false, false, false },
		{ SAMPLER_RATIO, false, false, false },
		{ SAMPLER_PARENT_ALWAYS_ON, true, false, true },
		{ SAMPLER_PARENT_ALWAYS_OFF, false, false, true },
		{ SAMPLER_PARENT_RATIO, false, false, true },
	};
	const uint8_t trace[SPAN_TRACE_SIZE] = { 1 };
	struct trace_context none = { 0 }, no = { .valid = true },
			     yes = { .valid = true, .flags = TRACE_SAMPLED };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config_traces config = { .sampler = cases[i].sampler };
		struct sampling sampling;

		sampling_init(&sampling, &config);
		assert_int_equal(sampling_keeps(&sampling, trace, &none), cases[i].alone);
		assert_int_equal(sampling_keeps(&sampling, trace, &no), cases[i].parent_no);
		assert_int_equal(sampling_keeps(&sampling, trace, &yes), cases[i].parent_yes);
	}
}

/* ---- slow ones ---- */

static uint64_t draw(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return *state >> 33;
}

/* About one in a hundred, whatever the durations look like; none where all are alike. */
static void test_slowness(void **state)
{
	struct slowness *slowness;
	uint64_t seed = 1;
	int even = 0, spread = 0, outliers = 0;

	(void)state;
	assert_int_equal(slowness_new(&slowness), 0);
	for (int i = 0; i < 100000; i++) {
		uint64_t some = MS * (1 + draw(&seed) % 1000);

		even += slowness_count(slowness, 1, 1, 5 * MS);
		spread += slowness_count(slowness, 1, 2, some * some / (1000 * MS) * 2 + MS / 10);
		outliers += slowness_count(slowness, 2, 1, i % 500 == 499 ? 900 * MS : 5 * MS);
	}
	assert_int_equal(even, 0);
	assert_true(spread <= 1100);
	assert_true(outliers >= 199 && outliers <= 200);
	/* What was slow is the rule by now. */
	outliers = 0;
	for (int i = 0; i < 10000; i++)
		outliers += slowness_count(slowness, 2, 1, 900 * MS);
	assert_true(outliers < 200);
	slowness_free(slowness);
}

/* More endpoints than there is room for: one that is busy is still told from the others. */
static void test_many_endpoints(void **state)
{
	struct slowness *slowness;
	int slow = 0;

	(void)state;
	assert_int_equal(slowness_new(&slowness), 0);
	for (uint32_t i = 0; i < 100000; i++) {
		slowness_count(slowness, 3, i, 900 * MS);
		slow += slowness_count(slowness, 1, 1, i % 500 == 499 ? 900 * MS : 5 * MS);
	}
	assert_true(slow >= 199 && slow <= 200);
	slowness_free(slowness);
}

/* A slow request keeps its trace, as configured and by the endpoint's own measure. */
static void test_slow_traces(void **state)
{
	struct connection *http = bed_connection(&traffic_http, SIDE_SERVER, 7);
	uint64_t now = 100 * MS;

	(void)state;
	bed_again(SAMPLER_ALWAYS_OFF, 0, 20 * MS);
	bed_request(http, "/quick", 100 * MS, 119 * MS, 70, 70);
	bed_request(http, "/slow", 200 * MS, 220 * MS, 70, 70);
	bed_tick(2 * NSEC_PER_SEC);
	assert_int_equal(bed_count, 1);
	bed_find("GET /slow");
	bed_again(SAMPLER_ALWAYS_OFF, 0, 0);
	for (int i = 0; i < 1000; i++, now += 100 * MS)
		bed_request(http, "/", now, now + (i == 900 ? 50 : 5) * MS, 70, 70);
	bed_tick(now + NSEC_PER_SEC);
	assert_int_equal(bed_count, 1);
	assert_int_equal(spans_counts(bed).traces[SPANS_SLOW], 1);
}

/* Callers alone are sampled each by itself, their errors kept. */
static void test_calls_alone(void **state)
{
	struct connection *db = bed_connection(&traffic_database, SIDE_CLIENT, 9);

	(void)state;
	bed_again(SAMPLER_PARENT_RATIO, 0.1, 0);
	for (uint64_t i = 0; i < 100000; i++) {
		bed_next.outcome = i % 1000 ? OUTCOME_OK : OUTCOME_ERROR;
		bed_call(db, "SELECT", (i + 1) * MS, (i + 1) * MS + 1, 70);
	}
	assert_int_equal(spans_counts(bed).kept, 0);
	assert_true(bed_count > 9500 && bed_count < 10700);
	assert_int_equal(spans_counts(bed).traces[SPANS_SAMPLED] +
				 spans_counts(bed).traces[SPANS_FAILED],
			 bed_count);
	assert_int_equal(spans_counts(bed).parents[SPANS_NO_PARENT], 100000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_begin, bed_end)
	const struct CMUnitTest tests[] = {
		TEST(test_millions),
		cmocka_unit_test(test_ratio),
		cmocka_unit_test(test_samplers),
		cmocka_unit_test(test_slowness),
		cmocka_unit_test(test_many_endpoints),
		TEST(test_slow_traces),
		TEST(test_calls_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
