/* SPDX-License-Identifier: Apache-2.0 */
#include "redis_script.h"

static void pubsub(void)
{
	CLIENT("SUBSCRIBE a b\r\n");
	SERVER(CONFIRM("*", "9", "subscribe", "$1\r\na\r\n", "1"));
	SERVER(CONFIRM("*", "9", "subscribe", "$1\r\nb\r\n", "2"));
	SERVER(MESSAGE);
	CLIENT("PING\r\n");
	SERVER(MESSAGE PMESSAGE "*2\r\n$4\r\npong\r\n$0\r\n\r\n" MESSAGE);
	CLIENT("PSUBSCRIBE p\r\nPUNSUBSCRIBE\r\nGET a\r\nUNSUBSCRIBE\r\nGET a\r\n");
	SERVER(CONFIRM("*", "10", "psubscribe", "$1\r\np\r\n", "3") MESSAGE);
	SERVER(CONFIRM("*", "12", "punsubscribe", "$1\r\np\r\n", "2") "-ERR context\r\n" MESSAGE);
	SERVER(CONFIRM("*", "11", "unsubscribe", "$1\r\na\r\n", "1") MESSAGE);
	SERVER(CONFIRM("*", "11", "unsubscribe", "$1\r\nb\r\n", "0") "$-1\r\n");
	CLIENT("UNSUBSCRIBE\r\nLRANGE l 0 -1\r\n");
	SERVER(CONFIRM("*", "11", "unsubscribe", "$-1\r\n", "0") MESSAGE);
	CLIENT("SSUBSCRIBE s\r\nRESET\r\nLRANGE l 0 -1\r\nSUBSCRIBE x\r\n");
	SERVER(CONFIRM("*", "10", "ssubscribe", "$1\r\ns\r\n", "1"));
	SERVER("*3\r\n$8\r\nsmessage\r\n$1\r\na\r\n$5\r\nhello\r\n+RESET\r\n" MESSAGE
	       "-NOPERM\r\n");
}

static void test_pubsub(void **state)
{
	(void)state;
	expect(pubsub, "SUBSCRIBE ok 0 -\nPING ok 0 -\nPSUBSCRIBE ok 0 -\nPUNSUBSCRIBE ok 0 -\n"
		       "GET error 0 -\nUNSUBSCRIBE ok 0 -\nGET ok 0 - hits=0 misses=1\n"
		       "UNSUBSCRIBE ok 0 -\nLRANGE ok 0 -\nSSUBSCRIBE ok 0 -\nRESET ok 0 -\n"
		       "LRANGE ok 0 -\nSUBSCRIBE error 0 -\n");
}

static void pubsub3(void)
{
	CLIENT("SUBSCRIBE a b\r\nGET a\r\n");
	SERVER(">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n");
	SERVER(CONFIRM(">", "9", "subscribe", "$1\r\na\r\n", "1"));
	SERVER(CONFIRM(">", "9", "subscribe", "$1\r\nb\r\n", "2") "$1\r\na\r\n");
	CLIENT("LRANGE l 0 -1\r\nUNSUBSCRIBE\r\nUNSUBSCRIBE\r\n");
	SERVER(MESSAGE CONFIRM(">", "11", "unsubscribe", "$1\r\na\r\n", "1"));
	SERVER(CONFIRM(">", "11", "unsubscribe", "$1\r\nb\r\n", "0"));
	SERVER(CONFIRM(">", "11", "unsubscribe", "_\r\n", "0"));
	/* Inside a transaction: RESP3, then as RESP2 does it. */
	CLIENT("MULTI\r\nSUBSCRIBE c d\r\nPING\r\nEXEC\r\nMULTI\r\nSUBSCRIBE c d\r\n"
	       "GET a\r\nEXEC\r\nPING\r\n");
	SERVER("+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n");
	SERVER(CONFIRM(">", "9", "subscribe", "$1\r\nc\r\n", "1"));
	SERVER(CONFIRM(">", "9", "subscribe", "$1\r\nd\r\n", "2") "+PONG\r\n");
	SERVER("+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n" CONFIRM("*", "9", "subscribe", "$1\r\nc\r\n",
							     "2"));
	SERVER(CONFIRM("*", "9", "subscribe", "$1\r\nd\r\n", "2") "$-1\r\n" MESSAGE);
	SERVER("*2\r\n$4\r\npong\r\n$0\r\n\r\n");
}

static void test_pubsub3(void **state)
{
	(void)state;
	expect(pubsub3, "SUBSCRIBE ok 0 -\nGET ok 0 - hits=1 misses=0\nLRANGE ok 0 -\n"
			"UNSUBSCRIBE ok 0 -\nUNSUBSCRIBE ok 0 -\nMULTI ok 0 -\nSUBSCRIBE ok 0 -\n"
			"PING ok 0 -\nEXEC ok 0 -\nMULTI ok 0 -\nSUBSCRIBE ok 0 -\n"
			"GET ok 0 - hits=0 misses=1\nEXEC ok 0 -\nPING ok 0 -\n");
}

static void monitor(void)
{
	CLIENT("*1\r\n$7\r\nMONITOR\r\n");
	SERVER("+OK\r\n+1795573717.737817 [0 127.0.0.1:5] \"GET\" \"a\"\r\n");
	CLIENT("PING\r\nRESET\r\nGET a\r\n");
	SERVER("+1795573717.737817 [0 127.0.0.1:55336] \"SET\" \"a\" \"a value of some length\"\r\n"
	       "+PONG\r\n"
	       "+1795573717.737817 [0 127.0.0.1:5] \"GET\" \"a\"\r\n+RESET\r\n$1\r\n1\r\n");
}

static void replica(void)
{
	CLIENT("*1\r\n$4\r\nPING\r\n");
	SERVER("+PONG\r\n");
	CLIENT("*3\r\n$8\r\nREPLCONF\r\n$4\r\ncapa\r\n$3\r\neof\r\n");
	SERVER("+OK\r\n");
	CLIENT("*3\r\n$5\r\nPSYNC\r\n$1\r\n?\r\n$2\r\n-1\r\n");
	SERVER("\n\n+FULLRESYNC 0123456789012345678901234567890123456789 0\r\n");
	SERVER("\n$EOF:0123456789012345678901234567890123456789\r\nREDIS0011*1\r\n$4\r\n");
	CLIENT("*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$1\r\n0\r\n");
	SERVER("*1\r\n$4\r\nPING\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n");
	CLIENT("*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$2\r\n14\r\n");
}

static void old_replica(void)
{
	CLIENT("*3\r\n$5\r\nPSYNC\r\n$1\r\n?\r\n$2\r\n-1\r\n");
	SERVER("-ERR unknown command\r\n");
	CLIENT("SYNC\r\n");
	SERVER("\n\n$18\r\nREDIS0011 the data*1\r\n$4\r\nPING\r\n");
}

static void test_streams(void **state)
{
	(void)state;
	expect(monitor, "MONITOR ok 0 -\nPING ok 0 -\nRESET ok 0 -\nGET ok 0 - hits=1 misses=0\n");
	expect(replica, "PING ok 0 -\nREPLCONF ok 0 -\nPSYNC ok 0 -\nREPLCONF ok 0 -\n"
			"REPLCONF ok 0 -\n");
	expect(old_replica, "PSYNC error 0 -\nSYNC ok 0 -\n");
}

static void in_transaction(void)
{
	CLIENT("*2\r\n$3\r\nGET\r\n$1\r\nb\r\n");
	SERVER("+QUEUED\r\n");
	CLIENT("*1\r\n$4\r\nEXEC\r\n*2\r\n$3\r\nGET\r\n$1\r\nb\r\n");
	SERVER("*3\r\n+OK\r\n*1\r\n*1\r\n:1\r\n$-1\r\n$1\r\nb\r\n");
}

static void subscribed(void)
{
	SERVER(MESSAGE);
	CLIENT("*1\r\n$4\r\nPING\r\n");
	SERVER(MESSAGE "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
	SERVER(MESSAGE MESSAGE);
	CLIENT("*1\r\n$11\r\nUNSUBSCRIBE\r\n");
	SERVER(CONFIRM("*", "11", "unsubscribe", "$1\r\na\r\n", "1"));
	SERVER(CONFIRM("*", "11", "unsubscribe", "$1\r\na\r\n", "0"));
	CLIENT("*2\r\n$6\r\nLRANGE\r\n$1\r\na\r\n");
	SERVER(MESSAGE);
}

static void some_left(void)
{
	CLIENT("*1\r\n$4\r\nPING\r\n");
	SERVER("*2\r\n$4\r\npong\r\n$0\r\n\r\n");
	CLIENT("*1\r\n$11\r\nUNSUBSCRIBE\r\n");
	SERVER(CONFIRM("*", "11", "unsubscribe", "$1\r\na\r\n", "2"));
	SERVER(CONFIRM("*", "11", "unsubscribe", "$1\r\nb\r\n", "1"));
	CLIENT("*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n*1\r\n$4\r\nPING\r\n");
	SERVER(CONFIRM("*", "9", "subscribe", "$1\r\na\r\n", "2") MESSAGE
	       "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
}

static void replicated(void)
{
	SERVER("*1\r\n$4\r\nPING\r\n");
	CLIENT("*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$1\r\n0\r\n");
	SERVER("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n");
	CLIENT("*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$2\r\n14\r\n");
	SERVER("*1\r\n$4\r\nPING\r\n");
	CLIENT("*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$2\r\n28\r\n");
}

/* The same, but what the master sends was taken for requests. */
static void reversed(void)
{
	CLIENT("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n*1\r\n$4\r\nPING\r\n");
	SERVER("*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$2\r\n14\r\n");
	CLIENT("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n");
	SERVER("*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$2\r\n28\r\n");
	CLIENT("*1\r\n$4\r\nPING\r\n");
}

static void test_midway(void **state)
{
	(void)state;
	expect_from(reversed, true, "");
	expect_from(replicated, true, "REPLCONF ok 0 -\nREPLCONF ok 0 -\nREPLCONF ok 0 -\n");
	expect_from(in_transaction, true,
		    "GET ok 0 - hits=0 misses=1\nEXEC ok 0 -\n"
		    "GET ok 0 - hits=1 misses=0\n");
	expect_from(subscribed, true, "PING ok 0 -\nUNSUBSCRIBE ok 0 -\nLRANGE ok 0 -\n");
	expect_from(some_left, true,
		    "PING ok 0 -\nUNSUBSCRIBE ok 0 -\nSUBSCRIBE ok 0 -\nPING ok 0 -\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pubsub),
		cmocka_unit_test(test_pubsub3),
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_midway),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
