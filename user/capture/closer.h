/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Closes descriptors in a thread of its own: to end a probe takes until every processor has
 * forgotten it, 0.1 to 0.2 s on a busy node, for each of up to six in a process, and the event
 * loop has records to read meanwhile. The descriptors go through a pipe; nothing else is in common.
 * Few may wait there: where processes come and go faster than their probes can be ended, whoever
 * sets them has to wait, or descriptors and the kernel's locks would run short.
 */
#ifndef ONLOOKER_CLOSER_H
#define ONLOOKER_CLOSER_H

#include <pthread.h>
#include <stdbool.h>

#define CLOSER_MOST 16

struct closer {
	int out, in; /* a pipe; -1: there is none */
	bool runs;
	pthread_t thread;
};

/* The thread begins with the first descriptor: then it has no more privileges than the loop. */
void closer_init(struct closer *closer);

/*
 * The descriptor is not the caller's any more. Waits only where there can be no thread, or where
 * CLOSER_MOST wait already.
 */
void closer_close(struct closer *closer, int descriptor);

/* Ends once all are closed. */
void closer_free(struct closer *closer);

#endif
