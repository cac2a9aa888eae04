/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that were open before they were seen: when pairing begins, and what is presumed. */
#include "table.h"

#define CLIENT 0 /* slots of the two ends of one connection */
#define SERVER 1
#define REQUEST "*1\r\n$4\r\nPING\r\n"
#define ANSWER "+PONG\r\n"
#define HTTP "GET / HTTP/1.1\r\n\r\n"
#define PORT 7000

static uint32_t at[2][2]; /* by slot and direction: where the next byte goes */

/* Of a connection between two ports of this host. */
static void open_end(uint32_t slot, enum event_role role, uint8_t flags)
{
	bool server = slot == SERVER;
	struct event_open event = { .head = head(EVENT_OPEN, slot, 1),
				    .role = role,
				    .family = AF_INET,
				    .local_port = server ? PORT : 50000,
				    .remote_port = server ? 50000 : PORT,
				    .local = { 127, 0, 0, 1 },
				    .remote = { 127, 0, 0, 1 },
				    .position = { START, START } };

	slots[slot].generation = 1;
	event.head.flags = flags;
	at[slot][0] = at[slot][1] = 0;
	connections_event(connections, &event.head, sizeof(event));
}

static void move(uint32_t slot, enum event_direction direction, const char *text)
{
	send_data(slot, 1, direction, at[slot][direction], text, strlen(text));
	at[slot][direction] += strlen(text);
}

static void close_end(uint32_t slot)
{
	send_close(slot, 1, at[slot][DIRECTION_RX], at[slot][DIRECTION_TX], 0, 0);
}

/* Busy when found: counted from the third exchange on, the second confirms where one begins. */
static void test_trial(void **state)
{
	static const unsigned int counted[] = { 0, 0, 1, 2, 3 };

	(void)state;
	for (int client = 0; client < 2; client++) {
		done = 0;
		open_end(CLIENT, client ? ROLE_CLIENT : ROLE_SERVER, EVENT_LATE);
		for (int i = 0; i < 5; i++) {
			move(CLIENT, client ? DIRECTION_TX : DIRECTION_RX, REQUEST);
			move(CLIENT, client ? DIRECTION_RX : DIRECTION_TX, ANSWER);
			assert_int_equal(done, counted[i]);
		}
		close_end(CLIENT);
	}
}

/* One answer more than there were requests: what was taken for a begin was none. */
static void test_contradiction(void **state)
{
	(void)state;
	open_end(CLIENT, ROLE_CLIENT, EVENT_LATE);
	move(CLIENT, DIRECTION_RX, ANSWER); /* of two that were asked for before */
	move(CLIENT, DIRECTION_TX, REQUEST);
	move(CLIENT, DIRECTION_RX, ANSWER); /* the other */
	move(CLIENT, DIRECTION_RX, ANSWER);
	for (unsigned int i = 0; i < 3; i++) {
		move(CLIENT, DIRECTION_TX, REQUEST REQUEST);
		move(CLIENT, DIRECTION_RX, ANSWER);
		move(CLIENT, DIRECTION_RX, ANSWER);
		assert_int_equal(done, 2 * i);
	}
	close_end(CLIENT);
	assert_int_equal(aborted, 0);
}

/*
 * Nothing seems to be under way: the first exchange counts once the next one confirms it. A slow
 * answer to an older request ends that trial.
 */
static void test_rest(void **state)
{
	(void)state;
	open_end(CLIENT, ROLE_CLIENT, EVENT_LATE | EVENT_QUIET);
	for (unsigned int i = 0; i < 3; i++) {
		move(CLIENT, DIRECTION_TX, REQUEST);
		move(CLIENT, DIRECTION_RX, ANSWER);
		assert_int_equal(done, i ? i + 1 : 0);
	}
	close_end(CLIENT);

	done = 0;
	open_end(CLIENT, ROLE_CLIENT, EVENT_LATE | EVENT_QUIET);
	move(CLIENT, DIRECTION_TX, REQUEST);
	move(CLIENT, DIRECTION_RX, ANSWER); /* to what was asked before */
	move(CLIENT, DIRECTION_RX, ANSWER);
	for (unsigned int i = 0; i < 3; i++) {
		move(CLIENT, DIRECTION_TX, REQUEST);
		move(CLIENT, DIRECTION_RX, ANSWER);
		assert_int_equal(done, i);
	}
	close_end(CLIENT);
}

/* Bytes that were missed since it was found at rest; and nothing that was ever moved. */
static void test_beginnings(void **state)
{
	(void)state;
	open_end(CLIENT, ROLE_CLIENT, EVENT_LATE | EVENT_QUIET);
	at[CLIENT][DIRECTION_RX] += strlen(ANSWER);
	at[CLIENT][DIRECTION_TX] += strlen(REQUEST);
	for (unsigned int i = 0; i < 2; i++) {
		move(CLIENT, DIRECTION_TX, REQUEST);
		wait_ms(500); /* for what may only be late */
		move(CLIENT, DIRECTION_RX, ANSWER);
		wait_ms(500);
	}
	assert_int_equal(done, 0);
	close_end(CLIENT);

	open_end(CLIENT, ROLE_CLIENT, EVENT_LATE | EVENT_UNUSED);
	move(CLIENT, DIRECTION_TX, REQUEST);
	move(CLIENT, DIRECTION_RX, ANSWER);
	assert_int_equal(done, 1);
	close_end(CLIENT);
}

/*
 * Always two under way, so that every answer looks like that to the newest request. The server's
 * end knows better and tells the client's.
 */
static void test_window(void **state)
{
	(void)state;
	open_end(CLIENT, ROLE_CLIENT, EVENT_LATE);
	for (int i = 0; i < 5; i++) {
		move(CLIENT, DIRECTION_RX, ANSWER);
		move(CLIENT, DIRECTION_TX, REQUEST);
	}
	assert_int_not_equal(done, 0); /* alone it cannot know */
	close_end(CLIENT);

	done = aborted = 0;
	open_end(CLIENT, ROLE_CLIENT, EVENT_LATE);
	open_end(SERVER, ROLE_SERVER, 0);
	for (int i = 0; i < 5; i++) {
		move(CLIENT, DIRECTION_RX, ANSWER);
		at[SERVER][DIRECTION_TX] += strlen(ANSWER);
		move(CLIENT, DIRECTION_TX, REQUEST);
		at[SERVER][DIRECTION_RX] += strlen(REQUEST);
	}
	assert_int_equal(done, 0);
	close_end(CLIENT);
	close_end(SERVER);
}

/* The server's end was seen from its begin, the client's in mid-life: it begins where it is told.
 */
static void test_anchor(void **state)
{
	(void)state;
	open_end(CLIENT, ROLE_CLIENT, EVENT_LATE);
	open_end(SERVER, ROLE_SERVER, 0);
	for (int i = 0; i < 3; i++)
		move(CLIENT, DIRECTION_TX, REQUEST);
	move(SERVER, DIRECTION_RX, REQUEST REQUEST);
	assert_int_equal(done, 0);
	move(SERVER, DIRECTION_TX, ANSWER);
	move(SERVER, DIRECTION_TX, ANSWER);
	assert_int_equal(done, 2);
	move(CLIENT, DIRECTION_RX, ANSWER ANSWER);
	assert_int_equal(done, 4);
	move(SERVER, DIRECTION_RX, REQUEST);
	move(SERVER, DIRECTION_TX, ANSWER);
	move(CLIENT, DIRECTION_RX, ANSWER);
	assert_int_equal(done, 6);
	close_end(SERVER);
	close_end(CLIENT);
	assert_int_equal(aborted, 0);
}

/* Answers that look shorter or longer than they are when given to another request's (HEAD). */
static void test_framing(void **state)
{
	static const char *const asked[] = { "GET /a HTTP/1.1\r\n\r\n", "GET /b HTTP/1.1\r\n\r\n",
					     "HEAD /c HTTP/1.1\r\n\r\n",
					     "POST /d HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi" };
	static const char *const told[] = { "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
					    "HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno",
					    "HTTP/1.1 200 OK\r\nContent-Length: 8000\r\n\r\n",
					    "HTTP/1.1 201 OK\r\nContent-Length: 0\r\n\r\n" };
	unsigned int window[] = { 1, 0, 3, 2 };

	(void)state;
	open_end(CLIENT, ROLE_CLIENT, EVENT_LATE);
	open_end(SERVER, ROLE_SERVER, EVENT_LATE);
	for (unsigned int i = 0; i < 20; i++) {
		unsigned int next = i * 7 % 11 % 4;

		move(SERVER, DIRECTION_TX, told[window[0]]);
		move(CLIENT, DIRECTION_RX, told[window[0]]);
		memmove(window, window + 1, 3 * sizeof(window[0]));
		window[3] = next;
		move(CLIENT, DIRECTION_TX, asked[next]);
		move(SERVER, DIRECTION_RX, asked[next]);
	}
	for (unsigned int i = 0; i < 4; i++) {
		move(SERVER, DIRECTION_TX, told[window[i]]);
		move(CLIENT, DIRECTION_RX, told[window[i]]);
	}
	done = 0;
	for (unsigned int i = 0; i < 8; i++) {
		if (i == 4) {
			assert_in_range(done, 2, 6);
			done = 0;
		}
		move(CLIENT, DIRECTION_TX, asked[i % 4]);
		move(SERVER, DIRECTION_RX, asked[i % 4]);
		move(SERVER, DIRECTION_TX, told[i % 4]);
		move(CLIENT, DIRECTION_RX, told[i % 4]);
	}
	assert_int_equal(done, 8);
	close_end(CLIENT);
	close_end(SERVER);
}

/* A silent connection is presumed to be what its server is known for, until it says otherwise. */
static void test_presumption(void **state)
{
	(void)state;
	served = 0; /* HTTP */
	open_end(SERVER, ROLE_SERVER, EVENT_LATE);
	open_end(CLIENT, ROLE_CLIENT, EVENT_LATE);
	assert_int_equal(opened, 0);
	wait_ms(1000);
	assert_int_equal(opened, 2);
	assert_int_equal(closed, 0);
	move(CLIENT, DIRECTION_RX, ANSWER);
	move(CLIENT, DIRECTION_TX, REQUEST);
	assert_int_equal(closed, 1); /* as HTTP ... */
	assert_int_equal(opened, 3); /* ... to be Redis */
	close_end(CLIENT);
	close_end(SERVER);
	assert_int_equal(closed, 3);
	assert_int_equal(opened, 3);
}

/* What a connection was heard to be weighs more than what its server's program is known for. */
static void test_hearsay(void **state)
{
	(void)state;
	open_end(CLIENT, ROLE_CLIENT, EVENT_LATE | EVENT_QUIET);
	move(CLIENT, DIRECTION_TX, HTTP);
	assert_int_equal(opened, 1);
	close_end(CLIENT);
	open_end(CLIENT, ROLE_CLIENT, EVENT_LATE);
	wait_ms(1000);
	assert_int_equal(opened, 2);
	close_end(CLIENT);
	assert_int_equal(closed, 2);
}

/* The server's end is not followed any more, or never was: the client's end tries by itself. */
static void test_alone(void **state)
{
	(void)state;
	for (int deaf = 0; deaf < 2; deaf++) {
		open_end(CLIENT, ROLE_CLIENT, EVENT_LATE);
		open_end(SERVER, ROLE_SERVER, deaf ? 0 : EVENT_LATE);
		if (deaf)
			move(SERVER, DIRECTION_RX, "\x01\x02 nothing of ours\r\n");
		move(CLIENT, DIRECTION_TX, REQUEST);
		move(CLIENT, DIRECTION_RX, ANSWER);
		assert_int_equal(done, 0);
		if (!deaf)
			send_close(SERVER, 1, 0, 0, 0, EVENT_UNWATCHED);
		for (int i = 0; i < 10; i++) {
			move(CLIENT, DIRECTION_TX, REQUEST);
			move(CLIENT, DIRECTION_RX, ANSWER);
		}
		assert_in_range(done, 8, 11);
		done = 0;
		close_end(CLIENT);
		if (deaf)
			close_end(SERVER);
	}
}

/* Unix sockets without a path: what one of them carries says nothing of the others. */
static void test_unnamed(void **state)
{
	(void)state;
	for (uint32_t slot = 0; slot < 2; slot++) {
		struct event_open event = { .head = head(EVENT_OPEN, slot, 1), .family = AF_UNIX };

		slots[slot].generation = 1;
		event.head.flags = EVENT_LATE;
		connections_event(connections, &event.head, sizeof(event));
	}
	send_data(0, 1, DIRECTION_RX, -START, ANSWER, strlen(ANSWER));
	send_data(0, 1, DIRECTION_TX, -START, REQUEST, strlen(REQUEST));
	assert_int_equal(opened, 1);
	wait_ms(1000);
	assert_int_equal(opened, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_trial),      TEST(test_contradiction), TEST(test_rest),
		TEST(test_beginnings), TEST(test_window),	 TEST(test_anchor),
		TEST(test_framing),    TEST(test_presumption),	 TEST(test_hearsay),
		TEST(test_alone),      TEST(test_unnamed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
