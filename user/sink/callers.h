/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests and calls whose other end is on this node, too, and has not been told of yet: by the
 * number that both ends of a connection give to an exchange. Either may be told of first.
 */
#ifndef ONLOOKER_CALLERS_H
#define ONLOOKER_CALLERS_H

#include "sink/node.h"

#define CALLERS_BUCKETS 4096 /* a power of two */

struct callers {
	struct node *buckets[CALLERS_BUCKETS];
};

/* The node waits for the other end's with its number `both`, until one of these takes it. */
void callers_await(struct callers *callers, struct node *node);
void callers_give_up(struct callers *callers, struct node *node);

/* The node of that kind and number, which waits no more; or NULL. */
struct node *callers_take(struct callers *callers, uint64_t both, enum span_kind kind);

#endif
