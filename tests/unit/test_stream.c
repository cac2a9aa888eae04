/* SPDX-License-Identifier: Apache-2.0 */
/* Flow, conversation and pairing, whatever is spoken; PostgreSQL serves as the example. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "event.h"
#include "pgwire.h"

static struct drive drive;

/* ---- flow ---- */

static struct flow_memory memory;

static enum flow_take take(struct flow *flow, uint64_t position, const char *bytes, size_t moved)
{
	struct chunk chunk = { .position = position,
			       .time = position + 1,
			       .moved = moved,
			       .bytes = { (const uint8_t *)bytes, strlen(bytes) } };
	enum flow_take taken = flow_take(flow, &memory, &chunk, true);

	if (taken == FLOW_TAKEN) {
		flow_end(flow, position + moved);
		flow_keep(flow, &memory);
	}
	return taken;
}

static void expect_view(const struct flow *flow, const char *text)
{
	assert_int_equal(flow->view.size, strlen(text));
	assert_memory_equal(flow->view.data, text, strlen(text));
}

/* Ends the flow; all that it held is given back. */
static void finish(struct flow *flow)
{
	flow_free(flow, &memory);
	assert_int_equal(memory.used, 0);
	assert_int_equal(memory.blocks.out, 0);
	flow_memory_free(&memory);
}

static void test_flow_order(void **state)
{
	struct flow flow = { .started = true };
	struct ahead *ahead;

	(void)state;
	flow_memory_init(&memory);
	assert_int_equal(take(&flow, 0, "abc", 3), FLOW_TAKEN);
	assert_int_equal(take(&flow, 6, "ghi", 3), FLOW_NOTHING); /* put aside */
	assert_null(flow_ahead_pop(&flow, false));
	assert_int_equal(take(&flow, 1, "bc", 2), FLOW_NOTHING); /* seen before */
	assert_int_equal(take(&flow, 2, "cdef", 4), FLOW_TAKEN); /* half of it new */
	expect_view(&flow, "abcdef");
	ahead = flow_ahead_pop(&flow, false);
	assert_non_null(ahead);
	assert_int_equal(flow_take(&flow, &memory, &ahead->chunk, false), FLOW_TAKEN);
	assert_true(flow_keep(&flow, &memory));
	flow_ahead_free(ahead, &memory);
	expect_view(&flow, "abcdefghi");
	assert_int_equal(flow_mark(&flow, 0)->time, 1);
	assert_int_equal(flow_mark(&flow, 3)->time, 3);
	assert_int_equal(flow_mark(&flow, 8)->time, 7);
	flow_consume(&flow, 4);
	expect_view(&flow, "efghi");
	finish(&flow);
}

/* Each chunk put aside waits from its own time on. */
static void test_flow_patience(void **state)
{
	struct flow flow = { .started = true };

	(void)state;
	flow_memory_init(&memory);
	assert_int_equal(take(&flow, 20, "uvw", 3), FLOW_NOTHING);
	assert_int_equal(take(&flow, 10, "klm", 3), FLOW_NOTHING);
	assert_int_equal(flow.ahead_since, 21);
	flow_ahead_free(flow_ahead_pop(&flow, true), &memory);
	assert_int_equal(flow.ahead_since, 21);
	assert_int_equal(take(&flow, 30, "xyz", 3), FLOW_NOTHING);
	flow_ahead_free(flow_ahead_pop(&flow, true), &memory);
	assert_int_equal(flow.ahead_since, 31);
	flow_ahead_free(flow_ahead_pop(&flow, true), &memory);
	assert_int_equal(flow.ahead_since, 0);
	finish(&flow);
}

static void test_flow_skip(void **state)
{
	struct flow flow = { .started = true };

	(void)state;
	flow_memory_init(&memory);
	assert_int_equal(take(&flow, 0, "ab", 2), FLOW_TAKEN);
	flow_consume(&flow, 10);			     /* eight of them are still to come */
	assert_int_equal(take(&flow, 2, "", 4), FLOW_TAKEN); /* moved, not captured */
	assert_int_equal(take(&flow, 8, "ijklm", 5), FLOW_TAKEN); /* 6 and 7 never came */
	expect_view(&flow, "klm");
	assert_int_equal(flow.parsed, 10);
	assert_int_equal(flow.at.time, 9);
	finish(&flow);
}

/* A hole where the parser wants bytes. */
static void test_flow_hole(void **state)
{
	struct flow flow = { .started = true };
	struct chunk chunk = { .position = 0, .moved = 5, .bytes = BYTES("ab") };

	(void)state;
	flow_memory_init(&memory);
	assert_int_equal(flow_take(&flow, &memory, &chunk, true), FLOW_TAKEN);
	assert_false(flow_end(&flow, 5));
	flow_consume(&flow, 2);
	assert_false(flow_end(&flow, 5));
	finish(&flow);
}

static void test_flow_limit(void **state)
{
	struct flow flow = { .started = true };
	char text[101] = "";

	(void)state;
	flow_memory_init(&memory);
	memset(text, 'x', 100);
	for (int i = 0; i < FLOW_AHEAD; i++)
		assert_int_equal(take(&flow, 1000 + i * 100, text, 100), FLOW_NOTHING);
	assert_int_equal(take(&flow, 9000, text, 100), FLOW_GAP);
	finish(&flow);
}

/* ---- conversations ---- */

static void statement(const char *tag)
{
	pg_text('Q', "select 1");
	pg_send(&drive, LANE_REQUEST);
	pg_text('C', tag);
	pg_ready('I');
	pg_send(&drive, LANE_RESPONSE);
}

static uint64_t gaps(void)
{
	uint64_t sum = 0;

	for (int i = 0; i <= PROTOCOLS_MAX; i++)
		sum += drive.pipeline.counts[i].gaps;
	return sum;
}

/* The answer is seen before its request: it waits for it. */
static void test_answer_first(void **state)
{
	(void)state;
	drive_open(&drive, SIDE_CLIENT, false, DRIVE_WHOLE, 0);
	pg_login(&drive);
	pg_text('C', "SELECT 1");
	pg_ready('I');
	pg_send(&drive, LANE_RESPONSE);
	assert_int_equal(drive.exchanges, 0);
	pg_text('Q', "select 1");
	pg_send(&drive, LANE_REQUEST);
	assert_int_equal(drive.exchanges, 1);
	pg_text('C', "UPDATE 1"); /* its request never comes */
	pg_ready('I');
	pg_send(&drive, LANE_RESPONSE);
	drive_wait(&drive, 400);
	statement("INSERT 0 1");
	assert_string_equal(drive_close(&drive), "SELECT ok 0 -\nINSERT ok 0 -\n");
}

/* Two halves of a request, the second first. */
static void test_reordered(void **state)
{
	struct chunk second = { .moved = 7, .bytes = BYTES("elect 1") };

	(void)state;
	drive_open(&drive, SIDE_CLIENT, false, DRIVE_WHOLE, 0);
	pg_login(&drive);
	second.position = drive.position[DIRECTION_TX] + 6;
	second.time = drive.clock;
	conversation_feed(&drive.conversation, &drive.pipeline, DIRECTION_TX, &second);
	drive_request(&drive, "Q\0\0\0\x0ds");
	drive.position[DIRECTION_TX] += 7;
	drive_request(&drive, "\0");
	pg_text('C', "SELECT 1");
	pg_ready('I');
	pg_send(&drive, LANE_RESPONSE);
	assert_int_equal(gaps(), 0);
	assert_string_equal(drive_close(&drive), "SELECT ok 0 -\n");
}

/* A chunk of a request, as many bytes further on than what was sent. */
static void send_ahead(size_t distance, struct bytes bytes)
{
	struct chunk chunk = { .position = drive.position[DIRECTION_TX] + distance,
			       .time = drive.clock += 1000,
			       .moved = bytes.size,
			       .bytes = bytes };

	conversation_feed(&drive.conversation, &drive.pipeline, DIRECTION_TX, &chunk);
}

/* A request that an answer has waited for comes; what is missing after it still does not. */
static void test_missing_after_wait(void **state)
{
	(void)state;
	drive_open(&drive, SIDE_CLIENT, false, DRIVE_WHOLE, 0);
	pg_login(&drive);
	pg_text('C', "SELECT 1");
	pg_ready('I');
	pg_send(&drive, LANE_RESPONSE);
	send_ahead(20, BYTES("elect 2"));
	send_ahead(40, BYTES("elect 3"));
	pg_text('Q', "select 1");
	pg_send(&drive, LANE_REQUEST);
	assert_int_equal(drive.exchanges, 1);
	assert_int_equal(gaps(), 0);
	assert_int_equal(drive.conversation.flows[DIRECTION_TX].ahead_count, 2);
	drive_wait(&drive, 300);
	assert_int_equal(gaps(), 2);
	assert_int_equal(drive.conversation.flows[DIRECTION_TX].ahead_count, 0);
	assert_string_equal(drive_close(&drive), "SELECT ok 0 -\n");
}

/* What the client sends into a tunnel before it is open is looked at as soon as it is. */
static void test_switch_ahead(void **state)
{
	(void)state;
	for (int split = DRIVE_WHOLE; split <= DRIVE_BYTES; split++) {
		drive_open(&drive, SIDE_CLIENT, false, split, 0);
		drive_request(&drive, "CONNECT h:80 HTTP/1.1\r\n\r\n");
		drive_request(&drive, "GET /in HTTP/1.1\r\n\r\n");
		drive_response(&drive, "HTTP/1.1 200 OK\r\n\r\n");
		drive_response(&drive, "HTTP/1.1 204 No Content\r\n\r\n");
		assert_string_equal(drive_close(&drive), "CONNECT ok 200 h:80\nGET ok 204 /in\n");
	}
}

/* So is what was sent into one that is refused: it was for the proxy. */
static void test_refused_ahead(void **state)
{
	(void)state;
	for (int split = DRIVE_WHOLE; split <= DRIVE_BYTES; split++) {
		drive_open(&drive, SIDE_CLIENT, false, split, 0);
		drive_request(&drive, "CONNECT h:80 HTTP/1.1\r\n\r\nGET /out HTTP/1.1\r\n\r\n");
		drive_response(&drive, "HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n"
				       "HTTP/1.1 204 No Content\r\n\r\n");
		assert_string_equal(drive_close(&drive), "CONNECT ok 407 h:80\nGET ok 204 /out\n");
	}
}

/* Whatever one chunk is lost: nothing counts twice, and what follows is found again. */
static void test_gaps(void **state)
{
	(void)state;
	for (int lost = 0; lost < 20; lost++) {
		drive_open(&drive, SIDE_CLIENT, false, DRIVE_WHOLE, 0);
		pg_login(&drive);
		for (int i = 0; i < 10; i++) {
			pg_text('Q', "select 1");
			if (lost == 2 * i) {
				drive_lose(&drive, LANE_REQUEST, 14);
				pg_send(&drive, LANE_REQUEST);
			} else {
				pg_send(&drive, LANE_REQUEST);
			}
			if (lost == 2 * i + 1)
				drive_lose(&drive, LANE_RESPONSE, 20);
			pg_text('C', "SELECT 1");
			pg_ready('I');
			pg_send(&drive, LANE_RESPONSE);
			drive_wait(&drive, 400);
		}
		assert_int_equal(gaps(), 1);
		/* Lost: the one with the gap, one seen out of turn, and a trial that nothing
		 * follows. */
		assert_in_range(drive.exchanges, 7, 9);
		drive_close(&drive);
	}
}

/* A connection older than the observer, whose side is not known. */
static void test_midway(void **state)
{
	(void)state;
	drive_open(&drive, SIDE_SERVER, true, DRIVE_WHOLE, 0);
	drive.sessions = true;
	pg_rows(2);
	pg_text('C', "SELECT 2");
	pg_ready('I');
	pg_send(&drive, LANE_RESPONSE);
	statement("SELECT 1");
	assert_string_equal(drive_close(&drive),
			    "# open postgresql server\n# session none idle\n# session idle active\n"
			    "SELECT ok 0 -\n# session active idle\n# session idle none\n# close\n");
}

/* A queue at its limit: what cannot be followed is given up, not miscounted. */
static void test_open_requests(void **state)
{
	(void)state;
	drive_open(&drive, SIDE_CLIENT, false, DRIVE_WHOLE, 0);
	drive.pipeline.outlet.open_requests = 4;
	pg_login(&drive);
	for (int i = 0; i < 6; i++)
		pg_text('Q', "select 1");
	pg_send(&drive, LANE_REQUEST);
	for (int i = 0; i < 6; i++) {
		pg_text('C', "SELECT 1");
		pg_ready('I');
	}
	pg_send(&drive, LANE_RESPONSE);
	assert_int_equal(drive.exchanges, 0);
	assert_int_equal(drive.pipeline.outlet.refused, 1);
	assert_int_equal(drive.pipeline.outlet.unpaired, 4);
	statement("ROLLBACK");
	statement("COMMIT");
	assert_string_equal(drive_close(&drive), "COMMIT ok 0 -\n");
}

/* ---- queues ---- */

static void test_queue(void **state)
{
	struct queue queue = { 0 };
	struct request *request;
	unsigned int seed = 3;
	uint64_t in = 0, out = 0;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		if (rand_r(&seed) % (round < 10000 ? 5 : 2)) {
			int error = queue_push(&queue, 100, &request);

			assert_int_equal(error, in - out == 100 ? -ENOBUFS : 0);
			if (!error)
				request->tag = ++in;
		} else if (queue.count) {
			assert_int_equal(queue_front(&queue)->tag, ++out);
			queue_pop(&queue);
		}
		assert_int_equal(queue.count, in - out);
		if (queue.count)
			assert_int_equal(queue_find(&queue, in)->tag, in);
		assert_null(queue_find(&queue, out));
		assert_null(queue_find(&queue, in + 1));
	}
	queue_free(&queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flow_order),    cmocka_unit_test(test_flow_patience),
		cmocka_unit_test(test_flow_skip),     cmocka_unit_test(test_flow_hole),
		cmocka_unit_test(test_flow_limit),    cmocka_unit_test(test_answer_first),
		cmocka_unit_test(test_reordered),     cmocka_unit_test(test_missing_after_wait),
		cmocka_unit_test(test_switch_ahead),  cmocka_unit_test(test_refused_ahead),
		cmocka_unit_test(test_gaps),	      cmocka_unit_test(test_midway),
		cmocka_unit_test(test_open_requests), cmocka_unit_test(test_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
