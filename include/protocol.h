/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a protocol supplies. A protocol is one file: pure functions over bytes and a small state of
 * fixed size. It never logs, never allocates, never blocks, and accepts any split of the bytes.
 *
 *            +---------------- NEED_MORE: called again with the same bytes and more
 *            |  +------------- PART, FRAMES, SKIP, MESSAGE: *used bytes are gone, called again
 *   bytes -> parse()
 *            |  +------------- WAIT: called again when the other lane has moved
 *            |  +------------- SWITCH: as MESSAGE, then both lanes are detected anew
 *            +---------------- LOST: the stream stage looks for the next boundary with
 * detect(midway)
 */
#ifndef ONLOOKER_PROTOCOL_H
#define ONLOOKER_PROTOCOL_H

#include "bytes.h"
#include "message.h"

enum parse_status {
	PARSE_NEED_MORE = 0, /* nothing consumed: at most `hold` bytes are kept until more come */
	PARSE_PART,	     /* *used consumed, still inside a message */
	PARSE_FRAMES,	     /* as PART; parse() may go on behind any number of frames that it has
				not seen (HOP_LINES) */
	PARSE_SKIP,	     /* *used consumed, at a message boundary, nothing to report */
	PARSE_MESSAGE, /* *used consumed, at a message boundary, *out filled; *used may be 0 */
	PARSE_SWITCH,  /* as MESSAGE; what follows, in both lanes, is another protocol's */
	PARSE_WAIT,    /* nothing consumed: the answer to a request not seen yet; see expect.late */
	PARSE_LOST,    /* not this protocol's bytes */
};

/* Which metric families the exchanges belong to. */
enum protocol_family {
	FAMILY_HTTP,
	FAMILY_DATABASE,
	FAMILY_CACHE,
};

/*
 * As *used: a skip that only the lane's end completes. Its bytes' records are wanted all the same:
 * the last one's time is the message's end. finish() is called during this skip, and no other.
 */
#define USED_TO_END ((size_t)1 << 62)

/* In place of kinds: frames that begin with lines (bpf/frame.h). */
#define HOP_LINES 0xff

struct protocol {
	const char *name; /* label value: "http", "postgresql", "redis" */
	enum protocol_family family;
	size_t state_size;
	size_t hold;	   /* the longest run of bytes that parse() may answer with NEED_MORE */
	bool sessions;	   /* connections are idle, active or in a transaction */
	uint8_t hop[2][2]; /* by lane: two kinds of frames (struct slot) that change nothing, or one
			      twice: after a step that returns SKIP and more than there is, parse()
			      may go on behind any number of them that it has not seen. Or HOP_LINES
			      twice: the frames of FRAMES. 0: none */
	bool framed_by_request;	    /* where an answer ends depends on what it answers */
	uint16_t port;		    /* registered for it; 0: none */
	const char *const *servers; /* base names of programs that serve it, up to a NULL: with the
				       port what a silent connection is presumed to carry */

	/*
	 * How surely `head`, the first bytes of a lane (midway: of what a socket carried in
	 * mid-life, perhaps a message boundary), is this protocol: 0 no .. 100 certain; -EAGAIN:
	 * more bytes could tell.
	 */
	int (*detect)(struct bytes head, enum lane lane, bool midway);

	/* Makes `state` (state_size bytes, zeroed) ready; midway: the stream's begin was not seen.
	 */
	void (*init)(void *state, bool midway);

	/*
	 * Takes one step in one lane. `in` begins where the last step ended and may be empty (a
	 * skip was just completed). `expect` is what waits; meaningful in LANE_RESPONSE, never
	 * NULL. *used may exceed in.size: the stream skips the rest unseen, also across gaps, and
	 * then calls again. On MESSAGE and SWITCH *out (zeroed by the caller) is filled; its views
	 * point into `in` and die with the next call. A step that returns PART, SKIP or MESSAGE
	 * consumes bytes, or changes what waits, or is the only such step at this position.
	 */
	enum parse_status (*parse)(void *state, enum lane lane, struct bytes in,
				   const struct expect *expect, size_t *used, struct message *out);

	/*
	 * The lane's stream has ended. PARSE_MESSAGE with *out filled where the end itself
	 * completes a message (a body until close, if it was not torn), else PARSE_SKIP. Called
	 * until it returns PARSE_SKIP. May be NULL.
	 */
	enum parse_status (*finish)(void *state, enum lane lane, const struct expect *expect,
				    struct message *out);
};

/* All protocols, in order of detection; ends with NULL. user/proto/registry.c */
extern const struct protocol *const protocols[];

#endif
