/* SPDX-License-Identifier: Apache-2.0 */
/* A table of connections fed with records written by hand, and what its sinks were told. */
#ifndef ONLOOKER_TEST_TABLE_H
#define ONLOOKER_TEST_TABLE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "stream/connections.h"
#include "util/clock.h"

#define SLOTS 8
#define START 5000U /* where the kernel side's positions begin */
static struct slot slots[SLOTS];
static struct pipeline pipeline;
static struct connections *connections;
static unsigned int released, opened, closed, failed, done, aborted;
static bool admits;
static int served; /* what the owners of servers are known to serve */
static uint64_t now, last_duration;

static inline int serves(void *context, const struct event_open *open)
{
	(void)context;
	(void)open;
	return served;
}

static inline bool admit(void *context, const struct event_open *open, uint32_t *ret_identity)
{
	(void)context;
	*ret_identity = open->head.tgid;
	return admits;
}

static inline void release(void *context, uint32_t slot)
{
	(void)context;
	(void)slot;
	released++;
}

/* What the kernel side has noted, by slot; nothing where `moved` is 0. */
static struct read_note notes[SLOTS];

static inline bool noted(void *context, uint32_t slot, struct read_note *ret)
{
	(void)context;
	*ret = notes[slot];
	return notes[slot].moved != 0;
}

static inline void on_exchange(struct sink *sink, const struct exchange *exchange)
{
	(void)sink;
	if (exchange->outcome == OUTCOME_ABORTED) {
		aborted++;
	} else {
		done++;
		last_duration = exchange->end - exchange->begin;
	}
}

static inline void on_connection(struct sink *sink, const struct connection *connection,
				 enum connection_change change, enum session_state before)
{
	(void)sink;
	(void)connection;
	(void)before;
	opened += change == CONNECTION_OPENED;
	closed += change == CONNECTION_CLOSED;
	failed += change == CONNECTION_FAILED;
}

static struct sink sink = { .exchange = on_exchange, .connection = on_connection };

static inline int set_up(void **state)
{
	static const struct connections_host host = { NULL, admit, serves, release, noted };

	(void)state;
	memset(slots, 0, sizeof(slots));
	memset(notes, 0, sizeof(notes));
	released = opened = closed = failed = done = aborted = 0;
	admits = true;
	served = -ENOENT;
	now = NSEC_PER_SEC;
	pipeline_init(&pipeline, 100);
	outlet_add(&pipeline.outlet, &sink);
	return connections_new(SLOTS, slots, &pipeline, &host, &connections);
}

static inline int tear_down(void **state)
{
	(void)state;
	connections_free(connections);
	assert_int_equal(pipeline.outlet.targets.out, 0);
	assert_int_equal(pipeline.outlet.held.out, 0);
	assert_int_equal(pipeline.duets.out, 0);
	for (int i = 0; protocols[i]; i++)
		assert_int_equal(pipeline.states[i].out, 0);
	assert_int_equal(pipeline.memory.used, 0);
	pipeline_free(&pipeline);
	return 0;
}

static inline struct event_head head(enum event_kind kind, uint32_t slot, uint32_t generation)
{
	return (struct event_head){ .time = now += 1000,
				    .slot = slot,
				    .generation = generation,
				    .tgid = 42,
				    .kind = kind };
}

static inline void send_open(uint32_t slot, uint32_t generation, enum event_role role,
			     uint8_t flags)
{
	struct event_open event = { .head = head(EVENT_OPEN, slot, generation),
				    .role = role,
				    .family = AF_INET,
				    .position = { START, START } };

	slots[slot].generation = generation;
	event.head.flags = flags;
	connections_event(connections, &event.head, sizeof(event));
}

/* `moved` bytes from `at` on, of which the text was captured. */
static inline void send_data(uint32_t slot, uint32_t generation, enum event_direction direction,
			     uint32_t at, const char *text, uint32_t moved)
{
	size_t size = strlen(text);
	struct event_data *event = malloc(sizeof(*event) + size);

	*event = (struct event_data){ .head = head(EVENT_DATA, slot, generation),
				      .position = START + at,
				      .moved = moved,
				      .captured = size };
	event->head.direction = direction;
	memcpy(event->bytes, text, size);
	connections_event(connections, &event->head, sizeof(*event) + size);
	free(event);
}

static inline void send_close(uint32_t slot, uint32_t generation, uint32_t received, uint32_t sent,
			      uint32_t unread, uint8_t flags)
{
	struct event_close event = { .head = head(EVENT_CLOSE, slot, generation),
				     .position = { START + received, START + sent },
				     .unread = unread };

	event.head.flags = flags;
	connections_event(connections, &event.head, sizeof(event));
}

static inline void wait_ms(unsigned int ms)
{
	now += ms * NSEC_PER_MSEC;
	connections_tick(connections, now);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
