/* SPDX-License-Identifier: Apache-2.0 */
/* The chunked transfer coding with its trailer: RFC 9112 section 7.1. */
#ifndef ONLOOKER_HTTP1_CHUNKS_H
#define ONLOOKER_HTTP1_CHUNKS_H

#include "protocol.h"

/* A chunked body being read. Begins zeroed. */
struct http1_chunks {
	uint64_t size; /* of the chunk at hand */
	uint8_t state; /* private */
};

/*
 * Takes one step, as parse() does: PART, NEED_MORE, or LOST where this is no chunked body. *used
 * may exceed in.size: chunks' data is skipped. *ended is set with the last line of the trailer.
 */
enum parse_status http1_chunks_step(struct http1_chunks *chunks, struct bytes in, size_t *used,
				    bool *ended);

/* Whether where it is now any number of chunks may have gone by unseen: frames by lines (struct
 * slot), the empty line behind the data before included. */
bool http1_chunks_between(const struct http1_chunks *chunks);

#endif
