/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process's memory, bounded as a whole. Everything whose size depends on traffic comes from
 * here. Two things are kept below the limit, so that what is resident is:
 *
 *	the sum of what was given out    (blocks that nobody has written to yet count, too)
 *	where in the heap it lies        (holes between blocks count, too)
 *
 *	0                                                                   limit
 *	|- resident at start, FIXED -|- SCRAPES -|- TABLES -|- CONNECTIONS -|- STREAMS -|- free -|
 *
 * A part is guaranteed to each use but traces, so that no other one can take it; what is free goes
 * to whoever asks first. A refusal is counted by whoever was refused. One account for the process,
 * owned by the event-loop thread.
 */
#ifndef ONLOOKER_MEMORY_H
#define ONLOOKER_MEMORY_H

#include <stddef.h>
#include <stdint.h>

enum memory_use {
	MEMORY_FIXED,	/* bounded by the configuration: refused only where the system has none */
	MEMORY_SCRAPES, /* texts for those who ask */
	MEMORY_TABLES,	/* what is known and shown: series, names, identities */
	MEMORY_CONNECTIONS, /* what is known of each, whatever it carries */
	MEMORY_STREAMS,	    /* bytes of streams, requests that wait */
	MEMORY_TRACES,	    /* what spans show and wait for: nothing is guaranteed to it */
	MEMORY_USES,
};

#define MEMORY_MARGIN ((size_t)4 << 20) /* for libraries, which are not asked */

/*
 * From now on: all that is resident now and all that is taken then stay below `limit` bytes
 * (SIZE_MAX: no limit, as at first). Guaranteed are `tables` and `scrapes` bytes to these uses, to
 * connections a quarter of what is left, to streams an eighth.
 */
void memory_limit(size_t limit, size_t tables, size_t scrapes);

/* A block with undefined content, of malloc's alignment. NULL: beyond the limit, or none left. */
void *memory_take(enum memory_use use, size_t size);

/* The same, zeroed. */
void *memory_take_zeroed(enum memory_use use, size_t size);

/* Gives a block back, `use` and `size` being what it was taken with; NULL is fine. */
void memory_give(enum memory_use use, void *block, size_t size);

/*
 * Looks, at most every two seconds (now: ns), at what is resident, and returns to the system what a
 * burst has left free: some milliseconds then. Call about ten times a second.
 */
void memory_tick(uint64_t now);

/*
 * Once started: takes the pages of the program's and its libraries' code and constants out of what
 * is resident. They come back from their files as they are used; what only the start used does not.
 */
void memory_release_code(void);

/* Bytes given out, malloc's own beside each block included; the largest block still to be had. */
size_t memory_used(void);
size_t memory_room(enum memory_use use);

#endif
