/* SPDX-License-Identifier: Apache-2.0 */
/* Another process's files, here our own: what it puts in their place must not hold us up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/remote.h"

static char directory[] = "/tmp/onlooker-remote-XXXXXX";
static char path[64];
static int folder;

static int open_it(bool executable)
{
	const struct mapping mapping = { .path = path, .executable = executable };
	int fd;

	alarm(5); /* the test ends, were it to wait */
	fd = remote_file(folder, &mapping);
	alarm(0);
	return fd;
}

static void test_file(void **state)
{
	char text[8] = "";
	FILE *file;
	int fd = open_it(false);

	(void)state;
	assert_int_equal(fd, -ENOENT);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs("text", file);
	fclose(file);
	fd = open_it(false);
	assert_true(fd >= 0);
	assert_int_equal(read(fd, text, sizeof(text)), 4);
	assert_string_equal(text, "text");
	close(fd);
	unlink(path);
}

static void test_executable(void **state)
{
	char text[4] = "";
	int fd = open_it(true);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(read(fd, text, sizeof(text)), sizeof(text));
	assert_memory_equal(text, "\177ELF", 4);
	close(fd);
}

static void test_no_file(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(open_it(false), -ESTALE);
	unlink(path);
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_int_equal(open_it(false), -ESTALE);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(open_it(false), -ESTALE);
	rmdir(path);
}

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/libpython3.so", directory);
	folder = remote_folder((uint32_t)getpid());
	return folder < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(folder);
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_executable),
		cmocka_unit_test(test_no_file),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
