/* SPDX-License-Identifier: Apache-2.0 */
/* Lets the process's memory run out at a chosen byte. */
#ifndef ONLOOKER_TIGHT_H
#define ONLOOKER_TIGHT_H

#include "util/memory.h"

#define TIGHT_LIMIT ((size_t)64 << 20)
#define TIGHT_TABLES ((size_t)1 << 20) /* so that other uses do not meddle */

static struct {
	enum memory_use use;
	void *ballast; /* never touched: it costs nothing but room */
	size_t size;
} tight;

/* From now on `use` finds room for one block of `room` bytes, and no more. */
static inline void tight_begin(enum memory_use use, size_t room)
{
	memory_limit(TIGHT_LIMIT, TIGHT_TABLES, TIGHT_TABLES);
	tight.use = use;
	tight.size = memory_room(use);
	/* What malloc needs beside a block is asked of the ballast as well. */
	tight.size -= tight.size < room + 16 ? tight.size : room + 16;
	tight.ballast = memory_take(use, tight.size);
}

static inline void tight_end(void)
{
	memory_give(tight.use, tight.ballast, tight.size);
	tight.ballast = NULL;
	memory_limit(SIZE_MAX, 0, 0);
}

#endif
