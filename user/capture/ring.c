/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/ring.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/clock.h"

#define RELEASE_BYTES (64 * 1024) /* read, but not yet given back to the writers */
#define CLOCK_RECORDS 64	  /* between two looks at the clock */

/*
 *	page 0            page 1            pages 2...
 *	| reader's place | writers' place | data: records wrap around its end |
 */
struct ring {
	uint64_t *reader;	/* shared: up to here all is read; written by this side only */
	const uint64_t *writer; /* shared: up to here all is reserved */
	const uint8_t *data;
	size_t size; /* of the data, a power of two */
	size_t page;
	ring_handler handler;
	void *context;
	uint8_t *wrapped; /* room for a record whose end lies at the beginning */
	size_t wrapped_room;
};

int ring_open(int fd, size_t size, ring_handler handler, void *context, struct ring **ret)
{
	struct ring *ring = calloc(1, sizeof(*ring));
	void *map;
	int error;

	if (!ring)
		return -ENOMEM;
	ring->page = (size_t)sysconf(_SC_PAGESIZE);
	ring->size = size;
	ring->handler = handler;
	ring->context = context;
	map = mmap(NULL, ring->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		goto fail;
	ring->reader = map;
	map = mmap(NULL, ring->page + size, PROT_READ, MAP_SHARED, fd, (off_t)ring->page);
	if (map == MAP_FAILED)
		goto fail;
	ring->writer = map;
	ring->data = (const uint8_t *)map + ring->page;
	*ret = ring;
	return 0;
fail:
	error = -errno;
	ring_close(ring);
	return error;
}

void ring_close(struct ring *ring)
{
	if (!ring)
		return;
	if (ring->reader)
		munmap(ring->reader, ring->page);
	if (ring->writer)
		munmap((void *)ring->writer, ring->page + ring->size);
	free(ring->wrapped);
	free(ring);
}

/* The record at that offset in one piece; NULL without memory for it. */
static const uint8_t *in_one_piece(struct ring *ring, size_t offset, size_t size)
{
	size_t first = ring->size - offset;

	if (size <= first)
		return ring->data + offset;
	if (size > ring->wrapped_room) {
		uint8_t *room = realloc(ring->wrapped, size);

		if (!room)
			return NULL;
		ring->wrapped = room;
		ring->wrapped_room = size;
	}
	memcpy(ring->wrapped, ring->data + offset, first);
	memcpy(ring->wrapped + first, ring->data, size - first);
	return ring->wrapped;
}

/* Hands on the record at `place` and returns the place after it; `place` while it is being written. */
static uint64_t take(struct ring *ring, uint64_t place)
{
	size_t mask = ring->size - 1;
	const uint32_t *head = (const uint32_t *)(ring->data + (place & mask));
	uint32_t word = __atomic_load_n(head, __ATOMIC_ACQUIRE);
	size_t size = word & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
	const uint8_t *record;

	if (word & BPF_RINGBUF_BUSY_BIT)
		return place;
	if (!(word & BPF_RINGBUF_DISCARD_BIT)) {
		record = in_one_piece(ring, (place + BPF_RINGBUF_HDR_SZ) & mask, size);
		if (record)
			ring->handler(ring->context, record, size);
	}
	return place + ((size + BPF_RINGBUF_HDR_SZ + 7) & ~7ULL);
}

bool ring_consume(struct ring *ring, uint64_t deadline)
{
	uint64_t place = *ring->reader;
	uint64_t released = place;
	unsigned int records = 0;
	bool left = false;

	while (place != __atomic_load_n(ring->writer, __ATOMIC_ACQUIRE)) {
		uint64_t next = take(ring, place);

		if (next == place)
			break;
		place = next;
		if (place - released >= RELEASE_BYTES) {
			__atomic_store_n(ring->reader, place, __ATOMIC_RELEASE);
			released = place;
		}
		if (++records % CLOCK_RECORDS == 0 && clock_now() >= deadline) {
			left = true;
			break;
		}
	}
	__atomic_store_n(ring->reader, place, __ATOMIC_RELEASE);
	return left;
}
