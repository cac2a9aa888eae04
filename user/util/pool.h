/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of one size on a free list: taken and given back without malloc once warm. Bounded by a
 * number of blocks and by the process's memory; a refused take is counted. Owned by one thread.
 */
#ifndef ONLOOKER_POOL_H
#define ONLOOKER_POOL_H

#include "util/memory.h"

struct pool {
	enum memory_use use;
	size_t block_size; /* at least a pointer */
	size_t limit;	   /* blocks that may be out at once */
	size_t keep;	   /* free blocks kept; more go back to the system */
	size_t out;	   /* blocks in use */
	size_t idle;	   /* blocks on the free list */
	uint64_t refused;
	void *free;
};

/* A pool of `limit` blocks of `block_size` bytes, of which `keep` idle ones are held on to. */
void pool_init(struct pool *pool, enum memory_use use, size_t block_size, size_t limit,
	       size_t keep);

/* A block with undefined content, or NULL at the limit or without memory (counted). */
void *pool_take(struct pool *pool);

/* Gives a block back; NULL is fine. */
void pool_give(struct pool *pool, void *block);

/* Frees the idle blocks. Blocks still out are their takers' loss. */
void pool_free(struct pool *pool);

#endif
