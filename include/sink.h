/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a consumer of exchanges supplies. Called on the event-loop thread only; returns quickly and
 * never blocks: slow work goes to a thread of its own behind a bounded queue.
 */
#ifndef ONLOOKER_SINK_H
#define ONLOOKER_SINK_H

#include "exchange.h"

enum connection_change {
	CONNECTION_OPENED,  /* protocol and side are known now, or are known to be none of ours */
	CONNECTION_SESSION, /* `session` changed from `before`; first SESSION_NONE -> SESSION_IDLE
			     */
	CONNECTION_CLOSED,  /* after SESSION -> SESSION_NONE */
	CONNECTION_FAILED,  /* connect() was refused or timed out: never opened */
};

struct sink {
	const char *name;
	/* One exchange is complete. The views in it die with the call. */
	void (*exchange)(struct sink *sink, const struct exchange *exchange);
	/* A connection changed; `before` is the session state until now (CONNECTION_SESSION only).
	 */
	void (*connection)(struct sink *sink, const struct connection *connection,
			   enum connection_change change, enum session_state before);
	/* About ten times a second; now in CLOCK_MONOTONIC ns. May be NULL. */
	void (*tick)(struct sink *sink, uint64_t now);
	/* Flushes and frees the sink. */
	void (*close)(struct sink *sink);
};

#endif
