/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tight.h"
#include "util/arena.h"
#include "util/clock.h"
#include "util/names.h"
#include "util/pool.h"

#define LIMIT ((size_t)48 << 20)
#define BLOCKS 65536
#define SMALL 1024
#define LARGE 16384

static void *blocks[BLOCKS];

static int tear_down(void **state)
{
	(void)state;
	memory_limit(SIZE_MAX, 0, 0);
	return memory_used() != 0;
}

static size_t resident(void)
{
	unsigned long pages = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	assert_int_equal(fscanf(file, "%*u %lu", &pages), 1);
	fclose(file);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Blocks until there is no more room, each written to. Returns how many. */
static size_t fill(enum memory_use use, size_t size, size_t from)
{
	size_t n = from;

	while (n < BLOCKS && (blocks[n] = memory_take(use, size)))
		memset(blocks[n++], 1, size);
	assert_true(n < BLOCKS);
	return n - from;
}

static void empty(enum memory_use use, size_t size, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		memory_give(use, blocks[i], size); /* NULL is fine */
}

static void test_limit(void **state)
{
	size_t n, room;

	(void)state;
	memory_limit(LIMIT, 0, 0);
	room = memory_room(MEMORY_STREAMS);
	assert_true(room > 8 << 20 && room < LIMIT);
	assert_null(memory_take(MEMORY_STREAMS, room + 1));
	assert_null(memory_take(MEMORY_STREAMS, SIZE_MAX));
	n = fill(MEMORY_STREAMS, LARGE, 0);
	assert_true(n * LARGE <= room && n * LARGE > room - room / 50);
	/* What the configuration bounds is never refused. */
	blocks[n] = memory_take(MEMORY_FIXED, LARGE);
	assert_non_null(blocks[n]);
	memory_give(MEMORY_FIXED, blocks[n], LARGE);
	empty(MEMORY_STREAMS, LARGE, 0, n);
	assert_int_equal(memory_room(MEMORY_STREAMS), room);
	assert_int_equal(fill(MEMORY_STREAMS, LARGE, 0), n);
	empty(MEMORY_STREAMS, LARGE, 0, n);
}

/* Whoever comes first, the others find what is theirs. */
static void test_guarantees(void **state)
{
	static const enum memory_use uses[] = { MEMORY_SCRAPES, MEMORY_TABLES, MEMORY_CONNECTIONS,
						MEMORY_STREAMS };
	const size_t tables = (size_t)4 << 20;
	size_t n, own;

	(void)state;
	for (int greedy = 0; greedy < 4; greedy++) {
		memory_limit(LIMIT, tables, tables);
		n = fill(uses[greedy], LARGE, 0);
		for (int i = 0; i < 4; i++) {
			if (i == greedy)
				continue;
			own = fill(uses[i], LARGE, n);
			assert_true(own * LARGE > (i < 2 ? tables / 8 * 7 : (size_t)1 << 20));
			empty(uses[i], LARGE, n, n + own);
		}
		empty(uses[greedy], LARGE, 0, n);
	}
}

/* Holes that nothing fits into: the sum is small, what is resident is not. */
static void test_holes(void **state)
{
	size_t n, more, before;

	(void)state;
#ifdef __SANITIZE_ADDRESS__
	skip();
#endif
	memory_limit(LIMIT, 0, 0);
	before = resident();
	n = fill(MEMORY_STREAMS, SMALL, 0);
	for (size_t i = 0; i < n; i += 2)
		memory_give(MEMORY_STREAMS, blocks[i], SMALL);
	more = fill(MEMORY_STREAMS, LARGE, n);
	assert_true(resident() <= LIMIT);
	assert_true(memory_room(MEMORY_STREAMS) > LARGE);
	/* What fits is found all the same, however often something was refused before. */
	for (size_t i = 0; i < n; i += 2)
		blocks[i] = memory_take(MEMORY_STREAMS, SMALL);
	assert_true(memory_room(MEMORY_STREAMS) < SMALL);
	assert_true(resident() <= LIMIT);
	empty(MEMORY_STREAMS, SMALL, 0, n);
	empty(MEMORY_STREAMS, LARGE, n, n + more);
	memory_tick(clock_now());
	assert_true(resident() < before + (2 << 20));
	n = fill(MEMORY_STREAMS, LARGE, 0);
	assert_true(n * LARGE > LIMIT / 3);
	empty(MEMORY_STREAMS, LARGE, 0, n);
}

static void test_pool(void **state)
{
	struct pool pool;
	void *first, *second;

	(void)state;
	pool_init(&pool, MEMORY_STREAMS, SMALL, 2, 1);
	first = pool_take(&pool);
	second = pool_take(&pool);
	assert_true(first && second && !pool_take(&pool));
	assert_int_equal(pool.refused, 1);
	pool_give(&pool, second);
	second = pool_take(&pool);
	assert_non_null(second);
	pool_give(&pool, second);
	pool_give(&pool, first);
	assert_int_equal(pool.idle, 1);
	pool_free(&pool);

	tight_begin(MEMORY_STREAMS, SMALL);
	first = pool_take(&pool);
	assert_true(first && !pool_take(&pool));
	assert_int_equal(pool.refused, 2);
	/* Idle blocks are had without asking. */
	pool_give(&pool, first);
	assert_non_null(pool_take(&pool));
	tight_end();
	second = pool_take(&pool);
	assert_non_null(second);
	pool_give(&pool, first);
	pool_give(&pool, second);
	pool_free(&pool);
}

static void test_arena(void **state)
{
	struct arena arena = { NULL, 0 };
	uint64_t *last = NULL, *next;
	size_t n = 0;

	(void)state;
	tight_begin(MEMORY_TABLES, 80000);
	while ((next = arena_take(&arena, MEMORY_TABLES, 20))) {
		assert_true((uintptr_t)next % 8 == 0 && !next[0] && !next[2]);
		memset(next, 1, 20);
		assert_ptr_not_equal(next, last);
		last = next;
		n++;
	}
	assert_int_equal(n, 2 * (32768 / 24));
	assert_non_null(arena_take(&arena, MEMORY_TABLES, 8));
	assert_null(arena_take(&arena, MEMORY_TABLES, 32769));
	arena_free(&arena);
	assert_non_null(arena_take(&arena, MEMORY_TABLES, 32768));
	arena_free(&arena);
	tight_end();
}

static uint16_t intern(const char *text, unsigned int number)
{
	char made[NAME_SIZE];
	int size = snprintf(made, sizeof(made), "%s%u", text, number);

	return names_intern(NAME_OPERATION, (struct bytes){ (uint8_t *)made, (size_t)size });
}

/* Without memory a new name is `other`; those known stay, and new ones come once there is some. */
static void test_names(void **state)
{
	char name[NAME_SIZE] = "";
	unsigned int n = 0;
	uint64_t refused;

	(void)state;
	memset(name, 'n', 200);
	tight_begin(MEMORY_TABLES, 40000);
	refused = names_refused();
	while (intern(name, n) != NAME_OTHER)
		n++;
	assert_true(n > 0 && n < 200);
	assert_int_equal(names_refused(), refused + 1);
	assert_int_not_equal(intern(name, 0), NAME_OTHER);
	assert_int_equal(intern(name, n + 1), NAME_OTHER);
	tight_end();
	assert_int_not_equal(intern(name, n), NAME_OTHER);
	/* Each kind has its budget. */
	for (n = 0; intern("b", n) != NAME_OTHER;)
		n++;
	assert_in_range(n, NAMES_OPERATIONS - 200, NAMES_OPERATIONS);
	assert_int_equal(names_intern(NAME_PEER, BYTES("b1")), intern("b", 1));
	assert_int_not_equal(names_intern(NAME_PEER, BYTES("10.0.0.1:1")), NAME_OTHER);
}

/* Blocks in holes that were there before the limit: not taken for something else again and again.
 */
static void test_old_holes(void **state)
{
	size_t n, room;
	void *last;

	(void)state;
	for (n = 0; n < 64; n++) {
		blocks[n] = malloc(LARGE * 2);
		memset(blocks[n], 1, LARGE * 2);
	}
	last = malloc(LARGE);
	while (n > 0)
		free(blocks[--n]);
	memory_limit(LIMIT, 0, 0);
	for (n = 0; n < 64; n++) {
		blocks[n] = memory_take(MEMORY_FIXED, LARGE);
		memset(blocks[n], 1, LARGE);
	}
	memory_tick(clock_now() + 3 * NSEC_PER_SEC);
	room = memory_room(MEMORY_STREAMS);
	for (unsigned int i = 2; i < 50; i++)
		memory_tick(clock_now() + i * 3 * NSEC_PER_SEC);
	assert_in_range(memory_room(MEMORY_STREAMS), room - (room / 50), room);
	empty(MEMORY_FIXED, LARGE, 0, n);
	free(last);
}

static const char constant[1 << 20] = "constant";
static char written[8192] = "as in the file";

/* Code and constants go and come back; what was written stays. */
static void test_release_code(void **state)
{
	size_t before, sum = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(constant); i += 1024)
		sum += (size_t)((const volatile char *)constant)[i];
	strcpy(written, "since");
	before = resident();
	memory_release_code();
	assert_in_range(resident(), 1, before - sizeof(constant) / 2);
	assert_string_equal(written, "since");
	assert_string_equal(constant, "constant");
	assert_int_equal(sum, constant[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_limit, tear_down),
		cmocka_unit_test_teardown(test_guarantees, tear_down),
		cmocka_unit_test_teardown(test_holes, tear_down),
		cmocka_unit_test_teardown(test_old_holes, tear_down),
		cmocka_unit_test_teardown(test_pool, tear_down),
		cmocka_unit_test_teardown(test_arena, tear_down),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_release_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
