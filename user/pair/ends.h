/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection both of whose ends are on this node, paired once: by the server's end, from the
 * bytes as they were sent. What the receivers add is when they read them.
 *
 *	client sends -> request waits            -- server reads up to there -> it has arrived
 *	server sends -> answer: its exchange
 *	                '-> the client's, unread -- client reads up to there -> its exchange
 *
 * A record of reading may come before that of sending: what is read beyond the bytes known so far
 * is remembered. Where one is missing the exchange is counted all the same, without a duration.
 */
#ifndef ONLOOKER_ENDS_H
#define ONLOOKER_ENDS_H

#include "exchange.h"
#include "pair/held.h"
#include "pair/queue.h"

#define READINGS 8

/* A call that read `[position, end)` of a stream; ns. */
struct reading {
	uint64_t position, end;
	uint64_t time;	  /* when it was read; 0 unknown */
	uint64_t arrival; /* when it had reached the socket */
};

/* The calls that read one stream, beyond what is known of it otherwise; oldest first. */
struct readings {
	struct reading ring[READINGS];
	uint8_t count;
};

struct ends {
	struct readings requests;	 /* read by the server */
	struct readings answers;	 /* read by the client */
	const struct connection *client; /* its end; NULL: gone */
	struct held_list unread;	 /* the client's exchanges whose answer it has not read */
	uint64_t arrived; /* number of the newest request that is known to have been read */
};

/*
 * The server has read a part of the request stream, whose whole messages end at `parsed`: the
 * requests in `waiting` that begin there have arrived.
 */
void ends_server_read(struct ends *ends, struct queue *waiting, const struct reading *reading,
		      uint64_t parsed);

/* A request was just pushed: it may have been read already. */
void ends_request(struct ends *ends, struct queue *waiting, struct request *request);

/*
 * The client has read a part of the answer stream, which is parsed up to `parsed`: what is answered
 * there is reported.
 */
void ends_client_read(struct ends *ends, struct outlet *outlet, const struct reading *reading,
		      uint64_t parsed);

/*
 * Whether the client is known to have read the answers up to `until`. If so, ends_complete() tells
 * an exchange that ends there when; else it joins the unread ones.
 */
bool ends_have_read(struct ends *ends, uint64_t until);
void ends_complete(const struct ends *ends, struct exchange *exchange, uint64_t until);

/* It will not be seen when the client reads what it has not: reported without a duration. */
void ends_settle(struct ends *ends, struct outlet *outlet);

/* The client is gone: it got no more answers than it has read. */
void ends_client_gone(struct ends *ends, struct outlet *outlet);

#endif
