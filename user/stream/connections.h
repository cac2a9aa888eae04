/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of connections: turns the kernel side's records into conversations, tells the kernel
 * side what is not wanted, and decides when a connection is over.
 *
 *	EVENT_OPEN -> open -- EVENT_CLOSE, all bytes here -------------------> over
 *	               |                  \-- bytes still to come: closing --> over, or given up
 *	               +-- not to be watched after all: its slot is given back at once
 *	               +-- the end was not told (lost record, Unix sockets): sweep -> over
 */
#ifndef ONLOOKER_CONNECTIONS_H
#define ONLOOKER_CONNECTIONS_H

#include "event.h"
#include "stream/conversation.h"

/* What the table asks of its surroundings. */
struct connections_host {
	void *context;
	/* Whether the connection is watched, and then the identity of its owner. */
	bool (*admit)(void *context, const struct event_open *open, uint32_t *ret_identity);
	/* The protocol (index) that the connection's owner is known to serve; -ENOENT. */
	int (*serves)(void *context, const struct event_open *open);
	/* The slot may be lent again. */
	void (*release)(void *context, uint32_t slot);
	/* The call that read last, if no record has told of it. */
	bool (*noted)(void *context, uint32_t slot, struct read_note *ret);
};

struct connections_counts {
	uint64_t events[EVENT_FAIL + 1]; /* by enum event_kind; malformed ones at 0 */
	uint64_t refused;		 /* connections without memory */
	uint64_t stale;			 /* records of connections that are over */
	uint32_t tracked;
};

struct connections;

/*
 * A table for `limit` connections whose verdicts lie in `slots` (not owned), feeding `pipeline`
 * (not owned). 0 or -ENOMEM; connections_free() ends it.
 */
int connections_new(uint32_t limit, struct slot *slots, struct pipeline *pipeline,
		    const struct connections_host *host, struct connections **ret);

/* Ends every conversation as if its connection went on unseen: nothing is reported as aborted. */
void connections_free(struct connections *connections);

/* Takes one record of the ring buffer (EVENT_PROCESS is only counted). */
void connections_event(struct connections *connections, const struct event_head *record,
		       size_t size);

/* Time passes (CLOCK_MONOTONIC ns): about ten times a second. */
void connections_tick(struct connections *connections, uint64_t now);

struct connections_counts connections_counts(const struct connections *connections);

#endif
