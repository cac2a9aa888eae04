/* SPDX-License-Identifier: GPL-2.0 */
/* Records into the ring buffer. Each is written where it was reserved: no scratch, no second copy.
 */
#ifndef ONLOOKER_BPF_EMIT_H
#define ONLOOKER_BPF_EMIT_H

/* Rooms for bytes: with the headers, the ring's own of 8 included, they fill whole cache lines. */
#define ROOMS(each)                                                                                \
	each(48) each(112) each(176) each(304) each(432) each(688) each(944) each(1456) each(1968) \
		each(2992) each(4016) each(6064) each(8112) each(12208)
#define CAPTURE_MOST 16304

/*
 * The reader looks by itself every few milliseconds; it is woken only while much is coming in: by
 * the record that crosses a boundary of the ring's memory. A pointer becomes a number only by way
 * of memory, and a count of the bytes would be one more line that all processors write.
 */
static __always_inline u64 wake_flag(struct event_head *head, u32 size)
{
	u64 time = head->time, begin;

	*(volatile u64 *)&head->time = (u64)head;
	begin = *(volatile u64 *)&head->time;
	head->time = time;
	return begin >> wake_shift == (begin + size) >> wake_shift ? BPF_RB_NO_WAKEUP :
								     BPF_RB_FORCE_WAKEUP;
}

/* A record of `size` bytes (a constant) or NULL; the loss is counted. */
static __always_inline void *ring_reserve(u32 size)
{
	void *record = bpf_ringbuf_reserve(&ring, size, 0);

	if (!record)
		count_loss(LOSS_RING);
	return record;
}

static __always_inline void ring_submit(void *record, u32 size, bool hurry)
{
	u64 flag = wake_flag(record, size);

	bpf_ringbuf_submit(record, hurry ? BPF_RB_FORCE_WAKEUP : flag);
}

static __always_inline void head_fill(struct event_head *head, u8 kind, u32 slot, u32 generation,
				      u32 tgid, u64 time)
{
	head->time = time;
	head->task = 0;
	head->slot = slot;
	head->generation = generation;
	head->tgid = tgid;
	head->kind = kind;
	head->direction = 0;
	head->layer = LAYER_SOCKET;
	head->flags = 0;
}

static __always_inline u64 task_now(u64 id); /* task.h */

/* Tells of the call that read last, along with a record that is being written. */
static __always_inline void read_tell(struct event_read *read, struct read_note *note, u64 time)
{
	u64 ago, waited;

	read->position = read->moved = read->ago = read->waited = 0;
	if (!note || !note->moved)
		return;
	ago = time - note->time;
	/* Another thread has read meanwhile: the next record tells of it. */
	if ((s64)ago < 0)
		return;
	waited = note->time - note->arrival;
	read->moved = note->moved;
	note->moved = 0;
	read->position = note->position;
	read->ago = ago < EVENT_AGES ? ago : EVENT_AGES;
	read->waited = note->arrival && waited < EVENT_AGES ? waited : EVENT_AGES;
}

#define PACK(high, low) ((u64)(u32)(high) << 32 | (u32)(low))
#define HIGH(packed) ((u32)((packed) >> 32))
#define LOW(packed) ((u32)(packed))

#define RESERVE_DATA(room)                                                       \
	do {                                                                     \
		size = sizeof(*event) + (room);                                  \
		event = ring_reserve(sizeof(*event) + (room));                   \
		if (!event)                                                      \
			return 0;                                                \
		asm volatile("" : "+r"(want)); /* the bound is lost above */     \
		if (want > (room))                                               \
			want = (room);                                           \
		error = bpf_probe_read_user(event->bytes, want, (void *)buffer); \
	} while (0)

#define OR_RESERVE(room)            \
	else if (want <= (room))    \
	{                           \
		RESERVE_DATA(room); \
	}

/* The low half of position_meta. */
#define META_DIRECTION 1 /* enum event_direction */
#define META_GIANT 2	 /* emit_buffer(): only the ends of a large buffer */
#define META_HURRY 4	 /* the reader should look at once */
#define META_NOTED 8	 /* the call is the one that was noted */
#define META_FLAGS 15
#define META_LOSS(reason) ((reason) << 4)

/*
 * One contiguous range of a stream. A global function of scalars: verified once by itself, whatever
 * loop calls it. moved_want: bytes moved, and of them the bytes to capture at `buffer`.
 * position_meta: position, and META_* with the reason why want is less than moved.
 */
__attribute__((noinline)) int emit_data(u64 buffer, u64 moved_want, u64 slot_generation,
					u64 position_meta, u64 instant)
{
	struct event_data *event = NULL;
	u32 want = LOW(moved_want), meta = LOW(position_meta), slot = HIGH(slot_generation);
	bool sent = meta & META_DIRECTION && instant;
	struct read_note *note = bpf_map_lookup_elem(&by_slot, &slot);
	long error = 0;
	u64 id = bpf_get_current_pid_tgid();
	u64 task = task_now(id);
	u32 size;

	asm volatile("" : "+r"(want));
	if (want == 0) {
		size = sizeof(*event);
		event = ring_reserve(sizeof(*event));
		if (!event)
			return 0;
	}
	ROOMS(OR_RESERVE)
	else
	{
		RESERVE_DATA(CAPTURE_MOST);
	}
	head_fill(&event->head, EVENT_DATA, slot, LOW(slot_generation), id >> 32,
		  sent			    ? instant :
		  meta & META_NOTED && note ? note->time :
					      bpf_ktime_get_ns());
	event->head.task = meta & META_NOTED ? 0 : task;
	event->head.direction = meta & META_DIRECTION;
	event->instant = instant;
	event->position = HIGH(position_meta);
	event->moved = HIGH(moved_want);
	event->captured = error ? 0 : want;
	event->loss = error ? LOSS_FAULT : meta / META_LOSS(1);
	read_tell(&event->read, meta & META_DIRECTION ? note : NULL, event->head.time);
	ring_submit(event, size, meta & META_HURRY);
	return 0;
}

/* The call that was noted, if one was, gets a record of its own. Global: verified by itself. */
__attribute__((noinline)) int note_end(u64 slot_generation)
{
	u32 slot = HIGH(slot_generation);
	struct read_note *note = bpf_map_lookup_elem(&by_slot, &slot);
	u32 moved;

	if (!note || !note->moved)
		return 0;
	moved = note->moved;
	emit_data(0, PACK(moved, 0), slot_generation,
		  PACK(note->position, META_LOSS(LOSS_LIMIT) | META_NOTED), note->arrival);
	note->moved = 0;
	return 0;
}

#endif
