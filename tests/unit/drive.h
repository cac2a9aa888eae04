/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drives a scripted conversation through stream, protocol and pairing, and writes down what sinks
 * are told, one line each:
 *
 *	GET ok 200 /path              operation, outcome (ok, error, aborted), code, target
 *	MGET ok 0 - hits=2 misses=1   (hits and misses only where there are any)
 *	# open http client            connection() calls: open, session BEFORE AFTER, close
 *
 * The same script under another split must leave the same log.
 */
#ifndef ONLOOKER_DRIVE_H
#define ONLOOKER_DRIVE_H

#include "stream/conversation.h"

enum drive_split {
	DRIVE_WHOLE,  /* a call of the script is one chunk */
	DRIVE_BYTES,  /* byte by byte */
	DRIVE_RANDOM, /* pieces of random sizes, by `seed` */
};

struct drive {
	struct pipeline pipeline;
	struct conversation conversation;
	struct sink sink;
	enum drive_split split;
	unsigned int seed;
	uint64_t clock;	      /* ns; each chunk takes 1000 */
	uint64_t position[2]; /* by direction */
	bool sessions;	      /* also log session changes */
	bool vouched;	      /* midway: the answer seen next belongs to the request seen first */
	char log[1 << 18];
	size_t log_size;
	unsigned int exchanges;
	struct exchange last; /* the newest exchange (its views are dead) */
};

/* Begins a conversation seen from `side`; midway: as one older than the observer. */
void drive_open(struct drive *drive, enum side side, bool midway, enum drive_split split,
		unsigned int seed);

/* The client, or the server, sends these bytes in one call. */
void drive_send(struct drive *drive, enum lane lane, const void *data, size_t size);
#define drive_request(drive, literal) \
	drive_send(drive, LANE_REQUEST, "" literal, sizeof(literal) - 1)
#define drive_response(drive, literal) \
	drive_send(drive, LANE_RESPONSE, "" literal, sizeof(literal) - 1)

/* Bytes that were moved but not captured (sendfile), and bytes that were lost altogether. */
void drive_hole(struct drive *drive, enum lane lane, size_t size);
void drive_lose(struct drive *drive, enum lane lane, size_t size);

/* Time passes: 100 ms ticks until `ms` are over. */
void drive_wait(struct drive *drive, unsigned int ms);

/* The connection ends. Returns the log (owned by the drive). */
const char *drive_close(struct drive *drive);

#endif
