/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A talk (talk.h) as the records of both ends (wire.h): who writes when, who reads how much of it
 * when, which calls return late and which records are lost is up to a seed. A server answers what
 * it has read; an end's records come in the order of its calls, those of the two in any that
 * can be.
 *
 *	calls[] --> send_call() ----------> sent[lane]
 *	                 '-- meanwhile() --> read[lane], late returns, looks, time
 */
#ifndef ONLOOKER_FUZZ_PLAY_H
#define ONLOOKER_FUZZ_PLAY_H

#include "../unit/wire.h"
#include "require.h"
#include "talk.h"
#include "util/clock.h"
#include "util/names.h"

#define STEP_NS 1000
#define LOG 4096

enum duet_option {
	OPTION_LOSE = 1 << 0,	   /* records are lost */
	OPTION_THREADS = 1 << 1,   /* one writes while another reads: some durations are unknown */
	OPTION_DISGUISED = 1 << 2, /* contents look like messages */
	OPTION_SLOW = 1 << 3,	   /* calls return late; PostgreSQL: SSLRequest, too */
	OPTION_PROTOCOL = 4,	   /* shift; two bits */
	OPTION_BATCHES = 1 << 6,   /* the client asks all, then reads all answers */
	OPTION_LATE = 1 << 7,	   /* the client's end was found open, unused */
};

struct told {
	uint16_t operation, code;
	uint8_t outcome;
	bool timed;
	uint64_t end;
};

/* A call that moved the bytes of a lane up to `end`. */
struct moved {
	size_t end;
	uint64_t time;
};

struct play {
	struct pipeline pipeline;
	struct sink sink;
	struct connections *connections;
	struct slot slots[2];
	struct read_note notes[2];
	struct wire wire;
	struct told told[2][LOG]; /* by enum wire_who */
	unsigned int count[2];
	struct moved sent[2][TALK_CALLS], read[2][TALK_BYTES]; /* by lane */
	unsigned int sent_count[2], read_count[2];
	uint64_t now;
	unsigned int seed, losing; /* one record of so many is lost; 0: none */
	uint8_t options;
};

static struct play play;

static bool chance(unsigned int of)
{
	return (unsigned int)rand_r(&play.seed) % of == 0;
}

/* ---- the table ---- */

static bool admit(void *context, const struct event_open *open, uint32_t *ret_identity)
{
	(void)context;
	*ret_identity = open->head.tgid;
	return true;
}

static int serves(void *context, const struct event_open *open)
{
	(void)context;
	(void)open;
	return -1;
}

static void release(void *context, uint32_t slot)
{
	(void)context;
	(void)slot;
}

static bool noted(void *context, uint32_t slot, struct read_note *ret)
{
	(void)context;
	*ret = play.notes[slot];
	return ret->moved != 0;
}

static void on_exchange(struct sink *sink, const struct exchange *exchange)
{
	unsigned int who = exchange->connection->side == SIDE_SERVER;

	(void)sink;
	REQUIRE(play.count[who] < LOG);
	REQUIRE(!exchange->timed || (exchange->begin && exchange->begin <= exchange->end));
	REQUIRE(!exchange->timed || exchange->end <= play.now);
	play.told[who][play.count[who]++] =
		(struct told){ exchange->operation, exchange->code, exchange->outcome,
			       exchange->timed, exchange->end };
}

static void on_connection(struct sink *sink, const struct connection *connection,
			  enum connection_change change, enum session_state before)
{
	(void)sink;
	(void)connection;
	(void)change;
	(void)before;
}

static void open_both(const uint8_t *data)
{
	static const struct connections_host host = { NULL, admit, serves, release, noted };
	uint32_t to_server = (uint32_t)data[1] << 24, to_client = ~data[2];

	memset(&play, 0, offsetof(struct play, told));
	memset(play.count, 0, sizeof(play.count));
	play.options = data[0];
	play.seed = data[1] << 8 | data[2];
	play.losing = 0;
	play.now = NSEC_PER_SEC;
	pipeline_init(&play.pipeline, 1024);
	play.sink = (struct sink){ .exchange = on_exchange, .connection = on_connection };
	outlet_add(&play.pipeline.outlet, &play.sink);
	REQUIRE(!connections_new(2, play.slots, &play.pipeline, &host, &play.connections));
	play.wire = (struct wire){ .connections = play.connections,
				   .slots = play.slots,
				   .notes = play.notes };
	play.wire.ends[WIRE_SERVER].slot = 1;
	play.wire.ends[WIRE_CLIENT].at[DIRECTION_TX] = to_server;
	play.wire.ends[WIRE_SERVER].at[DIRECTION_RX] = to_server;
	play.wire.ends[WIRE_SERVER].at[DIRECTION_TX] = to_client;
	play.wire.ends[WIRE_CLIENT].at[DIRECTION_RX] = to_client;
	wire_open(&play.wire, WIRE_CLIENT, play.now,
		  play.options & OPTION_LATE ? EVENT_LATE | EVENT_UNUSED : 0);
	wire_open(&play.wire, WIRE_SERVER, play.now, 0);
}

static uint64_t problems(void)
{
	uint64_t sum = 0;

	for (int i = 0; i <= PROTOCOLS_MAX; i++)
		sum += play.pipeline.counts[i].gaps + play.pipeline.counts[i].errors;
	return sum;
}

/* One past the last byte that these moved. */
static size_t last(const struct moved *moved, unsigned int count)
{
	return count ? moved[count - 1].end : 0;
}

static size_t unread_by(enum wire_who who)
{
	enum lane lane = who == WIRE_SERVER ? LANE_REQUEST : LANE_RESPONSE;

	return last(play.sent[lane], play.sent_count[lane]) -
	       last(play.read[lane], play.read_count[lane]);
}

static void close_both(void)
{
	enum wire_who first = chance(2) ? WIRE_CLIENT : WIRE_SERVER;

	wire_catch_up(&play.wire);
	wire_close(&play.wire, first, play.now += STEP_NS, unread_by(first), 0);
	wire_close(&play.wire, !first, play.now += STEP_NS, unread_by(!first), 0);
	for (int i = 0; i < 3; i++)
		connections_tick(play.connections, play.now += 2 * NSEC_PER_SEC);
	REQUIRE(play.losing || !connections_counts(play.connections).tracked);
}

static void free_table(void)
{
	struct pipeline *p = &play.pipeline;

	connections_free(play.connections);
	REQUIRE(!p->duets.out && !p->outlet.held.out && !p->outlet.targets.out);
	REQUIRE(!p->memory.used && !p->memory.blocks.out && !p->pending);
	for (int i = 0; protocols[i]; i++)
		REQUIRE(!p->states[i].out);
	pipeline_free(p);
}

/* ---- calls ---- */

static void before_call(enum wire_who who)
{
	play.now += STEP_NS;
	play.wire.ends[who].loses = play.losing && chance(play.losing);
	play.wire.ends[!who].loses = false;
}

/* Some of what has been sent is read; all: the rest of it, too. */
static void read_lane(const struct talk *of, enum lane lane, bool all)
{
	enum wire_who who = lane == LANE_REQUEST ? WIRE_SERVER : WIRE_CLIENT;
	size_t at, left, piece;
	unsigned int i = 0;

	do {
		struct moved *sent = play.sent[lane];

		at = last(play.read[lane], play.read_count[lane]);
		left = last(sent, play.sent_count[lane]) - at;
		if (!left)
			return;
		piece = chance(2) ? left : 1 + (size_t)rand_r(&play.seed) % left;
		while (sent[i].end <= at)
			i++;
		before_call(who);
		if (!(play.options & OPTION_THREADS))
			wire_return(&play.wire, who);
		wire_receive(&play.wire, who, play.now, sent[i].time + STEP_NS / 2,
			     (const char *)of->written[lane].data + at, piece);
		play.read[lane][play.read_count[lane]++] = (struct moved){ at + piece, play.now };
	} while (all || chance(2));
}

static void send_call(const struct talk *of, const struct call *call)
{
	enum wire_who who = call->lane == LANE_REQUEST ? WIRE_CLIENT : WIRE_SERVER;

	before_call(who);
	play.wire.ends[who].slow = play.options & OPTION_SLOW && chance(2);
	wire_send(&play.wire, who, play.now,
		  (const char *)of->written[call->lane].data + call->begin,
		  call->end - call->begin);
	play.sent[call->lane][play.sent_count[call->lane]++] =
		(struct moved){ call->end, play.now };
}

/* While records are lost the reader is behind now and then, and does nothing else then either. */
static bool lags(void)
{
	if (!play.losing)
		return false;
	if (!play.wire.lags)
		play.wire.lags = chance(16);
	else if (chance(4))
		wire_catch_up(&play.wire);
	return play.wire.lags;
}

/* What else happens meanwhile. */
static void meanwhile(const struct talk *of)
{
	if (chance(4))
		read_lane(of, LANE_REQUEST, false);
	if (chance(2))
		read_lane(of, LANE_RESPONSE, chance(2));
	if (chance(4))
		wire_return(&play.wire, chance(2));
	if (lags())
		return;
	if (chance(8))
		connections_tick(play.connections, play.now);
	if (chance(8))
		pipeline_look(&play.pipeline);
	if (play.losing && chance(8)) {
		wire_return(&play.wire, WIRE_CLIENT);
		wire_return(&play.wire, WIRE_SERVER);
		connections_tick(play.connections, play.now += NSEC_PER_SEC / 4);
	}
}

static void settle(const struct talk *of)
{
	wire_catch_up(&play.wire);
	for (enum wire_who who = WIRE_CLIENT; who <= WIRE_SERVER; who++) {
		read_lane(of, (enum lane)who, true);
		wire_return(&play.wire, who);
	}
	wire_return(&play.wire, WIRE_CLIENT);
	connections_tick(play.connections, play.now);
}

static void begin_talk(void)
{
	memset(play.sent_count, 0, sizeof(play.sent_count));
	memset(play.read_count, 0, sizeof(play.read_count));
}

/* A server answers what it has read; in batches, a client asks when it has read all answers. */
static void play_call(const struct talk *of, unsigned int number)
{
	if (of->batches && number && of->calls[number].lane == LANE_REQUEST &&
	    of->calls[number - 1].lane == LANE_RESPONSE)
		settle(of);
	if (of->calls[number].lane == LANE_RESPONSE)
		read_lane(of, LANE_REQUEST, true);
	send_call(of, &of->calls[number]);
}

#endif
