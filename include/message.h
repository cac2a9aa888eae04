/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a protocol yields: one message of one lane, and what it means for the requests that wait.
 *
 * Requests wait in one queue per connection, in the order sent. A response concerns the oldest:
 *
 *	waiting      response             waiting after           exchanges
 *	[A B C]      COUNT|POP            [B C]                   A
 *	[B C]        COUNT                [B C]                   B's first of several
 *	[B C]        POP                  [C]                     none (a Sync, a MULTI's DISCARD)
 *	[C]          DEFER                [] deferred [C]         none (QUEUED)
 *	[D] def [C]  COUNT|POP|DEFERRED   [D] deferred []         C
 *	def [E F]    DROP_DEFERRED        deferred []             none
 *	[G H]        COUNT|POP|LAST       [H]                     G; H is none of the server's
 */
#ifndef ONLOOKER_MESSAGE_H
#define ONLOOKER_MESSAGE_H

#include "bytes.h"

struct details;

/* Who speaks: bytes from the client towards the server, and back. */
enum lane {
	LANE_REQUEST = 0,
	LANE_RESPONSE = 1,
};

enum message_role {
	MESSAGE_REQUEST =
		1,	  /* joins the queue (or, with COUNT|POP, is complete without an answer) */
	MESSAGE_RESPONSE, /* acts on the queue */
	MESSAGE_DETAILS,  /* where they are wanted: more of the newest request, if it still waits */
};

enum message_action {
	MESSAGE_COUNT = 1 << 0,		/* one exchange is complete: report it */
	MESSAGE_POP = 1 << 1,		/* the request concerned leaves the queue */
	MESSAGE_DEFER = 1 << 2,		/* the oldest waiting request will be answered later */
	MESSAGE_DEFERRED = 1 << 3,	/* COUNT and POP concern the oldest deferred request */
	MESSAGE_DROP_DEFERRED = 1 << 4, /* the deferred ones were never executed */
	MESSAGE_LAST = 1 << 5, /* the server has said that it serves nothing behind this one */
};

/* What the answered side says of the session; SAME where it says nothing. */
enum session_state {
	SESSION_SAME = 0,
	SESSION_IDLE,
	SESSION_TRANSACTION, /* idle in a transaction */
	SESSION_ACTIVE,	     /* set by the pairing while something waits; never by a protocol */
	SESSION_NONE,	     /* not open (yet, any more) */
};

struct message {
	uint8_t role;	 /* enum message_role */
	uint8_t action;	 /* bits of enum message_action */
	uint8_t session; /* enum session_state */
	bool failed;	 /* the answer is an error */
	bool silent;	 /* request: occupies the queue but is not a statement; never "aborted" */
	uint16_t operation; /* a name (names.h); in a response 0 means: as the request said */
	uint16_t code;	    /* numeric status where the protocol has one (HTTP), else 0 */
	/*
	 * Where details are wanted, a text (queries.h), else or unknown 0. Request: what is asked
	 * for; a silent one's: the database of the session that it opens. A response that failed:
	 * the code of the error.
	 */
	uint32_t query;
	uint32_t database; /* response: what the session works on, likewise a text */
	uint64_t tag;	   /* request: the protocol's own note, given back in struct expect */
	uint32_t hits;	   /* keys found and not found by a read command */
	uint32_t misses;
	union {
		struct bytes target; /* request: what is asked for (a path without its query) */
		const struct details *details; /* MESSAGE_DETAILS: valid until the next call */
	};
};

/* What a parser may know of the queue when it reads the response lane. */
struct expect {
	bool waiting; /* a request waits; the three below are the oldest one's */
	uint16_t operation;
	uint32_t counted; /* exchanges already counted for it */
	uint64_t tag;
	bool deferred; /* a deferred request exists; the two below are the oldest one's */
	uint16_t deferred_operation;
	uint64_t deferred_tag;
	bool late; /* PARSE_WAIT was answered, but nothing came: decide without */
	bool torn; /* finish(): the stream did not come to the end that its sender gave it */
};

#endif
