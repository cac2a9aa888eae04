/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/verdict.h"

#include "stream/duet.h"
#include "stream/phase.h"

#define SKIP_LEAST 16384     /* a shorter skip is not worth telling */
#define VAIN_MOST 8	     /* hops that led nowhere, one after the other */
#define SKIP_MOST (1U << 30) /* positions in the verdict wrap */
#define SEARCH_TRIES 64	     /* midway: from then on only the beginnings of calls are looked at */
#define SEARCH_BYTES 1024

static const uint8_t no_kinds[2];

_Static_assert(HOP_LINES == FRAME_LINES, "a protocol's kinds are told as they are");

/* How many bytes of each call are wanted. What is read was sent by the other end of a duet. */
static uint32_t limit_of(const struct conversation *c, unsigned int direction)
{
	if (c->duet && c->duet->server && direction == DIRECTION_RX)
		return 0;
	return conversation_searches(c, SEARCH_TRIES) ? SEARCH_BYTES : UINT32_MAX;
}

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
	if (flow->parsed < flow->next || flow->parsed >= USED_TO_END ||
	    entry->edge[direction] + offset < flow->next)
		return 0;
	return flow->parsed - offset;
}

/* Whose lane it is that goes through a direction of this end; *direction as that numbers it. */
static const struct conversation *speaker(const struct entry *entry, unsigned int *direction)
{
	const struct conversation *c = &entry->conversation;

	if (c->phase != PHASE_FOLLOWED || !c->duet->server)
		return c;
	*direction = !*direction;
	return c->duet->server;
}

static bool among_frames(const struct entry *entry, unsigned int direction)
{
	const struct conversation *c = speaker(entry, &direction);

	return c->inside[direction] == INSIDE_FRAMES;
}

/*
 * The kinds of frames that may follow, untold, where the skip of a direction ends; and how long it
 * must be, at least. Within a message whose frames they are it may be nothing, unless that has been
 * told in vain before: the calls are such that nobody can hop over what they move.
 */
static const uint8_t *hopped(const struct entry *entry, unsigned int direction, uint64_t *least)
{
	bool vain = entry->vain[direction] >= VAIN_MOST;
	const struct conversation *c;
	const uint8_t *kinds;

	*least = SKIP_LEAST;
	if (!limit_of(&entry->conversation, direction))
		return no_kinds;
	c = speaker(entry, &direction);
	if (c->phase != PHASE_SPEAKING || c->doubt || c->pair.muted)
		return no_kinds;
	if (c->unended && lane_of(c, direction) == LANE_REQUEST)
		return no_kinds; /* when it ends is wanted */
	kinds = c->connection.protocol->hop[lane_of(c, direction)];
	if (!kinds[0] ||
	    c->inside[direction] != (kinds[0] == HOP_LINES ? INSIDE_FRAMES : INSIDE_NOTHING))
		return no_kinds;
	*least = kinds[0] == HOP_LINES && !vain ? 0 : 1;
	return kinds;
}

/*
 * Where the skip ends as it did when it was told of, the kernel side may have moved that on: it is
 * not told again, unless it was too late. While calls are under way: whoever is beyond `until`
 * clears the skip, and what is not beyond it has been told of by nobody.
 */
static void write_skip(struct entry *entry, struct slot *slot, unsigned int direction,
		       uint64_t until, const uint8_t *hop)
{
	if (entry->told_skip[direction] && entry->told_until[direction] == until &&
	    slot->skipping[direction])
		return;
	if (memcmp(slot->hop[direction], hop, sizeof(slot->hop[direction])) != 0) {
		__atomic_store_n(&slot->skipping[direction], 0, __ATOMIC_RELEASE);
		memcpy(slot->hop[direction], hop, sizeof(slot->hop[direction]));
	}
	slot->until[direction] = entry_narrow(entry, direction, until);
	__atomic_store_n(&slot->skipping[direction], 1, __ATOMIC_RELEASE);
	entry->told_until[direction] = until;
	entry->told_hop[direction] = hop[0];
	entry->told_skip[direction] = entry->hurry_paid = true;
}

/* A skip whose end has just been reached stays told where the kernel side may hop on from there. */
static void tell_skip(struct entry *entry, struct slot *slot, unsigned int direction)
{
	uint64_t edge = entry->edge[direction];
	uint64_t until = skipped(entry, direction);
	uint64_t least;
	const uint8_t *hop;
	bool reached;

	if (until <= edge && !entry->told_skip[direction] &&
	    (until < edge || !among_frames(entry, direction)))
		return;
	hop = hopped(entry, direction, &least);
	reached = hop[0] && until == edge && until == entry->told_until[direction];
	if (until > edge + SKIP_MOST)
		write_skip(entry, slot, direction, edge + SKIP_MOST, no_kinds);
	else if (until >= edge + least)
		write_skip(entry, slot, direction, until, hop);
	else if (entry->told_skip[direction] && !reached) {
		__atomic_store_n(&slot->skipping[direction], 0, __ATOMIC_RELAXED);
		entry->told_skip[direction] = false;
		entry->told_hop[direction] = 0;
	}
}

/* Nothing is under way: the next large call may begin a body. */
static bool at_ease(const struct conversation *c)
{
	if (c->phase == PHASE_FOLLOWED && c->duet->server)
		c = c->duet->server;
	return !c->pair.waiting.count;
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
