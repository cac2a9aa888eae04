/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where the bytes of the current system call lie in its caller's memory: its saved registers tell
 * which call it is and what it was given.
 */
#ifndef ONLOOKER_BPF_CALLER_H
#define ONLOOKER_BPF_CALLER_H

#if defined(__TARGET_ARCH_x86)
#define NR(x86, generic) x86
#define USER_CS 0x33 /* 64-bit mode */
#define ENOSYS 38
#else
#define NR(x86, generic) generic
#endif

#define COUNTED 64 /* entries of a vector that are added up */

struct registers {
	u64 number, argument[5];
};

/* The buffers of a call: one, or a vector of them. */
struct buffers {
	u64 base;  /* of the buffer, or of the vector */
	u32 count; /* 0: one buffer, of unknown length; else entries of the vector */
	u32 loss;  /* enum loss_reason: why there are none */
};

#if defined(__TARGET_ARCH_x86)
/*
 * On entry the kernel stores -ENOSYS as the result to be: where it is gone, the body of the call is
 * over (task work at exit, completions of io_uring) and the registers are another call's.
 */
static __always_inline u32 registers_read(struct registers *ret)
{
	u64 ax, cs;

	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs)) {
		struct pt_regs *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());

		*ret = (struct registers){ regs->orig_ax,
					   { regs->di, regs->si, regs->dx, regs->r10, regs->r8 } };
		ax = regs->ax;
		cs = regs->cs;
	} else {
		struct task_struct *task = (void *)bpf_get_current_task();
		struct pt_regs *regs = (void *)((char *)BPF_CORE_READ(task, stack) + stack_size -
						bpf_core_type_size(struct pt_regs));

		*ret = (struct registers){ BPF_CORE_READ(regs, orig_ax),
					   { BPF_CORE_READ(regs, di), BPF_CORE_READ(regs, si),
					     BPF_CORE_READ(regs, dx), BPF_CORE_READ(regs, r10),
					     BPF_CORE_READ(regs, r8) } };
		ax = BPF_CORE_READ(regs, ax);
		cs = BPF_CORE_READ(regs, cs);
	}
	if (cs != USER_CS)
		return LOSS_COMPAT;
	return (s64)ax == -ENOSYS ? LOSS_NONE : LOSS_IO_URING;
}
#else
static __always_inline u32 registers_read(struct registers *ret)
{
	struct pt_regs *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());

	*ret = (struct registers){ regs->syscallno,
				   { regs->orig_x0, regs->regs[1], regs->regs[2], regs->regs[3],
				     regs->regs[4] } };
	/* The result lies where the first argument was, which until then is there as well. */
	return regs->regs[0] == regs->orig_x0 ? LOSS_NONE : LOSS_IO_URING;
}
#endif

/* The same of a call whose buffers are its caller's; else why they are not at hand. */
static __always_inline u32 caller_read(struct registers *ret)
{
	u32 flags = task_flags();

	if (flags & PF_IO_WORKER)
		return LOSS_IO_URING;
	return flags & PF_KTHREAD ? LOSS_NO_BUFFER : registers_read(ret);
}

/* The vector of the message that is the call's second argument. */
static __always_inline void message_buffers(u64 address, struct buffers *ret)
{
	struct user_msghdr message;

	if (bpf_probe_read_user(&message, sizeof(message), (void *)address)) {
		ret->loss = LOSS_FAULT;
		return;
	}
	ret->base = (u64)message.msg_iov;
	ret->count = message.msg_iovlen;
	if (!ret->count)
		ret->loss = LOSS_NO_BUFFER;
}

#define UNCOUNTED (~0ULL)

/* Bytes that the vector has room for; UNCOUNTED where it has too many entries. */
__attribute__((noinline)) u64 vector_size(u64 vector, u64 count)
{
	struct iovec piece;
	u64 size = 0;

	if (count > COUNTED)
		return UNCOUNTED;
	for (u32 i = 0; i < COUNTED && i < count; i++) {
		if (bpf_probe_read_user(&piece, sizeof(piece),
					(void *)(vector + i * sizeof(piece))))
			return UNCOUNTED;
		size += piece.iov_len;
	}
	return size;
}

/* sendmmsg, recvmmsg */
static __always_inline bool has_several(const struct registers *regs, bool sends)
{
	return regs->number == (sends ? NR(307, 269) : NR(299, 243)) && regs->argument[2] != 1;
}

/*
 * Which of the messages of sendmmsg() or recvmmsg() it is, the registers do not tell, so the calls
 * for the messages before are counted. The system call ends early when one fails (several_end()),
 * is sent in part, or (recvmmsg with a time-out) late: of that one nothing is told. Of what is not
 * counted from its first message on, bytes that do not fit are not told of.
 */
static __always_inline void several_find(u64 connection, u32 moved, bool sends,
					 const struct registers *regs, struct buffers *ret)
{
	u64 task = bpf_get_current_pid_tgid();
	struct several *known = bpf_map_lookup_elem(&several, &task);
	struct several now = { .vector = regs->argument[1], .connection = connection };
	u32 count = regs->argument[2];
	u64 room;

	if (!sends && regs->argument[4]) {
		ret->loss = LOSS_LONG;
		return;
	}
	if (known && known->vector == now.vector && known->connection == now.connection)
		now.next = known->next;
	message_buffers(now.vector + now.next * sizeof(struct mmsghdr), ret);
	room = sends ? vector_size(ret->base, ret->count) : UNCOUNTED;
	if (room < moved)
		ret->loss = LOSS_NO_BUFFER;
	now.next++;
	if (now.next >= count || (room != UNCOUNTED && room > moved))
		now.next = 0;
	several_seen = true;
	bpf_map_update_elem(&several, &task, &now, BPF_ANY);
}

/* Of a message nobody wants the bytes; those after it are counted from it. */
__attribute__((noinline)) int several_pass(u64 connection, u64 moved, u64 direction)
{
	struct buffers from = { 0 };
	struct registers regs;
	bool sends = direction == DIRECTION_TX;

	if (!caller_read(&regs) && has_several(&regs, sends))
		several_find(connection, moved, sends, &regs, &from);
	return 0;
}

/* A message without bytes was sent: others may follow. */
__attribute__((noinline)) int several_empty(void)
{
	u64 task = bpf_get_current_pid_tgid();
	struct several *known = several_seen ? bpf_map_lookup_elem(&several, &task) : NULL;
	struct registers regs;

	if (!known || caller_read(&regs) || !has_several(&regs, true) ||
	    known->vector != regs.argument[1])
		return 0;
	if (++known->next >= (u32)regs.argument[2])
		known->next = 0;
	return 0;
}

/* A call failed, or had nothing to read: no further message follows. */
static __always_inline void several_end(void)
{
	u64 task = bpf_get_current_pid_tgid();

	if (several_seen)
		bpf_map_delete_elem(&several, &task);
}

/* write, read; sendto, recvfrom */
static __always_inline bool has_one_buffer(u64 number, bool sends)
{
	return number == (sends ? NR(1, 64) : NR(0, 63)) ||
	       number == (sends ? NR(44, 206) : NR(45, 207));
}

/* Of a call for one message. */
static __always_inline void message_find(const struct registers *regs, bool sends,
					 struct buffers *ret)
{
	u64 number = regs->number;

	if (has_one_buffer(number, sends)) {
		ret->base = regs->argument[1];
	} else if (number == (sends ? NR(46, 211) : NR(47, 212)) ||   /* sendmsg, recvmsg */
		   number == (sends ? NR(307, 269) : NR(299, 243))) { /* of one message */
		message_buffers(regs->argument[1], ret);
	} else if (number == (sends ? NR(20, 66) : NR(19, 65)) ||     /* writev, readv */
		   number == (sends ? NR(328, 287) : NR(327, 286))) { /* pwritev2, preadv2 */
		ret->base = regs->argument[1];
		ret->count = regs->argument[2];
	} else if (number == 426) { /* io_uring_enter */
		ret->loss = LOSS_IO_URING;
	} else {
		ret->loss = LOSS_NO_BUFFER; /* sendfile, splice */
	}
}

static __always_inline void buffers_find(u64 connection, u32 moved, u32 direction,
					 struct buffers *ret)
{
	struct registers regs;
	bool sends = direction == DIRECTION_TX;

	*ret = (struct buffers){ .loss = caller_read(&regs) };
	if (ret->loss)
		return;
	if (has_several(&regs, sends))
		several_find(connection, moved, sends, &regs, ret);
	else
		message_find(&regs, sends, ret);
}

/*
 * The same without counting messages: of several there are none. Without a loss: what is not at
 * hand is as if it were at 0. A frame of its own, not part of a deeper stack.
 */
static __noinline int buffers_peek(u64 sends, struct buffers *ret)
{
	struct buffers found = { 0 };
	struct registers regs;

	if (!caller_read(&regs) && !has_several(&regs, sends))
		message_find(&regs, sends, &found);
	if (!found.loss)
		*ret = found;
	return 0;
}

#endif
