/* SPDX-License-Identifier: Apache-2.0 */
/* Ids of traces and spans: random, never zero. */
#ifndef ONLOOKER_SPAN_IDS_H
#define ONLOOKER_SPAN_IDS_H

#include <stdint.h>

#include "span.h"

struct span_ids {
	uint64_t state[4];
};

/* Seeds the generator from the system; 0 or -errno. */
int span_ids_init(struct span_ids *ids);

uint64_t span_ids_next(struct span_ids *ids);
void span_ids_trace(struct span_ids *ids, uint8_t ret[SPAN_TRACE_SIZE]);

#endif
