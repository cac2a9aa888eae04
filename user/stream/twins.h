/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections with both ends on this node. Where the client's end has to find out which answer
 * belongs to which request (conversation.h, on trial), the server's end is the better witness: it
 * reads a request after it has answered those before, and both ends number the bytes alike.
 *
 *	server's end: "the request at P is answered at Q" -> client's end
 *
 * Two ends of one connection are known by
 *
 *	where it began      TCP: the two initial sequence numbers, which each end has seen: 64 bits
 *	                    of keyed hashes and the time. Addresses that are translated in between
 *	                    (Services of Kubernetes, masquerading) leave them as they are
 *	addresses           TCP: the one's local ones are the other's remote ones; for what was
 *	                    found open, of which the former may not be known
 *	the client's inode  Unix sockets whose begin was seen
 *
 * Of Unix sockets each end counts the bytes for itself, and not all calls are told of (splice):
 * their exchanges have numbers, but what the one end has read is not known by the other's count.
 */
#ifndef ONLOOKER_TWINS_H
#define ONLOOKER_TWINS_H

#include <stdbool.h>
#include <stdint.h>

#include "event.h"

struct entry;

enum twin_key {
	TWIN_BEGIN,   /* where it began, or the client's inode */
	TWIN_ADDRESS, /* from this end to the other */
	TWIN_KEYS,
};

/* An end at its place of the table. */
struct twin_place {
	struct entry *entry;
	struct twin_place *next, **link; /* link NULL: not in it */
	uint64_t key;
};

struct twin {
	struct twin_place by[TWIN_KEYS];
	struct entry *other; /* the other end; NULL: elsewhere, not watched, not known */
	uint32_t begin[2];   /* TCP, by direction: where it began, alike at both ends */
	bool late;	     /* that may be wrong, then */
};

struct pipeline;
struct twins;

/* A table for about `connections`; 0 or -ENOMEM. twins_free() ends it. */
int twins_new(uint32_t connections, struct twins **ret);
void twins_free(struct twins *twins);

/*
 * Adds a connection, and finds its other end. Hash look-ups. The connection has a number then, by
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
