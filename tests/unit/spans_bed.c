/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>

#include "sink/metrics.h"
#include "sink/route.h"
#include "spans_bed.h"

#define CONNECTIONS 64

struct config bed_config;
struct spans *bed;
struct tasks *bed_tasks;
struct metrics *bed_metrics;
struct bed_span bed_spans[BED_SPANS];
size_t bed_count;
struct exchange bed_next;
static struct connection connections[CONNECTIONS];
static size_t connection_count;

static void remember(void *context, const struct span *span)
{
	struct bed_span *ret = &bed_spans[bed_count % BED_SPANS];

	(void)context;
	bed_count++;
	memset(ret, 0, sizeof(*ret));
	ret->span = *span;
	snprintf(ret->name, sizeof(ret->name), "%.*s", (int)span->name.size, span->name.data);
	for (int i = 0; i < span->attribute_count; i++) {
		const struct span_attribute *at = &span->attributes[i];
		char *text = ret->text[at->key];

		if (at->type == SPAN_TEXT)
			snprintf(text, 128, "%.*s", (int)at->text.size, at->text.data);
		else if (at->type == SPAN_INTEGER)
			snprintf(text, 128, "%lld", (long long)at->integer);
		else
			snprintf(text, 128, "%.9f", at->real);
	}
}

void bed_again(enum config_sampler sampler, double ratio, uint64_t slow)
{
	struct spans_host host = { bed_tasks, bed_metrics, true, { remember, NULL } };

	spans_free(bed);
	bed = NULL;
	bed_config.traces.sampler = sampler;
	bed_config.traces.ratio = ratio;
	bed_config.traces.slow = slow;
	bed_count = 0;
	assert_int_equal(spans_new(&bed_config, &host, &bed), 0);
}

int bed_begin(void **state)
{
	(void)state;
	connection_count = 0;
	bed_next = (struct exchange){ 0 };
	assert_int_equal(tasks_new(256, &bed_tasks), 0);
	bed_again(SAMPLER_ALWAYS_ON, 1, NSEC_PER_SEC);
	return 0;
}

int bed_end(void **state)
{
	(void)state;
	if (bed)
		spans_sink(bed)->close(spans_sink(bed));
	bed = NULL;
	tasks_free(bed_tasks);
	return 0;
}

void bed_tick(uint64_t now)
{
	spans_sink(bed)->tick(spans_sink(bed), now);
}

struct connection *bed_connection(const struct protocol *protocol, enum side side, uint32_t tgid)
{
	struct connection *ret = &connections[connection_count++];

	assert_true(connection_count <= CONNECTIONS);
	*ret = traffic_connection(1, protocol, side, side == SIDE_SERVER ? "10.0.0.9" : "db:5432");
	ret->tgid = tgid;
	ret->process = 1000 + tgid;
	spans_sink(bed)->connection(spans_sink(bed), ret, CONNECTION_OPENED, SESSION_NONE);
	return ret;
}

static void report(const struct connection *connection, const char *operation, uint64_t begin,
		   uint64_t end)
{
	struct exchange exchange = bed_next;

	exchange.connection = connection;
	exchange.operation = traffic_name(NAME_OPERATION, operation);
	exchange.timed = exchange.outcome != OUTCOME_ABORTED;
	exchange.begin = begin;
	exchange.end = end;
	bed_next = (struct exchange){ 0 };
	if (bed_metrics)
		metrics_sink(bed_metrics)->exchange(metrics_sink(bed_metrics), &exchange);
	spans_sink(bed)->exchange(spans_sink(bed), &exchange);
}

void bed_request(const struct connection *connection, const char *path, uint64_t begin,
		 uint64_t end, uint64_t reader, uint64_t answer)
{
	static struct routes *routes; /* as the metrics do before */

	if (!routes)
		assert_int_equal(routes_new(&bed_config.endpoints, &routes), 0);
	routes_find(routes, traffic_view(path), 1);
	bed_next.target = traffic_view(path);
	bed_next.read = bed_next.read ? bed_next.read : begin;
	bed_next.code = bed_next.code ? bed_next.code : 200;
	bed_next.task = reader;
	bed_next.answer_task = answer;
	report(connection, "GET", begin, end);
}

void bed_call(const struct connection *connection, const char *operation, uint64_t begin,
	      uint64_t end, uint64_t task)
{
	bed_next.task = task;
	report(connection, operation, begin, end);
}

void bed_tell(uint32_t tgid, uint64_t task, const uint64_t *ancestors)
{
	struct event_task event = { .head = { .kind = EVENT_TASK, .tgid = tgid, .task = task } };

	for (int i = 0; i < EVENT_ANCESTORS && ancestors[i]; i++)
		event.ancestors[i] = ancestors[i];
	tasks_told(bed_tasks, &event);
}

const struct bed_span *bed_find(const char *name)
{
	const struct bed_span *found = NULL;

	for (size_t i = 0; i < bed_count; i++) {
		if (strcmp(bed_spans[i].name, name) != 0)
			continue;
		assert_null(found);
		found = &bed_spans[i];
	}
	assert_non_null(found);
	return found;
}

void bed_settle(void)
{
	uint64_t now = 1000 * NSEC_PER_SEC;

	for (int i = 0; i < 4; i++)
		bed_tick(now += 100 * NSEC_PER_SEC);
	assert_int_equal(spans_counts(bed).kept, 0);
}

void bed_assert_child(const char *child, const char *parent)
{
	const struct bed_span *one = bed_find(child), *other = bed_find(parent);

	assert_memory_equal(one->span.trace, other->span.trace, SPAN_TRACE_SIZE);
	assert_true(one->span.id != 0 && one->span.id != other->span.id);
	assert_true(one->span.parent == other->span.id);
	assert_false(one->span.remote);
}

void bed_assert_root(const char *name)
{
	assert_true(bed_find(name)->span.parent == 0);
}

struct details bed_header(uint8_t trace, uint8_t parent, uint8_t flags)
{
	struct details ret = { .context = { .valid = true, .flags = flags }, .minor = 1 };

	memset(ret.context.trace_id, trace, sizeof(ret.context.trace_id));
	ret.context.parent_id[7] = parent;
	ret.state = BYTES("vendor=1");
	return ret;
}
