/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/http1_head.h"

#include <errno.h>

#include "proto/http1_method.h"

#define METHOD_LIMIT 32
#define NAME_LIMIT 63 /* of a field, with the blanks behind it */
#define LENGTH_LIMIT ((uint64_t)1 << 60)
#define VERSION BYTES("HTTP/1.")

enum field {
	FIELD_OTHER = 0,
	FIELD_LENGTH,
	FIELD_CODING,
	FIELD_EXPECT,
	FIELD_CONNECTION,
};

/* The characters of a token: RFC 9110 section 5.6.2. */
static bool token_character(uint8_t c)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";

	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')
		return true;
	return (c >= '0' && c <= '9') || (c && memchr(marks, c, sizeof(marks) - 1));
}

static bool blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static struct bytes trim(struct bytes text)
{
	while (text.size && blank(text.data[0]))
		text = bytes_skip(text, 1);
	while (text.size && blank(text.data[text.size - 1]))
		text.size--;
	return text;
}

/* Compares with a text of lower-case letters, digits and dashes. */
static bool same_word(struct bytes text, struct bytes lower)
{
	if (text.size != lower.size)
		return false;
	for (size_t i = 0; i < text.size; i++) {
		uint8_t c = text.data[i];

		if (c >= 'A' && c <= 'Z')
			c |= 0x20;
		if (c != lower.data[i])
			return false;
	}
	return true;
}

size_t http1_line(struct bytes in, struct bytes *line)
{
	const uint8_t *end = in.size ? memchr(in.data, '\n', in.size) : NULL;
	size_t size;

	if (!end)
		return 0;
	size = end - in.data;
	*line = (struct bytes){ in.data, size && end[-1] == '\r' ? size - 1 : size };
	return size + 1;
}

/* ---- first lines ---- */

/* The bytes of the method at the front: 0 where it is none, METHOD_LIMIT + 1 where it is too long.
 */
static size_t method_size(struct bytes text)
{
	size_t size = 0;

	while (size < text.size && size <= METHOD_LIMIT && token_character(text.data[size]))
		size++;
	return size;
}

/* HTTP/1.0, HTTP/1.1 and what may come after them: a receiver treats any minor version alike. */
static bool is_version(struct bytes text)
{
	size_t size = VERSION.size;

	return text.size == size + 1 && bytes_begin(text, VERSION) && text.data[size] >= '0' &&
	       text.data[size] <= '9';
}

/* Control characters are in no target; bytes beyond ASCII are seen in many. */
static bool is_target(struct bytes text)
{
	for (size_t i = 0; i < text.size; i++) {
		if ((text.data[i] < 0x20 && text.data[i] != '\t') || text.data[i] == 0x7f)
			return false;
	}
	return text.size != 0;
}

/* Where "http://" and the like end; 0 where the target has no scheme. */
static size_t scheme_size(struct bytes target)
{
	size_t size = 0;

	while (size < target.size && size < 32 && target.data[size] != ':' &&
	       token_character(target.data[size]))
		size++;
	return size && bytes_begin(bytes_skip(target, size), BYTES("://")) ? size + 3 : 0;
}

/* A line without its end, cut inside the target or whole. */
static bool split_line(struct bytes line, bool cut, struct bytes *method, struct bytes *target)
{
	size_t size = method_size(line);
	struct bytes rest;

	if (!size || size > METHOD_LIMIT || size == line.size || !blank(line.data[size]))
		return false;
	rest = trim(bytes_skip(line, size));
	if (!cut) {
		size_t before = rest.size - (VERSION.size + 1);

		if (rest.size <= VERSION.size + 1 || !blank(rest.data[before - 1]) ||
		    !is_version(bytes_skip(rest, before)))
			return false;
		rest = trim(bytes_first(rest, before));
	}
	if (!is_target(rest) || (cut && rest.data[0] != '/' && !scheme_size(rest)))
		return false;
	*method = bytes_first(line, size);
	*target = rest;
	return true;
}

/* Whether the front of a line, whose end has not come, can become a request-line. */
static bool can_become_request(struct bytes line)
{
	size_t size = method_size(line);

	if (!size || size > METHOD_LIMIT)
		return false;
	if (size == line.size)
		return true;
	if (!blank(line.data[size]))
		return false;
	line = trim(bytes_skip(line, size));
	if (line.size && line.data[line.size - 1] == '\r')
		line.size--;
	return !line.size || is_target(line);
}

ssize_t http1_request_line(struct bytes in, struct bytes *method, struct bytes *target)
{
	struct bytes line;
	size_t taken = http1_line(in, &line);

	/* By what is at hand of a long line, so that it never matters how much that is. */
	if (taken ? taken > HTTP1_REQUEST_LINE + 1 : in.size > HTTP1_REQUEST_LINE) {
		line = bytes_first(in, HTTP1_REQUEST_LINE + 1);
		if (!split_line(line, true, method, target))
			return 0;
		return taken ? taken : in.size;
	}
	if (!taken)
		return can_become_request(in) ? -EAGAIN : 0;
	return split_line(line, false, method, target) ? (ssize_t)taken : 0;
}

uint16_t http1_status_line(struct bytes line)
{
	size_t at = VERSION.size + 1;
	uint16_t status = 0;

	if (!is_version(bytes_first(line, at)) || at == line.size || !blank(line.data[at]))
		return 0;
	while (at < line.size && blank(line.data[at]))
		at++;
	if (at + 3 > line.size)
		return 0;
	for (size_t i = at; i < at + 3; i++) {
		if (line.data[i] < '0' || line.data[i] > '9')
			return 0;
		status = status * 10 + (line.data[i] - '0');
	}
	if (at + 3 < line.size && !memchr(" \t\r\n", line.data[at + 3], 4))
		return 0;
	return status >= 100 ? status : 0;
}

/* ---- header fields ---- */

/* Content-Length: a number, or one number several times over (section 6.3, rule 5). */
static void note_length(struct http1_fields *fields, struct bytes element)
{
	uint64_t value = 0;

	for (size_t i = 0; i < element.size; i++) {
		uint8_t c = element.data[i];

		if (c < '0' || c > '9' || value > LENGTH_LIMIT / 10 - 1) {
			fields->bad = true;
			return;
		}
		value = value * 10 + (c - '0');
	}
	if (fields->has_length && fields->length != value)
		fields->bad = true;
	fields->length = value;
	fields->has_length = true;
}

static void note_coding(struct http1_fields *fields, struct bytes element)
{
	const uint8_t *parameters = memchr(element.data, ';', element.size);

	if (parameters)
		element = trim(bytes_first(element, parameters - element.data));
	fields->chunked = same_word(element, BYTES("chunked"));
	if (!same_word(element, BYTES("identity")))
		fields->coded = true;
}

static void note_value(struct http1_fields *fields, struct bytes value)
{
	while (value.size) {
		const uint8_t *comma = memchr(value.data, ',', value.size);
		size_t size = comma ? (size_t)(comma - value.data) : value.size;
		struct bytes element = trim(bytes_first(value, size));

		value = bytes_skip(value, size + 1);
		if (!element.size)
			continue;
		if (fields->field == FIELD_LENGTH)
			note_length(fields, element);
		else if (fields->field == FIELD_CODING)
			note_coding(fields, element);
		else if (fields->field == FIELD_CONNECTION)
			fields->close |= same_word(element, BYTES("close"));
		else if (same_word(element, BYTES("100-continue")))
			fields->expect = true;
	}
}

/* The field of a line that is none continued; its value then begins at *value. */
static enum field field_of(struct bytes line, size_t *value)
{
	enum field field = FIELD_OTHER;
	struct bytes name = { 0 };
	size_t at;

	switch (line.size ? line.data[0] | 0x20 : 0) {
	case 'c':
		if (line.size > 3 && (line.data[3] | 0x20) == 't') {
			name = BYTES("content-length");
			field = FIELD_LENGTH;
		} else {
			name = BYTES("connection");
			field = FIELD_CONNECTION;
		}
		break;
	case 'e':
		name = BYTES("expect");
		field = FIELD_EXPECT;
		break;
	case 't':
		name = BYTES("transfer-encoding");
		field = FIELD_CODING;
		break;
	}
	/* Blanks before the colon are an old sin. */
	for (at = name.size; at < line.size && at < NAME_LIMIT && blank(line.data[at]);)
		at++;
	if (at >= line.size || line.data[at] != ':' ||
	    !same_word(bytes_first(line, name.size), name))
		return FIELD_OTHER;
	*value = at + 1;
	return field;
}

void http1_field_line(struct http1_fields *fields, struct bytes line)
{
	size_t value = 0;

	/* Section 5.2: blanks at the begin, and the last line goes on. */
	if (!line.size || !blank(line.data[0]))
		fields->field = field_of(line, &value);
	if (fields->field == FIELD_OTHER)
		return;
	note_value(fields, bytes_skip(line, value));
	if (line.size >= HTTP1_LINE && fields->field != FIELD_CONNECTION)
		fields->bad = true;
}

/* ---- targets ---- */

struct bytes http1_path(struct bytes target)
{
	size_t scheme = target.size && target.data[0] != '/' ? scheme_size(target) : 0;
	size_t size = 0;

	if (scheme) {
		target = bytes_skip(target, scheme);
		while (target.size && !memchr("/?#", target.data[0], 3))
			target = bytes_skip(target, 1);
		if (!target.size || target.data[0] != '/')
			return BYTES("/");
	}
	while (size < target.size && target.data[size] != '?' && target.data[size] != '#')
		size++;
	return bytes_first(target, size);
}

/* ---- detection ---- */

/* Section 2.2: at least one empty line before a request-line is to be ignored. */
static struct bytes skip_empty(struct bytes head)
{
	while (head.size && (head.data[0] == '\r' || head.data[0] == '\n'))
		head = bytes_skip(head, 1);
	return head;
}

static int detect_request(struct bytes head)
{
	struct bytes method, target;
	ssize_t size = http1_request_line(head, &method, &target);

	if (size <= 0)
		return size;
	return size > HTTP1_REQUEST_LINE + 1 || head.data[size - 1] != '\n' ? 60 : 100;
}

static int detect_response(struct bytes head)
{
	size_t size = VERSION.size + 6; /* as far as the byte after the status */
	struct bytes line;

	if (head.size >= size || http1_line(head, &line))
		return http1_status_line(bytes_first(head, size)) ? 100 : 0;
	return bytes_begin(head, VERSION) || bytes_begin(VERSION, head) ? -EAGAIN : 0;
}

int http1_detect(struct bytes head, enum lane lane, bool midway)
{
	size_t size;

	head = skip_empty(head);
	if (!head.size)
		return -EAGAIN;
	if (lane == LANE_RESPONSE)
		return detect_response(head);
	size = method_size(head);
	if (midway && size < head.size && !http1_method_registered(bytes_first(head, size)))
		return 0;
	return detect_request(head);
}

bool http1_is_likely(struct bytes in)
{
	struct bytes method = { 0 }, target = { 0 };

	if (http1_request_line(skip_empty(in), &method, &target) <= 0)
		return false;
	for (size_t i = 0; i < method.size; i++) {
		if (method.data[i] >= 'a' && method.data[i] <= 'z')
			return false;
	}
	return bytes_equal(method, BYTES("CONNECT")) || target.data[0] == '/' ||
	       bytes_equal(target, BYTES("*")) || http1_path(target).data != target.data;
}
