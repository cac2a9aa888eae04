/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "pgwire.h"

#define CLIENT LANE_REQUEST
#define SERVER LANE_RESPONSE

static struct drive drive;

static uint64_t errors(void)
{
	uint64_t sum = 0;

	for (int i = 0; i <= PROTOCOLS_MAX; i++)
		sum += drive.pipeline.counts[i].errors + drive.pipeline.counts[i].gaps;
	return sum;
}

/* The script leaves this log however its bytes are split, and from either end. */
static void check(void (*script)(void), bool sessions, const char *log)
{
	for (unsigned int seed = 0; seed < 24; seed++) {
		enum side side = seed & 1 ? SIDE_SERVER : SIDE_CLIENT;
		enum drive_split split = seed < 2 ? DRIVE_WHOLE : DRIVE_BYTES;

		drive_open(&drive, side, false, seed < 4 ? split : DRIVE_RANDOM, seed);
		drive.sessions = sessions;
		script();
		assert_int_equal(errors(), 0);
		drive_close(&drive);
		/* The first line says which side it is seen from. */
		assert_string_equal(sessions ? strchr(drive.log, '\n') + 1 : drive.log, log);
	}
}

static void say(const char *sql)
{
	pg_text('Q', sql);
	pg_send(&drive, CLIENT);
}

static void client(void)
{
	pg_send(&drive, CLIENT);
}

static void server(void)
{
	pg_send(&drive, SERVER);
}

/* ---- sessions ---- */

static void negotiation(void)
{
	drive_request(&drive, "\0\0\0\x08\x04\xd2\x16\x30");
	drive_response(&drive, "N");
	drive_request(&drive, "\0\0\0\x08\x04\xd2\x16\x2f");
	drive_response(&drive, "N");
	pg_startup();
	client();
	pg_put('v', "\0\3\0\0\0\0\0\0", 8);
	pg_put('R', "\0\0\0\x0aSCRAM-SHA-256\0\0", 19);
	server();
	pg_put('p', "SCRAM-SHA-256\0\0\0\0\5Qxxxx", 23);
	client();
	pg_put('R', "\0\0\0\x0cv=1", 7);
	pg_put('R', "\0\0\0\0", 4);
	pg_put('K', "\0\0\0\1aaaabbbbccccddddeeeeffffgggghhhh", 36);
	pg_ready('I');
	server();
	say("begin");
	pg_text('C', "BEGIN");
	pg_ready('T');
	server();
	say("selec");
	pg_error("42601");
	pg_ready('E');
	server();
	say("commit");
	pg_text('C', "ROLLBACK");
	pg_ready('I');
	server();
	pg_put('A', "\0\0\0\1channel\0\0", 13);
	pg_error("57P01");
	server();
	pg_put('X', NULL, 0);
	client();
}

static void test_session(void **state)
{
	(void)state;
	check(negotiation, true,
	      "# session none idle\n# session idle active\nBEGIN ok 0 -\n"
	      "# session active transaction\n# session transaction active\nOTHER error 0 -\n"
	      "# session active transaction\n# session transaction active\nROLLBACK ok 0 -\n"
	      "# session active idle\n# session idle none\n# close\n");
}

static void refused(void)
{
	pg_startup();
	client();
	pg_error("28P01");
	server();
}

static void encrypted(void)
{
	drive_request(&drive, "\0\0\0\x08\x04\xd2\x16\x2f");
	drive_response(&drive, "S");
	drive_request(&drive, "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03Q\0\0\0\x0bselect\0");
	drive_response(&drive, "\x16\x03\x03\0\x7a\x02\0\0C\0\0\0\x0dSELECT 1\0");
}

static void cancel(void)
{
	drive_request(&drive, "\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\1\1\2\3\4");
}

static void test_none(void **state)
{
	(void)state;
	check(refused, false, "");
	check(encrypted, false, "");
	check(cancel, false, "");
}

/* ---- simple queries ---- */

static void simple(void)
{
	pg_login(&drive);
	say("select 1; /* ; */ insert into t values (';'); update t set a = $$;$$; delete from t");
	pg_put('T', "\0\1a\0\0\0\0\0\0\0\0\0\0\x17\0\4\xff\xff\xff\xff\0\0", 22);
	pg_rows(3);
	pg_text('C', "SELECT 3");
	pg_text('C', "INSERT 0 1");
	pg_error("22012");
	pg_ready('I');
	server();
	say("");
	pg_empty("I");
	pg_ready('I');
	server();
	say("start transaction");
	pg_put('N', "SNOTICE\0Mhello\0", 16);
	pg_text('C', "START TRANSACTION");
	pg_ready('T');
	server();
	say("create table a as select 1/0");
	pg_error("22012");
	pg_ready('E');
	server();
	pg_put('F', "\0\0\0\1\0\0\0\0\0\0", 10);
	client();
	pg_put('V', "\xff\xff\xff\xff", 4);
	pg_ready('T');
	server();
	say("select 1");
}

static void test_simple(void **state)
{
	(void)state;
	check(simple, false,
	      "SELECT ok 0 -\nINSERT ok 0 -\nUPDATE error 0 -\nBEGIN ok 0 -\nSELECT error 0 -\n"
	      "SELECT aborted 0 -\n");
}

/* The second text's end is known before the first one's error is. */
static void pipelined_queries(void)
{
	pg_login(&drive);
	pg_text('Q', "select 1; update t set a=1; drop table t");
	pg_text('Q', "listen a; notify b; commit");
	client();
	pg_text('C', "SELECT 1");
	pg_text('C', "UPDATE 1");
	pg_error("42P01");
	pg_ready('I');
	pg_text('C', "LISTEN");
	pg_error("42P01");
	pg_ready('I');
	server();
}

static void test_pipelined_queries(void **state)
{
	(void)state;
	check(pipelined_queries, false,
	      "SELECT ok 0 -\nUPDATE ok 0 -\nDROP error 0 -\nLISTEN ok 0 -\nNOTIFY error 0 -\n");
}

static void long_text(void)
{
	static char text[100000];
	int size = snprintf(text, sizeof(text), "insert into t values ('");

	memset(text + size, ';', sizeof(text) - size - 1);
	pg_login(&drive);
	say(text);
	pg_error("42601");
	pg_ready('I');
	server();
	pg_parse("", text);
	pg_bind("", "");
	pg_execute("", 0);
	pg_sync();
	client();
	pg_error("42601");
	pg_ready('I');
	server();
}

static void test_long(void **state)
{
	(void)state;
	check(long_text, false, "INSERT error 0 -\nINSERT error 0 -\n");
}

/* ---- extended queries ---- */

static void extended(void)
{
	pg_login(&drive);
	pg_parse("s1", "with a as (select 1) delete from t using a");
	pg_describe('S', "s1");
	pg_put('H', NULL, 0);
	client();
	pg_empty("1");
	pg_put('t', "\0\1\0\0\0\x17", 6);
	pg_empty("n");
	server();
	pg_bind("", "s1");
	pg_execute("", 0);
	pg_sync();
	client();
	pg_empty("2");
	pg_error("23503");
	pg_ready('I');
	server();
	pg_bind("", "s2"); /* prepared by nobody we know */
	pg_describe('P', "");
	pg_execute("", 0);
	pg_close('S', "s1");
	pg_sync();
	client();
	pg_empty("2");
	pg_put('T', "\0\0", 2);
	pg_rows(2);
	pg_text('C', "SELECT 2");
	pg_empty("3");
	pg_ready('I');
	server();
	pg_parse("", "");
	pg_bind("", "");
	pg_execute("", 0);
	pg_sync();
	client();
	pg_empty("12I");
	pg_ready('I');
	server();
}

static void test_extended(void **state)
{
	(void)state;
	check(extended, false, "DELETE error 0 -\nSELECT ok 0 -\n");
}

/* Portals fetched in parts, interleaved, and one that is left suspended. */
static void portals(void)
{
	pg_login(&drive);
	pg_parse("", "values (1)");
	pg_bind("", "");
	pg_execute("", 1);
	pg_sync();
	client();
	pg_empty("12");
	pg_rows(1);
	pg_empty("s");
	pg_ready('I');
	server();
	pg_parse("s", "update t set a = 1 returning a");
	pg_parse("q", "table t");
	pg_bind("p1", "s");
	pg_bind("p2", "q");
	pg_execute("p1", 5);
	pg_execute("p2", 5);
	pg_execute("p1", 5);
	pg_put('H', NULL, 0);
	client();
	pg_empty("1122");
	pg_rows(5);
	pg_empty("s");
	pg_rows(5);
	pg_empty("s");
	pg_text('C', "UPDATE 7");
	server();
	pg_execute("p2", 5);
	pg_sync();
	client();
	pg_error("22012");
	pg_ready('I');
	server();
	pg_bind("p2", "q");
	pg_execute("p2", 0);
	pg_sync();
	client();
	pg_empty("2");
	pg_text('C', "SELECT 0");
	pg_ready('I');
	server();
}

static void test_portals(void **state)
{
	(void)state;
	check(portals, false, "SELECT ok 0 -\nUPDATE ok 0 -\nSELECT ok 0 -\nSELECT ok 0 -\n");
}

static void one(const char *sql)
{
	pg_parse("", sql);
	pg_bind("", "");
	pg_describe('P', "");
	pg_execute("", 0);
}

/* An error skips up to its Sync, not beyond; whoever failed is told by what was answered before. */
static void pipeline(void)
{
	pg_login(&drive);
	one("insert into t values (1)");
	one("update t set a = 1");
	one("delete from t");
	pg_sync();
	one("select 1");
	pg_sync();
	pg_parse("x", "listen a");
	pg_sync();
	pg_describe('S', "x");
	pg_sync();
	one("notify a");
	pg_sync();
	client();
	pg_empty("12n");
	pg_text('C', "INSERT 0 1");
	pg_empty("1");
	pg_error("22P02");
	pg_ready('I');
	pg_empty("12");
	pg_put('T', "\0\0", 2);
	pg_text('C', "SELECT 1");
	pg_ready('I');
	pg_error("42601");
	pg_ready('I');
	pg_error("26000");
	pg_ready('I');
	pg_empty("12n");
	pg_text('C', "NOTIFY");
	pg_error("23505"); /* the commit */
	pg_ready('I');
	server();
	one("select 1/0");
	client();
	pg_empty("12n");
	pg_error("22012");
	server();
	one("select 2"); /* not executed: no Sync yet */
	client();
}

static void test_pipeline(void **state)
{
	(void)state;
	check(pipeline, false,
	      "INSERT ok 0 -\nUPDATE error 0 -\nSELECT ok 0 -\nLISTEN error 0 -\n"
	      "LISTEN error 0 -\nNOTIFY ok 0 -\nSELECT error 0 -\n");
}

/* ---- COPY and streams ---- */

static void copy_data(void)
{
	pg_put('d', "Q\0\0\0\x0dselect 1\0", 14);
	pg_put('d', "1\t2\n", 4);
}

static void copy(void)
{
	pg_login(&drive);
	say("copy t from stdin");
	pg_put('G', "\0\0\1\0\0", 5);
	server();
	copy_data();
	pg_put('c', NULL, 0);
	client();
	pg_text('C', "COPY 2");
	pg_ready('I');
	server();
	say("copy t to stdout; select 1");
	pg_put('H', "\0\0\1\0\0", 5);
	copy_data();
	pg_empty("c");
	pg_text('C', "COPY 2");
	pg_text('C', "SELECT 1");
	pg_ready('I');
	server();
	say("copy t from stdin");
	pg_put('G', "\0\0\1\0\0", 5);
	pg_error("22P02");
	pg_ready('I');
	server();
	copy_data();
	pg_text('f', "no more");
	client();
}

/* The Sync sent along is read by the server as part of the COPY; the one behind it is answered. */
static void copy_extended(void)
{
	for (int failing = 0; failing < 2; failing++) {
		if (!failing)
			pg_login(&drive);
		one("copy t from stdin");
		pg_sync();
		client();
		pg_empty("12n");
		pg_put('G', "\0\0\1\0\0", 5);
		server();
		copy_data();
		pg_put('c', NULL, 0);
		pg_sync();
		client();
		if (failing)
			pg_error("22P02");
		else
			pg_text('C', "COPY 2");
		pg_ready('I');
		server();
		say("select 1");
		pg_text('C', "SELECT 1");
		pg_ready('I');
		server();
	}
}

static void replication(void)
{
	pg_login(&drive);
	say("IDENTIFY_SYSTEM");
	pg_rows(1);
	pg_text('C', "IDENTIFY_SYSTEM");
	pg_ready('I');
	server();
	say("BASE_BACKUP (LABEL 'a')");
	pg_text('C', "SELECT");
	pg_text('C', "SELECT");
	pg_put('H', "\0\0\1\0\0", 5);
	copy_data();
	pg_empty("c");
	pg_text('C', "SELECT");
	pg_text('C', "BASE_BACKUP");
	pg_ready('I');
	server();
	say("START_REPLICATION 0/0");
	pg_put('W', "\0\0\0", 3);
	copy_data();
	server();
	copy_data();
	pg_put('c', NULL, 0);
	client();
	pg_empty("c");
	pg_text('C', "START_STREAMING");
	pg_text('C', "START_REPLICATION");
	pg_ready('I');
	server();
	say("START_REPLICATION 0/0");
	pg_put('W', "\0\0\0", 3);
	copy_data();
	server();
}

static void test_copy(void **state)
{
	(void)state;
	check(copy, false, "COPY ok 0 -\nCOPY ok 0 -\nSELECT ok 0 -\nCOPY error 0 -\n");
	check(copy_extended, false, "COPY ok 0 -\nSELECT ok 0 -\nCOPY error 0 -\nSELECT ok 0 -\n");
	check(replication, false,
	      "IDENTIFY_SYSTEM ok 0 -\nBASE_BACKUP ok 0 -\nSTART_REPLICATION ok 0 -\n"
	      "START_REPLICATION ok 0 -\n");
}

/* ---- in mid-life, damage ---- */

static void midway(bool known_side)
{
	drive_open(&drive, SIDE_CLIENT, true, DRIVE_WHOLE, 0);
	if (!known_side)
		drive.conversation.connection.side = 0;
}

static void test_midway(void **state)
{
	(void)state;
	midway(true);
	pg_bind("", "s");
	pg_execute("", 0);
	pg_sync();
	client();
	pg_empty("2");
	pg_rows(1);
	pg_text('C', "SELECT 1");
	pg_ready('T');
	server();
	pg_execute("c", 10); /* of a portal that was bound before we came */
	pg_sync();
	client();
	pg_rows(10);
	pg_empty("s");
	pg_ready('T');
	server();
	say("commit");
	pg_text('C', "COMMIT");
	pg_ready('I');
	server();
	assert_string_equal(drive_close(&drive), "SELECT ok 0 -\nCOMMIT ok 0 -\n");
}

/* In the middle of a COPY, and of an answer: nothing is counted until a request follows. */
static void test_midway_copy(void **state)
{
	(void)state;
	midway(true);
	copy_data();
	client();
	pg_put('c', NULL, 0);
	client();
	pg_text('C', "COPY 4");
	pg_ready('I');
	server();
	say("select 1");
	pg_text('C', "SELECT 1");
	pg_ready('I');
	server();
	assert_string_equal(drive_close(&drive), "SELECT ok 0 -\n");

	midway(true);
	pg_rows(5);
	pg_text('C', "SELECT 10");
	pg_ready('I');
	server();
	say("select 1");
	pg_error("22012");
	pg_ready('I');
	server();
	assert_string_equal(drive_close(&drive), "SELECT error 0 -\n");
}

static void test_lost_bytes(void **state)
{
	(void)state;
	drive_open(&drive, SIDE_CLIENT, false, DRIVE_WHOLE, 0);
	pg_login(&drive);
	say("select 1");
	drive_lose(&drive, SERVER, 1000);
	pg_ready('I');
	server();
	drive_wait(&drive, 500);
	say("insert into t values (1)");
	pg_text('C', "INSERT 0 1");
	pg_ready('I');
	server();
	say("select 2");
	pg_text('C', "SELECT 1");
	pg_ready('I');
	server();
	assert_string_equal(drive_close(&drive), "INSERT ok 0 -\nSELECT ok 0 -\n");
}

/* A hole inside of what is stepped over by length is none. */
static void test_hole(void **state)
{
	(void)state;
	drive_open(&drive, SIDE_SERVER, false, DRIVE_WHOLE, 0);
	pg_login(&drive);
	say("select 1");
	drive_response(&drive, "D\0\1\0\4\0\1");
	drive_hole(&drive, SERVER, 65536 - 2);
	pg_text('C', "SELECT 1");
	pg_ready('I');
	server();
	assert_int_equal(errors(), 0);
	assert_string_equal(drive_close(&drive), "SELECT ok 0 -\n");
}

static void test_damage(void **state)
{
	static const char *const heads[] = { "Q\xff\xff\xff\xff", "Q\0\0\0\3",
					     "B\x7f\xff\xff\xff"
					     "aaaa",
					     "S\0\0\0\5", "y\0\0\0\4" };

	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		drive_open(&drive, SIDE_CLIENT, false, DRIVE_BYTES, 0);
		pg_login(&drive);
		drive_send(&drive, CLIENT, heads[i], 5);
		assert_int_equal(errors(), 1);
		assert_string_equal(drive_close(&drive), "");
	}
}

/* From the statement's last byte sent to the last byte of what completes it. */
static void test_times(void **state)
{
	uint64_t sent, answered;

	(void)state;
	drive_open(&drive, SIDE_CLIENT, false, DRIVE_BYTES, 0);
	pg_login(&drive);
	one("select 1");
	client();
	sent = drive.clock;
	pg_sync();
	client();
	pg_empty("12n");
	pg_rows(2);
	pg_text('C', "SELECT 2");
	server();
	answered = drive.clock;
	pg_ready('I');
	server();
	assert_int_equal(drive.last.begin, sent);
	assert_int_equal(drive.last.end, answered);
	assert_true(drive.last.timed);
	drive_close(&drive);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_session),	    cmocka_unit_test(test_none),
		cmocka_unit_test(test_simple),	    cmocka_unit_test(test_pipelined_queries),
		cmocka_unit_test(test_long),	    cmocka_unit_test(test_extended),
		cmocka_unit_test(test_portals),	    cmocka_unit_test(test_pipeline),
		cmocka_unit_test(test_copy),	    cmocka_unit_test(test_midway),
		cmocka_unit_test(test_midway_copy), cmocka_unit_test(test_lost_bytes),
		cmocka_unit_test(test_hole),	    cmocka_unit_test(test_damage),
		cmocka_unit_test(test_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
