/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Responses to requests: applies the messages of one connection to its queue of waiting requests
 * and reports every completed exchange to the sinks. The table of actions is in message.h.
 */
#ifndef ONLOOKER_PAIR_H
#define ONLOOKER_PAIR_H

#include "exchange.h"
#include "pair/queue.h"
#include "sink.h"
#include "util/pool.h"

#define SINKS_MAX 8

/* Where exchanges go, and what all pairs share. */
struct outlet {
	struct sink *sinks[SINKS_MAX];
	unsigned int sink_count;
	uint32_t open_requests; /* limit per connection */
	struct pool targets;	/* of struct target */
	struct pool held;	/* of struct held */
	uint64_t refused;	/* requests not followed: the limit, or no memory */
	uint64_t unpaired;	/* requests forgotten because the stream had a gap */
};

/* Makes an outlet without sinks. `open_requests`: how many may wait on one connection. */
void outlet_init(struct outlet *outlet, uint32_t open_requests);
void outlet_free(struct outlet *outlet);

/* Adds a sink (not owned); -ENOSPC beyond SINKS_MAX. */
int outlet_add(struct outlet *outlet, struct sink *sink);

/* Tells all sinks that a connection changed. */
void outlet_connection(struct outlet *outlet, const struct connection *connection,
		       enum connection_change change, enum session_state before);

/* When a message was moved, ns; see struct request. */
struct moment {
	uint64_t position; /* in its stream, where it begins */
	uint64_t first;
	uint64_t last;
	uint64_t read;
	uint64_t task;
};

/* An exchange that is not reported yet. */
struct held {
	struct held *next;
	struct target *target; /* owned; what `exchange.target` shows */
	struct exchange exchange;
};

struct pair {
	struct queue waiting;
	struct queue deferred;
	struct held *held, *held_last;
	uint32_t held_count;
	bool muted; /* what answers what is not certain yet: exchanges are not reported */
	bool holds; /* muted: but held back, for what is likely */
};

/* What a parser may know of the queue. */
struct expect pair_expect(const struct pair *pair);

/* It is certain: what was held back is reported, and what comes next at once. */
void pair_unmute(struct pair *pair, struct outlet *outlet);

/* No request waits. */
static inline bool pair_idle(const struct pair *pair)
{
	return !pair->waiting.count && !pair->deferred.count;
}

/*
 * What answers what is certain again: the request that begins at stream position `request` is
 * answered next; older ones are forgotten. `parsed`: where the next request begins. False: that
 * request is not known (any more).
 */
bool pair_resume(struct pair *pair, struct outlet *outlet, uint64_t request, uint64_t parsed);

/* Forgets the oldest waiting requests until `count` are left. */
void pair_keep_newest(struct pair *pair, struct outlet *outlet, uint32_t count);

/* Applies one message. -ENOBUFS or -ENOMEM: a request could not be followed (counted). */
int pair_apply(struct pair *pair, struct outlet *outlet, const struct connection *connection,
	       const struct message *message, const struct moment *when);

/* The connection is over: what still waits is reported as aborted at `now`. Empties the pair. */
void pair_abort(struct pair *pair, struct outlet *outlet, const struct connection *connection,
		uint64_t now);

/* The stream has a gap: forgets what waits, counted as unpaired. Empties the pair. */
void pair_forget(struct pair *pair, struct outlet *outlet);

#endif
