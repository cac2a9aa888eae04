/* SPDX-License-Identifier: GPL-2.0 */
/* Everything that lives longer than one hook: maps, and what user space sets and reads. */
#ifndef ONLOOKER_BPF_MAPS_H
#define ONLOOKER_BPF_MAPS_H

#define SLOT_NONE EVENT_NO_SLOT

/* What is known of a socket between two calls. */
struct conn {
	u64 process; /* start stamp of the owner; with tgid its key */
	u64 born;    /* connect(), or accepted by the kernel; 0 before our time */
	u64 established;
	u64 arrival; /* when the first byte not yet read came; 0 unknown */
	u64 inode; /* Unix sockets: tells a reused address apart where `by_address` holds the state
		    */
	u32 tgid;  /* owner; 0 while no process has touched it */
	u32 slot;  /* SLOT_NONE: not watched, or not admitted yet */
	u32 generation;	 /* of the slot */
	u32 judged;	 /* generation of the rules by which it was admitted or refused; 0 never */
	u32 position[2]; /* TCP: where the stream began; else the bytes moved so far */
	u8 role;
	u8 late; /* its begin was not seen: EVENT_LATE, and what else is known */
	u8 closed;
	u8 state; /* TCP: as the last change seen made it */
	u8 pad[4];
};

/* Sizes of 1 are set by user space before loading. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20);
} ring SEC(".maps");

/* By slot: the verdicts. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct slot);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, 1);
	__type(value, u32);
} free_slots SEC(".maps");

/* A map of its own, since user space looks at the verdicts all the time. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct carried);
} by_slot SEC(".maps");

/* Bytes of the caller's, to look for frames in. */
#define WINDOW 1024
struct window {
	u64 owner; /* thread that used it last */
	u8 bytes[WINDOW + 16];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct window);
} windows SEC(".maps");

/* By address: the sockets that are taking a slot right now, on any processor. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, u8);
} taking SEC(".maps");

/* The state of sockets goes with the socket ... */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct conn);
} by_socket SEC(".maps");

/* ... but for kernels before 5.11, where tracing programs may not use socket storage. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, u64);
	__type(value, struct conn);
} by_address SEC(".maps");

/* Processes that touched a socket; the least recently seen is forgotten and asked about anew. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct process_key);
	__type(value, struct process_watch);
} processes SEC(".maps");

/* By task: a call of several messages under way. */
struct several {
	u64 vector;
	u64 connection; /* slot and generation */
	u32 next;	/* message */
	u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, struct several);
} several SEC(".maps");

/* By network namespace and port: what listened when the observer started. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, u8);
} listeners SEC(".maps");

/*
 * By thread, where programs can be preempted (hold.h): the call that the first program has seen to.
 * Of size 1 elsewhere.
 */
#define HANDLED 32768
struct handled {
	u64 socket[2]; /* by direction; 0 none */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HANDLED);
	__type(key, u32);
	__type(value, struct handled);
} handled SEC(".maps");

/* How logical tasks are told; event.h. With what follows of size 1 where they are not wanted. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
} task_places SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct task_way);
} task_ways SEC(".maps");

/* An object of a process that is followed. */
struct task_key {
	u64 object;
	u32 tgid;
	u32 pad;
};

/* A logical task with a begin: what EVENT_TASK tells. */
struct task_node {
	u64 task;
	u64 ancestors[EVENT_ANCESTORS];
	u32 told; /* jiffies, 0 never: when user space was last told */
	u32 pad;
};

/* By context: the task that runs in it. Another context may be made at its address. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, struct task_key);
	__type(value, struct task_node);
} contexts SEC(".maps");

/* By item in a queue between threads: the task that put it there. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, struct task_key);
	__type(value, struct task_node);
} queued SEC(".maps");

/* By thread: what it works on since it took an item from a queue. */
struct errand {
	u64 context;	       /* that was current then; 0 none */
	u64 type;	       /* of the items that are errands: the first one's */
	struct task_node node; /* task 0: nobody's */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, u64);
	__type(value, struct errand);
} errands SEC(".maps");

/* By thread and descriptor: the task that wrote what the thread's event loop will send there. */
struct stream_key {
	u64 thread; /* bpf_get_current_pid_tgid() */
	u32 descriptor;
	u32 pad;
};

struct stream {
	u64 object, handle; /* of the event loop; they point to each other as long as it is open */
	struct task_node node;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, struct stream_key);
	__type(value, struct stream);
} streams SEC(".maps");

const volatile bool socket_storage = true;
const volatile bool tasks_told = false;	 /* logical tasks are wanted */
const volatile bool preemptible = false; /* hold.h is needed, and its kfuncs are there */
const volatile __u32 own_tgid = 0;
const volatile bool small_ring = false;	 /* every large call wakes the reader */
const volatile __u32 wake_shift = 18;	 /* one wake-up every 2^18 bytes */
const volatile __u64 tick_ns = 4000000;	 /* of jiffies */
const volatile __u32 stack_size = 16384; /* THREAD_SIZE, before bpf_task_pt_regs */

struct watch_config watch;
__u64 losses[LOSS_COUNTED];
__u32 finding;	   /* enum finding: which pass the iterator makes */
bool all_found;	   /* what is not known yet is new */
__u64 rescued;	   /* calls that only the second program saw (hold.h) */
bool several_seen; /* somebody has ever sent or received several messages at once */

static __always_inline void count_loss(enum loss_reason reason)
{
	__sync_fetch_and_add(&losses[reason], 1);
}

#endif
