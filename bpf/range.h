/* SPDX-License-Identifier: GPL-2.0 */
/* A range of a stream's bytes, from the caller's buffers into records. */
#ifndef ONLOOKER_BPF_RANGE_H
#define ONLOOKER_BPF_RANGE_H

#define BUFFERS 1024	   /* IOV_MAX: all that a call can have */
#define RECORDS 256	   /* for one buffer */
#define GIANT (512 * 1024) /* a call of many buffers that would crowd the ring */
#define SAMPLE 4016	   /* of each end of its large buffers: bodies mostly are buffers */

/* A range of one direction, about to be reported. */
struct range {
	u64 slot_generation;
	u64 instant; /* see struct event_data */
	u32 position;
	u32 moved;
	u32 direction;
	u32 meta; /* META_*, no loss */
	u32 want; /* bytes to capture, at most */
	u32 skip; /* bytes at the beginning that nobody wants */
};

/*
 * Global functions of scalars, each verified once by itself. Before 6.3 or so every branch in a
 * loop that does not leave it makes the verifier follow the rest of the loop anew: the loops below
 * have none.
 */
__attribute__((noinline)) u64 lesser(u64 a, u64 b)
{
	return a < b ? a : b;
}

/*
 * One buffer's part of a stream: whole records, and a last one that says what else was moved.
 * As emit_data(), but of any size, and the reason is found here.
 */
__attribute__((noinline)) int emit_buffer(u64 buffer, u64 moved_want, u64 slot_generation,
					  u64 position_meta, u64 instant)
{
	u32 moved = HIGH(moved_want), want = LOW(moved_want);
	u32 position = HIGH(position_meta), meta = LOW(position_meta);
	bool giant = meta & META_GIANT && want > CAPTURE_MOST;
	u32 piece = giant ? SAMPLE : CAPTURE_MOST;
	u32 records = giant ? 1 : RECORDS;
	u32 loss;

	if (!moved)
		return 0;
	for (u32 i = 0; i < RECORDS && i < records && want > piece; i++) {
		emit_data(buffer, PACK(piece, piece), slot_generation, PACK(position, meta),
			  instant);
		buffer += piece;
		position += piece;
		moved -= piece;
		want -= piece;
	}
	/* Too long: the middle by length. What follows a large body lies at the end. */
	if (want > piece) {
		u32 middle = want - piece;

		emit_data(0, PACK(middle, 0), slot_generation,
			  PACK(position, META_LOSS(LOSS_LONG) | meta), instant);
		buffer += middle;
		position += middle;
		moved -= middle;
		want = piece;
	}
	loss = want < moved ? LOSS_LIMIT : LOSS_NONE;
	emit_data(buffer, PACK(moved, want), slot_generation,
		  PACK(position, META_LOSS(loss) | meta), instant);
	return 0;
}

static __always_inline void range_emit(struct range *range, u32 size, u32 loss)
{
	emit_data(0, PACK(size, 0), range->slot_generation,
		  PACK(range->position, META_LOSS(loss) | range->meta), range->instant);
}

/* The verifier knows nothing of what a global function returns. */
__attribute__((noinline)) u64 unknown(u64 value)
{
	asm volatile("" : "+r"(value));
	return value;
}

/* However the range came about, it looks the same: the loop behind is followed once, not per way.
 */
static __always_inline void range_forget(struct range *range, struct buffers *from)
{
	range->slot_generation = unknown(range->slot_generation);
	range->instant = unknown(range->instant);
	range->position = unknown(range->position);
	range->moved = unknown(range->moved);
	range->want = unknown(range->want);
	range->skip = unknown(range->skip);
	range->meta = unknown(range->meta) & META_FLAGS;
	from->base = unknown(from->base);
	from->count = unknown(from->count);
}

/* Captures the part of the range that lies in one buffer of `size` bytes. */
static __always_inline void range_buffer(struct range *range, u64 buffer, u64 size)
{
	u32 taken = lesser(size, range->moved);
	u32 skip = lesser(range->skip, taken);
	u32 told = taken - skip;
	u32 want = lesser(range->want, told);

	emit_buffer(buffer + skip, PACK(told, want), range->slot_generation,
		    PACK(range->position + skip, range->meta), range->instant);
	range->skip -= skip;
	range->want -= want;
	range->position += taken;
	range->moved -= taken;
}

/* Captures from the caller's buffers, in order; what is left at the end goes by length. */
static __always_inline void range_capture(struct range *range, struct buffers *from)
{
	struct iovec piece;

	if (!from->count) {
		range_buffer(range, from->base, range->moved);
		return;
	}
	if (from->count > 1 && range->moved > GIANT)
		range->meta |= META_GIANT;
	range_forget(range, from);
	for (u32 i = 0; i < BUFFERS && i < from->count && range->moved && range->want; i++) {
		if (bpf_probe_read_user(&piece, sizeof(piece),
					(void *)(from->base + i * sizeof(piece)))) {
			range_emit(range, range->moved, LOSS_FAULT);
			return;
		}
		range_buffer(range, (u64)piece.iov_base, piece.iov_len);
	}
	if (range->moved)
		range_emit(range, range->moved, range->want ? LOSS_LONG : LOSS_LIMIT);
}

#endif
