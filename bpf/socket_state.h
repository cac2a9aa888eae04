/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The states of TCP sockets (inet_sock_set_state, all kernels): who opened a connection and when,
 * how it failed, how it ended. The hook runs in the caller's context where a call caused the change
 * (connect, close), else in whatever context a segment came in.
 *
 *	CLOSE -> SYN_SENT           connect(): begins, client
 *	SYN_SENT -> ESTABLISHED     admitted
 *	SYN_SENT -> CLOSE           failed
 *	SYN_RECV -> ESTABLISHED     begins, server; admitted when a process touches it
 *	-> FIN_WAIT1, LAST_ACK      over, if both directions are; of what has arrived after
 *				    shutdown() the rest may still be read
 *	-> CLOSE                    over; what has arrived may still be read
 */
#ifndef ONLOOKER_BPF_SOCKET_STATE_H
#define ONLOOKER_BPF_SOCKET_STATE_H

static __always_inline void connecting(struct sock *sk)
{
	/* By a kernel thread (before 5.12 io_uring's): whose it is tells a later call. */
	struct conn *conn = task_flags() & PF_KTHREAD ? NULL : conn_begin(sk);

	if (!conn)
		return;
	conn->role = ROLE_CLIENT;
	conn->born = bpf_ktime_get_ns();
	conn_own(conn);
	/* Asks user space about the process early, and forgets those that are not watched. */
	conn->judged = conn_judge(sk, conn) ? 0 : watch.generation;
}

static __always_inline void connected(struct sock *sk)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	struct conn *conn = conn_find(sk);

	if (!conn || !tcp)
		return;
	conn->established = bpf_ktime_get_ns();
	tcp_positions(sk, conn->position);
	/* Bytes may have gone along with the SYN, which counts as one: RFC 7413. */
	conn->position[DIRECTION_TX] = tcp->snd_una - (u32)tcp->bytes_acked + 1;
	if (conn->judged != watch.generation)
		conn_admit(sk, conn);
}

static __always_inline void connect_failed(struct sock *sk)
{
	struct conn *conn = conn_find(sk);

	if (conn && conn->judged != watch.generation)
		emit_open(sk, conn, EVENT_FAIL << 16 | (sk->sk_err & 0xffff));
}

static __always_inline void accepted(struct sock *sk)
{
	struct conn *conn = socket_storage ? conn_find(sk) : NULL;
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

	/* With TCP Fast Open (RFC 7413) it may be used before the handshake is over. */
	if (conn || !tcp)
		return;
	conn = conn_begin(sk);
	if (!conn)
		return;
	conn->role = ROLE_SERVER;
	conn->born = conn->established = bpf_ktime_get_ns();
	conn->position[DIRECTION_RX] = tcp->rcv_nxt - (u32)tcp->bytes_received;
	conn->position[DIRECTION_TX] = tcp->snd_una - (u32)tcp->bytes_acked;
}

/* Whether any bit is, as 0 or 1. A comparison is a branch, of which each is followed to the end. */
static __always_inline u32 is_set(u32 bits)
{
	u32 negative = -bits;

	asm volatile("" : "+r"(bits), "+r"(negative));
	return (bits | negative) >> 31;
}

/* Once a FIN was sent, or received and all read, it has taken a number of its own. */
static __always_inline void ended(struct sock *sk, int before, int after)
{
	struct conn *conn = conn_find(sk);
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	bool mid_life = before == TCP_ESTABLISHED || before == TCP_CLOSE_WAIT;
	/* close() with bytes unread resets at once; by shutdown() one never gets there directly. */
	bool reset = after == TCP_CLOSE && mid_life && sk->sk_shutdown == SHUTDOWN_MASK;
	bool by_close = after != TCP_CLOSE || reset;
	u32 positions[2] = { 0 }, fin, missing, unread = 0, torn, unsent;

	if (!conn || conn->closed || !tcp)
		return;
	/* Nobody has used it, but its owner has just closed it: now he is known. */
	if (by_close && conn->role == ROLE_SERVER && !conn->tgid)
		conn_admit(sk, conn);
	if (conn->slot == SLOT_NONE)
		return;
	conn->closed = 1;
	fin = (u32)(sk->__sk_common.skc_flags & SOCK_DONE_BIT) / SOCK_DONE_BIT;
	torn = fin ^ 1;
	unsent = is_set(sk->sk_shutdown & SEND_SHUTDOWN) ^ 1;
	tcp_positions(sk, positions);
	missing = tcp->rcv_nxt - positions[DIRECTION_RX];
	if (!missing)
		positions[DIRECTION_RX] -= fin;
	else if (!reset)
		unread = missing - fin;
	else
		torn |= is_set(missing - fin); /* it was thrown away */
	if (!mid_life)
		positions[DIRECTION_TX]--;
	emit_close(conn, positions, unread,
		   torn * (EVENT_TORN << DIRECTION_RX) | unsent * (EVENT_TORN << DIRECTION_TX));
}

static __always_inline void state_change(struct sock *sk, int before, int after)
{
	struct conn *conn;

	if (sk->sk_protocol != IPPROTO_TCP)
		return;
	if (after == TCP_SYN_SENT)
		connecting(sk);
	else if (before == TCP_SYN_SENT && after == TCP_ESTABLISHED)
		connected(sk);
	else if (before == TCP_SYN_SENT && after == TCP_CLOSE)
		connect_failed(sk);
	else if (before == TCP_SYN_RECV && after == TCP_ESTABLISHED)
		accepted(sk);
	else if ((after == TCP_FIN_WAIT1 || after == TCP_LAST_ACK) &&
		 sk->sk_shutdown == SHUTDOWN_MASK)
		ended(sk, before, after);
	else if (after == TCP_CLOSE && before != TCP_LISTEN && before != TCP_SYN_RECV)
		ended(sk, before, after);
	if (after == TCP_CLOSE)
		conn_drop(sk);
	conn = conn_find(sk);
	if (conn)
		conn->state = after;
}

/* Whether the first program missed it. Of connections that it does not know it sees the begin. */
static __always_inline bool state_missed(struct sock *sk, int before, int after)
{
	struct conn *conn = conn_find(sk);

	if (conn)
		return conn->state != after;
	return after == TCP_SYN_SENT || (before == TCP_SYN_RECV && after == TCP_ESTABLISHED);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(socket_state, struct sock *sk, int before, int after)
{
	hold();
	state_change(sk, before, after);
	release();
	return 0;
}

/*
 * A segment that comes in while the program runs for another socket finds it busy, and the kernel
 * skips it. This second one is free then. Attached later, so it runs second.
 */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(again_state, struct sock *sk, int before, int after)
{
	if (sk->sk_protocol != IPPROTO_TCP || !state_missed(sk, before, after))
		return 0;
	hold();
	state_change(sk, before, after);
	release();
	return 0;
}

#endif
