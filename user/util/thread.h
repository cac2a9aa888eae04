/* SPDX-License-Identifier: Apache-2.0 */
/* Threads for what waits. Signals are the event loop's, which has blocked them before. */
#ifndef ONLOOKER_THREAD_H
#define ONLOOKER_THREAD_H

#include <pthread.h>
#include <stddef.h>

/* Starts run(argument) with a stack of so many bytes. 0 or -errno; join *ret. */
int thread_start(size_t stack, void *(*run)(void *argument), void *argument, pthread_t *ret);

#endif
