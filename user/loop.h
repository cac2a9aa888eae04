/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop: one thread, one epoll set, a beat some twenty times a second. */
#ifndef ONLOOKER_LOOP_H
#define ONLOOKER_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#define LOOP_SOURCES 8

/* What the loop calls; `context` is the source's. */
struct loop_source {
	int fd; /* -1: has none, only the beat */
	void *context;
	void (*ready)(void *context); /* the descriptor is readable; NULL with fd -1 */
	void (*beat)(void *context);  /* LOOP_BEAT_MS have passed; may be NULL */
	bool edge; /* called once for each wake-up, not as long as it is readable */
};

#define LOOP_BEAT_MS 50

struct loop;

/* 0 or -errno; loop_free() ends it. */
int loop_new(struct loop **ret);
void loop_free(struct loop *loop);

/* Adds a source, which is copied; its descriptor stays the caller's. 0 or -errno. */
int loop_add(struct loop *loop, const struct loop_source *source);

/* Turns until loop_stop(). 0 or -errno. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

#endif
