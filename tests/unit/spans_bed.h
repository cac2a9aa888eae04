/* SPDX-License-Identifier: Apache-2.0 */
/* A sink of spans with made-up exchanges before it and an exporter behind it that remembers. */
#ifndef ONLOOKER_SPANS_BED_H
#define ONLOOKER_SPANS_BED_H

#include "details.h"
#include "sink/spans.h"
#include "traffic.h"

#define BED_SPANS 512
#define MS NSEC_PER_MSEC
#define BED_BORN(time) ((uint64_t)TASK_BORN << TASK_BITS | (time))
#define BED_OBJECT(address) ((uint64_t)TASK_OBJECT << TASK_BITS | (address))

/* A span as it was pushed, with what its texts said. */
struct bed_span {
	struct span span;
	char name[128];
	char text[SPAN_KEYS][128]; /* by key; numbers as text; "" where there is none */
};

extern struct config bed_config;
extern struct spans *bed;
extern struct tasks *bed_tasks;
extern struct metrics *bed_metrics; /* told of each exchange before; NULL, as at first: none are */
extern struct bed_span bed_spans[BED_SPANS];
extern size_t bed_count;

/* As cmocka's setup and teardown: always_on, and 1 s as what is slow. */
int bed_begin(void **state);
int bed_end(void **state);

/* The same with another sampler. */
void bed_again(enum config_sampler sampler, double ratio, uint64_t slow);

/* Lets time pass up to `now`. */
void bed_tick(uint64_t now);

/* Who speaks: process `tgid` to `peer`. Lives until the end of the test. */
struct connection *bed_connection(const struct protocol *protocol, enum side side, uint32_t tgid);

/* A request from `begin` to `end`, read and answered by these tasks. */
void bed_request(const struct connection *connection, const char *path, uint64_t begin,
		 uint64_t end, uint64_t reader, uint64_t answer);
void bed_call(const struct connection *connection, const char *operation, uint64_t begin,
	      uint64_t end, uint64_t task);

/* What the next exchange has beside: cleared by it. */
extern struct exchange bed_next;

/* A task's ancestors, its parent first. */
void bed_tell(uint32_t tgid, uint64_t task, const uint64_t *ancestors);
#define BED_TELL(tgid, task, ...) bed_tell(tgid, task, (const uint64_t[]){ __VA_ARGS__, 0 })

/* The only span with this name; fails the test where there are none or several. */
const struct bed_span *bed_find(const char *name);

/* All that may be waited for is over, and nothing is kept. */
void bed_settle(void);

/* Spans by name: in one trace, one below the other; or the first one of its trace. */
void bed_assert_child(const char *child, const char *parent);
void bed_assert_root(const char *name);

/* What a traceparent of these says: all bytes of the trace's id, the last one of the parent's. */
struct details bed_header(uint8_t trace, uint8_t parent, uint8_t flags);

#endif
