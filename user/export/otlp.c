/* SPDX-License-Identifier: Apache-2.0 */
#include "export/otlp.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "export/otlp_encode.h"
#include "export/otlp_queue.h"
#include "export/otlp_resource.h"
#include "export/otlp_sender.h"
#include "util/clock.h"
#include "util/memory.h"
#include "util/thread.h"

#define STACK_SIZE ((size_t)512 << 10)
#define GRACE_NS NSEC_PER_SEC /* beyond its time to flush, for a thread that hangs in a library */

struct otlp {
	const struct config_traces *config;
	struct otlp_sender *sender;
	struct otlp_encoder encoder;
	struct otlp_resources resources;
	uint64_t dropped[OTLP_DROPS];
	pthread_t thread;
	bool started;
};

/* ---- spans ---- */

static void push(struct otlp *otlp, const struct span *span)
{
	struct otlp_queue *queue = otlp_sender_queue(otlp->sender);
	struct otlp_record *record;
	int slot = otlp_resources_slot(&otlp->resources, &span->owner, &otlp->encoder, queue);
	size_t size = slot < 0 ? 0 : otlp_encode_span(&otlp->encoder, span) + OTLP_TIMES_SIZE;

	if (size > OTLP_SPAN_MOST) {
		otlp->dropped[OTLP_DROP_TOO_LARGE]++;
		return;
	}
	record = slot < 0 ? NULL : otlp_queue_reserve(queue, OTLP_SPAN, size);
	if (!record) {
		otlp->dropped[OTLP_DROP_QUEUE_FULL]++;
		return;
	}
	record->slot = (uint16_t)slot;
	record->begin = span->begin;
	record->end = span->end;
	otlp_encode_span_write(&otlp->encoder, record->data);
	otlp_queue_commit(queue, record);
	otlp_sender_wake(otlp->sender);
}

void otlp_push(struct otlp *otlp, const struct span *span)
{
	if (!otlp)
		return;
	if (otlp->started)
		push(otlp, span);
	else
		otlp->dropped[OTLP_DROP_SHUTDOWN]++;
}

/* ---- what is known ---- */

struct otlp_counts otlp_counts(const struct otlp *otlp)
{
	struct otlp_counts counts = { 0 };

	if (!otlp)
		return counts;
	otlp_sender_counts(otlp->sender, &counts);
	for (int i = 0; i < OTLP_DROPS; i++)
		counts.dropped[i] += otlp->dropped[i];
	return counts;
}

enum otlp_news otlp_news(struct otlp *otlp, char ret[OTLP_NEWS_SIZE])
{
	return otlp ? otlp_sender_news(otlp->sender, ret) : OTLP_NO_NEWS;
}

/* ---- life ---- */

int otlp_open(const struct config_traces *config, struct otlp **ret, char *error, size_t size)
{
	struct otlp *otlp;
	int err;

	*ret = NULL;
	if (!config_traces_on(config))
		return 0;
	snprintf(error, size, "cannot start: %s", strerror(ENOMEM));
	otlp = memory_take_zeroed(MEMORY_FIXED, sizeof(*otlp));
	if (!otlp)
		return -ENOMEM;
	otlp->config = config;
	err = otlp_sender_new(config, &otlp->sender, error, size);
	if (err) {
		memory_give(MEMORY_FIXED, otlp, sizeof(*otlp));
		return err;
	}
	*ret = otlp;
	return 0;
}

int otlp_start(struct otlp *otlp, const struct identities *identities)
{
	int err;

	if (!otlp)
		return 0;
	otlp_resources_init(&otlp->resources, otlp->config, identities);
	err = thread_start(STACK_SIZE, otlp_sender_run, otlp->sender, &otlp->thread);
	otlp->started = !err;
	return err;
}

/* False: the thread hangs, and keeps what it uses. */
static bool end_thread(struct otlp *otlp)
{
	struct timespec limit;
	uint64_t until = clock_now() + otlp->config->flush + GRACE_NS;

	otlp_sender_stop(otlp->sender);
	limit.tv_sec = (time_t)(until / NSEC_PER_SEC);
	limit.tv_nsec = (long)(until % NSEC_PER_SEC);
	return pthread_clockjoin_np(otlp->thread, NULL, CLOCK_MONOTONIC, &limit) == 0;
}

uint64_t otlp_close(struct otlp *otlp)
{
	struct otlp_counts counts;
	bool ended;

	if (!otlp)
		return 0;
	ended = !otlp->started || end_thread(otlp);
	counts = otlp_counts(otlp);
	if (ended) {
		otlp_sender_free(otlp->sender);
		memory_give(MEMORY_FIXED, otlp, sizeof(*otlp));
	}
	return counts.dropped[OTLP_DROP_SHUTDOWN] + counts.queued;
}
