/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where the kernel tells of calls that move bytes. Two ways, one of which user space loads:
 * the tracepoints of 6.3 and later (all families, after the call, in the caller's context), and
 * fexit of each family's function.
 */
#ifndef ONLOOKER_BPF_CALL_HOOKS_H
#define ONLOOKER_BPF_CALL_HOOKS_H

static __always_inline int call_seen(struct sock *sk, int moved, u32 direction, int flags)
{
	hold();
	handled_note(sk, direction);
	socket_io(sk, moved, direction, flags);
	release();
	return 0;
}

/* A call that the programs below are not told of. */
static __always_inline int call_alone(struct sock *sk, int moved, u32 direction)
{
	hold();
	socket_io(sk, moved, direction, 0);
	release();
	return 0;
}

/* The second program at a call: it works only where the first was skipped. */
static __always_inline int call_seen_again(struct sock *sk, int moved, u32 direction, int flags)
{
	if (handled_take(sk, direction))
		return 0;
	hold();
	if (is_stream(sk, sk->__sk_common.skc_family))
		__sync_fetch_and_add(&rescued, 1);
	socket_io(sk, moved, direction, flags);
	release();
	return 0;
}

SEC("?tp_btf/sock_send_length")
int BPF_PROG(tracepoint_send, struct sock *sk, int ret, int flags)
{
	return call_seen(sk, ret, DIRECTION_TX, 0);
}

SEC("?tp_btf/sock_recv_length")
int BPF_PROG(tracepoint_recv, struct sock *sk, int ret, int flags)
{
	return call_seen(sk, ret, DIRECTION_RX, flags);
}

/*
 * Below in the file, so attached later: they run after the programs above, and after fexit's, which
 * are at functions that return before.
 */
SEC("?tp_btf/sock_send_length")
int BPF_PROG(again_send, struct sock *sk, int ret, int flags)
{
	return call_seen_again(sk, ret, DIRECTION_TX, 0);
}

SEC("?tp_btf/sock_recv_length")
int BPF_PROG(again_recv, struct sock *sk, int ret, int flags)
{
	return call_seen_again(sk, ret, DIRECTION_RX, flags);
}

/*
 * Data has come in and nobody has read it yet: a request's time begins here. Accepted TCP sockets
 * have their state before their first data; a Unix socket gets it here. Refused ones are left
 * alone.
 */
static __always_inline void data_ready(struct sock *sk)
{
	u16 family = sk->__sk_common.skc_family;
	struct conn *conn;

	if (!is_stream(sk, family))
		return;
	conn = conn_find(sk);
	if (!conn && family == AF_UNIX) {
		struct conn first = { .slot = SLOT_NONE, .late = late_flags(family) };

		first.inode = inode_of(sk);
		conn = conn_meet(sk, &first);
	}
	if (!conn || conn->role == ROLE_CLIENT || conn->arrival)
		return;
	if (conn->slot != SLOT_NONE || conn->judged != watch.generation)
		conn->arrival = bpf_ktime_get_ns();
}

SEC("?tp_btf/sk_data_ready")
int BPF_PROG(tracepoint_ready, struct sock *sk)
{
	hold();
	data_ready(sk);
	release();
	return 0;
}

SEC("?fexit/tcp_sendmsg")
int BPF_PROG(fexit_tcp_send, struct sock *sk, void *message, size_t size, int ret)
{
	return call_seen(sk, ret, DIRECTION_TX, 0);
}

/* Before 6.5. */
SEC("?fexit/tcp_sendpage")
int BPF_PROG(fexit_tcp_sendpage, struct sock *sk, void *page, int offset, size_t size, int flags,
	     int ret)
{
	return call_alone(sk, ret, DIRECTION_TX);
}

/* Its arguments: before 5.19 (nonblock), and since. */
SEC("?fexit/tcp_recvmsg")
int BPF_PROG(fexit_tcp_recv_6, struct sock *sk, void *message, size_t size, int nonblock, int flags,
	     int *address_size, int ret)
{
	return call_seen(sk, ret, DIRECTION_RX, flags);
}

SEC("?fexit/tcp_recvmsg")
int BPF_PROG(fexit_tcp_recv_5, struct sock *sk, void *message, size_t size, int flags,
	     int *address_size, int ret)
{
	return call_seen(sk, ret, DIRECTION_RX, flags);
}

/* Since 6.17 or so without the address. */
SEC("?fexit/tcp_recvmsg")
int BPF_PROG(fexit_tcp_recv_4, struct sock *sk, void *message, size_t size, int flags, int ret)
{
	return call_seen(sk, ret, DIRECTION_RX, flags);
}

SEC("?fexit/tcp_splice_read")
int BPF_PROG(fexit_tcp_splice, struct socket *socket, void *offset, void *pipe, size_t size,
	     unsigned int flags, s64 ret)
{
	return call_alone(socket->sk, ret, DIRECTION_RX);
}

SEC("?fexit/unix_stream_sendmsg")
int BPF_PROG(fexit_unix_send, struct socket *socket, void *message, size_t size, int ret)
{
	return call_seen(socket->sk, ret, DIRECTION_TX, 0);
}

SEC("?fexit/unix_stream_recvmsg")
int BPF_PROG(fexit_unix_recv, struct socket *socket, void *message, size_t size, int flags, int ret)
{
	return call_seen(socket->sk, ret, DIRECTION_RX, flags);
}

/* Before 6.5. */
SEC("?fexit/unix_stream_sendpage")
int BPF_PROG(fexit_unix_sendpage, struct socket *socket, void *page, int offset, size_t size,
	     int flags, s64 ret)
{
	return call_alone(socket->sk, ret, DIRECTION_TX);
}

SEC("?fexit/unix_stream_splice_read")
int BPF_PROG(fexit_unix_splice, struct socket *socket, void *offset, void *pipe, size_t size,
	     unsigned int flags, s64 ret)
{
	return call_alone(socket->sk, ret, DIRECTION_RX);
}

#endif
