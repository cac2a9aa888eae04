/* SPDX-License-Identifier: Apache-2.0 */
/* What an end has to say, in calls of any size, and what was told of it. */
#ifndef ONLOOKER_TEST_HOPS_H
#define ONLOOKER_TEST_HOPS_H

#include "duo.h"

#define ROOM (1 << 20)

/* What one end has to say next. */
static char text[ROOM];
static size_t size;

/* Sent in calls of so many bytes, all of which are read; returns when the last was sent. */
static inline uint64_t say(enum wire_who who, size_t call)
{
	uint64_t sent = 0;

	for (size_t at = 0; at < size; at += call) {
		size_t piece = size - at < call ? size - at : call;

		sent = duo_send_bytes(who, text + at, piece);
		duo_read_bytes(!who, text + at, piece);
	}
	size = 0;
	return sent;
}

static inline uint64_t records(void)
{
	return connections_counts(connections).events[EVENT_DATA];
}

static inline uint64_t gaps(void)
{
	uint64_t sum = 0;

	for (int i = 0; i <= PROTOCOLS_MAX; i++)
		sum += pipeline.counts[i].gaps;
	return sum;
}

/* Bytes that no protocol is like. */
static inline uint64_t errors(void)
{
	uint64_t sum = 0;

	for (int i = 0; i <= PROTOCOLS_MAX; i++)
		sum += pipeline.counts[i].errors;
	return sum;
}

/* So many were told of either end, of which the newest was answered then; nothing is amiss. */
static inline void expect_answered(unsigned int counted, uint64_t answered)
{
	duo_look_again();
	expect_counts(counted, counted);
	assert_int_equal(newest(SERVER)->end, answered);
	assert_int_equal(newest(SERVER)->outcome, OUTCOME_OK);
	assert_int_equal(gaps(), 0);
	assert_int_equal(slots[1].skipping[DIRECTION_TX], 0);
}

#endif
