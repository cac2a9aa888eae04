/* SPDX-License-Identifier: Apache-2.0 */
#include "util/thread.h"

int thread_start(size_t stack, void *(*run)(void *argument), void *argument, pthread_t *ret)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int error = pthread_attr_init(&attributes);

	if (error)
		return -error;
	error = pthread_attr_setstacksize(&attributes, stack);
	if (!error)
		error = pthread_create(&thread, &attributes, run, argument);
	pthread_attr_destroy(&attributes);
	if (!error)
		*ret = thread;
	return -error;
}
