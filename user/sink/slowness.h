/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which requests are slow for their endpoint: slower than 99 of 100, in the long run. For each
 * service and route durations are counted in steps of a quarter of their size; from time to time
 * the counts are halved, so that they follow what changes. Slow is what lies in a step above the
 * one that holds the 99th hundredth: at most one in a hundred, and none where all take equally
 * long.
 */
#ifndef ONLOOKER_SLOWNESS_H
#define ONLOOKER_SLOWNESS_H

#include <stdbool.h>
#include <stdint.h>

#define SLOWNESS_LIMIT 1024 /* endpoints; a power of two */

struct slowness;

/* 0 or -ENOMEM. */
int slowness_new(struct slowness **ret);
void slowness_free(struct slowness *slowness);

/* Counts a duration, ns, of an endpoint; whether it is slow, which only many can tell. */
bool slowness_count(struct slowness *slowness, uint32_t identity, uint32_t endpoint,
		    uint64_t duration);

#endif
