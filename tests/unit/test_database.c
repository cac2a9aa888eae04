/* SPDX-License-Identifier: Apache-2.0 */
/* Which database a session works on, as exchanges tell it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "drive.h"
#include "proto/queries.h"
#include "wanted.h"

static struct drive drive;
static const enum drive_split splits[] = { DRIVE_WHOLE, DRIVE_RANDOM, DRIVE_BYTES };
#define EACH_SPLIT for (size_t s = 0; s < sizeof(splits) / sizeof(splits[0]); s++)

/* The exchange told of last was the `number`-th, on that database; "": it is not known. */
static void assert_last(unsigned int number, const char *database)
{
	struct query query = { 0 };

	assert_int_equal(drive.exchanges, number);
	if (drive.last.database)
		assert_true(queries_get(drive.last.database, &query));
	assert_int_equal(query.text.size, strlen(database));
	if (query.text.size)
		assert_memory_equal(query.text.data, database, query.text.size);
}

#define ASK(request, answer)                    \
	do {                                    \
		drive_request(&drive, request); \
		drive_response(&drive, answer); \
	} while (0)

/* ---- Redis ---- */

static void test_redis(void **state)
{
	(void)state;
	EACH_SPLIT
	{
		drive_open(&drive, SIDE_CLIENT, false, splits[s], 1);
		ASK("*1\r\n$4\r\nPING\r\n", "+PONG\r\n");
		assert_last(1, "0");
		ASK("*2\r\n$6\r\nselect\r\n$2\r\n12\r\n", "+OK\r\n");
		assert_last(2, "12");
		ASK("*2\r\n$3\r\nGET\r\n$1\r\na\r\n", "-WRONGTYPE Operation against\r\n");
		assert_last(3, "12");
		ASK("*2\r\n$6\r\nSELECT\r\n$2\r\n99\r\n", "-ERR DB index is out of range\r\n");
		assert_last(4, "12");
		ASK("SELECT 3\r\n", "+OK\r\n");
		assert_last(5, "3");
		/* One after the other, whatever is asked meanwhile. */
		drive_request(&drive, "*2\r\n$6\r\nSELECT\r\n$1\r\n4\r\n*1\r\n$4\r\nPING\r\n");
		drive_request(&drive, "*2\r\n$6\r\nSELECT\r\n$1\r\n5\r\n*1\r\n$4\r\nPING\r\n");
		drive_response(&drive, "+OK\r\n+PONG\r\n");
		assert_last(7, "4");
		drive_response(&drive, "+OK\r\n+PONG\r\n");
		assert_last(9, "5");
		ASK("*1\r\n$5\r\nRESET\r\n", "+RESET\r\n");
		assert_last(10, "0");
		drive_close(&drive);
	}
}

/* Executed with EXEC, or never. */
static void test_redis_transaction(void **state)
{
	(void)state;
	EACH_SPLIT
	{
		drive_open(&drive, SIDE_CLIENT, false, splits[s], 2);
		ASK("*1\r\n$5\r\nMULTI\r\n", "+OK\r\n");
		ASK("*2\r\n$6\r\nSELECT\r\n$1\r\n7\r\n", "+QUEUED\r\n");
		ASK("*1\r\n$7\r\nDISCARD\r\n", "+OK\r\n");
		assert_last(2, "0");
		ASK("*1\r\n$5\r\nMULTI\r\n", "+OK\r\n");
		ASK("*2\r\n$6\r\nSELECT\r\n$1\r\n7\r\n", "+QUEUED\r\n");
		ASK("*2\r\n$3\r\nGET\r\n$1\r\na\r\n", "+QUEUED\r\n");
		assert_last(3, "0");
		ASK("*1\r\n$4\r\nEXEC\r\n", "*2\r\n+OK\r\n$-1\r\n");
		assert_last(6, "7");
		drive_close(&drive);
	}
}

/* What is not answered may have been refused: from then on it is not known. */
static void test_redis_unanswered(void **state)
{
	(void)state;
	drive_open(&drive, SIDE_CLIENT, false, DRIVE_WHOLE, 0);
	ASK("*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n", "+OK\r\n");
	assert_last(1, "2");
	drive_request(&drive, "*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$4\r\nSKIP\r\n");
	drive_request(&drive, "*2\r\n$6\r\nSELECT\r\n$1\r\n9\r\n");
	ASK("*1\r\n$4\r\nPING\r\n", "+PONG\r\n");
	assert_last(4, "");
	drive_close(&drive);
}

static void test_redis_midway(void **state)
{
	(void)state;
	drive_open(&drive, SIDE_CLIENT, true, DRIVE_WHOLE, 0);
	ASK("*1\r\n$4\r\nPING\r\n", "+PONG\r\n");
	ASK("*2\r\n$3\r\nGET\r\n$1\r\na\r\n", "$1\r\nb\r\n");
	assert_last(2, "");
	ASK("*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n", "+OK\r\n");
	assert_last(3, "0");
	drive_close(&drive);
}

/* ---- PostgreSQL ---- */

#define READY "Z\0\0\0\5I"

static void pg_begin(const char *startup, size_t size)
{
	drive_open(&drive, SIDE_CLIENT, false, DRIVE_WHOLE, 0);
	drive_send(&drive, LANE_REQUEST, startup, size);
	drive_response(&drive, "R\0\0\0\10\0\0\0\0" READY);
}
#define PG_BEGIN(startup) pg_begin("" startup, sizeof(startup) - 1)

static void pg_ask(void)
{
	drive_request(&drive, "Q\0\0\0\15select 1\0");
	drive_response(&drive, "C\0\0\0\15SELECT 1\0" READY);
}

static void test_postgres(void **state)
{
	(void)state;
	PG_BEGIN("\0\0\0\40\0\3\0\0user\0bob\0database\0shop\0\0");
	pg_ask();
	assert_last(1, "shop");
	pg_ask();
	assert_last(2, "shop");
	/* A gap does not change it. */
	drive_lose(&drive, LANE_RESPONSE, 50);
	for (int i = 0; i < 8; i++) {
		pg_ask();
		drive_wait(&drive, 400);
	}
	assert_true(drive.exchanges > 4);
	assert_last(drive.exchanges, "shop");
	drive_close(&drive);
	/* It is named as the user by default. */
	PG_BEGIN("\0\0\0\22\0\3\0\0user\0bob\0\0");
	pg_ask();
	assert_last(1, "bob");
	drive_close(&drive);
}

static void test_postgres_midway(void **state)
{
	(void)state;
	drive_open(&drive, SIDE_CLIENT, true, DRIVE_WHOLE, 0);
	for (int i = 0; i < 4; i++)
		pg_ask();
	assert_true(drive.exchanges > 2);
	assert_last(drive.exchanges, "");
	drive_close(&drive);
}

/* Nothing is kept where nobody wants it. */
static void test_unwanted(void **state)
{
	(void)state;
	PG_BEGIN("\0\0\0\40\0\3\0\0user\0bob\0database\0shop\0\0");
	pg_ask();
	assert_last(1, "");
	drive_close(&drive);
	drive_open(&drive, SIDE_CLIENT, false, DRIVE_WHOLE, 0);
	ASK("*2\r\n$6\r\nSELECT\r\n$2\r\n12\r\n", "+OK\r\n");
	assert_last(1, "");
	drive_close(&drive);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WANTED(test_redis),
		WANTED(test_redis_transaction),
		WANTED(test_redis_unanswered),
		WANTED(test_redis_midway),
		WANTED(test_postgres),
		WANTED(test_postgres_midway),
		cmocka_unit_test(test_unwanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
