/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where the kernel may preempt a program (tracepoints since 7.0, fexit), it skips that program on
 * that processor for everybody until the preempted run is over: those calls would not be seen.
 *
 *	enter  hold()  the work                                  release()  leave
 *	  |-----|-------------------------------------------------|------------|
 *	   may be  preemption off: a switch that is due waits       may be, but the switch waits
 *	   preempted                                                for the end or an interrupt
 *
 * Enabling preemption would switch at once, still inside the program, where a switch came due
 * meanwhile. With interrupts off it does not, and enabling those does not either. What is left are
 * a few instructions at each end, and for them there is a second program at the same call: the
 * first notes in `handled` that it ran, the second does the work where that note is missing.
 */
#ifndef ONLOOKER_BPF_HOLD_H
#define ONLOOKER_BPF_HOLD_H

static void (*const preempt_disable)(void) = (void *)KFUNC_PREEMPT_DISABLE;
static void (*const preempt_enable)(void) = (void *)KFUNC_PREEMPT_ENABLE;
static void (*const irq_save)(unsigned long *flags) = (void *)KFUNC_IRQ_SAVE;
static void (*const irq_restore)(unsigned long *flags) = (void *)KFUNC_IRQ_RESTORE;

static __always_inline void hold(void)
{
	if (preemptible)
		preempt_disable();
}

static __always_inline void release(void)
{
	unsigned long flags;

	if (preemptible) {
		irq_save(&flags);
		preempt_enable();
		irq_restore(&flags);
	}
}

/* By thread, for as long as it is in one call: two threads of one number seldom are at once. */
static __always_inline struct handled *handled_now(void)
{
	u32 index = (u32)bpf_get_current_pid_tgid() & (HANDLED - 1);

	return bpf_map_lookup_elem(&handled, &index);
}

static __always_inline void handled_note(struct sock *sk, u32 direction)
{
	struct handled *now = preemptible ? handled_now() : NULL;

	if (now)
		now->socket[direction & 1] = (u64)sk;
}

/* Whether the first program has run for this call; the note is used up. */
static __always_inline bool handled_take(struct sock *sk, u32 direction)
{
	struct handled *now = handled_now();

	if (!now)
		return true;
	if (now->socket[direction & 1] != (u64)sk)
		return false;
	now->socket[direction & 1] = 0;
	return true;
}

#endif
