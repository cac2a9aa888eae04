/* SPDX-License-Identifier: (GPL-2.0 OR Apache-2.0) */
/*
 * The records that the kernel side writes to the ring buffer, and the page of verdicts that user
 * space writes back. Shared by both sides; knows sockets, never protocols.
 *
 * Every record begins with struct event_head. Fields have fixed widths, padding is explicit and
 * written, so that no kernel memory leaks out.
 *
 * A connection is named by (slot, generation). A slot is an index below the configured limit, lent
 * to the kernel side by user space through the `free_slots` stack and given back only once user
 * space has seen the end of the connection; the generation tells two tenants of a slot apart.
 *
 * Stream positions are 32-bit and wrap: for TCP they are TCP's own sequence numbers, so they heal
 * after any loss; elsewhere they are byte counters that begin at 0. A gap is arithmetic.
 */
#ifndef ONLOOKER_EVENT_H
#define ONLOOKER_EVENT_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

enum event_kind {
	EVENT_PROCESS =
		1, /* a process touches a watched socket for the first time: struct event_process */
	EVENT_OPEN,  /* a connection gets its slot, before its first data: struct event_open */
	EVENT_DATA,  /* bytes moved by one call: struct event_data */
	EVENT_CLOSE, /* the connection is over: struct event_close */
	EVENT_FAIL,  /* an outgoing connection was refused or timed out: struct event_open, no slot
		      */
	EVENT_TASK,  /* from whom a logical task descends: struct event_task, no slot */
};

enum event_direction {
	DIRECTION_RX = 0, /* read by the watched process */
	DIRECTION_TX = 1, /* written by it */
};

enum event_layer {
	LAYER_SOCKET = 0, /* what the socket carries */
	LAYER_TLS = 1,	  /* plaintext taken at a TLS library: a stream of its own */
};

enum event_role {
	ROLE_UNKNOWN = 0, /* opened before the observer, or not TCP */
	ROLE_CLIENT = 1,  /* this end called connect() */
	ROLE_SERVER = 2,  /* this end was accepted */
};

enum event_flag {
	EVENT_LATE =
		1 << 0, /* event_open: first seen in mid-life: the positions are where we came in */
	EVENT_CUT = 1 << 1, /* event_process: the path was longer than `exec` */
	EVENT_UNWATCHED =
		1 << 2,	      /* event_close: the connection goes on, but is not watched any more */
	EVENT_QUIET = 1 << 3, /* event_open, late: at rest: what was asked had been answered */
	EVENT_UNUSED = 1 << 4, /* event_open, late: nothing had moved yet */
	EVENT_HOPPED = 1 << 5, /* event_data: from the slot.until that user space wrote last up to
				  `position` there were nothing but frames to hop over */
	EVENT_TORN = 1 << 6,   /* << direction; event_close: this stream did not come to its end,
				  which is a FIN of its sender's */
};

#define EVENT_NO_SLOT 0xffffffffU

struct event_head {
	__u64 time; /* CLOCK_MONOTONIC ns, when the call completed */
	__u64 task; /* logical task that made the call: TASK_*; 0 where none did */
	__u32 slot; /* EVENT_NO_SLOT where the record belongs to no connection */
	__u32 generation;
	__u32 tgid;	/* process that made the call, as the initial pid namespace numbers it */
	__u8 kind;	/* enum event_kind */
	__u8 direction; /* enum event_direction */
	__u8 layer;	/* enum event_layer */
	__u8 flags;	/* enum event_flag */
};

/*
 * A call that read, told along with the next record of its connection. Where only lengths are
 * wanted of what is read (slot.limit) it has a record of its own only when another reads before,
 * or behind EVENT_CLOSE.
 */
struct event_read {
	__u32 position; /* as in event_data */
	__u32 moved;	/* 0: none */
	__u32 ago;	/* ns, before head.time; EVENT_AGES: longer */
	__u32 waited;	/* ns from arrival to reading; EVENT_AGES: unknown, or longer */
};

#define EVENT_AGES 0xffffffffU

/* By slot: the call that read last, while it is told by nothing else. Written by the kernel side.
 */
struct read_note {
	__u64 time;    /* ns */
	__u64 arrival; /* ns, 0 unknown */
	__u32 position;
	__u32 moved; /* 0: none; written last, and cleared first */
};

#define FRAME_HEAD 5	 /* bytes; bpf/frame.h */
#define FRAME_CUT_MOST 7 /* bytes of a head that are kept */
#define FRAME_LINES 0xff /* slot.hop: frames of the other form, whose heads are lines */

/* A frame's head that began at the end of a buffer whose bytes nobody wants. */
struct cut {
	__u64 bytes; /* the first `size` ones of it */
	__u32 at;    /* its position */
	__u8 size;   /* 0: none */
	__u8 far;    /* besides: user space should hear of where the skip is */
	__u8 pad[2];
};

/*
 * By slot: what is carried from one call to the next. A cache line: both ends of a connection often
 * have neighbouring slots, and run on different processors.
 */
struct carried {
	struct read_note note;
	struct cut cut[2]; /* by direction */
	__u64 pad;
};

/*
 * One contiguous range of one direction of a stream: `moved` bytes from `position` on, of which the
 * first `captured` follow this header. A call may leave several records, in order.
 */
struct event_data {
	struct event_head head;
	__u64 instant;	/* RX: when the first byte then unread had arrived; TX: when the last
			   byte left the socket; ns, 0 unknown */
	__u32 position; /* of the first byte moved */
	__u32 moved;
	__u32 captured;
	__u32 loss; /* enum loss_reason: why `captured` is less than what was wanted; 0: it is not
		     */
	struct event_read read;
	__u8 bytes[];
};

#define EVENT_PATH_SIZE 108

struct event_open {
	struct event_head head;
	__u64 born;	   /* connect() called, or the connection accepted by the kernel; ns */
	__u64 established; /* ns; 0 where unknown */
	__u64 process;	   /* start stamp of the owner: with tgid, the key of EVENT_PROCESS */
	__u64 inode;	   /* of the socket */
	__u64 peer;	   /* Unix sockets: inode of the other end's socket, 0 unknown */
	__u32 position[2]; /* by direction: where the stream begins (where we came in, if
			      EVENT_LATE) */
	__u32 begin[2]; /* TCP, by direction: where it began; sent by who has connected: one less.
			      Of one in use perhaps garbled */
	__u32 netns;
	__u16 family;	   /* AF_INET, AF_INET6, AF_UNIX */
	__u16 local_port;  /* host order */
	__u16 remote_port; /* host order */
	__u8 role;	   /* enum event_role */
	__u8 pad;
	__s32 error;	/* EVENT_FAIL: errno of the failure, 0 unknown */
	__u8 local[16]; /* IPv4 in the first four bytes */
	__u8 remote[16];
	char path[EVENT_PATH_SIZE]; /* Unix sockets: the bound address of either end, as in sun_path
				     */
	__u32 pad2;
};

struct event_close {
	struct event_head head;
	__u32 position[2]; /* by direction: one past the last byte moved; a FIN not counted */
	__u32 unread;	   /* bytes that arrived and may still be read: each call that does is told
			      of by an EVENT_DATA behind this record, with or without bytes */
	__u32 pad;
	struct read_note read; /* what was noted and not told */
};

#define EVENT_EXEC_SIZE 128
#define EVENT_ARGS_SIZE 384

struct event_process {
	struct event_head head;
	__u64 process; /* start stamp: unique with tgid, changes with exec */
	__u64 cgroup;  /* id of its cgroup v2 */
	__u32 args_size;
	__u32 pad;
	char exec[EVENT_EXEC_SIZE]; /* AT_EXECFN or (EVENT_CUT) its end, NUL-terminated; "" unknown
				     */
	char args[EVENT_ARGS_SIZE]; /* argv, NUL-separated, the first args_size bytes */
};

/*
 * A logical task, named within its process: what its upper two bits say and a value below them.
 * Where a program runs many tasks on few threads (task_way), the thread's own number says nothing.
 */
#define TASK_BITS 62
#define TASK_KIND(task) ((task) >> TASK_BITS)
#define TASK_VALUE(task) ((task) & ((1ULL << TASK_BITS) - 1))

enum task_kind {
	TASK_THREAD = 0, /* the thread id */
	TASK_OBJECT = 1, /* an address in the process: a goroutine, a context of unknown descent.
			    Another one may have it later */
	TASK_BORN = 2,	 /* when it began, CLOCK_MONOTONIC ns: nobody has the same again */
};

#define EVENT_ANCESTORS 16

/*
 * From whom a TASK_BORN descends. Comes before the first record of its task, and again now and then
 * for as long as it makes calls: whoever missed it learns it later.
 */
struct event_task {
	struct event_head head;		  /* task: the descendant */
	__u64 ancestors[EVENT_ANCESTORS]; /* its parent first; behind the last one 0 */
};

/*
 * How to tell the logical task of a process's calls. Written by user space, at a place in the array
 * `task_ways`; the array `task_places` says where.
 */
enum task_way_kind {
	TASK_WAY_CPYTHON = 1, /* the current context, PEP 567 */
	TASK_WAY_GO,	      /* the goroutine */
};

struct task_way {
	__u64 process; /* start stamp: the way is this program's only */
	__u64 type;    /* CPython: address of the type of contexts */
	__s32 slot[2]; /* from the thread pointer to the slots that hold the thread's state (Go: the
			  goroutine) or NULL, the first that does counts; slot[1] 0: there is none
			*/
	__u32 context; /* CPython: offset of the current context in the thread's state */
	__u32 inside;  /* CPython: offset in a context of struct task_inside; 0 unknown */
	__u8 kind;     /* enum task_way_kind */
	__u8 queue;    /* CPython: items are followed through SimpleQueue */
	__u8 own;      /* CPython: the outermost context of a thread is its own and nobody's task */
	__u8 broken;   /* set by the kernel side: it does not lead to what it should */
	__u32 tgid;
	__u32 next;   /* as in task_places: another process with the same index there */
	__u8 streams; /* CPython: what is written to streams is sent later, by nobody */
	__u8 head; /* CPython: bytes by which the head of an object is longer than with the GIL */
	__u8 pad[2];
};

/* The end of a context as CPython 3.7 and later have it. */
struct task_inside {
	__u64 previous; /* the context it was entered from */
	__u64 other[2];
	__u32 entered; /* a flag: code runs in it */
	__u32 pad;
};

#define TASK_PLACES 65536 /* by thread group modulo: 0 none, else one more than the way's place */

/*
 * A verdict: what user space wants of one connection. One per slot, in the mmap-able array `slots`;
 * the kernel side resets it when it hands out the slot.
 */
struct slot {
	__u32 generation; /* written by the kernel side when the slot is taken */
	__u32 closed; /* generation that ended, written by the kernel side: heals a lost EVENT_CLOSE
		       */
	__u32 limit[2]; /* by direction: bytes to capture of each call; 0 = lengths only, and of
			   what is read rather late than with a record of its own */
	__u32 until[2]; /* by direction, where skipping[direction]: no record for calls that end
			   before this position (but behind EVENT_CLOSE, without bytes), no bytes
			   before it; then the kernel side clears it */
	__u8 hop[2][2]; /* by direction: the two kinds of frames (or one, twice) to hop over where
			   the skip ends, which is a frame's head: the kernel side moves `until` on
			   then, and of calls that end at it nothing is told; 0: none.
			   bpf/frame.h */
	__u8 skipping[2];
	__u8 ignore;  /* no records at all but EVENT_CLOSE */
	__u8 hurried; /* the reader was woken for a large call; it clears this at rest, if that
			 was worth it */
};

/* The passes of the iterator over what was open at the start; bpf/open_sockets.h. */
enum finding {
	FINDING_LISTENERS,
	FINDING_CONNECTIONS,
	FINDING_YOUNG,
};

/*
 * Why something was not seen. The first ones are counted by the kernel side, in the `losses` array;
 * the others are said in a data record, and are a loss only where the parser needed the bytes.
 */
enum loss_reason {
	LOSS_NONE = 0,
	LOSS_RING,	/* the ring buffer was full: a record is missing */
	LOSS_SLOTS,	/* more connections than the limit, or none were lent in time */
	LOSS_STATE,	/* no memory for the state of a socket */
	LOSS_PROCESSES, /* no room for another process */
	LOSS_COUNTED,
	LOSS_FAULT = LOSS_COUNTED, /* the caller's memory could not be read */
	LOSS_NO_BUFFER,		   /* sendfile, splice, kernel threads: length only */
	LOSS_IO_URING,		   /* likewise: who asked for it is long gone, or was never here */
	LOSS_COMPAT,		   /* a 32-bit system call: length only */
	LOSS_LONG,		   /* a call of more pieces than are followed: the rest by length */
	LOSS_LIMIT,		   /* beyond the verdict's limit: the rest by length */
	LOSS_REASONS,
};

/*
 * The watch filter. Rules are numbered by bit; a process's bits say which rules its executable and
 * cgroup satisfy, the kernel side adds the ports.
 */
#define WATCH_RULES 64
#define WATCH_UNDECIDED \
	(~0ULL) /* a process user space has not judged yet: watched for the time being */

struct watch_config {
	__u64 include;	  /* bits of the include rules; 0: everything */
	__u64 exclude;	  /* bits of the exclude rules */
	__u64 ported;	  /* bits of the rules that name a port */
	__u32 generation; /* changes with every new set of rules */
	__u32 rules;
	__u16 port[WATCH_RULES];
};

struct process_key {
	__u64 process;
	__u32 tgid;
	__u32 pad;
};

struct process_watch {
	__u64 bits;	  /* WATCH_UNDECIDED until user space has judged it */
	__u32 generation; /* of the rules these bits were judged by */
	__u32 pad;
};

#ifndef __VMLINUX_H__
_Static_assert(sizeof(struct event_head) == 32, "event_head");
_Static_assert(sizeof(struct event_data) == 72, "event_data: 80 with the ring buffer's header");
_Static_assert(sizeof(struct read_note) == 24, "read_note");
_Static_assert(sizeof(struct carried) == 64, "carried: a cache line");
_Static_assert(sizeof(struct event_open) == 32 + 40 + 16 + 4 + 6 + 2 + 4 + 32 + EVENT_PATH_SIZE + 4,
	       "event_open");
_Static_assert(sizeof(struct event_close) == 72, "event_close");
_Static_assert(sizeof(struct event_process) == 32 + 24 + EVENT_EXEC_SIZE + EVENT_ARGS_SIZE,
	       "event_process");
_Static_assert(sizeof(struct event_task) == 32 + 8 * EVENT_ANCESTORS, "event_task");
_Static_assert(sizeof(struct task_way) == 48, "task_way");
_Static_assert(sizeof(struct slot) == 32, "slot: two in a cache line");
#endif

#endif
