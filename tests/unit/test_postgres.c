/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "pgwire.h"

#define CLIENT LANE_REQUEST
#define SERVER LANE_RESPONSE

/* ---- sessions ---- */

static void negotiation(void)
{
	drive_request(&pg_drive, "\0\0\0\x08\x04\xd2\x16\x30");
	drive_response(&pg_drive, "N");
	drive_request(&pg_drive, "\0\0\0\x08\x04\xd2\x16\x2f");
	drive_response(&pg_drive, "N");
	pg_startup();
	pg_client();
	pg_put('v', "\0\3\0\0\0\0\0\0", 8);
	pg_put('R', "\0\0\0\x0aSCRAM-SHA-256\0\0", 19);
	pg_server();
	pg_put('p', "SCRAM-SHA-256\0\0\0\0\5Qxxxx", 23);
	pg_client();
	pg_put('R', "\0\0\0\x0cv=1", 7);
	pg_put('R', "\0\0\0\0", 4);
	pg_put('K', "\0\0\0\1aaaabbbbccccddddeeeeffffgggghhhh", 36);
	pg_ready('I');
	pg_server();
	pg_say("begin");
	pg_text('C', "BEGIN");
	pg_ready('T');
	pg_server();
	pg_say("selec");
	pg_error("42601");
	pg_ready('E');
	pg_server();
	pg_say("commit");
	pg_text('C', "ROLLBACK");
	pg_ready('I');
	pg_server();
	pg_put('A', "\0\0\0\1channel\0\0", 13);
	pg_error("57P01");
	pg_server();
	pg_put('X', NULL, 0);
	pg_client();
}

static void test_session(void **state)
{
	(void)state;
	pg_check(negotiation, true,
		 "# session none idle\n# session idle active\nBEGIN ok 0 -\n"
		 "# session active transaction\n# session transaction active\nOTHER error 0 -\n"
		 "# session active transaction\n# session transaction active\nROLLBACK ok 0 -\n"
		 "# session active idle\n# session idle none\n# close\n");
}

static void refused(void)
{
	pg_startup();
	pg_client();
	pg_error("28P01");
	pg_server();
}

static void encrypted(void)
{
	drive_request(&pg_drive, "\0\0\0\x08\x04\xd2\x16\x2f");
	drive_response(&pg_drive, "S");
	drive_request(&pg_drive, "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03Q\0\0\0\x0bselect\0");
	drive_response(&pg_drive, "\x16\x03\x03\0\x7a\x02\0\0C\0\0\0\x0dSELECT 1\0");
}

static void cancel(void)
{
	drive_request(&pg_drive, "\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\1\1\2\3\4");
}

static void test_none(void **state)
{
	(void)state;
	pg_check(refused, false, "");
	pg_check(encrypted, false, "");
	pg_check(cancel, false, "");
}

/* ---- simple queries ---- */

static void simple(void)
{
	pg_login(&pg_drive);
	pg_say("select 1; /* ; */ insert into t select ';'; update t set a=$$;$$; delete from u");
	pg_put('T', "\0\1a\0\0\0\0\0\0\0\0\0\0\x17\0\4\xff\xff\xff\xff\0\0", 22);
	pg_rows(3);
	pg_text('C', "SELECT 3");
	pg_text('C', "INSERT 0 1");
	pg_error("22012");
	pg_ready('I');
	pg_server();
	pg_say("");
	pg_empty("I");
	pg_ready('I');
	pg_server();
	pg_say("start transaction");
	pg_put('N', "SNOTICE\0Mhello\0", 16);
	pg_text('C', "START TRANSACTION");
	pg_ready('T');
	pg_server();
	pg_say("create table a as select 1/0");
	pg_error("22012");
	pg_ready('E');
	pg_server();
	pg_put('F', "\0\0\0\1\0\0\0\0\0\0", 10);
	pg_client();
	pg_put('V', "\xff\xff\xff\xff", 4);
	pg_ready('T');
	pg_server();
	pg_say("select 1");
}

static void test_simple(void **state)
{
	(void)state;
	pg_check(simple, false,
		 "SELECT ok 0 -\nINSERT ok 0 -\nUPDATE error 0 -\nBEGIN ok 0 -\nSELECT error 0 -\n"
		 "SELECT aborted 0 -\n");
}

/* The second text's end is known before the first one's error is. */
static void pipelined_queries(void)
{
	pg_login(&pg_drive);
	pg_text('Q', "select 1; update t set a=1; drop table t");
	pg_text('Q', "listen a; notify b; commit");
	pg_client();
	pg_text('C', "SELECT 1");
	pg_text('C', "UPDATE 1");
	pg_error("42P01");
	pg_ready('I');
	pg_text('C', "LISTEN");
	pg_error("42P01");
	pg_ready('I');
	pg_server();
}

static void test_pipelined_queries(void **state)
{
	(void)state;
	pg_check(pipelined_queries, false,
		 "SELECT ok 0 -\nUPDATE ok 0 -\nDROP error 0 -\nLISTEN ok 0 -\nNOTIFY error 0 -\n");
}

static void long_text(void)
{
	static char text[100000];
	int size = snprintf(text, sizeof(text), "insert into t values ('");

	memset(text + size, ';', sizeof(text) - size - 1);
	pg_login(&pg_drive);
	pg_say(text);
	pg_error("42601");
	pg_ready('I');
	pg_server();
	pg_parse("", text);
	pg_bind("", "");
	pg_execute("", 0);
	pg_sync();
	pg_client();
	pg_error("42601");
	pg_ready('I');
	pg_server();
}

static void test_long(void **state)
{
	(void)state;
	pg_check(long_text, false, "INSERT error 0 -\nINSERT error 0 -\n");
}

/* ---- COPY and streams ---- */

static void copy(void)
{
	pg_login(&pg_drive);
	pg_say("copy t from stdin");
	pg_put('G', "\0\0\1\0\0", 5);
	pg_server();
	pg_copy_data();
	pg_put('c', NULL, 0);
	pg_client();
	pg_text('C', "COPY 2");
	pg_ready('I');
	pg_server();
	pg_say("copy t to stdout; select 1");
	pg_put('H', "\0\0\1\0\0", 5);
	pg_copy_data();
	pg_empty("c");
	pg_text('C', "COPY 2");
	pg_text('C', "SELECT 1");
	pg_ready('I');
	pg_server();
	pg_say("copy t from stdin");
	pg_put('G', "\0\0\1\0\0", 5);
	pg_error("22P02");
	pg_ready('I');
	pg_server();
	pg_copy_data();
	pg_text('f', "no more");
	pg_client();
}

/* The Sync sent along is read by the server as part of the COPY; the one behind it is answered. */
static void copy_extended(void)
{
	for (int failing = 0; failing < 2; failing++) {
		if (!failing)
			pg_login(&pg_drive);
		pg_one("copy t from stdin");
		pg_sync();
		pg_client();
		pg_empty("12n");
		pg_put('G', "\0\0\1\0\0", 5);
		pg_server();
		pg_copy_data();
		pg_put('c', NULL, 0);
		pg_sync();
		pg_client();
		if (failing)
			pg_error("22P02");
		else
			pg_text('C', "COPY 2");
		pg_ready('I');
		pg_server();
		pg_say("select 1");
		pg_text('C', "SELECT 1");
		pg_ready('I');
		pg_server();
	}
}

static void replication(void)
{
	pg_login(&pg_drive);
	pg_say("IDENTIFY_SYSTEM");
	pg_rows(1);
	pg_text('C', "IDENTIFY_SYSTEM");
	pg_ready('I');
	pg_server();
	pg_say("BASE_BACKUP (LABEL 'a')");
	pg_text('C', "SELECT");
	pg_text('C', "SELECT");
	pg_put('H', "\0\0\1\0\0", 5);
	pg_copy_data();
	pg_empty("c");
	pg_text('C', "SELECT");
	pg_text('C', "BASE_BACKUP");
	pg_ready('I');
	pg_server();
	pg_say("START_REPLICATION 0/0");
	pg_put('W', "\0\0\0", 3);
	pg_copy_data();
	pg_server();
	pg_copy_data();
	pg_put('c', NULL, 0);
	pg_client();
	pg_empty("c");
	pg_text('C', "START_STREAMING");
	pg_text('C', "START_REPLICATION");
	pg_ready('I');
	pg_server();
	pg_say("START_REPLICATION 0/0");
	pg_put('W', "\0\0\0", 3);
	pg_copy_data();
	pg_server();
}

static void test_copy(void **state)
{
	(void)state;
	pg_check(copy, false, "COPY ok 0 -\nCOPY ok 0 -\nSELECT ok 0 -\nCOPY error 0 -\n");
	pg_check(copy_extended, false,
		 "COPY ok 0 -\nSELECT ok 0 -\nCOPY error 0 -\nSELECT ok 0 -\n");
	pg_check(replication, false,
		 "IDENTIFY_SYSTEM ok 0 -\nBASE_BACKUP ok 0 -\nSTART_REPLICATION ok 0 -\n"
		 "START_REPLICATION ok 0 -\n");
}

/* A single byte tells that it is not the server's: no message's type is zero. */
static void test_zero_byte(void **state)
{
	uint64_t errors = 0;

	(void)state;
	drive_open(&pg_drive, SIDE_CLIENT, false, DRIVE_WHOLE, 0);
	pg_login(&pg_drive);
	pg_text('Q', "select 1");
	pg_send(&pg_drive, LANE_REQUEST);
	drive_response(&pg_drive, "\0");
	for (int i = 0; i < PROTOCOLS_MAX; i++)
		errors += pg_drive.pipeline.counts[i].errors;
	assert_int_equal(errors, 1);
	assert_string_equal(drive_close(&pg_drive), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_session),	  cmocka_unit_test(test_none),
		cmocka_unit_test(test_simple),	  cmocka_unit_test(test_pipelined_queries),
		cmocka_unit_test(test_long),	  cmocka_unit_test(test_copy),
		cmocka_unit_test(test_zero_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
