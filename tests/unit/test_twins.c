/* SPDX-License-Identifier: Apache-2.0 */
/* The two ends of a connection are known as such, and no others are. */
#include "duo.h"

#define PAIRS (SLOTS / 2)

/*
 * No time passes: nobody has Unix sockets like these open. They are not followed as one, since not
 * all calls on them are told of.
 */
static void expect_twins(bool yes)
{
	bool one = yes && wire.family != AF_UNIX;
	uint64_t last;

	for (unsigned int i = 0; i < 40; i++)
		duo_turn(GET, OK);
	assert_true(is_duet() == one);
	assert_true(count[CLIENT] > 5 && count[SERVER] > 5);
	last = newest(CLIENT)->both;
	assert_true((last != 0) == yes);
	assert_true(!yes || last == told[SERVER][count[CLIENT] - 1].both);
	duo_close(CLIENT);
	duo_close(SERVER);
	assert_int_equal(connections_counts(connections).tracked, 0);
}

/* A Service's address is not its server's: where the connection began is the same for both. */
static void test_translated(void **state)
{
	(void)state;
	wire.translated = true;
	duo_open(0, 0);
	expect_twins(true);
}

static void test_translated_late(void **state)
{
	(void)state;
	wire.translated = true;
	duo_open(EVENT_LATE | EVENT_QUIET, EVENT_LATE | EVENT_QUIET);
	expect_twins(true);
}

/* One end was found open, the other one's begin was seen. */
static void test_found_between(void **state)
{
	(void)state;
	wire.translated = true;
	duo_open(EVENT_LATE | EVENT_QUIET, 0);
	expect_twins(true);
}

/* Another connection of the same addresses, whose other end is not seen. */
static void test_used_again(void **state)
{
	(void)state;
	wire.garbled = 1 << 20;
	duo_open(0, 0);
	expect_twins(false);
}

/* What is read of one found open may be garbled: its addresses are good. */
static void test_garbled(void **state)
{
	(void)state;
	wire.garbled = 1 << 20;
	duo_open(EVENT_LATE | EVENT_QUIET, EVENT_LATE | EVENT_QUIET);
	expect_twins(true);
}

/* But where those are others, too, nothing is known. */
static void test_garbled_translated(void **state)
{
	(void)state;
	wire.garbled = 1;
	wire.translated = true;
	duo_open(EVENT_LATE | EVENT_QUIET, EVENT_LATE | EVENT_QUIET);
	expect_twins(false);
}

/* Unix sockets: who connected is named by the one that accepted. */
static void test_unix(void **state)
{
	(void)state;
	wire.family = AF_UNIX;
	duo_place(0, 0);
	duo_open(EVENT_LATE | EVENT_UNUSED, EVENT_LATE | EVENT_UNUSED);
	expect_twins(true);
}

/* The one that accepted calls first. */
static void test_unix_server_first(void **state)
{
	(void)state;
	wire.family = AF_UNIX;
	duo_place(0, 0);
	wire_open(&wire, SERVER, now += STEP, EVENT_LATE | EVENT_UNUSED);
	wire_open(&wire, CLIENT, now += STEP, EVENT_LATE | EVENT_UNUSED);
	expect_twins(true);
}

/* Found open, either counts from somewhere. */
static void test_unix_late(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		memset(count, 0, sizeof(count));
		wire.family = AF_UNIX;
		duo_place(0, 0);
		duo_open(EVENT_LATE | (i ? EVENT_UNUSED : 0), EVENT_LATE | (i ? 0 : EVENT_UNUSED));
		expect_twins(false);
	}
}

/* A pair of sockets has no client. */
static void test_unix_pair(void **state)
{
	(void)state;
	wire.family = AF_UNIX;
	wire.role = ROLE_SERVER;
	duo_place(0, 0);
	duo_open(EVENT_LATE | EVENT_UNUSED, EVENT_LATE | EVENT_UNUSED);
	duo_send(CLIENT, GET);
	assert_int_equal(pipeline.duets.out, 0);
	duo_close(CLIENT);
	duo_close(SERVER);
}

/* Of many that look alike but for where they began each has its own. */
static void test_many(void **state)
{
	struct wire others[PAIRS];

	(void)state;
	wire.translated = true;
	for (unsigned int i = 0; i < PAIRS; i++) {
		others[i] = wire;
		others[i].ends[CLIENT].slot = 2 * i;
		others[i].ends[SERVER].slot = 2 * i + 1;
		others[i].ends[CLIENT].at[DIRECTION_TX] += i;
		others[i].ends[SERVER].at[DIRECTION_RX] += i;
		wire_open(&others[i], CLIENT, now += STEP, 0);
	}
	for (unsigned int i = PAIRS; i--;)
		wire_open(&others[i], SERVER, now += STEP, 0);
	for (unsigned int i = 0; i < PAIRS; i++) {
		wire = others[i];
		duo_turn(GET, OK);
		assert_int_equal(pipeline.duets.out, i + 1);
	}
	expect_both(0);
	for (unsigned int i = 0; i < PAIRS; i++) {
		wire = others[i];
		duo_close(CLIENT);
		duo_close(SERVER);
	}
	assert_int_equal(connections_counts(connections).tracked, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DUO(test_translated),	 DUO(test_translated_late),
		DUO(test_found_between), DUO(test_used_again),
		DUO(test_garbled),	 DUO(test_garbled_translated),
		DUO(test_unix),		 DUO(test_unix_server_first),
		DUO(test_unix_late),	 DUO(test_unix_pair),
		DUO(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
