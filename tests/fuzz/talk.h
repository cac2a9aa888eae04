/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Legal conversations made of a fuzzer's bytes, together with the exchanges that they are. A client
 * asks, pipelining as it likes; a server answers in order, and only what has reached it; either
 * hands its bytes to the socket in calls of any size:
 *
 *	ask, answer --> written[lane] --talk_emit()--> calls[] (what a capture sees)
 *
 * talk_http1.h, talk_postgres.h and talk_redis.h say what can be asked.
 */
#ifndef ONLOOKER_FUZZ_TALK_H
#define ONLOOKER_FUZZ_TALK_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "exchange.h"

#define TALK_BYTES 65536
#define TALK_CALLS 512
#define TALK_UNITS 128
#define TALK_FACTS 512

struct text {
	size_t size;
	uint8_t data[TALK_BYTES];
};

/* One call: bytes [begin, end) of a lane. */
struct call {
	enum lane lane;
	size_t begin, end;
};

/* An exchange that took place; its answer ends at `end` in the response lane. */
struct fact {
	const char *operation;
	uint16_t code;
	enum outcome outcome;
	size_t end;
};

/* What was asked and is not answered yet: the answer is part of `answers`. */
struct unit {
	size_t begin, end; /* in `answers` */
	size_t asked;	   /* where the question ends in the request lane */
	unsigned int facts;
};

struct talk {
	struct text written[2]; /* by lane */
	size_t emitted[2];
	struct text answers;
	struct call calls[TALK_CALLS];
	struct unit units[TALK_UNITS];
	struct fact facts[TALK_FACTS]; /* those answered first, then those that are not */
	unsigned int call_count, unit_count, first_unit, fact_count, answered;
	bool disguised; /* contents look like messages */
	bool batches;	/* the client writes all questions, then reads all answers */
	bool answering;
	bool full;
	char status; /* PostgreSQL's */
	const uint8_t *script, *script_end;
};

static uint8_t talk_byte(struct talk *talk)
{
	return talk->script < talk->script_end ? *talk->script++ : 0;
}

static void text_put(struct text *text, const void *data, size_t size)
{
	if (size > sizeof(text->data) - text->size)
		abort(); /* talk_has_room() is too generous */
	memcpy(text->data + text->size, data, size);
	text->size += size;
}

__attribute__((format(printf, 2, 3))) static void text_printf(struct text *text, const char *format,
							      ...)
{
	char line[512];
	va_list args;
	int size;

	va_start(args, format);
	size = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	text_put(text, line, (size_t)size < sizeof(line) ? (size_t)size : sizeof(line) - 1);
}

/* `size` bytes of contents: neutral ones, or such as a parser out of step would take for messages.
 */
static void text_fill(const struct talk *talk, struct text *text, size_t size)
{
	static const char disguise[] = "GET /x HTTP/1.1\r\n\r\nHTTP/1.1 204 No\r\n\r\n*1\r\n$4\r\n"
				       "PING\r\n+OK\r\n$-1\r\n:1\r\nZ\0\0\0\5IC\0\0\0\rSELECT 1";

	for (size_t i = 0; i < size; i++)
		text_put(text, talk->disguised ? &disguise[i % (sizeof(disguise) - 1)] : "x", 1);
}

/* The lane's next `size` bytes go out in one call, as far as there are any. */
static void talk_emit(struct talk *talk, enum lane lane, size_t size)
{
	size_t left = talk->written[lane].size - talk->emitted[lane];

	if (size > left)
		size = left;
	if (!size)
		return;
	if (talk->call_count == TALK_CALLS)
		abort();
	talk->calls[talk->call_count++] =
		(struct call){ lane, talk->emitted[lane], talk->emitted[lane] + size };
	talk->emitted[lane] += size;
	talk->full |= talk->call_count > TALK_CALLS / 2;
}

static void talk_emit_all(struct talk *talk, enum lane lane)
{
	talk_emit(talk, lane, SIZE_MAX);
}

/* Begins what is asked next; returns where its answer is to be put. */
static struct text *talk_ask(struct talk *talk)
{
	talk->units[talk->unit_count].begin = talk->answers.size;
	talk->units[talk->unit_count].facts = 0;
	return &talk->answers;
}

/* One exchange of what is asked. */
static void talk_fact(struct talk *talk, const char *operation, uint16_t code, bool failed)
{
	enum outcome outcome = failed ? OUTCOME_ERROR : OUTCOME_OK;

	talk->facts[talk->fact_count++] = (struct fact){ operation, code, outcome, 0 };
	talk->units[talk->unit_count].facts++;
}

static void talk_asked(struct talk *talk)
{
	struct unit *unit = &talk->units[talk->unit_count++];

	unit->end = talk->answers.size;
	unit->asked = talk->written[LANE_REQUEST].size;
	talk->full |= talk->unit_count > TALK_UNITS - 8 || talk->fact_count > TALK_FACTS - 32 ||
		      talk->answers.size > TALK_BYTES / 2 ||
		      talk->written[LANE_REQUEST].size > TALK_BYTES / 2;
}

/* The server answers the oldest question; false where there is none. */
static bool talk_answer(struct talk *talk)
{
	const struct unit *unit = &talk->units[talk->first_unit];
	struct text *lane = &talk->written[LANE_RESPONSE];

	if (talk->first_unit == talk->unit_count)
		return false;
	talk->first_unit++;
	talk->answering = true;
	if (talk->batches || talk->emitted[LANE_REQUEST] < unit->asked)
		talk_emit_all(talk, LANE_REQUEST);
	text_put(lane, talk->answers.data + unit->begin, unit->end - unit->begin);
	for (unsigned int i = 0; i < unit->facts; i++)
		talk->facts[talk->answered++].end = lane->size;
	return true;
}

/* Everything is answered and has gone out. */
static void talk_drain(struct talk *talk)
{
	while (talk_answer(talk))
		;
	talk_emit_all(talk, LANE_REQUEST);
	talk_emit_all(talk, LANE_RESPONSE);
	talk->answering = false;
}

/* The script's next step; `ask` asks what two bytes say. */
static void talk_step(struct talk *talk, void (*ask)(struct talk *, uint8_t, uint8_t))
{
	uint8_t what = talk_byte(talk);
	enum lane lane = what & 4 ? LANE_RESPONSE : LANE_REQUEST;

	switch (what & 3) {
	case 0:
		if (talk->batches && talk->answering)
			talk_drain(talk);
		ask(talk, what >> 2, talk_byte(talk));
		break;
	case 1:
		talk_answer(talk);
		break;
	case 2:
		talk_emit(talk, lane, 1 + talk_byte(talk));
		break;
	case 3:
		talk_emit_all(talk, lane);
		break;
	}
}

#endif
