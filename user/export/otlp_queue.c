/* SPDX-License-Identifier: Apache-2.0 */
#include "export/otlp_queue.h"

#include <errno.h>

#include "util/memory.h"

#define ALIGNED(size) (((size) + 7) & ~(size_t)7)

int otlp_queue_init(struct otlp_queue *queue, size_t spans, size_t size)
{
	*queue = (struct otlp_queue){ .size = ALIGNED(size), .spans_most = spans };
	queue->ring = memory_take_zeroed(MEMORY_FIXED, queue->size);
	return queue->ring ? 0 : -ENOMEM;
}

void otlp_queue_free(struct otlp_queue *queue)
{
	memory_give(MEMORY_FIXED, queue->ring, queue->size);
	queue->ring = NULL;
}

static struct otlp_record *at(const struct otlp_queue *queue, uint64_t position)
{
	return (struct otlp_record *)(queue->ring + position % queue->size);
}

/* ---- writing ---- */

struct otlp_record *otlp_queue_reserve(struct otlp_queue *queue, enum otlp_record_kind kind,
				       size_t bytes)
{
	uint64_t written = atomic_load_explicit(&queue->written, memory_order_relaxed);
	uint64_t released = atomic_load_explicit(&queue->released, memory_order_acquire);
	size_t size = ALIGNED(sizeof(struct otlp_record) + bytes);
	size_t rest = queue->size - (size_t)(written % queue->size);
	size_t skipped = size > rest ? rest : 0;
	struct otlp_record *record;

	/* Resources as well: where no span has room, those of ever new processes need none. */
	if (otlp_queue_spans(queue) >= queue->spans_most)
		return NULL;
	if (size + skipped > queue->size - (size_t)(written - released))
		return NULL;
	if (skipped) {
		/* Of the head only the size is certain to have room. */
		at(queue, written)->size = (uint32_t)skipped;
		at(queue, written)->bytes = UINT32_MAX;
	}
	queue->reserved = written + skipped;
	record = at(queue, queue->reserved);
	*record = (struct otlp_record){ .size = (uint32_t)size,
					.bytes = (uint32_t)bytes,
					.kind = (uint16_t)kind };
	return record;
}

void otlp_queue_commit(struct otlp_queue *queue, const struct otlp_record *record)
{
	/* Whoever sees this position sees what was written before. */
	atomic_store_explicit(&queue->written, queue->reserved + record->size,
			      memory_order_release);
	/* In one order with what otlp_sender.c's idle() stores and loads, or a wake-up is lost. */
	if (record->kind == OTLP_SPAN)
		atomic_fetch_add(&queue->spans_written, 1);
}

/* ---- reading ---- */

struct otlp_record *otlp_queue_peek(struct otlp_queue *queue)
{
	uint64_t written = atomic_load_explicit(&queue->written, memory_order_acquire);
	struct otlp_record *record;

	if (queue->taken == written)
		return NULL;
	record = at(queue, queue->taken);
	if (record->bytes == UINT32_MAX) {
		queue->taken += record->size;
		record = at(queue, queue->taken);
	}
	return record;
}

void otlp_queue_take(struct otlp_queue *queue, const struct otlp_record *record)
{
	queue->taken += record->size;
}

void otlp_queue_release(struct otlp_queue *queue, size_t spans)
{
	atomic_fetch_add_explicit(&queue->spans_released, spans, memory_order_relaxed);
	atomic_store_explicit(&queue->released, queue->taken, memory_order_release);
}

size_t otlp_queue_spans(const struct otlp_queue *queue)
{
	uint64_t released = atomic_load_explicit(&queue->spans_released, memory_order_relaxed);
	uint64_t written = atomic_load_explicit(&queue->spans_written, memory_order_relaxed);

	return (size_t)(written - released);
}
