/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The life of a connection as the kernel side keeps it.
 *
 *	(nothing) -- connect(), accepted, or first call seen --> known: a struct conn
 *	known ----- a process touches it, rules say watch --> admitted: has a slot, EVENT_OPEN sent
 *	known ----- rules say no ---------------------------> refused, until the rules change
 *	admitted -- closed, or no longer watched ---> EVENT_CLOSE; user space frees the slot
 *	admitted -- user space does not want it ------> its slot's generation has moved on
 */
#ifndef ONLOOKER_BPF_CONNECTION_H
#define ONLOOKER_BPF_CONNECTION_H

#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define SOCK_STREAM 1
#define IPPROTO_TCP 6
#define SOCK_DEAD_BIT (1 << 0) /* enum sock_flags: no file refers to it any more */
#define SOCK_DONE_BIT (1 << 1) /* enum sock_flags: all is received, the FIN too */

enum {
	TCP_ESTABLISHED = 1,
	TCP_SYN_SENT = 2,
	TCP_SYN_RECV = 3,
	TCP_FIN_WAIT1 = 4,
	TCP_FIN_WAIT2 = 5,
	TCP_CLOSE = 7,
	TCP_CLOSE_WAIT = 8,
	TCP_LAST_ACK = 9,
	TCP_LISTEN = 10,
};

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

/*
 * The state of a socket first seen by other than its begin: another processor may be at the same,
 * and what is there already stays. NULL without memory (counted).
 */
static __always_inline struct conn *conn_meet(struct sock *sk, struct conn *first)
{
	u64 address = (u64)sk;
	struct conn *conn;

	if (socket_storage) {
		conn = bpf_sk_storage_get(&by_socket, sk, first, BPF_SK_STORAGE_GET_F_CREATE);
		/* Of two at once one is refused (-EAGAIN), though it is there now. */
		if (!conn)
			conn = conn_find(sk);
	} else {
		bpf_map_update_elem(&by_address, &address, first, BPF_NOEXIST);
		conn = bpf_map_lookup_elem(&by_address, &address);
	}
	if (!conn)
		count_loss(LOSS_STATE);
	return conn;
}

/* What is known of a socket first seen by a call: a Unix socket's begin is not told. */
static __always_inline u8 late_flags(u16 family)
{
	return family == AF_UNIX && all_found ? EVENT_LATE | EVENT_UNUSED : EVENT_LATE;
}

static __always_inline void conn_forget(struct sock *sk)
{
	u64 address = (u64)sk;

	bpf_map_delete_elem(&by_address, &address);
}

/*
 * No call can be made on the socket any more. Without storage its state would push those of living
 * ones out of the table.
 */
static __always_inline void conn_drop(struct sock *sk)
{
	if (!socket_storage && sk->__sk_common.skc_flags & SOCK_DEAD_BIT)
		conn_forget(sk);
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

/*
 * Where the streams began, behind the SYN: who has connected has counted its own as acknowledged. A
 * segment that comes in meanwhile may garble it. No branch: each would be followed to the end.
 */
static __always_inline void fill_begin(struct event_open *event, struct sock *sk)
{
	struct tcp_sock *tcp = (struct tcp_sock *)sk;
	u32 read = BPF_CORE_READ(tcp, rcv_nxt), sent = BPF_CORE_READ(tcp, snd_una);

	event->begin[DIRECTION_RX] = read - (u32)BPF_CORE_READ(tcp, bytes_received);
	event->begin[DIRECTION_TX] = sent - (u32)BPF_CORE_READ(tcp, bytes_acked);
}

static __always_inline void fill_tcp(struct event_open *event, struct sock *sk)
{
	event->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	event->remote_port = __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_dport));
	if (event->family == AF_INET6) {
		bpf_probe_read_kernel(event->local, 16, &sk->__sk_common.skc_v6_rcv_saddr);
		bpf_probe_read_kernel(event->remote, 16, &sk->__sk_common.skc_v6_daddr);
	} else {
		bpf_probe_read_kernel(event->local, 4, &sk->__sk_common.skc_rcv_saddr);
		bpf_probe_read_kernel(event->remote, 4, &sk->__sk_common.skc_daddr);
	}
}

static __always_inline u32 path_size(struct sock *sk)
{
	struct unix_address *address = BPF_CORE_READ((struct unix_sock *)sk, addr);

	return address ? BPF_CORE_READ(address, len) : 0;
}

static __always_inline bool read_path(struct event_open *event, struct sock *sk)
{
	struct unix_address *address = BPF_CORE_READ((struct unix_sock *)sk, addr);
	u32 size = path_size(sk);

	if (size <= sizeof(event->family))
		return false;
	size -= sizeof(event->family);
	asm volatile("" : "+r"(size));
	if (size > EVENT_PATH_SIZE)
		size = EVENT_PATH_SIZE;
	return bpf_probe_read_kernel(event->path, size, &address->name[0].sun_path) == 0;
}

/*
 * An accepted Unix socket has its listener's address; one that connected seldom has any: of two
 * that have, bytes tell who asks.
 */
static __always_inline u8 fill_unix(struct event_open *event, struct sock *sk)
{
	struct sock *peer = BPF_CORE_READ((struct unix_sock *)sk, peer);

	event->peer = peer ? inode_of(peer) : 0;
	if (peer && read_path(event, peer))
		return path_size(sk) > sizeof(event->family) ? ROLE_UNKNOWN : ROLE_CLIENT;
	return read_path(event, sk) ? ROLE_SERVER : ROLE_UNKNOWN;
}

/* EVENT_OPEN, or EVENT_FAIL. The socket may be a mere address (open_sockets.h). */
static __noinline bool emit_open(struct sock *sk, struct conn *conn, u32 kind_error)
{
	struct event_open *event = ring_reserve(sizeof(*event));

	if (!event)
		return false;
	__builtin_memset(event, 0, sizeof(*event));
	head_fill(&event->head, kind_error >> 16, conn->slot, conn->generation, conn->tgid,
		  bpf_ktime_get_ns());
	event->head.flags = conn->late;
	event->born = conn->born;
	event->established = conn->established;
	event->process = conn->process;
	event->inode = inode_of(sk);
	event->role = conn->role;
	event->error = kind_error & 0xffff;
	event->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	event->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	if (event->family == AF_UNIX) {
		conn->role = event->role = fill_unix(event, sk);
	} else {
		event->position[0] = conn->position[0];
		event->position[1] = conn->position[1];
		fill_begin(event, sk);
		fill_tcp(event, sk);
	}
	ring_submit(event, sizeof(*event), false);
	return true;
}

/* The generation first: until there is a slot, nobody looks at it. */
static __always_inline bool slot_take(struct sock *sk, struct conn *conn)
{
	struct slot *slot;
	struct carried *carried;
	u32 index;

	if (bpf_map_pop_elem(&free_slots, &index)) {
		count_loss(LOSS_SLOTS);
		return false;
	}
	slot = bpf_map_lookup_elem(&slots, &index);
	if (!slot)
		return false;
	slot->ignore = 0;
	slot->hurried = 0;
	slot->skipping[0] = slot->skipping[1] = 0;
	slot->limit[0] = slot->limit[1] = ~0U;
	carried = bpf_map_lookup_elem(&by_slot, &index);
	if (carried)
		__builtin_memset(carried, 0, sizeof(*carried));
	conn->generation = ++slot->generation;
	asm volatile("" ::: "memory");
	conn->slot = index;
	if (emit_open(sk, conn, EVENT_OPEN << 16))
		return true;
	conn->slot = SLOT_NONE;
	bpf_map_push_elem(&free_slots, &index, BPF_ANY);
	return false;
}

/*
 * A slot of its own and word to user space. Without either it is tried again at the next call. Two
 * threads may make the first calls at once: only one of them takes a slot.
 */
static __always_inline bool conn_take_slot(struct sock *sk, struct conn *conn)
{
	u64 address = (u64)sk;
	u8 one = 1;
	bool taken;

	if (bpf_map_update_elem(&taking, &address, &one, BPF_NOEXIST))
		return false;
	taken = conn->slot != SLOT_NONE || slot_take(sk, conn);
	bpf_map_delete_elem(&taking, &address);
	return taken;
}

static __noinline void emit_close(struct conn *conn, u32 positions[2], u32 unread, u32 flags)
{
	struct read_note *note = bpf_map_lookup_elem(&by_slot, &conn->slot);
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
		__builtin_memset(&event->read, 0, sizeof(event->read));
		if (note && slot) {
			event->read = *note;
			note->moved = 0;
		}
		ring_submit(event, sizeof(*event), false);
	}
}

/* It is not watched any more, or user space has taken the slot back. */
static __always_inline void conn_lose_slot(struct conn *conn)
{
	conn->slot = SLOT_NONE;
	conn->late = EVENT_LATE;
}

/* The current process made this connection, or is the first to use it. */
static __always_inline void conn_own(struct conn *conn)
{
	conn->tgid = bpf_get_current_pid_tgid() >> 32;
	conn->process = process_stamp((void *)bpf_get_current_task());
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

static __always_inline bool is_closed(struct sock *sk)
{
	return sk->__sk_common.skc_family != AF_UNIX && sk->__sk_common.skc_state == TCP_CLOSE;
}

/* Over, or no longer seen: not at a known place in its streams. */
static __always_inline void close_nowhere(struct conn *conn, u32 flags)
{
	u32 nowhere[2] = { 0, 0 };

	emit_close(conn, nowhere, 0, flags);
}

/* Judges by the rules of now; afterwards conn->slot tells the outcome. */
static __noinline void conn_admit(struct sock *sk, struct conn *conn)
{
	/* Of one that is closed, and only read on, the end would never be told. */
	if (conn->slot == SLOT_NONE && (conn->closed || is_closed(sk)))
		return;
	/* The kernel's own threads (before 5.12 io_uring's, or one that closes late) own none. */
	if (!conn->tgid && task_flags() & PF_KTHREAD)
		return;
	if (!conn->tgid)
		conn_own(conn);
	if (conn_judge(sk, conn)) {
		if (conn->slot == SLOT_NONE && !conn_take_slot(sk, conn))
			conn->judged = 0;
		else if (is_closed(sk) && !conn->closed)
			close_nowhere(conn, 0); /* reset meanwhile, when it had no slot */
	} else if (conn->slot != SLOT_NONE) {
		if (slot_of(conn))
			close_nowhere(conn, EVENT_UNWATCHED);
		conn_lose_slot(conn);
	} else if (sk->__sk_common.skc_family == AF_UNIX) {
		conn->late = EVENT_LATE; /* what it moves meanwhile is not counted */
	}
}

#endif
