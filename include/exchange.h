/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What pairing yields and sinks read: a request with its response, as one end of a connection saw
 * them. Times are CLOCK_MONOTONIC nanoseconds.
 */
#ifndef ONLOOKER_EXCHANGE_H
#define ONLOOKER_EXCHANGE_H

#include "bytes.h"
#include "message.h"
#include "protocol.h"

enum side {
	SIDE_CLIENT = 1, /* values of enum event_role */
	SIDE_SERVER = 2,
};

enum outcome {
	OUTCOME_OK,
	OUTCOME_ERROR,
	OUTCOME_ABORTED, /* the connection ended before the answer did */
};

/* A connection as sinks know it: one end, on this node. Owned by the stream stage. */
struct connection {
	const struct protocol *protocol; /* NULL while unknown, or none of ours */
	uint32_t identity;		 /* of the process that owns this end; identity.h */
	uint32_t tgid;			 /* that process, with its start stamp */
	uint64_t process;
	uint32_t peer;		    /* name (names.h) of the other end's address */
	uint8_t side;		    /* enum side; 0 unknown */
	uint8_t session;	    /* enum session_state */
	uint8_t opened_here;	    /* its begin was seen: it counts as opened and closed */
	uint64_t born, established; /* connect() called, handshake done; 0 unknown */
};

struct exchange {
	const struct connection *connection;
	uint16_t operation; /* name: HTTP method, SQL verb, command */
	uint16_t code;	    /* HTTP status, else 0 */
	uint8_t outcome;    /* enum outcome */
	bool timed;	    /* begin and end are known; false: counted, observed in no histogram */
	uint64_t begin; /* client: the family's begin (HTTP: first byte sent, else last byte sent);
			   server: the request's first byte arrived at the socket */
	uint64_t end;	/* client: last byte of the answer read; server: handed to the socket */
	uint64_t read;	/* server: when the program read the request's first byte */
	uint64_t task;	/* client: logical task that sent the request; server: that read it; 0
			   unknown */
	uint64_t answer_task; /* server: logical task that sent the answer; 0 none */
	uint64_t both; /* the same number at both ends where both are seen, whichever is told of
			  first; 0: the other one is not seen */
	uint32_t hits, misses;
	uint32_t query;	   /* what was asked for, as it may be shown (queries.h); 0: not known */
	uint32_t error;	   /* the error's code, likewise */
	uint32_t database; /* what the session works on, likewise */
	const struct details *details; /* HTTP; valid during the call; NULL: not known */
	struct bytes target; /* HTTP: path without query; valid during the call only; without data:
				it could not be kept */
};

#endif
