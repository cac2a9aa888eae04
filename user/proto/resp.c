/* SPDX-License-Identifier: Apache-2.0 */
#include "resp.h"

#define ASIDE (1ULL << 63)
#define ENDLESS (ASIDE - 1) /* a streamed aggregate */

int resp_length(struct bytes in, size_t *used, int64_t *length)
{
	size_t i = 0;
	size_t digits;
	int64_t value = 0;
	bool negative = in.size && in.data[0] == '-';

	i += negative;
	if (in.size && in.data[0] == '?') {
		value = RESP_STREAMED;
		i = 1;
	} else {
		digits = i;
		for (; i < in.size && in.data[i] >= '0' && in.data[i] <= '9'; i++) {
			value = value * 10 + (in.data[i] - '0');
			if (value > RESP_LENGTH_MAX || i == RESP_HEADER)
				return -1;
		}
		if (i < in.size && (i == digits || (in.data[digits] == '0' && i - digits > 1)))
			return -1;
	}
	if (i == in.size)
		return 0;
	if (in.data[i] != '\r')
		return -1;
	if (i + 1 == in.size)
		return 0;
	if (in.data[i + 1] != '\n')
		return -1;
	*used = i + 2;
	*length = negative ? -value : value;
	return 1;
}

static enum resp_status push_level(struct resp *resp, uint64_t level)
{
	if (resp->depth == RESP_LEVELS)
		return RESP_LOST;
	resp->level[resp->depth++] = level;
	resp->asides += (level & ASIDE) != 0;
	return RESP_ITEM;
}

static uint64_t pop_level(struct resp *resp)
{
	uint64_t level = resp->level[--resp->depth];

	resp->asides -= (level & ASIDE) != 0;
	return level;
}

/* A value at the present depth is complete, and with it those that it was the last element of. */
static enum resp_status complete(struct resp *resp, struct resp_item *item)
{
	item->closed = resp->depth;
	while (resp->depth) {
		uint64_t *left = &resp->level[resp->depth - 1];

		if ((*left & ENDLESS) == ENDLESS || (--*left & ENDLESS))
			break;
		/* An attribute is not the value that it comes before. */
		if (pop_level(resp) & ASIDE)
			break;
		item->closed = resp->depth;
	}
	return RESP_ITEM;
}

static enum resp_status scalar(struct resp *resp, struct resp_item *item, char type)
{
	item->type = type;
	item->depth = resp->depth;
	item->aside = resp->asides;
	return complete(resp, item);
}

static bool line_number(struct bytes text, int64_t *number)
{
	bool sign = text.size && (text.data[0] == '-' || text.data[0] == '+');
	uint64_t value = 0;

	if (text.size == sign || text.size > 20)
		return false;
	for (size_t i = sign; i < text.size; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		value = value * 10 + (text.data[i] - '0');
	}
	if (value > INT64_MAX)
		value = INT64_MAX;
	*number = text.data[0] == '-' ? -(int64_t)value : (int64_t)value;
	return true;
}

static bool line_good(char type, struct resp_item *item)
{
	struct bytes text = item->text;

	switch (type) {
	case ':':
		return line_number(text, &item->number);
	case '#':
		return text.size == 1 && (text.data[0] == 't' || text.data[0] == 'f');
	case '_':
		item->null = true;
		return text.size == 0;
	case ',':
	case '(':
		return text.size != 0;
	default:
		return true;
	}
}

/* A long line, or the rest of one: its text is not shown. */
static enum resp_status end_line(struct resp *resp, struct bytes in, size_t *used,
				 struct resp_item *item)
{
	const uint8_t *end = in.size ? memchr(in.data, '\n', in.size) : NULL;

	if (!end) {
		/* The CR stays with its LF. */
		*used = in.size - (in.size && in.data[in.size - 1] == '\r');
		return RESP_MORE;
	}
	if (end == in.data || end[-1] != '\r')
		return RESP_LOST;
	resp->line = false;
	*used = end - in.data + 1;
	return scalar(resp, item, resp->type);
}

static enum resp_status take_line(struct resp *resp, struct bytes in, size_t *used,
				  struct resp_item *item)
{
	const uint8_t *end = memchr(in.data, '\n', in.size);
	char type = in.data[0];

	if (!end && in.size <= RESP_LINE)
		return RESP_MORE;
	if (!end || end - in.data > RESP_LINE) {
		if (type != '+' && type != '-' && type != '(' && type != ',')
			return RESP_LOST;
		resp->line = true;
		resp->type = type;
		return end_line(resp, in, used, item);
	}
	if (end - in.data < 2 || end[-1] != '\r')
		return RESP_LOST;
	item->text = (struct bytes){ in.data + 1, end - in.data - 2 };
	if (!line_good(type, item))
		return RESP_LOST;
	*used = end - in.data + 1;
	return scalar(resp, item, type);
}

static enum resp_status take_bulk(struct resp *resp, struct bytes in, size_t *used,
				  struct resp_item *item)
{
	char type = in.data[0];
	int64_t length;
	size_t header;
	size_t size;
	int found = resp_length(bytes_skip(in, 1), &header, &length);

	if (found <= 0)
		return found ? RESP_LOST : RESP_MORE;
	header++;
	if (length < 0) {
		if (type != '$' || (length != -1 && length != RESP_STREAMED))
			return RESP_LOST;
		*used = header;
		resp->chunks = length == RESP_STREAMED;
		if (resp->chunks)
			return RESP_MORE;
		item->null = true;
		return scalar(resp, item, type);
	}
	size = header + length + 2;
	if (size > in.size) {
		if (length <= RESP_TEXT)
			return RESP_MORE;
		resp->skipped = true;
		resp->type = type;
		*used = size;
		return RESP_MORE;
	}
	*used = size;
	if (length <= RESP_TEXT) {
		item->text = (struct bytes){ in.data + header, length };
		if (in.data[size - 2] != '\r' || in.data[size - 1] != '\n')
			return RESP_LOST;
	}
	return scalar(resp, item, type);
}

/* A streamed string's next piece: ";4\r\nabcd\r\n", in the end ";0\r\n". */
static enum resp_status take_chunk(struct resp *resp, struct bytes in, size_t *used,
				   struct resp_item *item)
{
	int64_t length;
	size_t header;
	int found;

	if (!in.size)
		return RESP_MORE;
	found = in.data[0] == ';' ? resp_length(bytes_skip(in, 1), &header, &length) : -1;
	if (found <= 0)
		return found ? RESP_LOST : RESP_MORE;
	if (length < 0)
		return RESP_LOST;
	*used = header + 1;
	if (length) {
		*used += length + 2;
		return RESP_MORE;
	}
	resp->chunks = false;
	return scalar(resp, item, '$');
}

static enum resp_status take_aggregate(struct resp *resp, struct bytes in, size_t *used,
				       struct resp_item *item)
{
	char type = in.data[0];
	bool pairs = type == '%' || type == '|';
	bool aside = type == '|' || (type == '>' && resp->depth && !resp->solid_push);
	int64_t length;
	size_t header;
	int found = resp_length(bytes_skip(in, 1), &header, &length);
	uint64_t level;

	if (found <= 0)
		return found ? RESP_LOST : RESP_MORE;
	if (length < 0 && length != RESP_STREAMED && (length != -1 || type != '*'))
		return RESP_LOST;
	*used = header + 1;
	item->null = length == -1;
	item->number = length;
	if (length == -1 || (!length && !aside))
		return scalar(resp, item, type);
	item->type = type;
	item->depth = resp->depth;
	item->aside = resp->asides || aside;
	item->closed = resp->depth + 1;
	if (!length)
		return RESP_ITEM;
	level = length == RESP_STREAMED ? ENDLESS : (uint64_t)length << pairs;
	return push_level(resp, level | (aside ? ASIDE : 0));
}

static enum resp_status take_end(struct resp *resp, struct bytes in, size_t *used,
				 struct resp_item *item)
{
	bool aside;

	if (in.size < 3)
		return RESP_MORE;
	if (!resp->depth || (resp->level[resp->depth - 1] & ENDLESS) != ENDLESS ||
	    in.data[1] != '\r' || in.data[2] != '\n')
		return RESP_LOST;
	*used = 3;
	item->type = '.';
	item->aside = resp->asides;
	aside = pop_level(resp) & ASIDE;
	item->depth = resp->depth;
	if (!aside)
		return complete(resp, item);
	item->closed = resp->depth + 1;
	return RESP_ITEM;
}

enum resp_status resp_next(struct resp *resp, struct bytes in, size_t *used, struct resp_item *item)
{
	*used = 0;
	*item = (struct resp_item){ 0 };
	if (resp->skipped) {
		resp->skipped = false;
		return scalar(resp, item, resp->type);
	}
	if (resp->line)
		return end_line(resp, in, used, item);
	if (resp->chunks)
		return take_chunk(resp, in, used, item);
	if (!in.size)
		return RESP_MORE;
	switch (in.data[0]) {
	case '+':
	case '-':
	case ':':
	case ',':
	case '#':
	case '(':
	case '_':
		return take_line(resp, in, used, item);
	case '$':
	case '=':
	case '!':
		return take_bulk(resp, in, used, item);
	case '*':
	case '~':
	case '%':
	case '>':
	case '|':
		return take_aggregate(resp, in, used, item);
	case '.':
		return take_end(resp, in, used, item);
	default:
		return RESP_LOST;
	}
}
