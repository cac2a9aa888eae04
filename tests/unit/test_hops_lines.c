/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames whose heads are lines (struct slot): chunks of HTTP, hopped over as the kernel side does
 * it. What is counted is the same, however the calls cut them; what is told is little.
 */
#include <stdio.h>

#include "hops.h"

#define CHUNKED "Transfer-Encoding: chunked\r\n\r\n"

static void put(const char *bytes)
{
	assert_true(size + strlen(bytes) < ROOM);
	size += (size_t)sprintf(text + size, "%s", bytes);
}

static void put_chunk(const char *format, unsigned int length)
{
	assert_true(size + length + 64 < ROOM);
	size += (size_t)sprintf(text + size, format, length);
	memset(text + size, 'x', length);
	size += length;
	put("\r\n");
}

static void expect_end(unsigned int counted, uint64_t answered)
{
	expect_answered(counted, answered);
	assert_int_equal(newest(SERVER)->code, 200);
	assert_int_equal(errors(), 0);
}

static void put_body(const char *format)
{
	for (unsigned int n = 0; n < 200; n++)
		put_chunk(format, 1 + n * 7 % 190);
	put_chunk(format, 20000);
	for (unsigned int n = 0; n < 100; n++)
		put_chunk(format, 1 + n % 3);
}

/* Answers and requests, whatever the lines look like and wherever calls end. */
static void test_chunks(void **state)
{
	static const char *const lines[] = { "%x\r\n", "%X\r\n", "%07x\r\n" };
	static const size_t calls[] = { 1, 2, 3, 4, 5, 6, 7, 11, 64, 100, 1000, 4099, 8192 };
	unsigned int counted = 1;
	uint64_t answered;

	(void)state;
	duo_begin(GET, OK);
	for (unsigned int i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		put("POST /a HTTP/1.1\r\n" CHUNKED);
		put_body(lines[i % 3]);
		put("0\r\n\r\n");
		say(CLIENT, calls[i]);
		put("HTTP/1.1 200 OK\r\n" CHUNKED);
		put_body(lines[i % 3]);
		put("0\r\nSum: 1\r\n\r\n");
		answered = say(SERVER, calls[i]);
		expect_end(++counted, answered);
	}
	duo_close_both();
	expect_counts(counted, counted);
}

/* A chunk with each call: nothing is told of those but that they were read. */
static void test_little_is_told(void **state)
{
	uint64_t before, answered;

	(void)state;
	duo_begin(GET, OK);
	duo_send(CLIENT, GET);
	duo_read(SERVER, GET);
	put("HTTP/1.1 200 OK\r\n" CHUNKED);
	say(SERVER, ROOM);
	before = records();
	for (unsigned int n = 0; n < 500; n++) {
		put_chunk("%x\r\n", 1000);
		say(SERVER, ROOM);
	}
	assert_in_range(records() - before, 1, 506);
	put("0\r\n\r\n");
	answered = say(SERVER, ROOM);
	expect_end(2, answered);
	duo_close_both();
	expect_counts(2, 2);
}

/* Lines that are not hopped over are told of, and what follows is again. */
static void test_extensions(void **state)
{
	uint64_t answered;

	(void)state;
	duo_begin(GET, OK);
	duo_send(CLIENT, GET);
	duo_read(SERVER, GET);
	put("HTTP/1.1 200 OK\r\n" CHUNKED);
	for (unsigned int n = 0; n < 300; n++)
		put_chunk(n % 20 ? "%x\r\n" : "%x;name=value\r\n", 300);
	put("0\r\n\r\n");
	answered = say(SERVER, 350);
	expect_end(2, answered);
	duo_close_both();
	expect_counts(2, 2);
}

/* Calls whose bytes are not at hand: it is tried a few times, then not any more. */
static void test_in_vain(void **state)
{
	uint64_t before;

	(void)state;
	duo_begin(GET, OK);
	duo_send(CLIENT, GET);
	duo_read(SERVER, GET);
	put("HTTP/1.1 200 OK\r\n" CHUNKED);
	put_chunk("%x\r\n", 10);
	say(SERVER, ROOM);
	for (unsigned int n = 0; n < 40; n++) {
		before = records();
		put_chunk("%x;name=value\r\n", 10);
		say(SERVER, ROOM);
		assert_in_range(records() - before, 1, n < 8 ? 3 : 2);
	}
	duo_close_both();
	expect_aborted(1, 1);
}

/* Whoever leaves in the middle has left a request without an answer, and no bytes are missing. */
static void test_left(void **state)
{
	(void)state;
	for (size_t call = 1; call < 110; call++) {
		duo_anew(1);
		duo_send(CLIENT, GET);
		duo_read(SERVER, GET);
		put("HTTP/1.1 200 OK\r\n" CHUNKED);
		for (unsigned int n = 0; n < 20; n++)
			put_chunk("%x\r\n", 100);
		say(SERVER, call);
		duo_close_both();
		expect_counts(2, 2);
		expect_aborted(1, 1);
		assert_int_equal(gaps() + errors(), 0);
	}
}

/* The record that tells where the hop ended is lost: nothing is taken for what it is not. */
static void test_lost(void **state)
{
	(void)state;
	duo_begin(GET, OK);
	duo_send(CLIENT, GET);
	duo_read(SERVER, GET);
	put("HTTP/1.1 200 OK\r\n" CHUNKED);
	put_body("%x\r\n");
	say(SERVER, 100);
	put("0\r\n\r\n");
	wire.ends[SERVER].loses = true;
	say(SERVER, 3);
	wait_ms(300);
	assert_true(gaps() > 0);
	for (unsigned int i = 0; i < 12; i++) {
		duo_turn(GET, OK);
		wait_ms(1);
	}
	duo_close_both();
	assert_in_range(count[SERVER], 2, 14);
	assert_int_equal(outcomes(SERVER, 0, OUTCOME_ABORTED), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DUO(test_chunks),  DUO(test_little_is_told), DUO(test_extensions),
		DUO(test_in_vain), DUO(test_left),	     DUO(test_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
