/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections with both ends on this node. Where the client's end has to find out which answer
 * belongs to which request (conversation.h, on trial), the server's end is the better witness: it
 * reads a request after it has answered those before, and both ends number the bytes alike.
 *
 *	server's end: "the request at P is answered at Q" -> client's end
 */
#ifndef ONLOOKER_TWINS_H
#define ONLOOKER_TWINS_H

#include <stdint.h>

#include "event.h"

struct entry;

struct twin {
	struct entry *next, **link; /* of one place of the table; link NULL: not in it */
	struct entry *other;	    /* the other end; NULL: elsewhere, not watched, not TCP */
	uint64_t key;		    /* of this end */
};

struct pipeline;
struct twins;

/* A table for about `connections`; 0 or -ENOMEM. twins_free() ends it. */
int twins_new(uint32_t connections, struct twins **ret);
void twins_free(struct twins *twins);

/*
 * Adds a connection, and finds its other end. A hash look-up. The connection has a number then, by
 * which both ends name their exchanges (pair.h).
 */
void twins_add(struct twins *twins, struct entry *entry, const struct event_open *open);

/*
 * Takes a connection out; one that is not in it is fine. What was asked on it may still be told of
 * by the other end.
 */
void twins_remove(struct entry *entry);

/* What is told of the one end from now on is not told of the other any more. */
void twins_part(struct entry *entry);

/* An end has moved: a server's tells the client's what it can be told. */
void twins_witness(struct twins *twins, struct entry *entry, struct pipeline *pipeline);

#endif
