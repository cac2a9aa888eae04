/* SPDX-License-Identifier: Apache-2.0 */
/*
 * W3C Trace Context, level 2 (www.w3.org/TR/trace-context-2): the request headers traceparent
 * (section 3.2) and tracestate (section 3.3) of one request, given one after the other as they
 * come.
 */
#ifndef ONLOOKER_TRACE_CONTEXT_H
#define ONLOOKER_TRACE_CONTEXT_H

#include "bytes.h"

#define TRACE_STATE_SIZE 512   /* so much of it is kept, as the text asks for, in whole members */
#define TRACE_STATE_MEMBERS 32 /* more of them are a malformed tracestate */
#define TRACE_STATE_LARGE 128  /* longer members are the first to go */

enum trace_flag {
	TRACE_SAMPLED = 1 << 0,
	TRACE_RANDOM = 1 << 1, /* the trace id's right half is random */
};

struct trace_context {
	bool valid; /* false: no trace is continued, the rest is zero */
	uint8_t trace_id[16];
	uint8_t parent_id[8];
	uint8_t flags; /* bits of enum trace_flag */
};

/* The headers of one request. Zeroed: none yet. */
struct trace_headers {
	struct trace_context context;
	uint16_t state_size;
	uint8_t parents; /* traceparent headers; two are as bad as a malformed one */
	uint8_t members; /* of tracestate, those that were left out as well */
	bool state_bad;	 /* malformed: all of it is dropped */
	bool state_full; /* nothing more is kept */
	uint64_t keys[TRACE_STATE_MEMBERS]; /* checksums */
	uint8_t state[TRACE_STATE_SIZE];
};

/* Reads one value of traceparent. False, and *ret untouched: no trace is to be continued. */
bool trace_parent_parse(struct bytes value, struct trace_context *ret);

/* Takes the value of one traceparent header. */
void trace_headers_parent(struct trace_headers *headers, struct bytes value);

/* Takes the value of one tracestate header; several are one list. */
void trace_headers_state(struct trace_headers *headers, struct bytes value);

/*
 * What the headers say. *ret_state shows the members of tracestate, joined by commas, empty where
 * there are none or they are malformed; it points into `headers`.
 */
struct trace_context trace_headers_read(const struct trace_headers *headers,
					struct bytes *ret_state);

#endif
