/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether bytes are PostgreSQL's (documentation: Frontend/Backend Protocol, Message Formats). A
 * message is believed when its length and all of its inner structure agree; in mid-life a message
 * that follows it in the same bytes must be plausible too.
 */
#include "proto/postgres.h"

#include <errno.h>

#define CERTAIN 100
#define LIKELY 80
#define LONGEST_SEEN (16 << 20) /* longer messages are not begun with in mid-life */
#define ENOUGH 64		/* so much of a long message's begin tells */

/* A cursor over one message's body. `bad`: not what was expected; `end`: of what is here. */
struct reader {
	struct bytes rest;
	uint32_t left; /* bytes of the message still to come, here or not */
	bool bad;
	bool end;
};

static void step(struct reader *reader, size_t size)
{
	if (size > reader->left)
		reader->bad = true;
	else if (size > reader->rest.size)
		reader->end = true;
	reader->rest = bytes_skip(reader->rest, size);
	reader->left -= reader->bad ? 0 : size;
}

/* A number of as many bytes; 0 where it is not here. */
static uint32_t take(struct reader *reader, size_t size)
{
	struct bytes number = bytes_first(reader->rest, size);
	uint32_t value = 0;

	if (reader->bad || reader->end)
		return 0;
	step(reader, size);
	for (size_t i = 0; i < number.size && !reader->end; i++)
		value = value << 8 | number.data[i];
	return value;
}

static bool is_text(uint8_t c)
{
	return (c >= ' ' && c != 0x7f) || (c >= '\t' && c <= '\r');
}

/* A string up to its NUL. */
static void take_string(struct reader *reader)
{
	size_t i = 0;

	if (reader->bad || reader->end)
		return;
	while (i < reader->rest.size && reader->rest.data[i] != '\0') {
		if (!is_text(reader->rest.data[i++])) {
			reader->bad = true;
			return;
		}
	}
	step(reader, i + 1);
}

/* `count` values of two bytes, each at most `most`. */
static void take_shorts(struct reader *reader, uint32_t count, uint32_t most)
{
	while (count-- && !reader->bad && !reader->end)
		reader->bad |= take(reader, 2) > most;
}

/* `count` values with lengths in front, -1 for NULL. */
static void take_values(struct reader *reader, uint32_t count)
{
	while (count-- && !reader->bad && !reader->end) {
		uint32_t size = take(reader, 4);

		if (size != UINT32_MAX && !reader->bad && !reader->end)
			step(reader, size);
	}
}

static void read_bind(struct reader *reader)
{
	take_string(reader);
	take_string(reader);
	take_shorts(reader, take(reader, 2), 1);
	take_values(reader, take(reader, 2));
	take_shorts(reader, take(reader, 2), 1);
}

static void read_target(struct reader *reader)
{
	unsigned int kind = take(reader, 1);

	reader->bad |= !reader->end && kind != 'S' && kind != 'P';
	take_string(reader);
}

/* CommandComplete's tag, which Close's target could look like: words in upper case, numbers. */
static bool is_tag(struct bytes body)
{
	bool number = false;
	size_t i = 0;

	for (; i < body.size && body.data[i] != '\0'; i++) {
		uint8_t c = body.data[i];

		if (c >= '0' && c <= '9' ? !number : (c < 'A' || c > 'Z') && c != '_' && c != ' ')
			return false;
		number = c == ' ' || (number && c <= '9');
	}
	return i > 1 && i + 1 == body.size;
}

static void read_request(struct reader *reader, uint8_t type)
{
	struct bytes body = reader->rest;

	switch (type) {
	case 'Q':
		take_string(reader);
		break;
	case 'P':
		take_string(reader);
		take_string(reader);
		for (unsigned int types = take(reader, 2); types && !reader->end && !reader->bad;
		     types--)
			take(reader, 4);
		break;
	case 'B':
		read_bind(reader);
		break;
	case 'E':
		take_string(reader);
		take(reader, 4);
		break;
	case 'D':
	case 'C':
		reader->bad |= type == 'C' && reader->left == body.size && is_tag(body);
		read_target(reader);
		break;
	case 'S':
	case 'H':
	case 'X':
		break;
	default:
		reader->bad = true;
	}
}

static void read_fields(struct reader *reader)
{
	uint8_t field = 'S'; /* severity comes first */

	while (!reader->bad && !reader->end) {
		unsigned int code = take(reader, 1);

		if (reader->end || !code)
			return;
		reader->bad |= field && code != field;
		reader->bad |= !((code | 0x20) >= 'a' && (code | 0x20) <= 'z');
		field = 0;
		take_string(reader);
	}
}

static void read_response(struct reader *reader, uint8_t type)
{
	unsigned int status, count;

	switch (type) {
	case 'Z':
		status = take(reader, 1);
		reader->bad |= !reader->end && status != 'I' && status != 'T' && status != 'E';
		break;
	case 'C':
		reader->bad |= reader->left == reader->rest.size && !is_tag(reader->rest);
		take_string(reader);
		break;
	case 'E':
	case 'N':
		read_fields(reader);
		break;
	case 'S':
		take_string(reader);
		take_string(reader);
		break;
	case 'T':
		count = take(reader, 2);
		for (reader->bad |= count > 1664; count && !reader->bad && !reader->end; count--) {
			take_string(reader);
			for (int i = 0; i < 3; i++) /* 18 bytes of numbers */
				take(reader, 6);
		}
		break;
	case 'D':
		count = take(reader, 2);
		reader->bad |= count > 1664;
		take_values(reader, count);
		break;
	case '1':
	case '2':
	case '3':
	case 'n':
	case 's':
	case 'I':
		break;
	default:
		reader->bad = true;
	}
}

/* One message at the front: true where it is one as far as can be seen; *size: its length. */
static bool plausible(struct bytes in, enum lane lane, size_t *size, bool *whole)
{
	struct reader reader = { 0 };
	uint32_t length;

	*whole = false;
	*size = in.size;
	if (in.size < PG_HEADER) {
		const char *types = lane == LANE_REQUEST ? "QPBEDCSHX" : "ZCENSTD123nsI";

		return memchr(types, in.data[0], strlen(types)) && (in.size < 2 || !in.data[1]);
	}
	length = pg_get32(in.data + 1);
	if (length < 4 || length > LONGEST_SEEN)
		return false;
	*size = 1 + (size_t)length;
	*whole = *size <= in.size;
	reader.left = length - 4;
	reader.rest = bytes_first(bytes_skip(in, PG_HEADER), length - 4);
	if (lane == LANE_REQUEST)
		read_request(&reader, in.data[0]);
	else
		read_response(&reader, in.data[0]);
	return !reader.bad && (reader.end || !reader.left);
}

/*
 * What a socket carried in mid-life. Sync and Flush alone say too little, and what precedes them is
 * being answered: not a good place to begin. COPY's data is neither.
 */
static int detect_midway(struct bytes head, enum lane lane)
{
	const char *starts = lane == LANE_REQUEST ? "QPBEDCX" : "ZCEST12D";
	size_t size, next;
	bool whole, next_whole;

	if (!memchr(starts, head.data[0], strlen(starts)))
		return 0;
	if (!plausible(head, lane, &size, &whole))
		return 0;
	if (!whole)
		return head.size < ENOUGH ? -EAGAIN : LIKELY;
	for (int i = 0; i < 8 && size < head.size; i++) {
		struct bytes rest = bytes_skip(head, size);
		bool copy = lane == LANE_REQUEST && memchr("dcfpF", rest.data[0], 5);

		if (!copy && !plausible(rest, lane, &next, &next_whole))
			return 0;
		if (copy || !next_whole)
			break;
		size += next;
	}
	return LIKELY;
}

/* The parameters of a StartupMessage: pairs of names and values, "user" among them, then a NUL. */
static int detect_parameters(struct bytes body)
{
	struct reader reader = { .rest = body, .left = body.size };
	bool user = false;

	while (reader.rest.size > 1 && !reader.bad) {
		user |= bytes_begin(reader.rest, (struct bytes){ (const uint8_t *)"user", 5 });
		reader.bad |= reader.rest.data[0] == '\0';
		take_string(&reader);
		take_string(&reader);
	}
	return user && !reader.bad && reader.rest.size == 1 && reader.rest.data[0] == '\0' ?
		       CERTAIN :
		       0;
}

static int detect_startup(struct bytes head)
{
	uint32_t size, code;

	for (size_t i = 0; i < 2 && i < head.size; i++) {
		if (head.data[i])
			return 0;
	}
	if (head.size < 8)
		return -EAGAIN;
	size = pg_get32(head.data);
	code = pg_get32(head.data + 4);
	if (code == PG_SSL || code == PG_GSSENC)
		return size == 8 ? CERTAIN : 0;
	if (code == PG_CANCEL)
		return size >= 16 && size <= 12 + 256 ? CERTAIN : 0;
	if (code >> 16 != PG_PROTOCOL_3 || size <= 8 || size > PG_STARTUP_LONGEST)
		return 0;
	if (head.size > 8 && head.data[8] < '0')
		return 0;
	if (head.size < size)
		return -EAGAIN;
	return detect_parameters((struct bytes){ head.data + 8, size - 8 });
}

int pg_detect(struct bytes head, enum lane lane, bool midway)
{
	if (!head.size)
		return -EAGAIN;
	if (lane == LANE_REQUEST && head.data[0] == 0)
		return detect_startup(head);
	return midway ? detect_midway(head, lane) : 0;
}
