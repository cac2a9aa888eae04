/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sink that turns exchanges into spans, a trace for each request that was served. Traces are
 * put together bottom-up, once each exchange is over, and kept or left out whole.
 *
 *	                    +----------------------------------------------+
 *	request served ---> open: calls are added -----> its caller is on  |
 *	(claims.h)          |   SPANS_OPEN_NS            this node: awaits | SPANS_AWAIT_NS
 *	                    |                                |  the call   | (split: counted)
 *	call made --> held -+--> below its request           v             v
 *	(claims.h)    |                                   below the call   |
 *	              '- SPANS_HELD_NS: nobody's --> a trace of its own    |
 *	                                                     |             |
 *	                     kept? (sampling.h) <------------+-------------+
 *
 * A call of a process of this node awaits the request that it is there in the same way, if that is
 * told of later: its trace is not over before.
 *
 * A call that has no request, or none that is known for sure, begins a trace of its own, as the
 * conventions of OpenTelemetry have a client span without a parent be a root: the work of jobs and
 * of what runs in the background is seen, and its errors are. What is made of a watched server
 * begins the server's trace.
 */
#ifndef ONLOOKER_SPANS_H
#define ONLOOKER_SPANS_H

#include "config.h"
#include "export/self.h"
#include "sink.h"
#include "span.h"
#include "task/tasks.h"
#include "util/clock.h"

/* Calls may be told of later than the answer: their reading is looked for at each tick. */
#define SPANS_OPEN_NS (400 * NSEC_PER_MSEC)
#define SPANS_AWAIT_NS (10 * NSEC_PER_SEC)
#define SPANS_HELD_NS (60 * NSEC_PER_SEC)

/* Why a trace was kept. */
enum spans_reason {
	SPANS_SAMPLED, /* by the ratio, or by the parent's decision */
	SPANS_FAILED,  /* not sampled, but there is an error in it */
	SPANS_SLOW,    /* nor that, but something took long */
	SPANS_LEFT_OUT,
	SPANS_REASONS,
};

/* What became of the parents. */
enum spans_parent {
	SPANS_BY_TASK,	 /* a call's request, by descent */
	SPANS_BY_HEADER, /* a request's, by traceparent */
	SPANS_BY_BOTH,	 /* a request's, by both ends of the connection */
	SPANS_NO_PARENT,
	SPANS_PARENTS,
};

/* Why an exchange has no span, or a trace is not whole. */
enum spans_loss {
	SPANS_NO_ROOM, /* too many are kept */
	SPANS_UNTIMED, /* it is not known when it was */
	SPANS_LOSSES,
};

struct spans_counts {
	uint64_t traces[SPANS_REASONS];
	uint64_t parents[SPANS_PARENTS];
	uint64_t losses[SPANS_LOSSES]; /* exchanges */
	uint64_t split;		       /* the caller did not come: a trace of its own */
	uint64_t hurried;	       /* calls given up early, for lack of room */
	size_t kept;		       /* exchanges, now */
};

struct metrics;

/* Where spans go, each at once, those of a trace one after the other. */
struct spans_outlet {
	void (*push)(void *context, const struct span *span);
	void *context;
};

struct spans;

/* What a sink of spans relies on; what it points to outlives it. */
struct spans_host {
	const struct tasks *tasks; /* NULL: threads are all that is known of tasks */
	struct metrics *metrics;   /* get exemplars, and see each exchange before; NULL: none do */
	bool details; /* exchanges tell `query`, `error` and `details`; else these are not read */
	struct spans_outlet outlet;
};

/*
 * A sink with the sampling and endpoints of `config`, which is not kept. 0 or -errno; spans_free(),
 * or the sink's close(), ends it.
 */
int spans_new(const struct config *config, const struct spans_host *host, struct spans **ret);
void spans_free(struct spans *spans);

/* The sink to add to an outlet; owned by the spans. */
struct sink *spans_sink(struct spans *spans);

/* Takes other endpoints and another sampling. 0, or -ENOMEM: all is as before. */
int spans_configure(struct spans *spans, const struct config *config);

struct spans_counts spans_counts(const struct spans *spans);

/* Writes onlooker_trace*; NULL writes nothing. */
void spans_report(const struct spans *spans, struct self_writer *writer);

#endif
