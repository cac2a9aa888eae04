/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both ends of one connection in a table, and what was told of each. Every call takes a
 * microsecond; what is sent has arrived a microsecond later.
 */
#ifndef ONLOOKER_TEST_DUO_H
#define ONLOOKER_TEST_DUO_H

#include "stream/entry.h"
#include "table.h"
#include "util/names.h"
#include "wire.h"

#define CLIENT WIRE_CLIENT
#define SERVER WIRE_SERVER
#define TOLD 512
#define STEP 1000

struct told {
	char operation[16];
	uint16_t code;
	uint8_t outcome;
	bool timed;
	uint64_t begin, end, read, both;
};

/* By enum wire_who. */
static struct told told[2][TOLD];
static unsigned int count[2];
static int idle[2], active[2]; /* sessions */
static struct wire wire;

static inline void duo_exchange(struct sink *to, const struct exchange *exchange)
{
	enum wire_who who = exchange->connection->side == SIDE_SERVER ? WIRE_SERVER : WIRE_CLIENT;
	struct told *next = &told[who][count[who]++];

	(void)to;
	assert_in_range(count[who], 1, TOLD);
	assert_true(exchange->begin <= exchange->end || !exchange->timed);
	*next = (struct told){ .code = exchange->code,
			       .outcome = exchange->outcome,
			       .timed = exchange->timed,
			       .begin = exchange->begin,
			       .end = exchange->end,
			       .read = exchange->read,
			       .both = exchange->both };
	strncpy(next->operation, names_text(exchange->operation), sizeof(next->operation) - 1);
}

static inline void duo_connection(struct sink *to, const struct connection *connection,
				  enum connection_change change, enum session_state before)
{
	unsigned int who = connection->side == SIDE_SERVER;

	(void)to;
	if (change != CONNECTION_SESSION)
		return;
	idle[who] += (connection->session == SESSION_IDLE) - (before == SESSION_IDLE);
	active[who] += (connection->session == SESSION_ACTIVE) - (before == SESSION_ACTIVE);
}

static struct sink duo_sink = { .exchange = duo_exchange, .connection = duo_connection };

/* Where the lanes are, as the client's end numbers them. */
static inline void duo_place(uint32_t sent, uint32_t received)
{
	wire.ends[WIRE_CLIENT].at[DIRECTION_TX] = wire.ends[WIRE_SERVER].at[DIRECTION_RX] = sent;
	wire.ends[WIRE_CLIENT].at[DIRECTION_RX] = received;
	wire.ends[WIRE_SERVER].at[DIRECTION_TX] = received;
}

static inline void duo_open(uint8_t client_flags, uint8_t server_flags)
{
	wire_open(&wire, WIRE_CLIENT, now += STEP, client_flags);
	wire_open(&wire, WIRE_SERVER, now += STEP, server_flags);
}

static inline int duo_set_up(void **state)
{
	int error = set_up(state);

	memset(count, 0, sizeof(count));
	memset(idle, 0, sizeof(idle));
	memset(active, 0, sizeof(active));
	wire = (struct wire){ .connections = connections, .slots = slots, .notes = notes };
	wire.ends[WIRE_SERVER].slot = 1;
	outlet_add(&pipeline.outlet, &duo_sink);
	duo_place(0xfffff000U, 77); /* the one wraps soon */
	return error;
}

/* One end writes, or reads as much as `text` has; what is read arrived just after it was sent. */
static inline uint64_t duo_send_bytes(enum wire_who who, const char *bytes, size_t size)
{
	wire_send(&wire, who, now += STEP, bytes, size);
	return now;
}

static inline uint64_t duo_read_bytes(enum wire_who who, const char *bytes, size_t size)
{
	now += STEP;
	wire_receive(&wire, who, now, now - STEP / 2, bytes, size);
	return now;
}

static inline uint64_t duo_send(enum wire_who who, const char *text)
{
	return duo_send_bytes(who, text, strlen(text));
}

static inline uint64_t duo_read(enum wire_who who, const char *text)
{
	return duo_read_bytes(who, text, strlen(text));
}

/* Bytes of which only the number matters. */
static inline char *duo_filler(size_t size)
{
	char *text = malloc(size + 1);

	memset(text, 'x', size);
	text[size] = 0;
	return text;
}

/* An exchange in rest. */
static inline void duo_turn(const char *request, const char *answer)
{
	duo_send(WIRE_CLIENT, request);
	duo_read(WIRE_SERVER, request);
	duo_send(WIRE_SERVER, answer);
	duo_read(WIRE_CLIENT, answer);
}

/* The reader's note of the last answer is looked up. */
static inline void duo_look(void)
{
	connections_tick(connections, now += STEP);
}

/* Also where a record of what was read before is missing, and does not come any more. */
static inline void duo_look_again(void)
{
	now += 400 * NSEC_PER_MSEC;
	duo_look();
}

static inline bool is_duet(void)
{
	return pipeline.duets.out == 1;
}

/* An end is over, all read. */
static inline void duo_close(enum wire_who who)
{
	wire_close(&wire, who, now += STEP, 0, 0);
}

static inline void duo_close_both(void)
{
	duo_close(WIRE_CLIENT);
	duo_close(WIRE_SERVER);
	wait_ms(2000);
	wait_ms(2000);
	assert_int_equal(connections_counts(connections).tracked, 0);
}

/* So many were told of either end. */
static inline void expect_counts(unsigned int client, unsigned int server)
{
	assert_int_equal(count[WIRE_CLIENT], client);
	assert_int_equal(count[WIRE_SERVER], server);
}

/* The newest exchange of an end took exactly this time. */
static inline void expect_times(enum wire_who who, uint64_t begin, uint64_t end)
{
	const struct told *last = &told[who][count[who] - 1];

	assert_true(count[who] > 0);
	assert_true(last->timed);
	assert_int_equal(last->begin, begin);
	assert_int_equal(last->end, end);
}

static inline const struct told *newest(enum wire_who who)
{
	assert_true(count[who] > 0);
	return &told[who][count[who] - 1];
}

/* Either end's n-th exchange has the same number, and no other has it. */
static inline void expect_both(unsigned int from)
{
	assert_int_equal(count[CLIENT], count[SERVER]);
	for (unsigned int i = from; i < count[CLIENT]; i++) {
		assert_true(told[CLIENT][i].both != 0);
		assert_true(told[CLIENT][i].both == told[SERVER][i].both);
		assert_true(i == 0 || told[CLIENT][i].both != told[CLIENT][i - 1].both);
	}
}

/* What was told of an end since, by outcome. */
static inline unsigned int outcomes(enum wire_who who, unsigned int since, enum outcome outcome)
{
	unsigned int sum = 0;

	for (unsigned int i = since; i < count[who]; i++)
		sum += told[who][i].outcome == outcome;
	return sum;
}

static inline void expect_aborted(unsigned int client, unsigned int server)
{
	assert_int_equal(outcomes(CLIENT, 0, OUTCOME_ABORTED), client);
	assert_int_equal(outcomes(SERVER, 0, OUTCOME_ABORTED), server);
	for (unsigned int who = 0; who < 2; who++) {
		for (unsigned int i = 0; i < count[who]; i++) {
			if (told[who][i].outcome == OUTCOME_ABORTED)
				assert_int_equal(told[who][i].code, 0);
		}
	}
}

/* A duet, one exchange old. */
#define PING "*1\r\n$4\r\nPING\r\n"
#define PONG "+PONG\r\n"
#define GET "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static inline void duo_begin(const char *request, const char *answer)
{
	duo_open(0, 0);
	duo_turn(request, answer);
	expect_counts(1, 1);
	assert_true(is_duet());
}

/* Another connection, with so many exchanges in rest; what was told before is forgotten. */
static inline void duo_anew(unsigned int turns)
{
	memset(count, 0, sizeof(count));
	duo_place(1, 2);
	duo_open(0, 0);
	for (unsigned int i = 0; i < turns; i++)
		duo_turn(GET, OK);
}

#define DUO(name) cmocka_unit_test_setup_teardown(name, duo_set_up, tear_down)

#endif
