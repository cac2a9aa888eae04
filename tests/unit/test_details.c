/* SPDX-License-Identifier: Apache-2.0 */
/* What parsers tell of requests where details are wanted, and that they tell nothing where not. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "details.h"
#include "proto/http1_details.h"
#include "proto/queries.h"
#include "protocol.h"
#include "wanted.h"

extern const struct protocol http1_protocol, postgres_protocol, redis_protocol;

/* One connection: what is left of each lane, and what was told. */
static struct talk {
	const struct protocol *protocol;
	uint64_t state[1024];
	uint8_t held[2][32768];
	size_t size[2], skip[2];
	struct expect expect;
	size_t piece;
	char log[16384];
	size_t used;
} talk;

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	talk.used +=
		vsnprintf(talk.log + talk.used, sizeof(talk.log) - talk.used, format, arguments);
	va_end(arguments);
	assert_true(talk.used < sizeof(talk.log));
}

static void note_bytes(const char *name, struct bytes text)
{
	if (text.size)
		note(" %s=%.*s", name, (int)text.size, (const char *)text.data);
}

static void note_details(const struct details *details)
{
	note("details 1.%u", details->minor);
	note_bytes("scheme", details->scheme);
	note_bytes("authority", details->authority);
	note_bytes("agent", details->agent);
	if (details->context.valid)
		note(" trace=%02x..%02x parent=..%02x flags=%u", details->context.trace_id[0],
		     details->context.trace_id[15], details->context.parent_id[7],
		     details->context.flags);
	note_bytes("state", details->state);
	note("\n");
}

static void note_message(const struct message *message)
{
	struct query query;

	if (message->role == MESSAGE_DETAILS) {
		note_details(message->details);
		return;
	}
	if (!message->query)
		return;
	assert_true(queries_get(message->query, &query));
	note("%s%.*s", message->role == MESSAGE_RESPONSE ? "error " : "", (int)query.text.size,
	     (const char *)query.text.data);
	note_bytes("|", query.summary);
	note("\n");
}

static void begin(const struct protocol *protocol, size_t piece)
{
	memset(&talk, 0, sizeof(talk));
	talk.protocol = protocol;
	talk.piece = piece;
	assert_true(protocol->state_size <= sizeof(talk.state));
	protocol->init(talk.state, false);
}

/* All steps that the bytes at hand allow. */
static void run(enum lane lane)
{
	for (;;) {
		size_t skip = talk.skip[lane] < talk.size[lane] ? talk.skip[lane] : talk.size[lane];
		struct message message = { 0 };
		size_t used = 0, gone;
		enum parse_status status;
		uint8_t *copy;

		talk.size[lane] -= skip;
		talk.skip[lane] -= skip;
		memmove(talk.held[lane], talk.held[lane] + skip, talk.size[lane]);
		if (talk.skip[lane])
			return;
		copy = malloc(talk.size[lane] + 1);
		memcpy(copy, talk.held[lane], talk.size[lane]);
		status = talk.protocol->parse(talk.state, lane,
					      (struct bytes){ copy, talk.size[lane] }, &talk.expect,
					      &used, &message);
		assert_int_not_equal(status, PARSE_LOST);
		if (status == PARSE_MESSAGE)
			note_message(&message);
		free(copy);
		if (status == PARSE_NEED_MORE || status == PARSE_WAIT)
			return;
		gone = used < talk.size[lane] ? used : talk.size[lane];
		talk.size[lane] -= gone;
		talk.skip[lane] = used - gone;
		memmove(talk.held[lane], talk.held[lane] + gone, talk.size[lane]);
		if (lane == LANE_RESPONSE && status == PARSE_MESSAGE)
			return; /* what waits now is the test's */
	}
}

static void send(enum lane lane, const void *data, size_t size)
{
	for (size_t at = 0; at < size; at += talk.piece) {
		size_t part = size - at < talk.piece ? size - at : talk.piece;

		assert_true(talk.size[lane] + part <= sizeof(talk.held[lane]));
		memcpy(talk.held[lane] + talk.size[lane], (const uint8_t *)data + at, part);
		talk.size[lane] += part;
		run(lane);
		if (talk.piece > size)
			break;
	}
}

#define REQUEST(text) send(LANE_REQUEST, "" text, sizeof(text) - 1)
#define RESPONSE(text) send(LANE_RESPONSE, "" text, sizeof(text) - 1)

/* ---- PostgreSQL ---- */

/* A message of a type and a body of up to three strings and some bytes. */
static void pg(enum lane lane, char type, const char *body, size_t size)
{
	uint8_t message[20000];
	size_t total = size + 4, at = type != 0;

	message[0] = type;
	for (int i = 0; i < 4; i++)
		message[at + i] = total >> (24 - 8 * i);
	memcpy(message + at + 4, body, size);
	send(lane, message, at + 4 + size);
}

#define PG(type, body) pg(LANE_REQUEST, type, "" body, sizeof(body) - 1)
#define PG_ANSWER(type, body) pg(LANE_RESPONSE, type, "" body, sizeof(body) - 1)

static void pg_begin(size_t piece)
{
	begin(&postgres_protocol, piece);
	PG(0, "\0\3\0\0user\0bob\0database\0shop\0\0");
}

static const size_t pieces[] = { SIZE_MAX / 2, 1, 2, 3, 7, 30 };
#define EACH_PIECE for (size_t p = 0; p < sizeof(pieces) / sizeof(pieces[0]); p++)

static void test_postgres(void **state)
{
	(void)state;
	EACH_PIECE
	{
		pg_begin(pieces[p]);
		if (p) { /* what is not at hand at once is not known */
			talk.used = 0;
			note("shop\n");
		}
		PG('Q', "select * from t where a = 'secret'\0");
		PG('P', "s1\0insert into u values (1, 'secret'), (2, 'x')\0\0\0");
		PG('P', "\0update v set a = $1\0\0\0");
		PG('B', "\0s1\0\0\0\0\0\0\0");
		PG('D', "P\0");
		PG('E', "\0\0\0\0\0");
		PG('B', "p\0\0\0\0\0\0\0\0");
		PG('E', "p\0\0\0\0\0");
		PG('E', "\0\0\0\0\0");
		PG('E', "nobody\0\0\0\0\0");
		PG('C', "Ss1\0");
		PG('S', "");
		PG('P', "s1\0select 2\0\0\0");
		PG('B', "\0s1\0\0\0\0\0\0\0");
		PG('E', "\0\0\0\0\0");
		assert_string_equal(talk.log, "shop\n"
					      "select * from t where a = ? |=SELECT t\n"
					      "insert into u values (?) |=INSERT u\n"
					      "update v set a = $1 |=UPDATE v\n"
					      "insert into u values (?) |=INSERT u\n"
					      "insert into u values (?) |=INSERT u\n"
					      "insert into u values (?) |=INSERT u\n"
					      "update v set a = $1 |=UPDATE v\n"
					      "update v set a = $1 |=UPDATE v\n"
					      "insert into u values (?) |=INSERT u\n"
					      "select ? |=SELECT\n"
					      "select ? |=SELECT\n"
					      "select ? |=SELECT\n");
	}
}

/* Of texts longer than what is read only what was read is shown. */
static void test_long(void **state)
{
	static char text[18000];

	(void)state;
	EACH_PIECE
	{
		memset(text, ' ', sizeof(text));
		memcpy(text, "select a, '", 11);
		pg_begin(pieces[p]);
		talk.used = 0;
		pg(LANE_REQUEST, 'Q', text, sizeof(text));
		memset(text + 1, ' ', sizeof(text) - 1);
		memcpy(text + 1, "select b", 8);
		memcpy(text + 17000, "secret", 6);
		text[0] = '\0';
		text[sizeof(text) - 3] = text[sizeof(text) - 2] = text[sizeof(text) - 1] = '\0';
		pg(LANE_REQUEST, 'P', text, sizeof(text));
		PG('Q', "select 1\0");
		assert_string_equal(talk.log, "select a, \xe2\x80\xa6 |=SELECT\n"
					      "select b \xe2\x80\xa6 |=SELECT\n"
					      "select ? |=SELECT\n");
	}
}

/* What is shown of two long texts may be the same: each has its own summary. */
static void test_long_alike(void **state)
{
	static char one[4000], two[4000];
	size_t size = 0;

	(void)state;
	size += (size_t)snprintf(one, sizeof(one), "select a");
	while (size < 2100)
		size += (size_t)snprintf(one + size, sizeof(one) - size, ", t.a%zu", size);
	memcpy(two, one, size);
	snprintf(one + size, sizeof(one) - size, " from one");
	snprintf(two + size, sizeof(two) - size, " from two");
	pg_begin(SIZE_MAX / 2);
	for (int i = 0; i < 2; i++) {
		talk.used = 0;
		pg(LANE_REQUEST, 'Q', one, strlen(one) + 1);
		assert_string_equal(strstr(talk.log, " |="), " |=SELECT one\n");
		talk.used = 0;
		pg(LANE_REQUEST, 'Q', two, strlen(two) + 1);
		assert_string_equal(strstr(talk.log, " |="), " |=SELECT two\n");
	}
}

static void test_conforming(void **state)
{
	(void)state;
	pg_begin(SIZE_MAX / 2);
	talk.used = 0;
	talk.expect.waiting = true;
	PG('Q', "select '\\', 'a'\0");
	PG_ANSWER('S', "standard_conforming_strings\0on\0");
	PG('Q', "select '\\', 'a'\0");
	PG('Q', "set Standard_Conforming_Strings = off; select '\\', 'a'\0");
	PG('Q', "select '\\', 'a'\0");
	PG_ANSWER('S', "standard_conforming_strings\0on\0");
	PG('Q', "set \"Standard_conforming_strings\" to off\0");
	PG('Q', "select '\\' secret'\0");
	PG_ANSWER('S', "standard_conforming_strings\0on\0");
	PG('Q', "select set_config('standard_conforming_strings', 'off', true)\0");
	PG('Q', "select '\\' secret'\0");
	PG_ANSWER('S', "standard_conforming_strings\0off\0");
	PG('Q', "select '\\', 'a'\0");
	assert_string_equal(
		talk.log,
		"select ? \xe2\x80\xa6 |=SELECT\n"
		"select ?, ? |=SELECT\n"
		"set Standard_Conforming_Strings = ?; select ? \xe2\x80\xa6 |=SET SELECT\n"
		"select ? \xe2\x80\xa6 |=SELECT\n"
		"set \"Standard_conforming_strings\" to ? |=SET\n"
		"select ? \xe2\x80\xa6 |=SELECT\n"
		"select set_config(?, ?, ?) |=SELECT\n"
		"select ? \xe2\x80\xa6 |=SELECT\n"
		"select ? \xe2\x80\xa6 |=SELECT\n");
}

static void test_postgres_error(void **state)
{
	(void)state;
	pg_begin(SIZE_MAX / 2);
	talk.used = 0;
	talk.expect.waiting = true;
	talk.expect.tag = 6; /* Execute */
	PG_ANSWER('E', "SERROR\0VERROR\0C23505\0Mduplicate key secret\0\0");
	assert_string_equal(talk.log, "error 23505\n");
}

/* ---- Redis ---- */

static void test_redis(void **state)
{
	(void)state;
	begin(&redis_protocol, SIZE_MAX / 2);
	REQUEST("*2\r\n$3\r\nGET\r\n$9\r\nuser:4711\r\n");
	REQUEST("*3\r\n$3\r\nset\r\n$12\r\nsession:a1b2\r\n$6\r\nsecret\r\n");
	REQUEST("*2\r\n$4\r\nAUTH\r\n$5\r\ntoken\r\n");
	REQUEST("*2\r\n$4\r\nECHO\r\n$5\r\ntoken\r\n");
	REQUEST("*3\r\n$7\r\nPUBLISH\r\n$5\r\ntoken\r\n$1\r\nx\r\n");
	REQUEST("*3\r\n$6\r\nCONFIG\r\n$3\r\nSET\r\n$5\r\ntoken\r\n");
	REQUEST("*1\r\n$4\r\nPING\r\n");
	REQUEST("*2\r\n$6\r\nSECRET\r\n$5\r\ntoken\r\n");
	REQUEST("get cart:alice\r\n");
	REQUEST("del 'order:1' order:2\r\n");
	REQUEST("get cache:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
	REQUEST("ping token\r\n");
	assert_string_equal(talk.log, "GET user:? |=GET\n"
				      "SET session:? |=SET\n"
				      "GET cart:? |=GET\n"
				      "DEL order:? |=DEL\n"
				      "GET ? |=GET\n");
	/* A key that is not at hand as a whole is not shown; what follows is. */
	begin(&redis_protocol, 9);
	REQUEST("*2\r\n$3\r\nGET\r\n$9\r\nuser:4711\r\n");
	assert_string_equal(talk.log, "GET ? |=GET\n");
}

static void test_redis_error(void **state)
{
	(void)state;
	begin(&redis_protocol, SIZE_MAX / 2);
	talk.expect.waiting = true;
	RESPONSE("-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
	RESPONSE("-ERR unknown command 'secret'\r\n");
	RESPONSE("-secret\r\n");
	RESPONSE("-SECRET1 x\r\n");
	RESPONSE("+OK\r\n");
	assert_string_equal(talk.log, "error WRONGTYPE\nerror ERR\n");
}

/* ---- HTTP ---- */

#define CONTEXT "00-12345678901234567890123456789012-1234567890123456-01"

static void test_http(void **state)
{
	(void)state;
	EACH_PIECE
	{
		begin(&http1_protocol, pieces[p]);
		REQUEST("GET /a?secret HTTP/1.1\r\nHost: shop.example:8080\r\nUser-Agent: "
			"curl/8\r\n"
			"Cookie: secret\r\nAuthorization: secret\r\nX-Traceparent: x\r\n"
			"TraceParent: " CONTEXT "\r\ntracestate: a=1\r\nTRACESTATE:b=2 \r\n\r\n");
		REQUEST("POST http://bob:secret@Other:81/x HTTP/1.0\r\nHost: shop\r\n"
			"Content-Length: 30\r\n\r\nHost: secret\r\ntraceparent: xxx\n");
		REQUEST("GET / HTTP/1.1\r\ntraceparent: " CONTEXT "\r\ntraceparent: " CONTEXT "\r\n"
			"Host: a\r\nHost: b\r\n\r\n");
		REQUEST("GET / HTTP/1.1\nhost:\t[::1]:80 \nuser-agent: a\n b\ntraceparent: " CONTEXT
			"\n 1\ntracestate: x=y\n\n");
		REQUEST("GET / HTTP/1.1\r\nHost: a<b>\r\nUser-Agent: \xff\r\ntracestate: x=y\r\n"
			"traceparent:" CONTEXT "\r\n\r\n");
		assert_string_equal(
			talk.log,
			"details 1.1 authority=shop.example:8080 agent=curl/8 trace=12..12 "
			"parent=..56 flags=1 state=a=1,b=2\n"
			"details 1.0 scheme=http authority=Other:81\n"
			"details 1.1\n"
			"details 1.1 authority=[::1]:80\n"
			"details 1.1 trace=12..12 parent=..56 flags=1 state=x=y\n");
	}
}

/* Heads that are under way on more connections than there are drafts. */
static void test_drafts(void **state)
{
	uint32_t first = http1_details_begin(BYTES("GET / HTTP/1.1"), BYTES("/"));
	uint32_t second = http1_details_begin(BYTES("GET / HTTP/1.1"), BYTES("/"));
	uint32_t last = 0;

	(void)state;
	for (int i = 0; i < DRAFTS - 1; i++) {
		last = http1_details_begin(BYTES("GET / HTTP/1.1"), BYTES("/"));
		http1_details_line(last, BYTES("Host: last"), true);
	}
	http1_details_line(first, BYTES("Host: first"), true);
	assert_null(http1_details_end(first));
	assert_non_null(http1_details_end(second));
	assert_null(http1_details_end(second));
	assert_memory_equal(http1_details_end(last)->authority.data, "last", 4);
	assert_int_equal(details_store.requests.stolen, 1);
	for (int i = 0; i < 1000; i++)
		http1_details_end(http1_details_begin(BYTES("GET / HTTP/1.1"), BYTES("/")));
	assert_int_equal(details_store.requests.stolen, 1);
}

/* ---- the store ---- */

static uint32_t put(unsigned int i, size_t size)
{
	char text[2000];
	struct query query = { .text = { (uint8_t *)text, size }, .summary = BYTES("S") };

	memset(text, 'x', sizeof(text));
	snprintf(text, sizeof(text), "%07u", i);
	return queries_put(&query);
}

/* A span shows a text some time after it was put: those put last are there, however many came. */
static void test_store_newest(void **state)
{
	enum { WAIT = QUERIES_LIMIT / 4 };
	uint32_t numbers[WAIT] = { 0 };
	struct query query;

	(void)state;
	for (unsigned int i = 0; i < 5 * QUERIES_LIMIT; i++) {
		if (i >= WAIT)
			assert_true(queries_get(numbers[i % WAIT], &query));
		numbers[i % WAIT] = put(i, 20);
	}
}

static void test_store(void **state)
{
	uint32_t numbers[3 * QUERIES_LIMIT];
	struct query query;
	unsigned int known = 0;

	(void)state;
	assert_false(queries_get(0, &query));
	assert_int_equal(put(0, 0), QUERY_NONE);
	for (unsigned int i = 0; i < 3 * QUERIES_LIMIT; i++) {
		numbers[i] = put(i, 20);
		assert_int_not_equal(numbers[i], QUERY_NONE);
		if (i % 64 == 1)
			assert_int_equal(put(i, 20), numbers[i]);
		/* What is asked for again and again stays. */
		assert_true(queries_get(numbers[0], &query));
	}
	for (unsigned int i = 0; i < 3 * QUERIES_LIMIT; i++) {
		char text[8];

		if (!queries_get(numbers[i], &query))
			continue;
		known++;
		snprintf(text, sizeof(text), "%07u", i);
		assert_memory_equal(query.text.data, text, 7);
		assert_int_equal(query.text.size, 20);
		assert_memory_equal(query.summary.data, "S", 1);
	}
	assert_int_equal(known, QUERIES_LIMIT);
	assert_int_equal(queries_counts().forgotten, 2 * QUERIES_LIMIT);
	/* Long ones make room by bytes, of which there are few. */
	for (unsigned int i = 0; i < 3 * QUERIES_LIMIT; i++)
		numbers[i] = put(i, 1999);
	known = 0;
	for (unsigned int i = 0; i < 3 * QUERIES_LIMIT; i++)
		known += queries_get(numbers[i], &query);
	assert_in_range(known, QUERIES_MEMORY / 2000 - 2, QUERIES_MEMORY / 2000);
}

static void test_names(void **state)
{
	uint32_t session = queries_session(), other = queries_session();
	unsigned int known = 0;

	(void)state;
	assert_int_not_equal(session, other);
	queries_name(session, 1, 11);
	queries_name(other, 1, 12);
	assert_int_equal(queries_named(session, 1), 11);
	assert_int_equal(queries_named(other, 1), 12);
	assert_int_equal(queries_named(other, 2), QUERY_NONE);
	queries_name(session, 1, 13);
	assert_int_equal(queries_named(session, 1), 13);
	queries_name(session, 1, QUERY_NONE);
	assert_int_equal(queries_named(session, 1), QUERY_NONE);
	for (uint32_t i = 1; i <= QUERIES_NAMES / 2; i++)
		queries_name(session, i, i);
	for (uint32_t i = 1; i <= QUERIES_NAMES / 2; i++) {
		uint32_t query = queries_named(session, i);

		assert_true(query == i || query == QUERY_NONE);
		known += query == i;
	}
	assert_in_range(known, QUERIES_NAMES / 2 * 95 / 100, QUERIES_NAMES / 2);
	assert_int_equal(queries_counts().renamed, QUERIES_NAMES / 2 - known);
}

/* ---- not wanted ---- */

static void test_unwanted(void **state)
{
	(void)state;
	assert_false(details_wanted());
	pg_begin(SIZE_MAX / 2);
	PG('Q', "select 1\0");
	PG('P', "s1\0select 1\0\0\0");
	PG('B', "\0s1\0\0\0\0\0\0\0");
	PG('E', "\0\0\0\0\0");
	assert_string_equal(talk.log, "");
	begin(&redis_protocol, SIZE_MAX / 2);
	REQUEST("get user:1\r\n");
	assert_string_equal(talk.log, "");
	begin(&http1_protocol, SIZE_MAX / 2);
	REQUEST("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_string_equal(talk.log, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WANTED(test_postgres),
		WANTED(test_long),
		WANTED(test_conforming),
		WANTED(test_redis),
		WANTED(test_http),
		WANTED(test_postgres_error),
		WANTED(test_redis_error),
		WANTED(test_drafts),
		WANTED(test_store),
		WANTED(test_store_newest),
		WANTED(test_names),
		WANTED(test_long_alike),
		cmocka_unit_test(test_unwanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
