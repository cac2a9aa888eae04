/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.0 and HTTP/1.1: RFC 9112 (messages, their framing, connections), RFC 9110 (methods, 1xx,
 * CONNECT, Upgrade). HTTP/0.9 and HTTP/2 are not spoken here. One lane:
 *
 *	START -- first line --> HEAD -- empty line --+-- no body -------------> START
 *	                        ^  |                 +-- LENGTH --> ENDED ----> START
 *	                        +--+ fields          +-- CHUNKS --------------> START
 *	                                             +-- CLOSE: an answer up to the end of the lane
 *	                                             +-- DOUBT: a request whose body need not come,
 *	                                                        or has no known end
 *	LONG: the rest of a line of the head that is too long to be kept, then HEAD
 *
 * A request is reported with its request-line, so that an answer given before the rest of it came
 * (400, 413, 431) finds it; an answer with its last byte.
 */
#include "protocol.h"

#include <errno.h>

#include "proto/wanted.h"
#include "proto/http1_chunks.h"
#include "proto/http1_details.h"
#include "proto/http1_head.h"
#include "proto/http1_method.h"

#define HOLD 16384 /* for bytes that must wait for the answer to a CONNECT or an Upgrade, too */

enum phase {
	PHASE_START = 0,
	PHASE_HEAD,
	PHASE_LONG,
	PHASE_LENGTH,
	PHASE_ENDED,
	PHASE_CHUNKS,
	PHASE_CLOSE,
	PHASE_DOUBT,
};

struct half {
	struct http1_fields fields;
	struct http1_chunks chunks;
	uint8_t phase;
	uint16_t status; /* of the answer at hand */
	uint32_t draft;	 /* what is to be shown of the request at hand; 0: nothing */
	uint64_t tag;	 /* enum http1_kind of the request that it answers */
	bool orphan;	 /* it answers no request that was seen */
	bool junk;	 /* PHASE_DOUBT: inside a line that is no request-line */
};

struct http1 {
	struct half half[2];
	uint32_t open;	/* requests reported and not finally answered */
	bool continued; /* the newest request's body was asked for */
	bool tunnel;	/* a CONNECT is open */
};

static bool carriage(struct bytes in)
{
	return in.size && in.data[0] == '\r';
}

/* ---- what both lanes share ---- */

static enum parse_status rest_of_line(struct half *half, struct bytes in, size_t *used)
{
	struct bytes line;
	size_t taken = http1_line(in, &line);

	if (!in.size)
		return PARSE_NEED_MORE;
	*used = taken ? taken : in.size;
	if (taken)
		half->phase = PHASE_HEAD;
	return PARSE_PART;
}

/* Lines of the head, after the first; *empty: bytes of the empty one, once it has come. */
static enum parse_status head_lines(struct half *half, struct bytes in, size_t *used, size_t *empty)
{
	while (in.size) {
		struct bytes line = in;
		size_t taken = http1_line(in, &line);

		if (!taken && in.size <= HTTP1_LINE)
			break;
		*used += taken ? taken : in.size;
		if (!line.size) {
			*empty = taken;
			return PARSE_PART;
		}
		http1_field_line(&half->fields, line);
		if (half->draft)
			http1_details_line(half->draft, line, taken != 0);
		if (!taken) {
			half->phase = PHASE_LONG;
			return PARSE_PART;
		}
		in = bytes_skip(in, taken);
	}
	return PARSE_NEED_MORE;
}

/* Section 2.2: empty lines before a message. 0 where there is none, or not all of it. */
static size_t empty_line(struct bytes in)
{
	size_t size = carriage(in) ? 2 : 1;

	return in.size >= size && in.data[size - 1] == '\n' ? size : 0;
}

/* The first line was read; not `whole`: it goes on beyond what is at hand. */
static void enter_head(struct half *half, bool whole)
{
	half->fields = (struct http1_fields){ 0 };
	half->chunks = (struct http1_chunks){ 0 };
	half->phase = whole ? PHASE_HEAD : PHASE_LONG;
	half->junk = false;
}

static bool in_head(const struct half *half)
{
	return half->phase == PHASE_HEAD || half->phase == PHASE_LONG;
}

/* ---- the request lane ---- */

static enum parse_status request_first(struct http1 *http, struct half *half, struct bytes in,
				       size_t *used, struct message *out)
{
	struct bytes method, target;
	ssize_t taken;

	if (!in.size || (http->tunnel && http->open))
		return PARSE_NEED_MORE;
	*used = empty_line(in);
	if (*used)
		return PARSE_SKIP;
	taken = http1_request_line(in, &method, &target);
	/* What is no request may be ahead of an answer that is "101". */
	if (taken == -EAGAIN || (!taken && (http->open || (in.size == 1 && carriage(in)))))
		return PARSE_NEED_MORE;
	if (!taken)
		return PARSE_LOST;
	*used = taken;
	enter_head(half, in.data[taken - 1] == '\n');
	http->continued = false;
	http->open++;
	out->role = MESSAGE_REQUEST;
	out->operation = http1_method(method, &out->tag);
	if (details_wanted())
		half->draft = http1_details_begin(bytes_first(in, taken), target);
	out->target = out->tag == HTTP1_CONNECT ? target : http1_path(target);
	http->tunnel = out->tag == HTTP1_CONNECT;
	return PARSE_MESSAGE;
}

/* The head is complete: what it tells, where that is wanted. */
static enum parse_status request_details(struct half *half, enum parse_status status,
					 struct message *out)
{
	const struct details *details = half->draft ? http1_details_end(half->draft) : NULL;

	half->draft = 0;
	if (!details)
		return status;
	out->role = MESSAGE_DETAILS;
	out->details = details;
	return PARSE_MESSAGE;
}

/* Section 6.3 for requests. PART: a body follows. */
static enum parse_status request_body(struct half *half)
{
	const struct http1_fields *fields = &half->fields;

	half->phase = PHASE_START;
	if (fields->bad || (fields->coded && !fields->chunked))
		half->phase = PHASE_DOUBT; /* will be refused */
	else if (fields->chunked)
		half->phase = PHASE_CHUNKS;
	else if (fields->has_length && fields->length)
		half->phase = PHASE_LENGTH;
	if (half->phase == PHASE_START)
		return PARSE_SKIP;
	if (fields->expect)
		half->phase = PHASE_DOUBT;
	return PARSE_PART;
}

/* Behind a body of the length that was announced a request begins: so the body was sent. */
static bool is_body(const struct http1_fields *fields, struct bytes in)
{
	return fields->has_length && !fields->chunked && fields->length < in.size &&
	       http1_detect(bytes_skip(in, fields->length), LANE_REQUEST, true) > 0;
}

/*
 * Bytes after a head whose body may never be sent, because the request was answered first (RFC 9110
 * section 10.1.1), or cannot be delimited: once the answer is known, a request-line ends the doubt.
 */
static enum parse_status request_doubt(struct http1 *http, struct half *half, struct bytes in,
				       size_t *used)
{
	const struct http1_fields *fields = &half->fields;
	bool framed = !fields->bad && (fields->chunked || !fields->coded);
	struct bytes line;
	int seems = 0;

	if (!in.size)
		return PARSE_NEED_MORE;
	if (!http->open && !http->continued && !half->junk)
		seems = http1_detect(in, LANE_REQUEST, false);
	if (seems < 0 && in.size <= HTTP1_LINE)
		return PARSE_NEED_MORE;
	if (framed && seems > 0 && (!http1_is_likely(in) || is_body(fields, in)))
		seems = 0;
	if (seems > 0) {
		half->phase = PHASE_START;
		return PARSE_SKIP;
	}
	if (framed) {
		half->phase = fields->chunked ? PHASE_CHUNKS : PHASE_LENGTH;
		return PARSE_PART;
	}
	*used = http->open ? 0 : http1_line(in, &line);
	half->junk = !http->open && !*used;
	if (!*used)
		*used = in.size;
	return PARSE_PART;
}

static enum parse_status request_turn(struct http1 *http, struct bytes in, size_t *used,
				      struct message *out)
{
	struct half *half = &http->half[LANE_REQUEST];
	enum parse_status status = PARSE_PART;
	bool ended = false;
	size_t empty = 0;

	switch ((enum phase)half->phase) {
	case PHASE_START:
		return request_first(http, half, in, used, out);
	case PHASE_HEAD:
		status = head_lines(half, in, used, &empty);
		return empty ? request_details(half, request_body(half), out) : status;
	case PHASE_LONG:
		return rest_of_line(half, in, used);
	case PHASE_LENGTH:
		*used = half->fields.length;
		half->phase = PHASE_START;
		return PARSE_SKIP;
	case PHASE_CHUNKS:
		status = http1_chunks_step(&half->chunks, in, used, &ended);
		break;
	case PHASE_DOUBT:
	case PHASE_CLOSE:
	case PHASE_ENDED:
		return request_doubt(http, half, in, used);
	}
	if (ended) {
		half->phase = PHASE_START;
		return PARSE_SKIP;
	}
	if (status == PARSE_LOST) { /* will be refused: the answer still counts */
		half->fields.bad = true;
		half->phase = PHASE_DOUBT;
		return PARSE_PART;
	}
	return status;
}

/* ---- the response lane ---- */

/*
 * The answer is complete. One that no request was seen of concerns none that came since. Requests
 * behind an answer that says "close" are not processed: RFC 9112 section 9.6.
 */
static enum parse_status answered(struct http1 *http, struct half *half, struct message *out)
{
	bool last = half->fields.close || half->phase == PHASE_CLOSE;

	half->phase = PHASE_START;
	if (half->orphan)
		return PARSE_SKIP;
	if (http->open)
		http->open--;
	if (half->tag == HTTP1_CONNECT)
		http->tunnel = false;
	out->role = MESSAGE_RESPONSE;
	out->action = MESSAGE_COUNT | MESSAGE_POP | (last ? MESSAGE_LAST : 0);
	out->code = half->status;
	out->failed = half->status >= 500;
	return PARSE_MESSAGE;
}

static enum parse_status response_first(struct half *half, struct bytes in,
					const struct expect *expect, size_t *used)
{
	struct bytes line;
	size_t taken;

	if (!in.size)
		return PARSE_NEED_MORE;
	*used = empty_line(in);
	if (*used)
		return PARSE_SKIP;
	if (!http1_detect(in, LANE_RESPONSE, false))
		return PARSE_LOST;
	taken = http1_line(in, &line);
	if (!taken && in.size <= HTTP1_LINE)
		return PARSE_NEED_MORE;
	if (!expect->waiting && !expect->late)
		return PARSE_WAIT;
	half->status = http1_status_line(taken ? line : bytes_first(in, HTTP1_LINE));
	if (!half->status)
		return PARSE_LOST;
	half->orphan = !expect->waiting;
	half->tag = half->orphan ? HTTP1_PLAIN : expect->tag;
	*used = taken ? taken : in.size;
	enter_head(half, taken);
	return PARSE_PART;
}

/* The head of an answer is complete: section 6.3 in its order. */
static enum parse_status response_body(struct http1 *http, struct half *half,
				       const struct expect *expect, struct message *out)
{
	const struct http1_fields *fields = &half->fields;
	uint16_t status = half->status;

	if (status < 200 && status != 101) {
		half->phase = PHASE_START;
		http->continued = http->continued || status == 100;
		return PARSE_SKIP;
	}
	if (status == 101 || (half->tag == HTTP1_CONNECT && status < 300)) {
		if (in_head(&http->half[LANE_REQUEST]) && !expect->late)
			return PARSE_WAIT; /* seen before the end of its request */
		answered(http, half, out);
		out->action &= ~MESSAGE_LAST; /* of the old protocol */
		return PARSE_SWITCH;
	}
	if (half->tag == HTTP1_HEAD || status == 204 || status == 304)
		return answered(http, half, out);
	if (fields->bad)
		return PARSE_LOST;
	half->phase = PHASE_CLOSE;
	if (fields->chunked)
		half->phase = PHASE_CHUNKS;
	else if (fields->has_length && !fields->coded)
		half->phase = PHASE_LENGTH;
	return PARSE_PART;
}

static enum parse_status response_turn(struct http1 *http, struct bytes in,
				       const struct expect *expect, size_t *used,
				       struct message *out)
{
	struct half *half = &http->half[LANE_RESPONSE];
	enum parse_status status = PARSE_PART;
	bool ended = false;
	size_t empty = 0;

	switch ((enum phase)half->phase) {
	case PHASE_START:
		return response_first(half, in, expect, used);
	case PHASE_HEAD:
		status = head_lines(half, in, used, &empty);
		if (empty)
			status = response_body(http, half, expect, out);
		if (status == PARSE_WAIT)
			*used -= empty;
		return status;
	case PHASE_LONG:
		return rest_of_line(half, in, used);
	case PHASE_LENGTH:
		*used = half->fields.length;
		if (*used <= in.size)
			return answered(http, half, out);
		half->phase = PHASE_ENDED;
		return PARSE_PART;
	case PHASE_ENDED:
		return answered(http, half, out);
	case PHASE_CHUNKS:
		status = http1_chunks_step(&half->chunks, in, used, &ended);
		return ended ? answered(http, half, out) : status;
	case PHASE_CLOSE:
	case PHASE_DOUBT:
		*used = USED_TO_END;
		return PARSE_PART;
	}
	return PARSE_LOST;
}

/* ---- the protocol ---- */

static enum parse_status http1_parse(void *state, enum lane lane, struct bytes in,
				     const struct expect *expect, size_t *used, struct message *out)
{
	struct http1 *http = state;
	const struct half *half = &http->half[lane];
	enum parse_status status;
	size_t total = 0;

	/* Turns that stay inside a message are taken together. */
	do {
		struct bytes rest = bytes_skip(in, total);
		size_t taken = 0;

		if (lane == LANE_REQUEST)
			status = request_turn(http, rest, &taken, out);
		else
			status = response_turn(http, rest, expect, &taken, out);
		total += taken;
	} while (status == PARSE_PART && total <= in.size);
	*used = total;
	if (total && (status == PARSE_NEED_MORE || status == PARSE_WAIT))
		status = PARSE_PART;
	if (status == PARSE_PART && total >= in.size && half->phase == PHASE_CHUNKS &&
	    http1_chunks_between(&half->chunks))
		status = PARSE_FRAMES;
	return status;
}

static enum parse_status http1_finish(void *state, enum lane lane, const struct expect *expect,
				      struct message *out)
{
	struct http1 *http = state;
	struct half *half = &http->half[lane];

	/* Section 8: a body up to the end may be incomplete where that is none of the server's. */
	if (lane == LANE_RESPONSE)
		return half->phase == PHASE_CLOSE && !expect->torn ? answered(http, half, out) :
								     PARSE_SKIP;
	/* A head that never ended is no request, unless it was answered all the same. */
	if (!in_head(half) || http->open != 1 || http->half[LANE_RESPONSE].phase != PHASE_START)
		return PARSE_SKIP;
	half->phase = PHASE_START;
	http->open = 0;
	out->role = MESSAGE_RESPONSE;
	out->action = MESSAGE_POP;
	return PARSE_MESSAGE;
}

static int http1_detect_lane(struct bytes head, enum lane lane, bool midway)
{
	return http1_detect(head, lane, midway);
}

static void http1_init(void *state, bool midway)
{
	(void)state;
	(void)midway;
}

static const char *const servers[] = { "nginx",	   "apache2", "httpd",	   "lighttpd",
				       "gunicorn", "uvicorn", "hypercorn", NULL };

const struct protocol http1_protocol = {
	.name = "http",
	.family = FAMILY_HTTP,
	.state_size = sizeof(struct http1),
	.hold = HOLD,
	.framed_by_request = true,
	.sessions = false,
	.hop = { { HOP_LINES, HOP_LINES }, { HOP_LINES, HOP_LINES } },
	.port = 80,
	.servers = servers,
	.detect = http1_detect_lane,
	.init = http1_init,
	.parse = http1_parse,
	.finish = http1_finish,
};
