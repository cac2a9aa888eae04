/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/closing.h"

#include "stream/duet.h"
#include "stream/record.h"

/* Whether all was seen, but for `unread` bytes of what came in. */
static bool is_whole(const struct entry *entry, uint64_t unread)
{
	return entry->edge[DIRECTION_RX] + unread >= entry->end[DIRECTION_RX] &&
	       entry->edge[DIRECTION_TX] >= entry->end[DIRECTION_TX] &&
	       duet_whole(entry, entry->end[DIRECTION_RX] - unread);
}

bool closing_whole(const struct entry *entry)
{
	return is_whole(entry, 0);
}

void closing_learn(struct entry *entry, const struct event_close *close)
{
	entry->unread = close->unread;
	entry->end[DIRECTION_RX] =
		entry_widen(entry, DIRECTION_RX, close->position[DIRECTION_RX]) + close->unread;
	entry->end[DIRECTION_TX] = entry_widen(entry, DIRECTION_TX, close->position[DIRECTION_TX]);
}

/* What the kernel side hops over now it does not tell of. */
static void settle_hop(struct entry *entry, struct pipeline *pipeline, const struct slot *slots,
		       unsigned int direction)
{
	const struct slot *slot = &slots[entry->slot];
	struct chunk chunk = {
		.position = entry_widen(entry, direction, slot->until[direction]),
		.time = entry->closed_at,
		.hopped = entry->told_until[direction],
	};

	if (!entry->told_hop[direction] || !slot->skipping[direction] ||
	    slot->generation != entry->generation || chunk.position <= chunk.hopped)
		return;
	record_feed(entry, pipeline, direction, &chunk);
	entry->told_until[direction] = chunk.position;
}

/* The end, but for the begin of a head of which nothing follows. */
static uint64_t known_end(const struct entry *entry, unsigned int direction, uint64_t end)
{
	uint64_t until = entry->told_until[direction];

	return end > until && end - until <= entry_cut_most(entry, direction) ? until : end;
}

/*
 * Bytes that moved without a record (splice() from a socket): their number is known, and in a body
 * that is all one wants.
 */
static void fill_up(struct entry *entry, struct pipeline *pipeline, unsigned int direction,
		    uint64_t end)
{
	struct chunk chunk = {
		.position = entry->edge[direction],
		.time = entry->closed_at,
		.moved = (uint32_t)(end - entry->edge[direction]),
	};

	/* Read at some time; of a duet that is all there is to be known. */
	if (entry->conversation.duet && direction == DIRECTION_RX)
		chunk.time = 0;
	if (end <= entry->edge[direction] || end - entry->edge[direction] > UINT32_MAX)
		return;
	record_feed(entry, pipeline, direction, &chunk);
	entry->edge[direction] = end;
}

bool closing_fill(struct entry *entry, struct pipeline *pipeline, const struct slot *slots)
{
	uint64_t *end = entry->end;

	if (entry->twin.other)
		settle_hop(entry->twin.other, pipeline, slots, DIRECTION_TX);
	settle_hop(entry, pipeline, slots, DIRECTION_RX);
	settle_hop(entry, pipeline, slots, DIRECTION_TX);
	if (end[DIRECTION_RX] != CLOSING_UNKNOWN) {
		end[DIRECTION_RX] =
			known_end(entry, DIRECTION_RX, end[DIRECTION_RX] - entry->unread) +
			entry->unread;
		end[DIRECTION_TX] = known_end(entry, DIRECTION_TX, end[DIRECTION_TX]);
		fill_up(entry, pipeline, DIRECTION_RX, end[DIRECTION_RX] - entry->unread);
		fill_up(entry, pipeline, DIRECTION_TX, end[DIRECTION_TX]);
	}
	return is_whole(entry, entry->unread);
}
