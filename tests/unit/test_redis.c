/* SPDX-License-Identifier: Apache-2.0 */
#include "redis_script.h"

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

/* What the server does not know is shown only if it is a command elsewhere. */
static void unknown(void)
{
	CLIENT("*2\r\n$6\r\nSECRET\r\n$1\r\na\r\n*2\r\n$5\r\nGETEX\r\n$1\r\na\r\n");
	SERVER("-ERR unknown command 'SECRET', with args beginning with: 'a' \r\n");
	SERVER("-ERR unknown command 'GETEX', with args beginning with: 'a' \r\n");
	CLIENT("*1\r\n$6\r\nmodule\r\n*1\r\n$6\r\nMOD.IT\r\n");
	SERVER("-ERR unknown subcommand or wrong number of arguments\r\n+OK\r\n");
}

static void test_unknown(void **state)
{
	(void)state;
	expect(unknown, "OTHER error 0 -\nGETEX error 0 -\nMODULE error 0 -\nMOD.IT ok 0 -\n");
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
	SERVER("#t\r\n,1.5\r\n(3492890328409238509324850943850943825024385\r\n=8\r\n"
	       "txt:abcd\r\n_\r\n");
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
	CLIENT("MULTI\r\nSET a 1\r\nGET a\r\nGET b\r\nMGET a b c\r\nLPUSH a x\r\nEXEC\r\n"
	       "GET a\r\n");
	SERVER("+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n");
	SERVER("*5\r\n+OK\r\n$1\r\n1\r\n$-1\r\n*3\r\n$1\r\n1\r\n$-1\r\n$-1\r\n"
	       "-WRONGTYPE no\r\n$1\r\n1\r\n");
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
	       "MGET ok 0 - hits=1 misses=2\nLPUSH error 0 -\nEXEC ok 0 -\n"
	       "GET ok 0 - hits=1 misses=0\n"
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_basic),  cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_types),  cmocka_unit_test(test_transaction),
		cmocka_unit_test(test_queued), cmocka_unit_test(test_reply_mode),
		cmocka_unit_test(test_inline), cmocka_unit_test(test_large),
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
