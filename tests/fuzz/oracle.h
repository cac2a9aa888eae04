/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must hold for any bytes, whatever the protocol. The input is a script:
 *
 *	options	1 byte: bit 0: seen from the server's side
 *	seed	2 bytes: of the random splits
 *	records	2 bytes head (bit 15: from the server; the rest: length), so many bytes
 *
 * It is run whole (a record is one chunk), byte by byte, split at random, and with the pieces of
 * each record out of order, twice, overlapping. The exchanges must be the same ones in the same
 * order, the aborts of the end included, unless the stream stage is lost or an answer waits for
 * its request: then up to the first such moment, and a loss must come at the same one. What
 * follows a loss begins again at a chunk's begin. What follows a wait depends on how much of the
 * other lane is taken before the answer is looked at again, and on time.
 *
 * So it is where details are wanted.
 *
 * Then a record is missing: what was reported before must be the same. Of what follows nothing is
 * claimed but that it is sound: in the bytes of a body, or of a lane whose begin is missing, there
 * may be what looks like requests and answers that the whole run never had.
 *
 * Last the script is a connection in mid-life. What must hold besides is in witness.h.
 *
 * FUZZ_TARGET(some_protocol) defines the fuzzer's entry.
 */
#ifndef ONLOOKER_FUZZ_ORACLE_H
#define ONLOOKER_FUZZ_ORACLE_H

#include <errno.h>

#include "event.h"
#include "proto/wanted.h"
#include "witness.h"

#define ORACLE_HEAD 3
#define ORACLE_NEVER UINT32_MAX
#define ORACLE_PIECES 8

enum oracle_split {
	ORACLE_WHOLE,
	ORACLE_BYTES,
	ORACLE_RANDOM,
	ORACLE_SHUFFLED,
	ORACLE_SPLITS,
};

struct oracle_run {
	struct witness witness;
	uint64_t position[2]; /* by direction */
	unsigned int seed;
	enum oracle_split split;
};

struct oracle_piece {
	size_t begin, end;
};

static unsigned int oracle_direction(const struct oracle_run *run, enum lane lane)
{
	bool client = run->witness.conversation.connection.side == SIDE_CLIENT;

	return client == (lane == LANE_REQUEST) ? DIRECTION_TX : DIRECTION_RX;
}

static void oracle_open(struct oracle_run *run, const uint8_t *data, bool midway,
			enum oracle_split split, struct witness_log *log)
{
	memset(run, 0, sizeof(*run));
	run->split = split;
	run->seed = data[1] << 8 | data[2];
	witness_open(&run->witness, data[0] & 1 ? SIDE_SERVER : SIDE_CLIENT, midway, 1024, 0, log);
}

static size_t oracle_random(struct oracle_run *run, size_t below)
{
	return (size_t)rand_r(&run->seed) % below;
}

/* In order: the record as one chunk, as bytes, as chunks of any size. */
static void oracle_send_pieces(struct oracle_run *run, unsigned int direction, const uint8_t *bytes,
			       size_t size)
{
	while (size) {
		size_t piece = size;

		if (run->split == ORACLE_BYTES)
			piece = 1;
		else if (run->split == ORACLE_RANDOM)
			piece = 1 + oracle_random(run, size < 64 ? size : 64);
		witness_feed(&run->witness, direction, run->position[direction], bytes, piece,
			     piece);
		run->position[direction] += piece;
		bytes += piece;
		size -= piece;
	}
}

/* Pieces that cover the record, each a little longer than it would have to be, in any order. */
static void oracle_send_shuffled(struct oracle_run *run, unsigned int direction,
				 const uint8_t *bytes, size_t size)
{
	struct oracle_piece pieces[ORACLE_PIECES];
	unsigned int count = 0;

	for (size_t begin = 0; begin < size; count++) {
		size_t length = size - begin;

		if (count + 1 < ORACLE_PIECES)
			length = 1 + oracle_random(run, length);
		pieces[count].begin = begin - (begin && oracle_random(run, 4) == 0);
		pieces[count].end = begin + length;
		begin += length;
	}
	for (unsigned int i = 0; i < count; i++) {
		unsigned int other = i + oracle_random(run, count - i);
		struct oracle_piece piece = pieces[other];

		pieces[other] = pieces[i];
		for (int twice = oracle_random(run, 8) == 0; twice >= 0; twice--)
			witness_feed(&run->witness, direction,
				     run->position[direction] + piece.begin, bytes + piece.begin,
				     piece.end - piece.begin, piece.end - piece.begin);
	}
	run->position[direction] += size;
}

static void oracle_send(struct oracle_run *run, enum lane lane, const uint8_t *bytes, size_t size)
{
	if (run->split == ORACLE_SHUFFLED)
		oracle_send_shuffled(run, oracle_direction(run, lane), bytes, size);
	else
		oracle_send_pieces(run, oracle_direction(run, lane), bytes, size);
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

/* Runs the script up to its end. Returns the exchanges that were settled before record `mark`. */
static uint32_t oracle_play(const uint8_t *data, size_t size, enum oracle_split split,
			    struct witness_log *log, uint32_t mark)
{
	static struct oracle_run run;
	size_t offset = ORACLE_HEAD;
	uint32_t before = 0;
	uint32_t number = 0;
	enum lane lane;
	size_t length;

	oracle_open(&run, data, false, split, log);
	while (oracle_record(data, size, &offset, &lane, &length)) {
		if (number++ == mark)
			before = log->settled;
		oracle_send(&run, lane, data + offset, length);
		offset += length;
	}
	witness_close(&run.witness);
	return before;
}

/*
 * One record of the script is lost, or (gap ORACLE_NEVER) its begin was not seen. Returns the
 * exchanges that were settled before the gap.
 */
static uint32_t oracle_play_broken(const uint8_t *data, size_t size, uint32_t gap,
				   struct witness_log *log)
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
			before = log->settled;
			run.position[oracle_direction(&run, lane)] += length;
		} else if (length) {
			oracle_send(&run, lane, data + offset, length);
		}
		if (number % 8 == 0)
			witness_tick(&run.witness, 300000000);
		offset += length;
	}
	witness_close(&run.witness);
	return before;
}

/* The protocol's detect() keeps to what it has said of fewer bytes. */
static void oracle_detect(const struct protocol *protocol, const uint8_t *data, size_t size)
{
	int said = -EAGAIN;

	for (size_t n = 1; n <= size && n <= 128; n++) {
		uint8_t *copy = memcpy(malloc(n), data, n);
		int verdict = protocol->detect((struct bytes){ copy, n }, LANE_REQUEST, false);

		protocol->detect((struct bytes){ copy, n }, LANE_REQUEST, true);
		protocol->detect((struct bytes){ copy, n }, LANE_RESPONSE, true);
		free(copy);
		REQUIRE(verdict == -EAGAIN || (verdict >= 0 && verdict <= 100));
		REQUIRE(said == -EAGAIN || (verdict >= 50) == (said >= 50));
		said = verdict;
	}
}

static bool oracle_same(const struct witness_log *a, const struct witness_log *b, uint32_t count)
{
	if (count > WITNESS_LOG)
		count = WITNESS_LOG;
	return !memcmp(a->entries, b->entries, count * sizeof(a->entries[0]));
}

static void oracle_print(const char *name, const struct witness_log *log)
{
	fprintf(stderr, "%s: %u exchanges, %u settled%s\n", name, log->count, log->settled,
		log->lost   ? ", then lost" :
		log->waited ? ", then an answer waited" :
			      "");
	for (uint32_t i = 0; i < log->count && i < WITNESS_LOG; i++)
		fprintf(stderr, "  %u: operation %u code %u outcome %u hits %u misses %u\n", i,
			log->entries[i].operation, log->entries[i].code, log->entries[i].outcome,
			log->entries[i].hits, log->entries[i].misses);
}

static void oracle_fail(const struct witness_log *a, const struct witness_log *b)
{
	oracle_print("one run", a);
	oracle_print("another", b);
	REQUIRE(!"the exchanges are the same");
}

/* Holds two runs without a gap against each other. */
static void oracle_compare(const struct witness_log *a, const struct witness_log *b)
{
	uint32_t count = a->settled < b->settled ? a->settled : b->settled;

	if (!a->waited && !b->waited && (a->settled != b->settled || a->lost != b->lost))
		oracle_fail(a, b);
	if (!oracle_same(a, b, count))
		oracle_fail(a, b);
}

/* Where details are wanted the exchanges are the same. */
static void oracle_details(const uint8_t *data, size_t size, const struct witness_log *whole,
			   struct witness_log *other)
{
	static bool begun;

	if (!begun)
		REQUIRE(!details_begin());
	begun = true;
	details_store.wanted = true;
	for (int split = ORACLE_WHOLE; split < ORACLE_SPLITS; split++) {
		oracle_play(data, size, split, other, ORACLE_NEVER);
		oracle_compare(whole, other);
	}
	details_store.wanted = false;
}

/* Holds one script against all of the above; aborts where something does not hold. */
static int fuzz_protocol(const struct protocol *protocol, const uint8_t *data, size_t size)
{
	static struct witness_log whole, other;
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
	for (int split = ORACLE_BYTES; split < ORACLE_SPLITS; split++) {
		oracle_play(data, size, split, &other, ORACLE_NEVER);
		oracle_compare(&whole, &other);
	}
	oracle_details(data, size, &whole, &other);
	if (records > 1) {
		uint32_t gap = data[2] % records;
		uint32_t expected = oracle_play(data, size, ORACLE_WHOLE, &whole, gap);

		if (oracle_play_broken(data, size, gap, &other) != expected ||
		    !oracle_same(&whole, &other, expected))
			oracle_fail(&whole, &other);
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
