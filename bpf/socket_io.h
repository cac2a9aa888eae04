/* SPDX-License-Identifier: GPL-2.0 */
/* Calls that move bytes: what is told of them. */
#ifndef ONLOOKER_BPF_SOCKET_IO_H
#define ONLOOKER_BPF_SOCKET_IO_H

#define MSG_PEEK 0x2
#define MSG_TRUNC 0x20
#define MSG_ERRQUEUE 0x2000
#define RCV_SHUTDOWN 1
#define BUFFERS 1024	   /* IOV_MAX: all that a call can have */
#define RECORDS 256	   /* for one buffer */
#define GIANT (512 * 1024) /* a call of many buffers that would crowd the ring */
#define SAMPLE 4016	   /* of each end of its large buffers: bodies mostly are buffers */
#define LARGE 4096	   /* a call that may begin a body: the sooner it is skipped the better */

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

/*
 * What user space skips. True: nothing of this range is wanted. The last byte of what is skipped is
 * always reported, for its time.
 */
static __always_inline bool range_skipped(struct range *range, struct slot *slot)
{
	u32 direction = range->direction & 1;
	u32 until = slot->until[direction];
	s32 beyond;

	if (!slot->skipping[direction])
		return false;
	beyond = (s32)(range->position + range->moved - until);
	if (beyond < 0)
		return (s32)(until - range->position) > 0;
	slot->skipping[direction] = 0;
	if (beyond == 0)
		range->want = 0;
	else if ((s32)(until - range->position) > 0)
		range->skip = until - range->position;
	return false;
}

/*
 * When what is read now came in: as tracepoint_ready() noted it. Without that there is the tick of
 * the newest data, which tells only of a longer wait: later ones than a tick ago came just now.
 */
static __always_inline u64 arrival_take(struct conn *conn, struct tcp_sock *tcp)
{
	u64 noted = conn->arrival;
	u32 ticks;

	if (noted)
		conn->arrival = 0;
	if (noted || !tcp)
		return noted;
	ticks = (u32)bpf_jiffies64() - tcp->inet_conn.icsk_ack.lrcvtime;
	return ticks < 2 ? 0 : bpf_ktime_get_ns() - ticks * tick_ns;
}

/* Where the range lies in its stream, and the instant that event_data tells. */
static __always_inline void range_place(struct range *range, struct sock *sk, struct conn *conn,
					u16 family)
{
	struct tcp_sock *tcp;
	u32 end;

	if (family == AF_UNIX) {
		/* Two threads in one direction at once would garble the stream anyway. */
		range->position = conn->position[range->direction & 1];
		conn->position[range->direction & 1] = range->position + range->moved;
		if (range->direction == DIRECTION_RX)
			range->instant = arrival_take(conn, NULL);
		return;
	}
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!tcp)
		return;
	if (range->direction == DIRECTION_TX) {
		range->position = tcp->write_seq - range->moved;
		/* All is sent, not paced: the newest segment left then, before its reader could
		 * run. */
		if (tcp->snd_nxt == tcp->write_seq && tcp->tcp_wstamp_ns <= tcp->tcp_clock_cache)
			range->instant = tcp->tcp_wstamp_ns;
		return;
	}
	end = tcp->copied_seq;
	/* All is read and the FIN was counted along. */
	if (sk->__sk_common.skc_flags & SOCK_DONE_BIT && tcp->rcv_nxt == end)
		end--;
	range->position = end - range->moved;
	range->instant = arrival_take(conn, tcp);
}

/* The other end of a Unix socket is gone, and all it sent is read. */
static __always_inline void unix_ended(struct sock *sk)
{
	struct conn *conn = conn_find(sk);

	if (!conn || conn->slot == SLOT_NONE || conn->closed || !(sk->sk_shutdown & RCV_SHUTDOWN))
		return;
	conn->closed = 1;
	emit_close(conn, conn->position, 0, 0);
}

/*
 * Whether nothing has moved before these positions. Only of a socket that was accepted: of one that
 * connected the SYN was acknowledged along.
 */
static __always_inline bool tcp_at_begin(struct sock *sk, const u32 position[2])
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	u32 fin = sk->sk_shutdown & RCV_SHUTDOWN ? 1 : 0;
	u32 read, sent;

	if (!tcp)
		return false;
	read = tcp->rcv_nxt - (u32)tcp->bytes_received - fin;
	sent = tcp->snd_una - (u32)tcp->bytes_acked;
	/* Else compilers may put the pointer into one condition with the numbers. */
	asm volatile("" : "+r"(read), "+r"(sent));
	return position[DIRECTION_RX] == read && position[DIRECTION_TX] == sent;
}

/*
 * A socket first seen in mid-life; or, since now and then the kernel does not tell that one was
 * accepted, at its first call. A frame of its own: the stacks of all calls together have a limit.
 */
static __noinline struct conn *conn_discover(struct sock *sk, u16 family, u32 direction, u32 moved)
{
	struct conn first = { .slot = SLOT_NONE, .late = late_flags(family) };

	if (family == AF_UNIX) {
		first.inode = inode_of(sk);
	} else if (tcp_positions(sk, first.position)) {
		/* No index: on the stack a compiler makes of it what old verifiers refuse. */
		first.position[DIRECTION_RX] -= direction == DIRECTION_RX ? moved : 0;
		first.position[DIRECTION_TX] -= direction == DIRECTION_RX ? 0 : moved;
		if (tcp_at_begin(sk, first.position)) {
			first.late = 0;
			first.role = ROLE_SERVER;
			first.born = first.established = bpf_ktime_get_ns();
		}
	}
	return conn_meet(sk, &first);
}

/* Now and then the kernel does not tell that connect() is through: this is the first call then. */
static __always_inline void conn_connected(struct sock *sk, struct conn *conn, u32 direction,
					   u32 moved)
{
	if (tcp_positions(sk, conn->position))
		conn->position[direction & 1] -= moved;
}

/* The watched connection that the call was made on, or NULL. */
static __always_inline struct conn *conn_for_call(struct sock *sk, u16 family, u32 direction,
						  u32 moved)
{
	struct conn *conn = conn_find(sk);

	if (conn && !socket_storage && family == AF_UNIX && conn->inode != inode_of(sk)) {
		conn_forget(sk);
		conn = NULL;
	}
	if (!conn) {
		if (!BPF_CORE_READ(sk, sk_socket, file))
			return NULL; /* the kernel's own */
		conn = conn_discover(sk, family, direction, moved);
		if (!conn)
			return NULL;
	}
	if (conn->judged != watch.generation) {
		if (conn->role == ROLE_CLIENT && !conn->established)
			conn_connected(sk, conn, direction, moved);
		conn_admit(sk, conn);
	}
	return conn->slot == SLOT_NONE ? NULL : conn;
}

/* Tells of the range: its bytes, or its length where they are not wanted or not at hand. */
static __always_inline void range_report(struct range *range, struct sock *sk, bool discarded)
{
	struct buffers from;

	if (discarded) {
		range_emit(range, range->moved, LOSS_NO_BUFFER);
		return;
	}
	if (!range->want) {
		range_emit(range, range->moved, LOSS_LIMIT);
		return;
	}
	buffers_find(sk, range->moved, range->direction, &from);
	if (from.loss)
		range_emit(range, range->moved, from.loss);
	else
		range_capture(range, &from);
}

/* A call that read: of what is read the bytes are not wanted, or they are. True: it is noted. */
static __always_inline bool range_noted(struct range *range)
{
	u32 slot = HIGH(range->slot_generation);
	struct read_note *note = bpf_map_lookup_elem(&read_notes, &slot);

	if (!note)
		return false;
	if (note->moved)
		note_end(range->slot_generation);
	if (range->want)
		return false;
	note->time = bpf_ktime_get_ns();
	note->arrival = range->instant;
	note->position = range->position;
	asm volatile("" ::: "memory");
	note->moved = range->moved;
	return true;
}

/* A call on a socket has moved bytes (or 0, or failed with -errno). */
static __always_inline int socket_io(struct sock *sk, int moved, u32 direction, int flags)
{
	u16 family = sk->__sk_common.skc_family;
	struct range range = { .moved = moved, .direction = direction, .meta = direction };
	struct conn *conn;
	struct slot *slot;

	if (!is_stream(sk, family))
		return 0;
	if (moved <= 0) {
		several_end();
		if (moved == 0 && family == AF_UNIX && direction == DIRECTION_RX)
			unix_ended(sk);
		return 0;
	}
	if (direction == DIRECTION_RX && flags & (MSG_PEEK | MSG_ERRQUEUE))
		return 0;
	conn = conn_for_call(sk, family, direction, moved);
	if (!conn)
		return 0;
	slot = slot_of(conn);
	if (!slot)
		conn_lose_slot(conn);
	if (!slot || slot->ignore)
		return 0;
	range.slot_generation = PACK(conn->slot, conn->generation);
	range.want = slot->limit[direction & 1];
	range_place(&range, sk, conn, family);
	if (range_skipped(&range, slot))
		return 0;
	if (direction == DIRECTION_RX && range_noted(&range))
		return 0;
	if (range.want >= LARGE && moved >= LARGE && (!slot->hurried || small_ring)) {
		slot->hurried = 1;
		range.meta |= META_HURRY;
	}
	range_report(&range, sk, direction == DIRECTION_RX && flags & MSG_TRUNC);
	return 0;
}

#endif
