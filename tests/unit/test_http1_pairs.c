/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "proto/http1_head.h"
#include "script.h"

static struct drive drive;

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

/* A final answer, and the body all the same: its words are not the next request's. */
SCRIPT(test_expect_not_awaited, "PUT ok 200 /a\nGET ok 200 /b\nPUT ok 200 /c\nGET ok 200 /d\n"
				"PUT ok 403 /e\nUNLOCK ok 204 /e\nCONNECT ok 200 h:1\n")
{
	drive_request(d, "PUT /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	drive_request(d, "hello");
	drive_request(d, "GET /b HTTP/1.1\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	drive_request(d, "PUT /c HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 17\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	drive_request(d, "GET my secret 123GET /d HTTP/1.1\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	/* None is sent; what is there after three bytes is no request. */
	drive_request(d, "PUT /e HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
	drive_response(d, "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
	drive_request(d, "UNLOCK /e HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
	drive_response(d, "HTTP/1.1 204 OK\r\n\r\n");
	drive_request(d, "CONNECT h:1 HTTP/1.1\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\n\r\n");
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
	script_send_long(d, LANE_REQUEST, "GET /big?@", 8000, 'q');
	drive_response(
		d, "HTTP/1.1 414 Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nno!");
}

/* A line this long is judged by its front, however much of it came at once. */
SCRIPT(test_long_target_is_cut, "GET ok 400 /big\n")
{
	script_send_long(d, LANE_REQUEST, "GET /big?@ what is this\r\n\r\n", 5000, 'q');
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

/* What comes behind the last answer was asked by the client, but served by nobody. */
static void last_answer(const char *answers, const char *client, const char *server)
{
	static const char asked[] = "GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n";

	for (int split = DRIVE_WHOLE; split <= DRIVE_RANDOM; split++) {
		for (int side = SIDE_CLIENT; side <= SIDE_SERVER; side++) {
			drive_open(&drive, side, false, split, 7);
			drive_request(&drive, "GET /0 HTTP/1.1\r\n\r\n");
			drive_response(&drive, "HTTP/1.1 204 No\r\nConnection: closed\r\n\r\n");
			drive_send(&drive, LANE_REQUEST, asked, strlen(asked));
			drive_send(&drive, LANE_RESPONSE, answers, strlen(answers));
			drive_request(&drive, "GET /c HTTP/1.1\r\n\r\n");
			assert_string_equal(drive_close(&drive),
					    side == SIDE_CLIENT ? client : server);
		}
	}
}

static void test_last_answer(void **state)
{
	(void)state;
	last_answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nconnection: x ,Close\r\n\r\n",
		    "GET ok 204 /0\nGET ok 200 /a\nGET aborted 0 /b\nGET aborted 0 /c\n",
		    "GET ok 204 /0\nGET ok 200 /a\n");
	last_answer("HTTP/1.1 200 OK\r\n\r\nup to the end",
		    "GET ok 204 /0\nGET ok 200 /a\nGET aborted 0 /b\nGET aborted 0 /c\n",
		    "GET ok 204 /0\nGET ok 200 /a\n");
	/* It said so and went on. */
	last_answer("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
		    "HTTP/1.1 200 OK\r\nConnection: closed\r\nContent-Length: 0\r\n\r\n",
		    "GET ok 204 /0\nGET ok 200 /a\nGET ok 200 /b\nGET aborted 0 /c\n",
		    "GET ok 204 /0\nGET ok 200 /a\nGET ok 200 /b\nGET aborted 0 /c\n");
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

/* ---- behind what a load balancer puts in front ---- */

SCRIPT(test_proxied_line, "GET ok 200 /a\nGET ok 404 /b\n")
{
	drive_request(d, "PROXY TCP4 10.1.2.3 10.2.3.4 56324 80\r\nGET /a HTTP/1.1\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	drive_request(d, "GET /b HTTP/1.1\r\n\r\n");
	drive_response(d, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
}

/* With addresses and a field that are passed over unseen; then none, of the balancer's own check.
 */
SCRIPT(test_proxied_frame, "GET ok 200 /a\n")
{
	drive_request(d, "\r\n\r\n\0\r\nQUIT\n\x21\x11\x10\x0f");
	drive_request(d, "\n\1\2\3\n\2\3\4\xdb\0\0\x50\4\x10\0");
	script_send_long(d, LANE_REQUEST, "@", 4096, '\n');
	drive_request(d, "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0");
	drive_request(d, "GET /a HTTP/1.1\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

/* A method of that name; what is no header of the two versions there are. */
SCRIPT(test_not_proxied, "PROXY ok 200 /TCP4\n")
{
	drive_request(d, "PROXY /TCP4 HTTP/1.1\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

SCRIPT(test_badly_proxied, "")
{
	drive_request(d, "PROXY TCP4 10.1.2.3\nGET /a HTTP/1.1\r\n\r\n");
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
	drive_request(&drive, "GET /trial HTTP/1.1\r\n\r\n");
	drive_response(&drive, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde");
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
	char long_line[HTTP1_LINE + 64];

	(void)state;
	snprintf(long_line, sizeof(long_line), "HTTP/1.1 200 OK\r\nContent-Length:%*d\r\n\r\n",
		 HTTP1_LINE, 5);
	lost(long_line);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pipelined),
		cmocka_unit_test(test_interim),
		cmocka_unit_test(test_expect_unanswered),
		cmocka_unit_test(test_expect_answered_twice),
		cmocka_unit_test(test_expect_not_awaited),
		cmocka_unit_test(test_early_answer),
		cmocka_unit_test(test_answer_within_head),
		cmocka_unit_test(test_answer_within_target),
		cmocka_unit_test(test_long_target_is_cut),
		cmocka_unit_test(test_refused_framing),
		cmocka_unit_test(test_junk_after_request),
		cmocka_unit_test(test_aborted),
		cmocka_unit_test(test_last_answer),
		cmocka_unit_test(test_aborted_chunks),
		cmocka_unit_test(test_unfinished_head),
		cmocka_unit_test(test_upgrade),
		cmocka_unit_test(test_upgrade_seen_first),
		cmocka_unit_test(test_upgrade_declined),
		cmocka_unit_test(test_tunnel),
		cmocka_unit_test(test_tunnel_ahead),
		cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_proxied_line),
		cmocka_unit_test(test_proxied_frame),
		cmocka_unit_test(test_not_proxied),
		cmocka_unit_test(test_badly_proxied),
		cmocka_unit_test(test_orphan_answer),
		cmocka_unit_test(test_answer_seen_first),
		cmocka_unit_test(test_midway),
		cmocka_unit_test(test_gap),
		cmocka_unit_test(test_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
