/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "sql_shown.h"

#define CUT "\xe2\x80\xa6"
#define N63 "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabc"

static const struct {
	const char *sql, *text;
} texts[] = {
	{ "", "" },
	{ " -- nothing\n /* but comments */", "" },
	{ "SELECT id,name FROM   travels\n\tWHERE id=$1",
	  "SELECT id, name FROM travels WHERE id = $1" },
	{ "select 1;", "select ?" },
	{ "select 1;;\n select 2 ; ;", "select ?; select ?" },
	/* strings */
	{ "select 'it''s', 'a'\n 'b', 'a' 'b', ''", "select ?, ?, ? ?, ?" },
	{ "select E'a\\'b''c', e'\\\\', E'a'\n'\\'b'", "select ?, ?, ?" },
	{ "select B'01', X'1f', N'x', U&'\\0061' UESCAPE '!', x 'y'",
	  "select ?, ?, ?, ? UESCAPE ?, x ?" },
	{ "select $$a'b$$, $t$ $$ $t $T$ $t$, $_1$x$_1$", "select ?, ?, ?" },
	{ "select $1, $23+$4, a$b$c, $123456", "select $1, $23 + $4, a$b$c, ?" },
	/* numbers */
	{ "select 1, 1_000, 0x1F, 0b1, 0o7, 1.5, .5, 5., 1e5, 1.5e-10, 1E+3",
	  "select ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?" },
	{ "select 0x1e-5, 1-1, 1 - 1, a-1, a -1, a- 1",
	  "select ? - ?, ? - ?, ? - ?, a - ?, a - ?, a - ?" },
	{ "select -5, +5, - 5, (-5), a=-5, a<-.5, 2*-3, a[-1]",
	  "select ?, ?, ?, (?), a = ?, a < ?, ? * ?, a[?]" },
	{ "select case when -1 then -2 else -3 end limit -4 offset -5",
	  "select case when ? then ? else ? end limit ? offset ?" },
	{ "select -x, - x, -(1), -$1, \"a\"-1, f(1)-1, a @-1, a||-1",
	  "select -x, - x, -(?), -$1, \"a\" - ?, f(?) - ?, a @- ?, a ||- ?" },
	/* casts, typed literals */
	{ "select '1'::int, 1 :: text, DATE '2020-01-01', INTERVAL '1' DAY, timestamptz'x', "
	  "CAST('a' AS text)",
	  "select ?::int, ?::text, DATE ?, INTERVAL ? DAY, timestamptz ?, CAST(? AS text)" },
	{ "select x::numeric(10,2), a[1:2], f(a => 1, b := 2)",
	  "select x::numeric(?, ?), a[?:?], f(a => ?, b:= ?)" },
	/* TRUE, FALSE, NULL */
	{ "select TRUE, a=false, b IS TRUE, c is not false, NULL, d IS NULL, e.true",
	  "select ?, a = ?, b IS TRUE, c is not false, NULL, d IS NULL, e.true" },
	/* names, operators */
	{ "SELECT \"Quoted \"\"id\"\"\", U&\"d\\0061t\", \xc3\xa9t\xc3\xa9 FROM a . b . c",
	  "SELECT \"Quoted \"\"id\"\"\", U&\"d\\0061t\", \xc3\xa9t\xc3\xa9 FROM a.b.c" },
	{ "select count(*), t.*, f (x), a->>'b' #> '{c}', d @> '[]', e ? 'f', g ?| array['h','i']",
	  "select count(*), t.*, f (x), a ->> ? #> ?, d @> ?, e ? ?, g ?| array[?]" },
	{ "select a+/* c /* d */ e */-b--\n, u&x, u &x", "select a + -b, u & x, u & x" },
	{ "select " N63 ", " N63 "d, \"" N63 "\"", "select " N63 ", ?, ?" },
	{ "select \xff, a\xc3, \"a\nb\"", "select ?, ?, ?" },
	/* lists */
	{ "a IN (1, 2, 3) and b not in ('x'), c in (select 1), d in ($1, $2), e in (f, g)",
	  "a IN (?) and b not in (?), c in (select ?), d in ($1, $2), e in (f, g)" },
	{ "a in ('x'::text, 'y'::text, NULL, 1), b in ((1, 2), (3, 4)), c in (-1, +2, 3)",
	  "a in (?::text, ?), b in ((?, ?)), c in (?)" },
	{ "a in (1, $1, 2, 3)", "a in (?, $1, ?)" },
	{ "INSERT INTO t (a, b) VALUES (1, 'a'), (2, NULL), (DEFAULT, -3) RETURNING id",
	  "INSERT INTO t (a, b) VALUES (?) RETURNING id" },
	{ "INSERT INTO t VALUES ($1, $2), ($3, $4)", "INSERT INTO t VALUES ($1, $2), ($3, $4)" },
	{ "INSERT INTO t VALUES (now(), 1, 2), (now(), 3, 4); insert into u values (1)",
	  "INSERT INTO t VALUES (now(), ?); insert into u values (?)" },
	{ "INSERT INTO t DEFAULT VALUES", "INSERT INTO t DEFAULT VALUES" },
	{ "select * from (values (1, 2), (3, 4)) as v(a, b), f(1, 2, 3)",
	  "select * from (values (?)) as v(a, b), f(?, ?, ?)" },
	{ "values (1, (select x from t where y in (1,2))), (2, (select x from t where y in (3)))",
	  "values (?, (select x from t where y in (?)))" },
	{ "select array[[1,2],[3,4]], ARRAY[1,2,3]::int[], '{}'::int[]",
	  "select array[[?, ?]], ARRAY[?]::int[], ?::int[]" },
	/* what holds secrets */
	{ "SET my.var = 'secret'; SET x TO secret, \"secret\"; SET LOCAL y = on; set z to default",
	  "SET my.var = ?; SET x TO ?, ?; SET LOCAL y = ?; set z to ?" },
	{ "ALTER ROLE bob PASSWORD 'secret' VALID UNTIL '2030-01-01'; ALTER ROLE bob SET "
	  "a.b TO secret",
	  "ALTER ROLE bob PASSWORD ? VALID UNTIL ?; ALTER ROLE bob SET a.b TO ?" },
	{ "ALTER TABLE t ALTER c SET DEFAULT 5, RENAME TO u; UPDATE t SET a = b, c = 'd'",
	  "ALTER TABLE t ALTER c SET DEFAULT ?, RENAME TO ?; UPDATE t SET a = b, c = ?" },
	{ "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
	  "SET TRANSACTION ISOLATION LEVEL READ COMMITTED" },
	{ "CREATE USER bob PASSWORD secret; ALTER ROLE bob password \"secret\"; "
	  "ALTER ROLE b PASSWORD NULL",
	  "CREATE USER bob PASSWORD ?; ALTER ROLE bob password ?; ALTER ROLE b PASSWORD NULL" },
	{ "CREATE TABLE t (password text); select password from t",
	  "CREATE TABLE t (password text); select password from t" },
	{ "DO $$ begin perform 'secret'; end $$; DO LANGUAGE plpgsql 'x'",
	  "DO ?; DO LANGUAGE plpgsql ?" },
	{ "CREATE FUNCTION f(a int DEFAULT 5) RETURNS int LANGUAGE sql SET search_path = a, "
	  "b AS $f$ select 'secret' $f$ STABLE",
	  "CREATE FUNCTION f(a int DEFAULT ?) RETURNS int LANGUAGE sql SET search_path = ?, "
	  "? AS ? STABLE" },
	{ "COPY t (a, b) FROM PROGRAM 'secret' WITH (FORMAT csv, DELIMITER ';')",
	  "COPY t (a, b) FROM PROGRAM ? WITH (FORMAT csv, DELIMITER ?)" },
	{ "NOTIFY c, 'secret'; EXECUTE p('secret', 1); CREATE USER MAPPING FOR u SERVER s "
	  "OPTIONS (user 'a', password 'b')",
	  "NOTIFY c, ?; EXECUTE p(?, ?); CREATE USER MAPPING FOR u SERVER s OPTIONS (user "
	  "?, password ?)" },
	/* what does not end, is not certain, or is no SQL */
	{ "select 'abc", "select ? " CUT },
	{ "select E'abc\\'", "select ? " CUT },
	{ "select $a$abc$", "select ? " CUT },
	{ "select $abc", "select " CUT },
	{ "select \"abc", "select " CUT },
	{ "select 1 /* abc", "select ?" },
	{ "select 1 -- abc", "select ?" },
	{ "select '\\\\', 'a\\b', 'a'", "select ?, ?, ?" },
	{ "select 'a\\', secret, 'b'", "select ? " CUT },
	{ "select 'a\\''secret'", "select ? " CUT },
	{ "select E'a' -- c\n'b\\' secret'", "select ? ? " CUT },
	{ "select {secret} from t", "select " CUT },
	{ "select \\secret", "select " CUT },
	{ "'", "? " CUT },
};

static struct bytes bytes_of(const char *text)
{
	return (struct bytes){ (const uint8_t *)text, strlen(text) };
}

static void test_texts(void **state)
{
	static struct shown shown;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		for (size_t piece = 1; piece < 12; piece++) {
			show(&shown, bytes_of(texts[i].sql), piece, 2000, false);
			assert_string_equal(shown.text, texts[i].text);
		}
		show(&shown, bytes_of(texts[i].sql), SIZE_MAX, 2000, false);
		assert_string_equal(shown.text, texts[i].text);
		show(&shown, bytes_of(texts[i].text), SIZE_MAX, 2000, false);
		assert_string_equal(shown.text, texts[i].text);
	}
}

/* Where the server has said how it reads backslashes nothing need be left out. */
static void test_conforming(void **state)
{
	static struct shown shown;

	(void)state;
	show(&shown, BYTES("select a like $1 escape '\\' and b = 'c'"), SIZE_MAX, 2000, true);
	assert_string_equal(shown.text, "select a like $1 escape ? and b = ?");
	show(&shown, BYTES("select E'a' -- c\n'b\\' secret'"), SIZE_MAX, 2000, true);
	assert_string_equal(shown.text, "select ? ? " CUT);
}

static void test_room(void **state)
{
	static const char sql[] =
		"SELECT alpha, beta FROM gamma WHERE delta IN (1, 2, 3) AND x = 'y'";
	static struct shown whole, shown, again;

	(void)state;
	show(&whole, BYTES("SELECT alpha, beta FROM gamma WHERE delta IN (?) AND x = ?"), SIZE_MAX,
	     2000, false);
	for (size_t room = 8; room < 100; room++) {
		size_t size;

		show(&shown, BYTES(sql), SIZE_MAX, room, false);
		size = strlen(shown.text);
		assert_true(size <= room);
		if (!strcmp(shown.text, whole.text))
			continue;
		assert_true(room < strlen(whole.text) + 12);
		assert_string_equal(shown.text + size - 3, CUT);
		show(&again, bytes_of(shown.text), SIZE_MAX, room, false);
		assert_string_equal(shown.text, again.text);
	}
	assert_string_equal(shown.text, whole.text);
}

/* ---- nothing leaks ---- */

/* Every form of literal and comment, each with the mark SECRET or 90210. */
static const char *const secrets[] = {
	"'SECRET'",
	"'it''s SECRET'",
	"'a'\n  'SECRET'",
	"E'\\'SECRET\\\\'",
	"e'a''SECRET\\''",
	"E'a'\n'\\'SECRET'",
	"U&'\\0053SECRET'",
	"B'90210'",
	"x'90210'",
	"N'SECRET'",
	"$$SECRET$$",
	"$t$SECRET $$ $t SECRET $T$ $t$",
	"90210",
	"90210.5",
	".90210",
	"1.90210e-7",
	"1e90210",
	"0x90210",
	"1_90210",
	"-90210",
	"DATE 'SECRET'",
	"'SECRET'::text",
	"/* SECRET /* SECRET */ */ 1",
	"1 -- SECRET 90210 '\n",
	"'\xc3\xa9 SECRET \xff'",
	"'SECRET;--/*$$'",
	"$a$'SECRET$a$",
	"E'SECRET'||'SECRET'",
};

static const char *const places[] = {
	"SELECT %s, %s FROM t WHERE a = %s AND b IN (%s, %s, %s) LIMIT %s",
	"INSERT INTO t (a, b) VALUES (%s, %s), (%s, %s), (f(%s), now())",
	"UPDATE t SET a = %s, b=%s,c=-%s WHERE d>%s RETURNING %s",
	"DELETE FROM t USING u WHERE (%s) = ANY (ARRAY[%s,%s]) OR x->>%s=%s",
	"SET x = %s; SET LOCAL y TO %s; SET z = SECRET; SET w TO a, SECRET",
	"ALTER ROLE r WITH PASSWORD %s; ALTER DATABASE d SET e.f = SECRET; ALTER SYSTEM SET "
	"g TO %s",
	"DO %s; CREATE FUNCTION f() RETURNS text AS %s LANGUAGE sql",
	"COPY t FROM %s WITH (NULL %s); CREATE SUBSCRIPTION s CONNECTION %s PUBLICATION p",
	"WITH a AS (SELECT %s) SELECT CASE WHEN %s THEN %s ELSE %s END FROM a, LATERAL "
	"f(%s, b => %s)",
	"SELECT substring(a FROM %s FOR %s), \"quoted\"%s, a[%s:%s], b::numeric(%s,%s), c "
	"LIKE %s ESCAPE %s",
	"EXECUTE p(%s,%s);NOTIFY c,%s;EXPLAIN SELECT a BETWEEN %s AND %s",
	"%s %s",
	"SELECT(%s)FROM t WHERE a=%s/%s*%s",
};

static void fill(char *sql, size_t size, unsigned int *random)
{
	const char *place = places[(size_t)rand_r(random) % (sizeof(places) / sizeof(places[0]))];
	size_t used = 0;

	for (; *place && used < size - 100; place++) {
		if (place[0] != '%') {
			sql[used++] = *place;
			continue;
		}
		place++;
		used += snprintf(
			sql + used, size - used, "%s",
			secrets[(size_t)rand_r(random) % (sizeof(secrets) / sizeof(secrets[0]))]);
	}
	sql[used] = '\0';
}

static void check(const char *sql, size_t size, size_t piece, size_t room)
{
	static struct shown shown, again;
	struct bytes text = { (const uint8_t *)sql, size };

	show(&shown, text, piece, room, false);
	if (strcasestr(shown.text, "SECR") || strstr(shown.text, "021") ||
	    strcasestr(shown.summary, "SECR") || strstr(shown.summary, "021"))
		fail_msg("%.*s\n%s\n%s", (int)size, sql, shown.text, shown.summary);
	show(&again, bytes_of(shown.text), SIZE_MAX, room, false);
	if (strcmp(shown.text, again.text) != 0)
		fail_msg("%.*s\n%s\n%s", (int)size, sql, shown.text, again.text);
}

static void test_secrets(void **state)
{
	static char sql[4096];
	unsigned int random = 1;

	(void)state;
	for (int round = 0; round < 1500; round++) {
		size_t size;

		fill(sql, sizeof(sql), &random);
		size = strlen(sql);
		check(sql, size, SIZE_MAX, 4000);
		check(sql, size, 1 + rand_r(&random) % 7, 8 + rand_r(&random) % 200);
		for (size_t cut = 0; cut < size; cut++)
			check(sql, cut, SIZE_MAX, 4000);
	}
}

/* ---- summaries ---- */

static const struct {
	const char *sql, *summary;
} summaries[] = {
	{ "", "" },
	{ "SELECT * FROM wuser_table WHERE username = 'x'", "SELECT wuser_table" },
	{ "INSERT INTO shipping_details (order_id, address) SELECT order_id, address FROM orders",
	  "INSERT shipping_details SELECT orders" },
	{ "select * from songs, artists WHERE songs.artist_id = artists.id",
	  "SELECT songs artists" },
	{ "SELECT a FROM (SELECT * FROM orders o JOIN customers c ON o.c = c.d)",
	  "SELECT SELECT orders customers" },
	{ "SELECT * FROM \"song list\", public.artists a, x . y . z",
	  "SELECT \"song list\" public.artists x.y.z" },
	{ "select extract(year from ts), substring(a from 2), a is distinct from b from t "
	  "for update of t",
	  "SELECT t" },
	{ "select * from a left join only b using (x), c where d in (select e from f, g), h",
	  "SELECT a b c SELECT f g" },
	{ "select * from generate_series(1, 2) g, unnest(x), lateral h(1), t", "SELECT t" },
	{ "((select 1 from a) union (select 2 from b)) order by 1", "SELECT a SELECT b" },
	{ "update only t set a = 1, b = 2 from u where t.x = u.y returning a", "UPDATE t u" },
	{ "delete from t using u where 1=1; begin; end", "DELETE t u BEGIN COMMIT" },
	{ "with a as (select 1 from t), b as (delete from c returning *) insert into d "
	  "select * from a, b",
	  "SELECT t DELETE c INSERT d SELECT a b" },
	{ "merge into t using s on t.a = s.a when matched then update set x = 1 when not "
	  "matched then insert values (1)",
	  "MERGE t s" },
	{ "insert into t values (1) on conflict (a) do update set b = 2", "INSERT t" },
	{ "values (1); table t", "SELECT SELECT t" },
	{ "create temp table if not exists foo.bar (a int references x)", "CREATE TABLE foo.bar" },
	{ "create unique index concurrently i on t (a); drop table a, b; alter table only c "
	  "add d int",
	  "CREATE INDEX t DROP TABLE a b ALTER TABLE c" },
	{ "truncate a, b; lock table c in share mode; call p(1); copy t (a) from stdin; "
	  "copy (select * from z) to stdout",
	  "TRUNCATE a b LOCK c CALL p COPY t COPY SELECT z" },
	{ "grant select, insert on t to secret; alter role bob password 'x'; set x = secret",
	  "GRANT ALTER SET" },
	{ "explain analyze select * from t; declare c cursor for select * from t",
	  "EXPLAIN SELECT t DECLARE SELECT t" },
	{ "select 'a\\' from secret, 'b' from t", "SELECT" },
	{ "select {a} from t", "SELECT" },
	{ "savepoint secret; 'x' secret; frobnicate secret; listen secret",
	  "SAVEPOINT OTHER LISTEN" },
	{ "select * from a. 'x', b.; select * from \"" N63 "\", \xff, t", "SELECT SELECT t" },
};

static void test_summaries(void **state)
{
	static struct shown shown;

	(void)state;
	for (size_t i = 0; i < sizeof(summaries) / sizeof(summaries[0]); i++) {
		for (size_t piece = 1; piece < 12; piece++) {
			show(&shown, bytes_of(summaries[i].sql), piece, 2000, false);
			assert_string_equal(shown.summary, summaries[i].summary);
		}
		show(&shown, bytes_of(summaries[i].sql), SIZE_MAX, 2000, false);
		assert_string_equal(shown.summary, summaries[i].summary);
	}
}

/* As many whole names as there is room for. */
static void test_summary_room(void **state)
{
	static struct shown shown;
	static char sql[4096];
	size_t used = sprintf(sql, "SELECT 1 FROM t00");

	(void)state;
	for (int i = 1; i < 100; i++)
		used += sprintf(sql + used, ", t%02d", i);
	show(&shown, bytes_of(sql), SIZE_MAX, 2000, false);
	assert_int_equal(strlen(shown.summary), 6 + 62 * 4);
	assert_string_equal(shown.summary + 6 + 61 * 4, " t61");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),	  cmocka_unit_test(test_conforming),
		cmocka_unit_test(test_room),	  cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_summaries), cmocka_unit_test(test_summary_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
