/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which processes' logical tasks are told (event.h, task_way), and how that comes about: at a
 * process's first sight, and again while what is sought is not there yet.
 *
 *	seen --> neither CPython nor Go, or it cannot be: forgotten, with a reason in the log
 *	  '----> WAITING --- found and verified, probes set ---> FOLLOWED --- process over ---> gone
 *	             ^-------- does not hold any more ------------'
 *
 * Probes are each process's own and go with it, or with the observer. Event-loop thread only.
 */
#ifndef ONLOOKER_FOLLOW_H
#define ONLOOKER_FOLLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/refusals.h"

#define FOLLOW_LIMIT 1024

/* The kernel side's part, owned by the capture. */
struct follow_kernel {
	int ways, places; /* the maps task_ways, with room for `limit`, and task_places */
	int copied, made, put, got, written; /* programs; -1 where this machine has none */
};

enum follow_runtime {
	FOLLOW_PYTHON,
	FOLLOW_GO,
	FOLLOW_RUNTIMES,
};

struct follow_counts {
	size_t followed[FOLLOW_RUNTIMES], waiting, probes; /* now */
	uint64_t refused[REFUSALS];			   /* processes */
};

struct follow;

/*
 * A table for `limit` processes, each with up to seven descriptors: their limit is raised. 0 or
 * -ENOMEM; follow_free() ends it, and takes every probe away.
 */
int follow_new(const struct follow_kernel *kernel, size_t limit, struct follow **ret);
void follow_free(struct follow *follow);

/* What probe_check() said when the table was made, for the caller to tell: 0 or -errno. */
int follow_unprobed(const struct follow *follow);

/* A watched process was seen for the first time; `process` is its start stamp. */
void follow_process(struct follow *follow, uint32_t tgid, uint64_t process);

/*
 * Does what is due at `now`, ns, for about `budget` ns: looks into processes (milliseconds each,
 * the first one whatever the budget), lets go of those that are over. Call every few milliseconds.
 */
void follow_run(struct follow *follow, uint64_t now, uint64_t budget);

struct follow_counts follow_counts(const struct follow *follow);

#endif
