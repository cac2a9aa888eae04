/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/verdict.h"

#include "stream/duet.h"
#include "stream/phase.h"

#define SKIP_LEAST 16384     /* a shorter skip is not worth telling */
#define SKIP_MOST (1U << 30) /* positions in the verdict wrap */
#define SEARCH_TRIES 64	     /* midway: from then on only the beginnings of calls are looked at */
#define SEARCH_BYTES 1024

/*
 * Up to where the bytes of a direction are of no interest, as this end numbers them. In a duet what
 * is read may lie behind what is parsed: only where the skip has been reached it matters.
 */
static uint64_t skipped(const struct entry *entry, unsigned int direction)
{
	const struct conversation *c = &entry->conversation;
	const struct duet *duet = c->duet;
	const struct flow *flow;
	uint64_t offset = 0;

	if (!duet || duet_outlived(c))
		return conversation_skips(c, direction);
	if (!duet->server)
		return 0;
	flow = &c->flows[direction];
	if (c->phase == PHASE_FOLLOWED) {
		flow = &duet->server->flows[!direction];
		offset = duet->offset[lane_of(c, direction)];
	}
	if (flow->parsed <= flow->next || flow->parsed >= USED_TO_END ||
	    entry->edge[direction] + offset < flow->next)
		return 0;
	return flow->parsed - offset;
}

static void tell_skip(struct entry *entry, struct slot *slot, unsigned int direction)
{
	uint64_t edge = entry->edge[direction];
	uint64_t until = skipped(entry, direction);

	if (until >= edge + SKIP_LEAST) {
		if (until > edge + SKIP_MOST)
			until = edge + SKIP_MOST;
		slot->until[direction] = entry_narrow(entry, direction, until);
		__atomic_store_n(&slot->skipping[direction], 1, __ATOMIC_RELEASE);
		entry->told_skip[direction] = entry->hurry_paid = true;
	} else if (entry->told_skip[direction]) {
		__atomic_store_n(&slot->skipping[direction], 0, __ATOMIC_RELAXED);
		entry->told_skip[direction] = false;
	}
}

/* Nothing is under way: the next large call may begin a body. */
static bool at_ease(const struct conversation *c)
{
	if (c->phase == PHASE_FOLLOWED && c->duet->server)
		c = c->duet->server;
	return !c->pair.waiting.count;
}

/* How many bytes of each call are wanted. What is read was sent by the other end of a duet. */
static uint32_t limit_of(const struct conversation *c, unsigned int direction)
{
	if (c->duet && c->duet->server && direction == DIRECTION_RX)
		return 0;
	return conversation_searches(c, SEARCH_TRIES) ? SEARCH_BYTES : UINT32_MAX;
}

void verdict_tell(struct entry *entry, struct slot *slot)
{
	const struct conversation *c = &entry->conversation;

	if (conversation_deaf(c)) {
		slot->ignore = 1;
		return;
	}
	if (slot->hurried && entry->hurry_paid && at_ease(c)) {
		entry->hurry_paid = false;
		slot->hurried = 0;
	}
	for (unsigned int i = 0; i < 2; i++) {
		uint32_t limit = limit_of(c, i);

		tell_skip(entry, slot, i);
		if (slot->limit[i] != limit)
			slot->limit[i] = limit;
	}
}
