/* SPDX-License-Identifier: Apache-2.0 */
/* The ring between the event loop and the exporter: order, room, two threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>

#include "export/otlp_queue.h"

#define RING 1024
#define LONGEST 300
#define MANY 300000

/* The size and content that a record with this number has. */
static size_t size_of(uint64_t number)
{
	return sizeof(number) + (number * 2654435761U >> 7) % (LONGEST - sizeof(number));
}

/* False: there is no room. Every seventh is a resource. */
static bool put(struct otlp_queue *queue, uint64_t number)
{
	size_t size = size_of(number);
	struct otlp_record *record =
		otlp_queue_reserve(queue, number % 7 ? OTLP_SPAN : OTLP_RESOURCE, size);

	if (!record)
		return false;
	record->begin = number;
	memset(record->data, (int)number, size);
	memcpy(record->data, &number, sizeof(number));
	otlp_queue_commit(queue, record);
	return true;
}

/* Whether the record is the one of that number, whole. */
static bool is(const struct otlp_record *record, uint64_t number)
{
	bool good = record->bytes == size_of(number) && record->begin == number &&
		    record->kind == (number % 7 ? OTLP_SPAN : OTLP_RESOURCE) &&
		    memcmp(record->data, &number, sizeof(number)) == 0;

	for (size_t i = sizeof(number); good && i < record->bytes; i++)
		good = record->data[i] == (uint8_t)number;
	return good;
}

/* Takes up to `most` records, then releases them; returns how many. */
static size_t get(struct otlp_queue *queue, uint64_t number, size_t most)
{
	struct otlp_record *record;
	size_t taken = 0, spans = 0;

	while (taken < most && (record = otlp_queue_peek(queue))) {
		if (!is(record, number + taken))
			return SIZE_MAX;
		spans += record->kind == OTLP_SPAN;
		otlp_queue_take(queue, record);
		taken++;
	}
	otlp_queue_release(queue, spans);
	return taken;
}

/* However the records lie across the ring's end, none is lost and the room comes back whole. */
static void test_order(void **state)
{
	struct otlp_queue queue;
	uint64_t in = 0, out = 0;

	(void)state;
	assert_int_equal(otlp_queue_init(&queue, 1000, RING), 0);
	for (size_t round = 0; round < 20000; round++) {
		size_t got;

		while (put(&queue, in))
			in++;
		assert_true(in > out);
		got = get(&queue, out, 1 + round % 3);
		assert_true(got >= 1 && got <= 3);
		out += got;
	}
	assert_int_equal(get(&queue, out, SIZE_MAX), in - out);
	assert_int_equal(otlp_queue_spans(&queue), 0);
	assert_null(otlp_queue_peek(&queue));
	otlp_queue_free(&queue);
}

/* Spans count until they are released, and where they are too many nothing else is taken. */
static void test_spans(void **state)
{
	struct otlp_queue queue;
	struct otlp_record *record;

	(void)state;
	assert_int_equal(otlp_queue_init(&queue, 3, (size_t)1 << 20), 0);
	assert_non_null(otlp_queue_reserve(&queue, OTLP_SPAN, 10)); /* forgotten */
	for (uint64_t number = 0; number < 4; number++)
		assert_true(put(&queue, number));
	assert_int_equal(otlp_queue_spans(&queue), 3);
	assert_false(put(&queue, 4));
	assert_false(put(&queue, 7));
	record = otlp_queue_peek(&queue);
	otlp_queue_take(&queue, record);
	record = otlp_queue_peek(&queue);
	otlp_queue_take(&queue, record);
	assert_false(put(&queue, 4));
	otlp_queue_release(&queue, 1);
	assert_int_equal(otlp_queue_spans(&queue), 2);
	assert_true(put(&queue, 4));
	assert_int_equal(get(&queue, 2, SIZE_MAX), 3);
	otlp_queue_free(&queue);
}

static void test_too_long(void **state)
{
	struct otlp_queue queue;

	(void)state;
	assert_int_equal(otlp_queue_init(&queue, 100, RING), 0);
	assert_null(otlp_queue_reserve(&queue, OTLP_SPAN, RING));
	assert_null(otlp_queue_reserve(&queue, OTLP_SPAN, RING - 8));
	assert_non_null(otlp_queue_reserve(&queue, OTLP_SPAN, RING / 2));
	otlp_queue_free(&queue);
}

static void *write_many(void *context)
{
	for (uint64_t number = 0; number < MANY;) {
		if (put(context, number))
			number++;
		else
			sched_yield();
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct otlp_queue queue;
	pthread_t writer;
	uint64_t out = 0;

	(void)state;
	assert_int_equal(otlp_queue_init(&queue, 1000, (size_t)8 * RING), 0);
	assert_int_equal(pthread_create(&writer, NULL, write_many, &queue), 0);
	while (out < MANY) {
		size_t got = get(&queue, out, 1 + out % 13);

		assert_int_not_equal(got, SIZE_MAX);
		out += got;
		if (!got)
			sched_yield();
	}
	pthread_join(writer, NULL);
	assert_int_equal(otlp_queue_spans(&queue), 0);
	otlp_queue_free(&queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_spans),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
