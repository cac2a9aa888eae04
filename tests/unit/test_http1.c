/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "script.h"

extern const struct protocol http1_protocol;

static struct drive drive;

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

static void test_torn(void **state)
{
	(void)state;
	for (int side = SIDE_CLIENT; side <= SIDE_SERVER; side++) {
		drive_open(&drive, side, false, DRIVE_WHOLE, 0);
		drive_request(&drive, "GET /old HTTP/1.0\r\n\r\n");
		drive_response(&drive, "HTTP/1.0 200 OK\r\n\r\nbody");
		drive.conversation.torn[side == SIDE_CLIENT ? DIRECTION_RX : DIRECTION_TX] = true;
		assert_string_equal(drive_close(&drive), "GET aborted 0 /old\n");
	}
}

SCRIPT(test_until_close_holes, "GET ok 200 /old\n")
{
	drive_request(d, "GET /old HTTP/1.1\r\nConnection: close\r\n\r\n");
	drive_response(d, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n"
			  "Content-Length: 3\r\n\r\nbegin");
	drive_hole(d, LANE_RESPONSE, 3000000000U);
	drive_response(d, "end");
	assert_int_equal(d->exchanges, 0);
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
	script_send_long(d, LANE_REQUEST, "GET /long?@ HTTP/1.1\r\nHost: h\r\n\r\n", 60000, 'q');
	script_send_long(d, LANE_RESPONSE,
			 "HTTP/1.1 200 OK\r\nX-Long: @\r\nContent-Length: 3\r\n\r\nabc", 300000,
			 'v');
	script_send_long(d, LANE_REQUEST, "GET /next HTTP/1.1\r\nCookie: @\r\n\r\n", 100000, 'c');
	script_send_long(d, LANE_RESPONSE, "HTTP/1.1 200 O@\r\nContent-Length: 3\r\n\r\nabc", 9000,
			 'K');
	script_send_long(
		d, LANE_REQUEST,
		"GET /last HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2;@\r\nab\r\n0\r\n\r\n",
		9000, 'e');
	script_send_long(d, LANE_RESPONSE,
			 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nT: @\r\n\r\n",
			 9000, 't');
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
		cmocka_unit_test(test_torn),
		cmocka_unit_test(test_until_close_holes),
		cmocka_unit_test(test_empty_until_close),
		cmocka_unit_test(test_tolerance),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_methods),
		cmocka_unit_test(test_skipped_bodies),
		cmocka_unit_test(test_detect),
		cmocka_unit_test(test_methods_are_bounded),
		cmocka_unit_test(test_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
