/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a CPython process (3.11 and later, with the GIL or without) keeps the current context of
 * each thread. Nothing is known beforehand of a version's structures: what is looked for is
 * recognised by what it points to, and holds only if it does in every thread.
 *
 *	_PyRuntime -> interpreter -> thread state -> next thread's state ...
 *	                   ^------------|  |  '--> context, whose type is PyContext_Type
 *	thread's own area <----------------'
 *	   '-- slot: points to the thread's state, in every thread at the same distance
 */
#ifndef ONLOOKER_PYTHON_H
#define ONLOOKER_PYTHON_H

#include "capture/image.h"
#include "event.h"

#define PYTHON_MAKERS 2

struct python {
	struct task_way way;	      /* without `process` */
	uint64_t copy;		      /* address of PyContext_CopyCurrent() */
	uint64_t make[PYTHON_MAKERS]; /* of Context() and Context.copy(); 0 unknown */
};

/* Whether the image is an interpreter's. */
bool python_is(struct remote *remote, const struct image *image);

/*
 * Finds and verifies. 0; -EAGAIN: not now (no thread has a context yet, or threads are just coming
 * and going); -ENOTSUP: it cannot be. Then *ret_why says what is missing. Some milliseconds.
 */
int python_find(struct remote *remote, const struct image *image, struct python *ret,
		const char **ret_why);

/* The functions of _queue.SimpleQueue. */
struct python_queue {
	uint64_t put; /* (self, arguments, their number, keywords) */
	uint64_t get, get_nowait;
};

/* Finds them in the image that has that module, through its table of methods. 0 or -ENOENT. */
int python_queue(struct remote *remote, const struct image *image, struct python_queue *ret);

/*
 * The functions of the streams of an event loop that only queues what is written, and sends it
 * later, for everybody at once: uvloop before 0.23.
 */
struct python_stream {
	uint64_t write, writelines; /* (self, ...) */
};

/* The same, in that event loop's image. */
int python_stream(struct remote *remote, const struct image *image, struct python_stream *ret);

#endif
