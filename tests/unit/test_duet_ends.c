/* SPDX-License-Identifier: Apache-2.0 */
/* Both ends of a connection followed as one: how it ends. */
#include "duo.h"

#define CLOSE_HEAD "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"

/* Unanswered when the one end closes, then the other: aborted once per end. */
static void test_unanswered(void **state)
{
	(void)state;
	for (enum wire_who first = CLIENT; first <= SERVER; first++) {
		memset(count, 0, sizeof(count));
		duo_begin(PING, PONG);
		duo_send(CLIENT, PING PING);
		duo_read(SERVER, PING PING);
		duo_close(first);
		duo_close(!first);
		wait_ms(2000);
		expect_counts(3, 3);
		expect_aborted(2, 2);
	}
}

/* Answered, but the client is gone without having read it. */
static void test_unread_answer(void **state)
{
	(void)state;
	duo_begin(PING, PONG);
	duo_send(CLIENT, PING);
	duo_read(SERVER, PING);
	duo_send(SERVER, PONG);
	wire_close(&wire, CLIENT, now += STEP, strlen(PONG), 0);
	duo_close(SERVER);
	wait_ms(2000);
	expect_counts(2, 2);
	expect_aborted(1, 0);

	memset(count, 0, sizeof(count));
	duo_place(1, 2);
	duo_begin(GET, OK);
	duo_send(CLIENT, GET);
	duo_read(SERVER, GET);
	duo_send(SERVER, OK);
	duo_close(SERVER);
	wire_close(&wire, CLIENT, now += STEP, strlen(OK), 0);
	wait_ms(2000);
	expect_counts(2, 2);
	expect_aborted(1, 0);
}

/* The server is gone when the client asks once more, without having read what was answered. */
static void test_unread_outlived(void **state)
{
	(void)state;
	for (unsigned int reads = 0; reads < 2; reads++) {
		uint64_t asked, heard = 0;

		memset(count, 0, sizeof(count));
		duo_place(1, 2);
		duo_begin(GET, OK);
		asked = duo_send(CLIENT, GET);
		duo_read(SERVER, GET);
		duo_send(SERVER, OK);
		duo_close(SERVER);
		duo_send(CLIENT, GET);
		expect_counts(1, 2);
		if (reads) {
			heard = duo_read(CLIENT, OK);
			duo_look();
			expect_times(CLIENT, asked, heard);
		}
		wire_close(&wire, CLIENT, now += STEP, reads ? 0 : strlen(OK), 0);
		wait_ms(2000);
		expect_counts(3, 2);
		expect_aborted(2 - reads, 0);
	}
}

/* A request that the server never read is none of the server's. */
static void test_unread_request(void **state)
{
	(void)state;
	for (enum wire_who first = CLIENT; first <= SERVER; first++) {
		memset(count, 0, sizeof(count));
		duo_place(1, 2);
		duo_begin(PING, PONG);
		duo_send(CLIENT, PING PING);
		duo_read(SERVER, PING);
		if (first == CLIENT)
			duo_close(CLIENT);
		wire_close(&wire, SERVER, now += STEP, strlen(PING), 0);
		if (first == SERVER)
			duo_close(CLIENT);
		wait_ms(2000);
		expect_counts(3, 2);
		expect_aborted(2, 1);
	}
}

/* A body is not told of while it is skipped: the end comes in the midst of it. */
static void test_unfinished_body(void **state)
{
	static const char put[] = "PUT /a HTTP/1.1\r\nContent-Length: 90000\r\n\r\n";
	static const char yes[] = "HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n";
	char *part = duo_filler(20000);

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		enum wire_who first = i & 1 ? SERVER : CLIENT;

		memset(count, 0, sizeof(count));
		duo_begin(GET, OK);
		if (i & 2) {
			duo_send(CLIENT, put);
			duo_read(SERVER, put);
		} else {
			duo_send(CLIENT, GET);
			duo_read(SERVER, GET);
			duo_send(SERVER, yes);
			duo_read(CLIENT, yes);
		}
		for (unsigned int n = 0; n < 3; n++) {
			duo_send(i & 2 ? CLIENT : SERVER, part);
			duo_read(i & 2 ? SERVER : CLIENT, part);
		}
		duo_close(first);
		duo_close(!first);
		wait_ms(2000);
		expect_counts(2, 2);
		expect_aborted(1, 1);
	}
	free(part);
}

/* The server has closed after its answer; the client reads it later, or asks again. */
static void test_server_first(void **state)
{
	uint64_t asked, heard;

	(void)state;
	duo_begin(GET, OK);
	asked = duo_send(CLIENT, GET);
	duo_read(SERVER, GET);
	duo_send(SERVER, OK);
	duo_close(SERVER);
	expect_counts(1, 2);
	heard = duo_read(CLIENT, OK);
	duo_look();
	expect_counts(2, 2);
	expect_times(CLIENT, asked, heard);
	duo_send(CLIENT, GET);
	duo_close(CLIENT);
	wait_ms(2000);
	expect_counts(3, 2);
	expect_aborted(1, 0);
	assert_int_equal(connections_counts(connections).tracked, 0);
}

/* The client's call returns after the server's end is over; what it asks then is its own. */
static void test_server_first_overtaken(void **state)
{
	uint64_t asked, heard;

	(void)state;
	duo_begin(GET, OK);
	wire.ends[CLIENT].slow = true;
	asked = duo_send(CLIENT, GET);
	duo_read(SERVER, GET);
	duo_send(SERVER, OK);
	duo_close(SERVER);
	wire.ends[CLIENT].slow = false;
	wire_return(&wire, CLIENT);
	expect_counts(1, 2);
	heard = duo_read(CLIENT, OK);
	duo_look();
	expect_times(CLIENT, asked, heard);
	duo_send(CLIENT, GET GET);
	duo_close(CLIENT);
	wait_ms(2000);
	expect_counts(4, 2);
	expect_aborted(2, 0);
}

/* A body up to the end: of the server's end, or (it lingers) of the client's. */
static void test_until_close(void **state)
{
	(void)state;
	for (enum wire_who first = CLIENT; first <= SERVER; first++) {
		uint64_t asked, answered, heard;

		memset(count, 0, sizeof(count));
		duo_begin(GET, OK);
		asked = duo_send(CLIENT, GET);
		duo_read(SERVER, GET);
		duo_send(SERVER, CLOSE_HEAD);
		answered = duo_send(SERVER, "body");
		duo_read(CLIENT, CLOSE_HEAD);
		heard = duo_read(CLIENT, "body");
		duo_close(first);
		duo_close(!first);
		wait_ms(2000);
		expect_counts(2, 2);
		expect_aborted(0, 0);
		expect_times(CLIENT, asked, heard);
		assert_int_equal(newest(SERVER)->end, answered);
	}
}

/* The client leaves before the server ends such a body, which notices that, or ends it then. */
static void test_torn(void **state)
{
	(void)state;
	for (unsigned int noticed = 0; noticed < 2; noticed++) {
		memset(count, 0, sizeof(count));
		duo_begin(GET, OK);
		duo_send(CLIENT, GET);
		duo_read(SERVER, GET);
		duo_send(SERVER, CLOSE_HEAD);
		duo_read(CLIENT, CLOSE_HEAD);
		wire_close(&wire, CLIENT, now += STEP, 0, EVENT_TORN << DIRECTION_RX);
		wire_close(&wire, SERVER, now += STEP, 0, noticed ? EVENT_TORN << DIRECTION_TX : 0);
		wait_ms(2000);
		expect_counts(2, 2);
		expect_aborted(1, noticed);
	}
}

/* A head that never ended is no request, whoever closes first. */
static void test_half_head(void **state)
{
	(void)state;
	for (enum wire_who first = CLIENT; first <= SERVER; first++) {
		memset(count, 0, sizeof(count));
		duo_begin(GET, OK);
		duo_send(CLIENT, "GET /b HTTP/1.1\r\nHost:");
		duo_read(SERVER, "GET /b HTTP/1.1\r\nHost:");
		duo_close(first);
		duo_close(!first);
		wait_ms(2000);
		expect_counts(1, 1);
	}
}

/* One end is not watched any more: the other goes on by itself. */
static void test_unwatched(void **state)
{
	(void)state;
	for (enum wire_who gone = CLIENT; gone <= SERVER; gone++) {
		unsigned int before;

		memset(count, 0, sizeof(count));
		duo_begin(PING, PONG);
		duo_send(CLIENT, PING);
		duo_read(SERVER, PING);
		wire_close(&wire, gone, now += STEP, 0, EVENT_UNWATCHED);
		duo_send(SERVER, PONG);
		duo_read(CLIENT, PONG);
		for (unsigned int i = 0; i < 10; i++)
			duo_turn(PING, PONG);
		before = count[!gone];
		assert_in_range(before, 8, 12);
		duo_turn(PING, PONG);
		assert_int_equal(count[!gone], before + 1);
		assert_int_equal(count[gone], 1);
		duo_close(!gone);
		wait_ms(2000);
		expect_aborted(0, 0);
	}
}

/* A slot has a new tenant before the old one's end was told. */
static void test_reuse(void **state)
{
	(void)state;
	duo_begin(PING, PONG);
	duo_send(CLIENT, PING);
	duo_read(SERVER, PING);
	duo_place(5, 9);
	duo_open(0, 0);
	assert_false(is_duet());
	duo_turn(PING, PONG);
	duo_turn(PING, PONG);
	assert_true(is_duet());
	duo_close_both();
	expect_counts(3, 3);
	expect_aborted(0, 0);
}

/* Behind the last answer the server serves nothing, whatever it has read. */
static void last_answer(const char *request, const char *answer, const char *asked,
			const char *last)
{
	for (enum wire_who first = CLIENT; first <= SERVER; first++) {
		memset(count, 0, sizeof(count));
		duo_place(1, 2);
		duo_begin(request, answer);
		duo_send(CLIENT, asked);
		duo_read(SERVER, asked);
		duo_send(SERVER, last);
		duo_read(CLIENT, last);
		duo_close(first);
		duo_close(!first);
		wait_ms(2000);
		expect_counts(4, 2);
		expect_aborted(2, 0);
	}
}

static void test_last_answer(void **state)
{
	(void)state;
	last_answer(GET, OK, GET GET GET, "HTTP/1.1 204 No\r\nConnection: close\r\n\r\n");
	last_answer(PING, PONG, "*1\r\n$4\r\nQUIT\r\n" PING PING, "+OK\r\n");
}

/* The observer ends in the midst of it. */
static void test_freed(void **state)
{
	(void)state;
	duo_begin(PING, PONG);
	duo_send(CLIENT, PING PING "*1\r\n");
	duo_read(SERVER, PING);
	duo_send(SERVER, PONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DUO(test_unanswered),
		DUO(test_unread_answer),
		DUO(test_unread_request),
		DUO(test_unread_outlived),
		DUO(test_unfinished_body),
		DUO(test_server_first),
		DUO(test_server_first_overtaken),
		DUO(test_until_close),
		DUO(test_torn),
		DUO(test_half_head),
		DUO(test_unwatched),
		DUO(test_reuse),
		DUO(test_last_answer),
		DUO(test_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
