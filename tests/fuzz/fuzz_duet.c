/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Legal conversations (talk.h) whose both ends are observed: the records of either (wire.h) go
 * through the table of connections, which follows the two as one. The input:
 *
 *	options	1 byte: enum duet_option, and which protocol
 *	seed	2 bytes: when is read and how much of it, which calls return late, what is lost
 *	script	the rest: see talk_step()
 *
 * Seen whole, each end tells the exchanges that took place, in order, once and with their times.
 * With records lost, none that did not take place, and none more often; some quiet exchanges later
 * all are told again. In the end all memory is given back.
 */
#include "play.h"
#include "talk_http1.h"
#include "talk_postgres.h"
#include "talk_redis.h"

#define DUET_HEAD 3
#define QUIET 48 /* exchanges after a loss ... */
#define HEALED 8 /* ... and those that are told for certain */

static struct talk talk, quiet;

static void play_talk(void)
{
	begin_talk();
	for (unsigned int i = 0; i < talk.call_count; i++) {
		meanwhile(&talk);
		play_call(&talk, i);
	}
	settle(&talk);
}

/* ---- what took place, and what was told ---- */

static void print_story(const char *what, enum wire_who who)
{
	fprintf(stderr, "%s, %s; took place, told:\n", what, who ? "server" : "client");
	for (unsigned int i = 0; i < talk.fact_count || i < play.count[who]; i++) {
		const struct fact *fact = i < talk.fact_count ? &talk.facts[i] : NULL;
		const struct told *told = i < play.count[who] ? &play.told[who][i] : NULL;

		fprintf(stderr, "  %s %u %d -- %s %u %u %s\n", fact ? fact->operation : "",
			fact ? fact->code : 0, fact ? (int)fact->outcome : 0,
			told ? names_text(told->operation) : "", told ? told->code : 0,
			told ? told->outcome : 0, told && told->timed ? "timed" : "");
	}
}

static bool same(const struct fact *fact, const struct told *told)
{
	return fact->code == told->code && (uint8_t)fact->outcome == told->outcome &&
	       !strcmp(fact->operation, names_text(told->operation));
}

/* When the last byte before `end` was moved. */
static uint64_t moved_at(const struct moved *moved, size_t end)
{
	while (moved->end < end)
		moved++;
	return moved->time;
}

/* Where its last byte is known, and no call is told after what came of it. */
static bool right_end(const struct fact *fact, enum wire_who who, const struct told *told)
{
	const struct moved *moved =
		who == WIRE_SERVER ? play.sent[LANE_RESPONSE] : play.read[LANE_RESPONSE];

	if (!fact->code || play.options & (OPTION_SLOW | OPTION_THREADS))
		return true;
	return told->end == moved_at(moved, fact->end);
}

static void judge_whole(enum wire_who who)
{
	bool good = play.count[who] == talk.fact_count;

	for (unsigned int i = 0; good && i < talk.fact_count; i++) {
		const struct told *told = &play.told[who][i];

		good = same(&talk.facts[i], told) && right_end(&talk.facts[i], who, told) &&
		       (told->timed || play.options & OPTION_THREADS);
	}
	if (good)
		return;
	print_story("whole", who);
	REQUIRE(!"each end tells what took place");
}

static unsigned int count_facts(const char *operation)
{
	unsigned int sum = 0;

	for (unsigned int i = 0; i < talk.fact_count; i++)
		sum += !operation || !strcmp(talk.facts[i].operation, operation);
	return sum;
}

static unsigned int count_told(enum wire_who who, uint16_t operation)
{
	unsigned int sum = 0;

	for (unsigned int i = 0; i < play.count[who]; i++)
		sum += play.told[who][i].operation == operation;
	return sum;
}

/* What a statement was that failed may have been missed: then it is OTHER. */
static void judge_lost(enum wire_who who)
{
	bool good = play.count[who] <= talk.fact_count;

	for (unsigned int i = 0; good && i < play.count[who]; i++) {
		const struct told *told = &play.told[who][i];
		const char *name = names_text(told->operation);

		good = (told->outcome == OUTCOME_ERROR && !strcmp(name, "OTHER")) ||
		       count_told(who, told->operation) <= count_facts(name);
	}
	if (good)
		return;
	print_story("with losses", who);
	REQUIRE(!"only what took place is told");
}

/* ---- ways to see it ---- */

typedef void ask_fn(struct talk *talk, uint8_t what, uint8_t how);

static ask_fn *const asks[] = { http_ask, pg_ask, redis_ask };

static ask_fn *ask_of(const uint8_t *data)
{
	return asks[(data[0] >> OPTION_PROTOCOL & 3) % 3];
}

static void see_whole(void)
{
	play_talk();
	REQUIRE(!problems() || play.options & OPTION_THREADS);
	if (!problems() && play.seed & 1)
		for (enum wire_who who = WIRE_CLIENT; who <= WIRE_SERVER; who++)
			judge_whole(who);
	close_both();
	REQUIRE(!problems() || play.options & OPTION_THREADS);
	if (problems())
		return;
	judge_whole(WIRE_CLIENT);
	judge_whole(WIRE_SERVER);
}

/* Of the answers that end up to `end`, and of those that were told to an end. */
static unsigned int count_answers(size_t end)
{
	unsigned int sum = 0;

	for (unsigned int i = 0; i < talk.fact_count; i++)
		sum += talk.facts[i].end && talk.facts[i].end <= end;
	return sum;
}

static unsigned int count_answered(enum wire_who who)
{
	unsigned int sum = 0;

	for (unsigned int i = 0; i < play.count[who]; i++)
		sum += play.told[who][i].outcome != OUTCOME_ABORTED;
	return sum;
}

/* The connection ends in the midst of it. What that is told as is exact for HTTP. */
static void see_cut(void)
{
	unsigned int calls = (unsigned int)rand_r(&play.seed) % (talk.call_count + 1);
	size_t end[2];

	begin_talk();
	for (unsigned int i = 0; i < calls; i++) {
		meanwhile(&talk);
		play_call(&talk, i);
	}
	end[WIRE_SERVER] = last(play.sent[LANE_RESPONSE], play.sent_count[LANE_RESPONSE]);
	end[WIRE_CLIENT] = last(play.read[LANE_RESPONSE], play.read_count[LANE_RESPONSE]);
	close_both();
	if (problems() || !talk.facts[0].code)
		return;
	for (enum wire_who who = WIRE_CLIENT; who <= WIRE_SERVER; who++) {
		if (play.count[who] > talk.fact_count ||
		    count_answered(who) != count_answers(end[who])) {
			print_story("cut", who);
			fprintf(stderr, "  up to %zu\n", end[who]);
			REQUIRE(!"what was answered is told as answered");
		}
	}
}

/* Exchanges, one by one, that are read as they come. */
static void play_quiet(ask_fn *ask, unsigned int exchanges)
{
	static const uint8_t plain[] = { 0, 0, 4 }; /* GET, SELECT, PING */

	while (exchanges--) {
		unsigned int from = quiet.call_count;

		quiet.first_unit = quiet.unit_count = quiet.fact_count = quiet.answered = 0;
		ask(&quiet, ask == pg_ask ? plain[1] : ask == redis_ask ? plain[2] : plain[0], 0);
		talk_drain(&quiet);
		for (unsigned int i = from; i < quiet.call_count; i++) {
			play_call(&quiet, i);
			settle(&quiet);
		}
		connections_tick(play.connections, play.now += NSEC_PER_SEC / 100);
	}
}

/*
 * Taken for none of ours, or for something long: a call cut anywhere, that a gap is followed by,
 * may look like that. Either end by itself would be lost then, too.
 */
static bool given_up(const struct slot *slot)
{
	return slot->ignore || slot->skipping[0] || slot->skipping[1];
}

static void heal(ask_fn *ask)
{
	unsigned int before[2];

	play.losing = 0;
	play.options &= ~(OPTION_SLOW | OPTION_THREADS);
	memset(&quiet, 0, sizeof(quiet));
	quiet.status = talk.status;
	for (int i = 0; i < 3; i++)
		connections_tick(play.connections, play.now += NSEC_PER_SEC / 4);
	begin_talk();
	play_quiet(ask, QUIET);
	if (given_up(&play.slots[0]) || given_up(&play.slots[1]))
		return;
	REQUIRE(play.pipeline.duets.out == 1);
	memcpy(before, play.count, sizeof(before));
	play_quiet(ask, HEALED);
	for (enum wire_who who = WIRE_CLIENT; who <= WIRE_SERVER; who++) {
		REQUIRE(play.count[who] == before[who] + HEALED);
		REQUIRE(play.told[who][play.count[who] - 1].timed);
	}
}

static void see_lost(ask_fn *ask)
{
	/* An end by itself, on trial, takes its records in their order. */
	play.options &= ~OPTION_THREADS;
	play.losing = 2 + (play.seed & 63);
	play_talk();
	for (enum wire_who who = WIRE_CLIENT; who <= WIRE_SERVER; who++)
		judge_lost(who);
	if (play.seed & 1)
		heal(ask);
	close_both();
	for (enum wire_who who = WIRE_CLIENT; who <= WIRE_SERVER && play.losing; who++)
		judge_lost(who);
}

static void make(const uint8_t *data, size_t size)
{
	memset(&talk, 0, sizeof(talk));
	talk.disguised = data[0] & OPTION_DISGUISED;
	talk.batches = data[0] & OPTION_BATCHES;
	talk.script = data + DUET_HEAD;
	talk.script_end = data + size;
	if (ask_of(data) == pg_ask)
		pg_begin(&talk, data[0] & OPTION_SLOW);
	while (talk.script < talk.script_end && !talk.full)
		talk_step(&talk, ask_of(data));
	talk_drain(&talk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size <= DUET_HEAD)
		return 0;
	make(data, size);
	open_both(data);
	if (!(data[0] & OPTION_LOSE) && data[2] % 4 == 3)
		see_cut();
	else if (!(data[0] & OPTION_LOSE))
		see_whole();
	else if (!talk.disguised)
		see_lost(ask_of(data));
	free_table();
	return 0;
}
