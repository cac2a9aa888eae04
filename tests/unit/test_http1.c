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

#define SEEDS 16

extern const struct protocol http1_protocol;

static struct drive drive;

typedef void (*script_fn)(struct drive *d);

static void run_once(script_fn script, const char *log, enum side side, enum drive_split split,
		     unsigned int seed)
{
	const char *left;

	drive_open(&drive, side, false, split, seed);
	script(&drive);
	left = drive_close(&drive);
	if (strcmp(left, log))
		fail_msg("side %d split %d seed %u left\n%s--- not\n%s", side, split, seed, left,
			 log);
}

/* The same log from either end and under every split. */
static void leaves(script_fn script, const char *log)
{
	for (int side = SIDE_CLIENT; side <= SIDE_SERVER; side++) {
		run_once(script, log, side, DRIVE_WHOLE, 0);
		run_once(script, log, side, DRIVE_BYTES, 0);
		for (unsigned int seed = 1; seed <= SEEDS; seed++)
			run_once(script, log, side, DRIVE_RANDOM, seed);
	}
}

#define SCRIPT(name, log)                           \
	static void name##_script(struct drive *d); \
	static void name(void **state)              \
	{                                           \
		(void)state;                        \
		leaves(name##_script, log);         \
	}                                           \
	static void name##_script(struct drive *d)

static void send_many(struct drive *d, enum lane lane, const char *pattern, size_t size, char fill)
{
	char *text = malloc(strlen(pattern) + size);
	const char *at = strchr(pattern, '@');
	size_t before = at - pattern;

	memcpy(text, pattern, before);
	memset(text + before, fill, size);
	memcpy(text + before + size, at + 1, strlen(at + 1));
	drive_send(d, lane, text, strlen(pattern) - 1 + size);
	free(text);
}

/* ---- framing ---- */

SCRIPT(test_keep_alive, "GET ok 200 /a\nPOST ok 201 /b\nGET ok 404 /c\nGET error 503 /d\n")
{
	drive_request(d, "GET /a?x=1 HTTP/1.1\r\nHost: h\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
	drive_request(d, "POST /b HTTP/1.1\r\nHost: h\r\ncontent-length: 4\r\n\r\nbody");
	drive_response(d, "HTTP/1.1 201 Created\r\ncontent-length:0\r\n\r\n");
	drive_request(d, "GET /c#f HTTP/1.1\r\nHost: h\r\n\r\n");
	drive_response(d, "HTTP/1.1 404 Not Found\r\nCONTENT-LENGTH: 3\r\n\r\nno!");
	drive_request(d, "GET /d HTTP/1.1\r\nHost: h\r\n\r\n");
	drive_response(d, "HTTP/1.1 503\r\nContent-Length: 0\r\n\r\n");
}

SCRIPT(test_no_body,
       "HEAD ok 200 /h\nGET ok 304 /n\nDELETE ok 204 /x\nHEAD ok 200 /c\nGET ok 200 /\n")
{
	drive_request(d, "HEAD /h HTTP/1.1\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n");
	drive_request(d, "GET /n HTTP/1.1\r\n\r\n");
	drive_response(d, "HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n");
	drive_request(d, "DELETE /x HTTP/1.1\r\n\r\n");
	drive_response(d, "HTTP/1.1 204 No Content\r\n\r\n");
	drive_request(d, "HEAD /c HTTP/1.1\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	drive_request(d, "GET / HTTP/1.1\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

SCRIPT(test_chunked, "PUT ok 200 /up\nGET ok 200 /next\n")
{
	drive_request(d, "PUT /up HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n"
			 "5;name=\"v\"\r\nhello\r\n1A  \r\nabcdefghijklmnopqrstuvwxyz\r\n"
			 "0;last\r\nX: GET / HTTP/1.1\r\nY: 2\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n"
			  "a\r\n\r\n\r\n\r\n\r\n\r\n\r\n00\r\nETag: \"x\"\r\n\r\n");
	drive_request(d, "GET /next HTTP/1.1\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\nTransfer-Encoding:\n chunked\n\n3\nabc\n0\n\n");
}

SCRIPT(test_coding_wins, "POST ok 200 /both\nGET ok 200 /identity\nGET ok 200 /list\n")
{
	drive_request(d, "POST /both HTTP/1.1\r\nContent-Length: 3\r\n"
			 "Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n");
	drive_response(d,
		       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n"
		       "4\r\nabcd\r\n0\r\n\r\n");
	drive_request(d, "GET /identity HTTP/1.1\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n"
			  "Content-Length: 2\r\n\r\nok");
	drive_request(d, "GET /list HTTP/1.1\r\n\r\n");
	drive_response(
		d, "HTTP/1.1 200 OK\r\nContent-Length : 5, 5\r\nContent-Length: 5\r\n\r\nhello");
}

SCRIPT(test_until_close, "GET ok 200 /old\n")
{
	drive_request(d, "GET /old HTTP/1.0\r\n\r\n");
	drive_response(
		d, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nHTTP/1.1 500 no\r\n\r\n");
	drive_response(d, "more and more");
}

SCRIPT(test_until_close_holes, "GET ok 200 /old\n")
{
	drive_request(d, "GET /old HTTP/1.1\r\nConnection: close\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n"
			  "Content-Length: 3\r\n\r\nbegin");
	drive_hole(d, LANE_RESPONSE, 3000000000U);
	drive_response(d, "end");
}

SCRIPT(test_empty_until_close, "GET ok 200 /old\n")
{
	drive_request(d, "GET /old HTTP/1.0\r\n\r\n");
	drive_response(d, "HTTP/1.0 200 OK\r\n\r\n");
}

SCRIPT(test_tolerance,
       "GET ok 200 /a\nOPTIONS ok 200 *\nGET ok 200 /p\nGET ok 200 /\nGET ok 200 /b c\n")
{
	drive_request(d, "\r\n\r\nGET /a HTTP/1.1\nHost: h\nX:\n  folded: 1\n\n");
	drive_response(d, "HTTP/1.1 200 \nContent-Length: 1\n\nx");
	drive_request(d, "\nOPTIONS * HTTP/1.1\r\n\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\nContent-Length:\r\n\t1\r\n\r\nx");
	drive_request(d, "GET http://h:80/p?q HTTP/1.1\r\nnonsense\r\n: x\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	drive_request(d, "GET http://h?q HTTP/1.1\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	drive_request(d, "GET /b c HTTP/1.1\r\n\r\n");
	drive_response(d, "\r\nHTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n");
}

SCRIPT(test_long_lines, "GET ok 200 /long\nGET ok 200 /next\nGET ok 200 /last\n")
{
	send_many(d, LANE_REQUEST, "GET /long?@ HTTP/1.1\r\nHost: h\r\n\r\n", 60000, 'q');
	send_many(d, LANE_RESPONSE, "HTTP/1.1 200 OK\r\nX-Long: @\r\nContent-Length: 3\r\n\r\nabc",
		  300000, 'v');
	send_many(d, LANE_REQUEST, "GET /next HTTP/1.1\r\nCookie: @\r\n\r\n", 100000, 'c');
	send_many(d, LANE_RESPONSE, "HTTP/1.1 200 O@\r\nContent-Length: 3\r\n\r\nabc", 9000, 'K');
	send_many(d, LANE_REQUEST,
		  "GET /last HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2;@\r\nab\r\n0\r\n\r\n",
		  9000, 'e');
	send_many(d, LANE_RESPONSE,
		  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nT: @\r\n\r\n", 9000,
		  't');
}

SCRIPT(test_methods, "get ok 200 /\nM-SEARCH ok 200 /\nOTHER ok 200 /\nPROPFIND ok 207 /dav\n")
{
	drive_request(d, "get / HTTP/1.1\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	drive_request(d, "M-SEARCH / HTTP/1.1\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	drive_request(d, "ABCDEFGHIJKLMNOPQ / HTTP/1.1\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	drive_request(d, "PROPFIND /dav HTTP/1.1\r\n\r\n");
	drive_response(d, "HTTP/1.1 207 Multi-Status\r\nContent-Length: 0\r\n\r\n");
}

SCRIPT(test_skipped_bodies,
       "PUT ok 200 /up\nGET ok 206 /down\nGET ok 200 /chunks\nGET ok 200 /end\n")
{
	drive_request(d, "PUT /up HTTP/1.1\r\nContent-Length: 2000000000\r\n\r\n");
	drive_hole(d, LANE_REQUEST, 1999999995);
	drive_request(d, "12345");
	drive_response(d, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	drive_request(d, "GET /down HTTP/1.1\r\n\r\n");
	drive_response(d, "HTTP/1.1 206 Partial\r\nContent-Length: 5000000000\r\n\r\n");
	drive_hole(d, LANE_RESPONSE, 2500000000U);
	drive_hole(d, LANE_RESPONSE, 2500000000U);
	drive_request(d, "GET /chunks HTTP/1.1\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n");
	drive_hole(d, LANE_RESPONSE, 0xffffff);
	drive_response(d, "\r\n0\r\n\r\n");
	drive_request(d, "GET /end HTTP/1.1\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

/* ---- order of requests and answers ---- */

SCRIPT(test_pipelined,
       "GET ok 200 /0\nPOST ok 201 /1\nHEAD ok 200 /2\nGET ok 304 /3\nGET aborted 0 /4\n")
{
	drive_request(d, "GET /0 HTTP/1.1\r\n\r\nPOST /1 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"
			 "HEAD /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\n\r\nGET /4 HTTP/1.1\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n00"
			  "HTTP/1.1 201 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n1\r\n0\r\n\r\n"
			  "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nHTTP/1.1 304 OK\r\n\r\n"
			  "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n50 only");
}

SCRIPT(test_interim, "PUT ok 201 /a\nGET ok 200 /b\n")
{
	drive_request(d, "PUT /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 16\r\n\r\n");
	drive_response(d, "HTTP/1.1 100 Continue\r\n\r\n");
	drive_request(d, "GET / HTTP/1.1\r\n");
	drive_response(
		d, "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 201 OK\r\nContent-Length: 0\r\n\r\n");
	drive_request(d, "GET /b HTTP/1.1\r\n\r\n");
	drive_response(
		d, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\nContent-Length: 7\r\n\r\n"
		   "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

SCRIPT(test_expect_unanswered,
       "PUT ok 200 /a\nPOST ok 417 /b\nGET ok 200 /c\nPOST ok 401 /d\nPUT ok 200 /e\n")
{
	/* No 100 comes: the client sends the body all the same. */
	drive_request(d, "PUT /a HTTP/1.1\r\nexpect: 100-Continue\r\nContent-Length: 5\r\n\r\n");
	drive_request(d, "hello");
	drive_response(d, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	/* A final answer: no body is sent, the next request is. */
	drive_request(d, "POST /b HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 50\r\n\r\n");
	drive_response(d, "HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n");
	drive_request(d, "GET /c HTTP/1.1\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	/* A final answer: the body is sent all the same. */
	drive_request(d, "POST /d HTTP/1.1\r\nExpect: 100-continue\r\n"
			 "Transfer-Encoding: chunked\r\n\r\n");
	drive_response(d, "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n");
	drive_request(d, "5\r\nhello\r\n0\r\n\r\n");
	drive_request(d, "PUT /e HTTP/1.1\r\nContent-Length: 1\r\n\r\nx");
	drive_response(d, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

/* The body was asked for, so it comes, whatever it looks like. */
SCRIPT(test_expect_answered_twice, "PUT ok 200 /a\nGET ok 200 /b\n")
{
	drive_request(d, "PUT /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 18\r\n\r\n");
	drive_response(d, "HTTP/1.1 100 Continue\r\n\r\n"
			  "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	drive_request(d, "GET / HTTP/1.1\r\n\r\n");
	drive_request(d, "GET /b HTTP/1.1\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

SCRIPT(test_early_answer, "POST ok 413 /up\nGET ok 200 /next\n")
{
	drive_request(d, "POST /up HTTP/1.1\r\nContent-Length: 30\r\n\r\nten bytes.");
	drive_response(d, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno!");
	drive_request(d, "GET / HTTP/1.1\r\n\r\n..");
	drive_request(d, "GET /next HTTP/1.1\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

SCRIPT(test_answer_within_head, "GET ok 431 /big\n")
{
	drive_request(d, "GET /big HTTP/1.1\r\nHost: h\r\nCookie: aaaaaaaaaa");
	drive_response(
		d, "HTTP/1.1 431 Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nno!");
}

SCRIPT(test_answer_within_target, "GET ok 414 /big\n")
{
	send_many(d, LANE_REQUEST, "GET /big?@", 8000, 'q');
	drive_response(
		d, "HTTP/1.1 414 Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nno!");
}

/* A line this long is judged by its front, however much of it came at once. */
SCRIPT(test_long_target_is_cut, "GET ok 400 /big\n")
{
	send_many(d, LANE_REQUEST, "GET /big?@ what is this\r\n\r\n", 5000, 'q');
	drive_response(d, "HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n");
}

SCRIPT(test_refused_framing, "POST ok 400 /a\nPOST ok 400 /b\nGET ok 200 /c\n")
{
	drive_request(d, "POST /a HTTP/1.1\r\nContent-Length: 5, 6\r\n\r\nhello\r\n");
	drive_response(d, "HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n");
	drive_request(d, "POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n");
	drive_response(d, "HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n");
	drive_request(d, "tail}GET /tail HTTP/1.1\r\n");
	drive_request(d, "GET /c HTTP/1.1\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

SCRIPT(test_junk_after_request, "GET ok 200 /a\nGET ok 200 /b\n")
{
	drive_request(d, "GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n{\"body\": 1}");
	drive_response(d, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
			  "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
			  "HTTP/1.1 400 Bad\r\nConnection: close\r\n\r\n");
}

SCRIPT(test_aborted, "GET ok 200 /a\nGET aborted 0 /b\n")
{
	drive_request(d, "GET /a HTTP/1.1\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	drive_request(d, "GET /b HTTP/1.1\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfifty");
}

SCRIPT(test_aborted_chunks, "POST aborted 0 /b\n")
{
	drive_request(d, "POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
}

SCRIPT(test_unfinished_head, "")
{
	drive_request(d, "GET /b HTTP/1.1\r\nHost: h\r\n");
}

/* ---- other protocols ---- */

SCRIPT(test_upgrade, "GET ok 101 /chat\n")
{
	drive_request(d, "GET /chat HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
	drive_request(d, "\x81\x85 ahead of time");
	drive_response(d,
		       "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x02hi");
	drive_request(d, "\x81\x85\x01\x02\x03\x04xxxxx");
	drive_response(d, "\x81\x02hi");
}

/* Other processors' records may be seen late: the switch waits for the end of its request. */
SCRIPT(test_upgrade_seen_first, "GET ok 101 /chat\n")
{
	drive_request(d, "GET /chat HTTP/1.1\r\nUpgrade: webs");
	drive_response(d, "HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x02hi");
	assert_int_equal(d->exchanges, 0);
	drive_request(d, "ocket\r\n\r\n");
	assert_int_equal(d->exchanges, 1);
}

SCRIPT(test_upgrade_declined, "GET ok 200 /chat\nGET ok 200 /b\n")
{
	drive_request(d, "GET /chat HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	drive_request(d, "GET /b HTTP/1.1\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

SCRIPT(test_tunnel, "CONNECT ok 407 host:443\nCONNECT ok 200 host:443\nGET ok 200 /inside\n")
{
	drive_request(d, "CONNECT host:443 HTTP/1.1\r\nHost: host:443\r\n\r\n");
	drive_response(d, "HTTP/1.1 407 Auth\r\nContent-Length: 2\r\n\r\nno");
	drive_request(d, "CONNECT host:443 HTTP/1.1\r\nHost: host:443\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n");
	drive_request(d, "GET /inside HTTP/1.1\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

/* What is sent ahead of the tunnel's opening is not for the proxy. */
SCRIPT(test_tunnel_ahead, "CONNECT ok 200 host:80\nGET ok 200 /inside\nGET aborted 0 /b\n")
{
	drive_request(d, "CONNECT host:80 HTTP/1.1\r\n\r\nGET /inside HTTP/1.1\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	drive_request(d, "GET /b HTTP/1.1\r\n\r\n");
}

SCRIPT(test_foreign, "")
{
	drive_request(d, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

/* ---- what is lost, late or seen from the middle ---- */

static void test_orphan_answer(void **state)
{
	(void)state;
	for (int split = DRIVE_WHOLE; split <= DRIVE_RANDOM; split++) {
		drive_open(&drive, SIDE_SERVER, false, split, 7);
		drive_request(&drive, "GET /a HTTP/1.1\r\n\r\n");
		drive_response(&drive, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
		drive_response(&drive, "HTTP/1.1 408 Timeout\r\nContent-Length: 4\r\n\r\nbye");
		drive_wait(&drive, 500);
		drive_request(&drive, "GET /b HTTP/1.1\r\n\r\n");
		drive_response(&drive, "!");
		drive_response(&drive, "HTTP/1.1 201 OK\r\nContent-Length: 0\r\n\r\n");
		assert_string_equal(drive_close(&drive), "GET ok 200 /a\nGET ok 201 /b\n");
	}
}

static void test_answer_seen_first(void **state)
{
	(void)state;
	for (int split = DRIVE_WHOLE; split <= DRIVE_RANDOM; split++) {
		drive_open(&drive, SIDE_SERVER, false, split, 7);
		drive_response(&drive, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
		drive_request(&drive, "HEAD /a HTTP/1.1\r\n\r\n");
		drive_request(&drive, "GET /b HTTP/1.1\r\n\r\n");
		assert_string_equal(drive_close(&drive), "HEAD ok 200 /a\nGET aborted 0 /b\n");
	}
}

static void test_midway(void **state)
{
	(void)state;
	drive_open(&drive, SIDE_SERVER, true, DRIVE_WHOLE, 0);
	drive_response(&drive, "the end of a body");
	drive_request(&drive, "GET /a HTTP/1.1\r\n\r\n");
	drive_response(&drive, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde");
	assert_string_equal(drive_close(&drive), "GET ok 200 /a\n");
}

static void test_gap(void **state)
{
	(void)state;
	drive_open(&drive, SIDE_SERVER, false, DRIVE_WHOLE, 0);
	drive_request(&drive, "GET /a HTTP/1.1\r\n\r\n");
	drive_lose(&drive, LANE_RESPONSE, 10);
	drive_response(&drive, " OK\r\nContent-Length: 5\r\n\r\nabcde");
	drive_wait(&drive, 500);
	drive_request(&drive, "GET /b HTTP/1.1\r\n\r\n");
	drive_response(&drive, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde");
	assert_string_equal(drive_close(&drive), "GET ok 200 /b\n");
}

static void lost(const char *response)
{
	uint64_t errors;

	drive_open(&drive, SIDE_CLIENT, false, DRIVE_WHOLE, 0);
	drive_request(&drive, "GET /a HTTP/1.1\r\n\r\n");
	drive_send(&drive, LANE_RESPONSE, response, strlen(response));
	errors = drive.pipeline.counts[0].errors;
	if (strcmp(drive_close(&drive), "") || errors != 1)
		fail_msg("%s: %u errors\n%s", response, (unsigned int)errors, drive.log);
}

static void test_lost(void **state)
{
	(void)state;
	lost("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n");
	lost("HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\n");
	lost("HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n");
	lost("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n");
	lost("HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551617\r\n\r\n");
	lost("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n");
	lost("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n");
	lost("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n");
	lost("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n");
	lost("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	     "00000000000000000000000000000000000000000000000000000000000000000\r\n");
	lost("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n");
	lost("HTTP/1.1 2x0 OK\r\n");
	lost("HTTP/2.0 200 OK\r\n");
	lost("ICY 200 OK\r\n");
}

/* ---- detection ---- */

static void detects(int expected, enum lane lane, const char *text)
{
	int found = http1_protocol.detect((struct bytes){ (const uint8_t *)text, strlen(text) },
					  lane, false);

	if (found != expected)
		fail_msg("'%s': %d, not %d", text, found, expected);
}

static void test_detect(void **state)
{
	static const char request[] = "\r\nM-SEARCH /a/b?c HTTP/1.1\r\n";
	static const char response[] = "HTTP/1.0 200 ";

	(void)state;
	for (size_t size = 0; size < sizeof(request); size++) {
		char part[sizeof(request)] = "";

		memcpy(part, request, size);
		detects(size < sizeof(request) - 1 ? -EAGAIN : 100, LANE_REQUEST, part);
	}
	for (size_t size = 0; size < sizeof(response); size++) {
		char part[sizeof(response)] = "";

		memcpy(part, response, size);
		detects(size < sizeof(response) - 1 ? -EAGAIN : 100, LANE_RESPONSE, part);
	}
	detects(100, LANE_REQUEST, "GET http://h/ HTTP/1.0\r\n");
	detects(100, LANE_REQUEST, "CONNECT [::1]:443 HTTP/1.1\n");
	detects(0, LANE_REQUEST, "PRI * HTTP/2.0\r\n");
	detects(0, LANE_REQUEST, "OPTIONS sip:a@b SIP/2.0\r\n");
	detects(0, LANE_REQUEST, "OPTIONS * RTSP/1.0\r\n");
	detects(0, LANE_REQUEST, "GET /\r\n");
	detects(0, LANE_REQUEST, "*1\r\n$4\r\nPING\r\n");
	detects(0, LANE_REQUEST, "PING\r\n");
	detects(0, LANE_REQUEST, "\x16\x03\x01");
	detects(0, LANE_REQUEST, "GET \x01");
	detects(0, LANE_REQUEST, "abcdefghijklmnopqrstuvwxyzabcdefghi");
	detects(0, LANE_RESPONSE, "HTTP/1.1 abcd ");
	detects(0, LANE_RESPONSE, "HTTP/2");
	detects(0, LANE_RESPONSE, "RTSP/1.0 200 OK");
}

/* ---- names and times ---- */

static void test_methods_are_bounded(void **state)
{
	char request[64];

	(void)state;
	drive_open(&drive, SIDE_SERVER, false, DRIVE_WHOLE, 0);
	for (int i = 0; i < 100; i++) {
		snprintf(request, sizeof(request), "FLOOD%d / HTTP/1.1\r\n\r\n", i);
		drive_send(&drive, LANE_REQUEST, request, strlen(request));
		drive_response(&drive, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	}
	assert_int_equal(drive.exchanges, 100);
	assert_non_null(strstr(drive_close(&drive), "OTHER ok 200 /\n"));
	assert_null(strstr(drive.log, "FLOOD99"));
}

/* From the request's first byte to the last byte of an answer that came in pieces. */
static void test_times(void **state)
{
	uint64_t begin, end;

	(void)state;
	drive_open(&drive, SIDE_SERVER, false, DRIVE_WHOLE, 0);
	drive_request(&drive, "GET /a");
	begin = drive.clock;
	drive_request(&drive, " HTTP/1.1\r\nHost: h\r\n");
	drive_request(&drive, "\r\n");
	drive_response(&drive, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
	drive_hole(&drive, LANE_RESPONSE, 50);
	assert_int_equal(drive.exchanges, 0);
	drive_hole(&drive, LANE_RESPONSE, 50);
	end = drive.clock;
	assert_int_equal(drive.exchanges, 1);
	assert_int_equal(drive.last.begin, begin);
	assert_int_equal(drive.last.end, end);
	drive_request(&drive, "GET /b HTTP/1.0\r\n\r\n");
	begin = drive.clock;
	drive_response(&drive, "HTTP/1.0 200 OK\r\n\r\n");
	drive_response(&drive, "body");
	drive_hole(&drive, LANE_RESPONSE, 50);
	end = drive.clock;
	assert_int_equal(drive.exchanges, 1);
	drive_wait(&drive, 300);
	drive_close(&drive);
	assert_int_equal(drive.exchanges, 2);
	assert_int_equal(drive.last.begin, begin);
	assert_int_equal(drive.last.end, end);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keep_alive),
		cmocka_unit_test(test_no_body),
		cmocka_unit_test(test_chunked),
		cmocka_unit_test(test_coding_wins),
		cmocka_unit_test(test_until_close),
		cmocka_unit_test(test_until_close_holes),
		cmocka_unit_test(test_empty_until_close),
		cmocka_unit_test(test_tolerance),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_methods),
		cmocka_unit_test(test_skipped_bodies),
		cmocka_unit_test(test_pipelined),
		cmocka_unit_test(test_interim),
		cmocka_unit_test(test_expect_unanswered),
		cmocka_unit_test(test_expect_answered_twice),
		cmocka_unit_test(test_early_answer),
		cmocka_unit_test(test_answer_within_head),
		cmocka_unit_test(test_answer_within_target),
		cmocka_unit_test(test_long_target_is_cut),
		cmocka_unit_test(test_refused_framing),
		cmocka_unit_test(test_junk_after_request),
		cmocka_unit_test(test_aborted),
		cmocka_unit_test(test_aborted_chunks),
		cmocka_unit_test(test_unfinished_head),
		cmocka_unit_test(test_upgrade),
		cmocka_unit_test(test_upgrade_seen_first),
		cmocka_unit_test(test_upgrade_declined),
		cmocka_unit_test(test_tunnel),
		cmocka_unit_test(test_tunnel_ahead),
		cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_orphan_answer),
		cmocka_unit_test(test_answer_seen_first),
		cmocka_unit_test(test_midway),
		cmocka_unit_test(test_gap),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_detect),
		cmocka_unit_test(test_methods_are_bounded),
		cmocka_unit_test(test_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
