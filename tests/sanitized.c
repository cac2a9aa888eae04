/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linked into the daemon with SANITIZE=1 only: the sanitizers' options, and a check that the
 * descriptors open at exit are those that were open at the start, however the program ends.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DESCRIPTORS 256
#define UNSOUND 99 /* exit status, as below */

const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:"
	       "check_initialization_order=1:exitcode=99";
}

const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void)
{
	return "print_stacktrace=1:exitcode=99";
}

static bool at_start[DESCRIPTORS];

/* Which of the first DESCRIPTORS are open; all of them, should there be no /proc. */
static void look(bool ret[DESCRIPTORS])
{
	DIR *folder = opendir("/proc/self/fd");
	const struct dirent *entry;

	for (int fd = 0; fd < DESCRIPTORS; fd++)
		ret[fd] = !folder;
	while (folder && (entry = readdir(folder))) {
		int fd = atoi(entry->d_name);

		if (entry->d_name[0] != '.' && fd != dirfd(folder) && fd < DESCRIPTORS)
			ret[fd] = true;
	}
	if (folder)
		closedir(folder);
}

static void report(int fd, bool open)
{
	char path[32], what[256];
	ssize_t size;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	size = readlink(path, what, sizeof(what) - 1);
	what[size < 0 ? 0 : size] = '\0';
	dprintf(STDERR_FILENO, "ERROR: descriptor %d %s: %s\n", fd,
		open ? "was left open" : "is not open any more", what);
}

__attribute__((constructor)) static void begin(void)
{
	look(at_start);
}

__attribute__((destructor)) static void end(void)
{
	bool now[DESCRIPTORS];
	bool same = true;

	look(now);
	for (int fd = 0; fd < DESCRIPTORS; fd++) {
		if (now[fd] == at_start[fd])
			continue;
		report(fd, now[fd]);
		same = false;
	}
	if (same)
		return; /* the leaks are looked for next */
	fflush(NULL);
	_exit(UNSOUND);
}
