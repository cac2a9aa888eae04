/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Calls that move bytes. Two ways to be told of them, one of which user space loads:
 * the tracepoints of 6.3 and later (all families, after the call, in the caller's context), and
 * fexit of each family's function.
 */
#ifndef ONLOOKER_BPF_SOCKET_IO_H
#define ONLOOKER_BPF_SOCKET_IO_H

#define MSG_PEEK 0x2
#define MSG_TRUNC 0x20
#define MSG_ERRQUEUE 0x2000
#define RCV_SHUTDOWN 1
#define PIECES 64 /* records for one call */
#define INT_MAX 0x7fffffff

/* A range of one direction, about to be reported. */
struct range {
	u64 slot_generation;
	u64 arrival;
	u32 position;
	u32 moved;
	u32 direction;
	u32 want;   /* bytes to capture, at most */
	u32 skip;   /* bytes at the beginning that nobody wants */
};

/*
 * The verifier knows nothing of what a global function returns. What a loop hands from one round to
 * the next goes through here, or it would follow every combination of bounds through all rounds.
 */
__attribute__((noinline)) u64 unknown(u64 value)
{
	asm volatile("" : "+r"(value));
	return value;
}

static __always_inline void range_emit(struct range *range, u64 buffer, u32 size, u32 want,
				       u32 loss)
{
	emit_data(buffer, PACK(size, want), range->slot_generation,
		  PACK(range->position, loss << 1 | range->direction), range->arrival);
	range->position += size;
	range->moved -= size;
}

/* Up to one record's worth of the range out of one buffer of `size` bytes. Returns what it took. */
static __always_inline u32 range_take(struct range *range, u64 buffer, u32 size)
{
	u32 want;

	if (size > range->moved)
		size = range->moved;
	if (range->skip) {
		if (size > range->skip)
			size = range->skip;
		range->skip -= size;
		range->position += size;
		range->moved -= size;
		return size;
	}
	if (size > CAPTURE_MOST)
		size = CAPTURE_MOST;
	want = size < range->want ? size : range->want;
	range->want -= want;
	range_emit(range, buffer, size, want, want < size ? LOSS_LIMIT : LOSS_NONE);
	return size;
}

/* Captures from the caller's buffers, in order; what is left at the end goes by length. */
static __always_inline void range_capture(struct range *range, struct buffers *from)
{
	struct iovec piece = { (void *)from->base, range->moved };
	u32 next = 0, took;

	if (from->count)
		piece.iov_len = 0;
	for (int i = 0; i < PIECES && range->moved && range->want; i++) {
		if (!piece.iov_len) {
			if (next >= from->count)
				break;
			if (bpf_probe_read_user(&piece, sizeof(piece),
						(void *)(from->base + next * sizeof(piece)))) {
				range_emit(range, 0, range->moved, 0, LOSS_FAULT);
				return;
			}
			next = unknown(next + 1);
			if (!piece.iov_len)
				continue;
		}
		took = range_take(range, (u64)piece.iov_base,
				  piece.iov_len > INT_MAX ? INT_MAX : piece.iov_len);
		piece.iov_base = (char *)piece.iov_base + took;
		piece.iov_len = unknown(piece.iov_len - took);
		range->moved = unknown(range->moved);
		range->want = unknown(range->want);
		range->skip = unknown(range->skip);
	}
	if (range->moved)
		range_emit(range, 0, range->moved, 0, range->want ? LOSS_LONG : LOSS_LIMIT);
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

/* Where the range lies in its stream, and when it had arrived. */
static __always_inline void range_place(struct range *range, struct sock *sk, struct conn *conn,
					u16 family)
{
	struct tcp_sock *tcp;
	u32 end;

	if (family == AF_UNIX) {
		/* Two threads in one direction at once would garble the stream anyway. */
		range->position = conn->position[range->direction & 1];
		conn->position[range->direction & 1] = range->position + range->moved;
		if (range->direction == DIRECTION_RX) {
			range->arrival = conn->arrival;
			conn->arrival = 0;
		}
		return;
	}
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!tcp)
		return;
	if (range->direction == DIRECTION_TX) {
		range->position = tcp->write_seq - range->moved;
		return;
	}
	end = tcp->copied_seq;
	/* All is read and the FIN was counted along. */
	if (sk->__sk_common.skc_flags & SOCK_DONE_BIT && tcp->rcv_nxt == end)
		end--;
	range->position = end - range->moved;
	/* When the newest segment came, in microseconds of the same clock: tcp_mstamp_refresh(). */
	range->arrival = tcp->tcp_mstamp * 1000;
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

/* A socket first seen in mid-life. */
static __always_inline struct conn *conn_discover(struct sock *sk, u16 family, u32 direction,
						  u32 moved)
{
	struct conn *conn = conn_begin(sk);

	if (!conn)
		return NULL;
	conn->late = 1;
	if (family == AF_UNIX) {
		conn->inode = inode_of(sk);
	} else {
		tcp_positions(sk, conn->position);
		conn->position[direction & 1] -= moved;
	}
	return conn;
}

static __always_inline int socket_io(struct sock *sk, int moved, u32 direction, int flags)
{
	u16 family = sk->__sk_common.skc_family;
	struct range range = { .moved = moved, .direction = direction };
	struct buffers from;
	struct conn *conn;
	struct slot *slot;

	if (moved < 0 || !is_stream(sk, family))
		return 0;
	if (direction == DIRECTION_RX && flags & (MSG_PEEK | MSG_ERRQUEUE))
		return 0;
	if (moved == 0) {
		if (family == AF_UNIX && direction == DIRECTION_RX)
			unix_ended(sk);
		return 0;
	}
	conn = conn_find(sk);
	if (conn && !socket_storage && family == AF_UNIX && conn->inode != inode_of(sk))
		conn = NULL;
	if (!conn) {
		if (!BPF_CORE_READ(sk, sk_socket, file))
			return 0; /* the kernel's own */
		conn = conn_discover(sk, family, direction, moved);
		if (!conn)
			return 0;
	}
	if (conn->judged != watch.generation)
		conn_admit(sk, conn);
	if (conn->slot == SLOT_NONE)
		return 0;
	slot = slot_of(conn);
	if (!slot || slot->ignore)
		return 0;
	range.slot_generation = PACK(conn->slot, conn->generation);
	range.want = slot->limit[direction & 1];
	range_place(&range, sk, conn, family);
	if (range_skipped(&range, slot))
		return 0;
	if (direction == DIRECTION_RX && flags & MSG_TRUNC) {
		range_emit(&range, 0, moved, 0, LOSS_NO_BUFFER);
		return 0;
	}
	if (!range.want) {
		range_emit(&range, 0, moved, 0, LOSS_LIMIT);
		return 0;
	}
	buffers_find(direction, &from);
	if (from.loss)
		range_emit(&range, 0, moved, 0, from.loss);
	else
		range_capture(&range, &from);
	return 0;
}

SEC("?tp_btf/sock_send_length")
int BPF_PROG(tracepoint_send, struct sock *sk, int ret, int flags)
{
	return socket_io(sk, ret, DIRECTION_TX, 0);
}

SEC("?tp_btf/sock_recv_length")
int BPF_PROG(tracepoint_recv, struct sock *sk, int ret, int flags)
{
	return socket_io(sk, ret, DIRECTION_RX, flags);
}

/*
 * Data has come in, nobody has read it yet. TCP keeps that time itself; Unix sockets do not. Refused
 * ones are left alone.
 */
SEC("?tp_btf/sk_data_ready")
int BPF_PROG(tracepoint_ready, struct sock *sk)
{
	struct conn *conn;

	if (sk->__sk_common.skc_family != AF_UNIX || sk->sk_type != SOCK_STREAM)
		return 0;
	conn = conn_find(sk);
	if (!conn) {
		conn = conn_begin(sk);
		if (!conn)
			return 0;
		conn->late = 1;
	}
	if (!conn->arrival && (conn->slot != SLOT_NONE || conn->judged != watch.generation))
		conn->arrival = bpf_ktime_get_ns();
	return 0;
}

SEC("?fexit/tcp_sendmsg")
int BPF_PROG(fexit_tcp_send, struct sock *sk, void *message, size_t size, int ret)
{
	return socket_io(sk, ret, DIRECTION_TX, 0);
}

/* Before 6.5. */
SEC("?fexit/tcp_sendpage")
int BPF_PROG(fexit_tcp_sendpage, struct sock *sk, void *page, int offset, size_t size, int flags,
	     int ret)
{
	return socket_io(sk, ret, DIRECTION_TX, 0);
}

/* Its arguments: before 5.19 (nonblock), and since. */
SEC("?fexit/tcp_recvmsg")
int BPF_PROG(fexit_tcp_recv_6, struct sock *sk, void *message, size_t size, int nonblock, int flags,
	     int *address_size, int ret)
{
	return socket_io(sk, ret, DIRECTION_RX, flags);
}

SEC("?fexit/tcp_recvmsg")
int BPF_PROG(fexit_tcp_recv_5, struct sock *sk, void *message, size_t size, int flags,
	     int *address_size, int ret)
{
	return socket_io(sk, ret, DIRECTION_RX, flags);
}

/* Since 6.17 or so without the address. */
SEC("?fexit/tcp_recvmsg")
int BPF_PROG(fexit_tcp_recv_4, struct sock *sk, void *message, size_t size, int flags, int ret)
{
	return socket_io(sk, ret, DIRECTION_RX, flags);
}

SEC("?fexit/tcp_splice_read")
int BPF_PROG(fexit_tcp_splice, struct socket *socket, void *offset, void *pipe, size_t size,
	     unsigned int flags, s64 ret)
{
	return socket_io(socket->sk, ret, DIRECTION_RX, 0);
}

SEC("?fexit/unix_stream_sendmsg")
int BPF_PROG(fexit_unix_send, struct socket *socket, void *message, size_t size, int ret)
{
	return socket_io(socket->sk, ret, DIRECTION_TX, 0);
}

SEC("?fexit/unix_stream_recvmsg")
int BPF_PROG(fexit_unix_recv, struct socket *socket, void *message, size_t size, int flags, int ret)
{
	return socket_io(socket->sk, ret, DIRECTION_RX, flags);
}

#endif
