/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/flow.h"

#define BLOCKS_KEPT 64

void flow_memory_init(struct flow_memory *memory)
{
	*memory = (struct flow_memory){ .used = 0 };
	pool_init(&memory->blocks, MEMORY_STREAMS, FLOW_BLOCK, SIZE_MAX, BLOCKS_KEPT);
}

void flow_memory_free(struct flow_memory *memory)
{
	pool_free(&memory->blocks);
}

static void *buffer_take(struct flow_memory *memory, size_t size)
{
	void *buffer;

	if (size <= FLOW_BLOCK) {
		buffer = pool_take(&memory->blocks);
	} else {
		buffer = memory_take(MEMORY_STREAMS, size);
		memory->used += buffer ? size : 0;
		memory->refused += !buffer;
	}
	return buffer;
}

static void buffer_give(struct flow_memory *memory, void *buffer, size_t size)
{
	if (!buffer)
		return;
	if (size <= FLOW_BLOCK) {
		pool_give(&memory->blocks, buffer);
		return;
	}
	memory->used -= size;
	memory_give(MEMORY_STREAMS, buffer, size);
}

static void held_free(struct flow *flow, struct flow_memory *memory)
{
	buffer_give(memory, flow->held, flow->held_room);
	flow->held = NULL;
	flow->held_room = 0;
}

/* Puts the view, followed by `more`, into memory of the lane's own. */
static bool flow_hold(struct flow *flow, struct flow_memory *memory, struct bytes more)
{
	size_t size = flow->view.size + more.size;
	size_t room = FLOW_BLOCK;
	uint8_t *held = flow->held;

	if (held && flow->view.data + size <= held + flow->held_room) {
		if (more.size)
			memcpy((uint8_t *)flow->view.data + flow->view.size, more.data, more.size);
		flow->view.size = size;
		return true;
	}
	while (room < size)
		room *= 2;
	if (!held || room > flow->held_room) {
		held = buffer_take(memory, room);
		if (!held)
			return false;
	} else {
		room = flow->held_room;
	}
	memmove(held, flow->view.data, flow->view.size);
	if (more.size)
		memcpy(held + flow->view.size, more.data, more.size);
	if (held != flow->held)
		held_free(flow, memory);
	flow->held = held;
	flow->held_room = room;
	flow->view = (struct bytes){ held, size };
	return true;
}

static void mark_push(struct flow *flow, uint64_t end, const struct chunk *chunk)
{
	if (flow->mark_count == FLOW_MARKS)
		flow->mark_count--; /* the newest two become one: coarser times, never wrong bytes
				     */
	flow->marks[flow->mark_count++] = (struct mark){
		.end = end,
		.time = chunk->time,
		.arrival = chunk->arrival,
		.task = chunk->task,
	};
}

static void marks_drop(struct flow *flow)
{
	unsigned int gone = 0;

	while (gone < flow->mark_count && flow->marks[gone].end <= flow->parsed)
		gone++;
	if (!gone)
		return;
	flow->mark_count -= gone;
	memmove(flow->marks, flow->marks + gone, flow->mark_count * sizeof(flow->marks[0]));
}

const struct mark *flow_mark(const struct flow *flow, uint64_t position)
{
	for (unsigned int i = 0; i < flow->mark_count; i++) {
		if (position < flow->marks[i].end)
			return &flow->marks[i];
	}
	return flow->mark_count ? &flow->marks[flow->mark_count - 1] : &flow->at;
}

enum flow_take flow_defer(struct flow *flow, struct flow_memory *memory, const struct chunk *chunk)
{
	size_t size = sizeof(struct ahead) + chunk->bytes.size;
	struct ahead **link = &flow->ahead;
	struct ahead *ahead;

	if (flow->ahead_count == FLOW_AHEAD)
		return FLOW_GAP;
	ahead = memory_take(MEMORY_STREAMS, size);
	if (!ahead) {
		memory->refused++;
		return FLOW_GAP;
	}
	memory->used += size;
	ahead->chunk = *chunk;
	ahead->chunk.bytes.data = ahead->copy;
	if (chunk->bytes.size)
		memcpy(ahead->copy, chunk->bytes.data, chunk->bytes.size);
	while (*link && (*link)->chunk.position <= chunk->position)
		link = &(*link)->next;
	ahead->next = *link;
	*link = ahead;
	flow->ahead_count++;
	if (!flow->ahead_since)
		flow->ahead_since = chunk->time;
	return FLOW_NOTHING;
}

enum flow_take flow_take(struct flow *flow, struct flow_memory *memory, const struct chunk *chunk,
			 bool patient)
{
	uint64_t from = chunk->position;
	uint64_t end = chunk->position + chunk->moved;
	struct bytes bytes = chunk->bytes;

	if (!flow->started) {
		flow->started = true;
		flow->next = flow->parsed = chunk->position;
	}
	if (flow_hops(flow, chunk))
		flow->parsed = from;
	if (end <= flow->next)
		return FLOW_NOTHING;
	if (from > flow->next && from > flow->parsed) {
		if (patient)
			return flow_defer(flow, memory, chunk);
		return FLOW_GAP;
	}
	if (flow->parsed > flow->next) /* the skip's last byte may be in this chunk */
		flow->at = (struct mark){ end, chunk->time, chunk->arrival, chunk->task };
	if (from + bytes.size <= flow->parsed || from + bytes.size <= flow->next) {
		/* Nothing here that the parser wants to see; flow_end() settles the rest. */
		if (flow->next < flow->parsed)
			flow->next = end < flow->parsed ? end : flow->parsed;
		return FLOW_TAKEN;
	}
	if (flow->next < flow->parsed)
		flow->next = flow->parsed;
	bytes = bytes_skip(bytes, flow->next - from);
	mark_push(flow, end, chunk);
	if (!flow->view.size) {
		held_free(flow, memory);
		flow->view = bytes;
	} else if (!flow_hold(flow, memory, bytes)) {
		return FLOW_GAP;
	}
	flow->next += bytes.size;
	return FLOW_TAKEN;
}

bool flow_end(struct flow *flow, uint64_t end)
{
	if (end <= flow->next)
		return true;
	if (flow->parsed < end)
		return false;
	flow->next = end;
	return true;
}

void flow_consume(struct flow *flow, size_t used)
{
	if (!used)
		return;
	flow->at = *flow_mark(flow,
			      flow->parsed + (used < flow->view.size ? used : flow->view.size) - 1);
	flow->parsed += used;
	flow->view = bytes_skip(flow->view, used);
	marks_drop(flow);
}

bool flow_keep(struct flow *flow, struct flow_memory *memory)
{
	if (!flow->view.size)
		held_free(flow, memory);
	if (!flow->view.size || flow->held)
		return true;
	return flow_hold(flow, memory, (struct bytes){ NULL, 0 });
}

struct ahead *flow_ahead_pop(struct flow *flow, bool force)
{
	struct ahead *ahead = flow->ahead;

	if (!ahead)
		return NULL;
	if (!force && flow_stuck(flow))
		return NULL;
	flow->ahead = ahead->next;
	flow->ahead_count--;
	flow->ahead_since = flow->ahead ? flow->ahead->chunk.time : 0;
	return ahead;
}

void flow_ahead_free(struct ahead *ahead, struct flow_memory *memory)
{
	if (!ahead)
		return;
	memory->used -= sizeof(*ahead) + ahead->chunk.bytes.size;
	memory_give(MEMORY_STREAMS, ahead, sizeof(*ahead) + ahead->chunk.bytes.size);
}

void flow_restart(struct flow *flow, struct flow_memory *memory, uint64_t position)
{
	held_free(flow, memory);
	flow->view = (struct bytes){ NULL, 0 };
	flow->mark_count = 0;
	flow->next = flow->parsed = position;
	flow->started = true;
}

void flow_reset(struct flow *flow, struct flow_memory *memory)
{
	flow_free(flow, memory);
	memset(flow, 0, sizeof(*flow));
}

void flow_free(struct flow *flow, struct flow_memory *memory)
{
	struct ahead *ahead;

	while ((ahead = flow_ahead_pop(flow, true)))
		flow_ahead_free(ahead, memory);
	held_free(flow, memory);
	flow->view = (struct bytes){ NULL, 0 };
}
