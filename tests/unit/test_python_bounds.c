/* SPDX-License-Identifier: Apache-2.0 */
/* What a process shows of itself, here our own, may be made to have no end: a look has one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "interpreter.h"
#include "util/clock.h"

#define ENDLESS (1ULL << 60)
#define LARGE ((size_t)1 << 40)
#define WORDS 12100
#define MOST (500 * NSEC_PER_MSEC) /* of a processor; without bounds seconds, or years */

static struct remote *remote;
static uint64_t begin;

static void look(void)
{
	remote_close(remote);
	assert_int_equal(remote_open(remote, remote->folder), 0);
	alarm(20);
	begin = clock_read(CLOCK_THREAD_CPUTIME_ID);
}

static void is_short(void)
{
	assert_in_range(clock_read(CLOCK_THREAD_CPUTIME_ID) - begin, 0, MOST);
	alarm(0);
}

static void finds_nothing(const struct image *image)
{
	struct python_queue queue;
	struct python_stream stream;

	look();
	assert_int_equal(python_queue(remote, image, &queue), -ENOENT);
	is_short();
	look();
	assert_int_equal(python_stream(remote, image, &stream), -ENOENT);
	is_short();
}

/* Segments of which the header says that they are larger than any memory, or which are large. */
static void test_endless(void **state)
{
	static const char text[] = "get_nowait";
	void *large =
		mmap(NULL, LARGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct image image = { .segment_count = 2 };

	(void)state;
	image.segments[0].start = (uintptr_t)text;
	image.segments[0].size = ENDLESS;
	image.segments[1].start = (uintptr_t)text;
	image.segments[1].size = ENDLESS;
	image.segments[1].writable = true;
	finds_nothing(&image);
	if (large == MAP_FAILED)
		skip();
	image.segments[1].start = (uintptr_t)large;
	image.segments[1].size = LARGE;
	finds_nothing(&image);
	image.segments[1].writable = false;
	finds_nothing(&image);
	munmap(large, LARGE);
}

/* What an interpreter exports, and behind it nothing but states that are none in the end. */
static void test_states(void **state)
{
	static uint64_t runtime[400], interpreter[WORDS], thread[64];
	const void *objects[SYMBOLS];
	uint64_t sizes[SYMBOLS];
	struct image image;
	struct python found;
	const char *why;

	(void)state;
	for (int i = 0; i < SYMBOLS; i++) {
		objects[i] = runtime;
		sizes[i] = sizeof(runtime);
	}
	image = make_image(objects, sizes);
	for (size_t i = 0; i < 400; i++)
		runtime[i] = (uintptr_t)(i == 1 ? runtime : interpreter); /* a type's type */
	for (size_t i = 0; i < WORDS; i++)
		interpreter[i] = (uintptr_t)thread;
	for (size_t i = 8; i < 64; i++)
		thread[i] = i % 2 ? 1 : (uintptr_t)runtime;
	thread[0] = (uintptr_t)interpreter;
	look();
	assert_int_not_equal(python_find(remote, &image, &found, &why), 0);
	is_short();
}

static int set_up(void **state)
{
	(void)state;
	remote = calloc(1, sizeof(*remote));
	if (!remote)
		return -1;
	remote->folder = remote_folder((uint32_t)getpid());
	remote->memory = -1;
	return remote->folder < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	remote_close(remote);
	close(remote->folder);
	free(remote);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_endless),
		cmocka_unit_test(test_states),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
