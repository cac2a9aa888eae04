/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "pgwire.h"

struct drive pg_drive;

static struct {
	uint8_t bytes[1 << 18];
	size_t size;
} batch;

static void put_bytes(const void *data, size_t size)
{
	if (size)
		memcpy(batch.bytes + batch.size, data, size);
	batch.size += size;
}

static void put_32(uint32_t value)
{
	uint8_t bytes[] = { value >> 24, value >> 16, value >> 8, value };

	put_bytes(bytes, sizeof(bytes));
}

void pg_put(char type, const void *body, size_t size)
{
	put_bytes(&type, 1);
	put_32(size + 4);
	put_bytes(body, size);
}

void pg_text(char type, const char *text)
{
	pg_put(type, text, strlen(text) + 1);
}

/* Strings with their NULs, then bytes. */
static void put_strings(char type, const char *a, const char *b, const void *tail, size_t size)
{
	put_bytes(&type, 1);
	put_32(4 + strlen(a) + 1 + (b ? strlen(b) + 1 : 0) + size);
	put_bytes(a, strlen(a) + 1);
	if (b)
		put_bytes(b, strlen(b) + 1);
	put_bytes(tail, size);
}

void pg_startup(void)
{
	static const char parameters[] = "user\0somebody\0database\0shop\0";

	put_32(8 + sizeof(parameters));
	put_32(3 << 16);
	put_bytes(parameters, sizeof(parameters));
}

void pg_parse(const char *name, const char *sql)
{
	put_strings('P', name, sql, "\0\1\0\0\0\x17", 6);
}

void pg_bind(const char *portal, const char *statement)
{
	put_strings('B', portal, statement, "\0\1\0\1\0\1\0\0\0\4\0\0\0\1\0\1\0\1", 18);
}

void pg_describe(char kind, const char *name)
{
	char body[128];

	pg_put('D', body, snprintf(body, sizeof(body), "%c%s", kind, name) + 1);
}

void pg_close(char kind, const char *name)
{
	char body[128];

	pg_put('C', body, snprintf(body, sizeof(body), "%c%s", kind, name) + 1);
}

void pg_execute(const char *portal, unsigned int limit)
{
	uint8_t rows[] = { 0, 0, limit >> 8, limit };

	put_strings('E', portal, NULL, rows, sizeof(rows));
}

void pg_sync(void)
{
	pg_put('S', NULL, 0);
}

void pg_empty(const char *types)
{
	for (; *types; types++)
		pg_put(*types, NULL, 0);
}

void pg_ready(char status)
{
	pg_put('Z', &status, 1);
}

void pg_error(const char *code)
{
	char body[256];
	int size = snprintf(body, sizeof(body), "SERROR%cVERROR%cC%s%cMno such luck%c", 0, 0, code,
			    0, 0);

	pg_put('E', body, size + 1);
}

void pg_rows(unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		pg_put('D', "\0\1\0\0\0\3E\0\0", 9);
}

void pg_send(struct drive *drive, enum lane lane)
{
	drive_send(drive, lane, batch.bytes, batch.size);
	batch.size = 0;
}

void pg_login(struct drive *drive)
{
	pg_startup();
	pg_send(drive, LANE_REQUEST);
	pg_put('R', "\0\0\0\0", 4);
	pg_put('S',
	       "server_version\0"
	       "15.1",
	       20);
	pg_put('K', "\0\0\1\2\3\4\5\6", 8);
	pg_ready('I');
	pg_send(drive, LANE_RESPONSE);
}

void pg_one(const char *sql)
{
	pg_parse("", sql);
	pg_bind("", "");
	pg_describe('P', "");
	pg_execute("", 0);
}

void pg_copy_data(void)
{
	pg_put('d', "Q\0\0\0\x0dselect 1\0", 14);
	pg_put('d', "1\t2\n", 4);
}

uint64_t pg_errors(void)
{
	uint64_t sum = 0;

	for (int i = 0; i <= PROTOCOLS_MAX; i++)
		sum += pg_drive.pipeline.counts[i].errors + pg_drive.pipeline.counts[i].gaps;
	return sum;
}

void pg_check(void (*script)(void), bool sessions, const char *log)
{
	for (unsigned int seed = 0; seed < 24; seed++) {
		enum side side = seed & 1 ? SIDE_SERVER : SIDE_CLIENT;
		enum drive_split split = seed < 2 ? DRIVE_WHOLE : DRIVE_BYTES;

		drive_open(&pg_drive, side, false, seed < 4 ? split : DRIVE_RANDOM, seed);
		pg_drive.sessions = sessions;
		script();
		assert_int_equal(pg_errors(), 0);
		drive_close(&pg_drive);
		/* The first line says which side it is seen from. */
		assert_string_equal(sessions ? strchr(pg_drive.log, '\n') + 1 : pg_drive.log, log);
	}
}

void pg_say(const char *sql)
{
	pg_text('Q', sql);
	pg_send(&pg_drive, LANE_REQUEST);
}

void pg_client(void)
{
	pg_send(&pg_drive, LANE_REQUEST);
}

void pg_server(void)
{
	pg_send(&pg_drive, LANE_RESPONSE);
}
