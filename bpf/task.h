/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The logical task that makes the current call. A thread is one, unless its program runs many on
 * it, and user space has found out how this program tells them apart (task_ways):
 *
 *	CPython		thread pointer -> slot -> thread state -> current context (PEP 567)
 *	Go		thread pointer -> slot -> goroutine
 *
 * Of a context there is more to say where its making was seen (task_hooks.h): when, and from whom.
 * Other processes pay a load, and nobody anything where tasks are not wanted.
 */
#ifndef ONLOOKER_BPF_TASK_H
#define ONLOOKER_BPF_TASK_H

#define TASK_MAKE(kind, value) ((u64)(kind) << TASK_BITS | TASK_VALUE(value))
#define RETOLD_JIFFIES 1000 /* 1 to 10 s */
#define SHARED 4	    /* processes that may share a place */

#if defined(__TARGET_ARCH_x86)

/* Of the running thread; not of the kernel's workers, which have their maker's thread pointer. */
struct running {
	u64 stamp; /* process_stamp() */
	u64 thread_pointer;
	u64 stack_pointer; /* 0 unknown */
	s32 written;	   /* the descriptor that the current call writes to; -1 none, or unknown */
	bool worker;
};

static __always_inline s32 descriptor_written(const struct pt_regs *regs)
{
	u64 call = regs->orig_ax;

	/* write, writev, sendto, sendmsg */
	return call == 1 || call == 20 || call == 44 || call == 46 ? (s32)regs->di : -1;
}

static __always_inline void running_read(struct running *ret)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs)) {
		struct task_struct *task = bpf_get_current_task_btf();
		struct pt_regs *regs = (void *)bpf_task_pt_regs(task);

		ret->stamp = task->group_leader->start_boottime + task->self_exec_id;
		ret->thread_pointer = task->thread.fsbase;
		ret->stack_pointer = regs->sp;
		ret->written = descriptor_written(regs);
		ret->worker = task->flags & (PF_KTHREAD | PF_IO_WORKER);
	} else {
		struct task_struct *task = (void *)bpf_get_current_task();

		ret->stamp = process_stamp(task);
		ret->thread_pointer = BPF_CORE_READ(task, thread.fsbase);
		ret->stack_pointer = 0;
		ret->written = -1;
		ret->worker = BPF_CORE_READ(task, flags) & (PF_KTHREAD | PF_IO_WORKER);
	}
}

/* The way of the running process, or NULL; what runs is filled in where there may be one. */
static __always_inline struct task_way *way_now(u32 tgid, struct running *ret)
{
	u32 index = tgid % TASK_PLACES, place;
	u32 *first = bpf_map_lookup_elem(&task_places, &index);
	struct task_way *way;

	if (!first || !*first)
		return NULL;
	running_read(ret);
	if (ret->worker)
		return NULL;
	place = *first;
	for (int i = 0; i < SHARED && place; i++) {
		place--;
		way = bpf_map_lookup_elem(&task_ways, &place);
		if (!way)
			return NULL;
		if (way->process == ret->stamp && way->tgid == tgid)
			return way;
		place = way->next;
	}
	return NULL;
}

static __always_inline u64 user_word(u64 address)
{
	u64 value = 0;

	bpf_probe_read_user(&value, sizeof(value), (void *)address);
	return value;
}

/* ---- CPython ---- */

/* The current context, 0 where there is none. */
static __always_inline u64 context_now(const struct task_way *way, u64 thread_pointer)
{
	u64 state = user_word(thread_pointer + way->slot[0]);

	if (!state && way->slot[1])
		state = user_word(thread_pointer + way->slot[1]);
	return state ? user_word(state + way->context) : 0;
}

/*
 * Whether code was sent into the context; else the thread has it for want of another one, and how
 * it was made says nothing.
 */
static __always_inline bool context_entered(const struct task_way *way, u64 context)
{
	struct task_inside inside = { 0 };

	if (!context)
		return false;
	if (!way->inside)
		return true;
	bpf_probe_read_user(&inside, sizeof(inside), (void *)(context + way->inside));
	return inside.entered && (inside.previous || !way->own);
}

/* What runs now. */
struct current {
	u64 context; /* 0: there is none */
	u64 task;    /* without the node: the context that was entered, else the thread */
	bool entered;
	struct task_node
		*node; /* of the context, or of the errand that the thread is on; or NULL */
};

static __always_inline void current_find(const struct task_way *way, u64 thread_pointer, u64 id,
					 struct current *ret)
{
	u64 context = context_now(way, thread_pointer);
	struct task_key key = { .object = context, .tgid = id >> 32 };
	struct errand *errand;

	ret->context = context;
	ret->entered = context_entered(way, context);
	ret->node = NULL;
	if (ret->entered) {
		ret->task = TASK_MAKE(TASK_OBJECT, context);
		ret->node = bpf_map_lookup_elem(&contexts, &key);
		return;
	}
	ret->task = (u32)id;
	errand = way->queue ? bpf_map_lookup_elem(&errands, &id) : NULL;
	if (errand && errand->node.task && (!errand->context || errand->context == context))
		ret->node = &errand->node;
}

/* Tells user space from whom the task descends, unless it should still know. */
static __always_inline void node_tell(struct task_node *node, u32 tgid)
{
	u32 now = (u32)bpf_jiffies64() | 1;
	struct event_task *event;

	if (node->told && now - node->told < RETOLD_JIFFIES)
		return;
	event = ring_reserve(sizeof(*event));
	if (!event)
		return;
	node->told = now;
	head_fill(&event->head, EVENT_TASK, SLOT_NONE, 0, tgid, TASK_VALUE(node->task));
	event->head.task = node->task;
	for (int i = 0; i < EVENT_ANCESTORS; i++)
		event->ancestors[i] = node->ancestors[i];
	ring_submit(event, sizeof(*event), false);
}

#define STREAM_HANDLE 0x18 /* behind the head of an object and its methods: a uv_stream_t */
#define HANDLE_FD 0xb8	   /* io_watcher.fd; uv_handle_t.data comes first: libuv 1.x, uv.h */

static __always_inline bool stream_open(const struct task_way *way, u64 object, u64 handle,
					u32 descriptor)
{
	return user_word(handle) == object &&
	       user_word(object + way->head + STREAM_HANDLE) == handle &&
	       (u32)user_word(handle + HANDLE_FD) == descriptor;
}

/* Whose it is what the event loop sends now; NULL where it is the current task's. */
static __always_inline struct task_node *stream_node(const struct task_way *way,
						     const struct running *running, u64 id)
{
	struct stream_key key = { .thread = id, .descriptor = running->written };
	struct stream *stream;

	if (!way->streams || running->written < 0)
		return NULL;
	stream = bpf_map_lookup_elem(&streams, &key);
	if (!stream || !stream_open(way, stream->object, stream->handle, key.descriptor))
		return NULL;
	return &stream->node;
}

static __always_inline u64 python_task(const struct task_way *way, const struct running *running,
				       u64 id)
{
	struct task_node *node = stream_node(way, running, id);
	struct current current;

	if (!node) {
		current_find(way, running->thread_pointer, id, &current);
		node = current.node;
		if (!node)
			return current.task;
	}
	node_tell(node, id >> 32);
	return node->task;
}

/* ---- Go ---- */

/* It must own the stack that the call was made on: else this is not it, or it is the system's. */
static __always_inline u64 go_task(const struct task_way *way, const struct running *running,
				   u64 id)
{
	u64 goroutine = user_word(running->thread_pointer + way->slot[0]);
	u64 stack[2] = { 0, 0 }; /* low, high: runtime.g begins with them */

	if (goroutine)
		bpf_probe_read_user(stack, sizeof(stack), (void *)goroutine);
	if (running->stack_pointer < stack[0] || running->stack_pointer >= stack[1])
		return (u32)id;
	return TASK_MAKE(TASK_OBJECT, goroutine);
}

/* A global function: verified once by itself. */
__attribute__((noinline)) u64 task_followed(u64 id)
{
	struct running running;
	struct task_way *way = way_now(id >> 32, &running);

	if (!way)
		return (u32)id;
	return way->kind == TASK_WAY_GO ? go_task(way, &running, id) :
					  python_task(way, &running, id);
}

#else

static __always_inline u64 task_followed(u64 id)
{
	return (u32)id;
}

#endif

/* The task that makes the current call; `id` is bpf_get_current_pid_tgid(). */
static __always_inline u64 task_now(u64 id)
{
	return tasks_told ? task_followed(id) : (u32)id;
}

#endif
