/* SPDX-License-Identifier: Apache-2.0 */
/* An exchange has the same number at both ends, from the first one on, followed as one or not. */
#include "duo.h"

#define POST "POST /a HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi"

static void test_first(void **state)
{
	(void)state;
	duo_open(0, 0);
	for (unsigned int i = 0; i < 5; i++) {
		duo_turn(i & 1 ? POST : GET, OK);
		duo_look();
		expect_counts(1 + i, 1 + i);
		expect_both(0);
	}
	assert_true(is_duet());
	duo_close_both();
}

/* The server's end has its slot with its first call. */
static void test_server_found_later(void **state)
{
	(void)state;
	wire_open(&wire, CLIENT, now += STEP, 0);
	duo_send(CLIENT, GET);
	wire_open(&wire, SERVER, now += STEP, 0);
	duo_read(SERVER, GET);
	duo_send(SERVER, OK);
	duo_read(CLIENT, OK);
	expect_counts(1, 1);
	expect_both(0);
	duo_close_both();
}

/* Which of them is told of first does not matter. */
static void test_client_told_first(void **state)
{
	(void)state;
	duo_open(0, 0);
	duo_send(CLIENT, GET GET);
	duo_read(SERVER, GET GET);
	wire.ends[SERVER].slow = true;
	duo_send(SERVER, OK);
	duo_read(CLIENT, OK);
	expect_counts(1, 0);
	wire.ends[SERVER].slow = false;
	wire_return(&wire, SERVER);
	expect_counts(1, 1);
	duo_send(SERVER, OK);
	duo_read(CLIENT, OK);
	expect_counts(2, 2);
	expect_both(0);
	duo_close_both();
}

/* The client goes, and is told of as aborted; the answer comes to nobody. */
static void test_impatient(void **state)
{
	(void)state;
	for (unsigned int turns = 0; turns < 2; turns++) {
		duo_anew(turns);
		assert_true(is_duet() == !!turns);
		duo_send(CLIENT, GET);
		duo_read(SERVER, GET);
		duo_close(CLIENT);
		wait_ms(2000);
		expect_counts(1 + turns, turns);
		duo_send(SERVER, OK);
		expect_counts(1 + turns, 1 + turns);
		expect_aborted(1, 0);
		expect_both(0);
		duo_close(SERVER);
		wait_ms(2000);
	}
}

/* Neither gets an answer. */
static void test_aborted(void **state)
{
	(void)state;
	for (unsigned int turns = 0; turns < 2; turns++) {
		duo_anew(turns);
		duo_send(CLIENT, GET GET);
		duo_read(SERVER, GET GET);
		duo_close(SERVER);
		duo_close(CLIENT);
		wait_ms(2000);
		expect_counts(2 + turns, 2 + turns);
		expect_aborted(2, 2);
		expect_both(0);
	}
}

/* Found open: once what answers what is certain. */
static void test_late(void **state)
{
	(void)state;
	duo_place(0xfffffff0U, 123456);
	duo_open(EVENT_LATE | EVENT_QUIET, EVENT_LATE | EVENT_QUIET);
	for (unsigned int i = 0; i < 4; i++) {
		duo_turn(GET, OK);
		duo_look();
	}
	expect_counts(4, 4);
	expect_both(0);
	duo_close_both();
}

/* The one end is not watched any more: nobody waits for what will not be told of it. */
static void test_unwatched(void **state)
{
	(void)state;
	duo_begin(GET, OK);
	expect_both(0);
	wire_close(&wire, CLIENT, now += STEP, 0, EVENT_UNWATCHED);
	for (unsigned int i = 0; i < 20; i++)
		duo_turn(GET, OK);
	assert_true(count[SERVER] > 5);
	assert_int_equal(newest(SERVER)->both, 0);
	duo_close(SERVER);
	wait_ms(2000);
}

/* A connection of the same addresses has other numbers. */
static void test_again(void **state)
{
	uint64_t first;

	(void)state;
	duo_begin(GET, OK);
	first = newest(CLIENT)->both;
	duo_close_both();
	memset(count, 0, sizeof(count));
	duo_place(0xfffff000U, 77);
	duo_begin(GET, OK);
	expect_both(0);
	assert_true(newest(CLIENT)->both != first);
	duo_close_both();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DUO(test_first),
		DUO(test_server_found_later),
		DUO(test_client_told_first),
		DUO(test_impatient),
		DUO(test_aborted),
		DUO(test_late),
		DUO(test_unwatched),
		DUO(test_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
