/* SPDX-License-Identifier: Apache-2.0 */
#include "drive.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "event.h"
#include "util/names.h"

static const char *const outcomes[] = { "ok", "error", "aborted" };
static const char *const sessions[] = { "same", "idle", "transaction", "active", "none" };

static struct drive *drive_of(struct sink *sink)
{
	return (struct drive *)((char *)sink - offsetof(struct drive, sink));
}

__attribute__((format(printf, 2, 3))) static void note(struct drive *drive, const char *format, ...)
{
	va_list arguments;
	int size;

	va_start(arguments, format);
	size = vsnprintf(drive->log + drive->log_size, sizeof(drive->log) - drive->log_size, format,
			 arguments);
	va_end(arguments);
	if (size > 0 && drive->log_size + size < sizeof(drive->log))
		drive->log_size += size;
}

static void on_exchange(struct sink *sink, const struct exchange *exchange)
{
	struct drive *drive = drive_of(sink);

	drive->exchanges++;
	drive->last = *exchange;
	note(drive, "%s %s %u %.*s", names_text(exchange->operation), outcomes[exchange->outcome],
	     exchange->code, exchange->target.size ? (int)exchange->target.size : 1,
	     exchange->target.size ? (const char *)exchange->target.data : "-");
	if (exchange->hits || exchange->misses)
		note(drive, " hits=%u misses=%u", exchange->hits, exchange->misses);
	note(drive, "\n");
}

static void on_connection(struct sink *sink, const struct connection *connection,
			  enum connection_change change, enum session_state before)
{
	struct drive *drive = drive_of(sink);

	if (!drive->sessions)
		return;
	if (change == CONNECTION_OPENED)
		note(drive, "# open %s %s\n",
		     connection->protocol ? connection->protocol->name : "unknown",
		     connection->side == SIDE_CLIENT ? "client" : "server");
	else if (change == CONNECTION_SESSION)
		note(drive, "# session %s %s\n", sessions[before], sessions[connection->session]);
	else
		note(drive, "# close\n");
}

static void on_close(struct sink *sink)
{
	(void)sink;
}

void drive_open(struct drive *drive, enum side side, bool midway, enum drive_split split,
		unsigned int seed)
{
	struct connection connection = { .side = midway ? 0 : side, .opened_here = !midway };

	memset(drive, 0, offsetof(struct drive, log));
	drive->log[0] = '\0';
	drive->log_size = 0;
	drive->exchanges = 0;
	drive->split = split;
	drive->seed = seed;
	drive->clock = 1000000000;
	drive->sink = (struct sink){ .name = "drive",
				     .exchange = on_exchange,
				     .connection = on_connection,
				     .close = on_close };
	pipeline_init(&drive->pipeline, 65536);
	outlet_add(&drive->pipeline.outlet, &drive->sink);
	conversation_open(&drive->conversation, &connection,
			  midway ? BEGINNING_QUIET : BEGINNING_SEEN, 0);
	drive->conversation.connection.side = side;
	drive->vouched = midway;
}

static unsigned int direction(const struct drive *drive, enum lane lane)
{
	bool client = drive->conversation.connection.side == SIDE_CLIENT;

	return client == (lane == LANE_REQUEST) ? DIRECTION_TX : DIRECTION_RX;
}

static void feed(struct drive *drive, enum lane lane, const uint8_t *data, size_t size,
		 size_t moved)
{
	unsigned int to = direction(drive, lane);
	/* A copy of exactly this size lets the sanitizers see every read beyond it. */
	uint8_t *copy = size ? memcpy(malloc(size), data, size) : NULL;
	struct chunk chunk = {
		.position = drive->position[to],
		.time = drive->clock += 1000,
		.moved = moved,
		.bytes = { copy, size },
	};

	drive->position[to] += moved;
	conversation_feed(&drive->conversation, &drive->pipeline, to, &chunk);
	if (drive->vouched) {
		drive->conversation.pair.muted = false;
		drive->conversation.doubt = 0;
	}
	free(copy);
}

void drive_send(struct drive *drive, enum lane lane, const void *data, size_t size)
{
	const uint8_t *bytes = data;

	while (size) {
		size_t piece = size;

		if (drive->split == DRIVE_BYTES)
			piece = 1;
		else if (drive->split == DRIVE_RANDOM)
			piece = 1 + (size_t)rand_r(&drive->seed) % (size < 40 ? size : 40);
		feed(drive, lane, bytes, piece, piece);
		bytes += piece;
		size -= piece;
	}
}

void drive_hole(struct drive *drive, enum lane lane, size_t size)
{
	feed(drive, lane, NULL, 0, size);
}

void drive_lose(struct drive *drive, enum lane lane, size_t size)
{
	drive->position[direction(drive, lane)] += size;
}

void drive_wait(struct drive *drive, unsigned int ms)
{
	for (unsigned int passed = 0; passed < ms; passed += 100) {
		drive->clock += 100000000;
		pipeline_tick(&drive->pipeline, drive->clock);
	}
}

const char *drive_close(struct drive *drive)
{
	conversation_close(&drive->conversation, &drive->pipeline, drive->clock += 1000);
	pipeline_free(&drive->pipeline);
	return drive->log;
}
