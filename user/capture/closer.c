/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/closer.h"

#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#include "util/thread.h"

#define STACK_SIZE (64 * 1024)

/* Each is a packet of its own. */
static void *run(void *argument)
{
	int out = (int)(intptr_t)argument, descriptor;

	while (read(out, &descriptor, sizeof(descriptor)) == sizeof(descriptor))
		close(descriptor);
	return NULL;
}

void closer_init(struct closer *closer)
{
	int ends[2] = { -1, -1 };

	/* Of packets a pipe has room for as many as pages, pipe(7). */
	if (pipe2(ends, O_CLOEXEC | O_DIRECT) == 0) {
		fcntl(ends[1], F_SETFL, O_NONBLOCK | O_DIRECT);
		fcntl(ends[1], F_SETPIPE_SZ, CLOSER_MOST * getpagesize());
	}
	*closer = (struct closer){ .out = ends[0], .in = ends[1] };
}

void closer_close(struct closer *closer, int descriptor)
{
	if (!closer->runs && closer->in >= 0)
		closer->runs = thread_start(STACK_SIZE, run, (void *)(intptr_t)closer->out,
					    &closer->thread) == 0;
	if (!closer->runs ||
	    write(closer->in, &descriptor, sizeof(descriptor)) != sizeof(descriptor))
		close(descriptor);
}

void closer_free(struct closer *closer)
{
	if (closer->in < 0)
		return;
	close(closer->in);
	if (closer->runs)
		pthread_join(closer->thread, NULL);
	close(closer->out);
	closer->in = -1;
}
