/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/http1_details.h"

#include <strings.h>

#include "proto/wanted.h"
#include "util/utf8.h"

enum field {
	FIELD_OTHER = 0,
	FIELD_HOST,
	FIELD_AGENT,
	FIELD_PARENT,
	FIELD_STATE,
};

static struct http1_draft finished; /* what the newest details show */

static struct bytes trim(struct bytes text)
{
	while (text.size && (text.data[0] == ' ' || text.data[0] == '\t'))
		text = bytes_skip(text, 1);
	while (text.size && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t'))
		text.size--;
	return text;
}

static void keep(struct http1_value *value, struct bytes text)
{
	value->size = 0;
	if (!text.size || text.size > HTTP1_SHOWN || !utf8_is_clean(text))
		return;
	memcpy(value->bytes, text.data, text.size);
	value->size = text.size;
}

static struct bytes shown(const struct http1_value *value)
{
	return (struct bytes){ value->bytes, value->size };
}

/* host [":" port], without the user's name and password that a URI may have in front. */
static void keep_authority(struct http1_draft *draft, struct bytes text)
{
	for (size_t i = text.size; i > 0; i--) {
		if (text.data[i - 1] == '@') {
			text = bytes_skip(text, i);
			break;
		}
	}
	for (size_t i = 0; i < text.size; i++) {
		uint8_t c = text.data[i];
		bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';

		if (!letter && !(c >= '0' && c <= '9') && (!c || !strchr("-._~:[]%", c)))
			text.size = 0;
	}
	keep(&draft->authority, text);
}

/* RFC 9112 section 3.2.2: scheme "://" authority path. */
static void note_target(struct http1_draft *draft, struct bytes target)
{
	size_t scheme = 0, end;

	while (scheme < target.size && (target.data[scheme] | 0x20) >= 'a' &&
	       (target.data[scheme] | 0x20) <= 'z')
		scheme++;
	if (!scheme || !bytes_begin(bytes_skip(target, scheme), BYTES("://")))
		return;
	draft->absolute = true;
	keep(&draft->scheme, bytes_first(target, scheme));
	target = bytes_skip(target, scheme + 3);
	for (end = 0; end < target.size && !memchr("/?#", target.data[end], 3); end++)
		;
	keep_authority(draft, bytes_first(target, end));
}

uint32_t http1_details_begin(struct bytes line, struct bytes target)
{
	uint32_t number = drafts_begin(&details_store.requests);
	struct http1_draft *draft = drafts_find(&details_store.requests, number);

	if (!draft)
		return 0;
	while (line.size && memchr("\r\n \t", line.data[line.size - 1], 4))
		line.size--;
	/* A line that was cut shows no version; nearly all are 1.1. */
	draft->minor = line.size > 1 && line.data[line.size - 2] == '.' &&
				       line.data[line.size - 1] == '0' ?
			       0 :
			       1;
	note_target(draft, target);
	return number;
}

static uint8_t field_of(struct bytes name)
{
	static const struct {
		const char *name;
		uint8_t field;
	} fields[] = {
		{ "host", FIELD_HOST },
		{ "user-agent", FIELD_AGENT },
		{ "traceparent", FIELD_PARENT },
		{ "tracestate", FIELD_STATE },
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (strlen(fields[i].name) == name.size &&
		    !strncasecmp(fields[i].name, (const char *)name.data, name.size))
			return fields[i].field;
	}
	return FIELD_OTHER;
}

static void take(struct http1_draft *draft, struct bytes value, bool whole)
{
	/* Half a value is none; half a list means that all of it is none. */
	if (!whole)
		value = draft->field == FIELD_STATE ? BYTES("?") : (struct bytes){ 0 };
	switch ((enum field)draft->field) {
	case FIELD_HOST: /* two of them are an error that servers refuse */
		if (!draft->absolute)
			keep_authority(draft, draft->hosts ? (struct bytes){ 0 } : value);
		draft->hosts = true;
		break;
	case FIELD_AGENT:
		keep(&draft->agent, value);
		break;
	case FIELD_PARENT:
		trace_headers_parent(&draft->trace, value);
		break;
	case FIELD_STATE:
		trace_headers_state(&draft->trace, value);
		break;
	case FIELD_OTHER:
		break;
	}
}

void http1_details_line(uint32_t number, struct bytes line, bool whole)
{
	struct http1_draft *draft = drafts_find(&details_store.requests, number);
	const uint8_t *colon;
	size_t size;

	if (!draft || !line.size)
		return;
	if (line.data[0] == ' ' || line.data[0] == '\t') {
		/* The last line goes on, as nobody may send it any more: its value is none. */
		take(draft, (struct bytes){ 0 }, false);
		return;
	}
	draft->field = FIELD_OTHER;
	colon = memchr(line.data, ':', line.size < 64 ? line.size : 64);
	if (!colon)
		return;
	size = colon - line.data;
	draft->field = field_of(trim(bytes_first(line, size)));
	if (draft->field != FIELD_OTHER)
		take(draft, trim(bytes_skip(line, size + 1)), whole);
}

const struct details *http1_details_end(uint32_t number)
{
	static struct details details;
	const struct http1_draft *draft = drafts_find(&details_store.requests, number);

	if (!draft)
		return NULL;
	finished = *draft;
	drafts_end(&details_store.requests, number);
	details = (struct details){
		.scheme = shown(&finished.scheme),
		.authority = shown(&finished.authority),
		.agent = shown(&finished.agent),
		.minor = finished.minor,
	};
	details.context = trace_headers_read(&finished.trace, &details.state);
	return &details;
}
