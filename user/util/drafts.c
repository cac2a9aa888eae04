/* SPDX-License-Identifier: Apache-2.0 */
#include "util/drafts.h"

#include <errno.h>
#include <string.h>

#include "util/memory.h"

/* A number says in its lowest bits which block it is. */
#define SLOT(number) ((number) % DRAFTS)

int drafts_init(struct drafts *drafts, size_t block_size)
{
	uint8_t *blocks = memory_take(MEMORY_FIXED, DRAFTS * block_size);

	if (!blocks)
		return -ENOMEM;
	*drafts = (struct drafts){ .blocks = blocks, .block_size = block_size };
	return 0;
}

void drafts_free(struct drafts *drafts)
{
	memory_give(MEMORY_FIXED, drafts->blocks, DRAFTS * drafts->block_size);
	*drafts = (struct drafts){ 0 };
}

uint32_t drafts_begin(struct drafts *drafts)
{
	unsigned int slot = 0;

	if (!drafts->blocks)
		return 0;
	for (unsigned int i = 0; i < DRAFTS && drafts->number[slot]; i++) {
		/* Numbers grow, and wrap: the one that is farthest behind. */
		if (!drafts->number[i] || drafts->newest - drafts->number[i] / DRAFTS >
						  drafts->newest - drafts->number[slot] / DRAFTS)
			slot = i;
	}
	drafts->stolen += drafts->number[slot] != 0;
	drafts->newest = drafts->newest % (UINT32_MAX / DRAFTS - 1) + 1;
	drafts->number[slot] = drafts->newest * DRAFTS + slot;
	memset(drafts->blocks + slot * drafts->block_size, 0, drafts->block_size);
	return drafts->number[slot];
}

void *drafts_find(struct drafts *drafts, uint32_t number)
{
	unsigned int slot = SLOT(number);

	if (!number || drafts->number[slot] != number)
		return NULL;
	return drafts->blocks + slot * drafts->block_size;
}

void drafts_end(struct drafts *drafts, uint32_t number)
{
	if (drafts_find(drafts, number))
		drafts->number[SLOT(number)] = 0;
}
