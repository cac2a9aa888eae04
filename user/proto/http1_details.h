/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may be shown of the head of an HTTP/1.x request, where it is wanted (wanted.h): taken
 * from its lines while they are read. Names and values longer than HTTP1_SHOWN are left out.
 */
#ifndef ONLOOKER_HTTP1_DETAILS_H
#define ONLOOKER_HTTP1_DETAILS_H

#include "details.h"

#define HTTP1_SHOWN 255

struct http1_value {
	uint8_t size;
	uint8_t bytes[HTTP1_SHOWN];
};

struct http1_draft {
	struct trace_headers trace;
	struct http1_value scheme, authority, agent;
	uint8_t minor;
	uint8_t field; /* of the last line, for lines that continue it */
	bool absolute; /* the target has an authority: Host says nothing (RFC 9112 section 3.2.2) */
	bool hosts;    /* there was a Host */
};

/* A request begins: its line, and its target as sent. Returns the draft's number. */
uint32_t http1_details_begin(struct bytes line, struct bytes target);

/* Takes one line of header fields, without its end; not `whole`: it is cut. */
void http1_details_line(uint32_t draft, struct bytes line, bool whole);

/*
 * The head is complete: what is known of it, or NULL where the draft was lost. Valid until the next
 * call of these.
 */
const struct details *http1_details_end(uint32_t draft);

#endif
