/* SPDX-License-Identifier: Apache-2.0 */
/* What each stage does where memory ends, and once there is some again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config.h"
#include "export/text.h"
#include "sink/metrics.h"
#include "stream/connections.h"
#include "stream/unix_sockets.h"
#include "tight.h"
#include "util/names.h"

#define SLOTS 8
#define GET "GET /shop HTTP/1.1\r\nHost: a\r\n\r\n"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static struct slot slots[SLOTS];
static struct pipeline pipeline;
static struct connections *connections;
static struct identities *identities;
static struct metrics *metrics;
static struct config config;
static unsigned int released;
static uint64_t now;
static uint32_t position[SLOTS][2];

static bool admit(void *context, const struct event_open *open, uint32_t *ret_identity)
{
	(void)context;
	(void)open;
	*ret_identity = 0;
	return true;
}

static int serves(void *context, const struct event_open *open)
{
	(void)context;
	(void)open;
	return -ENOENT;
}

static void release(void *context, uint32_t slot)
{
	(void)context;
	(void)slot;
	released++;
}

static int set_up(void **state)
{
	static const struct connections_host host = { NULL, admit, serves, release, NULL };
	char error[256];

	(void)state;
	memset(slots, 0, sizeof(slots));
	memset(position, 0, sizeof(position));
	released = 0;
	now = 1000000000;
	pipeline_init(&pipeline, 100);
	if (config_load(NULL, &config, error, sizeof(error)) ||
	    identities_new(16, 16, &identities) || metrics_new(&config, identities, &metrics))
		return -1;
	outlet_add(&pipeline.outlet, metrics_sink(metrics));
	return connections_new(SLOTS, slots, &pipeline, &host, &connections);
}

static int tear_down(void **state)
{
	(void)state;
	if (tight.ballast)
		tight_end();
	connections_free(connections);
	assert_int_equal(pipeline.outlet.targets.out, 0);
	assert_int_equal(pipeline.memory.blocks.out, 0);
	assert_int_equal(pipeline.memory.used, 0);
	pipeline_free(&pipeline);
	metrics_free(metrics);
	identities_free(identities);
	config_free(&config);
	return 0;
}

static struct event_head head(enum event_kind kind, uint32_t slot)
{
	return (struct event_head){ .time = now += 1000,
				    .slot = slot,
				    .generation = slots[slot].generation,
				    .tgid = 42,
				    .kind = kind };
}

static void begin(uint32_t slot)
{
	struct event_open event = { .role = ROLE_SERVER, .family = AF_INET };

	slots[slot] = (struct slot){ .generation = slots[slot].generation + 1 };
	position[slot][0] = position[slot][1] = 0;
	event.head = head(EVENT_OPEN, slot);
	connections_event(connections, &event.head, sizeof(event));
}

static void move(uint32_t slot, enum event_direction direction, const char *text)
{
	size_t size = strlen(text);
	struct event_data *event = malloc(sizeof(*event) + size);

	*event = (struct event_data){ .head = head(EVENT_DATA, slot),
				      .position = position[slot][direction],
				      .moved = (uint32_t)size,
				      .captured = (uint32_t)size };
	event->head.direction = direction;
	position[slot][direction] += (uint32_t)size;
	memcpy(event->bytes, text, size);
	connections_event(connections, &event->head, sizeof(*event) + size);
	free(event);
}

static void end(uint32_t slot)
{
	struct event_close event = { .head = head(EVENT_CLOSE, slot),
				     .position = { position[slot][0], position[slot][1] } };

	connections_event(connections, &event.head, sizeof(event));
}

/* How many requests were counted, by route. */
static uint64_t counted(const char *route)
{
	const struct series *series = series_first(metrics_series(metrics), 0);
	char label[64];
	uint64_t sum = 0;

	snprintf(label, sizeof(label), "endpoint=\"%s\"", route);
	assert_string_equal(series_metric(metrics_series(metrics), 0)->name, "http_requests_total");
	for (; series; series = series->next)
		if (memmem(series->labels, series->labels_size, label, strlen(label)))
			sum += series->count;
	return sum;
}

static void exchange(uint32_t slot)
{
	move(slot, DIRECTION_RX, GET);
	move(slot, DIRECTION_TX, OK);
}

static void test_connection(void **state)
{
	(void)state;
	tight_begin(MEMORY_CONNECTIONS, 0);
	begin(0);
	assert_int_equal(connections_counts(connections).refused, 1);
	assert_int_equal(connections_counts(connections).tracked, 0);
	assert_int_equal(released, 1); /* its slot is for another */
	exchange(0);
	assert_int_equal(counted("/shop"), 0);
	tight_end();
	begin(1);
	exchange(1);
	assert_int_equal(counted("/shop"), 1);
	end(0);
	assert_int_equal(released, 1);
	begin(0);
	exchange(0);
	assert_int_equal(counted("/shop"), 2);
	assert_int_equal(connections_counts(connections).refused, 1);
}

static void test_state(void **state)
{
	(void)state;
	begin(0);
	tight_begin(MEMORY_CONNECTIONS, 0);
	exchange(0);
	tight_end();
	assert_int_equal(counted("/shop"), 0);
	assert_int_equal(pipeline.states[0].refused + pipeline.states[1].refused +
				 pipeline.states[2].refused,
			 1);
	assert_true(slots[0].ignore);
	begin(1);
	exchange(1);
	assert_int_equal(counted("/shop"), 1);
}

/* Half a request that cannot be kept is a gap; the next one on the same connection is counted. */
static void test_stream(void **state)
{
	(void)state;
	begin(0);
	exchange(0);
	tight_begin(MEMORY_STREAMS, 0);
	move(0, DIRECTION_RX, "GET /lo");
	assert_int_equal(pipeline.memory.blocks.refused, 1);
	tight_end();
	move(0, DIRECTION_RX, "st HTTP/1.1\r\nHost: a\r\n\r\n");
	move(0, DIRECTION_TX, OK);
	assert_int_equal(counted("/lost"), 0);
	exchange(0);
	exchange(0);
	assert_in_range(counted("/shop"), 2, 3);
}

/* Larger than a block, and chunks that wait for their turn. */
static void test_buffers(void **state)
{
	struct flow flow = { .started = true };
	char text[FLOW_BLOCK + 1];
	struct chunk chunk = { .moved = sizeof(text), .bytes = { (uint8_t *)text, sizeof(text) } };

	(void)state;
	memset(text, 'x', sizeof(text));
	tight_begin(MEMORY_STREAMS, FLOW_BLOCK);
	assert_int_equal(flow_take(&flow, &pipeline.memory, &chunk, true), FLOW_TAKEN);
	assert_false(flow_keep(&flow, &pipeline.memory));
	flow_restart(&flow, &pipeline.memory, flow.next);
	chunk.position = flow.next + 100;
	assert_int_equal(flow_take(&flow, &pipeline.memory, &chunk, true), FLOW_GAP);
	assert_int_equal(pipeline.memory.refused, 2);
	tight_end();
	assert_int_equal(flow_take(&flow, &pipeline.memory, &chunk, true), FLOW_NOTHING);
	flow_free(&flow, &pipeline.memory);
}

static void test_requests(void **state)
{
	(void)state;
	begin(0);
	tight_begin(MEMORY_STREAMS, 1000);
	for (int i = 0; i < 20; i++)
		move(0, DIRECTION_RX, GET);
	assert_int_equal(pipeline.outlet.refused, 1);
	assert_true(pipeline.outlet.unpaired > 0);
	tight_end();
	begin(1);
	for (int i = 0; i < 101; i++)
		move(1, DIRECTION_RX, GET);
	assert_int_equal(pipeline.outlet.refused, 2); /* the limit of open requests */
	begin(2);
	for (int i = 0; i < 100; i++)
		move(2, DIRECTION_RX, GET);
	for (int i = 0; i < 100; i++)
		move(2, DIRECTION_TX, OK);
	assert_int_equal(counted("/shop"), 100);
	assert_int_equal(pipeline.outlet.refused, 2);
}

/* A path that cannot be kept: counted, under `other`. */
static void test_target(void **state)
{
	struct pool *targets = &pipeline.outlet.targets;

	(void)state;
	begin(0);
	targets->limit = 0;
	exchange(0);
	assert_int_equal(counted("other"), 1);
	assert_int_equal(counted("/"), 0);
	assert_int_equal(series_dropped(metrics_series(metrics), 0), 1);
	targets->limit = 1;
	exchange(0);
	assert_int_equal(counted("/shop"), 1);
}

/* No new series: values go to `other`, which is there even then. */
static void test_series(void **state)
{
	struct connection connection = { .side = SIDE_SERVER, .protocol = protocols[0] };
	struct exchange done = { .connection = &connection, .code = 200 };
	struct sink *sink = metrics_sink(metrics);
	char path[32];
	int size;

	(void)state;
	for (int i = 0; protocols[i]; i++)
		if (protocols[i]->family == FAMILY_HTTP)
			connection.protocol = protocols[i];
	tight_begin(MEMORY_TABLES, 70000);
	for (int i = 0; i < 2000; i++) {
		connection.identity = (uint32_t)i % 16;
		size = snprintf(path, sizeof(path), "/%c%c%c", 'a' + i % 26, 'a' + i / 26 % 26,
				'a' + i / 676);
		done.target = (struct bytes){ (uint8_t *)path, (size_t)size };
		sink->exchange(sink, &done);
	}
	assert_true(counted("other") > 0);
	assert_true(series_dropped(metrics_series(metrics), 0) >= counted("other"));
	tight_end();
	done.target = BYTES("/after");
	sink->exchange(sink, &done);
	assert_int_equal(counted("/after"), 1);
}

static void test_text(void **state)
{
	struct text text = { 0 };

	(void)state;
	tight_begin(MEMORY_SCRAPES, 4096);
	assert_true(text_reserve(&text, 4096));
	text_puts(&text, "some");
	assert_false(text_reserve(&text, 4096));
	assert_true(text.failed);
	text_free(&text);
	tight_end();
	text = (struct text){ 0 };
	assert_true(text_reserve(&text, 1 << 20));
	text_free(&text);
}

/* A listing that there is no memory for tells nothing: no connection is taken for closed. */
static void test_listing(void **state)
{
	struct unix_sockets *sockets;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(unix_sockets_new(&sockets), 0);
	tight_begin(MEMORY_STREAMS, 0);
	assert_true(unix_sockets_open(sockets, (uint32_t)getpid(), 1));
	tight_end();
	unix_sockets_refresh(sockets);
	assert_false(unix_sockets_open(sockets, (uint32_t)getpid(), 1));
	unix_sockets_free(sockets);
	close(pair[0]);
	close(pair[1]);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_connection), TEST(test_state),    TEST(test_stream),
		TEST(test_buffers),    TEST(test_requests), TEST(test_target),
		TEST(test_series),     TEST(test_text),	    TEST(test_listing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
