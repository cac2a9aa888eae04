/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/record.h"

#include "stream/duet.h"
#include "stream/phase.h"

/* The bytes are relayed, sooner or later; only midway it matters that they are not there yet. */
static bool is_told_twice(const struct entry *entry, unsigned int direction,
			  const struct chunk *chunk)
{
	return entry->relayed && !entry->conversation.duet && direction == DIRECTION_RX &&
	       !chunk->bytes.size && entry->conversation.phase == PHASE_SPEAKING;
}

void record_feed(struct entry *entry, struct pipeline *pipeline, unsigned int direction,
		 const struct chunk *chunk)
{
	if (is_told_twice(entry, direction, chunk))
		return;
	if (entry->conversation.duet)
		duet_feed(entry, pipeline, direction, chunk);
	else
		conversation_feed(&entry->conversation, pipeline, direction, chunk);
}

/* Nothing comes before its connection; what the kernel side knows by its ticks only, may seem to.
 */
static uint64_t not_before(const struct entry *entry, uint64_t instant)
{
	uint64_t established = entry->conversation.connection.established;

	return instant < established ? established : instant;
}

static void tell_times(const struct entry *entry, const struct event_data *data,
		       struct chunk *chunk)
{
	uint64_t instant = data->instant;

	if (!instant || instant > chunk->time)
		return;
	instant = not_before(entry, instant);
	if ((data->head.direction & 1) == DIRECTION_RX)
		chunk->arrival = instant;
	else
		chunk->time = instant;
}

static void reach(struct entry *entry, unsigned int direction, uint64_t end)
{
	if (end > entry->edge[direction])
		entry->edge[direction] = end;
}

static void take_reading(struct entry *entry, struct pipeline *pipeline, uint32_t position,
			 struct chunk *chunk)
{
	chunk->position = entry_widen(entry, DIRECTION_RX, position);
	if (chunk->arrival)
		chunk->arrival = not_before(entry, chunk->arrival);
	reach(entry, DIRECTION_RX, chunk->position + chunk->moved);
	record_feed(entry, pipeline, DIRECTION_RX, chunk);
}

void record_note(struct entry *entry, struct pipeline *pipeline, const struct read_note *note)
{
	struct chunk chunk = {
		.time = note->time,
		.arrival = note->arrival,
		.moved = note->moved,
		.loss = LOSS_LIMIT,
	};

	take_reading(entry, pipeline, note->position, &chunk);
}

/* A call that read before this one, and is told along. One that is too old was found by look(). */
static void on_reading(struct entry *entry, struct pipeline *pipeline,
		       const struct event_head *head, const struct event_read *read)
{
	struct chunk chunk = {
		.time = head->time - read->ago,
		.task = head->task,
		.moved = read->moved,
		.loss = LOSS_LIMIT,
	};

	if (!read->moved)
		return;
	if (read->ago == EVENT_AGES && !entry->conversation.duet) {
		reach(entry, DIRECTION_RX,
		      entry_widen(entry, DIRECTION_RX, read->position) + read->moved);
		return;
	}
	if (read->ago == EVENT_AGES)
		chunk.time = 0;
	else if (read->waited != EVENT_AGES)
		chunk.arrival = chunk.time - read->waited;
	take_reading(entry, pipeline, read->position, &chunk);
}

/*
 * A server's end that was part of a duet reads on by length alone until it sees the verdict: what
 * is sent to it is taken in place of that, as in the duet. Its own record, or its note, comes
 * before its answer: a request that is told of only after that is passed over, since its answer may
 * have been taken for another's.
 */
static void relay(struct entry *reader, struct pipeline *pipeline, const struct event_data *data,
		  const struct chunk *sent)
{
	struct conversation *c = reader ? &reader->conversation : NULL;
	struct chunk chunk = *sent;

	if (!reader || !reader->relayed || sent->loss || reader->conversation.duet)
		return;
	chunk.position = entry_widen(reader, DIRECTION_RX, data->position);
	chunk.task = 0;
	chunk.hopped = 0;
	if (chunk.time < c->moved_at && c->phase == PHASE_SPEAKING)
		phase_midway(c, pipeline);
	record_feed(reader, pipeline, DIRECTION_RX, &chunk);
}

/* A hop has ended, at a head behind the one it began at or not. */
static void learn_hop(struct entry *entry, unsigned int direction, bool moved)
{
	if (moved)
		entry->vain[direction] = 0;
	else if (entry->vain[direction] < UINT8_MAX)
		entry->vain[direction]++;
}

void record_data(struct entry *entry, struct pipeline *pipeline, const struct event_data *data)
{
	unsigned int direction = data->head.direction & 1;
	struct chunk chunk = {
		.position = entry_widen(entry, direction, data->position),
		.time = data->head.time,
		.task = data->head.task,
		.moved = data->moved,
		.loss = data->loss,
		.bytes = { data->bytes, data->captured },
		.hopped = data->head.flags & EVENT_HOPPED ? entry->told_until[direction] : 0,
	};

	if (chunk.hopped)
		learn_hop(entry, direction, chunk.position > chunk.hopped);
	on_reading(entry, pipeline, &data->head, &data->read);
	tell_times(entry, data, &chunk);
	reach(entry, direction, chunk.position + chunk.moved);
	record_feed(entry, pipeline, direction, &chunk);
	if (direction == DIRECTION_TX)
		relay(entry->twin.other, pipeline, data, &chunk);
	else if (data->captured)
		entry->relayed = false;
}
