/* SPDX-License-Identifier: Apache-2.0 */
#include "observer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/follow.h"
#include "capture/procfs.h"
#include "capture/watch.h"
#include "util/clock.h"
#include "util/kernel.h"
#include "util/memory.h"
#include "util/path.h"

#define TICK_NS (100 * NSEC_PER_MSEC)
#define FOLLOW_NS (2 * NSEC_PER_MSEC) /* of looking into processes, at a time */
#define BEHIND_NS (10 * NSEC_PER_SEC)

struct observer {
	struct capture *capture;
	struct identities *identities;
	struct follow *follow; /* NULL, like the next: logical tasks are not wanted */
	struct tasks *tasks;
	struct watch *watch;
	struct watch_config watch_config;
	struct pipeline pipeline;
	struct connections *connections;
	uint64_t told; /* records of tasks */
	uint64_t read; /* when the newest record read was made, ns */
	uint64_t ticked;
	uint64_t drained; /* when the ring was last found empty, ns */
};

/* ---- what the kernel side and the table of connections ask ---- */

/* A process seen for the first time, or for the first time under these rules. */
static void on_process(struct observer *observer, const struct event_process *process)
{
	struct process_key key = { .process = process->process, .tgid = process->head.tgid };
	struct process_watch verdict = watch_judge(observer->watch, key.tgid, process);

	capture_judge(observer->capture, &key, &verdict);
	/* While the record can still tell what /proc no longer can. */
	if (!watch_decides(&observer->watch_config, verdict.bits, 0, 0, true))
		return;
	identity_resolve(observer->identities, key.tgid, key.process, process);
	if (observer->follow)
		follow_process(observer->follow, key.tgid, key.process);
}

static void on_record(void *context, const struct event_head *record, size_t size)
{
	struct observer *observer = context;

	if (record->time > observer->read)
		observer->read = record->time;
	if (record->kind == EVENT_TASK && size >= sizeof(struct event_task)) {
		observer->told++;
		if (observer->tasks)
			tasks_told(observer->tasks, (const struct event_task *)record);
		return;
	}
	connections_event(observer->connections, record, size);
	if (record->kind == EVENT_PROCESS && size >= sizeof(struct event_process))
		on_process(observer, (const struct event_process *)record);
}

static bool admit(void *context, const struct event_open *open, uint32_t *ret_identity)
{
	struct observer *observer = context;
	struct process_key key = { .process = open->process, .tgid = open->head.tgid };
	struct process_watch verdict = { .bits = 0 };

	if (observer->watch_config.include || observer->watch_config.exclude) {
		if (!capture_judged(observer->capture, &key, &verdict) ||
		    verdict.bits == WATCH_UNDECIDED)
			verdict = watch_judge(observer->watch, key.tgid, NULL);
		if (!watch_decides(&observer->watch_config, verdict.bits, open->local_port,
				   open->remote_port, false))
			return false;
	}
	*ret_identity = identity_resolve(observer->identities, key.tgid, key.process, NULL);
	return true;
}

/* By the name of the program that a server runs; of one not ours to look into, its thread's. */
static int serves(void *context, const struct event_open *open)
{
	char path[PATH_MAX];
	const char *name;

	(void)context;
	if (procfs_started_as(open->head.tgid, path, sizeof(path)) &&
	    procfs_thread_name(open->head.tgid, path, sizeof(path)))
		return -ENOENT;
	name = path_base(path);
	for (int i = 0; protocols[i]; i++) {
		const char *const *server = protocols[i]->servers;

		for (; server && *server; server++) {
			if (strcmp(name, *server) == 0)
				return i;
		}
	}
	return -ENOENT;
}

static void release(void *context, uint32_t slot)
{
	struct observer *observer = context;

	capture_release(observer->capture, slot);
}

static bool noted(void *context, uint32_t slot, struct read_note *ret)
{
	const struct observer *observer = context;

	return capture_noted(observer->capture, slot, ret);
}

/* ---- life ---- */

int observer_watch(struct observer *observer, const struct config_watch *rules)
{
	uint32_t generation = observer->watch_config.generation + 1;
	struct watch_config config;
	struct watch *watch;
	int error = watch_compile(rules, generation ? generation : 1, &watch, &config);

	if (error)
		return error;
	watch_free(observer->watch);
	observer->watch = watch;
	observer->watch_config = config;
	capture_watch(observer->capture, &config);
	return 0;
}

static int follow_start(struct observer *observer, size_t followed)
{
	struct follow_kernel kernel;
	int result = tasks_new(TASKS_LIMIT, &observer->tasks);

	if (result)
		return result;
	capture_follow(observer->capture, &kernel);
	return follow_new(&kernel, followed, &observer->follow);
}

#define FOREIGN_PIDS                                                                          \
	"/proc shows a pid namespace of its own, in which the kernel's ids mean nothing and " \
	"processes would be taken for others; needed is hostPID: true, or --pid=host"

static int start(struct observer *observer, const struct config *config, char *error, size_t size)
{
	const struct connections_host host = { observer, admit, serves, release, noted };
	int result;

	if (!kernel_pids()) {
		snprintf(error, size, "cannot start: %s", FOREIGN_PIDS);
		return -EINVAL;
	}
	result = capture_open(config->backend, &config->limits, on_record, observer,
			      &observer->capture, error, size);
	if (!result) {
		/* What loading took for a moment is free again. */
		memory_limit(config->memory_limit, config->limits.series * CONFIG_SERIES_BYTES,
			     config_scrape_bytes(config));
		result = identities_new(PROCESSES_LIMIT, IDENTITIES_LIMIT, &observer->identities);
	}
	if (!result && config->limits.followed)
		result = follow_start(observer, config->limits.followed);
	if (!result)
		result = connections_new(config->limits.connections,
					 capture_slots(observer->capture), &observer->pipeline,
					 &host, &observer->connections);
	if (!result)
		result = observer_watch(observer, &config->watch);
	return result;
}

int observer_new(const struct config *config, struct observer **ret, char *error, size_t size)
{
	struct observer *observer = calloc(1, sizeof(*observer));
	int result = -ENOMEM;

	snprintf(error, size, "cannot start: %s", strerror(ENOMEM));
	if (!observer)
		return result;
	pipeline_init(&observer->pipeline, config->limits.open_requests);
	observer->drained = clock_now();
	result = start(observer, config, error, size);
	if (result)
		observer_free(observer);
	else
		*ret = observer;
	return result;
}

void observer_free(struct observer *observer)
{
	if (!observer)
		return;
	connections_free(observer->connections);
	for (unsigned int i = 0; i < observer->pipeline.outlet.sink_count; i++)
		observer->pipeline.outlet.sinks[i]->close(observer->pipeline.outlet.sinks[i]);
	follow_free(observer->follow);
	tasks_free(observer->tasks);
	capture_close(observer->capture);
	pipeline_free(&observer->pipeline);
	identities_free(observer->identities);
	watch_free(observer->watch);
	free(observer);
}

int observer_add(struct observer *observer, struct sink *sink)
{
	return outlet_add(&observer->pipeline.outlet, sink);
}

int observer_start(struct observer *observer, char *error, size_t size)
{
	return capture_start(observer->capture, error, size);
}

/* ---- in use ---- */

int observer_fd(const struct observer *observer)
{
	return capture_fd(observer->capture);
}

static void tick(struct observer *observer, uint64_t now)
{
	struct outlet *outlet = &observer->pipeline.outlet;

	observer->ticked = now;
	memory_tick(now);
	connections_tick(observer->connections, now);
	for (unsigned int i = 0; i < outlet->sink_count; i++) {
		if (outlet->sinks[i]->tick)
			outlet->sinks[i]->tick(outlet->sinks[i], now);
	}
}

bool observer_step(struct observer *observer, uint64_t budget)
{
	uint64_t now = clock_now();
	bool more = capture_consume(observer->capture, budget);
	uint64_t reached;

	if (!more)
		observer->drained = now;
	if (observer->follow)
		follow_run(observer->follow, now, FOLLOW_NS);
	/* Time passes up to where all records have been read; behind time, with what was read. */
	reached = more ? observer->read : now;
	if (reached >= observer->ticked + TICK_NS)
		tick(observer, reached);
	return more;
}

void observer_refresh(struct observer *observer, uint64_t budget)
{
	observer_step(observer, budget);
	pipeline_look(&observer->pipeline);
}

bool observer_keeps_up(const struct observer *observer)
{
	return clock_now() - observer->drained < BEHIND_NS;
}

const char *observer_backend(const struct observer *observer)
{
	return capture_backend(observer->capture);
}

int observer_unprobed(const struct observer *observer)
{
	return follow_unprobed(observer->follow);
}

const struct identities *observer_identities(const struct observer *observer)
{
	return observer->identities;
}

const struct tasks *observer_tasks(const struct observer *observer)
{
	return observer->tasks;
}

struct observer_counts observer_counts(const struct observer *observer)
{
	struct observer_counts counts = {
		.connections = connections_counts(observer->connections),
		.identities = identity_counts(observer->identities),
		.pipeline = &observer->pipeline,
		.follow = observer->follow,
		.told = observer->told,
	};

	capture_losses(observer->capture, counts.losses);
	return counts;
}
