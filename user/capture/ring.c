/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/ring.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/clock.h"

#define RELEASE_BYTES (64 * 1024) /* read, but not yet given back to the writers */
#define CLOCK_RECORDS 64	  /* between two looks at the clock */
#define WINDOW_BYTES (512 * 1024) /* of the data mapped at a time; no record is nearly as large */

/*
 *	page 0            page 1            pages 2...
 *	| reader's place | writers' place | data | data once more |
 *
 * The kernel has the data twice in a row, so that a record that wraps around lies in one piece.
 */
struct ring {
	uint64_t *reader;	/* shared: up to here all is read; written by this side only */
	const uint64_t *writer; /* shared: up to here all is reserved */
	const uint8_t *window;	/* part of the data; NULL: none yet */
	size_t window_offset, window_size;
	size_t size; /* of the data, a power of two */
	size_t page;
	int fd;
	ring_handler handler;
	void *context;
};

static void *map_page(const struct ring *ring, int protection, off_t offset)
{
	void *page = mmap(NULL, ring->page, protection, MAP_SHARED, ring->fd, offset);

	return page == MAP_FAILED ? NULL : page;
}

int ring_open(int fd, size_t size, ring_handler handler, void *context, struct ring **ret)
{
	struct ring *ring = calloc(1, sizeof(*ring));
	int error;

	if (!ring)
		return -ENOMEM;
	ring->page = (size_t)sysconf(_SC_PAGESIZE);
	ring->size = size;
	ring->fd = fd;
	ring->handler = handler;
	ring->context = context;
	ring->reader = map_page(ring, PROT_READ | PROT_WRITE, 0);
	if (ring->reader)
		ring->writer = map_page(ring, PROT_READ, (off_t)ring->page);
	if (!ring->writer) {
		error = -errno;
		ring_close(ring);
		return error;
	}
	*ret = ring;
	return 0;
}

void ring_close(struct ring *ring)
{
	if (!ring)
		return;
	if (ring->reader)
		munmap(ring->reader, ring->page);
	if (ring->writer)
		munmap((void *)ring->writer, ring->page);
	if (ring->window)
		munmap((void *)ring->window, ring->window_size);
	free(ring);
}

/* Maps the data from the page of `offset` on. */
static bool move_window(struct ring *ring, size_t offset)
{
	size_t from = offset & ~(ring->page - 1);
	size_t size = 2 * ring->size - from;
	void *map;

	if (size > WINDOW_BYTES)
		size = WINDOW_BYTES;
	map = mmap(NULL, size, PROT_READ, MAP_SHARED, ring->fd, (off_t)(2 * ring->page + from));
	if (map == MAP_FAILED)
		return false;
	if (ring->window)
		munmap((void *)ring->window, ring->window_size);
	ring->window = map;
	ring->window_offset = from;
	ring->window_size = size;
	return true;
}

/* `size` bytes of the data at `offset`, in one piece; NULL where they cannot be mapped. */
static inline const uint8_t *in_window(struct ring *ring, size_t offset, size_t size)
{
	size_t inside = offset - ring->window_offset; /* more than any size where it is before it */

	if ((inside > ring->window_size || size > ring->window_size - inside) &&
	    !move_window(ring, offset))
		return NULL;
	return ring->window + (offset - ring->window_offset);
}

/* Hands on the record at `place` and returns the place after it; `place` while it is being written.
 */
static uint64_t take(struct ring *ring, uint64_t place)
{
	size_t offset = place & (ring->size - 1);
	const uint8_t *record = in_window(ring, offset, BPF_RINGBUF_HDR_SZ);
	uint32_t word;
	size_t size;

	if (!record)
		return place;
	word = __atomic_load_n((const uint32_t *)record, __ATOMIC_ACQUIRE);
	if (word & BPF_RINGBUF_BUSY_BIT)
		return place;
	size = word & ~BPF_RINGBUF_DISCARD_BIT;
	record = in_window(ring, offset, BPF_RINGBUF_HDR_SZ + size);
	if (!record)
		return place;
	if (!(word & BPF_RINGBUF_DISCARD_BIT))
		ring->handler(ring->context, record + BPF_RINGBUF_HDR_SZ, size);
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
