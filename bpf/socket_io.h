/* SPDX-License-Identifier: GPL-2.0 */
/* Calls that move bytes: what is told of them. */
#ifndef ONLOOKER_BPF_SOCKET_IO_H
#define ONLOOKER_BPF_SOCKET_IO_H

#define MSG_PEEK 0x2
#define MSG_TRUNC 0x20
#define MSG_ERRQUEUE 0x2000
#define RCV_SHUTDOWN 1
#define SHUTDOWN_MASK 3
#define SEND_SHUTDOWN 2
#define LARGE 4096 /* a call that may begin a body: the sooner it is skipped the better */

/*
 * What user space skips. True: nothing of this range is wanted. The last byte of what is skipped is
 * always reported, for its time, unless the skip may move on.
 */
static __always_inline bool range_skipped(struct range *range, struct slot *slot, bool discarded)
{
	u32 direction = range->direction & 1;
	u32 until = slot->until[direction];
	u64 hopped;
	s32 beyond;

	if (!slot->skipping[direction])
		return false;
	beyond = (s32)(range->position + range->moved - until);
	if (beyond < 0)
		return (s32)(until - range->position) > 0;
	if (slot->hop[direction][0]) {
		hopped = hop_over(
			PACK(HIGH(range->slot_generation), direction | (discarded ? HOP_BLIND : 0)),
			PACK(range->position, range->moved));
		if (hopped == HOP_ALL)
			return true;
		range->skip = hop_end(range->slot_generation, direction, range->instant, hopped);
		return false;
	}
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

	/* One that says that it sends no more may still read. */
	if (!conn || conn->slot == SLOT_NONE || conn->closed || sk->sk_shutdown != SHUTDOWN_MASK)
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
static __always_inline void range_report(struct range *range, bool discarded)
{
	struct buffers from;

	if (discarded || !range->want) {
		several_pass(range->slot_generation, range->moved, range->direction);
		range_emit(range, range->moved, discarded ? LOSS_NO_BUFFER : LOSS_LIMIT);
		return;
	}
	buffers_find(range->slot_generation, range->moved, range->direction, &from);
	if (from.loss)
		range_emit(range, range->moved, from.loss);
	else
		range_capture(range, &from);
}

/*
 * A call that read, where lengths are wanted (or the bytes: then an older note is told of). True:
 * it is noted.
 */
static __always_inline bool range_noted(struct range *range, const struct slot *slot)
{
	u32 index = HIGH(range->slot_generation);
	struct read_note *note = bpf_map_lookup_elem(&by_slot, &index);

	if (!note)
		return false;
	if (note->moved)
		note_end(range->slot_generation);
	if (slot->limit[DIRECTION_RX])
		return false;
	note->time = bpf_ktime_get_ns();
	note->arrival = range->instant;
	note->position = range->position;
	asm volatile("" ::: "memory");
	note->moved = range->moved;
	return true;
}

/* A call that sent or read 0 bytes, or failed. */
static __always_inline void nothing_moved(struct sock *sk, int moved, u32 direction, u16 family)
{
	if (moved == 0 && direction == DIRECTION_TX)
		several_empty();
	else
		several_end();
	if (moved == 0 && family == AF_UNIX && direction == DIRECTION_RX)
		unix_ended(sk);
}

/* A call on a socket has moved bytes (or 0, or failed with -errno). */
static __always_inline int socket_io(struct sock *sk, int moved, u32 direction, int flags)
{
	u16 family = sk->__sk_common.skc_family;
	struct range range = { .moved = moved, .direction = direction, .meta = direction };
	/* Of a TCP socket the bytes are not copied then: tcp(7). */
	bool discarded = direction == DIRECTION_RX && flags & MSG_TRUNC && family != AF_UNIX;
	struct conn *conn;
	struct slot *slot;

	if (!is_stream(sk, family))
		return 0;
	if (moved <= 0) {
		nothing_moved(sk, moved, direction, family);
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
	if (range_skipped(&range, slot, discarded)) {
		if (!conn->closed || slot->hop[direction & 1][0]) {
			several_pass(range.slot_generation, moved, direction);
			return 0;
		}
		range.want = 0;
	}
	/* Behind the end no record follows that it could be told along with. */
	if (direction == DIRECTION_RX && !conn->closed && range_noted(&range, slot)) {
		if (several_seen)
			several_pass(range.slot_generation, moved, direction);
		return 0;
	}
	if (range.want >= LARGE && moved >= LARGE && (!slot->hurried || small_ring)) {
		slot->hurried = 1;
		range.meta |= META_HURRY;
	}
	range_report(&range, discarded);
	return 0;
}

#endif
