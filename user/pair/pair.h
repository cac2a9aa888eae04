/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Responses to requests: applies the messages of one connection to its queue of waiting requests
 * and reports every completed exchange to the sinks. The table of actions is in message.h.
 */
#ifndef ONLOOKER_PAIR_H
#define ONLOOKER_PAIR_H

#include "pair/ends.h"
#include "pair/held.h"
#include "pair/queue.h"

/* When a message was moved, ns; see struct request. */
struct moment {
	uint64_t position; /* in its stream, where it begins */
	uint64_t end;	   /* and one past its last byte */
	uint64_t first;
	uint64_t last;
	uint64_t read;
	uint64_t task;
};

/*
 * Where both ends of a connection are seen an exchange has the same number at both: the
 * connection's, and where the request begins as the kernel side numbers its bytes.
 */
struct pair {
	struct queue waiting;
	struct queue deferred;
	struct held_list held; /* on trial */
	struct ends *ends; /* the server's end, if it is followed for both; else NULL. Not owned */
	uint32_t link;	   /* number of the connection; 0: the other end is not seen */
	uint32_t origin;   /* the kernel side's position where our stream of requests has its 0 */
	uint32_t database; /* of the session, as its begin said (struct message) */
	bool last;	   /* the newest answer is the last (MESSAGE_LAST) */
	bool muted;	   /* what answers what is not certain yet: no answer is reported */
	bool holds;	   /* muted: but held back, for what is likely */
};

/* What a parser may know of the queue. */
void pair_expect(const struct pair *pair, struct expect *ret);

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

/*
 * The connection is over: what still waits is reported as aborted at `now`, but for what a server
 * that had given its last answer did not serve. Empties the pair.
 */
void pair_abort(struct pair *pair, struct outlet *outlet, const struct connection *connection,
		uint64_t now);

/*
 * The client's end of two that are followed as one is over: for it, what waits is reported as
 * aborted at `now`, as what it has not read. The oldest `unfinished` waiting ones were no requests.
 */
void pair_abort_client(struct pair *pair, struct outlet *outlet, uint64_t now, uint32_t unfinished);

/* The stream has a gap: forgets what waits, counted as unpaired. Empties the pair. */
void pair_forget(struct pair *pair, struct outlet *outlet);

#endif
