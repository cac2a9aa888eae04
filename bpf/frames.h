/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Frames (frame.h) that user space does not want, such as rows, and whose lengths only they
 * themselves tell. Where a skip (slot.until) ends at the head of one of those kinds (slot.hop), it
 * is moved on from head to head, and nothing is told of the calls.
 *
 *	until|-- frame --|-- frame --|-- fra	until moves on
 *	me --|-- frame --|he			the head's first bytes are kept: struct cut
 *	ad --|-- frame --|-- of another kind	EVENT_HOPPED, and from that head on all as ever
 */
#ifndef ONLOOKER_BPF_FRAMES_H
#define ONLOOKER_BPF_FRAMES_H

#define FAR_BITS 28		 /* user space hears of where the skip is before positions wrap */
#define FRAMES_STOP (1ULL << 63) /* at a head that is none to hop over */
#define WINDOWS 512		 /* for one buffer */
#define WINDOW_LINES 16		 /* frames in a window that begin with a line */
#define PIECES 16		 /* buffers of one call */

static __always_inline u64 window_walk(const struct window *window, u32 have, u32 kinds, bool lines)
{
	u64 at = 0, size;
	const u8 *head;

	for (u32 i = 0; i < (lines ? WINDOW_LINES : WINDOW / 8) && at < have; i++) {
		head = window->bytes + (at & (WINDOW - 1));
		size = frame_size((struct head){ *(u64 *)head, *(u64 *)(head + 8) }, have - at,
				  kinds, lines);
		if (size <= FRAME_CUT) {
			at |= size == FRAME_CUT ? 0 : FRAMES_STOP;
			break;
		}
		at += size;
	}
	return at;
}

static __always_inline bool by_lines(u32 kinds)
{
	return (kinds & 0xff) == FRAME_LINES;
}

/*
 * Hops within one window of the caller's memory. How far, with FRAMES_STOP where that is the end of
 * it. Another program that preempts this one may use the window, too: its owner tells.
 */
__attribute__((noinline)) u64 frames_walk(u64 buffer, u64 left, u64 kinds)
{
	u64 id = bpf_get_current_pid_tgid(), at;
	u32 index = 0, have = lesser(left, WINDOW);
	struct window *window = bpf_map_lookup_elem(&windows, &index);

	asm volatile("" : "+r"(have));
	if (!window || have > WINDOW)
		return FRAMES_STOP;
	window->owner = id;
	if (bpf_probe_read_user(window->bytes, have, (void *)buffer))
		return FRAMES_STOP;
	at = by_lines(kinds) ? window_walk(window, have, kinds, true) :
			       window_walk(window, have, kinds, false);
	asm volatile("" ::: "memory");
	return window->owner == id ? at : FRAMES_STOP;
}

/* Hops over the frames at `buffer`, of which `left` bytes are there. As frames_walk(). */
static __always_inline u64 frames_hop(u64 buffer, u64 left, u64 kinds)
{
	u64 at = 0, walked;

	for (u32 i = 0; i < WINDOWS; i++) {
		if (at >= left)
			return at;
		walked = frames_walk(buffer + at, left - at, kinds);
		at += walked & ~FRAMES_STOP;
		if (!walked)
			return at;
		if (walked & FRAMES_STOP)
			break;
	}
	return at | FRAMES_STOP;
}

/* Whether the call begins in the middle of that head, at `until`, which began in the one before. */
static __always_inline bool cut_goes_on(const struct cut *cut, u32 until, u32 position)
{
	return cut->size && cut->at == until && until + cut->size == position;
}

/* A buffer that reaches a skip's end: 0 where its bytes are not at hand. */
struct hop {
	u64 buffer;
	u32 position, moved;
	u32 kinds;
};

/* The size of the frame whose head began in the buffer before, or FRAME_*. Not on deeper stacks. */
static __noinline u64 cut_size(const struct cut *cut, u64 buffer, u32 moved, u32 kinds)
{
	u32 bits = 8 * (cut->size & 7), more = lesser(moved, LINES_HEAD);
	struct head rest = { 0, 0 };

	asm volatile("" : "+r"(more));
	if (!buffer || more > LINES_HEAD || bpf_probe_read_user(&rest, more, (void *)buffer))
		return FRAME_NONE;
	rest.high = rest.high << bits | rest.low >> 1 >> (63 - bits);
	rest.low = cut->bytes | rest.low << bits;
	more = lesser(more + (cut->size & 7), sizeof(rest));
	return frame_size(rest, more, kinds, by_lines(kinds));
}

/* Keeps the few bytes at the buffer's end that are the begin of a head. */
static __always_inline bool cut_keep(struct cut *cut, const struct hop *hop, u64 offset)
{
	u64 bytes = 0, size = hop->moved - offset;

	if (size > FRAME_CUT_MOST ||
	    bpf_probe_read_user(&bytes, size, (void *)(hop->buffer + offset)))
		return false;
	cut->at = hop->position + offset;
	cut->bytes = bytes;
	cut->size = size;
	return true;
}

/*
 * From head to head. True: up to the buffer's end, or beyond. Else `*offset` is the head at which
 * it ends, or that head began in the buffer before, and `cut` has what there was of it.
 */
static __always_inline bool hop_on(const struct hop *hop, struct cut *cut, u32 until, u64 *offset)
{
	u64 hopped = FRAMES_STOP, size;

	*offset = (u32)(until - hop->position);
	if (cut_goes_on(cut, until, hop->position)) {
		size = cut_size(cut, hop->buffer, hop->moved, hop->kinds);
		*offset = size <= FRAME_CUT ? 0 : size - cut->size;
		if (size <= FRAME_CUT)
			return false;
	}
	cut->size = 0;
	if (*offset < hop->moved && hop->buffer) {
		hopped = frames_hop(hop->buffer + *offset, hop->moved - *offset, hop->kinds);
		*offset += hopped & ~FRAMES_STOP;
	}
	return *offset >= hop->moved || (!(hopped & FRAMES_STOP) && cut_keep(cut, hop, *offset));
}

#define HOP_ALL (~0ULL)	 /* nothing is wanted */
#define HOP_LATE (~1ULL) /* it was told too late */
#define HOP_BLIND 2	 /* with the direction: the bytes are not at hand */

/*
 * A buffer of a call, in order, that may reach a skip's end, which is a head. HOP_ALL, HOP_LATE, or
 * how many bytes at its begin are not wanted: there the hop has ended, at the head that slot->until
 * tells.
 */
__attribute__((noinline)) u64 hop_piece(u64 slot_direction, u64 position_moved, u64 buffer)
{
	struct hop hop = { buffer, HIGH(position_moved), LOW(position_moved), 0 };
	u32 index = HIGH(slot_direction), direction = LOW(slot_direction) & 1, until, next;
	struct slot *slot = bpf_map_lookup_elem(&slots, &index);
	struct carried *carried = bpf_map_lookup_elem(&by_slot, &index);
	struct cut *cut;
	u64 offset;
	bool all;

	if (!slot || !carried)
		return HOP_LATE;
	cut = &carried->cut[direction];
	until = slot->until[direction];
	if (!hop.moved || (s32)(hop.position + hop.moved - until) < 0)
		return HOP_ALL;
	if ((s32)(until - hop.position) < 0 && !cut_goes_on(cut, until, hop.position))
		return HOP_LATE;
	if (cut->far)
		hop.buffer = 0;
	hop.kinds = slot->hop[direction][0] | slot->hop[direction][1] << 8;
	all = hop_on(&hop, cut, until, &offset);
	next = !all && cut->size ? until : hop.position + (u32)offset;
	slot->until[direction] = next;
	if (!all)
		return offset;
	cut->far |= until >> FAR_BITS != next >> FAR_BITS;
	return HOP_ALL;
}

/*
 * All buffers of a call that reaches a skip's end, which is a head. As hop_piece(); but for HOP_ALL
 * hop_end() is to be called.
 */
__attribute__((noinline)) u64 hop_over(u64 slot_direction, u64 position_moved)
{
	u32 position = HIGH(position_moved), moved = LOW(position_moved), done = 0, size;
	struct buffers from = { 0 };
	struct iovec piece;
	u64 hopped;

	if (!(slot_direction & HOP_BLIND))
		buffers_peek(slot_direction & DIRECTION_TX, &from);
	for (u32 i = 0; i < PIECES && i < from.count && done < moved; i++) {
		if (bpf_probe_read_user(&piece, sizeof(piece),
					(void *)(from.base + i * sizeof(piece))))
			break;
		size = lesser(piece.iov_len, moved - done);
		hopped =
			hop_piece(slot_direction, PACK(position + done, size), (u64)piece.iov_base);
		if (hopped != HOP_ALL)
			return done + hopped; /* late only where nothing is done */
		done += size;
	}
	if (done >= moved)
		return HOP_ALL;
	hopped = hop_piece(slot_direction, PACK(position + done, moved - done),
			   from.count ? 0 : from.base);
	return hopped == HOP_ALL ? HOP_ALL : done + hopped;
}

/*
 * Frames cannot be hopped over any more: tells where that was, and how many bytes of the head there
 * were kept, if any. How many bytes of the call are not wanted: all is told from there on.
 */
__attribute__((noinline)) u64 hop_end(u64 slot_generation, u64 direction, u64 instant, u64 hopped)
{
	u64 id = bpf_get_current_pid_tgid(), task = task_now(id);
	u32 index = HIGH(slot_generation);
	struct slot *slot = bpf_map_lookup_elem(&slots, &index);
	struct carried *carried = bpf_map_lookup_elem(&by_slot, &index);
	struct event_data *event;
	struct cut *cut;

	direction &= 1;
	if (!slot || !carried)
		return 0;
	cut = &carried->cut[direction];
	slot->skipping[direction] = 0;
	if (hopped == HOP_LATE)
		return 0;
	event = ring_reserve(sizeof(*event) + 48);
	if (event) {
		__builtin_memset(event, 0, sizeof(*event) + 48);
		head_fill(&event->head, EVENT_DATA, index, LOW(slot_generation), id >> 32,
			  direction == DIRECTION_TX && instant ? instant : bpf_ktime_get_ns());
		event->head.task = task;
		event->head.direction = direction;
		event->head.flags = EVENT_HOPPED;
		event->instant = instant;
		event->position = slot->until[direction];
		event->moved = event->captured = cut->size;
		*(u64 *)event->bytes = cut->bytes;
		ring_submit(event, sizeof(*event) + 48, false);
	}
	cut->size = cut->far = 0;
	return hopped;
}

#endif
