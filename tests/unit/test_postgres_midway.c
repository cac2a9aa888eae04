/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pgwire.h"

#define CLIENT LANE_REQUEST
#define SERVER LANE_RESPONSE

#define CLIENT LANE_REQUEST
#define SERVER LANE_RESPONSE

/* ---- in mid-life, damage ---- */

static void midway(bool known_side)
{
	drive_open(&pg_drive, SIDE_CLIENT, true, DRIVE_WHOLE, 0);
	if (!known_side)
		pg_drive.conversation.connection.side = 0;
}

static void test_midway(void **state)
{
	(void)state;
	midway(true);
	pg_bind("", "s");
	pg_execute("", 0);
	pg_sync();
	pg_client();
	pg_empty("2");
	pg_rows(1);
	pg_text('C', "SELECT 1");
	pg_ready('T');
	pg_server();
	pg_execute("c", 10); /* of a portal that was bound before we came */
	pg_sync();
	pg_client();
	pg_rows(10);
	pg_empty("s");
	pg_ready('T');
	pg_server();
	pg_say("commit");
	pg_text('C', "COMMIT");
	pg_ready('I');
	pg_server();
	assert_string_equal(drive_close(&pg_drive), "SELECT ok 0 -\nCOMMIT ok 0 -\n");
}

/* In the middle of a COPY, and of an answer: nothing is counted until a request follows. */
static void test_midway_copy(void **state)
{
	(void)state;
	midway(true);
	pg_copy_data();
	pg_client();
	pg_put('c', NULL, 0);
	pg_client();
	pg_text('C', "COPY 4");
	pg_ready('I');
	pg_server();
	pg_say("select 1");
	pg_text('C', "SELECT 1");
	pg_ready('I');
	pg_server();
	assert_string_equal(drive_close(&pg_drive), "SELECT ok 0 -\n");

	midway(true);
	pg_rows(5);
	pg_text('C', "SELECT 10");
	pg_ready('I');
	pg_server();
	pg_say("select 1");
	pg_error("22012");
	pg_ready('I');
	pg_server();
	assert_string_equal(drive_close(&pg_drive), "SELECT error 0 -\n");
}

static void test_lost_bytes(void **state)
{
	(void)state;
	drive_open(&pg_drive, SIDE_CLIENT, false, DRIVE_WHOLE, 0);
	pg_login(&pg_drive);
	pg_say("select 1");
	drive_lose(&pg_drive, SERVER, 1000);
	pg_ready('I');
	pg_server();
	drive_wait(&pg_drive, 500);
	pg_say("insert into t values (1)");
	pg_text('C', "INSERT 0 1");
	pg_ready('I');
	pg_server();
	pg_say("select 2");
	pg_text('C', "SELECT 1");
	pg_ready('I');
	pg_server();
	assert_string_equal(drive_close(&pg_drive), "SELECT ok 0 -\n");
}

/* A hole inside of what is stepped over by length is none. */
static void test_hole(void **state)
{
	(void)state;
	drive_open(&pg_drive, SIDE_SERVER, false, DRIVE_WHOLE, 0);
	pg_login(&pg_drive);
	pg_say("select 1");
	drive_response(&pg_drive, "D\0\1\0\4\0\1");
	drive_hole(&pg_drive, SERVER, 65536 - 2);
	pg_text('C', "SELECT 1");
	pg_ready('I');
	pg_server();
	assert_int_equal(pg_errors(), 0);
	assert_string_equal(drive_close(&pg_drive), "SELECT ok 0 -\n");
}

static void test_damage(void **state)
{
	static const char *const heads[] = { "Q\xff\xff\xff\xff", "Q\0\0\0\3", "B\x7f\xff\xff\xff",
					     "S\0\0\0\5", "y\0\0\0\4" };

	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		drive_open(&pg_drive, SIDE_CLIENT, false, DRIVE_BYTES, 0);
		pg_login(&pg_drive);
		drive_send(&pg_drive, CLIENT, heads[i], 5);
		assert_int_equal(pg_errors(), 1);
		assert_string_equal(drive_close(&pg_drive), "");
	}
}

/* From the statement's last byte sent to the last byte of what completes it. */
static void test_times(void **state)
{
	uint64_t sent, answered;

	(void)state;
	drive_open(&pg_drive, SIDE_CLIENT, false, DRIVE_BYTES, 0);
	pg_login(&pg_drive);
	pg_one("select 1");
	pg_client();
	sent = pg_drive.clock;
	pg_sync();
	pg_client();
	pg_empty("12n");
	pg_rows(2);
	pg_text('C', "SELECT 2");
	pg_server();
	answered = pg_drive.clock;
	pg_ready('I');
	pg_server();
	assert_int_equal(pg_drive.last.begin, sent);
	assert_int_equal(pg_drive.last.end, answered);
	assert_true(pg_drive.last.timed);
	drive_close(&pg_drive);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_midway),	   cmocka_unit_test(test_midway_copy),
		cmocka_unit_test(test_lost_bytes), cmocka_unit_test(test_hole),
		cmocka_unit_test(test_damage),	   cmocka_unit_test(test_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
