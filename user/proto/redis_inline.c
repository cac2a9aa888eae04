/* SPDX-License-Identifier: Apache-2.0 */
/* Words of inline commands, cut as sdssplitargs() of the server does. */
#include "proto/redis_state.h"

struct cursor {
	struct bytes rest;
	uint8_t *word;
	size_t room;
	size_t size;
};

static bool at_space(struct bytes rest)
{
	return rest.data[0] == ' ' || (rest.data[0] >= '\t' && rest.data[0] <= '\r');
}

static void put(struct cursor *cursor, uint8_t c)
{
	if (cursor->size < cursor->room)
		cursor->word[cursor->size] = c;
	cursor->size++;
}

static int hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A backslash and what it stands for, in double quotes. */
static void take_escape(struct cursor *cursor)
{
	static const char from[] = "nrtba", to[] = "\n\r\t\b\a";
	const uint8_t *data = cursor->rest.data;
	const char *found;

	if (cursor->rest.size >= 4 && data[1] == 'x' && hex(data[2]) >= 0 && hex(data[3]) >= 0) {
		put(cursor, hex(data[2]) << 4 | hex(data[3]));
		cursor->rest = bytes_skip(cursor->rest, 4);
		return;
	}
	found = data[1] ? strchr(from, data[1]) : NULL;
	put(cursor, found ? (uint8_t)to[found - from] : data[1]);
	cursor->rest = bytes_skip(cursor->rest, 2);
}

/* A quoted part; false: its end is missing, or something clings to it. */
static bool take_quoted(struct cursor *cursor)
{
	uint8_t quote = cursor->rest.data[0];

	cursor->rest = bytes_skip(cursor->rest, 1);
	while (cursor->rest.size && cursor->rest.data[0] != quote) {
		const uint8_t *data = cursor->rest.data;

		if (data[0] == '\\' && cursor->rest.size > 1 && (quote == '"' || data[1] == '\'')) {
			take_escape(cursor);
			continue;
		}
		put(cursor, data[0]);
		cursor->rest = bytes_skip(cursor->rest, 1);
	}
	if (!cursor->rest.size)
		return false;
	cursor->rest = bytes_skip(cursor->rest, 1);
	return !cursor->rest.size || at_space(cursor->rest);
}

int redis_inline_word(struct bytes *line, uint8_t *word, size_t room, size_t *size)
{
	struct cursor cursor = { .rest = *line, .word = word, .room = room };

	/* The server's line is a C string. */
	cursor.rest.size = cursor.rest.size ? strnlen((const char *)line->data, line->size) : 0;
	while (cursor.rest.size && at_space(cursor.rest))
		cursor.rest = bytes_skip(cursor.rest, 1);
	if (!cursor.rest.size)
		return 0;
	while (cursor.rest.size && !at_space(cursor.rest)) {
		if (cursor.rest.data[0] == '"' || cursor.rest.data[0] == '\'') {
			if (!take_quoted(&cursor))
				return -1;
			break;
		}
		put(&cursor, cursor.rest.data[0]);
		cursor.rest = bytes_skip(cursor.rest, 1);
	}
	*line = cursor.rest;
	*size = cursor.size;
	return 1;
}
