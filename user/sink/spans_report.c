/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/spans.h"

static const char *const reasons[SPANS_REASONS] = {
	[SPANS_SAMPLED] = "sampled",
	[SPANS_FAILED] = "error",
	[SPANS_SLOW] = "slow",
	[SPANS_LEFT_OUT] = "none",
};

static const char *const parents[SPANS_PARENTS] = {
	[SPANS_BY_TASK] = "task",
	[SPANS_BY_HEADER] = "header",
	[SPANS_BY_BOTH] = "connection",
	[SPANS_NO_PARENT] = "none",
};

static const char *const losses[SPANS_LOSSES] = {
	[SPANS_NO_ROOM] = "no_room",
	[SPANS_UNTIMED] = "untimed",
};

void spans_report(const struct spans *spans, struct self_writer *writer)
{
	struct spans_counts counts;

	if (!spans)
		return;
	counts = spans_counts(spans);
	self_family(writer, "onlooker_traces_total", SELF_COUNTER,
		    "Traces put together, by why they were kept; none: they were not.");
	self_values(writer, "kept", reasons, counts.traces, SPANS_REASONS);
	self_family(writer, "onlooker_trace_parents_total", SELF_COUNTER,
		    "Exchanges in traces, by how their parent was found.");
	self_values(writer, "by", parents, counts.parents, SPANS_PARENTS);
	self_family(writer, "onlooker_trace_exchanges_lost_total", SELF_COUNTER,
		    "Exchanges that could be part of no trace, by reason.");
	self_values(writer, "reason", losses, counts.losses, SPANS_LOSSES);
	self_family(writer, "onlooker_traces_split_total", SELF_COUNTER,
		    "Traces without the caller, which is on this node but did not come.");
	self_value(writer, (double)counts.split, NULL);
	self_family(writer, "onlooker_trace_calls_hurried_total", SELF_COUNTER,
		    "Calls whose request was not waited for, for lack of room.");
	self_value(writer, (double)counts.hurried, NULL);
	self_family(writer, "onlooker_trace_exchanges_kept", SELF_GAUGE,
		    "Exchanges that wait for their trace to be complete.");
	self_value(writer, (double)counts.kept, NULL);
}
