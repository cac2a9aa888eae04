/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What fuzzers share: one conversation, what it reports, and what must hold of that whatever the
 * bytes were. Sinks are told a consistent story:
 *
 *	(nothing) -- OPENED --> open -- SESSION from what it was to another, exchanges --> open
 *	                          +---- CLOSED, the session being NONE ------------------> (nothing)
 *
 * After the end all memory is given back.
 */
#ifndef ONLOOKER_FUZZ_WITNESS_H
#define ONLOOKER_FUZZ_WITNESS_H

#include "../unit/tight.h"
#include "event.h"
#include "require.h"
#include "stream/conversation.h"

#define WITNESS_LOG 8192

/* An exchange as far as it may not depend on the splits. */
struct witness_entry {
	uint32_t target; /* checksum */
	uint32_t hits, misses;
	uint16_t operation;
	uint16_t code;
	uint32_t outcome;
};

struct witness_log {
	struct witness_entry entries[WITNESS_LOG];
	uint32_t count; /* may exceed WITNESS_LOG: the rest is only counted */
	/*
	 * How many came before the first moment at which the stream stage was lost, or at which an
	 * answer waited for its request; `count` where neither happened.
	 */
	uint32_t settled;
	bool lost;   /* that moment was a loss */
	bool waited; /* that moment was a wait */
};

struct witness {
	struct pipeline pipeline;
	struct conversation conversation;
	struct sink sink;
	struct witness_log *log;
	uint64_t clock;
	uint8_t session; /* enum session_state as told last */
	bool opened;
	bool closed;
};

static struct witness *witness_of(struct sink *sink)
{
	return (struct witness *)((char *)sink - offsetof(struct witness, sink));
}

static uint64_t witness_gaps(const struct witness *witness)
{
	uint64_t gaps = 0;

	for (int i = 0; i <= PROTOCOLS_MAX; i++)
		gaps += witness->pipeline.counts[i].gaps;
	return gaps;
}

static uint64_t witness_errors(const struct witness *witness)
{
	uint64_t errors = 0;

	for (int i = 0; i <= PROTOCOLS_MAX; i++)
		errors += witness->pipeline.counts[i].errors;
	return errors;
}

/* Before anything was asked there is an answer. */
static bool witness_answered_early(const struct witness *witness)
{
	const struct conversation *c = &witness->conversation;
	bool client = c->connection.side == SIDE_CLIENT;

	return c->phase == PHASE_FRESH && c->flows[client ? DIRECTION_RX : DIRECTION_TX].view.size;
}

/* Notes the first moment from which on other splits may bring something else. */
static void witness_settle(struct witness *witness)
{
	struct witness_log *log = witness->log;

	if (log->lost || log->waited)
		return;
	log->lost = witness_errors(witness) || witness_gaps(witness) ||
		    witness->pipeline.outlet.refused;
	log->waited = !log->lost &&
		      (witness->conversation.waiting_since || witness_answered_early(witness));
	log->settled = log->count;
}

static void witness_exchange(struct sink *sink, const struct exchange *exchange)
{
	struct witness *witness = witness_of(sink);
	struct witness_log *log = witness->log;
	struct witness_entry entry = {
		.operation = exchange->operation,
		.code = exchange->code,
		.outcome = exchange->outcome,
		.hits = exchange->hits,
		.misses = exchange->misses,
	};

	REQUIRE(witness->opened && !witness->closed);
	REQUIRE(exchange->connection == &witness->conversation.connection);
	REQUIRE(exchange->connection->protocol && exchange->connection->side);
	REQUIRE(exchange->end >= exchange->begin);
	REQUIRE(exchange->end <= witness->clock);
	REQUIRE(exchange->outcome <= OUTCOME_ABORTED);
	REQUIRE(exchange->operation);
	for (size_t i = 0; i < exchange->target.size; i++)
		entry.target = entry.target * 31 + exchange->target.data[i];
	witness_settle(witness);
	if (log->count < WITNESS_LOG)
		log->entries[log->count] = entry;
	log->count++;
}

static void witness_connection(struct sink *sink, const struct connection *connection,
			       enum connection_change change, enum session_state before)
{
	struct witness *witness = witness_of(sink);

	REQUIRE(!witness->closed);
	switch (change) {
	case CONNECTION_OPENED:
		REQUIRE(!witness->opened);
		witness->opened = true;
		break;
	case CONNECTION_SESSION:
		REQUIRE(witness->opened);
		REQUIRE(before == witness->session);
		REQUIRE(connection->session != before && connection->session != SESSION_SAME);
		witness->session = connection->session;
		break;
	case CONNECTION_CLOSED:
		REQUIRE(witness->opened && witness->session == SESSION_NONE);
		witness->closed = true;
		break;
	default:
		REQUIRE(!"a change that a conversation does not have");
	}
}

static void witness_close_sink(struct sink *sink)
{
	(void)sink;
}

/* A fresh conversation with room for `requests` waiting and `memory` bytes (0: all there is). */
static void witness_open(struct witness *witness, enum side side, bool midway, uint32_t requests,
			 size_t memory, struct witness_log *log)
{
	struct connection connection = { .side = side, .opened_here = !midway };

	memset(witness, 0, sizeof(*witness));
	log->count = log->settled = 0;
	log->lost = log->waited = false;
	witness->log = log;
	witness->clock = 1000000000;
	witness->session = SESSION_NONE;
	witness->sink = (struct sink){ .name = "witness",
				       .exchange = witness_exchange,
				       .connection = witness_connection,
				       .close = witness_close_sink };
	pipeline_init(&witness->pipeline, requests);
	if (memory)
		tight_begin(MEMORY_STREAMS, memory);
	outlet_add(&witness->pipeline.outlet, &witness->sink);
	conversation_open(&witness->conversation, &connection,
			  midway ? BEGINNING_MIDWAY : BEGINNING_SEEN, 0);
}

/* Of one direction between two chunks: nothing is borrowed, what is kept is what is to be parsed.
 */
static void witness_check_flow(const struct flow *flow)
{
	unsigned int aside = 0;
	uint64_t last = 0;

	if (flow->view.size) {
		REQUIRE(flow->held && flow->view.data >= flow->held);
		REQUIRE(flow->view.data + flow->view.size <= flow->held + flow->held_room);
		REQUIRE(flow->parsed + flow->view.size == flow->next);
		REQUIRE(flow->mark_count);
	}
	for (const struct ahead *ahead = flow->ahead; ahead; ahead = ahead->next) {
		REQUIRE(ahead->chunk.position >= last);
		last = ahead->chunk.position;
		aside++;
	}
	REQUIRE(aside == flow->ahead_count && aside <= FLOW_AHEAD);
	REQUIRE((flow->ahead_since != 0) == (aside != 0));
}

/* A session is active while something waits, else what the protocol last said. */
static enum session_state witness_session(const struct conversation *c)
{
	bool sessions = c->connection.protocol && c->connection.protocol->sessions;

	return sessions && c->pair.waiting.count && c->base != SESSION_NONE ? SESSION_ACTIVE :
									      c->base;
}

static size_t states_out(const struct pipeline *p)
{
	size_t out = 0;

	for (int i = 0; protocols[i]; i++)
		out += p->states[i].out;
	return out;
}

static uint64_t messages(const struct pipeline *p)
{
	uint64_t sum = 0;

	for (int i = 0; i <= PROTOCOLS_MAX; i++)
		sum += p->counts[i].messages;
	return sum;
}

/* What must hold between two calls. */
static void witness_check(const struct witness *witness)
{
	const struct conversation *c = &witness->conversation;
	const struct pipeline *p = &witness->pipeline;
	bool awaits = c->waiting_since || c->flows[0].ahead || c->flows[1].ahead;

	REQUIRE(witness->session == c->connection.session);
	REQUIRE(witness->session == witness_session(c));
	REQUIRE(states_out(p) == (c->state != NULL));
	REQUIRE(c->pair.waiting.count <= p->outlet.open_requests);
	REQUIRE(c->pair.deferred.count <= p->outlet.open_requests);
	REQUIRE(p->outlet.unpaired <= messages(p));
	if (c->phase != PHASE_SPEAKING)
		REQUIRE(!c->pair.waiting.count && !c->pair.deferred.count);
	if (c->phase == PHASE_DEAF) {
		REQUIRE(!p->memory.blocks.out && !p->memory.used && !p->pending);
		return;
	}
	REQUIRE(!awaits || p->pending == c);
	witness_check_flow(&c->flows[0]);
	witness_check_flow(&c->flows[1]);
}

/* Feeds one chunk; of its `moved` bytes the first `size` were captured. */
static void witness_feed(struct witness *witness, unsigned int direction, uint64_t position,
			 const uint8_t *bytes, size_t size, size_t moved)
{
	/* A copy of exactly this size lets the sanitizer see every read beyond it. */
	uint8_t *copy = malloc(size ? size : 1);
	struct chunk chunk = {
		.position = position,
		.time = witness->clock += 1000,
		.moved = moved,
		.loss = moved > size,
		.bytes = { copy, size },
	};

	if (size)
		memcpy(copy, bytes, size);
	conversation_feed(&witness->conversation, &witness->pipeline, direction, &chunk);
	free(copy);
	witness_check(witness);
	witness_settle(witness);
}

static void witness_tick(struct witness *witness, uint64_t later)
{
	pipeline_tick(&witness->pipeline, witness->clock += later);
	witness_check(witness);
}

/* All memory was given back; frees what pools keep. */
static void witness_end(struct witness *witness)
{
	struct pipeline *p = &witness->pipeline;

	REQUIRE(!p->pending && !states_out(p) && !p->outlet.targets.out && !p->outlet.held.out);
	REQUIRE(!p->memory.blocks.out && !p->memory.used);
	pipeline_free(p);
	if (tight.ballast)
		tight_end();
}

/* The connection is closed: whatever is reported now is part of the log. */
static void witness_close(struct witness *witness)
{
	conversation_close(&witness->conversation, &witness->pipeline, witness->clock += 1000);
	REQUIRE(witness->closed && witness->session == SESSION_NONE);
	witness_settle(witness);
	witness_end(witness);
}

#endif
