/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "proto/prepared.h"
#include "proto/sql_scan.h"
#include "util/names.h"

/* Texts, and the verbs of their statements. */
static const struct {
	const char *text, *verbs;
} texts[] = {
	{ "", "" },
	{ " ;; /* a */ -- b\n ; ", "" },
	{ "select 1", "SELECT" },
	{ "SeLeCt 1;", "SELECT" },
	{ "-- update\n/* delete /* nested */ ; */ insert into t values (1)", "INSERT" },
	{ "((select 1) union (select 2))", "SELECT" },
	{ "/**/select/**/1;insert/**/into t", "SELECT INSERT" },
	{ "select ';', \"a;b\", 'it''s;', E'\\';', $$;$$, $a$ ;$$; $b$a$; update t set a=1",
	  "SELECT UPDATE" },
	{ "select $1;select a$b$c;commit", "SELECT SELECT COMMIT" },
	{ "select 1-1; select 4/2; select 2 - -1", "SELECT SELECT SELECT" },
	{ "select 1 --; x\n; begin", "SELECT BEGIN" },
	{ "begin; end; abort; start transaction; rollback to a",
	  "BEGIN COMMIT ROLLBACK BEGIN ROLLBACK" },
	{ "values (1); table t; analyse t", "SELECT SELECT ANALYZE" },
	{ "with a as (select 1) select * from a", "SELECT" },
	{ "with recursive a (x, y) as not materialized (select 1), b as (delete from t returning *)"
	  " insert into u select * from a; drop table u",
	  "INSERT DROP" },
	{ "with update as (select 1), \"delete\" as (select 2) merge into t", "MERGE" },
	{ "with a as (select 1) (select * from a)", "SELECT" },
	{ "with a as (select 1) (( (select 1) union (select 2)) limit 1); end", "SELECT COMMIT" },
	{ "(with a as (select 1) update t set a = 1)", "UPDATE" },
	{ "create table a (b int generated always as (1) stored)", "CREATE" },
	{ "create temp table a as select 1; create view b as select 1", "SELECT CREATE" },
	{ "create materialized view if not exists a as select 1", "SELECT" },
	{ "create function f() returns table (a int) as $x$ begin; end; $x$ language b; do $$;$$",
	  "CREATE DO" },
	{ "create or replace function f() returns int begin atomic select 1; select case when a"
	  " then 1 end; end; select f()",
	  "CREATE SELECT" },
	{ "create rule r as on insert to t do also (delete from u; delete from v); lock t",
	  "CREATE LOCK" },
	{ "select E'it''s\\';'; commit", "SELECT COMMIT" },
	{ "select E'a'\n'\\';'; commit", "SELECT COMMIT" },
	{ "select E'a' '\\'; commit", "SELECT COMMIT" },
	{ "select u&'\\'; select u & 'x;'; select u&\";\"; begin", "SELECT SELECT SELECT BEGIN" },
	{ "select 1 -- ;\r; commit; select @--;\n1; select 1*/*;*/2",
	  "SELECT COMMIT SELECT SELECT" },
	{ "select $a; select $x$ $y$;$x$; begin", "SELECT SELECT BEGIN" },
	{ "select 1e';'; select 1.5e-3, 0x1e-';', a.b, $1e';'", "SELECT SELECT" },
	{ "select x$e';', ab';', b';', n';\\'; begin", "SELECT BEGIN" },
	{ "selec 1; 'x'; select 2", "OTHER OTHER SELECT" },
	{ "START_REPLICATION SLOT a", "START_REPLICATION" },
	{ "\xc3\xa9t\xc3\xa9; vacuum", "OTHER VACUUM" },
	{ "a_word_that_is_far_too_long_for_any_verb; copy t from stdin", "OTHER COPY" },
};

static void scan(const char *text, size_t piece, char *log, size_t size)
{
	uint8_t verbs[16];
	struct sql_scan state;
	size_t used = 0;

	sql_scan_begin(&state);
	for (size_t at = 0; at < strlen(text); at += piece) {
		struct bytes rest = { (const uint8_t *)text + at, strlen(text) - at };

		sql_scan_feed(&state, bytes_first(rest, piece), verbs, 16);
	}
	sql_scan_end(&state, verbs, 16);
	log[0] = '\0';
	for (uint32_t i = 0; i < state.count; i++)
		used += snprintf(log + used, size - used, "%s%s", i ? " " : "",
				 names_text(sql_verb_name(verbs[i])));
}

static void test_verbs(void **state)
{
	char log[512];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		for (size_t piece = 1; piece < 12; piece++) {
			scan(texts[i].text, piece, log, sizeof(log));
			assert_string_equal(log, texts[i].verbs);
		}
		scan(texts[i].text, 1000, log, sizeof(log));
		assert_string_equal(log, texts[i].verbs);
	}
}

static void test_room(void **state)
{
	uint8_t verbs[3] = { 0, 0, 99 };
	struct sql_scan scanner;

	(void)state;
	sql_scan_begin(&scanner);
	sql_scan_feed(&scanner, BYTES("select 1; commit; begin; begin"), verbs, 2);
	sql_scan_end(&scanner, verbs, 2);
	assert_int_equal(scanner.count, 4);
	assert_int_equal(verbs[2], 99);
	assert_int_equal(verbs[1], sql_verb(BYTES("COMMIT")));
}

static void test_tags(void **state)
{
	(void)state;
	assert_string_equal(names_text(sql_tag_name(BYTES("INSERT 0 1"))), "INSERT");
	assert_string_equal(names_text(sql_tag_name(BYTES("START TRANSACTION\0"))), "BEGIN");
	assert_string_equal(names_text(sql_tag_name(BYTES("BEGIN\0"))), "BEGIN");
	assert_string_equal(names_text(sql_tag_name(BYTES("CREATE TABLE\0"))), "CREATE");
	assert_string_equal(names_text(sql_tag_name(BYTES("FROBNICATE ZONE\0"))), "FROBNICATE");
	assert_string_equal(names_text(sql_tag_name(BYTES("<script>\0"))), "OTHER");
	assert_string_equal(names_text(sql_tag_name(BYTES("ABC1\0"))), "OTHER");
	assert_string_equal(names_text(sql_tag_name(BYTES(""))), "OTHER");
}

/* A peer that makes up tags uses up the names of nobody else. */
static void test_made_up_tags(void **state)
{
	unsigned int named = 0;
	char tag[8];

	(void)state;
	for (unsigned int i = 0; i < 600; i++) {
		snprintf(tag, sizeof(tag), "Q%c%c%c", 'A' + i / 100, 'A' + i / 10 % 10,
			 'A' + i % 10);
		named += strcmp(names_text(sql_tag_name((struct bytes){ (uint8_t *)tag, 4 })),
				"OTHER") != 0;
	}
	assert_in_range(named, 16, 32);
	assert_string_equal(names_text(sql_tag_name(BYTES("QAAA 1"))), "QAAA");
	assert_string_equal(names_text(sql_tag_name(BYTES("FROBNICATE"))), "FROBNICATE");
}

/* The table against an array that holds all names. */
static void test_prepared(void **state)
{
	static struct prepared prepared;
	static int expected[200];
	unsigned int random = 1;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		int name = rand_r(&random) % 200;
		uint32_t key = prepared_key('S', (struct bytes){ (uint8_t *)&name, sizeof(name) });
		uint8_t *value = prepared_find(&prepared, key);

		assert_int_equal(value ? *value : 0, expected[name]);
		expected[name] = rand_r(&random) % 3 ? 1 + rand_r(&random) % 50 : 0;
		if (expected[name])
			prepared_put(&prepared, key, expected[name]);
		else
			prepared_remove(&prepared, key);
	}
	for (int name = 0; name < 1000; name++) {
		uint32_t key = prepared_key('P', (struct bytes){ (uint8_t *)&name, sizeof(name) });

		prepared_put(&prepared, key, 7);
		assert_int_equal(*prepared_find(&prepared, key), 7);
		assert_true(prepared.count <= PREPARED_LIMIT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verbs),	 cmocka_unit_test(test_room),
		cmocka_unit_test(test_tags),	 cmocka_unit_test(test_made_up_tags),
		cmocka_unit_test(test_prepared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
