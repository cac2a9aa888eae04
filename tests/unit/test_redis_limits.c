/* SPDX-License-Identifier: Apache-2.0 */
#include "redis_script.h"

#include <errno.h>
#include <stdio.h>

#include "proto/redis_commands.h"

extern const struct protocol redis_protocol;

static void deep(unsigned int levels)
{
	CLIENT("GET a\r\nGET b\r\n");
	for (unsigned int i = 0; i < levels; i++)
		SERVER("*1\r\n");
	SERVER(":1\r\n$-1\r\n");
}

static uint64_t errors(void)
{
	return drive.pipeline.counts[drive.conversation.protocol].errors;
}

static void test_limits(void **state)
{
	(void)state;
	drive_open(&drive, SIDE_CLIENT, false, DRIVE_WHOLE, 0);
	deep(32);
	assert_int_equal(errors(), 0);
	assert_string_equal(drive_close(&drive),
			    "GET ok 0 - hits=1 misses=0\nGET ok 0 - hits=0 misses=1\n");
	drive_open(&drive, SIDE_CLIENT, false, DRIVE_WHOLE, 0);
	deep(10000);
	assert_int_equal(errors(), 1);
	assert_string_equal(drive_close(&drive), "");
	/* A billion elements are a number. */
	drive_open(&drive, SIDE_CLIENT, false, DRIVE_WHOLE, 0);
	CLIENT("MGET a\r\n");
	SERVER("*1000000000\r\n$-1\r\n");
	assert_int_equal(errors(), 0);
	assert_string_equal(drive_close(&drive), "MGET aborted 0 -\n");
}

static void test_broken(void **state)
{
	static const char *const requests[] = {
		"*1\r\n+PING\r\n",  "*1\r\n$-1\r\n", "*1x\r\n",
		"*99999999999\r\n", "*01\r\n",	     "*1\r\n$9999999999999\r\n",
		"\x16\x03\x01 x\n", "*?\r\n",
	};
	static const char *const responses[] = { "OK\r\n",  "$-2\r\n", "*-2\r\n",     ":x\r\n",
						 "_x\r\n",  ".\r\n",   "$3\r\nabcde", "#x\r\n",
						 "=-1\r\n", "+\n",     "%-1\r\n" };

	(void)state;
	/* The server hangs up after what it understood; one that goes on was misunderstood. */
	for (size_t i = 0; i < 2 * sizeof(requests) / sizeof(requests[0]); i++) {
		const char *request = requests[i / 2];
		bool hangs_up = i % 2;

		drive_open(&drive, SIDE_CLIENT, false, DRIVE_WHOLE, 0);
		CLIENT("PING\r\n");
		drive_send(&drive, LANE_REQUEST, request, strlen(request));
		CLIENT("PING\r\nPING\r\n");
		if (hangs_up)
			SERVER("+PONG\r\n-ERR Protocol error\r\n");
		else
			SERVER("+PONG\r\n+PONG\r\n");
		if (errors() != !hangs_up)
			fail_msg("%zu: %s", i, request);
		assert_string_equal(drive_close(&drive), "PING ok 0 -\n");
	}
	for (size_t i = 0; i < sizeof(responses) / sizeof(responses[0]); i++) {
		drive_open(&drive, SIDE_CLIENT, false, DRIVE_WHOLE, 0);
		CLIENT("PING\r\n");
		drive_send(&drive, LANE_RESPONSE, responses[i], strlen(responses[i]));
		if (errors() != 1)
			fail_msg("accepted: %s", responses[i]);
		drive_close(&drive);
	}
}

static int detect(const char *head, bool midway)
{
	return redis_protocol.detect((struct bytes){ (const uint8_t *)head, strlen(head) },
				     LANE_REQUEST, midway);
}

static void test_detect(void **state)
{
	static const char *const good[] = { "*1\r\n$4\r\nPING\r\n",
					    "*2\r\n$3\r\nfoo\r\n$1",
					    "PING\r\n",
					    "SET a b\n",
					    "info\r\n",
					    "AUTH secret\r\n",
					    "*3\r\n$7\r\nFT.INFO\r\n",
					    "*2\r\n$5\r\nhello\r\n$1\r\n3\r\n" };
	static const char *const foreign[] = {
		"GET / HTTP/1.1\r\n",
		"GET /\r\n",
		"get key\r\n",
		"set k 0 0 5\r\nhello\r\n",
		"gets a\r\n",
		"QUIT\r\n",
		"EHLO a\r\n",
		"AUTH PLAIN\r\n",
		"AUTH\r\n",
		"SUBSCRIBE sip:a@b SIP/2.0\r\n",
		"INFO {\"a\":1}\r\n",
		"CONNECT {}\r\nPING\r\n",
		"SSH-2.0-x\r\n",
		"\x16\x03\x01\x02",
		"PRI * HTTP/2.0\r\n",
		"*1\r\n:4\r\n",
		"*0\r\n",
		"ping\n",
		"watch tube\r\n",
		"*1\r\n$200\r\n",
		"PUBLISH x SIP/2.0\r\n",
		"SET a\x01 b\r\n",
	};
	const struct bytes whole = BYTES("*2\r\n$3\r\nGET\r\n");

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_in_range(detect(good[i], false), 50, 100);
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		if (detect(foreign[i], false) != 0 || detect(foreign[i], true) != 0)
			fail_msg("taken for Redis: %s", foreign[i]);
	}
	for (size_t i = 1; i < whole.size; i++)
		assert_int_equal(redis_protocol.detect(bytes_first(whole, i), LANE_REQUEST, false),
				 -EAGAIN);
	assert_int_equal(detect("P", false), -EAGAIN);
	/* In mid-life an array of strings may be an answer. */
	assert_in_range(detect("*2\r\n$3\r\nfoo\r\n$1\r\na\r\n", true), 0, 49);
	assert_int_equal(detect("*1\r\n$3\r\nget\r\n+OK\r\n", true), 0);
	assert_int_equal(detect("*2\r\n$3\r\nget\r\n:1\r\n", true), 0);
	assert_int_equal(detect("PING\r\n", true), 0);
}

/* Names that a peer makes up do not fill the tables. */
static void test_names(void **state)
{
	char text[32];
	uint16_t first = redis_command_find(BYTES("made.up"))->name;
	uint16_t other = redis_command_find(BYTES("a b"))->name;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		snprintf(text, sizeof(text), "up%d", i);
		redis_command_find((struct bytes){ (const uint8_t *)text, strlen(text) });
	}
	assert_int_equal(redis_command_find(BYTES("up1999"))->name, other);
	assert_int_equal(redis_command_find(BYTES("MADE.UP"))->name, first);
	assert_int_not_equal(first, other);
	assert_true(redis_command_known(BYTES("zscore")));
	assert_false(redis_command_known(BYTES("made.up")));
	assert_int_not_equal(redis_command_find(BYTES("zscore"))->name, other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_detect),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
