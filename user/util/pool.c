/* SPDX-License-Identifier: Apache-2.0 */
#include "util/pool.h"

void pool_init(struct pool *pool, enum memory_use use, size_t block_size, size_t limit, size_t keep)
{
	*pool = (struct pool){
		.use = use,
		.block_size = block_size < sizeof(void *) ? sizeof(void *) : block_size,
		.limit = limit,
		.keep = keep,
	};
}

void *pool_take(struct pool *pool)
{
	void *block = pool->free;

	if (block) {
		pool->free = *(void **)block;
		pool->idle--;
	} else if (pool->out < pool->limit) {
		block = memory_take(pool->use, pool->block_size);
	}
	if (!block) {
		pool->refused++;
		return NULL;
	}
	pool->out++;
	return block;
}

void pool_give(struct pool *pool, void *block)
{
	if (!block)
		return;
	pool->out--;
	if (pool->idle >= pool->keep) {
		memory_give(pool->use, block, pool->block_size);
		return;
	}
	*(void **)block = pool->free;
	pool->free = block;
	pool->idle++;
}

void pool_free(struct pool *pool)
{
	while (pool->free) {
		void *block = pool->free;

		pool->free = *(void **)block;
		memory_give(pool->use, block, pool->block_size);
	}
	pool->idle = 0;
}
