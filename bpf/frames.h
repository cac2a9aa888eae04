/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Frames that user space does not want, such as rows, and whose lengths only they themselves tell.
 * Where a skip (slot.until) ends at the head of one of those kinds (slot.hop), it is moved on from
 * head to head, and nothing is told of the calls. A frame is a byte of kind, four of length, the
 * most significant first, which count themselves, and its body.
 *
 *	until|-- frame --|-- frame --|-- fra	until moves on
 *	me --|-- frame --|he			the head's first bytes are kept: struct cut
 *	ad --|-- frame --|-- of another kind	EVENT_HOPPED, and from that head on all as ever
 */
#ifndef ONLOOKER_BPF_FRAMES_H
#define ONLOOKER_BPF_FRAMES_H

#define FRAME_LONGEST (1ULL << 28) /* longer ones are skipped by their length */
#define FAR_BITS 28		   /* user space hears of where the skip is before positions wrap */
#define FRAMES_STOP (1ULL << 63)   /* at a head that is none to hop over */
#define WINDOWS 512		   /* for one call */

/* A frame's size, 0 where it is none to hop over: its branches leave frames_walk()'s loop. */
static __always_inline u64 frame_size(u64 head, u32 kinds)
{
	u32 other = ((head ^ kinds) & 0xff) * ((head ^ kinds >> 8) & 0xff);
	u64 length = __builtin_bswap32((u32)(head >> 8));

	if (other)
		return 0;
	return length - 4 <= FRAME_LONGEST ? 1 + length : 0;
}

/*
 * Hops within one window of the caller's memory. How far, with FRAMES_STOP where that is the end of
 * it. Another program that preempts this one may use the window, too: its owner tells.
 */
__attribute__((noinline)) u64 frames_walk(u64 buffer, u64 left, u64 kinds)
{
	u64 id = bpf_get_current_pid_tgid(), at = 0, size;
	u32 index = 0, have = lesser(left, WINDOW);
	struct window *window = bpf_map_lookup_elem(&windows, &index);

	asm volatile("" : "+r"(have));
	if (!window || have > WINDOW)
		return FRAMES_STOP;
	window->owner = id;
	if (bpf_probe_read_user(window->bytes, have, (void *)buffer))
		return FRAMES_STOP;
	for (u32 i = 0; i < WINDOW / 8 && at + FRAME_HEAD <= have; i++) {
		size = frame_size(*(u64 *)(window->bytes + (at & (WINDOW - 1))), kinds);
		if (!size) {
			at |= FRAMES_STOP;
			break;
		}
		at += size;
	}
	asm volatile("" ::: "memory");
	return window->owner == id ? at : FRAMES_STOP;
}

/* Hops over the frames at `buffer`, of which `left` bytes are there. As frames_walk(). */
__attribute__((noinline)) u64 frames_hop(u64 buffer, u64 left, u64 kinds)
{
	u64 at = 0, walked;

	for (u32 i = 0; i < WINDOWS; i++) {
		if (at + FRAME_HEAD > left)
			return at;
		walked = frames_walk(buffer + at, left - at, kinds);
		at += walked & ~FRAMES_STOP;
		if (walked & FRAMES_STOP)
			break;
	}
	return at | FRAMES_STOP;
}

/* Tells where the hop ended: position and how many bytes of the head there were kept, if any. */
__attribute__((noinline)) int hop_tell(u64 slot_generation, u64 position_size, u64 bytes_direction,
				       u64 instant)
{
	u32 direction = LOW(bytes_direction);
	u64 id = bpf_get_current_pid_tgid(), task = task_now(id);
	struct event_data *event = ring_reserve(sizeof(*event) + 48);

	if (!event)
		return 0;
	__builtin_memset(event, 0, sizeof(*event) + 48);
	head_fill(&event->head, EVENT_DATA, HIGH(slot_generation), LOW(slot_generation), id >> 32,
		  direction == DIRECTION_TX && instant ? instant : bpf_ktime_get_ns());
	event->head.task = task;
	event->head.direction = direction;
	event->head.flags = EVENT_HOPPED;
	event->instant = instant;
	event->position = HIGH(position_size);
	event->moved = event->captured = LOW(position_size);
	*(u32 *)event->bytes = HIGH(bytes_direction);
	ring_submit(event, sizeof(*event) + 48, false);
	return 0;
}

/* Whether the call begins in the middle of that head, at `until`, which began in the one before. */
static __always_inline bool cut_goes_on(const struct cut *cut, u32 until, u32 position)
{
	return cut->size && cut->at == until && until + cut->size == position;
}

/* A call that reaches a skip's end; `buffer` holds its bytes, 0 where they are not at hand. */
struct hop {
	u64 buffer;
	u32 position, moved;
	u32 kinds;
};

/* The size of the frame whose head began in the call before, 0 where it is none to hop over. */
static __always_inline u64 cut_size(const struct cut *cut, const struct hop *hop)
{
	u32 kept = cut->size & 7, lacks = FRAME_HEAD - kept;
	u64 rest = 0;

	if (!hop->buffer || lacks > 4 || hop->moved < lacks ||
	    bpf_probe_read_user(&rest, lacks, (void *)hop->buffer))
		return 0;
	return frame_size(cut->bytes | rest << kept * 8, hop->kinds);
}

/* Keeps the few bytes at the call's end that are the begin of a head. */
static __always_inline bool cut_keep(struct cut *cut, const struct hop *hop, u64 offset)
{
	u64 bytes = 0, size = hop->moved - offset;

	if (size > 4 || bpf_probe_read_user(&bytes, size, (void *)(hop->buffer + offset)))
		return false;
	cut->at = hop->position + offset;
	cut->bytes = bytes;
	cut->size = size;
	return true;
}

/*
 * From head to head. True: up to the call's end, or beyond. Else `*offset` is the head at which it
 * ends, or that head began in the call before, and `cut` has what there was of it.
 */
static __always_inline bool hop_on(const struct hop *hop, struct cut *cut, u32 until, u64 *offset)
{
	u64 hopped = FRAMES_STOP, size;

	*offset = (u32)(until - hop->position);
	if (cut_goes_on(cut, until, hop->position)) {
		size = cut_size(cut, hop);
		*offset = size ? size - cut->size : 0;
		if (!size)
			return false;
	}
	cut->size = 0;
	if (*offset < hop->moved && hop->buffer) {
		hopped = frames_hop(hop->buffer + *offset, hop->moved - *offset, hop->kinds);
		*offset += hopped & ~FRAMES_STOP;
	}
	return *offset >= hop->moved || (!(hopped & FRAMES_STOP) && cut_keep(cut, hop, *offset));
}

#define HOP_ALL (~0ULL) /* nothing of the call is wanted */

/*
 * A call that reaches a skip's end, which is a head. HOP_ALL, or how many bytes at its begin are
 * not wanted: where frames cannot be hopped over any more, all is told from the next head on.
 */
__attribute__((noinline)) u64 hop_over(u64 slot_generation, u64 position_moved, u64 direction,
				       u64 instant, u64 buffer)
{
	struct hop hop = { buffer, HIGH(position_moved), LOW(position_moved), 0 };
	u32 index = HIGH(slot_generation), until, next;
	struct slot *slot = bpf_map_lookup_elem(&slots, &index);
	struct carried *carried = bpf_map_lookup_elem(&by_slot, &index);
	struct cut *cut;
	u64 offset;
	bool all;

	direction &= 1;
	if (!slot || !carried)
		return 0;
	cut = &carried->cut[direction];
	hop.kinds = slot->hop[direction][0] | slot->hop[direction][1] << 8;
	until = slot->until[direction];
	if ((s32)(until - hop.position) < 0 && !cut_goes_on(cut, until, hop.position)) {
		slot->skipping[direction] = 0; /* it was told too late */
		return 0;
	}
	if (cut->far)
		hop.buffer = 0;
	all = hop_on(&hop, cut, until, &offset);
	next = !all && cut->size ? until : hop.position + (u32)offset;
	slot->until[direction] = next;
	if (all) {
		cut->far |= until >> FAR_BITS != next >> FAR_BITS;
		return HOP_ALL;
	}
	slot->skipping[direction] = 0;
	hop_tell(slot_generation, PACK(next, cut->size), PACK(cut->bytes, direction), instant);
	cut->size = cut->far = 0;
	return offset;
}

#endif
