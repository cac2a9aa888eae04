/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reading end of a BPF ring buffer (kernel/bpf/ringbuf.c, "BPF ring buffer" in the kernel's
 * Documentation/bpf). Unlike libbpf's it maps a part of the data at a time: what is resident does
 * not grow with the ring; it frees what was read in batches: the writers' cache line is touched
 * seldom; and it stops at a deadline.
 */
#ifndef ONLOOKER_RING_H
#define ONLOOKER_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring;

/* Takes one record, which dies with the call. */
typedef void (*ring_handler)(void *context, const void *record, size_t size);

/* Maps the ring buffer of that descriptor (kept by the caller), `size` bytes large. 0 or -errno. */
int ring_open(int fd, size_t size, ring_handler handler, void *context, struct ring **ret);
void ring_close(struct ring *ring);

/*
 * Hands on records, oldest first, until none is left or the clock (CLOCK_MONOTONIC, ns) passes
 * `deadline`. True: some are left.
 */
bool ring_consume(struct ring *ring, uint64_t deadline);

#endif
