/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints the logical task of each call that moves a marked text ("ZID17Z") on watched ports, and of
 * each answer of the server: what test_tasks.py compares with the truth.
 *
 * usage: tasks SERVER-PORT PORT...		until SIGTERM. CONFINED=1: as the daemon, with
 *						privileges given up; GROUP: a cgroup alone
 *
 *	c CONNECTION PROCESS RX|TX LOCAL REMOTE TIME TASK ROOT MARK ANCESTOR...
 *	f FOLLOWED WAITING			at each change
 *	e LOST TOLD EVICTED			at the end
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/capture.h"
#include "capture/follow.h"
#include "capture/watch.h"
#include "confine.h"
#include "log.h"
#include "privileges.h"
#include "task/tasks.h"
#include "util/clock.h"

#define CONNECTIONS 8192

struct seen {
	uint32_t generation;
	uint16_t local, remote;
	uint64_t since; /* first byte of the request under way */
	bool answered;
	long mark;
};

static struct capture *capture;
static struct follow *follow;
static struct tasks *tasks;
static struct watch *watch;
static struct watch_config config;
static struct seen connections[CONNECTIONS];
static uint16_t server_port;
static uint64_t told;
static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
	(void)number;
	stopped = 1;
}

static long find_mark(const struct event_data *data)
{
	const uint8_t *at = data->bytes, *end = at + data->captured;

	while (at < end && (at = memmem(at, (size_t)(end - at), "ZID", 3))) {
		at += 3;
		if (at < end && *at >= '0' && *at <= '9')
			return strtol((const char *)at, NULL, 10);
	}
	return -1;
}

static void on_data(const struct event_data *data)
{
	struct seen *seen = &connections[data->head.slot % CONNECTIONS];
	bool sent = data->head.direction == DIRECTION_TX;
	uint64_t task = data->head.task, root = task;
	const uint64_t *ancestors = tasks_ancestors(tasks, data->head.tgid, task);
	bool serves = seen->local == server_port;
	long mark = find_mark(data);

	if (seen->generation != data->head.generation)
		return;
	if (serves && !sent && (seen->answered || !seen->since)) {
		seen->since = data->head.time;
		seen->answered = false;
	}
	if (serves && sent) {
		seen->answered = true;
		root = task_root(tasks, data->head.tgid, task, seen->since);
	}
	if (!serves && mark < 0)
		return;
	printf("c %u.%u %u %s %u %u %llu %llx %llx %ld", data->head.slot, data->head.generation,
	       data->head.tgid, sent ? "TX" : "RX", seen->local, seen->remote,
	       (unsigned long long)data->head.time, (unsigned long long)task,
	       (unsigned long long)root, mark);
	for (int i = 0; ancestors && i < EVENT_ANCESTORS && ancestors[i]; i++)
		printf(" %llx", (unsigned long long)ancestors[i]);
	printf("\n");
}

static void on_process(const struct event_process *process)
{
	struct process_key key = { .process = process->process, .tgid = process->head.tgid };
	struct process_watch verdict = watch_judge(watch, key.tgid, process);

	capture_judge(capture, &key, &verdict);
	if (watch_decides(&config, verdict.bits, 0, 0, true))
		follow_process(follow, key.tgid, key.process);
}

static void on_record(void *context, const struct event_head *record, size_t size)
{
	const struct event_open *open = (const struct event_open *)record;

	(void)context;
	(void)size;
	switch (record->kind) {
	case EVENT_PROCESS:
		on_process((const struct event_process *)record);
		break;
	case EVENT_TASK:
		told++;
		tasks_told(tasks, (const struct event_task *)record);
		break;
	case EVENT_OPEN:
		connections[record->slot % CONNECTIONS] =
			(struct seen){ .generation = record->generation,
				       .local = open->local_port,
				       .remote = open->remote_port };
		break;
	case EVENT_DATA:
		on_data((const struct event_data *)record);
		break;
	case EVENT_CLOSE:
		capture_release(capture, record->slot);
		break;
	}
}

static void show_followed(void)
{
	static size_t shown, shown_waiting;
	struct follow_counts counts = follow_counts(follow);
	size_t followed = counts.followed[FOLLOW_PYTHON] + counts.followed[FOLLOW_GO];

	if (followed == shown && counts.waiting == shown_waiting)
		return;
	shown = followed;
	shown_waiting = counts.waiting;
	printf("f %zu %zu\n", followed, counts.waiting);
	fflush(stdout);
}

static void run(void)
{
	uint64_t losses[CAPTURE_LOSSES], lost = 0;

	while (!stopped) {
		poll(NULL, 0, 2);
		while (capture_consume(capture, NSEC_PER_SEC))
			;
		follow_run(follow, clock_now(), 2 * NSEC_PER_MSEC);
		show_followed();
	}
	while (capture_consume(capture, NSEC_PER_SEC))
		;
	capture_losses(capture, losses);
	for (int i = 0; i < CAPTURE_LOSSES; i++)
		lost += losses[i];
	printf("e %llu %llu %llu\n", (unsigned long long)lost, (unsigned long long)told,
	       (unsigned long long)tasks_counts(tasks).evicted);
}

static int start(int ports, char **port, char *error, size_t size)
{
	struct config_limits limits = { .connections = CONNECTIONS,
					.ring_bytes = 64 << 20,
					.followed = FOLLOW_LIMIT };
	struct config_watch entries = { .count = 0 };
	struct follow_kernel kernel;
	int result;

	for (int i = 0; i < ports; i++)
		entries.entries[entries.count++] =
			(struct config_watch_entry){ .port = (uint16_t)atoi(port[i]),
						     .cgroup = getenv("GROUP") };
	server_port = entries.entries[0].port;
	result = capture_open(BACKEND_AUTO, &limits, on_record, NULL, &capture, error, size);
	if (result)
		return result;
	capture_follow(capture, &kernel);
	if (follow_new(&kernel, FOLLOW_LIMIT, &follow) || tasks_new(TASKS_LIMIT, &tasks) ||
	    watch_compile(&entries, 1, &watch, &config))
		return -ENOMEM;
	capture_watch(capture, &config);
	return capture_start(capture, error, size);
}

int main(int argc, char **argv)
{
	char error[1024] = "";
	uint64_t kept;

	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	log_set_level(LOG_LEVEL_DEBUG);
	if (argc < 2 || start(argc - 1, argv + 1, error, sizeof(error))) {
		fprintf(stderr, "tasks: %s\n", error);
		return 1;
	}
	if (getenv("CONFINED")) {
		privileges_reduce(privileges_for_probes(), &kept);
		confine(true);
	}
	printf("r\n");
	fflush(stdout);
	run();
	follow_free(follow);
	tasks_free(tasks);
	watch_free(watch);
	capture_close(capture);
	return 0;
}
