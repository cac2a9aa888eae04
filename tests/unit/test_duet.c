/* SPDX-License-Identifier: Apache-2.0 */
/* Both ends of a connection followed as one: what is counted, and how long it took. */
#include "duo.h"

#include <stdio.h>

#define HALF (STEP / 2) /* from arrival to reading */

static void test_begins(void **state)
{
	(void)state;
	duo_open(0, 0);
	duo_send(CLIENT, PING);
	duo_read(SERVER, PING);
	duo_send(SERVER, PONG);
	assert_false(is_duet());
	duo_read(CLIENT, PONG);
	assert_true(is_duet());
	expect_counts(1, 1);
	/* What is read is wanted by time only, what is sent with its bytes. */
	duo_send(CLIENT, PING);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(slots[i].limit[DIRECTION_RX], 0);
		assert_int_equal(slots[i].limit[DIRECTION_TX], UINT32_MAX);
	}
	duo_read(SERVER, PING);
	duo_send(SERVER, PONG);
	duo_close_both();
	expect_counts(2, 2);
}

/* While something is under way it does not begin. */
static void test_begins_at_rest(void **state)
{
	(void)state;
	duo_open(0, 0);
	duo_send(CLIENT, PING);
	duo_send(CLIENT, PING);
	duo_read(SERVER, PING);
	duo_send(SERVER, PONG);
	duo_read(CLIENT, PONG);
	assert_false(is_duet());
	duo_read(SERVER, PING);
	duo_send(SERVER, PONG);
	assert_false(is_duet());
	duo_read(CLIENT, PONG);
	assert_true(is_duet());
	expect_counts(2, 2);
	duo_close_both();
}

/* Every exchange once at either end, with its own times; notes looked up, or told with a call. */
static void test_times(void **state)
{
	enum { TURNS = 6 };
	uint64_t asked[TURNS], read[TURNS], answered[TURNS], heard[TURNS];

	(void)state;
	duo_begin(PING, PONG);
	for (unsigned int i = 0; i < TURNS; i++) {
		asked[i] = duo_send(CLIENT, PING);
		expect_counts(1 + i, 1 + i); /* the last answer is known to have been read */
		read[i] = duo_read(SERVER, PING);
		if (i & 1)
			duo_look();
		answered[i] = duo_send(SERVER, PONG);
		expect_counts(1 + i, 2 + i);
		heard[i] = duo_read(CLIENT, PONG);
		if (i & 2)
			duo_look();
	}
	duo_close_both();
	expect_counts(1 + TURNS, 1 + TURNS);
	for (unsigned int i = 0; i < TURNS; i++) {
		const struct told *client = &told[CLIENT][1 + i], *server = &told[SERVER][1 + i];

		assert_true(client->timed && server->timed);
		assert_int_equal(client->begin, asked[i]);
		assert_int_equal(client->end, heard[i]);
		assert_int_equal(server->begin, read[i] - HALF);
		assert_int_equal(server->read, read[i]);
		assert_int_equal(server->end, answered[i]);
	}
}

/* Calls return late: their records come after those of what they led to. */
static void test_swapped(void **state)
{
	uint64_t asked, read, answered, heard;

	(void)state;
	duo_begin(PING, PONG);
	for (unsigned int i = 0; i < 8; i++) {
		bool client = i & 1, server = i & 2, look = i & 4;

		wire.ends[CLIENT].slow = client;
		wire.ends[SERVER].slow = server;
		asked = duo_send(CLIENT, PING);
		read = duo_read(SERVER, PING);
		if (look)
			duo_look();
		answered = duo_send(SERVER, PONG);
		wire_return(&wire, CLIENT);
		heard = duo_read(CLIENT, PONG);
		if (look)
			duo_look();
		wire_return(&wire, SERVER);
		expect_times(SERVER, read - HALF, answered);
		duo_look();
		expect_times(CLIENT, asked, heard);
		expect_counts(2 + i, 2 + i);
	}
	assert_true(is_duet());
	duo_close_both();
	expect_counts(9, 9);
}

/*
 * An answer in two calls, of which the second one returns after all of it was read, and the next
 * request was sent: the head has told how long the body is, but not that it has been read.
 */
static void test_body_told_late(void **state)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n";
	static const char most[] = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhel";
	uint64_t asked, heard, next;

	(void)state;
	duo_begin(GET, OK);
	asked = duo_send(CLIENT, GET);
	for (unsigned int i = 0; i < 4; i++) {
		duo_read(SERVER, GET);
		duo_send(SERVER, head);
		wire.ends[SERVER].slow = true;
		duo_send(SERVER, "hello\n");
		wire.ends[SERVER].slow = false;
		heard = duo_read(CLIENT, i & 1 ? most : head);
		heard = duo_read(CLIENT, i & 1 ? "lo\n" : "hello\n");
		next = duo_send(CLIENT, GET);
		wire_return(&wire, SERVER);
		expect_counts(2 + i, 2 + i);
		expect_times(CLIENT, asked, heard);
		asked = next;
	}
	duo_close_both();
	expect_counts(6, 5); /* the last request was not read */
}

/*
 * A thread writes while another one reads: the note of the answer does not ride on the record of
 * the request, which came before. It is looked up, or told with the next call.
 */
static void test_overtaken(void **state)
{
	(void)state;
	duo_begin(PING, PONG);
	for (unsigned int i = 0; i < 4; i++) {
		unsigned int before = 1 + i + (i + 1) / 2;
		uint64_t asked, read, answered, heard;

		wire.ends[CLIENT].slow = true;
		asked = duo_send(CLIENT, PING);
		read = duo_read(SERVER, PING);
		answered = duo_send(SERVER, PONG);
		expect_counts(before, before);
		heard = duo_read(CLIENT, PONG);
		wire.ends[CLIENT].slow = false;
		wire_return(&wire, CLIENT);
		expect_times(SERVER, read - HALF, answered);
		if (i & 1)
			duo_look();
		else
			duo_send(CLIENT, PING);
		expect_counts(before + 1, before + 1);
		expect_times(CLIENT, asked, heard);
		if (i & 1)
			continue;
		duo_read(SERVER, PING);
		duo_send(SERVER, PONG);
		duo_read(CLIENT, PONG);
		duo_look();
	}
	duo_close_both();
	expect_counts(7, 7);
}

/* Three at once, read in other pieces than they were sent in. */
static void test_pipelined(void **state)
{
	uint64_t sent[2], read[2], answered, heard;

	(void)state;
	duo_begin(PING, PONG);
	sent[0] = duo_send(CLIENT, PING PING);
	sent[1] = duo_send(CLIENT, PING);
	read[0] = duo_read(SERVER, PING "*1\r\n");
	read[1] = duo_read(SERVER, "$4\r\nPING\r\n" PING);
	answered = duo_send(SERVER, PONG PONG PONG);
	expect_counts(1, 4);
	for (unsigned int i = 0; i < 3; i++) {
		const struct told *one = &told[SERVER][1 + i];

		assert_true(one->timed);
		assert_int_equal(one->begin, read[i == 2] - HALF);
		assert_int_equal(one->end, answered);
	}
	duo_read(CLIENT, "+PO");
	heard = duo_read(CLIENT, "NG\r\n+PONG");
	duo_look();
	expect_counts(2, 4);
	expect_times(CLIENT, sent[0], heard);
	heard = duo_read(CLIENT, "\r\n" PONG);
	duo_look();
	expect_counts(4, 4);
	expect_times(CLIENT, sent[1], heard);
	assert_int_equal(told[CLIENT][2].begin, sent[0]);
	duo_close_both();
	expect_counts(4, 4);
}

/* What was looked up is told again with the next call that writes. */
static void test_told_twice(void **state)
{
	uint64_t asked, heard;

	(void)state;
	duo_begin(PING, PONG);
	asked = duo_send(CLIENT, PING);
	duo_read(SERVER, PING);
	duo_look();
	duo_send(SERVER, PONG);
	heard = duo_read(CLIENT, PONG);
	assert_int_equal(notes[0].moved, strlen(PONG));
	duo_look();
	duo_look();
	assert_int_equal(notes[0].moved, strlen(PONG));
	expect_counts(2, 2);
	expect_times(CLIENT, asked, heard);
	duo_turn(PING, PONG);
	duo_look();
	duo_close_both();
	expect_counts(3, 3);
}

/* HTTP: from the first byte that was sent; answers that end by what they answer. */
static void test_http(void **state)
{
	static const struct {
		const char *asked, *told;
		uint16_t code;
	} turns[] = {
		{ "HEAD /a HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n",
		  200 },
		{ GET, "HTTP/1.1 304 No\r\nContent-Length: 9000\r\n\r\n", 304 },
		{ GET, "HTTP/1.1 204 No\r\n\r\n", 204 },
		{ GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
		  200 },
		{ "POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
		  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n",
		  503 },
	};

	(void)state;
	duo_begin(GET, OK);
	for (unsigned int i = 0; i < 5; i++) {
		duo_turn(turns[i].asked, turns[i].told);
		duo_look();
		expect_counts(2 + i, 2 + i);
		for (unsigned int who = 0; who < 2; who++) {
			assert_int_equal(newest(who)->code, turns[i].code);
			assert_true(newest(who)->timed);
		}
	}
	assert_true(is_duet());
	duo_close_both();
	expect_counts(6, 6);
}

/* 100 (Continue), and an answer before the request is complete. */
static void test_early_answer(void **state)
{
	static const char head[] = "POST /b HTTP/1.1\r\nContent-Length: 5\r\n\r\n";
	uint64_t asked, read, heard;

	(void)state;
	duo_begin(GET, OK);
	asked = duo_send(CLIENT,
			 "POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
	read = duo_read(SERVER,
			"POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
	duo_send(SERVER, "HTTP/1.1 100 Continue\r\n\r\n");
	duo_read(CLIENT, "HTTP/1.1 100 Continue\r\n\r\n");
	duo_send(CLIENT, "abcd");
	duo_read(SERVER, "abcd");
	expect_times(SERVER, read - HALF, duo_send(SERVER, OK));
	heard = duo_read(CLIENT, OK);
	duo_look();
	expect_times(CLIENT, asked, heard);

	asked = duo_send(CLIENT, head);
	read = duo_read(SERVER, head);
	expect_times(SERVER, read - HALF, duo_send(SERVER, OK));
	heard = duo_read(CLIENT, OK);
	duo_send(CLIENT, "hello");
	expect_times(CLIENT, asked, heard);
	duo_read(SERVER, "hello");
	duo_turn(GET, OK);
	duo_close_both();
	expect_counts(4, 4);
}

/* A large body: neither end's records of it are wanted. */
static void test_skipped(void **state)
{
	enum { SIZE = 100000 };
	char *body = duo_filler(SIZE), head[100];
	uint64_t asked, answered, heard;
	uint32_t until;

	(void)state;
	snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", SIZE);
	duo_begin(GET, OK);
	for (unsigned int i = 0; i < 3; i++) {
		uint64_t events;

		asked = duo_send(CLIENT, GET);
		duo_read(SERVER, GET);
		duo_send(SERVER, head);
		assert_int_equal(slots[1].skipping[DIRECTION_TX], 1);
		assert_int_equal(slots[0].skipping[DIRECTION_RX], 0); /* it has not come so far */
		until = wire.ends[SERVER].at[DIRECTION_TX] + SIZE;
		duo_read(CLIENT, head);
		duo_send(SERVER, body + SIZE - SIZE / 10);
		duo_read(CLIENT, body + SIZE - SIZE / 10); /* the note of the head is told */
		assert_int_equal(slots[0].skipping[DIRECTION_RX], 1);
		assert_int_equal(slots[0].until[DIRECTION_RX], until);
		duo_send(SERVER, body + SIZE - SIZE / 10);
		duo_read(CLIENT, body + SIZE - SIZE / 10); /* and that of its first piece */
		events = connections_counts(connections).events[EVENT_DATA];
		for (unsigned int n = 0; n < 7; n++) {
			duo_send(SERVER, body + SIZE - SIZE / 10);
			duo_read(CLIENT, body + SIZE - SIZE / 10);
		}
		assert_int_equal(connections_counts(connections).events[EVENT_DATA], events);
		answered = duo_send(SERVER, body + SIZE - SIZE / 10);
		heard = duo_read(CLIENT, body + SIZE - SIZE / 10);
		duo_look_again();
		expect_counts(2 + i, 2 + i);
		assert_int_equal(newest(SERVER)->end, answered);
		expect_times(CLIENT, asked, heard);
		assert_int_equal(slots[1].skipping[DIRECTION_TX], 0);
		assert_int_equal(slots[0].skipping[DIRECTION_RX], 0);
	}
	free(body);
	duo_close_both();
	expect_counts(4, 4);
}

/* But what came before it is not known to have been read. */
static void test_skipped_later(void **state)
{
	enum { SIZE = 60000 };
	char *body = duo_filler(SIZE), head[100];
	uint64_t asked, heard;

	(void)state;
	snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", SIZE);
	duo_begin(GET, OK);
	asked = duo_send(CLIENT, GET GET);
	duo_read(SERVER, GET GET);
	duo_send(SERVER, OK);
	duo_send(SERVER, head);
	assert_int_equal(slots[0].skipping[DIRECTION_RX], 0);
	heard = duo_read(CLIENT, OK);
	duo_read(CLIENT, head);
	expect_times(CLIENT, asked, heard);
	duo_send(SERVER, body + SIZE / 2);
	duo_read(CLIENT, body + SIZE / 2);
	assert_int_equal(slots[0].skipping[DIRECTION_RX], 1);
	duo_send(SERVER, body + SIZE / 2);
	heard = duo_read(CLIENT, body + SIZE / 2);
	duo_look();
	expect_times(CLIENT, asked, heard);
	free(body);
	duo_close_both();
	expect_counts(3, 3);
}

/* The same of a request's body. */
static void test_skipped_request(void **state)
{
	enum { SIZE = 60000 };
	char *body = duo_filler(SIZE), head[100];
	uint64_t asked, read, heard;

	(void)state;
	snprintf(head, sizeof(head), "PUT /a HTTP/1.1\r\nContent-Length: %d\r\n\r\n", SIZE);
	duo_begin(GET, OK);
	asked = duo_send(CLIENT, head);
	assert_int_equal(slots[0].skipping[DIRECTION_TX], 1);
	assert_int_equal(slots[1].skipping[DIRECTION_RX], 0); /* when it began is not known yet */
	read = duo_read(SERVER, head);
	duo_send(CLIENT, body + SIZE / 2);
	duo_read(SERVER, body + SIZE / 2); /* the note of the head is told */
	assert_int_equal(slots[1].skipping[DIRECTION_RX], 1);
	duo_send(CLIENT, body + SIZE / 2);
	duo_read(SERVER, body + SIZE / 2);
	expect_times(SERVER, read - HALF, duo_send(SERVER, OK));
	heard = duo_read(CLIENT, OK);
	duo_look();
	expect_times(CLIENT, asked, heard);
	duo_turn(GET, OK);
	free(body);
	duo_close_both();
	expect_counts(3, 3);
}

/* Redis: what was queued is executed, and counted, with EXEC. */
static void test_transaction(void **state)
{
	static const char multi[] = "*1\r\n$5\r\nMULTI\r\n",
			  incr[] = "*2\r\n$4\r\nINCR\r\n$1\r\nk\r\n";
	static const char exec[] = "*1\r\n$4\r\nEXEC\r\n", discard[] = "*1\r\n$7\r\nDISCARD\r\n";

	(void)state;
	duo_begin(PING, PONG);
	for (unsigned int i = 0; i < 2; i++) {
		duo_turn(multi, "+OK\r\n");
		duo_turn(incr, "+QUEUED\r\n");
		duo_turn(incr, "+QUEUED\r\n");
		duo_look();
		expect_counts(2 + 4 * i, 2 + 4 * i);
		duo_turn(exec, "*2\r\n:1\r\n:2\r\n");
		duo_look();
		expect_counts(5 + 4 * i, 5 + 4 * i);
		assert_true(newest(CLIENT)->timed && newest(SERVER)->timed);
	}
	duo_turn(multi, "+OK\r\n");
	duo_turn(incr, "+QUEUED\r\n");
	duo_turn(discard, "+OK\r\n");
	duo_close_both();
	expect_counts(11, 11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DUO(test_begins),	   DUO(test_begins_at_rest), DUO(test_times),
		DUO(test_swapped),	   DUO(test_body_told_late), DUO(test_overtaken),
		DUO(test_pipelined),	   DUO(test_told_twice),     DUO(test_http),
		DUO(test_early_answer),	   DUO(test_skipped),	     DUO(test_skipped_later),
		DUO(test_skipped_request), DUO(test_transaction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
