/* SPDX-License-Identifier: Apache-2.0 */
/* Where exchanges go, and those that are complete but not reported yet. */
#ifndef ONLOOKER_HELD_H
#define ONLOOKER_HELD_H

#include "details.h"
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
	struct pool details;	/* of struct kept_details */
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

/* Tells all sinks of a complete exchange. */
void outlet_exchange(struct outlet *outlet, const struct exchange *exchange);

/* A copy of what a request asks for, with one owner; NULL where no sink reads it, or no memory. */
struct target *target_copy(struct outlet *outlet, const struct connection *connection,
			   struct bytes text);

/* Copies details to a target that has none yet; what has no room is left out. */
void target_detail(struct outlet *outlet, struct target *target, const struct details *details);

/* What is kept with a target; NULL: nothing. */
const struct details *target_details(const struct target *target);

/* One owner less (NULL is fine). */
void target_release(struct outlet *outlet, struct target *target);

/* An exchange that is not reported yet. */
struct held {
	struct held *next;
	struct target *target; /* a share; what `exchange.target` shows */
	uint64_t until;	       /* position that has to be read first */
	struct exchange exchange;
};

/* Oldest first. */
struct held_list {
	struct held *first, *last;
	uint32_t count;
};

/*
 * One more, with a share of a target; its exchange is for the caller to fill in. At `most` held
 * ones or without memory it is counted as unpaired: NULL.
 */
struct held *held_push(struct held_list *list, struct outlet *outlet, uint32_t most,
		       struct target *target, uint64_t until);

/* Takes the oldest one out and reports it, or counts it as unpaired. */
void held_pop(struct held_list *list, struct outlet *outlet, bool report);

/* The same for all. */
void held_end(struct held_list *list, struct outlet *outlet, bool report);

#endif
