/* SPDX-License-Identifier: Apache-2.0 */
/* A tree of exchanges becomes a trace: its id, whether it is kept, and its spans. */
#ifndef ONLOOKER_TRACE_H
#define ONLOOKER_TRACE_H

#include "sink/node.h"
#include "sink/sampling.h"
#include "sink/span_ids.h"
#include "sink/spans.h"

struct tracer {
	struct span_ids ids;
	struct sampling sampling;
	struct spans_outlet outlet;
	struct metrics *metrics; /* NULL: nobody wants exemplars */
	struct spans_counts *counts;
};

/* Where a trace comes from: what its spans have in common, and the root's parent. */
struct trace_origin {
	struct trace_context parent; /* not valid: it begins here */
	uint8_t trace[SPAN_TRACE_SIZE];
	uint64_t span; /* the root's parent; 0: none */
	uint8_t flags;
	struct bytes state; /* tracestate */
};

/* A trace that begins here. */
void trace_begin(struct tracer *tracer, struct trace_origin *ret);

bool trace_sampled(const struct tracer *tracer, const struct trace_origin *origin);

/* Counts a trace of one exchange without a parent that is not kept. */
void trace_leave_out(struct tracer *tracer);

/*
 * Pushes the spans of a whole tree, or none of them. It goes on what the root's traceparent says; a
 * request without one is in the trace that a call made for it names, as another instrumentation's
 * would be; else it begins here. The tree stays the caller's.
 */
void trace_finish(struct tracer *tracer, struct node *root);
void trace_finish_as(struct tracer *tracer, struct node *root, const struct trace_origin *origin);

#endif
