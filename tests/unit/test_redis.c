/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drive.h"
#include "proto/redis_commands.h"

extern const struct protocol redis_protocol;

static struct drive drive;

#define SPLITS 12

typedef void script(void);

/* Runs a script whole, byte by byte and in random pieces, from either side. */
static void expect_from(script *play, bool midway, const char *log)
{
	for (unsigned int i = 0; i < SPLITS; i++) {
		enum side side = i % 2 ? SIDE_SERVER : SIDE_CLIENT;

		/* In mid-life chunks are whole messages, as programs write them. */
		drive_open(&drive, side, midway,
			   i < 2 || midway ? DRIVE_WHOLE : (i < 4 ? DRIVE_BYTES : DRIVE_RANDOM), i);
		play();
		assert_string_equal(drive_close(&drive), log);
	}
}

static void expect(script *play, const char *log)
{
	expect_from(play, false, log);
}

#define CLIENT(literal) drive_request(&drive, literal)
#define SERVER(literal) drive_response(&drive, literal)

static void basic(void)
{
	CLIENT("*3\r\n$3\r\nset\r\n$1\r\nk\r\n$5\r\nhello\r\n");
	SERVER("+OK\r\n");
	CLIENT("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*2\r\n$3\r\nGet\r\n$1\r\nn\r\n*1\r\n$4\r\nPING\r\n");
	SERVER("$5\r\nhello\r\n$-1\r\n");
	SERVER("+PONG\r\n");
	CLIENT("*2\r\n$5\r\nLPUSH\r\n$1\r\nk\r\n");
	SERVER("-WRONGTYPE Operation against a key\r\n");
	CLIENT("*2\r\n$5\r\nEVAL2\r\n$1\r\nk\r\n*1\r\n$3\r\na b\r\n*1\r\n$0\r\n\r\n");
	SERVER("-ERR unknown\r\n-ERR unknown\r\n-ERR unknown\r\n");
	/* The server does not look at what ends an argument. */
	CLIENT("*1\r\n$4\r\nPINGxx");
	SERVER("+PONG\r\n");
	CLIENT("*1\r\n$33\r\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n");
	SERVER("-ERR unknown\r\n");
	CLIENT("*0\r\n*-1\r\n\r\n*3\r\n$5\r\nBLPOP\r\n$1\r\nk\r\n$1\r\n0\r\n");
}

static void test_basic(void **state)
{
	(void)state;
	expect(basic,
	       "SET ok 0 -\nGET ok 0 - hits=1 misses=0\nGET ok 0 - hits=0 misses=1\nPING ok 0 -\n"
	       "LPUSH error 0 -\nEVAL2 error 0 -\nOTHER error 0 -\nOTHER error 0 -\n"
	       "PING ok 0 -\nOTHER error 0 -\nBLPOP aborted 0 -\n");
}

static void types(void)
{
	CLIENT("*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n");
	SERVER("%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nmodules\r\n*1\r\n%1\r\n+a\r\n*0\r\n");
	CLIENT("a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\nm\nn\no\np\nq\n");
	SERVER("#t\r\n,1.5\r\n(3492890328409238509324850943850943825024385\r\n=8\r\ntxt:abcd\r\n_\r\n");
	SERVER("!9\r\nERR wrong\r\n~2\r\n:1\r\n*2\r\n$1\r\nx\r\n*-1\r\n");
	SERVER("|1\r\n+ttl\r\n%1\r\n+a\r\n:1\r\n*1\r\n|1\r\n+k\r\n+v\r\n:5\r\n"); /* g */
	SERVER("$?\r\n;4\r\nabcd\r\n;2\r\nef\r\n;0\r\n");			  /* h */
	SERVER("*?\r\n:1\r\n~?\r\n+x\r\n.\r\n.\r\n");				  /* i */
	SERVER("%?\r\n+k\r\n*?\r\n.\r\n.\r\n");					  /* j */
	SERVER(">2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n:-7\r\n>1\r\n+other\r\n");  /* k */
	SERVER("*2\r\n>2\r\n$10\r\ninvalidate\r\n_\r\n:1\r\n:2\r\n"); /* l: a push inside */
	SERVER("-ERR a long, long, long, long, long, long, long, long, long, long line\r\n"); /* m
											       */
	SERVER("*-1\r\n*0\r\n%0\r\n|0\r\n,inf\r\n"); /* n o p q */
}

static void test_types(void **state)
{
	(void)state;
	expect(types,
	       "HELLO ok 0 -\nA ok 0 -\nB ok 0 -\nC ok 0 -\nD ok 0 -\nE ok 0 -\nF error 0 -\n"
	       "G ok 0 -\nH ok 0 -\nI ok 0 -\nJ ok 0 -\nK ok 0 -\nL ok 0 -\nM ok 0 -\n"
	       "N error 0 -\nO ok 0 -\nP ok 0 -\nQ ok 0 -\n");
}

static void transaction(void)
{
	CLIENT("MULTI\r\nSET a 1\r\nGET a\r\nGET b\r\nMGET a b c\r\nLPUSH a x\r\nEXEC\r\nGET a\r\n");
	SERVER("+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n");
	SERVER("*5\r\n+OK\r\n$1\r\n1\r\n$-1\r\n*3\r\n$1\r\n1\r\n$-1\r\n$-1\r\n-WRONGTYPE no\r\n$1\r\n1\r\n");
	CLIENT("MULTI\r\nSET b 1\r\nDISCARD\r\n");
	SERVER("+OK\r\n+QUEUED\r\n+OK\r\n");
	CLIENT("MULTI\r\nSET\r\nWATCH a\r\nMULTI\r\nGET a\r\nEXEC\r\nEXEC\r\n");
	SERVER("+OK\r\n-ERR arguments\r\n-ERR WATCH inside\r\n-ERR nested\r\n+QUEUED\r\n");
	SERVER("-EXECABORT Transaction discarded\r\n-ERR EXEC without MULTI\r\n");
	CLIENT("WATCH a\r\nMULTI\r\nINCR a\r\nEXEC\r\nWATCH a\r\nMULTI\r\nINCR a\r\nEXEC\r\n");
	SERVER("+OK\r\n+OK\r\n+QUEUED\r\n*-1\r\n+OK\r\n+OK\r\n+QUEUED\r\n_\r\n");
	CLIENT("MULTI\r\nEXEC\r\nMULTI\r\nINCR a\r\nRESET\r\nMULTI\r\nDECR a\r\n");
	SERVER("+OK\r\n*0\r\n+OK\r\n+QUEUED\r\n+RESET\r\n+OK\r\n+QUEUED\r\n");
}

static void test_transaction(void **state)
{
	(void)state;
	expect(transaction,
	       "MULTI ok 0 -\nSET ok 0 -\nGET ok 0 - hits=1 misses=0\nGET ok 0 - hits=0 misses=1\n"
	       "MGET ok 0 - hits=1 misses=2\nLPUSH error 0 -\nEXEC ok 0 -\nGET ok 0 - hits=1 misses=0\n"
	       "MULTI ok 0 -\nDISCARD ok 0 -\n"
	       "MULTI ok 0 -\nSET error 0 -\nWATCH error 0 -\nMULTI error 0 -\nEXEC error 0 -\n"
	       "EXEC error 0 -\n"
	       "WATCH ok 0 -\nMULTI ok 0 -\nEXEC ok 0 -\nWATCH ok 0 -\nMULTI ok 0 -\nEXEC ok 0 -\n"
	       "MULTI ok 0 -\nEXEC ok 0 -\nMULTI ok 0 -\nRESET ok 0 -\nMULTI ok 0 -\n");
}

/* "QUEUED" outside a transaction is a script's answer; inside EXEC it is an element. */
static void queued(void)
{
	CLIENT("EVAL x 0\r\nMULTI\r\nEVAL x 0\r\nEXEC\r\n");
	SERVER("+QUEUED\r\n+OK\r\n+QUEUED\r\n*1\r\n+QUEUED\r\n");
	/* The answer to MULTI may be unwanted, those inside not. */
	CLIENT("CLIENT REPLY SKIP\r\nMULTI\r\nINCR a\r\nEXEC\r\n");
	SERVER("+QUEUED\r\n*1\r\n:1\r\n");
	CLIENT("EVAL x 0\r\n");
	SERVER("+QUEUED\r\n");
}

static void test_queued(void **state)
{
	(void)state;
	expect(queued,
	       "EVAL ok 0 -\nMULTI ok 0 -\nEVAL ok 0 -\nEXEC ok 0 -\nCLIENT ok 0 -\nMULTI ok 0 -\n"
	       "INCR ok 0 -\nEXEC ok 0 -\nEVAL ok 0 -\n");
}

#define CONFIRM(type, length, word, channel, count) \
	type "3\r\n$" length "\r\n" word "\r\n" channel ":" count "\r\n"
#define MESSAGE "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$5\r\nhello\r\n"
#define PMESSAGE "*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$1\r\na\r\n$5\r\nhello\r\n"

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
	CLIENT("MULTI\r\nSUBSCRIBE c d\r\nPING\r\nEXEC\r\nMULTI\r\nSUBSCRIBE c d\r\nGET a\r\nEXEC\r\nPING\r\n");
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

static void reply_mode(void)
{
	CLIENT("CLIENT REPLY OFF\r\nSET a 1\r\nGET a\r\n");
	CLIENT("*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$2\r\nON\r\nGET a\r\n");
	SERVER("+OK\r\n$1\r\n1\r\n");
	CLIENT("client reply skip\r\nSET a 1\r\nGET a\r\n");
	SERVER("$1\r\n1\r\n");
	CLIENT("CLIENT REPLY\r\nCLIENT REPLY BOGUS\r\nCLIENT ID\r\nCLIENT REPLY OFF x\r\n");
	SERVER("-ERR\r\n-ERR\r\n:5\r\n-ERR\r\n");
	CLIENT("GET a\r\nCLIENT REPLY SKIP\r\nRESET\r\nCLIENT REPLY OFF\r\nRESET\r\n");
	SERVER("$-1\r\n+RESET\r\n");
	CLIENT("CLIENT REPLY SKIP\r\nCLIENT REPLY ON\r\nCLIENT REPLY ON\r\n");
	SERVER("+OK\r\n");
}

static void test_reply_mode(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		drive_open(&drive, SIDE_CLIENT, false, i, 1);
		reply_mode();
		assert_string_equal(
			drive_close(&drive),
			"CLIENT ok 0 -\nSET ok 0 -\nGET ok 0 -\n"
			"CLIENT ok 0 -\nGET ok 0 - hits=1 misses=0\n"
			"CLIENT ok 0 -\nSET ok 0 -\nGET ok 0 - hits=1 misses=0\n"
			"CLIENT error 0 -\nCLIENT error 0 -\nCLIENT ok 0 -\nCLIENT error 0 -\n"
			"CLIENT ok 0 -\nRESET ok 0 -\nCLIENT ok 0 -\n"
			"GET ok 0 - hits=0 misses=1\nRESET ok 0 -\n"
			"CLIENT ok 0 -\nCLIENT ok 0 -\nCLIENT ok 0 -\n");
	}
}

static void inline_words(void)
{
	CLIENT("PING\r\nping\n \t \r\n\"PI\\x4eG\" 'a b'\n'GET' \"a \\\" b\"\r\nPIN\"G\" x\r\n");
	SERVER("+PONG\r\n+PONG\r\n+x\r\n$-1\r\n+x\r\n");
	CLIENT("PING\"x\"y\r\n");
	SERVER("-ERR Protocol error: unbalanced quotes in request\r\n");
}

static void test_inline(void **state)
{
	(void)state;
	expect(inline_words, "PING ok 0 -\nPING ok 0 -\nPING ok 0 -\nGET ok 0 - hits=0 misses=1\n"
			     "PING ok 0 -\n");
}

static void monitor(void)
{
	CLIENT("*1\r\n$7\r\nMONITOR\r\n");
	SERVER("+OK\r\n+1795573717.737817 [0 127.0.0.1:5] \"GET\" \"a\"\r\n");
	CLIENT("PING\r\nRESET\r\nGET a\r\n");
	SERVER("+1795573717.737817 [0 127.0.0.1:55336] \"SET\" \"a\" \"a value of some length\"\r\n+PONG\r\n"
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
	expect(replica, "PING ok 0 -\nREPLCONF ok 0 -\nPSYNC ok 0 -\n");
	expect(old_replica, "PSYNC error 0 -\nSYNC ok 0 -\n");
}

/* Values that are seen only by their lengths: whole, or moved without being captured. */
static void test_large(void **state)
{
	static char value[1 << 20];

	(void)state;
	memset(value, '*', sizeof(value));
	for (unsigned int i = 0; i < 4; i++) {
		drive_open(&drive, i % 2 ? SIDE_CLIENT : SIDE_SERVER, false, DRIVE_RANDOM, i);
		drive_request(&drive, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1048576\r\n");
		if (i < 2)
			drive_send(&drive, LANE_REQUEST, value, sizeof(value));
		else
			drive_hole(&drive, LANE_REQUEST, sizeof(value) + 2);
		if (i < 2)
			drive_request(&drive, "\r\n");
		drive_response(&drive, "+OK\r\n");
		drive_request(&drive, "*3\r\n$4\r\nMGET\r\n$1\r\nk\r\n$1\r\nn\r\n");
		drive_response(&drive, "*2\r\n$1048576\r\n");
		if (i < 2)
			drive_send(&drive, LANE_RESPONSE, value, sizeof(value));
		else
			drive_hole(&drive, LANE_RESPONSE, sizeof(value) + 2);
		if (i < 2)
			drive_response(&drive, "\r\n");
		drive_response(&drive, "$-1\r\n");
		drive_request(&drive, "GET a\r\n");
		drive_response(&drive, "$1000\r\n");
		assert_string_equal(drive_close(&drive), "SET ok 0 -\nMGET ok 0 - hits=1 misses=1\n"
							 "GET aborted 0 -\n");
	}
}

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

/* The answer is seen before its request; or its request is never seen. */
static void test_order(void **state)
{
	(void)state;
	drive_open(&drive, SIDE_CLIENT, false, DRIVE_WHOLE, 0);
	CLIENT("PING\r\n");
	SERVER("+PONG\r\n$1\r\nx\r\n");
	CLIENT("GET a\r\n");
	SERVER("$1\r\ny\r\n");
	drive_wait(&drive, 500);
	CLIENT("GET a\r\n");
	SERVER("$-1\r\n");
	/* Confirmations wait for their request too, messages never do. */
	SERVER(CONFIRM(">", "9", "subscribe", "$1\r\na\r\n", "1"));
	CLIENT("SUBSCRIBE a\r\n");
	assert_string_equal(drive_close(&drive),
			    "PING ok 0 -\nGET ok 0 - hits=1 misses=0\nGET ok 0 - hits=0 misses=1\n"
			    "SUBSCRIBE ok 0 -\n");
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

static void test_midway(void **state)
{
	(void)state;
	expect_from(in_transaction, true,
		    "GET ok 0 - hits=0 misses=1\nEXEC ok 0 -\n"
		    "GET ok 0 - hits=1 misses=0\n");
	expect_from(subscribed, true, "PING ok 0 -\nUNSUBSCRIBE ok 0 -\nLRANGE ok 0 -\n");
	expect_from(some_left, true,
		    "PING ok 0 -\nUNSUBSCRIBE ok 0 -\nSUBSCRIBE ok 0 -\nPING ok 0 -\n");
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
		cmocka_unit_test(test_basic),	    cmocka_unit_test(test_types),
		cmocka_unit_test(test_transaction), cmocka_unit_test(test_queued),
		cmocka_unit_test(test_pubsub),	    cmocka_unit_test(test_pubsub3),
		cmocka_unit_test(test_reply_mode),  cmocka_unit_test(test_inline),
		cmocka_unit_test(test_streams),	    cmocka_unit_test(test_large),
		cmocka_unit_test(test_limits),	    cmocka_unit_test(test_broken),
		cmocka_unit_test(test_order),	    cmocka_unit_test(test_midway),
		cmocka_unit_test(test_detect),	    cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
