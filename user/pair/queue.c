/* SPDX-License-Identifier: Apache-2.0 */
#include "pair/queue.h"

#include <errno.h>
#include <string.h>

#include "util/memory.h"

#define FIRST_CAPACITY 2
#define KEPT_CAPACITY 32 /* a ring larger than this is freed as soon as it is empty */

static int queue_grow(struct queue *queue)
{
	uint32_t first = queue->before > FIRST_CAPACITY ? queue->before : FIRST_CAPACITY;
	uint32_t capacity = queue->capacity ? queue->capacity * 2 : first;
	struct request *ring = memory_take(MEMORY_STREAMS, capacity * sizeof(*ring));
	uint32_t tail = queue->capacity - queue->head;

	if (!ring)
		return -ENOMEM;
	if (tail > queue->count)
		tail = queue->count;
	if (queue->count) {
		memcpy(ring, queue->ring + queue->head, tail * sizeof(*ring));
		memcpy(ring + tail, queue->ring, (queue->count - tail) * sizeof(*ring));
	}
	memory_give(MEMORY_STREAMS, queue->ring, queue->capacity * sizeof(*queue->ring));
	queue->ring = ring;
	queue->capacity = capacity;
	queue->head = 0;
	return 0;
}

int queue_push(struct queue *queue, uint32_t limit, struct request **ret_request)
{
	struct request *request;
	int error;

	if (queue->count >= limit)
		return -ENOBUFS;
	if (queue->count == queue->capacity) {
		error = queue_grow(queue);
		if (error)
			return error;
	}
	request = &queue->ring[(queue->head + queue->count) & (queue->capacity - 1)];
	memset(request, 0, sizeof(*request));
	queue->count++;
	queue->pushed++;
	*ret_request = request;
	return 0;
}

struct request *queue_find(struct queue *queue, uint64_t number)
{
	uint64_t oldest = queue->pushed - queue->count + 1;

	if (number < oldest || number > queue->pushed)
		return NULL;
	return &queue->ring[(queue->head + (number - oldest)) & (queue->capacity - 1)];
}

void queue_pop(struct queue *queue)
{
	if (!queue->count)
		return;
	queue->head = (queue->head + 1) & (queue->capacity - 1);
	queue->count--;
	if (queue->count || queue->capacity <= KEPT_CAPACITY)
		return;
	/* Half of it, so that it shrinks again unless as many come once more. */
	queue->before = queue->capacity / 2;
	queue_free(queue);
}

void queue_free(struct queue *queue)
{
	memory_give(MEMORY_STREAMS, queue->ring, queue->capacity * sizeof(*queue->ring));
	queue->ring = NULL;
	queue->capacity = queue->count = queue->head = 0;
}
