/* SPDX-License-Identifier: Apache-2.0 */
#include "self_report.h"

#include "capture/follow.h"
#include "proto/queries.h"
#include "proto/wanted.h"
#include "protocol.h"
#include "util/names.h"

struct loss {
	const char *reason;
	uint64_t count;
};

#define LOSSES_MOST 24

static const char *const event_kinds[] = {
	[0] = "malformed",     [EVENT_PROCESS] = "process", [EVENT_OPEN] = "open",
	[EVENT_DATA] = "data", [EVENT_CLOSE] = "close",	    [EVENT_FAIL] = "fail",
};

static const char *const loss_reasons[LOSS_REASONS] = {
	[LOSS_RING] = "ring_full",	    [LOSS_SLOTS] = "connections",
	[LOSS_STATE] = "socket_state",	    [LOSS_PROCESSES] = "processes",
	[LOSS_FAULT] = "memory_unreadable", [LOSS_NO_BUFFER] = "no_buffer",
	[LOSS_IO_URING] = "io_uring",	    [LOSS_COMPAT] = "compat_call",
	[LOSS_LONG] = "long_call",	    [LOSS_LIMIT] = "prefix",
};

static const char *const runtimes[FOLLOW_RUNTIMES] = {
	[FOLLOW_PYTHON] = "python",
	[FOLLOW_GO] = "go",
};

/* Connections that nothing could be parsed of. */
static uint64_t states_refused(const struct pipeline *pipeline)
{
	uint64_t sum = 0;

	for (int i = 0; protocols[i]; i++)
		sum += pipeline->states[i].refused;
	return sum;
}

/* Every way to lose, with its count. Returns how many there are. */
static size_t gather(const struct observer *observer, struct loss ret[LOSSES_MOST])
{
	struct observer_counts counts = observer_counts(observer);
	const struct pipeline *pipeline = counts.pipeline;
	size_t n = 0;

	for (int i = 1; i < LOSS_COUNTED; i++)
		ret[n++] = (struct loss){ loss_reasons[i], counts.losses[i] };
	ret[n++] = (struct loss){ "recursion", counts.losses[CAPTURE_LOSS_RECURSION] };
	for (int i = LOSS_COUNTED; i < LOSS_REASONS; i++)
		ret[n++] = (struct loss){ loss_reasons[i], pipeline->losses[i] };
	ret[n++] = (struct loss){ "malformed", counts.connections.events[0] };
	ret[n++] = (struct loss){ "connection_memory",
				  counts.connections.refused + states_refused(pipeline) };
	ret[n++] = (struct loss){ "stream_memory",
				  pipeline->memory.refused + pipeline->memory.blocks.refused };
	ret[n++] = (struct loss){ "open_requests", pipeline->outlet.refused };
	return n;
}

uint64_t self_report_lost(const struct observer *observer)
{
	struct loss losses[LOSSES_MOST];
	size_t count = gather(observer, losses);
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += losses[i].count;
	return sum;
}

static void write_losses(const struct observer *observer, struct self_writer *writer)
{
	struct loss losses[LOSSES_MOST];
	size_t count = gather(observer, losses);

	self_family(writer, "onlooker_events_lost_total", SELF_COUNTER,
		    "What was not seen, by reason: counts may be short by what it carried.");
	for (size_t i = 0; i < count; i++)
		self_value(writer, losses[i].count, "reason", losses[i].reason, NULL);
}

static void write_events(const struct observer_counts *counts, struct self_writer *writer)
{
	self_family(writer, "onlooker_events_total", SELF_COUNTER,
		    "Records read from the kernel side, by kind.");
	self_values(writer, "kind", event_kinds, counts->connections.events, EVENT_FAIL + 1);
	self_value(writer, counts->told, "kind", "task", NULL);
	self_family(writer, "onlooker_connections_tracked", SELF_GAUGE,
		    "Connections in the table now.");
	self_value(writer, counts->connections.tracked, NULL);
	self_family(writer, "onlooker_requests_unpaired_total", SELF_COUNTER,
		    "Requests forgotten because a gap made their answers untellable.");
	self_value(writer, counts->pipeline->outlet.unpaired, NULL);
	self_family(writer, "onlooker_names_refused_total", SELF_COUNTER,
		    "Label values that became other because the table of names was full.");
	self_value(writer, names_refused(), NULL);
	self_family(writer, "onlooker_processes_evicted_total", SELF_COUNTER,
		    "Processes forgotten for lack of room; they are resolved anew.");
	self_value(writer, counts->identities.evicted, NULL);
	self_family(writer, "onlooker_identities_refused_total", SELF_COUNTER,
		    "Processes whose service is other, for the table of services is full.");
	self_value(writer, counts->identities.refused, NULL);
}

/* What spans lack, or may: a text that went may be one that no span shows any more. */
static void write_details(const struct pipeline *pipeline, struct self_writer *writer)
{
	struct queries_counts queries = queries_counts();

	if (!details_wanted())
		return;
	self_family(writer, "onlooker_trace_details_dropped_total", SELF_COUNTER,
		    "What spans would show, dropped for lack of room, by what it was of.");
	self_value(writer, queries.forgotten + queries.refused, "of", "statement", NULL);
	self_value(writer, queries.renamed, "of", "prepared_statement", NULL);
	self_value(writer,
		   pipeline->outlet.details.refused + details_store.requests.stolen +
			   details_store.statements.stolen,
		   "of", "message", NULL);
}

static void write_tasks(const struct observer *observer, const struct follow *follow,
			struct self_writer *writer)
{
	struct follow_counts counts;
	struct tasks_counts tasks;

	if (!follow)
		return;
	counts = follow_counts(follow);
	tasks = tasks_counts(observer_tasks(observer));
	self_family(writer, "onlooker_processes_followed", SELF_GAUGE,
		    "Processes whose logical tasks are told, by runtime.");
	for (int i = 0; i < FOLLOW_RUNTIMES; i++)
		self_value(writer, counts.followed[i], "runtime", runtimes[i], NULL);
	self_family(writer, "onlooker_processes_sought", SELF_GAUGE,
		    "Processes in which what tells logical tasks is looked for.");
	self_value(writer, counts.waiting, NULL);
	self_family(writer, "onlooker_processes_unfollowed_total", SELF_COUNTER,
		    "Processes whose calls are told by thread only, by why no more can be told.");
	self_values(writer, "reason", refusal_names, counts.refused, REFUSALS);
	self_family(writer, "onlooker_probes", SELF_GAUGE,
		    "Probes set in processes that are followed.");
	self_value(writer, counts.probes, NULL);
	self_family(writer, "onlooker_tasks_known", SELF_GAUGE,
		    "Logical tasks whose descent is known now.");
	self_value(writer, tasks.known, NULL);
	self_family(writer, "onlooker_tasks_evicted_total", SELF_COUNTER,
		    "Logical tasks forgotten for lack of room; they are told of again.");
	self_value(writer, tasks.evicted, NULL);
}

static void write_protocol(const struct pipeline *pipeline, struct self_writer *writer,
			   const char *name, const char *help, size_t offset)
{
	const char *base = (const char *)pipeline->counts + offset;
	int i;

	self_family(writer, name, SELF_COUNTER, help);
	for (i = 0; protocols[i]; i++)
		self_value(writer, *(const uint64_t *)(base + i * sizeof(*pipeline->counts)),
			   "protocol", protocols[i]->name, NULL);
	self_value(writer, *(const uint64_t *)(base + PROTOCOLS_MAX * sizeof(*pipeline->counts)),
		   "protocol", "unknown", NULL);
}

void self_report_write(const struct observer *observer, struct self_writer *writer)
{
	struct observer_counts counts = observer_counts(observer);

	self_write_build(writer);
	self_family(writer, "onlooker_backend", SELF_GAUGE,
		    "How the observer is attached to the kernel; always 1.");
	self_value(writer, 1, "name", observer_backend(observer), NULL);
	write_events(&counts, writer);
	write_losses(observer, writer);
	write_tasks(observer, counts.follow, writer);
	write_details(counts.pipeline, writer);
	write_protocol(counts.pipeline, writer, "onlooker_messages_total",
		       "Messages parsed, by protocol.", offsetof(struct protocol_counts, messages));
	write_protocol(counts.pipeline, writer, "onlooker_parse_errors_total",
		       "Streams that stopped making sense, by protocol.",
		       offsetof(struct protocol_counts, errors));
	write_protocol(counts.pipeline, writer, "onlooker_stream_gaps_total",
		       "Places where bytes of a stream were not seen, by protocol.",
		       offsetof(struct protocol_counts, gaps));
	self_write_process(writer);
}
