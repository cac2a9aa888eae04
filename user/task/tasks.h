/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From whom logical tasks descend (event.h), as far as records have told: enough to say which
 * request of a process a query belongs to.
 *
 *	accepts connections -- reads a request -- handles it -+- queries
 *	   (born before)        (born before)   (root)       '- gathers -- queries
 *
 * The root of a request is the oldest of its answer's ancestors that was born after the request
 * came in; whatever descends from the root meanwhile was done for it.
 */
#ifndef ONLOOKER_TASKS_H
#define ONLOOKER_TASKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event.h"

#define TASKS_LIMIT 8192

struct tasks;

struct tasks_counts {
	size_t known;
	uint64_t evicted; /* forgotten for lack of room, the one told of longest ago first */
};

/* A table for `limit` tasks (at least 1), 168 bytes each. 0 or -ENOMEM; tasks_free() ends it. */
int tasks_new(size_t limit, struct tasks **ret);
void tasks_free(struct tasks *tasks);

/* Takes a record of the kernel side. */
void tasks_told(struct tasks *tasks, const struct event_task *event);

/*
 * The ancestors of a task, its parent first, ended by 0 or by their number EVENT_ANCESTORS; NULL
 * where none were told of. Good until the next record.
 */
const uint64_t *tasks_ancestors(const struct tasks *tasks, uint32_t tgid, uint64_t task);

/*
 * The oldest of the task and its ancestors that was born at `since`, ns, or later; the task itself
 * where none was, or nothing is known of it.
 */
uint64_t task_root(const struct tasks *tasks, uint32_t tgid, uint64_t task, uint64_t since);

/* Whether the task is `root` or descends from it. */
bool task_within(const struct tasks *tasks, uint32_t tgid, uint64_t task, uint64_t root);

struct tasks_counts tasks_counts(const struct tasks *tasks);

#endif
