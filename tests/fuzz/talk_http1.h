/* SPDX-License-Identifier: Apache-2.0 */
/* What can be asked in HTTP/1.1: RFC 9112; interim answers: RFC 9110, 15.2. */
#ifndef ONLOOKER_FUZZ_TALK_HTTP1_H
#define ONLOOKER_FUZZ_TALK_HTTP1_H

#include "talk.h"

enum http_body {
	BODY_NONE,
	BODY_LENGTH,
	BODY_CHUNKED,
};

/* The field that announces the body, the end of the head. */
static void http_end_head(struct text *text, enum http_body body, size_t size)
{
	if (body == BODY_LENGTH)
		text_printf(text, "Content-Length: %zu\r\n", size);
	if (body == BODY_CHUNKED)
		text_printf(text, "Transfer-Encoding: chunked\r\n");
	text_printf(text, "\r\n");
}

static void http_put_body(struct talk *talk, struct text *text, enum http_body body, size_t size)
{
	if (body == BODY_LENGTH)
		text_fill(talk, text, size);
	if (body != BODY_CHUNKED)
		return;
	for (size_t left = size, piece; left; left -= piece) {
		piece = (left + 2) / 3;
		text_printf(text, "%zx\r\n", piece);
		text_fill(talk, text, piece);
		text_printf(text, "\r\n");
	}
	text_printf(text, "0\r\n%s\r\n", size % 2 ? "Trailer: x\r\n" : "");
}

static unsigned int http_answer(struct talk *talk, struct text *text, bool head, uint8_t how)
{
	static const uint16_t codes[] = { 200, 404, 500, 201, 204, 304, 301, 403 };
	uint16_t code = codes[how & 7];
	enum http_body body = (how >> 3 & 3) == 3 ? BODY_CHUNKED : BODY_LENGTH;
	size_t size = how >> 5 << (how & 7);

	if (how >> 3 == 1)
		text_printf(text, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
	if (code == 204 || code == 304)
		body = BODY_NONE;
	text_printf(text, "HTTP/1.1 %u Text\r\nServer: x\r\n", code);
	http_end_head(text, body, size);
	if (!head)
		http_put_body(talk, text, body, size);
	return code;
}

static void http_ask(struct talk *talk, uint8_t what, uint8_t how)
{
	static const char *const methods[] = { "GET",	 "POST",    "HEAD",  "PUT",
					       "DELETE", "OPTIONS", "PATCH", "GET" };
	const char *method = methods[what & 7];
	enum http_body body = (what & 1) ? (what >> 3 & 1 ? BODY_CHUNKED : BODY_LENGTH) : BODY_NONE;
	/* One question off, an answer would seem to be the one that decides about the body. */
	bool expects = talk->batches && body && (what >> 4) == 3;
	struct text *lane = &talk->written[LANE_REQUEST];
	size_t size = (size_t)(what >> 3) * how;
	struct text *answer;
	unsigned int code;

	if (expects)
		talk_drain(talk);
	text_printf(lane, "%s /p%u?q HTTP/1.1\r\nHost: x\r\n", method, how);
	if (expects)
		text_printf(lane, "Expect: 100-continue\r\n");
	http_end_head(lane, body, size);
	if (expects) {
		talk_emit_all(talk, LANE_REQUEST);
		text_printf(&talk->written[LANE_RESPONSE], "HTTP/1.1 100 Continue\r\n\r\n");
		talk_emit_all(talk, LANE_RESPONSE);
	}
	http_put_body(talk, lane, body, size);
	answer = talk_ask(talk);
	code = http_answer(talk, answer, *method == 'H', how ^ what);
	talk_fact(talk, method, code, code >= 500);
	talk_asked(talk);
}

#endif
