/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "table.h"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define LARGE "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"

static void ask(uint32_t slot, uint32_t generation)
{
	send_data(slot, generation, DIRECTION_TX, 0, GET, sizeof(GET) - 1);
}

static void answer(uint32_t slot, uint32_t generation, const char *text, uint32_t moved)
{
	send_data(slot, generation, DIRECTION_RX, 0, text, moved);
}

static void test_exchange(void **state)
{
	(void)state;
	send_open(3, 1, ROLE_CLIENT, 0);
	ask(3, 1);
	answer(3, 1, OK, sizeof(OK) - 1);
	assert_int_equal(done, 1);
	send_close(3, 1, sizeof(OK) - 1, sizeof(GET) - 1, 0, 0);
	assert_int_equal(opened, 1);
	assert_int_equal(closed, 1);
	assert_int_equal(released, 1);
	assert_int_equal(connections_counts(connections).tracked, 0);
}

/* The record of the last bytes comes after that of the close. */
static void test_overtaken(void **state)
{
	(void)state;
	send_open(0, 1, ROLE_CLIENT, 0);
	ask(0, 1);
	send_close(0, 1, sizeof(OK) - 1, sizeof(GET) - 1, 0, 0);
	wait_ms(250); /* on a machine that is busy with others */
	assert_int_equal(closed, 0);
	answer(0, 1, OK, sizeof(OK) - 1);
	assert_int_equal(done, 1);
	assert_int_equal(closed, 1);
	assert_int_equal(aborted, 0);
}

/* All was seen and there is no answer; or not all was seen, and nobody knows. */
static void test_aborted_or_lost(void **state)
{
	(void)state;
	send_open(0, 1, ROLE_CLIENT, 0);
	ask(0, 1);
	send_close(0, 1, 0, sizeof(GET) - 1, 0, 0);
	assert_int_equal(aborted, 1);
	send_open(1, 1, ROLE_CLIENT, 0);
	ask(1, 1);
	send_close(1, 1, sizeof(OK) - 1, sizeof(GET) - 1, 0, 0);
	wait_ms(350);
	assert_int_equal(closed, 2);
	assert_int_equal(aborted, 1);
	assert_int_equal(done, 0);
}

/* A large answer that another thread reads before the call that asked has returned. */
static void test_asked_late(void **state)
{
	enum { BODY = 20000 };
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 40000\r\n\r\n";
	char *body = malloc(BODY + 1);
	uint32_t size = sizeof(head) - 1;

	(void)state;
	memset(body, 'x', BODY);
	body[BODY] = 0;
	send_open(0, 1, ROLE_CLIENT, 0);
	answer(0, 1, head, size);
	for (unsigned int i = 0; i < 2; i++, size += BODY)
		send_data(0, 1, DIRECTION_RX, size, body, BODY);
	ask(0, 1);
	assert_int_equal(done, 1);
	/* But not for ever: a server that speaks first is another's. */
	send_open(1, 1, ROLE_CLIENT, 0);
	answer(1, 1, body + BODY / 2, BODY / 2);
	wait_ms(300);
	send_data(1, 1, DIRECTION_RX, BODY / 2, body, BODY);
	assert_int_equal(slots[1].ignore, 1);
	send_close(0, 1, size, sizeof(GET) - 1, 0, 0);
	send_close(1, 1, BODY + BODY / 2, 0, 0, 0);
	free(body);
}

/* A Unix socket is over while its last records still lie in the ring. */
static void test_found_over(void **state)
{
	struct event_open event = { .head = head(EVENT_OPEN, 0, 1),
				    .role = ROLE_CLIENT,
				    .family = AF_UNIX,
				    .position = { START, START } };

	(void)state;
	slots[0].generation = slots[0].closed = 1;
	connections_event(connections, &event.head, sizeof(event));
	wait_ms(1100);
	ask(0, 1);
	answer(0, 1, OK, sizeof(OK) - 1);
	assert_int_equal(done, 1);
	assert_int_equal(closed, 0);
	wait_ms(1100);
	assert_int_equal(closed, 1);
	assert_int_equal(aborted, 0);
}

/* Bytes that came but that the program never read are no loss. */
static void test_unread(void **state)
{
	(void)state;
	send_open(0, 1, ROLE_CLIENT, 0);
	ask(0, 1);
	send_close(0, 1, 0, sizeof(GET) - 1, 500, 0);
	wait_ms(500);
	assert_int_equal(closed, 0);
	wait_ms(600);
	assert_int_equal(closed, 1);
	assert_int_equal(aborted, 1);
}

/* A body's bytes moved without any record: their number is known from the close. */
static void test_body_unseen(void **state)
{
	uint32_t size = sizeof(LARGE) - 1 + 100000;

	(void)state;
	send_open(0, 1, ROLE_CLIENT, 0);
	ask(0, 1);
	answer(0, 1, LARGE, sizeof(LARGE) - 1);
	send_close(0, 1, size, sizeof(GET) - 1, 0, 0);
	wait_ms(350);
	assert_int_equal(done, 1);
	assert_int_equal(aborted, 0);
}

static void test_body_is_skipped(void **state)
{
	uint32_t size = sizeof(LARGE) - 1 + 100000;

	(void)state;
	send_open(2, 1, ROLE_CLIENT, 0);
	ask(2, 1);
	answer(2, 1, LARGE, sizeof(LARGE) - 1);
	assert_int_equal(slots[2].skipping[DIRECTION_RX], 1);
	assert_int_equal(slots[2].until[DIRECTION_RX], START + size);
	/* The kernel side tells of the last call only, and clears the flag. */
	slots[2].skipping[DIRECTION_RX] = 0;
	send_data(2, 1, DIRECTION_RX, size - 1000, "", 1000);
	assert_int_equal(done, 1);
	assert_int_equal(slots[2].skipping[DIRECTION_RX], 0);
	send_close(2, 1, size, sizeof(GET) - 1, 0, 0);
}

static void test_foreign_is_ignored(void **state)
{
	(void)state;
	send_open(0, 1, ROLE_CLIENT, 0);
	send_data(0, 1, DIRECTION_TX, 0, "SSH-2.0-OpenSSH_9.2\r\n", 21);
	assert_int_equal(slots[0].ignore, 1);
	send_close(0, 1, 0, 9999, 0, 0);
	assert_int_equal(closed, 1);
	assert_int_equal(done + aborted, 0);
}

static void test_refused(void **state)
{
	(void)state;
	admits = false;
	send_open(0, 1, ROLE_SERVER, 0);
	assert_int_equal(slots[0].generation, 2); /* so that the kernel side forgets it */
	assert_int_equal(released, 1);
	send_data(0, 1, DIRECTION_RX, 0, GET, sizeof(GET) - 1);
	send_close(0, 1, 0, 0, 0, EVENT_UNWATCHED);
	assert_int_equal(released, 1);
	assert_int_equal(opened + closed + done, 0);
}

/* Records of a slot's last tenant, and a tenant whose end was never told. */
static void test_generations(void **state)
{
	(void)state;
	send_open(0, 1, ROLE_CLIENT, 0);
	ask(0, 1);
	send_open(0, 2, ROLE_CLIENT, 0);
	assert_int_equal(closed, 1);
	answer(0, 1, OK, sizeof(OK) - 1);
	assert_int_equal(connections_counts(connections).stale, 1);
	assert_int_equal(done + aborted, 0);
	slots[0].closed = 2;
	wait_ms(1100);
	wait_ms(1100);
	assert_int_equal(closed, 2);
	assert_int_equal(connections_counts(connections).tracked, 0);
}

static void test_failed(void **state)
{
	struct event_open event = { .head = head(EVENT_FAIL, EVENT_NO_SLOT, 0),
				    .role = ROLE_CLIENT,
				    .family = AF_INET,
				    .error = 111 };

	(void)state;
	connections_event(connections, &event.head, sizeof(event));
	assert_int_equal(failed, 1);
	assert_int_equal(opened, 0);
}

/* Anything else is counted and nothing happens. */
static void test_malformed(void **state)
{
	struct event_data event = { .head = head(EVENT_DATA, SLOTS, 1) };

	(void)state;
	connections_event(connections, &event.head, sizeof(event));
	event.head.slot = 0;
	event.captured = event.moved = 1;
	connections_event(connections, &event.head, sizeof(event));
	event.head.kind = 77;
	connections_event(connections, &event.head, sizeof(event));
	connections_event(connections, &event.head, 5);
	assert_int_equal(connections_counts(connections).events[0], 4);
}

/* The time in the socket before the server read it counts. */
static void test_arrival(void **state)
{
	struct event_data *event = calloc(1, sizeof(*event) + sizeof(GET));

	(void)state;
	send_open(0, 1, ROLE_SERVER, 0);
	*event = (struct event_data){ .head = head(EVENT_DATA, 0, 1),
				      .position = START,
				      .moved = sizeof(GET) - 1,
				      .captured = sizeof(GET) - 1 };
	event->instant = event->head.time;
	event->head.time = now += 5 * NSEC_PER_MSEC;
	memcpy(event->bytes, GET, sizeof(GET) - 1);
	connections_event(connections, &event->head, sizeof(*event) + sizeof(GET) - 1);
	free(event);
	send_data(0, 1, DIRECTION_TX, 0, OK, sizeof(OK) - 1);
	assert_int_equal(done, 1);
	assert_int_equal(last_duration, 5 * NSEC_PER_MSEC + 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_exchange),	TEST(test_overtaken),	    TEST(test_aborted_or_lost),
		TEST(test_unread),	TEST(test_found_over),	    TEST(test_asked_late),
		TEST(test_body_unseen), TEST(test_body_is_skipped), TEST(test_foreign_is_ignored),
		TEST(test_refused),	TEST(test_generations),	    TEST(test_failed),
		TEST(test_malformed),	TEST(test_arrival),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
