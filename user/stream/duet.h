/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both ends of a connection on this node, followed as one: each byte is taken once, where it is
 * sent, and parsed once, by the server's end. The receivers tell only when they have read.
 *
 *	client's TX bytes --> server's request lane -\
 *	server's TX bytes --> server's answer lane ---- parsing, pairing --> exchanges of both ends
 *	server's RX times, client's RX times --------/
 *
 * A duet begins where both ends stand at the same place and at the server's nothing is under way.
 * From then on the client's conversation is PHASE_FOLLOWED. It breaks where bytes are missing: both
 * ends are MIDWAY then, each for itself. Private to user/stream.
 *
 *	two conversations -- at one place, still ------> duet
 *	duet -- gap, nonsense, one not seen any more --> two conversations
 *	     -- nothing of ours -----------------------> both deaf
 *	     -- server over ---------------------------> client, until it has read all: once it
 *	                                                 speaks for itself, with the server's state
 *	     -- client over ---------------------------> server, until it has read all
 */
#ifndef ONLOOKER_DUET_H
#define ONLOOKER_DUET_H

#include "stream/entry.h"

struct duet {
	struct ends ends;
	struct conversation *server, *client; /* NULL: over */
	uint64_t offset[2]; /* by lane: from a position of the client's end to the server's */
};

/* Begins a duet of an end and its twin, which it has, if they stand so. Worth a try when an answer
 * has moved. */
void duet_try(struct entry *entry, struct pipeline *pipeline);

/* Takes a chunk of one direction of an end that is part of a duet. */
void duet_feed(struct entry *entry, struct pipeline *pipeline, unsigned int direction,
	       const struct chunk *chunk);

/* Whether there is something to be read that is not known to have been read. */
bool duet_awaits(const struct conversation *conversation);

/* Looks whether it has been read, where no record has told of it yet. */
void duet_look(struct conversation *conversation, struct pipeline *pipeline);

/* Whether all that this end has read, up to `end`, is known from its sender. */
bool duet_whole(const struct entry *entry, uint64_t end);

/* Whether it is a client's end for itself again, and of its duet left what it has yet to read. */
bool duet_outlived(const struct conversation *conversation);

/* Bytes are missing: both ends, as far as they are there, are MIDWAY; what is unread is forgotten.
 */
void duet_break(struct duet *duet, struct pipeline *pipeline);

/* It carries nothing of ours (any more): a duet no more, and the client's end is deaf. */
void duet_deafen(struct duet *duet, struct pipeline *pipeline);

/* An end is over; what was to be said of it was said. */
void duet_leave(struct conversation *conversation, struct pipeline *pipeline);

#endif
