/* SPDX-License-Identifier: Apache-2.0 */
/* What can be asked in RESP2: https://redis.io/docs/latest/develop/reference/protocol-spec/ */
#ifndef ONLOOKER_FUZZ_TALK_REDIS_H
#define ONLOOKER_FUZZ_TALK_REDIS_H

#include "talk.h"

static void redis_bulk(const struct talk *talk, struct text *text, size_t size)
{
	text_printf(text, "$%zu\r\n", size);
	text_fill(talk, text, size);
	text_printf(text, "\r\n");
}

/* A command whose answer is what the format says. */
static void redis_command(struct talk *talk, const char *name, const char *answer)
{
	text_printf(&talk->written[LANE_REQUEST], "*2\r\n$%zu\r\n%s\r\n$3\r\nkey\r\n", strlen(name),
		    name);
	text_printf(&talk->answers, "%s", answer);
}

static void redis_alone(struct talk *talk, const char *name)
{
	text_printf(&talk->written[LANE_REQUEST], "*1\r\n$%zu\r\n%s\r\n", strlen(name), name);
}

/* MULTI, two commands, EXEC or DISCARD; nobody waits for the answers in between. */
static void redis_transaction(struct talk *talk, bool executed)
{
	redis_alone(talk, "MULTI");
	text_printf(&talk->answers, "+OK\r\n");
	talk_fact(talk, "MULTI", 0, false);
	redis_command(talk, "INCR", "+QUEUED\r\n");
	redis_command(talk, "GET", "+QUEUED\r\n");
	redis_alone(talk, executed ? "EXEC" : "DISCARD");
	text_printf(&talk->answers, executed ? "*2\r\n:7\r\n$-1\r\n" : "+OK\r\n");
	if (executed) {
		talk_fact(talk, "INCR", 0, false);
		talk_fact(talk, "GET", 0, false);
	}
	talk_fact(talk, executed ? "EXEC" : "DISCARD", 0, false);
}

static void redis_set(struct talk *talk, size_t size)
{
	struct text *lane = &talk->written[LANE_REQUEST];

	text_printf(lane, "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n");
	redis_bulk(talk, lane, size);
	text_printf(&talk->answers, "+OK\r\n");
	talk_fact(talk, "SET", 0, false);
}

static void redis_ask(struct talk *talk, uint8_t what, uint8_t how)
{
	talk_ask(talk);
	switch (what & 7) {
	case 0:
		redis_set(talk, (size_t)how << (what >> 3 & 3));
		break;
	case 1:
		redis_command(talk, "GET", "");
		redis_bulk(talk, &talk->answers, (size_t)how << (what >> 3 & 3));
		talk_fact(talk, "GET", 0, false);
		break;
	case 2:
		redis_command(talk, "INCR", ":1\r\n");
		talk_fact(talk, "INCR", 0, false);
		break;
	case 3:
		redis_command(talk, "LRANGE", "*3\r\n$1\r\nx\r\n$-1\r\n*1\r\n:5\r\n");
		talk_fact(talk, "LRANGE", 0, false);
		break;
	case 4:
		redis_alone(talk, "PING");
		text_printf(&talk->answers, "+PONG\r\n");
		talk_fact(talk, "PING", 0, false);
		break;
	case 5:
		redis_command(talk, "HGETALL", "-WRONGTYPE x\r\n");
		talk_fact(talk, "HGETALL", 0, true);
		break;
	default:
		/* One question off, a command would seem executed that was only queued. */
		if (talk->batches)
			redis_transaction(talk, what & 1);
		else
			redis_set(talk, how);
	}
	talk_asked(talk);
}

#endif
