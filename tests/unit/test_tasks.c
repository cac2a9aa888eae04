/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "task/tasks.h"

#define PROCESS 77
#define BORN(time) ((uint64_t)TASK_BORN << TASK_BITS | (time))
#define OBJECT(address) ((uint64_t)TASK_OBJECT << TASK_BITS | (address))
#define THREAD 4711

static struct tasks *tasks;

/* The record of a task with these ancestors, its parent first, ended by 0. */
static void tell(uint32_t tgid, uint64_t task, const uint64_t *ancestors)
{
	struct event_task event = { .head = { .kind = EVENT_TASK, .tgid = tgid, .task = task } };

	for (int i = 0; i < EVENT_ANCESTORS && ancestors[i]; i++)
		event.ancestors[i] = ancestors[i];
	tasks_told(tasks, &event);
}

#define TELL(task, ...) tell(PROCESS, task, (const uint64_t[]){ __VA_ARGS__, 0 })

static int begin(void **state)
{
	(void)state;
	return tasks_new(4, &tasks);
}

static int end(void **state)
{
	(void)state;
	tasks_free(tasks);
	return 0;
}

/*
 *	object - 100 (server) - 200 (request) -+- 300 (handler) - 500
 *	                                       '- 400
 */
static void test_descent(void **state)
{
	(void)state;
	TELL(BORN(300), BORN(200), BORN(100), OBJECT(0x1000));
	TELL(BORN(400), BORN(200), BORN(100), OBJECT(0x1000));
	TELL(BORN(500), BORN(300), BORN(200), BORN(100), OBJECT(0x1000));
	assert_int_equal(task_root(tasks, PROCESS, BORN(500), 150), BORN(200));
	assert_int_equal(task_root(tasks, PROCESS, BORN(500), 200), BORN(200));
	assert_int_equal(task_root(tasks, PROCESS, BORN(500), 201), BORN(300));
	assert_int_equal(task_root(tasks, PROCESS, BORN(500), 50), BORN(100));
	assert_int_equal(task_root(tasks, PROCESS, BORN(500), 501), BORN(500));
	assert_true(task_within(tasks, PROCESS, BORN(400), BORN(200)));
	assert_true(task_within(tasks, PROCESS, BORN(500), BORN(300)));
	assert_true(task_within(tasks, PROCESS, BORN(500), BORN(500)));
	assert_true(task_within(tasks, PROCESS, BORN(500), OBJECT(0x1000)));
	assert_false(task_within(tasks, PROCESS, BORN(400), BORN(300)));
	assert_false(task_within(tasks, PROCESS, BORN(300), BORN(400)));
	assert_false(task_within(tasks, PROCESS, BORN(400), 0));
}

/* Of threads, objects and tasks never told of only they themselves are known. */
static void test_unknown(void **state)
{
	static const uint64_t alone[] = { THREAD, OBJECT(0x2000), BORN(900) };

	(void)state;
	for (size_t i = 0; i < sizeof(alone) / sizeof(alone[0]); i++) {
		assert_null(tasks_ancestors(tasks, PROCESS, alone[i]));
		assert_int_equal(task_root(tasks, PROCESS, alone[i], 1), alone[i]);
		assert_true(task_within(tasks, PROCESS, alone[i], alone[i]));
		assert_false(task_within(tasks, PROCESS, alone[i], BORN(1)));
	}
}

/* An old ancestor that is no time must not look like a late one. */
static void test_object_is_no_time(void **state)
{
	(void)state;
	TELL(BORN(300), OBJECT(0x7fff00001000), BORN(200));
	assert_int_equal(task_root(tasks, PROCESS, BORN(300), 100), BORN(300));
}

static void test_processes_apart(void **state)
{
	(void)state;
	tell(1, BORN(300), (const uint64_t[]){ BORN(200), 0 });
	tell(2, BORN(300), (const uint64_t[]){ BORN(250), 0 });
	assert_true(task_within(tasks, 1, BORN(300), BORN(200)));
	assert_false(task_within(tasks, 1, BORN(300), BORN(250)));
	assert_true(task_within(tasks, 2, BORN(300), BORN(250)));
	assert_false(task_within(tasks, 3, BORN(300), BORN(200)));
}

static void test_full_chain(void **state)
{
	uint64_t ancestors[EVENT_ANCESTORS + 1] = { 0 };

	(void)state;
	for (int i = 0; i < EVENT_ANCESTORS; i++)
		ancestors[i] = BORN(1000 - (uint64_t)i);
	tell(PROCESS, BORN(1001), ancestors);
	assert_int_equal(task_root(tasks, PROCESS, BORN(1001), 1), BORN(1001 - EVENT_ANCESTORS));
	assert_true(task_within(tasks, PROCESS, BORN(1001), BORN(1001 - EVENT_ANCESTORS)));
	assert_false(task_within(tasks, PROCESS, BORN(1001), BORN(1000 - EVENT_ANCESTORS)));
}

/* Room for four: the one told of longest ago goes, and comes back with its next record. */
static void test_eviction(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= 4; i++)
		TELL(BORN(100 + i), BORN(i));
	TELL(BORN(101), BORN(1));
	TELL(BORN(105), BORN(5));
	assert_int_equal(tasks_counts(tasks).known, 4);
	assert_int_equal(tasks_counts(tasks).evicted, 1);
	assert_null(tasks_ancestors(tasks, PROCESS, BORN(102)));
	for (uint64_t i = 1; i <= 5; i++) {
		if (i != 2)
			assert_true(task_within(tasks, PROCESS, BORN(100 + i), BORN(i)));
	}
	TELL(BORN(102), BORN(2));
	assert_true(task_within(tasks, PROCESS, BORN(102), BORN(2)));
	assert_null(tasks_ancestors(tasks, PROCESS, BORN(103)));
	for (uint64_t i = 0; i < 10000; i++)
		TELL(BORN(1000 + i), BORN(i + 1));
	assert_int_equal(tasks_counts(tasks).known, 4);
	assert_true(task_within(tasks, PROCESS, BORN(10999), BORN(10000)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_descent, begin, end),
		cmocka_unit_test_setup_teardown(test_unknown, begin, end),
		cmocka_unit_test_setup_teardown(test_object_is_no_time, begin, end),
		cmocka_unit_test_setup_teardown(test_processes_apart, begin, end),
		cmocka_unit_test_setup_teardown(test_full_chain, begin, end),
		cmocka_unit_test_setup_teardown(test_eviction, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
