/* SPDX-License-Identifier: Apache-2.0 */
#include "loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "util/clock.h"

struct loop {
	struct loop_source sources[LOOP_SOURCES];
	unsigned int count;
	int epoll;
	bool stopped;
};

int loop_new(struct loop **ret)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	int error;

	if (!loop)
		return -ENOMEM;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0) {
		error = -errno;
		free(loop);
		return error;
	}
	*ret = loop;
	return 0;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	close(loop->epoll);
	free(loop);
}

int loop_add(struct loop *loop, const struct loop_source *source)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = loop->count };

	if (loop->count == LOOP_SOURCES)
		return -ENOSPC;
	if (source->edge)
		event.events |= EPOLLET;
	if (source->fd >= 0 && epoll_ctl(loop->epoll, EPOLL_CTL_ADD, source->fd, &event))
		return -errno;
	loop->sources[loop->count++] = *source;
	return 0;
}

static void beat(struct loop *loop)
{
	for (unsigned int i = 0; i < loop->count; i++) {
		if (loop->sources[i].beat)
			loop->sources[i].beat(loop->sources[i].context);
	}
}

int loop_run(struct loop *loop)
{
	struct epoll_event events[LOOP_SOURCES];
	uint64_t next = clock_now();

	while (!loop->stopped) {
		uint64_t now = clock_now();
		int wait = now >= next ? 0 : (int)((next - now) / NSEC_PER_MSEC) + 1;
		int count = epoll_wait(loop->epoll, events, LOOP_SOURCES, wait);

		if (count < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; i < count && !loop->stopped; i++) {
			struct loop_source *source = &loop->sources[events[i].data.u32];

			source->ready(source->context);
		}
		now = clock_now();
		if (now >= next) {
			beat(loop);
			next = now + LOOP_BEAT_MS * NSEC_PER_MSEC;
		}
	}
	return 0;
}

void loop_stop(struct loop *loop)
{
	loop->stopped = true;
}
