/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Legal conversations (talk.h), of which it is known what they are. The input:
 *
 *	options	1 byte: enum talk_option, and which protocol
 *	seed	2 bytes: what is reordered, what is missing, where a late start is
 *	script	the rest: see talk_step()
 *
 * Seen whole, the exchanges reported are those that took place, each once. With calls reported in
 * another order than they took place in, with calls missing, or from somewhere in the middle on,
 * none is reported that did not take place, nor one more often than it did: a gap or a late start
 * never raises a count. From the middle on, that holds for what was answered later than that.
 *
 * A client that asks on and on without ever reading all answers looks like one that does, one
 * question off: only the counts of each operation are then held to this, not their outcomes.
 */
#include "event.h"
#include "talk_http1.h"
#include "talk_postgres.h"
#include "talk_redis.h"
#include "util/names.h"
#include "witness.h"

#define TALK_HEAD 3
#define PLENTY 0 /* of memory */
#define MIDWAY_START (1ULL << 32)

enum talk_option {
	OPTION_SERVER = 1 << 0,	  /* seen from the server's side */
	OPTION_SIDELESS = 1 << 1, /* late: which side it is is not known */
	OPTION_DISGUISED =
		1 << 2, /* contents look like messages: no claim where they are missing */
	OPTION_SSL = 1 << 3,
	OPTION_PROTOCOL = 4,	 /* shift; two bits */
	OPTION_BATCHES = 1 << 6, /* the client asks all, then reads all answers */
};

struct tale {
	struct witness witness;
	struct witness_log log;
	unsigned int seed;
	enum side side;
	bool seen[TALK_CALLS];
};

static void tell(struct tale *tale, const struct talk *talk, unsigned int number, uint64_t start)
{
	const struct call *call = &talk->calls[number];
	bool client = tale->side == SIDE_CLIENT;
	unsigned int direction =
		client == (call->lane == LANE_REQUEST) ? DIRECTION_TX : DIRECTION_RX;

	tale->seen[number] = true;
	witness_feed(&tale->witness, direction, start + call->begin,
		     talk->written[call->lane].data + call->begin, call->end - call->begin,
		     call->end - call->begin);
}

static bool chance(struct tale *tale, unsigned int of)
{
	return (unsigned int)rand_r(&tale->seed) % of == 0;
}

static void open_tale(struct tale *tale, const uint8_t *data, bool late)
{
	memset(tale->seen, 0, sizeof(tale->seen));
	tale->seed = data[1] << 8 | data[2];
	tale->side = data[0] & OPTION_SERVER ? SIDE_SERVER : SIDE_CLIENT;
	witness_open(&tale->witness, late && data[0] & OPTION_SIDELESS ? 0 : tale->side, late, 1024,
		     PLENTY, &tale->log);
}

/* What waits at the end may have been answered unseen, where anything is missing. */
static void close_tale(struct tale *tale, bool whole)
{
	if (!whole)
		conversation_lose(&tale->witness.conversation, &tale->witness.pipeline);
	witness_close(&tale->witness);
}

/* ---- what took place, and what was reported ---- */

/* By what exchanges are taken for the same. */
enum likeness {
	BY_OPERATION = 1 << 0,
	BY_OUTCOME = 1 << 1, /* and code */
};

/* Of the exchanges answered after `since`, those like the entry. */
static uint32_t took_place(const struct talk *talk, size_t since, const struct witness_entry *like,
			   unsigned int by)
{
	const char *operation = names_text(like->operation);
	uint32_t count = 0;

	for (unsigned int i = 0; i < talk->fact_count; i++) {
		const struct fact *fact = &talk->facts[i];
		bool same = fact->code == like->code && (uint32_t)fact->outcome == like->outcome;

		count += fact->end > since && (same || !(by & BY_OUTCOME)) &&
			 (!strcmp(fact->operation, operation) || !(by & BY_OPERATION));
	}
	return count;
}

static uint32_t reported(const struct witness_log *log, const struct witness_entry *like,
			 unsigned int by)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < log->count; i++) {
		const struct witness_entry *entry = &log->entries[i];
		bool same = entry->code == like->code && entry->outcome == like->outcome;

		count += (same || !(by & BY_OUTCOME)) &&
			 (entry->operation == like->operation || !(by & BY_OPERATION));
	}
	return count;
}

static void print_tale(const struct talk *talk, const struct tale *tale, const char *how)
{
	fprintf(stderr, "%s; took place:\n", how);
	for (unsigned int i = 0; i < talk->fact_count; i++)
		fprintf(stderr, "  %s %u %d, answered up to %zu\n", talk->facts[i].operation,
			talk->facts[i].code, talk->facts[i].outcome, talk->facts[i].end);
	fprintf(stderr, "reported (%llu gaps, %llu errors):\n",
		(unsigned long long)witness_gaps(&tale->witness),
		(unsigned long long)witness_errors(&tale->witness));
	for (uint32_t i = 0; i < tale->log.count; i++)
		fprintf(stderr, "  %s %u %u\n", names_text(tale->log.entries[i].operation),
			tale->log.entries[i].code, tale->log.entries[i].outcome);
	for (unsigned int i = 0; i < talk->call_count; i++)
		fprintf(stderr, "  call %u: %s %zu to %zu%s\n", i,
			talk->calls[i].lane == LANE_REQUEST ? "request" : "response",
			talk->calls[i].begin, talk->calls[i].end, tale->seen[i] ? "" : ", missing");
}

/* What a statement was that failed may have been missed: then it is OTHER. */
static bool is_named(const struct witness_entry *entry)
{
	return !(entry->outcome == OUTCOME_ERROR && !strcmp(names_text(entry->operation), "OTHER"));
}

/* Says what, where there is too much. */
static bool too_many(const struct talk *talk, const struct tale *tale, size_t since,
		     const struct witness_entry *entry, unsigned int by)
{
	uint32_t count = reported(&tale->log, entry, by);
	uint32_t real = took_place(talk, since, entry, by);

	if (count > real)
		fprintf(stderr, "%s %u %u: %u reported, %u took place\n",
			by & BY_OPERATION ? names_text(entry->operation) : "any", entry->code,
			entry->outcome, count, real);
	return count > real;
}

static void judge(const struct talk *talk, const struct tale *tale, size_t since, bool exact,
		  const char *how)
{
	unsigned int by = BY_OPERATION | (exact || talk->batches ? BY_OUTCOME : 0);
	bool bad = exact && tale->log.count != talk->fact_count;

	REQUIRE(tale->log.count <= WITNESS_LOG);
	for (uint32_t i = 0; i < tale->log.count; i++) {
		const struct witness_entry *entry = &tale->log.entries[i];
		bool named = exact || is_named(entry);

		bad |= too_many(talk, tale, since, entry, named ? by : by & ~BY_OPERATION);
		bad |= too_many(talk, tale, since, entry, by & ~BY_OPERATION);
	}
	if (!bad)
		return;
	print_tale(talk, tale, how);
	REQUIRE(!"only what took place is reported");
}

/* ---- ways to see it ---- */

static void see_whole(const struct talk *talk, const uint8_t *data)
{
	static struct tale tale;

	open_tale(&tale, data, false);
	for (unsigned int i = 0; i < talk->call_count; i++)
		tell(&tale, talk, i, 0);
	close_tale(&tale, true);
	REQUIRE(!witness_gaps(&tale.witness) && !witness_errors(&tale.witness));
	judge(talk, &tale, 0, true, "whole");
}

/*
 * Calls on two processors may be reported in either order. Not before the first answer: who speaks
 * at length before anybody has asked is no server of ours.
 */
static void see_swapped(const struct talk *talk, const uint8_t *data)
{
	static struct tale tale;
	bool answered = false;

	open_tale(&tale, data, false);
	for (unsigned int i = 0; i < talk->call_count; i++) {
		bool swaps = answered && i + 1 < talk->call_count && chance(&tale, 4);

		answered |= talk->calls[i].lane == LANE_RESPONSE;
		if (swaps) {
			tell(&tale, talk, i + 1, 0);
			tell(&tale, talk, i++, 0);
		} else {
			tell(&tale, talk, i, 0);
		}
	}
	close_tale(&tale, true);
	judge(talk, &tale, 0, !witness_gaps(&tale.witness) && !witness_errors(&tale.witness),
	      "swapped");
}

static void see_gaps(const struct talk *talk, const uint8_t *data)
{
	static struct tale tale;
	unsigned int of = 2 + data[2] % 30;

	open_tale(&tale, data, false);
	for (unsigned int i = 0; i < talk->call_count; i++) {
		if (!chance(&tale, of))
			tell(&tale, talk, i, 0);
		if (i % 16 == 15)
			witness_tick(&tale.witness, 300000000);
	}
	close_tale(&tale, false);
	judge(talk, &tale, 0, false, "with gaps");
}

static void see_late(const struct talk *talk, const uint8_t *data)
{
	static struct tale tale;
	unsigned int from = talk->call_count ? (data[1] << 8 | data[2]) % talk->call_count : 0;
	size_t answered = 0;

	open_tale(&tale, data, true);
	for (unsigned int i = 0; i < talk->call_count; i++) {
		if (i >= from)
			tell(&tale, talk, i, MIDWAY_START);
		else if (talk->calls[i].lane == LANE_RESPONSE)
			answered = talk->calls[i].end;
	}
	close_tale(&tale, true);
	judge(talk, &tale, answered, false, "from the middle on");
}

static void make(struct talk *talk, const uint8_t *data, size_t size)
{
	static void (*const asks[])(struct talk *, uint8_t, uint8_t) = { http_ask, pg_ask,
									 redis_ask };
	unsigned int protocol = (data[0] >> OPTION_PROTOCOL & 3) % 3;

	memset(talk, 0, sizeof(*talk));
	talk->disguised = data[0] & OPTION_DISGUISED;
	talk->batches = data[0] & OPTION_BATCHES;
	talk->script = data + TALK_HEAD;
	talk->script_end = data + size;
	if (asks[protocol] == pg_ask)
		pg_begin(talk, data[0] & OPTION_SSL);
	while (talk->script < talk->script_end && !talk->full)
		talk_step(talk, asks[protocol]);
	talk_drain(talk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct talk talk;

	if (size <= TALK_HEAD)
		return 0;
	make(&talk, data, size);
	see_whole(&talk, data);
	see_swapped(&talk, data);
	if (talk.disguised)
		return 0;
	see_gaps(&talk, data);
	see_late(&talk, data);
	return 0;
}
