/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel side of one TCP connection both of whose ends are observed: calls become the records
 * that bpf/ makes of them. Verdicts are honoured, a reader of whom only times are wanted is noted.
 *
 *	call --> verdict: skipped, noted, by length or with bytes --> record --> table
 *	                                                     '-- slow: held until the call returns
 */
#ifndef ONLOOKER_TEST_WIRE_H
#define ONLOOKER_TEST_WIRE_H

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "stream/connections.h"

enum wire_who {
	WIRE_CLIENT,
	WIRE_SERVER,
};

struct wire_end {
	uint32_t slot, generation;
	uint32_t at[2];		 /* by direction: the kernel's position of the next byte */
	struct event_data *held; /* of the call that has not returned */
	size_t held_size;
	struct {
		uint32_t at, size; /* bytes of the head that begins there; 0: none */
		uint8_t bytes[FRAME_CUT_MOST];
	} cut[2];   /* by direction */
	bool slow;  /* what it writes next returns late */
	bool loses; /* its next record finds no room in the ring */
};

/* A record that the reader has not come to yet. */
struct wire_late {
	struct wire_late *next;
	void *record;
	size_t size;
};

struct wire {
	struct connections *connections;
	struct slot *slots;
	struct read_note *notes; /* by slot */
	uint16_t family;	 /* 0: AF_INET */
	uint8_t role;		 /* of both ends, where it is not the usual one */
	bool translated;	 /* the client has another address of the server than that itself */
	uint32_t garbled;	 /* added to where the client's end says that it began */
	bool lags;		 /* the reader is behind: records wait for wire_catch_up() */
	struct wire_late *late, **late_end;
	struct wire_end ends[2]; /* by enum wire_who */
};

static inline void wire_put_off(struct wire *wire, void *record, size_t size)
{
	struct wire_late *late = malloc(sizeof(*late));

	*late = (struct wire_late){ NULL, record, size };
	if (!wire->late)
		wire->late_end = &wire->late;
	*wire->late_end = late;
	wire->late_end = &late->next;
}

static inline void wire_deliver(struct wire *wire, struct wire_end *end, void *record, size_t size)
{
	if (!end->loses && wire->lags) {
		wire_put_off(wire, record, size);
		return;
	}
	if (!end->loses)
		connections_event(wire->connections, record, size);
	end->loses = false;
	free(record);
}

/* The reader has come to all. */
static inline void wire_catch_up(struct wire *wire)
{
	struct wire_late *late, *next;

	for (late = wire->late; late; late = next) {
		next = late->next;
		connections_event(wire->connections, late->record, late->size);
		free(late->record);
		free(late);
	}
	wire->late = NULL;
	wire->lags = false;
}

/* read_tell() */
static inline void wire_tell_note(struct event_data *data, struct read_note *note)
{
	uint64_t ago = data->head.time - note->time;
	uint64_t waited = note->time - note->arrival;

	if (!note->moved || (int64_t)ago < 0)
		return;
	data->read.moved = note->moved;
	data->read.position = note->position;
	data->read.ago = ago < EVENT_AGES ? ago : EVENT_AGES;
	data->read.waited = note->arrival && waited < EVENT_AGES ? waited : EVENT_AGES;
	note->moved = 0;
}

/* A slow call returns. */
static inline void wire_return(struct wire *wire, enum wire_who who)
{
	struct wire_end *end = &wire->ends[who];
	struct event_data *data = end->held;

	end->held = NULL;
	if (!data)
		return;
	if (!end->loses)
		wire_tell_note(data, &wire->notes[end->slot]);
	wire_deliver(wire, end, data, end->held_size);
}

/* emit_data() */
static inline void wire_emit_with(struct wire *wire, enum wire_who who,
				  enum event_direction direction, uint64_t time, uint64_t instant,
				  uint32_t position, uint32_t moved, const void *bytes,
				  uint32_t captured, uint8_t flags)
{
	struct wire_end *end = &wire->ends[who];
	size_t size = sizeof(struct event_data) + captured;
	struct event_data *data = malloc(size);

	*data = (struct event_data){
		.head = { .time = time,
			  .task = 1000 + who,
			  .slot = end->slot,
			  .generation = end->generation,
			  .tgid = 100 + who,
			  .kind = EVENT_DATA,
			  .direction = (uint8_t)direction,
			  .flags = flags },
		.instant = instant,
		.position = position,
		.moved = moved,
		.captured = captured,
		.loss = captured < moved ? LOSS_LIMIT : LOSS_NONE,
	};
	if (captured)
		memcpy(data->bytes, bytes, captured);
	if (direction == DIRECTION_TX) {
		wire_return(wire, who);
		end->held = data;
		end->held_size = size;
		if (!end->slow)
			wire_return(wire, who);
	} else {
		wire_deliver(wire, end, data, size);
	}
}

static inline void wire_emit(struct wire *wire, enum wire_who who, enum event_direction direction,
			     uint64_t time, uint64_t instant, uint32_t position, uint32_t moved,
			     const void *bytes, uint32_t captured)
{
	wire_emit_with(wire, who, direction, time, instant, position, moved, bytes, captured, 0);
}

/* note_end() */
static inline void wire_note_end(struct wire *wire, enum wire_who who)
{
	struct read_note *note = &wire->notes[wire->ends[who].slot];

	if (note->moved)
		wire_emit(wire, who, DIRECTION_RX, note->time, note->arrival, note->position,
			  note->moved, NULL, 0);
	note->moved = 0;
}

/* cut_goes_on(): how many bytes of the head at `until` were kept. */
static inline uint32_t wire_kept(const struct wire_end *end, unsigned int direction, uint32_t until,
				 uint32_t position)
{
	uint32_t size = end->cut[direction].size;

	return end->cut[direction].at == until && until + size == position ? size : 0;
}

/* range_skipped(): true: nothing of it is wanted; else how many bytes of it are not. */
static inline bool wire_skipped(const struct wire_end *end, struct slot *slot,
				unsigned int direction, uint32_t position, uint32_t moved,
				bool *hops, uint32_t *want, uint32_t *skip)
{
	uint32_t until = slot->until[direction];
	int32_t beyond = (int32_t)(position + moved - until);

	if (!slot->skipping[direction])
		return false;
	if (beyond < 0)
		return (int32_t)(until - position) > 0;
	*hops = slot->hop[direction][0] &&
		((int32_t)(until - position) >= 0 || wire_kept(end, direction, until, position));
	if (*hops)
		return false;
	slot->skipping[direction] = 0;
	if (beyond == 0)
		*want = 0;
	else if ((int32_t)(until - position) > 0)
		*skip = until - position;
	return false;
}

#define WIRE_LONGEST (1U << 28)
#define WIRE_HEAD 12 /* bytes that tell a frame's size for certain */
#define WIRE_CUT 1

/* A frame whose head is a line, perhaps behind an empty one. */
static inline uint32_t wire_line_frame(const char *head, uint32_t have)
{
	uint32_t at = have >= 2 && !memcmp(head, "\r\n", 2) ? 2 : 0, digits = at;
	uint64_t value = 0;

	for (; at < have && at < digits + 8 && isxdigit((unsigned char)head[at]); at++)
		value = value << 4 |
			(isdigit((unsigned char)head[at]) ? head[at] - '0' :
							    (head[at] | 0x20) - 'a' + 10);
	if (at == have || (at + 1 == have && head[at] == '\r'))
		return WIRE_CUT;
	if (value && value <= WIRE_LONGEST && at > digits && !memcmp(head + at, "\r\n", 2))
		return at + 2 + (uint32_t)value;
	return 0;
}

/*
 * The size of the frame that begins with these bytes: 0 where it is none to hop over, WIRE_CUT
 * where more of them are needed.
 */
static inline uint32_t wire_frame(const uint8_t kinds[2], const char *bytes, uint32_t have)
{
	const uint8_t *head = (const uint8_t *)bytes;
	uint32_t length;

	if (kinds[0] == FRAME_LINES)
		return wire_line_frame(bytes, have);
	if (have < FRAME_HEAD)
		return WIRE_CUT;
	length = (uint32_t)head[1] << 24 | head[2] << 16 | head[3] << 8 | head[4];
	if (head[0] != kinds[0] && head[0] != kinds[1])
		return 0;
	return length >= 4 && length <= 4 + WIRE_LONGEST ? 1 + length : 0;
}

/*
 * hop_over(), but for what is far. True: nothing of it is wanted. The bytes are those kept of a
 * head, if any, and then the call's.
 */
static inline bool wire_hop(struct wire *wire, enum wire_who who, enum event_direction direction,
			    uint64_t time, uint64_t instant, uint32_t position, uint32_t moved,
			    const char *bytes, uint32_t *skip)
{
	struct wire_end *end = &wire->ends[who];
	struct slot *slot = &wire->slots[end->slot];
	uint32_t until = slot->until[direction], size = 0;
	uint32_t kept = wire_kept(end, direction, until, position);
	char head[FRAME_CUT_MOST + WIRE_HEAD];

	end->cut[direction].size = 0;
	for (;;) {
		uint32_t offset = kept ? 0 : until - position, more;

		if (offset >= moved)
			goto nothing;
		more = moved - offset < WIRE_HEAD ? moved - offset : WIRE_HEAD;
		memcpy(head, end->cut[direction].bytes, kept);
		if (bytes) {
			memcpy(head + kept, bytes + offset, more);
			size = wire_frame(slot->hop[direction], head, kept + more);
		}
		if (size == WIRE_CUT && !kept && more <= FRAME_CUT_MOST) {
			end->cut[direction].at = until;
			end->cut[direction].size = more;
			memcpy(end->cut[direction].bytes, head, more);
			goto nothing;
		}
		if (size <= WIRE_CUT)
			break;
		until += size;
		kept = 0;
	}
	slot->until[direction] = until;
	slot->skipping[direction] = 0;
	wire_emit_with(wire, who, direction, time, instant, until, kept, end->cut[direction].bytes,
		       kept, EVENT_HOPPED);
	*skip = kept ? 0 : until - position;
	return false;
nothing:
	slot->until[direction] = until;
	return true;
}

/* socket_io() */
static inline void wire_call(struct wire *wire, enum wire_who who, enum event_direction direction,
			     uint64_t time, uint64_t instant, const char *bytes, uint32_t moved)
{
	struct wire_end *end = &wire->ends[who];
	struct slot *slot = &wire->slots[end->slot];
	uint32_t position = end->at[direction], want = slot->limit[direction], skip = 0;
	bool hops = false;

	end->at[direction] += moved;
	if (!moved || slot->ignore || slot->generation != end->generation ||
	    wire_skipped(end, slot, direction, position, moved, &hops, &want, &skip) ||
	    (hops && wire_hop(wire, who, direction, time, instant, position, moved, bytes, &skip)))
		return;
	if (direction == DIRECTION_RX) {
		wire_note_end(wire, who);
		if (!slot->limit[DIRECTION_RX]) {
			wire->notes[end->slot] =
				(struct read_note){ time, instant, position, moved };
			return;
		}
	}
	if (!want || !bytes)
		wire_emit(wire, who, direction, time, instant, position, moved, NULL, 0);
	else
		wire_emit(wire, who, direction, time, instant, position + skip, moved - skip,
			  bytes + skip, want < moved - skip ? want : moved - skip);
}

/* A call that writes; NULL: its bytes cannot be captured. */
static inline void wire_send(struct wire *wire, enum wire_who who, uint64_t time, const char *bytes,
			     uint32_t moved)
{
	wire_call(wire, who, DIRECTION_TX, time, time, bytes, moved);
}

/* A call that reads what had arrived at `arrival`. */
static inline void wire_receive(struct wire *wire, enum wire_who who, uint64_t time,
				uint64_t arrival, const char *bytes, uint32_t moved)
{
	wire_call(wire, who, DIRECTION_RX, time, arrival, bytes, moved);
}

static inline void wire_name(const struct wire *wire, enum wire_who who, struct event_open *open)
{
	bool server = who == WIRE_SERVER;

	open->inode = wire->ends[who].slot + 1000;
	if (open->family == AF_UNIX) {
		open->peer = server ? wire->ends[WIRE_CLIENT].slot + 1000 : 0;
		memcpy(open->path, "/run/x", 6);
		return;
	}
	open->local_port = server ? 7000 : 50000;
	open->remote_port = server ? 50000 : wire->translated ? 80 : 7000;
	memcpy(open->local, (uint8_t[]){ 10, 0, 0, 1 + server }, 4);
	memcpy(open->remote, (uint8_t[]){ 10, server ? 0 : wire->translated, 0, 2 - server }, 4);
	for (unsigned int i = 0; i < 2; i++)
		open->position[i] = open->begin[i] = wire->ends[who].at[i];
	if (!server)
		open->begin[DIRECTION_TX] += wire->garbled - 1;
}

/* It gets its slot (slot_take()); the positions are for the caller to set before. */
static inline void wire_open(struct wire *wire, enum wire_who who, uint64_t time, uint8_t flags)
{
	struct wire_end *end = &wire->ends[who];
	bool server = who == WIRE_SERVER;
	struct event_open open = {
		.head = { .time = time,
			  .slot = end->slot,
			  .generation = ++end->generation,
			  .tgid = 100 + who,
			  .kind = EVENT_OPEN,
			  .flags = flags },
		.born = flags & EVENT_LATE ? 0 : time,
		.established = flags & EVENT_LATE ? 0 : time,
		.role = wire->role ? wire->role :
			server	   ? ROLE_SERVER :
				     ROLE_CLIENT,
		.family = wire->family ? wire->family : AF_INET,
	};

	wire_name(wire, who, &open);
	wire->slots[end->slot] =
		(struct slot){ .generation = end->generation, .limit = { UINT32_MAX, UINT32_MAX } };
	wire->notes[end->slot].moved = 0;
	end->cut[0].size = end->cut[1].size = 0;
	connections_event(wire->connections, &open.head, sizeof(open));
}

/* emit_close(); of what was sent to it `unread` bytes had arrived. */
static inline void wire_close(struct wire *wire, enum wire_who who, uint64_t time, uint32_t unread,
			      uint8_t flags)
{
	struct wire_end *end = &wire->ends[who];
	struct event_close *close = malloc(sizeof(*close));

	wire_return(wire, who);
	wire->slots[end->slot].closed = end->generation;
	*close = (struct event_close){
		.head = { .time = time,
			  .slot = end->slot,
			  .generation = end->generation,
			  .tgid = 100 + who,
			  .kind = EVENT_CLOSE,
			  .flags = flags },
		.position = { end->at[0], end->at[1] },
		.unread = unread,
		.read = wire->notes[end->slot],
	};
	if (!end->loses)
		wire->notes[end->slot].moved = 0;
	wire_deliver(wire, end, close, sizeof(*close));
}

#endif
