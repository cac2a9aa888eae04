/* SPDX-License-Identifier: GPL-2.0 */
/* Records into the ring buffer. Each is written where it was reserved: no scratch, no second copy.
 */
#ifndef ONLOOKER_BPF_EMIT_H
#define ONLOOKER_BPF_EMIT_H

/* Data classes: with the ring's own header of 8 bytes they fill whole cache lines. */
#define CAPTURE_MOST 16320

/* The reader looks by itself every few milliseconds; it is woken only while much is coming in. */
static __always_inline u64 wake_flag(u32 size)
{
	u64 before = ring_bytes;
	u64 after = before + size;

	ring_bytes = after;
	return before >> wake_shift == after >> wake_shift ? BPF_RB_NO_WAKEUP : BPF_RB_FORCE_WAKEUP;
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
	u64 flag = wake_flag(size);

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

/* The low half of position_meta. */
#define META_DIRECTION 1 /* enum event_direction */
#define META_GIANT 2	 /* emit_buffer(): only the ends of a large buffer */
#define META_HURRY 4	 /* the reader should look at once */
#define META_FLAGS 7
#define META_LOSS(reason) ((reason) << 3)

/*
 * One contiguous range of a stream. A global function of scalars: verified once by itself, whatever
 * loop calls it. moved_want: bytes moved, and of them the bytes to capture at `buffer`.
 * position_meta: position, and META_* with the reason why want is less than moved.
 */
__attribute__((noinline)) int emit_data(u64 buffer, u64 moved_want, u64 slot_generation,
					u64 position_meta, u64 instant)
{
	struct event_data *event = NULL;
	u32 want = LOW(moved_want), meta = LOW(position_meta);
	bool sent = meta & META_DIRECTION && instant;
	long error = 0;
	u64 task = bpf_get_current_pid_tgid();
	u32 size;

	asm volatile("" : "+r"(want));
	if (want == 0) {
		size = sizeof(*event);
		event = ring_reserve(sizeof(*event));
		if (!event)
			return 0;
	} else if (want <= 64) {
		RESERVE_DATA(64);
	} else if (want <= 128) {
		RESERVE_DATA(128);
	} else if (want <= 192) {
		RESERVE_DATA(192);
	} else if (want <= 320) {
		RESERVE_DATA(320);
	} else if (want <= 448) {
		RESERVE_DATA(448);
	} else if (want <= 704) {
		RESERVE_DATA(704);
	} else if (want <= 960) {
		RESERVE_DATA(960);
	} else if (want <= 1472) {
		RESERVE_DATA(1472);
	} else if (want <= 1984) {
		RESERVE_DATA(1984);
	} else if (want <= 3008) {
		RESERVE_DATA(3008);
	} else if (want <= 4032) {
		RESERVE_DATA(4032);
	} else if (want <= 6080) {
		RESERVE_DATA(6080);
	} else if (want <= 8128) {
		RESERVE_DATA(8128);
	} else if (want <= 12224) {
		RESERVE_DATA(12224);
	} else {
		RESERVE_DATA(CAPTURE_MOST);
	}
	head_fill(&event->head, EVENT_DATA, HIGH(slot_generation), LOW(slot_generation), task >> 32,
		  sent ? instant : bpf_ktime_get_ns());
	event->head.task = LOW(task);
	event->head.direction = meta & META_DIRECTION;
	event->instant = instant;
	event->position = HIGH(position_meta);
	event->moved = HIGH(moved_want);
	event->captured = error ? 0 : want;
	event->loss = error ? LOSS_FAULT : meta / META_LOSS(1);
	ring_submit(event, size, meta & META_HURRY);
	return 0;
}

#endif
