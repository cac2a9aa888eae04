/* SPDX-License-Identifier: Apache-2.0 */
#include "export/otlp_sender.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "export/otlp_batch.h"
#include "export/otlp_encode.h"
#include "export/otlp_http.h"
#include "util/clock.h"
#include "util/memory.h"

#define WAIT_LEAST NSEC_PER_SEC
#define WAIT_MOST (30 * NSEC_PER_SEC)
#define TELL_NS (60 * NSEC_PER_SEC) /* between two texts about the same trouble */
#define NICENESS 10		    /* the program itself is in a hurry */
#define NEVER UINT64_MAX

struct otlp_sender {
	struct config_traces config; /* a copy for its numbers: the other is swapped by a reread */
	struct otlp_queue queue;
	struct otlp_batch *batch;
	struct otlp_http *http;
	struct otlp_waker waker;
	/* Shared. */
	_Atomic uint64_t wanted; /* wake at so many spans written; NEVER: not now */
	_Atomic uint64_t end;	 /* no posting beyond; NEVER: it goes on */
	_Atomic uint64_t exported, failures, retries;
	_Atomic uint64_t dropped[OTLP_DROPS];
	pthread_mutex_t news_lock;
	char news[OTLP_NEWS_SIZE];
	enum otlp_news news_kind; /* OTLP_NO_NEWS: they were taken */
	/* The thread's. */
	uint64_t taken;	     /* spans, since the start */
	uint64_t not_before; /* the collector wants to be left alone until then */
	bool failing, unreachable, last_try;
	uint64_t told, warned; /* when last; 0: never */
};

/* ---- for the event-loop thread ---- */

static uint64_t end_of(void *context)
{
	struct otlp_sender *sender = context;

	return atomic_load(&sender->end);
}

int otlp_sender_new(const struct config_traces *config, struct otlp_sender **ret, char *error,
		    size_t size)
{
	struct otlp_sender *sender = memory_take_zeroed(MEMORY_FIXED, sizeof(*sender));
	int result;

	if (!sender)
		return -ENOMEM;
	sender->config = *config;
	sender->wanted = sender->end = NEVER;
	sender->waker = (struct otlp_waker){ -1, end_of, sender };
	pthread_mutex_init(&sender->news_lock, NULL);
	result = otlp_queue_init(&sender->queue, config->queue,
				 config->queue * CONFIG_SPAN_BYTES + 2 * OTLP_SPAN_MOST);
	if (!result)
		result = otlp_batch_new(config, &sender->batch);
	if (!result) {
		sender->waker.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		result = sender->waker.fd < 0 ? -errno : 0;
	}
	if (result)
		snprintf(error, size, "cannot start: %s", strerror(-result));
	else
		result = otlp_http_new(config, &sender->http, error, size);
	if (result)
		otlp_sender_free(sender);
	else
		*ret = sender;
	return result;
}

void otlp_sender_free(struct otlp_sender *sender)
{
	if (!sender)
		return;
	otlp_http_free(sender->http);
	otlp_batch_free(sender->batch);
	otlp_queue_free(&sender->queue);
	if (sender->waker.fd >= 0)
		close(sender->waker.fd);
	pthread_mutex_destroy(&sender->news_lock);
	memory_give(MEMORY_FIXED, sender, sizeof(*sender));
}

struct otlp_queue *otlp_sender_queue(struct otlp_sender *sender)
{
	return &sender->queue;
}

void otlp_sender_wake(struct otlp_sender *sender)
{
	uint64_t wanted = atomic_load(&sender->wanted);

	if (atomic_load(&sender->queue.spans_written) < wanted)
		return;
	/* Once is enough. */
	if (atomic_exchange(&sender->wanted, NEVER) != NEVER)
		eventfd_write(sender->waker.fd, 1);
}

void otlp_sender_stop(struct otlp_sender *sender)
{
	atomic_store(&sender->end, clock_now() + sender->config.flush);
	eventfd_write(sender->waker.fd, 1);
}

void otlp_sender_counts(const struct otlp_sender *sender, struct otlp_counts *ret)
{
	ret->exported = atomic_load(&sender->exported);
	ret->failures = atomic_load(&sender->failures);
	ret->retries = atomic_load(&sender->retries);
	for (int i = 0; i < OTLP_DROPS; i++)
		ret->dropped[i] = atomic_load(&sender->dropped[i]);
	ret->queued = otlp_queue_spans(&sender->queue);
}

enum otlp_news otlp_sender_news(struct otlp_sender *sender, char ret[OTLP_NEWS_SIZE])
{
	enum otlp_news kind;

	if (pthread_mutex_trylock(&sender->news_lock))
		return OTLP_NO_NEWS;
	kind = sender->news_kind;
	if (kind != OTLP_NO_NEWS)
		memcpy(ret, sender->news, sizeof(sender->news));
	sender->news_kind = OTLP_NO_NEWS;
	pthread_mutex_unlock(&sender->news_lock);
	return kind;
}

/* ---- the thread: news ---- */

/* False: a warning, which never takes the place of what was not read yet. */
static bool put_news(struct otlp_sender *sender, enum otlp_news kind, const char *text)
{
	bool room;

	pthread_mutex_lock(&sender->news_lock);
	room = kind != OTLP_WARNED || sender->news_kind == OTLP_NO_NEWS;
	if (room) {
		sender->news_kind = kind;
		snprintf(sender->news, sizeof(sender->news), "%s", text);
	}
	pthread_mutex_unlock(&sender->news_lock);
	return room;
}

static void tell_failing(struct otlp_sender *sender, const char *why)
{
	uint64_t now = clock_now();

	if (sender->failing && now - sender->told < TELL_NS)
		return;
	sender->failing = true;
	sender->told = now;
	put_news(sender, OTLP_FAILING, why);
}

/* All of a batch got through. A warning may come with each: the first one is told, then by time. */
static void tell_success(struct otlp_sender *sender, const char *warning)
{
	uint64_t now = clock_now();

	if (sender->failing)
		put_news(sender, OTLP_RESUMED, "");
	sender->failing = false;
	if (!warning[0] || (sender->warned && now - sender->warned < TELL_NS))
		return;
	if (put_news(sender, OTLP_WARNED, warning))
		sender->warned = now;
}

/* ---- the thread: one batch ---- */

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Between half of it and all of it: many who lost the same collector do not come back at once. */
static uint64_t vary(uint64_t wait)
{
	uint32_t random = 0;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		random = (uint32_t)clock_now();
	return wait / 2 + (uint64_t)((double)wait / 2 * random / UINT32_MAX);
}

/*
 * Waits until the next attempt at a batch that may be tried until `deadline`. False: it would be
 * too late. Once stopped there is one attempt more, at once, unless the collector forbids it.
 */
static bool wait_again(struct otlp_sender *sender, uint64_t attempt, uint64_t deadline)
{
	uint64_t wait = attempt < 6 ? WAIT_LEAST << attempt : WAIT_MOST;
	uint64_t until = clock_now() + vary(least(wait, WAIT_MOST));

	if (sender->not_before > until)
		until = sender->not_before;
	if (until > deadline)
		return false;
	while (clock_now() < until) {
		if (end_of(sender) != NEVER) {
			bool first = !sender->last_try;

			sender->last_try = true;
			return first && clock_now() >= sender->not_before;
		}
		otlp_http_wait(sender->http, &sender->waker, until);
	}
	return true;
}

static void post(struct otlp_sender *sender, struct otlp_answer *ret)
{
	size_t size;
	bool packed;
	const void *body = otlp_batch_body(sender->batch, &size, &packed);

	otlp_http_post(sender->http, body, size, packed, sender->config.timeout, &sender->waker,
		       ret);
	sender->unreachable = ret->verdict == OTLP_AGAIN;
	if (sender->unreachable)
		sender->not_before = ret->after ? clock_now() + ret->after : 0;
}

static void give_up(struct otlp_sender *sender, enum otlp_drop reason, size_t spans)
{
	atomic_fetch_add(&sender->dropped[reason], spans);
	atomic_fetch_add(&sender->failures, 1);
}

static void finish(struct otlp_sender *sender, const struct otlp_answer *answer, size_t spans)
{
	uint64_t rejected = least(answer->rejected, spans);

	if (answer->verdict == OTLP_ACCEPTED && !rejected)
		tell_success(sender, answer->text);
	else if (answer->verdict != OTLP_CUT_SHORT)
		tell_failing(sender, answer->text);
	switch (answer->verdict) {
	case OTLP_ACCEPTED:
		atomic_fetch_add(&sender->exported, spans - rejected);
		atomic_fetch_add(&sender->dropped[OTLP_DROP_REJECTED], rejected);
		break;
	case OTLP_REFUSED:
		give_up(sender, OTLP_DROP_REFUSED, spans);
		break;
	case OTLP_UNCLEAR:
		give_up(sender, OTLP_DROP_UNCLEAR, spans);
		break;
	default:
		give_up(sender,
			end_of(sender) == NEVER ? OTLP_DROP_UNREACHABLE : OTLP_DROP_SHUTDOWN,
			spans);
	}
}

/* Makes a batch and gets rid of it. False: nothing was there. */
static bool send_batch(struct otlp_sender *sender)
{
	uint64_t deadline = clock_now() + sender->config.retry;
	size_t spans = otlp_batch_fill(sender->batch, &sender->queue);
	struct otlp_answer answer = { .verdict = OTLP_AGAIN };

	if (!spans)
		return false;
	sender->taken += spans;
	for (uint64_t attempt = 0;; attempt++) {
		post(sender, &answer);
		if (answer.verdict != OTLP_AGAIN)
			break;
		tell_failing(sender, answer.text);
		if (!wait_again(sender, attempt, deadline))
			break;
		atomic_fetch_add(&sender->retries, 1);
	}
	finish(sender, &answer, spans);
	otlp_queue_release(&sender->queue, spans);
	return true;
}

/* ---- the thread ---- */

/* Until a full batch waits, or for `delay`, or to the end; and as long as the collector wants. */
static void idle(struct otlp_sender *sender)
{
	uint64_t until = clock_now() + sender->config.delay;
	uint64_t full = sender->taken + least(sender->config.batch, sender->config.queue / 2);

	atomic_store(&sender->wanted, full);
	while (end_of(sender) == NEVER && clock_now() < until &&
	       atomic_load(&sender->queue.spans_written) < full)
		otlp_http_wait(sender->http, &sender->waker, until);
	atomic_store(&sender->wanted, NEVER);
	while (end_of(sender) == NEVER && clock_now() < sender->not_before)
		otlp_http_wait(sender->http, &sender->waker, sender->not_before);
}

/* What stays in the queue is counted by otlp_close(). */
static void flush(struct otlp_sender *sender)
{
	while (clock_now() < end_of(sender) && clock_now() >= sender->not_before &&
	       !sender->unreachable && send_batch(sender))
		;
}

void *otlp_sender_run(void *context)
{
	struct otlp_sender *sender = context;

	setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS);
	while (end_of(sender) == NEVER) {
		idle(sender);
		if (end_of(sender) == NEVER)
			send_batch(sender);
	}
	flush(sender);
	return NULL;
}
