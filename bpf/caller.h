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

struct registers {
	u64 number, argument[3];
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

		*ret = (struct registers){ regs->orig_ax, { regs->di, regs->si, regs->dx } };
		ax = regs->ax;
		cs = regs->cs;
	} else {
		struct task_struct *task = (void *)bpf_get_current_task();
		struct pt_regs *regs = (void *)((char *)BPF_CORE_READ(task, stack) + stack_size -
						bpf_core_type_size(struct pt_regs));

		*ret = (struct registers){ BPF_CORE_READ(regs, orig_ax),
					   { BPF_CORE_READ(regs, di), BPF_CORE_READ(regs, si),
					     BPF_CORE_READ(regs, dx) } };
		ax = BPF_CORE_READ(regs, ax);
		cs = BPF_CORE_READ(regs, cs);
	}
	if (cs != USER_CS)
		return LOSS_COMPAT;
	return (s64)ax == -ENOSYS ? LOSS_NONE : LOSS_NO_BUFFER;
}
#else
static __always_inline u32 registers_read(struct registers *ret)
{
	struct pt_regs *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());

	*ret = (struct registers){ regs->syscallno,
				   { regs->orig_x0, regs->regs[1], regs->regs[2] } };
	return LOSS_NONE;
}
#endif

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

static __always_inline void buffers_find(u32 direction, struct buffers *ret)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct registers regs;
	bool sends = direction == DIRECTION_TX;

	*ret = (struct buffers){ 0 };
	if (BPF_CORE_READ(task, flags) & (PF_KTHREAD | PF_IO_WORKER)) {
		ret->loss = LOSS_NO_BUFFER;
		return;
	}
	ret->loss = registers_read(&regs);
	if (ret->loss)
		return;
	if (regs.number == (sends ? NR(1, 64) : NR(0, 63)) ||	  /* write, read */
	    regs.number == (sends ? NR(44, 206) : NR(45, 207))) { /* sendto, recvfrom */
		ret->base = regs.argument[1];
	} else if (regs.number == (sends ? NR(46, 211) : NR(47, 212))) { /* sendmsg, recvmsg */
		message_buffers(regs.argument[1], ret);
	} else if (regs.number == (sends ? NR(20, 66) : NR(19, 65)) ||	   /* writev, readv */
		   regs.number == (sends ? NR(328, 287) : NR(327, 286))) { /* pwritev2, preadv2 */
		ret->base = regs.argument[1];
		ret->count = regs.argument[2];
	} else if (regs.number == (sends ? NR(307, 269) : NR(299, 243))) { /* sendmmsg, recvmmsg */
		if (regs.argument[2] == 1)
			message_buffers(regs.argument[1], ret);
		else
			ret->loss = LOSS_LONG; /* which message it is, the registers do not tell */
	} else {
		ret->loss = LOSS_NO_BUFFER; /* sendfile, splice, io_uring_enter */
	}
}

#endif
