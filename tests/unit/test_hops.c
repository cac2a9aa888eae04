/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames that are hopped over (struct slot): rows of PostgreSQL, as the kernel side does it. What
 * is counted is the same, however the calls cut them; what is told is little.
 */
#include "hops.h"

#define MOST_CALL 8192

static void put(char type, const void *body, uint32_t length)
{
	uint32_t total = __builtin_bswap32(length + 4);

	assert_true(size + 5 + length <= ROOM);
	text[size] = type;
	memcpy(text + size + 1, &total, 4);
	memcpy(text + size + 5, body, length);
	size += 5 + length;
}

static void ask(const char *query)
{
	put('Q', query, strlen(query) + 1);
	say(CLIENT, MOST_CALL);
}

static void put_row(char type, uint32_t length)
{
	static char body[70000];

	memset(body, type, length);
	body[0] = 0;
	put(type, body, length);
}

static void put_description(void)
{
	put('T', "\0\1n\0\0\0\0\0\0\0\0\0\0\x17\0\4\xff\xff\xff\xff\0", 22);
}

static void put_rows(unsigned int rows, uint32_t length)
{
	put_description();
	while (rows--)
		put_row('D', length);
}

static void put_end(const char *tag)
{
	put('C', tag, strlen(tag) + 1);
	put('Z', "I", 1);
}

static const char startup[] = "\0\0\0\x11\0\3\0\0user\0me\0";

/* Logged in, and a duet: one answer old. */
static void begin(void)
{
	duo_open(0, 0);
	memcpy(text, startup, sizeof(startup));
	size = sizeof(startup);
	say(CLIENT, MOST_CALL);
	put('R', "\0\0\0\0", 4);
	put('Z', "I", 1);
	say(SERVER, MOST_CALL);
	ask("BEGIN");
	put_end("BEGIN");
	say(SERVER, MOST_CALL);
	duo_look();
	expect_counts(1, 1);
	assert_true(is_duet());
}

static void expect_end(unsigned int counted, uint64_t answered)
{
	expect_answered(counted, answered);
	assert_string_equal(newest(SERVER)->operation, "SELECT");
}

/* However calls cut rows and their heads; a row may be longer than a call, or all but empty. */
static void test_rows(void **state)
{
	static const size_t calls[] = { 1, 2, 3, 4, 5, 6, 7, 11, 64, 100, 1000, 4099, 8192 };
	unsigned int counted = 1;
	uint64_t answered, before, most;

	(void)state;
	begin();
	for (unsigned int i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		ask("SELECT n FROM t");
		put_description();
		for (unsigned int n = 0; n < 200; n++)
			put_row('D', n * 7 % 190);
		put_row('D', 20000);
		for (unsigned int n = 0; n < 100; n++)
			put_row('D', n % 3);
		put('C', "SELECT 301", sizeof("SELECT 301"));
		before = records();
		most = 8 + size / calls[i] * 3 / 2; /* each read, and few of what is sent */
		answered = say(SERVER, calls[i]);
		assert_in_range(records() - before, 1, most);
		put('Z', "I", 1);
		say(SERVER, calls[i]);
		expect_end(++counted, answered);
	}
	duo_close_both();
	expect_counts(counted, counted);
}

/* A question that calls cut takes its time from the last of them, wherever that ends. */
static void test_long_question(void **state)
{
	static char query[3000] = "SELECT n FROM t WHERE text = '";
	uint64_t asked, heard;

	(void)state;
	begin();
	for (size_t call = 1; call < 1400; call += 233) {
		memset(query + 30, 'x', sizeof(query) - 32);
		put('Q', query, sizeof(query));
		asked = say(CLIENT, call);
		put_description();
		put_end("SELECT 0");
		heard = now + 2 * STEP;
		say(SERVER, MOST_CALL);
		duo_look();
		expect_times(CLIENT, asked, heard);
	}
	duo_close_both();
	assert_int_equal(gaps(), 0);
}

/* Of what is hopped over nothing is told but the reader's calls. */
static void test_little_is_told(void **state)
{
	uint64_t before;

	(void)state;
	begin();
	ask("SELECT n FROM t");
	put_rows(9000, 100);
	put_end("SELECT 9000");
	before = records();
	say(SERVER, MOST_CALL);
	assert_in_range(records() - before, 1, ROOM / MOST_CALL + 8);
	duo_close_both();
	expect_counts(2, 2);
	assert_int_equal(gaps(), 0);
}

/* What comes between rows is seen; COPY's data is hopped over in either direction. */
static void test_other_kinds(void **state)
{
	uint64_t answered;

	(void)state;
	begin();
	ask("SELECT n FROM t");
	put_description();
	for (unsigned int n = 0; n < 60; n++) {
		put_row('D', 90);
		if (n % 20 == 19)
			put('N', "SNOTICE\0", 9);
	}
	put('E', "SERROR\0C22012\0\0", 16);
	put('Z', "I", 1);
	answered = say(SERVER, 50);
	duo_look_again();
	expect_counts(2, 2);
	assert_int_equal(newest(SERVER)->outcome, OUTCOME_ERROR);
	assert_true(newest(SERVER)->end <= answered);
	ask("COPY t FROM STDIN");
	put('G', "\0\0\1\0\0", 5);
	say(SERVER, MOST_CALL);
	for (unsigned int n = 0; n < 500; n++)
		put_row('d', 30);
	put('c', "", 0);
	say(CLIENT, 64);
	put_end("COPY 500");
	say(SERVER, MOST_CALL);
	duo_look_again();
	expect_counts(3, 3);
	assert_string_equal(newest(CLIENT)->operation, "COPY");
	assert_int_equal(gaps(), 0);
	duo_close_both();
	expect_counts(3, 3);
}

/* The verdict comes late: what it says is over, or half so. */
static void test_reader_lags(void **state)
{
	(void)state;
	begin();
	for (unsigned int lag = 1; lag < 40; lag++) {
		size_t whole;
		uint64_t answered = 0;

		ask("SELECT n FROM t");
		put_rows(100, 60);
		put_end("SELECT 100");
		whole = size;
		size = 0;
		for (size_t at = 0, call = 0; at < whole; at += 150, call++) {
			size_t piece = whole - at < 150 ? whole - at : 150;

			wire.lags = true;
			answered = duo_send_bytes(SERVER, text + at, piece);
			duo_read_bytes(CLIENT, text + at, piece);
			if (call % lag == lag - 1)
				wire_catch_up(&wire);
		}
		wire_catch_up(&wire);
		expect_end(1 + lag, answered);
	}
	duo_close_both();
}

/* Bytes that are not at hand, in the middle: the frames before are known, the rest is a gap. */
static void test_no_bytes(void **state)
{
	(void)state;
	begin();
	ask("SELECT n FROM t");
	put_rows(50, 90);
	say(SERVER, 100);
	wire_send(&wire, SERVER, now += STEP, NULL, 70);
	wait_ms(300);
	assert_int_equal(gaps(), 1);
	duo_close_both();
	assert_in_range(count[SERVER], 1, 2);
}

/* The record that tells where the hop ended is lost: nothing is taken for what it is not. */
static void test_lost(void **state)
{
	(void)state;
	begin();
	ask("SELECT n FROM t");
	put_rows(50, 90);
	say(SERVER, 100);
	put_end("SELECT 50");
	wire.ends[SERVER].loses = true;
	say(SERVER, MOST_CALL);
	wait_ms(300);
	assert_true(gaps() > 0);
	for (unsigned int i = 0; i < 12; i++) {
		ask("BEGIN");
		put_end("BEGIN");
		say(SERVER, MOST_CALL);
		wait_ms(1);
	}
	assert_true(is_duet());
	duo_close_both();
	assert_in_range(count[SERVER], 2, 13);
	assert_int_equal(outcomes(SERVER, 0, OUTCOME_ABORTED), 0);
}

/* Another connection, of which calls of so many bytes have told the begin of an answer. */
static void begin_answer(size_t call)
{
	memset(count, 0, sizeof(count));
	duo_place(0xfffff000U, 77);
	begin();
	ask("SELECT n FROM t");
	put_rows(50, 90);
	say(SERVER, call);
}

/* Whoever leaves in the middle has left an unanswered question, and no bytes are missing. */
static void test_left(void **state)
{
	(void)state;
	for (size_t call = 90; call < 101; call++) {
		begin_answer(call);
		duo_close_both();
		expect_counts(2, 2);
		expect_aborted(1, 1);
		assert_int_equal(gaps(), 0);
	}
}

/* One goes, and the other stays for a while. */
static void test_one_leaves(void **state)
{
	(void)state;
	for (size_t call = 90; call < 101; call++) {
		begin_answer(call);
		duo_close(CLIENT);
		wait_ms(1000);
		wait_ms(1000);
		assert_int_equal(gaps(), 0);
		expect_counts(2, 1);
		duo_close(SERVER);
		wait_ms(2000);
		wait_ms(2000);
		expect_counts(2, 2);
		expect_aborted(1, 1);
		assert_int_equal(gaps(), 0);
	}
}

/* The answer's end was told of by a record that is lost: it is not taken for rows. */
static void test_lost_end(void **state)
{
	size_t rows;

	(void)state;
	begin();
	ask("SELECT n FROM t");
	put_rows(50, 90);
	rows = size;
	put_end("SELECT 50");
	wire.lags = true;
	duo_send_bytes(SERVER, text, rows - 50);
	wire.ends[SERVER].loses = true;
	duo_send_bytes(SERVER, text + rows - 50, size - rows + 50);
	wire_catch_up(&wire);
	duo_read_bytes(CLIENT, text, size);
	size = 0;
	duo_close_both();
	expect_aborted(0, 0);
	assert_true(gaps() > 0);
}

/* The client's end alone: what it reads is hopped over, also what it reads after a reset. */
static void test_client_alone(void **state)
{
	size_t half;

	(void)state;
	wire_open(&wire, CLIENT, now += STEP, 0);
	duo_send_bytes(CLIENT, startup, sizeof(startup));
	put('R', "\0\0\0\0", 4);
	put('Z', "I", 1);
	duo_read_bytes(CLIENT, text, size);
	size = 0;
	put('Q', "SELECT", sizeof("SELECT"));
	duo_send_bytes(CLIENT, text, size);
	size = 0;
	put_rows(100, 90);
	half = size / 2;
	put('E', "SFATAL\0C57P01\0\0", 15);
	for (size_t at = 0; at < half; at += 77)
		duo_read_bytes(CLIENT, text + at, half - at < 77 ? half - at : 77);
	assert_int_equal(slots[0].hop[DIRECTION_RX][0], 'D');
	wire_close(&wire, CLIENT, now += STEP, size - half, 0);
	for (size_t at = half; at < size; at += 77)
		duo_read_bytes(CLIENT, text + at, size - at < 77 ? size - at : 77);
	wait_ms(2000);
	wait_ms(2000);
	size = 0;
	assert_int_equal(count[CLIENT], 1);
	assert_int_equal(newest(CLIENT)->outcome, OUTCOME_ERROR);
	assert_int_equal(gaps(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DUO(test_rows),	       DUO(test_long_question), DUO(test_little_is_told),
		DUO(test_other_kinds), DUO(test_reader_lags),	DUO(test_no_bytes),
		DUO(test_lost),	       DUO(test_left),		DUO(test_one_leaves),
		DUO(test_lost_end),    DUO(test_client_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
