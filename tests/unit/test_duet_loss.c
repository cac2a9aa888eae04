/* SPDX-License-Identifier: Apache-2.0 */
/* Both ends of a connection followed as one: what is lost, and what is not for us. */
#include "duo.h"

/* After at most so many exchanges in rest all that come are counted at both ends, as a duet. */
static void expect_recovery(unsigned int most)
{
	unsigned int before[2];

	for (unsigned int i = 0; i < most; i++) {
		duo_turn(PING, PONG);
		wait_ms(1);
	}
	assert_true(is_duet());
	duo_look();
	memcpy(before, count, sizeof(before));
	for (unsigned int i = 0; i < 5; i++) {
		duo_turn(PING, PONG);
		duo_look();
	}
	expect_counts(before[CLIENT] + 5, before[SERVER] + 5);
	assert_true(newest(CLIENT)->timed && newest(SERVER)->timed);
}

/* The record of one call of an exchange is lost, that of a reader with its note. */
static void lose(enum wire_who who, enum event_direction direction)
{
	bool client = who == CLIENT, sent = direction == DIRECTION_TX;

	duo_begin(PING, PONG);
	duo_turn(PING, PONG);
	duo_look();
	wire.ends[CLIENT].loses = client && sent;
	duo_send(CLIENT, PING);
	duo_read(SERVER, PING);
	if (!client && !sent)
		notes[1].moved = 0;
	wire.ends[SERVER].loses = !client && sent;
	duo_send(SERVER, PONG);
	duo_read(CLIENT, PONG);
	if (client && !sent)
		notes[0].moved = 0;
	wait_ms(1);
}

/* Where bytes are missing the duet breaks; none is counted that may not have been. */
static void test_lost_sent(void **state)
{
	(void)state;
	for (enum wire_who who = CLIENT; who <= SERVER; who++) {
		memset(count, 0, sizeof(count));
		lose(who, DIRECTION_TX);
		duo_turn(PING, PONG);
		wait_ms(300);
		wait_ms(300);
		duo_turn(PING, PONG);
		assert_false(is_duet());
		assert_in_range(count[CLIENT], 2, 5);
		assert_in_range(count[SERVER], 2, 5);
		expect_recovery(12);
		expect_aborted(0, 0);
		duo_close_both();
	}
}

/* Where times are missing the exchange has no duration. */
static void test_lost_read(void **state)
{
	(void)state;
	lose(SERVER, DIRECTION_RX);
	assert_true(is_duet());
	duo_look();
	expect_counts(3, 3);
	assert_false(newest(SERVER)->timed);
	duo_turn(PING, PONG);
	duo_look();
	expect_counts(4, 4);
	assert_true(newest(SERVER)->timed && newest(CLIENT)->timed);
	duo_close_both();
	expect_counts(4, 4);

	memset(count, 0, sizeof(count));
	lose(CLIENT, DIRECTION_RX);
	assert_true(is_duet());
	duo_turn(PING, PONG);
	duo_look(); /* the record may still lie in the ring, whatever the clock says */
	expect_counts(2, 4);
	duo_look_again();
	expect_counts(4, 4);
	assert_false(told[CLIENT][2].timed);
	assert_true(told[CLIENT][3].timed);
	assert_true(told[SERVER][2].timed);
	duo_close_both();
	expect_counts(4, 4);
}

/* The end tells how much was read; nobody knows when. */
static void test_lost_last_read(void **state)
{
	(void)state;
	lose(CLIENT, DIRECTION_RX);
	now += 60 * NSEC_PER_SEC;
	duo_close_both();
	expect_counts(3, 3);
	expect_aborted(0, 0);
	assert_false(newest(CLIENT)->timed);
}

/* After a break the readers' bytes are wanted again at once. */
static void test_verdict_after_break(void **state)
{
	(void)state;
	duo_begin(PING, PONG);
	wire_send(&wire, CLIENT, now += STEP, NULL, strlen(PING));
	assert_false(is_duet());
	for (unsigned int i = 0; i < 2; i++)
		assert_int_not_equal(slots[i].limit[DIRECTION_RX], 0);
	duo_close_both();
	expect_counts(1, 1);
}

/* What the client writes cannot be had where it is written: it is, where it is read. */
static void test_alone(void **state)
{
	(void)state;
	duo_begin(PING, PONG);
	for (unsigned int i = 0; i < 20; i++) {
		now += STEP;
		wire_send(&wire, CLIENT, now, NULL, strlen(PING));
		duo_read(SERVER, PING);
		duo_send(SERVER, PONG);
		duo_read(CLIENT, PONG);
	}
	assert_false(is_duet());
	assert_in_range(count[SERVER], 16, 21);
	duo_close_both();
	expect_aborted(0, 0);
}

/* A server that speaks first and at length is none of ours. */
static void test_foreign(void **state)
{
	char *text = duo_filler(17000);

	(void)state;
	duo_open(0, 0);
	for (unsigned int i = 0; i < 2; i++) {
		duo_send(SERVER, text);
		duo_read(CLIENT, text);
		wait_ms(300);
	}
	duo_send(CLIENT, text);
	assert_int_equal(slots[0].ignore, 1);
	assert_int_equal(slots[1].ignore, 1);
	free(text);
	duo_close_both();
	expect_counts(0, 0);
}

/*
 * What the client's end makes of a loss may be wrong for long, by itself. Where the server's end
 * has answered all, and the client has read it, that does not matter.
 */
static void test_lost_client(void **state)
{
	(void)state;
	duo_open(0, 0);
	wire.ends[CLIENT].loses = true;
	duo_turn(PING, PONG);
	expect_counts(0, 1);
	for (unsigned int i = 0; i < 2; i++) {
		assert_false(is_duet());
		wait_ms(300);
		duo_turn(PING, PONG);
	}
	assert_true(is_duet());
	expect_recovery(0);
	duo_close_both();
	assert_in_range(count[CLIENT], 5, 7);
	assert_int_equal(count[SERVER], 8);
	expect_aborted(0, 0);
}

/*
 * The reader comes to know of the loss, and what is read is told of again, only after two more
 * exchanges: from the third on each is counted.
 */
static void lose_behind(bool request, bool answer, unsigned int batch)
{
	memset(count, 0, sizeof(count));
	duo_begin(PING, PONG);
	wire.ends[CLIENT].loses = request;
	wire.ends[SERVER].loses = answer;
	duo_turn(PING, PONG);
	wire.lags = true;
	for (unsigned int i = 0; i < 2; i++)
		duo_turn(batch == 1 ? PING : PING PING PING, batch == 1 ? PONG : PONG PONG PONG);
	wire_catch_up(&wire);
	wait_ms(300);
	duo_look();
	assert_false(is_duet());
	assert_in_range(count[CLIENT], 1, 2);
	assert_in_range(count[SERVER], 1, 2);
	for (unsigned int i = 1; i <= 3; i++) {
		unsigned int before[2] = { count[0], count[1] };

		duo_turn(PING, PONG);
		duo_look();
		expect_counts(before[CLIENT] + 1, before[SERVER] + 1);
	}
	expect_recovery(12);
	duo_close_both();
	expect_aborted(0, 0);
}

static void test_lost_behind(void **state)
{
	(void)state;
	for (unsigned int batch = 1; batch <= 3; batch += 2) {
		lose_behind(true, true, batch);
		lose_behind(true, false, batch);
		lose_behind(false, true, batch);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DUO(test_lost_sent),	       DUO(test_lost_read),   DUO(test_lost_last_read),
		DUO(test_verdict_after_break), DUO(test_alone),	      DUO(test_foreign),
		DUO(test_lost_client),	       DUO(test_lost_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
