/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which trace an observation is of: OpenMetrics 1.0, "Exemplars". A histogram's bucket has at most
 * one, that of the newest exchange of a trace that was kept.
 *
 *	trace kept --> shown -+- a newer one in the bucket
 *	                      +- EXEMPLARS_NS old: whoever scrapes has it by now
 *	                      '- no room: the oldest of all goes
 */
#ifndef ONLOOKER_EXEMPLARS_H
#define ONLOOKER_EXEMPLARS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "span.h"
#include "util/clock.h"
#include "util/list.h"

#define EXEMPLARS_NS (600 * NSEC_PER_SEC)

struct series;

struct exemplar {
	struct exemplar *next; /* the series' next, by bucket */
	struct series *series;
	struct list age;
	uint64_t duration; /* ns */
	uint64_t end;	   /* of the exchange: CLOCK_MONOTONIC ns */
	uint64_t stamp;	   /* the same, ms since 1970 */
	uint64_t span;
	uint8_t trace[SPAN_TRACE_SIZE];
	unsigned int bucket;
};

struct exemplars;

/* Room for `limit` of them, taken at once as MEMORY_FIXED. 0 or -ENOMEM. */
int exemplars_new(size_t limit, struct exemplars **ret);

/* The series that have some may be gone. */
void exemplars_free(struct exemplars *exemplars);

/*
 * The series shows this in `bucket`, unless what it shows there is newer. Of `what` are read
 * duration, end, span and trace.
 */
void exemplars_put(struct exemplars *exemplars, struct series *series, unsigned int bucket,
		   const struct exemplar *what);

/* Forgets those that are too old at `now`, CLOCK_MONOTONIC ns. */
void exemplars_expire(struct exemplars *exemplars, uint64_t now);

/* How many are shown. */
size_t exemplars_count(const struct exemplars *exemplars);

#endif
