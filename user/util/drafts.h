/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is being put together from a stream's pieces and will be done soon: few blocks for all
 * connections. Where all are in use the oldest draft loses its block, which it finds out by asking
 * for it. So none need be given back when a connection ends. Owned by one thread.
 */
#ifndef ONLOOKER_DRAFTS_H
#define ONLOOKER_DRAFTS_H

#include <stddef.h>
#include <stdint.h>

#define DRAFTS 64

/* Zeroed: without blocks, drafts_begin() gives none. */
struct drafts {
	uint8_t *blocks;
	size_t block_size;
	uint32_t number[DRAFTS]; /* 0: free */
	uint32_t newest;
	uint64_t stolen; /* drafts that lost their block */
};

/* Makes room for drafts of so many bytes each. -ENOMEM. */
int drafts_init(struct drafts *drafts, size_t block_size);
void drafts_free(struct drafts *drafts);

/* Begins one, its block being zeroed; returns its number, or 0 where there are no blocks. */
uint32_t drafts_begin(struct drafts *drafts);

/* The block of a draft, NULL where it was lost, was given back, or never was. */
void *drafts_find(struct drafts *drafts, uint32_t number);

/* Gives the block back, if it is still the draft's. */
void drafts_end(struct drafts *drafts, uint32_t number);

#endif
