/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests whose caller is on this node, too, and has not been told of yet: by the number that both
 * ends of a connection give to an exchange.
 */
#ifndef ONLOOKER_CALLERS_H
#define ONLOOKER_CALLERS_H

#include "sink/node.h"

#define CALLERS_BUCKETS 4096 /* a power of two */

struct callers {
	struct node *buckets[CALLERS_BUCKETS];
};

/* The request waits for the call with its number `both`, until one of these takes it. */
void callers_await(struct callers *callers, struct node *request);
struct node *callers_take(struct callers *callers, uint64_t both); /* NULL: none waits for it */
struct node *callers_find(struct callers *callers, uint64_t both); /* the same, but it stays */
void callers_give_up(struct callers *callers, struct node *request);

#endif
