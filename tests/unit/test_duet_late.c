/* SPDX-License-Identifier: Apache-2.0 */
/* Duets of connections found open, of sessions, of what changes its protocol; and their limits. */
#include "duo.h"

#include <stdio.h>

/* ---- found open ---- */

/* Exchanges in rest until both ends are one. */
static void turn_until_duet(void)
{
	for (unsigned int i = 0; i < 20 && !is_duet(); i++)
		duo_turn(PING, PONG);
	assert_true(is_duet());
	duo_look();
}

static void expect_exact(unsigned int turns)
{
	unsigned int before[2] = { count[0], count[1] };

	for (unsigned int i = 0; i < turns; i++) {
		uint64_t asked = duo_send(CLIENT, PING), read = duo_read(SERVER, PING), answered;

		answered = duo_send(SERVER, PONG);
		expect_times(SERVER, read - STEP / 2, answered);
		read = duo_read(CLIENT, PONG);
		duo_look();
		expect_times(CLIENT, asked, read);
		expect_counts(before[CLIENT] + i + 1, before[SERVER] + i + 1);
	}
}

static void test_found_open(void **state)
{
	static const uint8_t flags[][2] = {
		{ EVENT_LATE, EVENT_LATE },
		{ EVENT_LATE | EVENT_QUIET, EVENT_LATE | EVENT_QUIET },
		{ EVENT_LATE | EVENT_UNUSED, 0 },
		{ EVENT_LATE, 0 },
	};

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		duo_place(0xffffffffU - 30 * i, 5 + i);
		duo_open(flags[i][CLIENT], flags[i][SERVER]);
		turn_until_duet();
		expect_exact(3);
		duo_close_both();
	}
}

/* The two ends were found at different places of the streams. */
static void test_found_apart(void **state)
{
	(void)state;
	for (enum wire_who first = CLIENT; first <= SERVER; first++) {
		wire_open(&wire, first, now += STEP, EVENT_LATE);
		for (unsigned int i = 0; i < 7; i++) {
			if (first == CLIENT) {
				wire.ends[SERVER].at[DIRECTION_RX] += strlen(PING);
				wire.ends[SERVER].at[DIRECTION_TX] += strlen(PONG);
				duo_send(CLIENT, PING);
				duo_read(CLIENT, PONG);
			} else {
				wire.ends[CLIENT].at[DIRECTION_TX] += strlen(PING);
				wire.ends[CLIENT].at[DIRECTION_RX] += strlen(PONG);
				duo_read(SERVER, PING);
				duo_send(SERVER, PONG);
			}
		}
		wire_open(&wire, !first, now += STEP, EVENT_LATE);
		turn_until_duet();
		expect_exact(3);
		/* The server goes first; what is left is the client's own. */
		duo_send(CLIENT, PING);
		duo_read(SERVER, PING);
		duo_send(SERVER, PONG);
		duo_close(SERVER);
		duo_read(CLIENT, PONG);
		duo_look();
		assert_int_equal(newest(CLIENT)->outcome, OUTCOME_OK);
		assert_true(newest(CLIENT)->timed);
		duo_close(CLIENT);
		wait_ms(2000);
	}
	assert_int_equal(aborted, 0);
}

/* ---- what changes its protocol ---- */

static void test_upgrade(void **state)
{
	static const char up[] =
		"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
	static const char yes[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
	uint64_t asked, heard;

	(void)state;
	duo_begin(GET, OK);
	asked = duo_send(CLIENT, up);
	duo_read(SERVER, up);
	duo_send(SERVER, yes);
	heard = duo_read(CLIENT, yes);
	duo_look();
	expect_counts(2, 2);
	expect_times(CLIENT, asked, heard);
	duo_send(CLIENT, "\x82\x05\x01\x02\x03\x04\x05");
	duo_read(SERVER, "\x82\x05\x01\x02\x03\x04\x05");
	assert_false(is_duet());
	assert_int_equal(slots[0].ignore, 1);
	assert_int_equal(slots[1].ignore, 1);
	duo_close_both();
	expect_counts(2, 2);
}

/* The answer to the Upgrade is not known to have been read when the rest makes no sense. */
static void test_upgrade_unread(void **state)
{
	static const char up[] =
		"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
	static const char yes[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";

	(void)state;
	duo_begin(GET, OK);
	duo_send(CLIENT, up);
	duo_read(SERVER, up);
	duo_send(SERVER, yes);
	notes[0].moved = 0;
	duo_send(CLIENT, "\x82\x05\x01\x02\x03\x04\x05");
	expect_counts(2, 2);
	assert_false(newest(CLIENT)->timed);
	duo_close_both();
	expect_counts(2, 2);
}

/* ---- PostgreSQL ---- */

static void send_bytes(enum wire_who who, const void *bytes, size_t size)
{
	wire_send(&wire, who, now += STEP, bytes, size);
	now += STEP;
	wire_receive(&wire, who == CLIENT ? SERVER : CLIENT, now, now - STEP / 2, bytes, size);
}

#define SEND(who, literal) send_bytes(who, literal, sizeof(literal) - 1)
#define READY(status) "Z\0\0\0\5" status
#define QUERY(length, text) "Q\0\0\0" length text "\0"
#define LOGIN "\0\0\0\x12\0\3\0\0user\0e2e\0\0"
#define SSL_REQUEST "\0\0\0\x08\x04\xd2\x16\x2f"
#define SELECTED "C\0\0\0\x0dSELECT 1\0"

static void log_in(void)
{
	SEND(CLIENT, LOGIN);
	SEND(SERVER, "R\0\0\0\x08\0\0\0\0" READY("I"));
	assert_true(is_duet());
}

static void expect_sessions(int idle_now, int active_now)
{
	for (unsigned int who = 0; who < 2; who++) {
		assert_int_equal(idle[who], idle_now);
		assert_int_equal(active[who], active_now);
	}
}

/* What the server's end knows of the session is the client's, too. */
static void test_sessions(void **state)
{
	(void)state;
	duo_open(0, 0);
	log_in();
	expect_sessions(1, 0);
	SEND(CLIENT, QUERY("\x0d", "SELECT 1"));
	expect_sessions(0, 1);
	SEND(SERVER, SELECTED READY("I"));
	expect_sessions(1, 0);
	SEND(CLIENT, QUERY("\x0a", "BEGIN"));
	SEND(SERVER, "C\0\0\0\x0a"
		     "BEGIN\0" READY("T"));
	expect_sessions(0, 0);
	SEND(CLIENT, QUERY("\x0b", "COMMIT"));
	SEND(SERVER, "C\0\0\0\x0b"
		     "COMMIT\0" READY("I"));
	expect_sessions(1, 0);
	duo_look();
	expect_counts(3, 3);
	SEND(CLIENT, QUERY("\x0d", "SELECT 1"));
	duo_close_both();
	expect_sessions(0, 0);
	expect_counts(4, 4);
}

/* SSLRequest: refused, then a session; or granted, and all that follows is not for us. */
static void test_ssl(void **state)
{
	(void)state;
	for (unsigned int granted = 0; granted < 2; granted++) {
		memset(count, 0, sizeof(count));
		duo_open(0, 0);
		SEND(CLIENT, SSL_REQUEST);
		SEND(SERVER, "N");
		log_in();
		SEND(CLIENT, QUERY("\x0d", "SELECT 1"));
		SEND(SERVER, SELECTED READY("I"));
		duo_look();
		expect_counts(1, 1);
		expect_sessions(1, 0);
		duo_close_both();
		expect_sessions(0, 0);

		duo_open(0, 0);
		SEND(CLIENT, SSL_REQUEST);
		SEND(SERVER, "S");
		SEND(CLIENT, "\x16\x03\x01\0\x05hello");
		assert_false(is_duet());
		SEND(SERVER, "\x16\x03\x01\0\x05hello");
		for (unsigned int i = 0; i < 2; i++)
			assert_int_equal(slots[i].ignore, 1);
		duo_close_both();
		expect_counts(1, 1);
	}
}

/* A query of more statements than requests may be open: each of them counts, also unread. */
static void test_many_statements(void **state)
{
	enum { STATEMENTS = 250, ONE = 14 };
	char query[5 + STATEMENTS * 9 + 1] = "Q", answer[STATEMENTS * ONE + 6];
	size_t length = sizeof(query) - 1;

	(void)state;
	for (unsigned int i = 0; i < STATEMENTS; i++) {
		memcpy(query + 5 + i * 9, "SELECT 1;", 9);
		memcpy(answer + i * ONE, SELECTED, ONE);
	}
	memcpy(answer + STATEMENTS * ONE, READY("I"), 6);
	query[3] = (char)(length >> 8);
	query[4] = (char)length;
	duo_open(0, 0);
	log_in();
	send_bytes(CLIENT, query, sizeof(query));
	send_bytes(SERVER, answer, sizeof(answer));
	duo_look();
	expect_counts(STATEMENTS, STATEMENTS);
	duo_close_both();
	expect_counts(STATEMENTS, STATEMENTS);
}

/* ---- limits ---- */

/* As many requests as may be open, one more, and what comes after. */
static void test_open_requests(void **state)
{
	(void)state;
	duo_begin(PING, PONG);
	for (unsigned int i = 0; i < 100; i++) {
		duo_send(CLIENT, PING);
		duo_read(SERVER, PING);
	}
	assert_true(is_duet());
	for (unsigned int i = 0; i < 100; i++)
		duo_send(SERVER, PONG);
	expect_counts(1, 101);
	for (unsigned int i = 0; i < 100; i++)
		duo_read(CLIENT, PONG);
	duo_look();
	expect_counts(101, 101);
	assert_true(newest(CLIENT)->timed);

	for (unsigned int i = 0; i < 101; i++)
		duo_send(CLIENT, PING);
	assert_false(is_duet());
	for (unsigned int i = 0; i < 101; i++) {
		duo_read(SERVER, PING);
		duo_send(SERVER, PONG);
		duo_read(CLIENT, PONG);
	}
	assert_in_range(count[CLIENT], 101, 202);
	assert_in_range(count[SERVER], 101, 202);
	turn_until_duet();
	expect_exact(2);
	duo_close_both();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DUO(test_found_open),	   DUO(test_found_apart),   DUO(test_upgrade),
		DUO(test_upgrade_unread),  DUO(test_sessions),	    DUO(test_ssl),
		DUO(test_many_statements), DUO(test_open_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
