/* SPDX-License-Identifier: GPL-2.0 */
/* The process that makes the current call: who it is, and which watch rules it satisfies. */
#ifndef ONLOOKER_BPF_PROCESS_H
#define ONLOOKER_BPF_PROCESS_H

#define PF_KTHREAD 0x00200000 /* include/linux/sched.h */
#define PF_IO_WORKER 0x00000010
#define AT_EXECFN 31
#define AUXV_PAIRS 26
#define PATH_MAX 4096

/* PF_*: of the thread that makes the call. */
static __always_inline u32 task_flags(void)
{
	struct task_struct *task;

	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		return bpf_get_current_task_btf()->flags;
	task = (void *)bpf_get_current_task();
	return BPF_CORE_READ(task, flags);
}

/*
 * A stamp that with the thread group's id names one program run by one process: its start, moved on
 * by each exec. Two execs are further apart than a nanosecond each.
 */
static __always_inline u64 process_stamp(struct task_struct *task)
{
	return BPF_CORE_READ(task, group_leader, start_boottime) +
	       BPF_CORE_READ(task, self_exec_id);
}

static __always_inline u64 started_as(struct mm_struct *mm)
{
	u64 *vector = (u64 *)__builtin_preserve_access_index(&mm->saved_auxv);
	u64 pair[2];

	for (int i = 0; i < AUXV_PAIRS; i++) {
		if (bpf_probe_read_kernel(pair, sizeof(pair), vector + 2 * i) || !pair[0])
			return 0;
		if (pair[0] == AT_EXECFN)
			return pair[1];
	}
	return 0;
}

/* The last bytes of the path where it is too long for the record: its base name is what matters. */
static __always_inline void read_exec(struct event_process *event, struct mm_struct *mm)
{
	u64 at = started_as(mm);

	for (int i = 0; at && i < 2 * PATH_MAX / EVENT_EXEC_SIZE; i++) {
		long n = bpf_probe_read_user_str(event->exec, EVENT_EXEC_SIZE, (void *)at);

		if (n < EVENT_EXEC_SIZE)
			return;
		event->head.flags = EVENT_CUT;
		at += EVENT_EXEC_SIZE / 2;
	}
}

static __always_inline void read_args(struct event_process *event, struct mm_struct *mm)
{
	u64 begin = BPF_CORE_READ(mm, arg_start);
	u64 size = BPF_CORE_READ(mm, arg_end) - begin;

	if (size > EVENT_ARGS_SIZE)
		size = EVENT_ARGS_SIZE;
	asm volatile("" : "+r"(size));
	if (size > EVENT_ARGS_SIZE)
		return;
	if (!bpf_probe_read_user(event->args, size, (void *)begin))
		event->args_size = size;
}

/* Tells user space of a process that it has to judge. False where the ring is full. */
__attribute__((noinline)) int emit_process(u64 stamp)
{
	struct event_process *event = ring_reserve(sizeof(*event));
	struct task_struct *task = (void *)bpf_get_current_task();
	struct mm_struct *mm;

	if (!event)
		return false;
	__builtin_memset(event, 0, sizeof(*event));
	head_fill(&event->head, EVENT_PROCESS, SLOT_NONE, 0, bpf_get_current_pid_tgid() >> 32,
		  bpf_ktime_get_ns());
	event->process = stamp;
	event->cgroup = bpf_get_current_cgroup_id();
	mm = BPF_CORE_READ(task, mm);
	if (mm) {
		read_exec(event, mm);
		read_args(event, mm);
	}
	ring_submit(event, sizeof(*event), false);
	return true;
}

/* The rules that the current process satisfies, ports aside; WATCH_UNDECIDED: not known yet. */
static __always_inline u64 process_bits(u64 stamp, u32 tgid)
{
	struct process_key key = { .process = stamp, .tgid = tgid };
	struct process_watch undecided = { .bits = WATCH_UNDECIDED,
					   .generation = watch.generation };
	struct process_watch *known = bpf_map_lookup_elem(&processes, &key);

	if (known && known->generation == watch.generation)
		return known->bits;
	if (!emit_process(stamp))
		return WATCH_UNDECIDED;
	if (bpf_map_update_elem(&processes, &key, &undecided, BPF_ANY))
		count_loss(LOSS_PROCESSES);
	return WATCH_UNDECIDED;
}

/* Takes away the rules that name a port which is neither of these. */
__attribute__((noinline)) u64 rules_with_ports(u64 bits, u64 local, u64 remote)
{
	u64 ported = watch.ported & bits;

	for (u32 i = 0; i < WATCH_RULES; i++) {
		if (ported >> i == 0)
			break;
		if (ported >> i & 1 && watch.port[i] != local && watch.port[i] != remote)
			bits &= ~(1ULL << i);
	}
	return bits;
}

/* Whether bits that are decided mean: watch. */
static __always_inline bool rules_watch(u64 bits)
{
	if (bits & watch.exclude)
		return false;
	return !watch.include || bits & watch.include;
}

#endif
