/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection as this node's end of it sees it: two lanes of bytes, the protocol found in them,
 * and the requests that wait for answers.
 *
 *	          +--------- detect(): none of ours, server spoke first ----------> DEAF
 *	          |                                                                  ^
 *	FRESH ----+-- detect(): certain --> SPEAKING -- SWITCH (Upgrade, TLS) --> FRESH
 *	(begin seen)                          |   ^
 *	                          gap, LOST   |   |  a turn: a request that begins right
 *	                                      v   |  after an answer, or when all is at rest
 *	(begin not seen) ------------------> MIDWAY -- nothing of ours for long --> DEAF
 *
 * In mid-stream it is unknown which answers are still to come, so an answer might be given to the
 * wrong request. Pairing starts again at a turn, on trial: nothing is reported until at a later
 * turn as many answers as requests have been seen; after a rest it is held back until then.
 * One answer too many, and it is forgotten. A count may come out short by that, never wrong.
 *
 *	MIDWAY -- turn --> SPEAKING, muted -- turn, nothing waits --> SPEAKING (for some turns yet
 *	   |  ^                  |                                       ^      one may go back)
 *	   |  +------------------+ an answer that no request waits for   |
 *	   +--- a request after a rest --> SPEAKING, muted and holding --+
 *	   +--- a request --> SPEAKING, muted and blind -- anchor -------+
 *
 * A client's end whose server's end is seen, too, does not try: it follows requests only, blind to
 * answers, until the server's end tells it an anchor: which request is answered from which byte on
 * (twins.h). After a rest it holds back until an anchor agrees with it. Once the server's end is
 * not seen any more, it is MIDWAY and tries.
 *
 * Where both ends stand at the same place and nothing is under way at the server's they become one,
 * followed there (duet.h): the client's end is FOLLOWED then.
 */
#ifndef ONLOOKER_CONVERSATION_H
#define ONLOOKER_CONVERSATION_H

#include "event.h"
#include "pair/pair.h"
#include "stream/flow.h"

#define PROTOCOLS_MAX 16

/* What is counted per protocol; the last entry counts what happened before one was known. */
struct protocol_counts {
	uint64_t messages;
	uint64_t errors; /* PARSE_LOST */
	uint64_t gaps;
};

/* What all conversations share. */
struct pipeline {
	struct outlet outlet;
	struct flow_memory memory;
	struct pool states[PROTOCOLS_MAX]; /* by protocol */
	struct pool duets;
	struct protocol_counts counts[PROTOCOLS_MAX + 1];
	uint64_t losses[LOSS_REASONS]; /* gaps whose cause was said with the data */
	struct conversation *pending;  /* those that wait for something that time can decide */
	/* Of ends of duets: looks for what one has read meanwhile; one is for itself again. */
	void (*look)(void *context, struct conversation *conversation);
	void (*part)(void *context, struct conversation *conversation);
	void *context;
};

struct duet;

/* What is known of a stream when it is seen first. */
enum beginning {
	BEGINNING_SEEN,	  /* it begins here */
	BEGINNING_QUIET,  /* it was open, and at rest */
	BEGINNING_MIDWAY, /* it was open */
};

enum conversation_phase {
	PHASE_FRESH,
	PHASE_MIDWAY,
	PHASE_SPEAKING,
	PHASE_FOLLOWED, /* at its other end (duet.h) */
	PHASE_DEAF,
};

/* Between the first and the last step of a message. */
enum inside {
	INSIDE_NOTHING = 0,
	INSIDE_MESSAGE,
	INSIDE_FRAMES, /* and frames may follow that need not be seen */
};

struct conversation {
	struct connection connection; /* what sinks see */
	struct flow flows[2];	      /* by enum event_direction */
	uint64_t anchor[2];	      /* the request that begins here is answered from here on */
	struct moment begun[2];	      /* the message in progress */
	struct pair pair;
	struct duet *duet; /* the two ends are followed as one; else NULL */
	void *state;
	uint64_t unended;	/* number of the request whose last byte is still to come; 0 none */
	uint64_t waiting_since; /* ns: PARSE_WAIT was answered; 0 none */
	struct conversation *next_pending, **link_pending;
	uint64_t moved_at; /* ns: when the newest chunk was moved */
	uint16_t tries;	   /* midway: chunks looked at in vain */
	uint8_t protocol;  /* index in protocols[]; PROTOCOLS_MAX: unknown */
	uint8_t phase;	   /* enum conversation_phase */
	uint8_t base; /* session as the protocol last said: SESSION_IDLE, _TRANSACTION, _NONE */
	uint8_t inside[2]; /* enum inside */
	bool torn[2];	   /* closing: the end that is seen here is not the sender's */
	bool answered;	   /* midway, on trial: the last bytes seen were the answering side's */
	bool at_rest;	   /* midway: nothing is under way, the next request begins an exchange */
	uint8_t doubt;	   /* turns until what answers what is beyond it; while muted at least 1 */
	bool witnessed;	   /* its other end is seen, too */
	bool blind;	   /* on trial as a client witnessed: answers are passed over */
	bool anchored;	   /* muted: `anchor` is known */
	bool announced;	   /* sinks were told CONNECTION_OPENED */
	bool alone;	   /* its other end's bytes are not to be had from here */
	bool late;	   /* stop waiting for what was not seen */
};

/* A pipeline for connections with at most `open_requests` waiting each. */
void pipeline_init(struct pipeline *pipeline, uint32_t open_requests);
void pipeline_free(struct pipeline *pipeline);

/* Time passes (ns): decides what has waited long enough. Call about ten times a second. */
void pipeline_tick(struct pipeline *pipeline, uint64_t now);

/* Ends of duets have read what no record has told of yet: it is looked for. */
void pipeline_look(struct pipeline *pipeline);

/*
 * Begins a conversation in memory of the caller's (any content). Of `connection` the fields
 * identity, peer, side (0 unknown), opened_here and the times are taken over. Both directions begin
 * at `position`; of BEGINNING_MIDWAY streams, wherever their first chunk does.
 */
void conversation_open(struct conversation *conversation, const struct connection *connection,
		       enum beginning beginning, uint64_t position);

/*
 * A connection that has not said a word since it was found open is taken to be what others of its
 * server are, until it speaks: index of protocols[], and the side where that is not known.
 */
void conversation_presume(struct conversation *conversation, struct pipeline *pipeline,
			  unsigned int protocol, enum side side);

/*
 * Takes one chunk of one direction (enum event_direction) through detection, parsing and pairing;
 * sinks are called. The chunk's bytes are not kept by reference.
 */
void conversation_feed(struct conversation *conversation, struct pipeline *pipeline,
		       unsigned int direction, const struct chunk *chunk);

/*
 * Where it stands, by direction, if an answer is to come next: the request that begins there, seen
 * or not, is answered from there on. False: it does not stand so, or that is not certain.
 */
bool conversation_settled(const struct conversation *conversation, uint64_t ret[2]);

/* Tells one on trial where it may begin, or is confirmed; unless it is on its way to such a place.
 */
void conversation_anchor(struct conversation *conversation, const uint64_t anchor[2]);

/* Its other end was wrong, and with it what that told: it begins anew, unless it is certain. */
void conversation_forsake(struct conversation *conversation, struct pipeline *pipeline);

/* Ends it at `now` ns: what waits is reported as aborted, memory is freed. */
void conversation_close(struct conversation *conversation, struct pipeline *pipeline, uint64_t now);

/* Bytes at its end were not seen: what waits may have been answered, and is forgotten. */
void conversation_lose(struct conversation *conversation, struct pipeline *pipeline);

/* Frees its memory without a word to the sinks: the observer ends, not the connection. */
void conversation_free(struct conversation *conversation, struct pipeline *pipeline);

/* Still looking for a protocol after `tries` chunks in vain: beginnings of calls will do. */
static inline bool conversation_searches(const struct conversation *conversation,
					 unsigned int tries)
{
	return conversation->phase == PHASE_MIDWAY && !conversation->connection.protocol &&
	       conversation->tries >= tries;
}

/*
 * The position up to which bytes of a direction are of no interest (a body skipped by length);
 * at most the position reached where there is nothing to skip.
 */
static inline uint64_t conversation_skips(const struct conversation *conversation,
					  unsigned int direction)
{
	const struct flow *flow = &conversation->flows[direction];

	return flow->parsed >= USED_TO_END ? flow->next : flow->parsed;
}

/* Nothing of the connection is of interest any more. */
static inline bool conversation_deaf(const struct conversation *conversation)
{
	return conversation->phase == PHASE_DEAF;
}

#endif
