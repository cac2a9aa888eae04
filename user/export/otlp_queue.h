/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records on their way from the event-loop thread, which writes, to the exporter's, which reads: a
 * ring of bytes of fixed size. Neither waits for the other, nor takes a lock.
 *
 *	release()          take()              reserve(), commit()
 *	    | being sent      |   waiting               |
 *	----[record][record]--[record][record][record]--+---- free ---- ...
 *
 * Records stay in place until they are released, so that what is sent again needs no copy.
 */
#ifndef ONLOOKER_OTLP_QUEUE_H
#define ONLOOKER_OTLP_QUEUE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum otlp_record_kind {
	OTLP_RESOURCE = 1,
	OTLP_SPAN,
};

struct otlp_record {
	uint32_t size;	/* of the record with this head, in the ring */
	uint32_t bytes; /* of `data` */
	uint16_t kind;
	uint16_t slot; /* of the resource that it is, or that the span is of */
	uint32_t pad;
	uint64_t begin, end; /* of a span, CLOCK_MONOTONIC ns */
	uint8_t data[];
};

struct otlp_queue {
	uint8_t *ring;
	size_t size;
	size_t spans_most;
	/* The writer's. */
	uint64_t reserved; /* where the reserved record begins */
	_Atomic uint64_t written;
	_Atomic uint64_t spans_written;
	/* The reader's. */
	uint64_t taken;
	_Atomic uint64_t released;
	_Atomic uint64_t spans_released;
};

/* A queue of `spans` spans and `size` bytes, taken as MEMORY_FIXED. 0 or -ENOMEM. */
int otlp_queue_init(struct otlp_queue *queue, size_t spans, size_t size);
void otlp_queue_free(struct otlp_queue *queue);

/*
 * Room for a record with `bytes` bytes of data, whose `kind`, `bytes` and `size` are set. It is
 * nobody's until otlp_queue_commit(); reserving anew forgets it. NULL: the queue is full.
 */
struct otlp_record *otlp_queue_reserve(struct otlp_queue *queue, enum otlp_record_kind kind,
				       size_t bytes);
void otlp_queue_commit(struct otlp_queue *queue, const struct otlp_record *record);

/* The oldest record that was not taken; NULL: none. otlp_queue_take() takes it. */
struct otlp_record *otlp_queue_peek(struct otlp_queue *queue);
void otlp_queue_take(struct otlp_queue *queue, const struct otlp_record *record);

/* Everything taken is free again, `spans` spans among it. */
void otlp_queue_release(struct otlp_queue *queue, size_t spans);

/* Spans in the queue, those taken included. Either thread. */
size_t otlp_queue_spans(const struct otlp_queue *queue);

#endif
