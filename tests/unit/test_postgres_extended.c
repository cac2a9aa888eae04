/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pgwire.h"

#define CLIENT LANE_REQUEST
#define SERVER LANE_RESPONSE

/* ---- extended queries ---- */

static void extended(void)
{
	pg_login(&pg_drive);
	pg_parse("s1", "with a as (select 1) delete from t using a");
	pg_describe('S', "s1");
	pg_put('H', NULL, 0);
	pg_client();
	pg_empty("1");
	pg_put('t', "\0\1\0\0\0\x17", 6);
	pg_empty("n");
	pg_server();
	pg_bind("", "s1");
	pg_execute("", 0);
	pg_sync();
	pg_client();
	pg_empty("2");
	pg_error("23503");
	pg_ready('I');
	pg_server();
	pg_bind("", "s2"); /* prepared by nobody we know */
	pg_describe('P', "");
	pg_execute("", 0);
	pg_close('S', "s1");
	pg_sync();
	pg_client();
	pg_empty("2");
	pg_put('T', "\0\0", 2);
	pg_rows(2);
	pg_text('C', "SELECT 2");
	pg_empty("3");
	pg_ready('I');
	pg_server();
	pg_parse("", "");
	pg_bind("", "");
	pg_execute("", 0);
	pg_sync();
	pg_client();
	pg_empty("12I");
	pg_ready('I');
	pg_server();
}

static void test_extended(void **state)
{
	(void)state;
	pg_check(extended, false, "DELETE error 0 -\nSELECT ok 0 -\n");
}

/* Portals fetched in parts, interleaved, and one that is left suspended. */
static void portals(void)
{
	pg_login(&pg_drive);
	pg_parse("", "values (1)");
	pg_bind("", "");
	pg_execute("", 1);
	pg_sync();
	pg_client();
	pg_empty("12");
	pg_rows(1);
	pg_empty("s");
	pg_ready('I');
	pg_server();
	pg_parse("s", "update t set a = 1 returning a");
	pg_parse("q", "table t");
	pg_bind("p1", "s");
	pg_bind("p2", "q");
	pg_execute("p1", 5);
	pg_execute("p2", 5);
	pg_execute("p1", 5);
	pg_put('H', NULL, 0);
	pg_client();
	pg_empty("1122");
	pg_rows(5);
	pg_empty("s");
	pg_rows(5);
	pg_empty("s");
	pg_text('C', "UPDATE 7");
	pg_server();
	pg_execute("p2", 5);
	pg_sync();
	pg_client();
	pg_error("22012");
	pg_ready('I');
	pg_server();
	pg_bind("p2", "q");
	pg_execute("p2", 0);
	pg_sync();
	pg_client();
	pg_empty("2");
	pg_text('C', "SELECT 0");
	pg_ready('I');
	pg_server();
}

static void test_portals(void **state)
{
	(void)state;
	pg_check(portals, false, "SELECT ok 0 -\nUPDATE ok 0 -\nSELECT ok 0 -\nSELECT ok 0 -\n");
}

/* An error skips up to its Sync, not beyond; whoever failed is told by what was answered before. */
static void pipeline(void)
{
	pg_login(&pg_drive);
	pg_one("insert into t values (1)");
	pg_one("update t set a = 1");
	pg_one("delete from t");
	pg_sync();
	pg_one("select 1");
	pg_sync();
	pg_parse("x", "listen a");
	pg_sync();
	pg_describe('S', "x");
	pg_sync();
	pg_one("notify a");
	pg_sync();
	pg_client();
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
	pg_server();
	pg_one("select 1/0");
	pg_client();
	pg_empty("12n");
	pg_error("22012");
	pg_server();
	pg_one("select 2"); /* not executed: no Sync yet */
	pg_client();
}

static void test_pipeline(void **state)
{
	(void)state;
	pg_check(pipeline, false,
		 "INSERT ok 0 -\nUPDATE error 0 -\nSELECT ok 0 -\nLISTEN error 0 -\n"
		 "LISTEN error 0 -\nNOTIFY ok 0 -\nSELECT error 0 -\n");
}

/* ---- sessions ---- */

static void unsynced(void)
{
	pg_login(&pg_drive);
	pg_parse("", "begin");
	pg_bind("", "");
	pg_execute("", 0);
	pg_put('H', NULL, 0);
	pg_client();
	pg_empty("12");
	pg_text('C', "BEGIN");
	pg_server();
	pg_sync();
	pg_client();
	pg_ready('T');
	pg_server();
	pg_say("commit");
	pg_text('C', "COMMIT");
	pg_ready('I');
	pg_server();
	pg_parse("", "selec");
	pg_put('H', NULL, 0);
	pg_client();
	pg_error("42601");
	pg_server();
	pg_sync();
	pg_client();
	pg_ready('I');
	pg_server();
}

/* Up to its Sync a pipeline holds a transaction open, that it began or that began by itself. */
static void test_unsynced(void **state)
{
	(void)state;
	pg_check(unsynced, true,
		 "# session none idle\n# session idle active\nBEGIN ok 0 -\n"
		 "# session active transaction\n# session transaction active\n"
		 "# session active transaction\n# session transaction active\nCOMMIT ok 0 -\n"
		 "# session active idle\n# session idle active\nOTHER error 0 -\n"
		 "# session active transaction\n# session transaction active\n"
		 "# session active idle\n# session idle none\n# close\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_extended),
		cmocka_unit_test(test_portals),
		cmocka_unit_test(test_pipeline),
		cmocka_unit_test(test_unsynced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
