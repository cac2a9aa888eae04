/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ways by which the kernel side tells logical tasks (event.h, struct task_way): each at a place
 * of its own, found by the process's number modulo TASK_PLACES.
 *
 *	task_places[number] -> task_ways[place] -next-> task_ways[another place]
 */
#ifndef ONLOOKER_WAYS_H
#define ONLOOKER_WAYS_H

#include <stdbool.h>
#include <stddef.h>

#include "event.h"

struct ways;

/* `ways` and `places` are the maps' descriptors, the first with room for `limit`. 0 or -ENOMEM. */
int ways_new(int ways, int places, size_t limit, struct ways **ret);

/* The kernel side keeps what is set. */
void ways_free(struct ways *ways);

/* Puts a way in force, its `tgid` being set, or puts another one of the same process in its place.
 * `next` is ignored. -errno.
 */
int ways_set(struct ways *ways, size_t place, const struct task_way *way);

/* Takes it back, if there is one. */
void ways_clear(struct ways *ways, size_t place);

/* Whether the kernel side has found that it does not lead to what it should. */
bool ways_broken(const struct ways *ways, size_t place);

#endif
