/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must hold for any bytes, whatever the protocol. The input is a script:
 *
 *	options	1 byte: bit 0: seen from the server's side
 *	seed	2 bytes: of the random splits
 *	records	2 bytes head (bit 15: from the server; the rest: length), so many bytes
 *
 * It is run through a conversation whole (a record is one chunk), byte by byte and split at random:
 * the exchanges must be the same up to where the protocol is first lost (from there on boundaries
 * of chunks legitimately matter). Then once per script with a record missing (what was reported
 * before the gap must be the same, nothing is asserted of what follows but its being sound), and
 * as a connection in mid-life. After every run all memory must be given back.
 *
 * FUZZ_TARGET(some_protocol) defines the fuzzer's entry.
 */
#ifndef ONLOOKER_FUZZ_ORACLE_H
#define ONLOOKER_FUZZ_ORACLE_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "event.h"
#include "stream/conversation.h"
#include "util/names.h"

#define ORACLE_HEAD 3
#define ORACLE_LOG 8192
#define ORACLE_NEVER UINT32_MAX

enum oracle_split {
	ORACLE_WHOLE,
	ORACLE_BYTES,
	ORACLE_RANDOM,
};

/* An exchange as far as it may not depend on the splits. */
struct oracle_entry {
	uint16_t operation;
	uint16_t code;
	uint8_t outcome;
	uint32_t target; /* checksum */
	uint32_t hits, misses;
};

struct oracle_log {
	struct oracle_entry entries[ORACLE_LOG];
	uint32_t count; /* may exceed ORACLE_LOG: the rest is only counted */
};

struct oracle_run {
	struct pipeline pipeline;
	struct conversation conversation;
	struct sink sink;
	struct oracle_log *log;
	uint64_t clock;
	uint64_t position[2]; /* by direction */
	unsigned int seed;
	enum oracle_split split;
	uint8_t session;
	bool lost; /* the protocol was lost, or bytes were */
};

#define ORACLE_REQUIRE(condition)                                                       \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                        \
		}                                                                       \
	} while (0)

static struct oracle_run *oracle_run_of(struct sink *sink)
{
	return (struct oracle_run *)((char *)sink - offsetof(struct oracle_run, sink));
}

static void oracle_exchange(struct sink *sink, const struct exchange *exchange)
{
	struct oracle_run *run = oracle_run_of(sink);
	struct oracle_entry entry;

	memset(&entry, 0, sizeof(entry)); /* the padding is compared too */
	entry.operation = exchange->operation;
	entry.code = exchange->code;
	entry.outcome = exchange->outcome;
	entry.hits = exchange->hits;
	entry.misses = exchange->misses;

	ORACLE_REQUIRE(exchange->end >= exchange->begin);
	ORACLE_REQUIRE(exchange->outcome <= OUTCOME_ABORTED);
	ORACLE_REQUIRE(exchange->connection->protocol);
	for (size_t i = 0; i < exchange->target.size; i++)
		entry.target = entry.target * 31 + exchange->target.data[i];
	if (run->log->count < ORACLE_LOG)
		run->log->entries[run->log->count] = entry;
	run->log->count++;
}

static void oracle_connection(struct sink *sink, const struct connection *connection,
			      enum connection_change change, enum session_state before)
{
	struct oracle_run *run = oracle_run_of(sink);

	if (change == CONNECTION_SESSION) {
		ORACLE_REQUIRE(before == run->session);
		ORACLE_REQUIRE(connection->session != before);
		run->session = connection->session;
	} else if (change == CONNECTION_CLOSED) {
		ORACLE_REQUIRE(run->session == SESSION_NONE);
	}
}

static void oracle_close(struct sink *sink)
{
	(void)sink;
}

static unsigned int oracle_direction(const struct oracle_run *run, enum lane lane)
{
	bool client = run->conversation.connection.side == SIDE_CLIENT;

	return client == (lane == LANE_REQUEST) ? DIRECTION_TX : DIRECTION_RX;
}

static void oracle_open(struct oracle_run *run, const uint8_t *data, bool midway,
			enum oracle_split split, struct oracle_log *log)
{
	struct connection connection = { .side = data[0] & 1 ? SIDE_SERVER : SIDE_CLIENT,
					 .opened_here = !midway };

	memset(run, 0, sizeof(*run));
	run->log = log;
	run->log->count = 0;
	run->split = split;
	run->seed = data[1] << 8 | data[2];
	run->clock = 1000000000;
	run->session = SESSION_NONE;
	run->sink = (struct sink){ .name = "oracle",
				   .exchange = oracle_exchange,
				   .connection = oracle_connection,
				   .close = oracle_close };
	pipeline_init(&run->pipeline, 1024, 8 << 20);
	outlet_add(&run->pipeline.outlet, &run->sink);
	conversation_open(&run->conversation, &connection, midway);
}

static void oracle_feed(struct oracle_run *run, enum lane lane, const uint8_t *bytes, size_t size)
{
	unsigned int direction = oracle_direction(run, lane);
	/* A copy of exactly this size lets the sanitizer see every read beyond it. */
	uint8_t *copy = memcpy(malloc(size), bytes, size);
	struct chunk chunk = {
		.position = run->position[direction],
		.time = run->clock += 1000,
		.moved = size,
		.bytes = { copy, size },
	};

	run->position[direction] += size;
	conversation_feed(&run->conversation, &run->pipeline, direction, &chunk);
	free(copy);
	for (int i = 0; i <= PROTOCOLS_MAX; i++)
		run->lost |= run->pipeline.counts[i].errors || run->pipeline.counts[i].gaps;
	run->lost |= run->pipeline.outlet.refused > 0;
}

static void oracle_send(struct oracle_run *run, enum lane lane, const uint8_t *bytes, size_t size)
{
	while (size && !run->lost) {
		size_t piece = size;

		if (run->split == ORACLE_BYTES)
			piece = 1;
		else if (run->split == ORACLE_RANDOM)
			piece = 1 + (size_t)rand_r(&run->seed) % (size < 64 ? size : 64);
		oracle_feed(run, lane, bytes, piece);
		bytes += piece;
		size -= piece;
	}
}

/* The next record of the script: false at its end. */
static bool oracle_record(const uint8_t *data, size_t size, size_t *offset, enum lane *lane,
			  size_t *length)
{
	if (size < *offset + 3)
		return false;
	*lane = data[*offset] & 0x80 ? LANE_RESPONSE : LANE_REQUEST;
	*length = (size_t)(data[*offset] & 0x7f) << 8 | data[*offset + 1];
	*offset += 2;
	if (*length > size - *offset)
		*length = size - *offset;
	return true;
}

static void oracle_end(struct oracle_run *run)
{
	struct pipeline *p = &run->pipeline;

	conversation_close(&run->conversation, p, run->clock += 1000);
	ORACLE_REQUIRE(!p->pending);
	ORACLE_REQUIRE(!p->states.out && !p->outlet.targets.out && !p->memory.blocks.out);
	ORACLE_REQUIRE(!p->memory.used);
	pipeline_free(p);
}

/*
 * Runs the script up to its end, or to where the protocol is lost: then without the aborts that a
 * close would bring, since what waited is forgotten. Returns the exchanges before record `mark`.
 */
static uint32_t oracle_play(const uint8_t *data, size_t size, enum oracle_split split,
			    struct oracle_log *log, uint32_t mark)
{
	static struct oracle_run run;
	size_t offset = ORACLE_HEAD;
	uint32_t before = 0;
	uint32_t number = 0;
	enum lane lane;
	size_t length;

	oracle_open(&run, data, false, split, log);
	while (!run.lost && oracle_record(data, size, &offset, &lane, &length)) {
		if (number++ == mark)
			before = log->count;
		oracle_send(&run, lane, data + offset, length);
		offset += length;
	}
	if (run.lost) {
		uint32_t count = log->count;

		oracle_end(&run);
		log->count = count;
	} else {
		oracle_end(&run);
	}
	return mark < number ? before : log->count;
}

/* One record of the script is lost, or (gap ORACLE_NEVER) its begin was not seen. */
static uint32_t oracle_play_broken(const uint8_t *data, size_t size, uint32_t gap,
				   struct oracle_log *log)
{
	static struct oracle_run run;
	size_t offset = ORACLE_HEAD;
	uint32_t before = 0;
	uint32_t number = 0;
	enum lane lane;
	size_t length;

	oracle_open(&run, data, gap == ORACLE_NEVER, ORACLE_WHOLE, log);
	while (oracle_record(data, size, &offset, &lane, &length)) {
		if (number++ == gap) {
			before = log->count;
			run.position[oracle_direction(&run, lane)] += length;
		} else if (length) {
			oracle_feed(&run, lane, data + offset, length);
		}
		if (number % 8 == 0)
			pipeline_tick(&run.pipeline, run.clock += 300000000);
		offset += length;
	}
	oracle_end(&run);
	return before;
}

/* The script has records, and the protocol's detect() keeps to what it has said of fewer bytes. */
static void oracle_detect(const struct protocol *protocol, const uint8_t *data, size_t size)
{
	int said = -EAGAIN;

	for (size_t n = 1; n <= size && n <= 128; n++) {
		uint8_t *copy = memcpy(malloc(n), data, n);
		int verdict = protocol->detect((struct bytes){ copy, n }, LANE_REQUEST, false);

		protocol->detect((struct bytes){ copy, n }, LANE_REQUEST, true);
		protocol->detect((struct bytes){ copy, n }, LANE_RESPONSE, true);
		free(copy);
		ORACLE_REQUIRE(verdict == -EAGAIN || (verdict >= 0 && verdict <= 100));
		ORACLE_REQUIRE(said == -EAGAIN || (verdict >= 50) == (said >= 50));
		said = verdict;
	}
}

static bool oracle_same(const struct oracle_log *a, const struct oracle_log *b, uint32_t count)
{
	return !memcmp(a->entries, b->entries,
		       (count < ORACLE_LOG ? count : ORACLE_LOG) * sizeof(a->entries[0]));
}

/* Holds one script against all of the above; aborts where something does not hold. */
static int fuzz_protocol(const struct protocol *protocol, const uint8_t *data, size_t size)
{
	static struct oracle_log whole, other;
	uint32_t records = 0;
	size_t offset = ORACLE_HEAD;
	enum lane lane;
	size_t length;

	if (size <= ORACLE_HEAD)
		return 0;
	while (oracle_record(data, size, &offset, &lane, &length)) {
		oracle_detect(protocol, data + offset, length);
		offset += length;
		records++;
	}
	if (!records)
		return 0;
	oracle_play(data, size, ORACLE_WHOLE, &whole, ORACLE_NEVER);
	for (int split = ORACLE_BYTES; split <= ORACLE_RANDOM; split++) {
		oracle_play(data, size, split, &other, ORACLE_NEVER);
		ORACLE_REQUIRE(other.count == whole.count);
		ORACLE_REQUIRE(oracle_same(&whole, &other, whole.count));
	}
	if (records > 1) {
		uint32_t gap = data[2] % records;
		uint32_t expected = oracle_play(data, size, ORACLE_WHOLE, &whole, gap);
		uint32_t before = oracle_play_broken(data, size, gap, &other);

		if (expected <= whole.count && before == expected)
			ORACLE_REQUIRE(oracle_same(&whole, &other, before));
	}
	oracle_play_broken(data, size, ORACLE_NEVER, &other);
	return 0;
}

#define FUZZ_TARGET(protocol_)                                        \
	extern const struct protocol protocol_;                       \
	int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size); \
	int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)  \
	{                                                             \
		return fuzz_protocol(&protocol_, data, size);         \
	}

#endif
