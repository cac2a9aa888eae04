/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The sockets that were open before the observer: an iterator over all files of all processes (5.8
 * and later), read by user space once at the start. It sees every network namespace, and the owner
 * with the socket, which sock_diag does not. Three passes:
 *
 *	FINDING_LISTENERS    what listens, to tell servers from clients
 *	FINDING_CONNECTIONS  the ends of connections are told already, but calls are not yet: what
 *			     moves in between shows as a gap
 *	FINDING_YOUNG        calls are told: Unix sockets, whose begin is not, that came in between
 */
#ifndef ONLOOKER_BPF_OPEN_SOCKETS_H
#define ONLOOKER_BPF_OPEN_SOCKETS_H

#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define QUIET_NS 100000000ULL /* a connection at rest: nothing has moved for so long */

struct iter_task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	u64 fd;
	struct file *file;
};

static __always_inline u64 listener_key(struct sock *sk)
{
	u64 netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);

	return netns << 32 | BPF_CORE_READ(sk, __sk_common.skc_num);
}

/* Since 5.11 a socket can be had with its type, as its storage wants it; else its address will do.
 */
static __always_inline struct sock *socket_of(struct file *file)
{
	struct socket *socket;

	if (socket_storage) {
		socket = bpf_sock_from_file(file);
		return socket ? socket->sk : NULL;
	}
	if ((BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	socket = BPF_CORE_READ(file, private_data);
	return socket ? BPF_CORE_READ(socket, sk) : NULL;
}

static __always_inline bool is_connected(u8 state)
{
	return state == TCP_ESTABLISHED || state == TCP_CLOSE_WAIT || state == TCP_FIN_WAIT1 ||
	       state == TCP_FIN_WAIT2;
}

/*
 * Where a TCP socket's streams stand. At rest: all that was sent has arrived, all that came is
 * read, and the last to move was the answering side.
 */
static __always_inline u8 tcp_standing(struct sock *sk, struct conn *conn)
{
	struct tcp_sock *tcp = (struct tcp_sock *)sk;
	u32 sent = BPF_CORE_READ(tcp, lsndtime);
	u32 received = BPF_CORE_READ(tcp, inet_conn.icsk_ack.lrcvtime);
	u32 now = bpf_jiffies64(), age = QUIET_NS / tick_ns;
	bool read = BPF_CORE_READ(tcp, copied_seq) == BPF_CORE_READ(tcp, rcv_nxt);
	bool arrived = BPF_CORE_READ(tcp, snd_una) == BPF_CORE_READ(tcp, write_seq);
	bool server = conn->role == ROLE_SERVER;

	conn->position[DIRECTION_RX] = BPF_CORE_READ(tcp, copied_seq);
	conn->position[DIRECTION_TX] = BPF_CORE_READ(tcp, write_seq);
	if (!read || !arrived)
		return 0;
	if (!BPF_CORE_READ(tcp, bytes_received) && !BPF_CORE_READ(tcp, bytes_sent))
		return EVENT_UNUSED;
	if (now - sent < age || now - received < age)
		return 0;
	return (server ? (s32)(sent - received) : (s32)(received - sent)) >= 0 ? EVENT_QUIET : 0;
}

/* True: the connection is new to us and has its slot. */
static __always_inline bool found_admit(struct task_struct *task, struct sock *sk, u16 family)
{
	struct conn first = { .slot = SLOT_NONE, .late = EVENT_LATE };
	struct conn *conn = conn_find(sk);
	u64 listener;

	if (conn)
		return false;
	first.tgid = BPF_CORE_READ(task, tgid);
	first.process = process_stamp(task);
	if (family == AF_UNIX) {
		first.inode = inode_of(sk);
	} else {
		listener = listener_key(sk);
		if (bpf_map_lookup_elem(&listeners, &listener))
			first.role = ROLE_SERVER;
		first.late |= tcp_standing(sk, &first);
	}
	conn = conn_meet(sk, &first);
	if (!conn)
		return false;
	/* User space judges its process; the kernel side does at the next call. */
	if (conn_take_slot(sk, conn))
		return true;
	conn->late = EVENT_LATE;
	return false;
}

static __always_inline bool found_stream(struct sock *sk, u16 family)
{
	if (BPF_CORE_READ(sk, sk_type) != SOCK_STREAM)
		return false;
	return family == AF_UNIX || ((family == AF_INET || family == AF_INET6) &&
				     BPF_CORE_READ(sk, sk_protocol) == IPPROTO_TCP);
}

SEC("?iter/task_file")
int open_sockets(struct iter_task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct conn first = { .slot = SLOT_NONE, .late = EVENT_LATE };
	struct file *file = ctx->file;
	struct sock *sk;
	u16 family;
	u64 listener;
	u8 state, one = 1;

	if (!task || !file || (u32)BPF_CORE_READ(task, tgid) == own_tgid)
		return 0;
	sk = socket_of(file);
	if (!sk)
		return 0;
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	state = BPF_CORE_READ(sk, __sk_common.skc_state);
	if (!found_stream(sk, family))
		return 0;
	if (finding == FINDING_LISTENERS) {
		listener = listener_key(sk);
		if (state == TCP_LISTEN && family != AF_UNIX)
			bpf_map_update_elem(&listeners, &listener, &one, BPF_ANY);
		return 0;
	}
	if (finding == FINDING_YOUNG) {
		first.inode = inode_of(sk);
		if (family == AF_UNIX && is_connected(state))
			conn_meet(sk, &first);
		return 0;
	}
	/* A byte for each, so that whoever reads the iterator can read the ring in between. */
	if (is_connected(state) && found_admit(task, sk, family))
		bpf_seq_write(ctx->meta->seq, &one, sizeof(one));
	return 0;
}

#endif
