/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data's way, put together: capture -> connections -> pipeline -> sinks. Knows which processes
 * are watched and who they are; does no I/O but the capture's.
 */
#ifndef ONLOOKER_OBSERVER_H
#define ONLOOKER_OBSERVER_H

#include <stdbool.h>

#include "capture/capture.h"
#include "capture/identity.h"
#include "config.h"
#include "stream/connections.h"
#include "task/tasks.h"

struct observer;
struct follow;

/* What an observer knows of itself. */
struct observer_counts {
	struct connections_counts connections;
	struct identity_counts identities;
	const struct pipeline *pipeline;
	const struct follow *follow; /* NULL, like observer_tasks(): logical tasks are not wanted */
	uint64_t told;		     /* records of tasks */
	uint64_t losses[CAPTURE_LOSSES]; /* by enum loss_reason and enum capture_loss */
};

/*
 * Makes ready to observe as `config` says (not kept). -errno: `error` is one line for the user.
 * observer_free() ends it.
 */
int observer_new(const struct config *config, struct observer **ret, char *error, size_t size);
void observer_free(struct observer *observer);

/* Adds a sink, which is closed with the observer. -ENOSPC. */
int observer_add(struct observer *observer, struct sink *sink);

/* Begins, once its sinks are there. -errno: `error` is one line for the user. */
int observer_start(struct observer *observer, char *error, size_t size);

/* Takes the watch rules of another configuration. 0 or -ENOMEM: the old ones stay. */
int observer_watch(struct observer *observer, const struct config_watch *rules);

/* Wakes up while records come in fast; edge-triggered, capture.h. */
int observer_fd(const struct observer *observer);

/*
 * Takes what has come in, for at most `budget` ns, and lets time pass. Call it when the descriptor
 * is readable, and some ten times a second. True: more is waiting.
 */
bool observer_step(struct observer *observer, uint64_t budget);

/* The same, and what the kernel side would tell only later: for somebody who looks now. */
void observer_refresh(struct observer *observer, uint64_t budget);

/* Whether all that came in was read at some moment of the last ten seconds. */
bool observer_keeps_up(const struct observer *observer);

const char *observer_backend(const struct observer *observer);
const struct identities *observer_identities(const struct observer *observer);

/* Why no probe can be set, where limits.followed is not 0: follow_unprobed(). */
int observer_unprobed(const struct observer *observer);

/* NULL where limits.followed is 0. */
const struct tasks *observer_tasks(const struct observer *observer);
struct observer_counts observer_counts(const struct observer *observer);

#endif
