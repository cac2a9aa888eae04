/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The life of a connection as the kernel side keeps it.
 *
 *	(nothing) -- connect(), accepted, or first call seen --> known: a struct conn
 *	known -- a process touches it, rules say watch --------> admitted: has a slot, EVENT_OPEN
 *sent known -- rules say no ---------------------------------> refused, until the rules change
 *	admitted -- closed, or no longer watched --------------> EVENT_CLOSE; user space frees the
 *slot
 */
#ifndef ONLOOKER_BPF_CONNECTION_H
#define ONLOOKER_BPF_CONNECTION_H

#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define SOCK_STREAM 1
#define IPPROTO_TCP 6
#define SOCK_DONE_BIT (1 << 1) /* enum sock_flags: all is received, the FIN too */

static __always_inline bool is_stream(struct sock *sk, u16 family)
{
	if (sk->sk_type != SOCK_STREAM)
		return false;
	return family == AF_UNIX ||
	       ((family == AF_INET || family == AF_INET6) && sk->sk_protocol == IPPROTO_TCP);
}

static __always_inline u64 inode_of(struct sock *sk)
{
	return BPF_CORE_READ(sk, sk_socket, file, f_inode, i_ino);
}

static __always_inline struct conn *conn_find(struct sock *sk)
{
	u64 address = (u64)sk;

	if (socket_storage)
		return bpf_sk_storage_get(&by_socket, sk, 0, 0);
	return bpf_map_lookup_elem(&by_address, &address);
}

/* A fresh state for the socket, whatever it had before; NULL without memory (counted). */
static __always_inline struct conn *conn_begin(struct sock *sk)
{
	struct conn fresh = { .slot = SLOT_NONE };
	u64 address = (u64)sk;
	struct conn *conn;

	if (socket_storage) {
		conn = bpf_sk_storage_get(&by_socket, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
		if (conn)
			*conn = fresh;
	} else {
		bpf_map_update_elem(&by_address, &address, &fresh, BPF_ANY);
		conn = bpf_map_lookup_elem(&by_address, &address);
	}
	if (!conn)
		count_loss(LOSS_STATE);
	return conn;
}

static __always_inline struct slot *slot_of(const struct conn *conn)
{
	u32 index = conn->slot;
	struct slot *slot = bpf_map_lookup_elem(&slots, &index);

	return slot && slot->generation == conn->generation ? slot : NULL;
}

/*
 * Where the streams of a TCP socket stand: one past the last byte read, and written. The barrier
 * keeps compilers from sharing one load between a socket and a map, which no verifier takes.
 */
static __always_inline bool tcp_positions(struct sock *sk, u32 position[2])
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	u32 read, written;

	if (!tcp)
		return false;
	read = tcp->copied_seq;
	written = tcp->write_seq;
	asm volatile("" : "+r"(read), "+r"(written));
	position[DIRECTION_RX] = read;
	position[DIRECTION_TX] = written;
	return true;
}

static __always_inline void fill_tcp(struct event_open *event, struct sock *sk)
{
	event->local_port = sk->__sk_common.skc_num;
	event->remote_port = __builtin_bswap16(sk->__sk_common.skc_dport);
	event->netns = sk->__sk_common.skc_net.net->ns.inum;
	if (event->family == AF_INET6) {
		bpf_probe_read_kernel(event->local, 16, &sk->__sk_common.skc_v6_rcv_saddr);
		bpf_probe_read_kernel(event->remote, 16, &sk->__sk_common.skc_v6_daddr);
	} else {
		__builtin_memcpy(event->local, &(u32){ sk->__sk_common.skc_rcv_saddr }, 4);
		__builtin_memcpy(event->remote, &(u32){ sk->__sk_common.skc_daddr }, 4);
	}
}

static __always_inline bool read_path(struct event_open *event, struct sock *sk)
{
	struct unix_address *address = BPF_CORE_READ((struct unix_sock *)sk, addr);
	u32 size = address ? BPF_CORE_READ(address, len) : 0;

	if (size <= sizeof(event->family))
		return false;
	size -= sizeof(event->family);
	asm volatile("" : "+r"(size));
	if (size > EVENT_PATH_SIZE)
		size = EVENT_PATH_SIZE;
	return bpf_probe_read_kernel(event->path, size, &address->name[0].sun_path) == 0;
}

/* An accepted Unix socket has its listener's address; one that connected seldom has any. */
static __always_inline u8 fill_unix(struct event_open *event, struct sock *sk)
{
	struct sock *peer = BPF_CORE_READ((struct unix_sock *)sk, peer);
	bool own = read_path(event, sk);

	event->netns = sk->__sk_common.skc_net.net->ns.inum;
	event->self = event->inode;
	event->peer = peer ? inode_of(peer) : 0;
	if (own)
		return ROLE_SERVER;
	return peer && read_path(event, peer) ? ROLE_CLIENT : ROLE_UNKNOWN;
}

/* EVENT_OPEN, or EVENT_FAIL. */
static __noinline bool emit_open(struct sock *sk, struct conn *conn, u32 kind_error)
{
	struct event_open *event = ring_reserve(sizeof(*event));

	if (!event)
		return false;
	__builtin_memset(event, 0, sizeof(*event));
	head_fill(&event->head, kind_error >> 16, conn->slot, conn->generation, conn->tgid,
		  bpf_ktime_get_ns());
	if (conn->late)
		event->head.flags = EVENT_LATE;
	event->born = conn->born;
	event->established = conn->established;
	event->process = conn->process;
	event->inode = inode_of(sk);
	event->role = conn->role;
	event->error = kind_error & 0xffff;
	event->family = sk->__sk_common.skc_family;
	if (event->family == AF_UNIX) {
		conn->role = event->role = fill_unix(event, sk);
	} else {
		event->position[0] = conn->position[0];
		event->position[1] = conn->position[1];
		fill_tcp(event, sk);
	}
	ring_submit(event, sizeof(*event), false);
	return true;
}

/* A slot of its own and word to user space. Without either it is tried again at the next call. */
static __always_inline bool conn_take_slot(struct sock *sk, struct conn *conn)
{
	struct slot *slot;
	u32 index;

	if (bpf_map_pop_elem(&free_slots, &index)) {
		count_loss(LOSS_SLOTS);
		return false;
	}
	slot = bpf_map_lookup_elem(&slots, &index);
	if (!slot)
		return false;
	conn->slot = index;
	conn->generation = ++slot->generation;
	slot->ignore = 0;
	slot->hurried = 0;
	slot->skipping[0] = slot->skipping[1] = 0;
	slot->limit[0] = slot->limit[1] = ~0U;
	if (emit_open(sk, conn, EVENT_OPEN << 16))
		return true;
	conn->slot = SLOT_NONE;
	bpf_map_push_elem(&free_slots, &index, BPF_ANY);
	return false;
}

static __noinline void emit_close(struct conn *conn, u32 positions[2], u32 unread, u32 flags)
{
	struct slot *slot = slot_of(conn);
	struct event_close *event;

	if (slot)
		slot->closed = conn->generation;
	event = ring_reserve(sizeof(*event));
	if (event) {
		head_fill(&event->head, EVENT_CLOSE, conn->slot, conn->generation, conn->tgid,
			  bpf_ktime_get_ns());
		event->head.flags = flags;
		event->position[0] = positions[0];
		event->position[1] = positions[1];
		event->unread = unread;
		event->pad = 0;
		ring_submit(event, sizeof(*event), false);
	}
}

/* The current process made this connection, or is the first to use it. */
static __always_inline void conn_own(struct conn *conn)
{
	conn->tgid = bpf_get_current_pid_tgid() >> 32;
	conn->process = process_stamp();
}

/*
 * Whether its owner's connections to that port are watched. A process that user space has not
 * judged yet is watched for the time being: user space looks again.
 */
static __always_inline bool conn_judge(struct sock *sk, struct conn *conn)
{
	u64 bits;

	if (conn->tgid == own_tgid) {
		conn->judged = watch.generation;
		return false;
	}
	bits = process_bits(conn->process, conn->tgid);
	if (bits == WATCH_UNDECIDED) {
		conn->judged = 0;
		return true;
	}
	conn->judged = watch.generation;
	if (watch.ported && sk->__sk_common.skc_family != AF_UNIX)
		bits = rules_with_ports(bits, sk->__sk_common.skc_num,
					__builtin_bswap16(sk->__sk_common.skc_dport));
	else
		bits &= ~watch.ported;
	return rules_watch(bits);
}

/* Judges by the rules of now; afterwards conn->slot tells the outcome. */
static __noinline void conn_admit(struct sock *sk, struct conn *conn)
{
	u32 nowhere[2] = { 0, 0 };

	if (!conn->tgid)
		conn_own(conn);
	if (conn_judge(sk, conn)) {
		if (conn->slot == SLOT_NONE && !conn_take_slot(sk, conn))
			conn->judged = 0;
	} else if (conn->slot != SLOT_NONE) {
		emit_close(conn, nowhere, 0, EVENT_UNWATCHED);
		conn->slot = SLOT_NONE;
		conn->late = 1;
	}
}

#endif
