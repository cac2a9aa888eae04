/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small things that stay, side by side in large pieces: scattered among what comes and goes they
 * would keep its memory from going back to the system. Owned by one thread.
 */
#ifndef ONLOOKER_ARENA_H
#define ONLOOKER_ARENA_H

#include "util/memory.h"

/* Zeroed: empty. */
struct arena {
	struct arena_piece *pieces; /* newest first */
	size_t left;		    /* bytes of the newest that are still free */
};

/* `size` zeroed bytes (at most 32 KB), aligned for any struct of ours; NULL without memory. */
void *arena_take(struct arena *arena, enum memory_use use, size_t size);

/* Frees all that was taken. */
void arena_free(struct arena *arena);

#endif
