/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the program says of itself. Whoever owns the figures writes them at each scrape:
 *
 *	self_family(writer, "onlooker_events_total", SELF_COUNTER, "Events read, by kind.");
 *	self_value(writer, events, "kind", "data", NULL);
 */
#ifndef ONLOOKER_SELF_H
#define ONLOOKER_SELF_H

#include <stddef.h>
#include <stdint.h>

struct self_writer;

enum self_type {
	SELF_COUNTER,
	SELF_GAUGE,
};

/* Called at each scrape, on the event-loop thread. */
typedef void (*self_collect)(void *context, struct self_writer *writer);

/* Begins a metric; each name once a scrape. A counter's name ends in _total, help has no quotes. */
void self_family(struct self_writer *writer, const char *name, enum self_type type,
		 const char *help);

/* A value of the metric begun last, with pairs of label name and value; NULL ends them. */
void self_value(struct self_writer *writer, double value, ...) __attribute__((sentinel));

/* A value for each name, as the value of that one label. */
void self_values(struct self_writer *writer, const char *label, const char *const *names,
		 const uint64_t *values, size_t count);

/* Which version this is (onlooker_build_info). */
void self_write_build(struct self_writer *writer);

/* What the kernel says of this process (process_*, as all Prometheus clients name them). */
void self_write_process(struct self_writer *writer);

#endif
