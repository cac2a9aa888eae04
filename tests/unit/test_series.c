/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "sink/budget.h"
#include "sink/label.h"
#include "sink/series.h"
#include "util/names.h"

enum {
	REQUESTS,
	DURATION,
	OPEN,
};

static const char *const roles[] = { "server", "client" };

static const struct series_metric metrics[] = {
	[REQUESTS] = { .name = "requests_total",
		       .help = "h",
		       .type = SERIES_COUNTER,
		       .variants = 1,
		       .labels = { { .name = "op", .source = LABEL_NAME, .at = 0 },
				   { .name = "status", .source = LABEL_CODE } } },
	[DURATION] = { .name = "duration_seconds",
		       .help = "h",
		       .type = SERIES_HISTOGRAM,
		       .variants = 1,
		       .labels = { { .name = "op", .source = LABEL_NAME, .at = 0 } } },
	[OPEN] = { .name = "open",
		   .help = "h",
		   .type = SERIES_GAUGE,
		   .variants = 2,
		   .labels = { { .name = "role", .source = LABEL_CHOICE, .choices = roles },
			       { .name = "peer", .source = LABEL_NAME, .at = 1 } } },
};

static const struct config_buckets buckets = { .count = 2, .bound_ns = { 1000, 2000 } };

static struct identities *identities;

static struct series_set *new_set(uint64_t limit)
{
	struct series_set *set = NULL;

	assert_int_equal(series_set_new(metrics, 3, &buckets, 1, limit, identities, &set), 0);
	return set;
}

static uint16_t name(const char *text, unsigned int number)
{
	char made[64];
	int size = snprintf(made, sizeof(made), "%s%u", text, number);

	return names_intern(NAME_OPERATION, (struct bytes){ (const uint8_t *)made, (size_t)size });
}

static struct series_key request(unsigned int number)
{
	return (struct series_key){ .metric = REQUESTS,
				    .names = { name("op", number) },
				    .code = 200 };
}

static struct series_key gauge(unsigned int peer, unsigned int role)
{
	return (struct series_key){ .metric = OPEN,
				    .choice = (uint8_t)role,
				    .names = { 0, name("peer", peer) } };
}

/* The series whose labels contain `text`, which must be there. */
static const struct series *lookup(const struct series_set *set, unsigned int metric,
				   const char *text)
{
	const struct series *series = series_first(set, metric);

	while (series && !memmem(series->labels, series->labels_size, text, strlen(text)))
		series = series->next;
	assert_non_null(series);
	return series;
}

/* All values of a metric together, whatever the limit did to them. */
static int64_t sum(const struct series_set *set, unsigned int metric)
{
	int64_t total = 0;

	for (const struct series *s = series_first(set, metric); s; s = s->next)
		total += metric == OPEN ? s->level : (int64_t)s->count;
	return total;
}

static void test_labels(void **state)
{
	static const char expected[] = "service=\"\",namespace=\"\",pod=\"\",container=\"\","
				       "op=\"a\\\\b\\\"c\\nd\",status=\"200\"";
	struct series_set *set = new_set(1000);
	struct series_key key = { .metric = REQUESTS, .code = 200 };
	char escaped[2 * LABEL_MOST], lengthy[2000];

	(void)state;
	key.names[0] = names_intern(NAME_OPERATION, BYTES("a\\b\"c\nd"));
	series_add(set, &key, 3);
	assert_int_equal(series_first(set, REQUESTS)->labels_size, sizeof(expected) - 1);
	assert_memory_equal(series_first(set, REQUESTS)->labels, expected, sizeof(expected) - 1);
	key.code = CODE_ABORTED;
	series_add(set, &key, 1);
	lookup(set, REQUESTS, "status=\"aborted\"");
	key.code = 0;
	series_add(set, &key, 1);
	lookup(set, REQUESTS, "status=\"unknown\"");
	memset(lengthy, '"', sizeof(lengthy));
	lengthy[1999] = '\0';
	assert_int_equal(label_escape(lengthy, escaped), 2 * LABEL_MOST);
	memset(lengthy, 'a', sizeof(lengthy));
	memcpy(lengthy + LABEL_MOST - 1, "\xc3\xa9", 2);
	lengthy[1999] = '\0';
	assert_int_equal(label_escape(lengthy, escaped), LABEL_MOST - 1);
	series_set_free(set);
}

static void test_histogram(void **state)
{
	static const uint64_t durations[] = { 0, 999, 1000, 1001, 2000, 2001, 5000000000ULL };
	struct series_set *set = new_set(1000);
	struct series_key key = { .metric = DURATION };
	const struct series *series;

	(void)state;
	for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++)
		series_observe(set, &key, durations[i]);
	series = series_first(set, DURATION);
	assert_int_equal(series->buckets[0], 3);
	assert_int_equal(series->buckets[1], 2);
	assert_int_equal(series->buckets[2], 2);
	assert_int_equal(series->count, 7);
	assert_int_equal(series->sum_ns, 5000007001ULL);
	assert_int_equal(series_lines(set), 5);
	series_set_free(set);
}

static void test_many(void **state)
{
	struct series_set *set = new_set(100000);

	(void)state;
	for (unsigned int round = 0; round < 2; round++)
		for (unsigned int i = 0; i < 3000; i++) {
			struct series_key key = request(i);

			series_add(set, &key, i);
		}
	assert_int_equal(series_lines(set), 3000);
	assert_int_equal(lookup(set, REQUESTS, "\"op2999\"")->count, 2 * 2999);
	assert_int_equal(sum(set, REQUESTS), 2 * (2999 * 3000 / 2));
	assert_int_equal(series_dropped(set, REQUESTS), 0);
	series_set_free(set);
}

static void test_limit(void **state)
{
	struct series_set *set = new_set(20);
	struct series_key key;

	(void)state;
	for (unsigned int i = 0; i < 50; i++) {
		key = request(i);
		series_add(set, &key, 1);
	}
	/* One service: half of what the series `other` leaves. */
	assert_int_equal(series_lines(set), 10);
	assert_int_equal(sum(set, REQUESTS), 50);
	assert_int_equal(series_dropped(set, REQUESTS), 41);
	assert_int_equal(lookup(set, REQUESTS, "service=\"other\"")->count, 41);
	lookup(set, REQUESTS, "op=\"other\",status=\"other\"");
	/* Metrics that begin later have their series `other` all the same. */
	key = (struct series_key){ .metric = DURATION };
	series_observe(set, &key, 1);
	assert_int_equal(lookup(set, DURATION, "service=\"other\"")->count, 1);
	assert_int_equal(series_lines(set), 15);
	/* Known ones go on. */
	key = request(3);
	series_add(set, &key, 1);
	assert_int_equal(lookup(set, REQUESTS, "\"op3\"")->count, 2);
	assert_int_equal(series_dropped(set, REQUESTS), 41);
	series_set_free(set);
}

/* Lines of a service that has as many requests, of so many operations, as it likes. */
static uint64_t explode(struct series_set *set, uint32_t identity, unsigned int operations)
{
	uint64_t before = series_lines(set);

	for (unsigned int i = 0; i < operations; i++) {
		struct series_key key = request(i);

		key.identity = identity;
		series_add(set, &key, 1);
		key.metric = DURATION;
		key.code = 0;
		series_observe(set, &key, 1);
	}
	return series_lines(set) - before;
}

/* A service whose labels explode leaves room to those that come later, and so do these. */
static void test_share(void **state)
{
	struct series_set *set = new_set(12000);
	uint64_t taken;

	(void)state;
	taken = explode(set, 2, 3000);
	assert_in_range(taken, 5950, 6010);
	assert_int_equal(explode(set, 3, 100), 600);
	assert_int_equal(explode(set, 2, 3000), 0);
	taken = explode(set, 4, 3000);
	assert_in_range(taken, 2600, 2710);
	assert_int_equal(explode(set, 5, 100), 600);
	assert_true(series_dropped(set, REQUESTS) > 0 && series_dropped(set, DURATION) > 0);
	assert_true(series_lines(set) <= 12000);
	series_set_free(set);
}

/* Long labels use up the scrape's bytes before the lines: they are shared likewise. */
static void test_share_of_bytes(void **state)
{
	struct series_set *set = new_set(1000);
	struct series_key key = { .metric = REQUESTS, .identity = 2, .code = 200 };
	char text[NAME_SIZE];

	(void)state;
	for (unsigned int i = 0; i < 1000; i++) {
		memset(text, '"', sizeof(text)); /* two bytes each where it is shown */
		snprintf(text, sizeof(text), "%u", i);
		text[strlen(text)] = '"';
		key.names[0] = names_intern(NAME_ROUTE,
					    (struct bytes){ (uint8_t *)text, sizeof(text) - 1 });
		series_add(set, &key, 1);
	}
	assert_in_range(series_bytes(set), 500 * CONFIG_LINE_BYTES - 2000,
			500 * CONFIG_LINE_BYTES + 2000);
	assert_true(series_lines(set) < 300);
	key.identity = 3;
	for (unsigned int i = 0; i < 100; i++) {
		uint64_t lines = series_lines(set);

		key.names[0] = name("op", i);
		series_add(set, &key, 1);
		assert_int_equal(series_lines(set), lines + 1);
	}
	series_set_free(set);
}

static uint16_t peer(uint32_t holder, unsigned int number)
{
	char text[64];
	int size = snprintf(text, sizeof(text), "of-%u-%u:80", holder, number);

	return names_intern_for(NAME_PEER, holder,
				(struct bytes){ (const uint8_t *)text, (size_t)size });
}

/* Who talks to the whole world leaves names to others. */
static void test_share_of_names(void **state)
{
	uint64_t refused = names_refused();

	(void)state;
	for (unsigned int i = 0; i < 20000; i++)
		assert_int_equal(peer(1, i) == NAME_OTHER, i >= NAMES_PEERS / 2);
	assert_int_equal(names_refused() - refused, 20000 - NAMES_PEERS / 2);
	for (unsigned int i = 0; i < 1000; i++)
		assert_int_not_equal(peer(2, i), NAME_OTHER);
	assert_int_equal(peer(1, 20000), NAME_OTHER);
	assert_int_not_equal(peer(1, 5), NAME_OTHER);
	for (unsigned int i = 0; i < 20000; i++)
		peer(3, i);
	assert_int_not_equal(peer(NAMES_HOLDERS + 7, 0), NAME_OTHER);
	assert_int_not_equal(peer(NAMES_NOBODY, 0), NAME_OTHER);
}

/* Whatever happens to the limit meanwhile, what was opened is closed in the same series. */
static void test_gauges_return(void **state)
{
	unsigned int open[40] = { 0 };
	struct series_set *set = new_set(12);

	(void)state;
	srandom(3);
	for (unsigned int i = 0; i < 20000; i++) {
		unsigned int peer = (unsigned int)random() % 40;
		struct series_key key = gauge(peer, peer & 1);

		if (random() % 100 == 0)
			series_set_limit(set, (uint64_t)random() % 60);
		if (open[peer] && random() % 2) {
			open[peer]--;
			series_move(set, &key, -1);
		} else {
			open[peer]++;
			series_move(set, &key, 1);
		}
		for (const struct series *s = series_first(set, OPEN); s && i % 16 == 0;
		     s = s->next)
			assert_true(s->level >= 0);
	}
	for (unsigned int peer = 0; peer < 40; peer++) {
		struct series_key key = gauge(peer, peer & 1);

		while (open[peer]--)
			series_move(set, &key, -1);
	}
	for (const struct series *s = series_first(set, OPEN); s; s = s->next)
		assert_int_equal(s->level, 0);
	assert_true(series_dropped(set, OPEN) > 0);
	series_set_free(set);
}

static void test_budget(void **state)
{
	struct budget *budget = NULL;

	(void)state;
	assert_int_equal(budget_new(4, &budget), 0);
	assert_true(budget_admit(budget, 1, 0, 0, false));
	for (uint16_t i = 1; i < 100; i++)
		assert_int_equal(budget_admit(budget, 1, i, 10, false), i <= 10);
	assert_true(budget_admit(budget, 1, 5, 1, false));
	assert_true(budget_admit(budget, 1, 11, 11, false));
	for (uint16_t i = 1; i < 1000; i++)
		assert_true(budget_admit(budget, 2, i, 5000, true));
	assert_false(budget_admit(budget, 4, 1, 10, true));
	assert_true(budget_admit(budget, 3, 1, 1, true));
	assert_false(budget_admit(budget, 3, 2, 1, true));
	assert_false(budget_admit(budget, 3, 2, 10, true));
	assert_true(budget_admit(budget, 3, 1, 10, true));
	/* Half of what the others, who have about a thousand, leave; then half of the rest. */
	for (uint32_t i = 1; i < UINT16_MAX; i++)
		budget_admit(budget, 0, (uint16_t)i, 60000, false);
	assert_true(budget_admit(budget, 0, (BUDGET_LIMIT - 1100) / 2, 60000, false));
	assert_false(budget_admit(budget, 0, (BUDGET_LIMIT - 900) / 2, 60000, false));
	assert_true(budget_full(budget, 0, 60000));
	for (uint16_t i = 1000; i < 15000; i++)
		assert_true(budget_admit(budget, 2, i, 60000, false));
	for (uint32_t i = 15000; i < UINT16_MAX; i++)
		budget_admit(budget, 2, (uint16_t)i, 60000, false);
	assert_true(budget_full(budget, 2, 60000));
	assert_true(budget_admit(budget, 1, 12, 12, false));
	budget_free(budget);
}

static int set_up(void **state)
{
	(void)state;
	return identities_new(16, 16, &identities);
}

static int tear_down(void **state)
{
	(void)state;
	identities_free(identities);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_labels),	       cmocka_unit_test(test_histogram),
		cmocka_unit_test(test_many),	       cmocka_unit_test(test_limit),
		cmocka_unit_test(test_gauges_return),  cmocka_unit_test(test_budget),
		cmocka_unit_test(test_share),	       cmocka_unit_test(test_share_of_bytes),
		cmocka_unit_test(test_share_of_names),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
