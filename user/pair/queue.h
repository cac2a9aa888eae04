/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that wait for their answers, in the order sent: a ring that grows up to a limit. */
#ifndef ONLOOKER_QUEUE_H
#define ONLOOKER_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TARGET_SIZE 254

/* A copy of a message's target, from a pool, with its details where those are wanted. */
struct target {
	struct kept_details *details; /* owned; NULL: none */
	uint8_t owners;
	uint8_t size;
	uint8_t bytes[TARGET_SIZE];
};

struct request {
	uint64_t tag;
	uint64_t first; /* ns: client, or both ends seen: first byte sent; server: first byte
			   arrived at the socket */
	uint64_t last;	/* ns: last byte sent or read */
	uint64_t read;	/* ns: server: first byte read by the program */
	uint64_t task;
	uint64_t arrived;      /* ns: both ends seen: first byte arrived at the server's socket; 0
				  unknown */
	uint64_t position;     /* in its stream, where it begins */
	struct target *target; /* owned by the pair's pool; may be NULL */
	uint32_t query;	       /* see struct message */
	uint16_t operation;
	uint16_t counted : 15; /* exchanges reported for it; the last number stands for more */
	uint16_t silent : 1;
};

struct queue {
	struct request *ring;
	uint32_t head;
	uint32_t count;
	uint32_t capacity; /* a power of two, or 0 */
	uint32_t before;   /* the next burst begins with as much room; a power of two, or 0 */
	uint64_t pushed;   /* requests ever pushed: names the newest */
};

/*
 * Room for one more request at the end, zeroed; valid until the next push.
 * -ENOBUFS at `limit` requests, -ENOMEM without memory.
 */
int queue_push(struct queue *queue, uint32_t limit, struct request **ret_request);

/* The request that was the number-th pushed (1 is the first), or NULL when it is gone. */
struct request *queue_find(struct queue *queue, uint64_t number);

/* Removes the oldest request, if there is one, and gives back memory after a burst. */
void queue_pop(struct queue *queue);

void queue_free(struct queue *queue);

/* The n-th oldest (0 is the oldest); it must be there. */
static inline struct request *queue_at(const struct queue *queue, uint32_t n)
{
	return &queue->ring[(queue->head + n) & (queue->capacity - 1)];
}

/* The oldest request, or NULL. */
static inline struct request *queue_front(const struct queue *queue)
{
	return queue->count ? &queue->ring[queue->head] : NULL;
}

#endif
