/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stream stage under whatever a capture may do to a connection. The input is a script:
 *
 *	options	1 byte: enum stream_option
 *	steps	4 bytes head (bit 7 of the first: from the server, the rest of it: what happens; a
 *		number; a length), then so many bytes where the step has any
 *
 * Chunks are lost, late, early, twice, overlapping with other bytes, without their end; positions
 * are huge; time passes, memory is short, and the end comes at any moment. What must hold, besides
 * what is in witness.h: bytes that were missing where the conversation had to see them are counted
 * as a gap, and what waited for its first answer is then counted as unpaired, no more, no less.
 */
#include "event.h"
#include "witness.h"

#define STEP_HEAD 4
#define KEPT 4
#define MIDWAY_START (1ULL << 32) /* what lies before it has a position too */

enum stream_option {
	OPTION_SERVER = 1 << 0,
	OPTION_MIDWAY = 1 << 1,
	OPTION_SIDELESS = 1 << 2, /* midway: which side this end is on is not known */
	OPTION_POOR = 1 << 3,	  /* memory for a few chunks */
	OPTION_FEW = 1 << 4,	  /* few requests may wait */
	OPTION_LOSE = 1 << 5,	  /* bytes at the end were not seen */
	OPTION_FREE = 1 << 6,	  /* the observer ends, not the connection */
};

enum stream_step {
	STEP_SEND,
	STEP_LOSE,    /* bytes never come */
	STEP_HOLE,    /* a call's last bytes were not captured */
	STEP_CUT,     /* so, and what was captured comes in the same chunk */
	STEP_OVERLAP, /* a chunk that begins with bytes seen before */
	STEP_AHEAD,   /* a chunk from further on */
	STEP_KEEP,    /* the chunk comes later ... */
	STEP_RELEASE, /* ... now */
	STEP_JUMP,
	STEP_TIME,
	STEP_ENDED, /* conversation_lose() */
	STEPS,
};

struct kept {
	uint64_t position;
	const uint8_t *bytes;
	size_t size;
	unsigned int direction;
};

struct stream {
	struct witness witness;
	uint64_t position[2];
	struct kept kept[KEPT];
	unsigned int kept_count;
};

static bool needs_all(const struct conversation *c)
{
	return c->phase == PHASE_FRESH || c->phase == PHASE_SPEAKING;
}

/* Something is aside that only a gap can make fit. */
static bool blocked(const struct conversation *c, unsigned int direction)
{
	const struct flow *flow = &c->flows[direction];

	return needs_all(c) && flow->ahead && flow->ahead->chunk.position > flow->next &&
	       flow->ahead->chunk.position > flow->parsed;
}

/* Requests that no exchange was reported for. */
static uint32_t uncounted(const struct queue *queue)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < queue->count; i++)
		count += !queue->ring[(queue->head + i) & (queue->capacity - 1)].counted;
	return count;
}

/* Bytes move that nobody saw. */
static void feed_hole(struct stream *stream, unsigned int direction, size_t size)
{
	struct witness *witness = &stream->witness;
	struct conversation *c = &witness->conversation;
	const struct flow *flow = &c->flows[direction];
	uint64_t position = stream->position[direction];
	uint64_t gaps = witness_gaps(witness);
	uint64_t unpaired = witness->pipeline.outlet.unpaired;
	uint32_t waiting = uncounted(&c->pair.waiting) + uncounted(&c->pair.deferred);
	bool answers = (direction == DIRECTION_TX) != (c->connection.side == SIDE_CLIENT);
	/* While answers wait for their request it is put aside: whether it matters is not known. */
	bool aside = answers && c->waiting_since && !c->late;
	bool seen = needs_all(c) && flow->started && !flow->ahead && position == flow->next &&
		    flow->parsed < position + size && !aside;
	bool skips = flow->parsed > flow->next;

	witness_feed(witness, direction, position, NULL, 0, size);
	stream->position[direction] += size;
	if (!seen || !size)
		return;
	/* A skip that ends inside the hole leaves something to parse: nothing, but in its place. */
	if (skips && c->phase == PHASE_DEAF)
		return;
	REQUIRE(witness_gaps(witness) == gaps + 1 || (skips && witness_errors(witness)));
	if (!skips)
		REQUIRE(witness->pipeline.outlet.unpaired == unpaired + waiting);
}

static void pass(struct stream *stream, uint64_t time)
{
	struct witness *witness = &stream->witness;
	struct conversation *c = &witness->conversation;
	uint64_t before = witness_gaps(witness) + witness_errors(witness);
	bool due = false;

	for (unsigned int i = 0; i < 2; i++)
		due |= blocked(c, i) &&
		       c->flows[i].ahead_since + 200000000 <= witness->clock + time;
	witness_tick(witness, time);
	if (due)
		REQUIRE(witness_gaps(witness) + witness_errors(witness) > before);
	/* Nothing waits longer than it has to; but what was decided may begin another wait. */
	witness_tick(witness, 0);
	for (unsigned int i = 0; i < 2; i++)
		REQUIRE(!c->flows[i].ahead || c->flows[i].ahead_since + 200000000 > witness->clock);
	REQUIRE(!c->waiting_since || c->waiting_since + 200000000 > witness->clock);
}

static void keep(struct stream *stream, unsigned int direction, const uint8_t *bytes, size_t size)
{
	if (stream->kept_count == KEPT)
		return; /* lost */
	stream->kept[stream->kept_count++] =
		(struct kept){ stream->position[direction], bytes, size, direction };
	stream->position[direction] += size;
}

static void release(struct stream *stream, unsigned int number)
{
	struct kept kept;

	if (!stream->kept_count)
		return;
	number %= stream->kept_count;
	kept = stream->kept[number];
	stream->kept[number] = stream->kept[--stream->kept_count];
	witness_feed(&stream->witness, kept.direction, kept.position, kept.bytes, kept.size,
		     kept.size);
}

static void send_at(struct stream *stream, unsigned int direction, uint64_t position,
		    const uint8_t *bytes, size_t size, size_t moved)
{
	witness_feed(&stream->witness, direction, position, bytes, size, moved);
	if (stream->position[direction] < position + moved)
		stream->position[direction] = position + moved;
}

static void step(struct stream *stream, unsigned int what, unsigned int direction,
		 unsigned int number, const uint8_t *bytes, size_t size)
{
	uint64_t position = stream->position[direction];
	uint64_t back = number < position ? number : position;

	switch (what) {
	case STEP_SEND:
		send_at(stream, direction, position, bytes, size, size);
		break;
	case STEP_LOSE:
		stream->position[direction] += size;
		break;
	case STEP_HOLE:
		send_at(stream, direction, position, bytes, size, size);
		feed_hole(stream, direction, number * number);
		break;
	case STEP_CUT:
		send_at(stream, direction, position, bytes, size, size + number * number);
		break;
	case STEP_OVERLAP:
		send_at(stream, direction, position - back, bytes, size, size);
		break;
	case STEP_AHEAD:
		witness_feed(&stream->witness, direction, position + number, bytes, size, size);
		break;
	case STEP_KEEP:
		keep(stream, direction, bytes, size);
		break;
	case STEP_RELEASE:
		release(stream, number);
		break;
	case STEP_JUMP:
		stream->position[direction] += ((uint64_t)number << 32) + size;
		break;
	case STEP_TIME:
		pass(stream, number * 4000000ULL);
		break;
	case STEP_ENDED:
		conversation_lose(&stream->witness.conversation, &stream->witness.pipeline);
		break;
	}
	witness_check(&stream->witness);
}

static bool has_bytes(unsigned int what)
{
	return what != STEP_LOSE && what != STEP_RELEASE && what < STEP_JUMP;
}

static void end(struct stream *stream, uint8_t options)
{
	struct witness *witness = &stream->witness;
	struct conversation *c = &witness->conversation;
	uint64_t before = witness_gaps(witness) + witness_errors(witness);
	bool due = blocked(c, 0) || blocked(c, 1);

	if (options & OPTION_FREE) {
		conversation_free(c, &witness->pipeline);
		witness_end(witness);
		return;
	}
	if (options & OPTION_LOSE) {
		conversation_lose(c, &witness->pipeline);
		REQUIRE(!c->pair.waiting.count && !c->pair.deferred.count);
	}
	witness_close(witness);
	if (due)
		REQUIRE(witness_gaps(witness) + witness_errors(witness) > before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct stream stream;
	static struct witness_log log;
	const uint8_t *last = data + size;
	uint8_t options = size ? *data++ : 0;
	enum side side = options & OPTION_SERVER ? SIDE_SERVER : SIDE_CLIENT;
	bool midway = options & OPTION_MIDWAY;

	memset(&stream, 0, sizeof(stream));
	witness_open(&stream.witness, midway && options & OPTION_SIDELESS ? 0 : side, midway,
		     options & OPTION_FEW ? 3 : 1024, options & OPTION_POOR ? 32768 : 0, &log);
	if (midway)
		stream.position[0] = stream.position[1] = MIDWAY_START;
	while (last - data >= STEP_HEAD) {
		unsigned int what = (data[0] & 0x7f) % STEPS;
		bool sent = (side == SIDE_SERVER) == (data[0] >= 0x80);
		unsigned int number = data[1];
		size_t length = data[2] << 8 | data[3];

		data += STEP_HEAD;
		if (has_bytes(what) && length > (size_t)(last - data))
			length = last - data;
		step(&stream, what, sent ? DIRECTION_TX : DIRECTION_RX, number, data, length);
		if (has_bytes(what))
			data += length;
	}
	end(&stream, options);
	return 0;
}
