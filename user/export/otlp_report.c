/* SPDX-License-Identifier: Apache-2.0 */
#include "export/otlp.h"

static const char *const reasons[OTLP_DROPS] = {
	[OTLP_DROP_QUEUE_FULL] = "queue_full",	[OTLP_DROP_TOO_LARGE] = "too_large",
	[OTLP_DROP_REJECTED] = "rejected",	[OTLP_DROP_REFUSED] = "refused",
	[OTLP_DROP_UNCLEAR] = "unclear_answer", [OTLP_DROP_UNREACHABLE] = "unreachable",
	[OTLP_DROP_SHUTDOWN] = "shutdown",
};

void otlp_report(const struct otlp *otlp, struct self_writer *writer)
{
	struct otlp_counts counts = otlp_counts(otlp);

	self_family(writer, "onlooker_spans_exported_total", SELF_COUNTER,
		    "Spans that the collector took.");
	self_value(writer, (double)counts.exported, NULL);
	self_family(writer, "onlooker_spans_dropped_total", SELF_COUNTER,
		    "Spans that did not get to the collector, by reason.");
	self_values(writer, "reason", reasons, counts.dropped, OTLP_DROPS);
	self_family(writer, "onlooker_spans_queued", SELF_GAUGE,
		    "Spans that wait to be sent, those being sent included.");
	self_value(writer, (double)counts.queued, NULL);
	self_family(writer, "onlooker_export_failures_total", SELF_COUNTER,
		    "Batches that were given up as a whole, by exporter.");
	self_value(writer, (double)counts.failures, "exporter", "otlp", NULL);
	self_family(writer, "onlooker_export_retries_total", SELF_COUNTER,
		    "Attempts to send a batch that had failed before, by exporter.");
	self_value(writer, (double)counts.retries, "exporter", "otlp", NULL);
}
