/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of a conversation share: its phases and who enters them. Private to user/stream.
 *
 *	conversation.c   chunks in, the end; what time decides
 *	order.c          chunks one after the other, and gaps
 *	phase.c          the phases themselves, and what sinks are told of them
 *	detection.c      FRESH and MIDWAY: which protocol, where a message begins
 *	trial.c          SPEAKING, but what answers what is not certain
 *	parsing.c        SPEAKING: messages to the pairing
 *	duet.c           FOLLOWED: both ends as one
 */
#ifndef ONLOOKER_PHASE_H
#define ONLOOKER_PHASE_H

#include "stream/conversation.h"

#define DOUBT_TURNS 9 /* one that ends the trial, then as many as may still prove it wrong */
#define PATIENCE_NS \
	200000000ULL /* for a request or a chunk that another CPU saw first, or one answer more */

static inline struct protocol_counts *counts_of(struct conversation *c, struct pipeline *p)
{
	return &p->counts[c->protocol];
}

/* Every byte counts: one that is missing is a loss. */
static inline bool phase_in_step(const struct conversation *c)
{
	return c->phase == PHASE_SPEAKING || c->phase == PHASE_FRESH || c->phase == PHASE_FOLLOWED;
}

/* The server's end is seen, too: it is the better judge of what answers what. */
static inline bool phase_witnessed(const struct conversation *c)
{
	return c->witnessed && c->connection.side == SIDE_CLIENT;
}

/* Which direction speaks for whom. */

static inline enum lane lane_of(const struct conversation *c, unsigned int direction)
{
	bool sent = direction == DIRECTION_TX;

	return sent == (c->connection.side == SIDE_CLIENT) ? LANE_REQUEST : LANE_RESPONSE;
}

static inline unsigned int direction_of(const struct conversation *c, enum lane lane)
{
	bool client = c->connection.side == SIDE_CLIENT;

	return client == (lane == LANE_REQUEST) ? DIRECTION_TX : DIRECTION_RX;
}

/* A tick has to look at the conversation: it waits for something that time can decide. Or no more.
 */
void phase_await(struct conversation *c, struct pipeline *p);
void phase_settle(struct conversation *c);

/* Tells sinks, once, what the connection is known to be. */
void phase_announce(struct conversation *c, struct pipeline *p);

/* The session's state, as given or as it follows from what waits. */
void phase_session(struct conversation *c, struct pipeline *p, enum session_state session);
void phase_session_update(struct conversation *c, struct pipeline *p);

/* Gives the protocol's state back. */
void phase_drop_state(struct conversation *c, struct pipeline *p);

/*
 * The conversation enters a phase. Speaking: false where there is no memory for the protocol's
 * state; it is deaf then. Midway: bytes are missing, or make no sense; what waits is forgotten; of
 * a stream that goes on speaking after it, what is answered by what is not certain yet.
 */
void phase_deaf(struct conversation *c, struct pipeline *p);
bool phase_speaking(struct conversation *c, struct pipeline *p, unsigned int protocol, bool midway);
void phase_midway(struct conversation *c, struct pipeline *p);

/*
 * Runs the phases over what a direction holds. Either lane may be what the other one has waited
 * for: a request for its answer, an answer for what is to be made of the bytes sent after it.
 */
void phase_run(struct conversation *c, struct pipeline *p, unsigned int direction);

/*
 * Takes a chunk, and those put aside that it completes: runs the phases over them. One that comes
 * before its time, or after one that does, is put aside until what is missing has come, but not for
 * longer than PATIENCE_NS (order_tick()).
 */
void order_take(struct conversation *c, struct pipeline *p, unsigned int direction,
		const struct chunk *chunk);
void order_tick(struct conversation *c, struct pipeline *p, uint64_t now);

/* What is missing will not come any more: all that was put aside is taken. */
void order_give_up(struct conversation *c, struct pipeline *p);

/* Bytes of a direction are missing; `loss`: why, LOSS_NONE or LOSS_REASONS where that is not known.
 */
void order_gap(struct conversation *c, struct pipeline *p, unsigned int direction,
	       unsigned int loss);

/*
 * Bytes are about to come in for a conversation that is on trial, or was not long ago; `rested`:
 * after a rest. A turn with nothing left to answer speaks for it. It begins anew here where the
 * answer before the turn seems not to end, where a rest leaves requests without answers, or after
 * many turns in vain.
 */
void trial_judge(struct conversation *c, struct pipeline *p, unsigned int direction, bool rested);

/*
 * Blind: answers are passed over until the anchor. True: it is reached, and they count from here.
 * If the request named there is none of those followed, what was taken for requests was none.
 */
bool trial_see(struct conversation *c, struct pipeline *p, unsigned int direction);

/* Looks at what a direction holds for a protocol, or for a message boundary. May change the phase.
 */
void detect_fresh(struct conversation *c, struct pipeline *p, unsigned int direction);
void detect_midway(struct conversation *c, struct pipeline *p, unsigned int direction);

/* Parses what a direction holds, as far as it goes. May change the phase. */
void parse_lane(struct conversation *c, struct pipeline *p, unsigned int direction);

/* The same for answers whose requests were awaited in vain. */
void parse_late(struct conversation *c, struct pipeline *p);

/* How many of the oldest requests that wait would turn out to be none if their lane ended here. */
uint32_t parse_unfinished(const struct conversation *c, struct pipeline *p);

/*
 * The direction has ended: its last message may be complete by that, unless it was torn: that end
 * is not its sender's.
 */
void parse_finish(struct conversation *c, struct pipeline *p, unsigned int direction, bool torn);

#endif
