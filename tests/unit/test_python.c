/* SPDX-License-Identifier: Apache-2.0 */
/* Where CPython keeps contexts, in an interpreter made of words: with the GIL or without, and with
 * several interpreters in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "interpreter.h"

#define MAIN_AT 200 /* words of the runtime */
#define WORDS 16384
#define INTERPRETERS_AT 60
#define STATES_AT 1000 /* of an interpreter: the first of its threads' states */
#define OWNER_AT 2     /* of a state */
#define THREAD_AT 16
#define CONTEXT_AT 26
#define POINTER_AT 1024 /* of a thread's area */
#define SLOT_AT (POINTER_AT - 5)

#define MAKE 0x700010 /* functions */
#define COPY 0x700020
#define GET 0x700030

enum thread { FIRST, SECOND, THREADS };

static uint64_t runtime[WORDS + MAIN_AT], second[WORDS];
static uint64_t states[3][128], areas[THREADS][2 * POINTER_AT];
static uint64_t type[64], metatype[16], methods[12], contexts[3][16], version;
static struct remote remote;
static struct image image;

static void export(void)
{
	const void *const objects[SYMBOLS] = { runtime, type, &version, &version, metatype };
	const uint64_t sizes[SYMBOLS] = { sizeof(runtime), sizeof(type), 1, 8, sizeof(metatype) };

	image = make_image(objects, sizes);
}

/* A state of the thread in that interpreter, with a context of its own. */
static void make_state(int i, uint64_t interpreter, enum thread thread, uint32_t head)
{
	uint64_t pointer = at(&areas[thread][POINTER_AT]);

	states[i][OWNER_AT] = interpreter;
	states[i][THREAD_AT] = pointer;
	states[i][THREAD_AT + 1] = 1000 + thread;
	states[i][CONTEXT_AT] = at(contexts[i]);
	contexts[i][head / 8 + 1] = at(type);
	contexts[i][head / 8 + 5] = 1; /* entered */
	areas[thread][POINTER_AT] = pointer;
	areas[thread][SLOT_AT] = at(states[i]);
}

static void make(uint32_t head)
{
	uint64_t main = at(&runtime[MAIN_AT]);

	memset(runtime, 0, sizeof(runtime));
	memset(second, 0, sizeof(second));
	memset(states, 0, sizeof(states));
	memset(areas, 0, sizeof(areas));
	memset(type, 0, sizeof(type));
	memset(contexts, 0, sizeof(contexts));
	version = 0x030d05f0;
	type[head / 8 + 1] = at(metatype);
	type[head / 8 + 4] = head + 48; /* its objects' size */
	type[head / 8 + 29] = at(methods);
	type[head / 8 + 39] = MAKE;
	methods[0] = at("get");
	methods[1] = GET;
	methods[4] = at("copy");
	methods[5] = COPY;
	runtime[INTERPRETERS_AT] = runtime[INTERPRETERS_AT + 1] = main;
	runtime[MAIN_AT + STATES_AT] = at(states[FIRST]);
	make_state(FIRST, main, FIRST, head);
	make_state(SECOND, main, SECOND, head);
	states[FIRST][1] = at(states[SECOND]);
	states[SECOND][0] = at(states[FIRST]);
	export();
}

static int find(struct python *ret)
{
	const char *why;

	remote_forget(&remote);
	remote.reads = 0;
	return python_find(&remote, &image, ret, &why);
}

static void assert_found(uint32_t head)
{
	struct python found;

	assert_int_equal(find(&found), 0);
	assert_int_equal(found.way.slot[0], (SLOT_AT - POINTER_AT) * 8);
	assert_int_equal(found.way.context, CONTEXT_AT * 8);
	assert_int_equal(found.way.head, head);
	assert_int_equal(found.way.inside, head + 16);
	assert_int_equal(found.way.own, 0);
	assert_int_equal(found.make[0], MAKE);
	assert_int_equal(found.make[1], COPY);
}

static void test_with_lock(void **state)
{
	(void)state;
	make(0);
	assert_found(0);
}

static void test_without_lock(void **state)
{
	(void)state;
	make(16);
	assert_found(16);
}

/* Types are made ready at run time. */
static void test_not_ready(void **state)
{
	struct python found;

	(void)state;
	make(0);
	type[1] = 0;
	assert_int_equal(find(&found), -EAGAIN);
}

/* The newest interpreter is the first in the list. Its thread is in it, or has come back. */
static void test_interpreters(void **state)
{
	(void)state;
	for (int inside = 0; inside < 2; inside++) {
		make(0);
		runtime[INTERPRETERS_AT] = at(second);
		second[STATES_AT] = at(states[2]);
		make_state(2, at(second), SECOND, 0);
		if (!inside)
			areas[SECOND][SLOT_AT] = at(states[SECOND]);
		assert_found(0);
	}
}

/* What looks like no state at all is none. */
static void test_other(void **state)
{
	struct python found;

	(void)state;
	make(0);
	areas[SECOND][SLOT_AT] = at(second);
	assert_int_equal(find(&found), -EAGAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_with_lock), cmocka_unit_test(test_without_lock),
		cmocka_unit_test(test_not_ready), cmocka_unit_test(test_interpreters),
		cmocka_unit_test(test_other),
	};
	int folder = remote_folder((uint32_t)getpid()), failed;

	if (folder < 0 || remote_open(&remote, folder))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	remote_close(&remote);
	close(folder);
	return failed;
}
