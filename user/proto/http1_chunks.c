/* SPDX-License-Identifier: Apache-2.0 */
/*
 *	SIZE, NEXT -- line, not 0 --> data skipped, DATA_END -- line end --> NEXT
 *	NEXT -- line end, of data gone by unseen --> NEXT
 *	SIZE, NEXT -- line, 0 ------> TRAILER -- empty line --> ended
 *	EXTENSION, FIELD: the rest of such a line that is too long to be kept
 */
#include "proto/http1_chunks.h"

#include "proto/http1_head.h"

#define SIZE_LINE 4096 /* a line of size and extensions longer than this is cut */
#define SIZE_LIMIT ((uint64_t)1 << 56)
#define SIZE_DIGITS 64

enum state {
	STATE_SIZE = 0,
	STATE_NEXT,
	STATE_EXTENSION,
	STATE_DATA_END,
	STATE_TRAILER,
	STATE_FIELD,
};

/* The size at the front of a chunk's line, cut or whole; false where there is none. */
static bool chunk_size(struct bytes line, uint64_t *size)
{
	uint64_t value = 0;
	size_t i = 0;

	for (; i < line.size; i++) {
		uint8_t c = line.data[i];
		uint8_t lower = c | 0x20;

		if (c >= '0' && c <= '9')
			value = value << 4 | (c - '0');
		else if (lower >= 'a' && lower <= 'f')
			value = value << 4 | (lower - 'a' + 10);
		else
			break;
		if (value >= SIZE_LIMIT)
			return false;
	}
	if (!i || i > SIZE_DIGITS || (i < line.size && !memchr("; \t\r", line.data[i], 4)))
		return false;
	*size = value;
	return true;
}

/* The line of the size has ended: its data is skipped. */
static size_t enter_data(struct http1_chunks *chunks)
{
	chunks->state = chunks->size ? STATE_DATA_END : STATE_TRAILER;
	return chunks->size;
}

static enum parse_status size_line(struct http1_chunks *chunks, struct bytes in, size_t *used)
{
	struct bytes line = in;
	size_t taken = http1_line(in, &line);

	if (!in.size)
		return PARSE_NEED_MORE;
	if (!chunk_size(line, &chunks->size))
		return PARSE_LOST;
	if (!taken && in.size <= SIZE_LINE)
		return PARSE_NEED_MORE;
	*used = taken ? taken : in.size;
	if (taken)
		*used += enter_data(chunks);
	else
		chunks->state = STATE_EXTENSION;
	return PARSE_PART;
}

static enum parse_status extension(struct http1_chunks *chunks, struct bytes in, size_t *used)
{
	struct bytes line;
	size_t taken = http1_line(in, &line);

	if (!in.size)
		return PARSE_NEED_MORE;
	*used = taken ? taken + enter_data(chunks) : in.size;
	return PARSE_PART;
}

static enum parse_status data_end(struct http1_chunks *chunks, struct bytes in, size_t *used)
{
	size_t size = in.size && in.data[0] == '\r' ? 2 : 1;

	if (in.size < size)
		return PARSE_NEED_MORE;
	if (in.data[size - 1] != '\n')
		return PARSE_LOST;
	*used = size;
	chunks->state = STATE_NEXT;
	return PARSE_PART;
}

/* Chunks may have gone by since the one before, but for the end of the last one's data. */
static enum parse_status next_size(struct http1_chunks *chunks, struct bytes in, size_t *used)
{
	if (in.size && in.data[0] == '\r')
		return data_end(chunks, in, used);
	return size_line(chunks, in, used);
}

/* A field of the trailer, or (*ended) the empty line. */
static enum parse_status trailer(struct http1_chunks *chunks, struct bytes in, size_t *used,
				 bool *ended)
{
	struct bytes line;
	size_t taken = http1_line(in, &line);

	if (!taken && in.size <= HTTP1_LINE)
		return PARSE_NEED_MORE;
	*used = taken ? taken : in.size;
	*ended = taken && !line.size;
	if (!taken)
		chunks->state = STATE_FIELD;
	return PARSE_PART;
}

static enum parse_status field(struct http1_chunks *chunks, struct bytes in, size_t *used)
{
	struct bytes line;
	size_t taken = http1_line(in, &line);

	if (!in.size)
		return PARSE_NEED_MORE;
	*used = taken ? taken : in.size;
	if (taken)
		chunks->state = STATE_TRAILER;
	return PARSE_PART;
}

bool http1_chunks_between(const struct http1_chunks *chunks)
{
	return chunks->state == STATE_NEXT || chunks->state == STATE_DATA_END;
}

enum parse_status http1_chunks_step(struct http1_chunks *chunks, struct bytes in, size_t *used,
				    bool *ended)
{
	switch ((enum state)chunks->state) {
	case STATE_SIZE:
		return size_line(chunks, in, used);
	case STATE_NEXT:
		return next_size(chunks, in, used);
	case STATE_EXTENSION:
		return extension(chunks, in, used);
	case STATE_DATA_END:
		return data_end(chunks, in, used);
	case STATE_TRAILER:
		return trailer(chunks, in, used, ended);
	case STATE_FIELD:
		return field(chunks, in, used);
	}
	return PARSE_LOST;
}
