/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "protocol.h"

extern const struct protocol postgres_protocol;

#define SURE 50
#define LONG "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static int detect(const char *data, size_t size, enum lane lane, bool midway)
{
	uint8_t *copy = memcpy(malloc(size), data, size);
	int result = postgres_protocol.detect((struct bytes){ copy, size }, lane, midway);

	free(copy);
	return result;
}

#define BEGIN(text) detect(text, sizeof(text) - 1, LANE_REQUEST, false)
#define CLIENT(text) detect(text, sizeof(text) - 1, LANE_REQUEST, true)
#define SERVER(text) detect(text, sizeof(text) - 1, LANE_RESPONSE, true)

#define STARTUP "\0\0\0\x10\0\3\0\0user\0x\0\0"

static void test_begin(void **state)
{
	(void)state;
	assert_true(BEGIN(STARTUP) >= SURE);
	assert_true(BEGIN("\0\0\0\x08\x04\xd2\x16\x2f") >= SURE);
	assert_true(BEGIN("\0\0\0\x08\x04\xd2\x16\x30") >= SURE);
	assert_true(BEGIN("\0\0\0\x10\x04\xd2\x16\x2e"
			  "abcdefgh") >= SURE);
	for (size_t size = 1; size < 15; size++)
		assert_int_equal(detect(STARTUP, size, LANE_REQUEST, false), -EAGAIN);
	assert_int_equal(BEGIN("\0\0\0\x10\0\3\0\0used\0x\0\0"), 0);
	assert_int_equal(BEGIN("\0\0\0\x10\0\2\0\0user\0x\0\0"), 0);
	assert_int_equal(BEGIN("\0\0\0\x09\x04\xd2\x16\x2f"), 0);
	assert_int_equal(BEGIN("Q\0\0\0\x0dselect 1\0"), 0);
	/* Kafka: a metadata request of version 0 */
	assert_int_equal(BEGIN("\0\0\0\x14\0\3\0\0\0\0\0\1\0\2ab\0\0\0\0\0\0\0\0"), 0);
}

static void test_client(void **state)
{
	(void)state;
	assert_true(CLIENT(STARTUP) >= SURE);
	assert_true(CLIENT("Q\0\0\0\x0dselect 1\0") >= SURE);
	assert_true(CLIENT("P\0\0\0\x11s\0select 1\0\0\0B\0\0\0\x0d\0s\0\0\0\0\0\0\0S\0\0\0\4") >=
		    SURE);
	assert_true(CLIENT("B\0\0\0\x0d\0s\0\0\0\0\0\0\0E\0\0\0\x09\0\0\0\0\0S\0\0\0\4") >= SURE);
	assert_true(CLIENT("E\0\0\0\x0bp1\0\0\0\0\x0aS\0\0\0\4") >= SURE);
	assert_true(CLIENT("C\0\0\0\x09SC_1\0") >= SURE);
	assert_int_equal(CLIENT("Q\0\0\0"), -EAGAIN);
	assert_true(CLIENT("Q\0\1\0\0select " LONG) >= SURE);
	/* no good place to begin */
	assert_true(CLIENT("S\0\0\0\4") < SURE);
	assert_true(CLIENT("d\0\0\0\x08"
			   "abcd") < SURE);
	assert_true(CLIENT("c\0\0\0\4S\0\0\0\4") < SURE);
	/* what the server sends */
	assert_true(CLIENT("E\0\0\0\x1cSERROR\0C42601\0Mno such\0\0") < SURE);
	assert_true(CLIENT("C\0\0\0\x0dSELECT 1\0Z\0\0\0\5I") < SURE);
	assert_true(CLIENT("D\0\0\0\x0b\0\1\0\0\0\1x") < SURE);
	assert_true(CLIENT("Z\0\0\0\5I") < SURE);
	/* a query within, something else behind */
	assert_int_equal(CLIENT("Q\0\0\0\x0dselect 1\0GET / HTTP/1.1\r\n"), 0);
	assert_int_equal(CLIENT("Q\0\0\0\x0dsel\0ct 1\0"), 0);
}

static void test_server(void **state)
{
	(void)state;
	assert_true(SERVER("Z\0\0\0\5I") >= SURE);
	assert_true(SERVER("C\0\0\0\x0dSELECT 1\0Z\0\0\0\5T") >= SURE);
	assert_true(SERVER("1\0\0\0\0042\0\0\0\4n\0\0\0\4") >= SURE);
	assert_true(SERVER("E\0\0\0\x1cSERROR\0C42601\0Mno such\0\0Z\0\0\0\5I") >= SURE);
	assert_true(SERVER("D\0\0\0\x0b\0\1\0\0\0\1xC\0\0\0\x0dSELECT 1\0") >= SURE);
	assert_true(SERVER("Q\0\0\0\x0dselect 1\0") < SURE);
	assert_true(SERVER("E\0\0\0\x09\0\0\0\0\0S\0\0\0\4") < SURE);
	assert_true(SERVER("D\0\0\0\x07Ss\0S\0\0\0\4") < SURE);
	assert_true(SERVER("C\0\0\0\x09SC_1\0S\0\0\0\4") < SURE);
}

/* Others' bytes, as requests, as answers, at the begin and in mid-life. */
static void test_foreign(void **state)
{
	static const struct bytes foreign[] = {
		BYTES("GET /a HTTP/1.1\r\nHost: x\r\n\r\n"),
		BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
		BYTES("\0\0\x12\4\0\0\0\0\0\0\3\0\0\0\x80\0\4\0\1\0\0\0\5\0\xff\xff"),
		BYTES("HTTP/1.1 200 OK\r\n\r\n"),
		BYTES("*1\r\n$4\r\nPING\r\n"),
		BYTES("+PONG\r\n"),
		BYTES("SSH-2.0-OpenSSH_9.2\r\n"),
		BYTES("\x16\3\1\2\0\1\0\1\xfc\3\3abcdefghijklmnop"),
		BYTES("\x17\3\3\0\x20"
		      "abcdefghijklmnopabcdefghijklmnop"),
		BYTES("set a 0 0 1\r\nx\r\n"),
		BYTES("\x80\1\0\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0a"),
		BYTES("\x09\0\0\0\3select 1"),
		BYTES("Q\0\0\0\3select " LONG),
		BYTES("P\0\0\0\x16select " LONG),
		BYTES("B\0\0\0\x17\1\0\0\0\0\1\0\0\0\0\1\10\0\1\2\3\4\5\6\7\10"),
		BYTES("Q\0\0\0\5\0\0\0\0\0\0\0\xdd\7\0\0\0\0\0\0\0"
		      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
		BYTES("AMQP\0\0\11\1"),
		BYTES("\0\0\0\x14\0\3\0\0\0\0\0\1\0\2ab\0\0\0\0\0\0\0\0"),
		BYTES("QUIT\r\n"),
		BYTES("EHLO x\r\n"),
		BYTES("D 12 0 1\r\n"),
		BYTES("{\"a\":1}\n"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		const char *data = (const char *)foreign[i].data;

		for (int kind = 0; kind < 4; kind++)
			assert_true(detect(data, foreign[i].size, kind & 1, kind & 2) < SURE);
	}
}

static void test_random(void **state)
{
	unsigned int seed = 1;
	char data[64];
	int believed = 0;

	(void)state;
	for (int round = 0; round < 1000000; round++) {
		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = rand_r(&seed) >> 8;
		for (int kind = 0; kind < 4; kind++)
			believed += detect(data, sizeof(data), kind & 1, kind & 2) >= SURE;
	}
	assert_int_equal(believed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_begin),  cmocka_unit_test(test_client),
		cmocka_unit_test(test_server), cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
