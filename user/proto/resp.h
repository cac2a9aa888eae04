/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RESP, versions 2 and 3, as servers answer in it: walks nested values one item at a time in a
 * state of fixed size. Of a bulk string too long to be of interest no byte is looked at.
 *
 * Redis serialization protocol specification (redis.io/docs/reference/protocol-spec) and
 * github.com/redis/redis-specifications, protocol/RESP3.md, streamed types included.
 */
#ifndef ONLOOKER_PROTO_RESP_H
#define ONLOOKER_PROTO_RESP_H

#include "bytes.h"

#define RESP_LEVELS 32		/* deeper values are refused */
#define RESP_TEXT 32		/* bulk strings up to here are shown whole */
#define RESP_LINE 64		/* lines up to here are shown whole */
#define RESP_HEADER 24		/* a type byte, a length, CRLF */
#define RESP_STREAMED INT64_MIN /* a length of "?" */
#define RESP_LENGTH_MAX (1LL << 40)

enum resp_status {
	RESP_MORE, /* *used bytes (0: none; perhaps more than are here) are gone, more are needed */
	RESP_ITEM, /* *used bytes are gone, *item is filled */
	RESP_LOST, /* not RESP, or too deep */
};

/*
 * A scalar, or the beginning of an aggregate. Depth 0 is the value itself, 1 its elements. An item
 * may complete values at several depths: all from `closed` to `depth`, none where closed > depth.
 */
struct resp_item {
	char type; /* as on the wire; '.' ends a streamed aggregate */
	uint8_t depth;
	uint8_t closed;
	bool null;
	bool aside;	   /* (in) an attribute or a nested push: no part of the value */
	int64_t number;	   /* ':' its value; aggregates: their elements, or RESP_STREAMED */
	struct bytes text; /* of a line or a short bulk string; borrowed */
};

struct resp {
	uint64_t level[RESP_LEVELS]; /* elements still to come */
	uint8_t depth;
	uint8_t asides;	 /* levels that are one */
	char type;	 /* of the scalar under way */
	bool skipped;	 /* its bytes are gone, the item is due */
	bool line;	 /* a long line's end is looked for */
	bool chunks;	 /* a streamed string's */
	bool solid_push; /* set by the caller: a nested push is an element, not an aside */
};

/* Takes the next item. `in` begins where the last one ended; a zeroed state is at a value's begin.
 */
enum resp_status resp_next(struct resp *resp, struct bytes in, size_t *used,
			   struct resp_item *item);

/*
 * Reads a length and its CRLF; `in` begins after the type byte. 1 with the outputs set, 0 when
 * bytes are missing, -1 where it is none.
 */
int resp_length(struct bytes in, size_t *used, int64_t *length);

#endif
