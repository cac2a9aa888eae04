/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where CPython's tasks come from, attached per process by user space:
 *
 *	PyContext_CopyCurrent() returns		a task begins, child of the one that called
 *	Context(), Context.copy() return	a context that is nobody's
 *	SimpleQueue.put(item)			the caller's task waits in a queue ...
 *	SimpleQueue.get() returns item		... and a thread works for it from now on
 *	UVStream.write(data)			the caller's task sends later, by the event loop
 *
 * These programs can be preempted, unlike those at sockets: nothing is shared by processor.
 */
#ifndef ONLOOKER_BPF_TASK_HOOKS_H
#define ONLOOKER_BPF_TASK_HOOKS_H

#if defined(__TARGET_ARCH_x86)

#define OBJECT_TYPE 8 /* offset in a PyObject, behind the longer part of its head */
#define TYPE_NAME 24  /* offset in a PyTypeObject, likewise */

static __always_inline u64 type_of(const struct task_way *way, u64 object)
{
	return user_word(object + way->head + OBJECT_TYPE);
}

/* A new task: below the node's, or where there is none below `task`. */
static __always_inline void node_begin(struct task_node *ret, const struct task_node *parent,
				       u64 task)
{
	ret->task = TASK_MAKE(TASK_BORN, bpf_ktime_get_ns());
	ret->told = ret->pad = 0;
	ret->ancestors[0] = parent ? parent->task : task;
	for (int i = 1; i < EVENT_ANCESTORS; i++)
		ret->ancestors[i] = parent ? parent->ancestors[i - 1] : 0;
}

SEC("?uretprobe")
int context_copied(struct pt_regs *regs)
{
	u64 id = bpf_get_current_pid_tgid();
	struct task_key key = { .object = PT_REGS_RC(regs), .tgid = id >> 32 };
	struct running running;
	struct task_way *way = way_now(id >> 32, &running);
	struct current current;
	struct task_node *known, node;

	if (!way || way->kind != TASK_WAY_CPYTHON || !key.object)
		return 0;
	current_find(way, running.thread_pointer, id, &current);
	/* There was one to copy: is it what the way leads to? */
	if (!current.context || type_of(way, current.context) != way->type) {
		way->broken = 1;
		return 0;
	}
	/* Mostly there was another one at its address, which nobody can use any more. */
	known = bpf_map_lookup_elem(&contexts, &key);
	if (known && known != current.node) {
		node_begin(known, current.node, current.task);
		return 0;
	}
	node_begin(&node, current.node, current.task);
	bpf_map_update_elem(&contexts, &key, &node, BPF_ANY);
	return 0;
}

/* Another one was at its address, whose it is not. */
SEC("?uretprobe")
int context_made(struct pt_regs *regs)
{
	struct task_key key = { .object = PT_REGS_RC(regs),
				.tgid = bpf_get_current_pid_tgid() >> 32 };

	bpf_map_delete_elem(&contexts, &key);
	return 0;
}

/* What executors of concurrent.futures put into their queue. */
static __always_inline bool is_errand(const struct task_way *way, u64 item)
{
	static const char name[10] = "_WorkItem";
	char text[sizeof(name)] = "";

	bpf_probe_read_user(text, sizeof(text),
			    (void *)user_word(type_of(way, item) + way->head + TYPE_NAME));
	for (u32 i = 0; i < sizeof(name); i++) {
		if (text[i] != name[i])
			return false;
	}
	return true;
}

/*
 * A thread without a context sends others on errands, too; but what else it puts into queues may be
 * for anybody, such as a connection that it does not need any more.
 */
SEC("?uprobe")
int queue_put(struct pt_regs *regs)
{
	u64 id = bpf_get_current_pid_tgid();
	struct task_key key = { .tgid = id >> 32 };
	struct running running;
	struct task_way *way = way_now(id >> 32, &running);
	struct current current;
	struct task_node node;

	if (!way)
		return 0;
	key.object = user_word(PT_REGS_PARM2(regs)); /* the first of the arguments */
	current_find(way, running.thread_pointer, id, &current);
	if (current.node) {
		bpf_map_update_elem(&queued, &key, current.node, BPF_ANY);
	} else if (is_errand(way, key.object)) {
		node_begin(&node, NULL, current.task);
		bpf_map_update_elem(&queued, &key, &node, BPF_ANY);
	} else {
		bpf_map_delete_elem(&queued, &key);
	}
	return 0;
}

/*
 * A thread that is in nobody's context works for whoever put the item there. Only items of one type
 * are errands, that of the first one: a worker may take other things from other queues meanwhile.
 */
SEC("?uretprobe")
int queue_got(struct pt_regs *regs)
{
	u64 id = bpf_get_current_pid_tgid();
	struct task_key key = { .object = PT_REGS_RC(regs), .tgid = id >> 32 };
	struct running running;
	struct task_way *way = way_now(id >> 32, &running);
	struct errand errand = { 0 }, *before;
	struct task_node *asker;
	struct current current;

	if (!way || !key.object)
		return 0;
	current_find(way, running.thread_pointer, id, &current);
	if (current.entered)
		return 0;
	errand.context = current.context;
	errand.type = type_of(way, key.object);
	before = bpf_map_lookup_elem(&errands, &id);
	if (before && before->type != errand.type)
		return 0;
	asker = bpf_map_lookup_elem(&queued, &key);
	if (asker)
		node_begin(&errand.node, asker, 0);
	bpf_map_update_elem(&errands, &id, &errand, BPF_ANY);
	bpf_map_delete_elem(&queued, &key);
	return 0;
}

/* Until its thread writes to that descriptor again what goes out there is this task's. */
SEC("?uprobe")
int stream_written(struct pt_regs *regs)
{
	u64 id = bpf_get_current_pid_tgid();
	u64 object = PT_REGS_PARM1(regs);
	struct stream_key key = { .thread = id };
	struct stream stream = { .object = object };
	struct running running;
	struct task_way *way = way_now(id >> 32, &running);
	struct current current;

	if (!way)
		return 0;
	stream.handle = user_word(object + way->head + STREAM_HANDLE);
	key.descriptor = user_word(stream.handle + HANDLE_FD);
	if (!stream_open(way, object, stream.handle, key.descriptor))
		return 0;
	current_find(way, running.thread_pointer, id, &current);
	if (current.node) {
		stream.node = *current.node;
		bpf_map_update_elem(&streams, &key, &stream, BPF_ANY);
	} else {
		bpf_map_delete_elem(&streams, &key);
	}
	return 0;
}

#endif

#endif
