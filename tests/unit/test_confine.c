/* SPDX-License-Identifier: Apache-2.0 */
/* The filter of system calls, each call tried in a process of its own. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "confine.h"

/* Runs a trial under the filter; its result is the exit status, 128 and the signal if killed. */
static int confined_as(bool probing, int (*trial)(void))
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0)
		_exit(confine(probing) ? 99 : trial());
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int confined(int (*trial)(void))
{
	return confined_as(false, trial);
}

/* What a call answered: 0, or its errno. */
static int answer(long result)
{
	return result < 0 ? errno : 0;
}

/* ---- what has to work ---- */

static void *thread(void *context)
{
	*(int *)context = 7;
	return NULL;
}

static int start_thread(void)
{
	pthread_t id;
	int seen = 0;

	if (pthread_create(&id, NULL, thread, &seen) || pthread_join(id, NULL))
		return 1;
	return seen != 7;
}

/* Loads libraries, asks resolvers: whatever this machine's configuration says. */
static int look_up(void)
{
	struct addrinfo *found = NULL, hints = { .ai_socktype = SOCK_STREAM };
	int error = getaddrinfo("localhost", "80", &hints, &found);

	if (!error)
		freeaddrinfo(found);
	return error ? 1 : 0;
}

static int converse(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	int server = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
	char byte = 0;
	int accepted;

	if (bind(server, (struct sockaddr *)&address, size) || listen(server, 1) ||
	    getsockname(server, (struct sockaddr *)&address, &size) ||
	    connect(client, (struct sockaddr *)&address, size))
		return 1;
	accepted = accept4(server, NULL, NULL, SOCK_CLOEXEC);
	return write(client, "x", 1) != 1 || read(accepted, &byte, 1) != 1 || byte != 'x';
}

static int read_proc(void)
{
	char line[64], target[64];
	FILE *file = fopen("/proc/self/stat", "re");

	return !file || !fgets(line, sizeof(line), file) || fclose(file) ||
	       readlink("/proc/self/exe", target, sizeof(target)) <= 0;
}

static int use_memory(void)
{
	char *block = malloc((size_t)8 << 20);

	if (!block)
		return 1;
	memset(block, 1, (size_t)8 << 20);
	block = realloc(block, (size_t)32 << 20);
	free(block);
	return block ? 0 : 1;
}

static int use_map(void)
{
	union bpf_attr attributes = { .map_fd = (uint32_t)-1 };

	return answer(syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &attributes, sizeof(attributes)));
}

static int call_abort(void)
{
	abort();
}

static void test_needed(void **state)
{
	(void)state;
	assert_int_equal(confined(start_thread), 0);
	assert_int_equal(confined(look_up), 0);
	assert_int_equal(confined(converse), 0);
	assert_int_equal(confined(read_proc), 0);
	assert_int_equal(confined(use_memory), 0);
	assert_int_equal(confined(call_abort), 128 + SIGABRT);
	/* What the kernel itself says of no descriptor: EPERM where it asks for CAP_BPF first. */
	assert_int_equal(confined(use_map), use_map());
}

/* ---- what is answered with ENOSYS ---- */

static int write_file(void)
{
	return answer(open("/dev/null", O_WRONLY));
}

/* By its handle a file can be opened that has no path here. */
static int write_handle(void)
{
	struct file_handle handle = { 0 };

	return answer(syscall(SYS_open_by_handle_at, AT_FDCWD, &handle, O_WRONLY));
}

static int make_file(void)
{
	return answer(open("/dev/null", O_RDONLY | O_CREAT, 0600));
}

static int load_program(void)
{
	union bpf_attr attributes = { .prog_type = BPF_PROG_TYPE_SOCKET_FILTER };

	return answer(syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof(attributes)));
}

static int start_process(void)
{
	return answer(fork());
}

static int spawn(void)
{
	char *arguments[] = { "true", NULL };

	return posix_spawn(NULL, "/bin/true", NULL, NULL, arguments, arguments + 1);
}

static int end_other(void)
{
	return answer(kill(getppid(), 0));
}

static int make_code(void)
{
	void *at = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? errno : 0;
}

static int turn_into_code(void)
{
	static char page[8192];
	uintptr_t at = ((uintptr_t)page + 4095) & ~(uintptr_t)4095;

	return answer(mprotect((void *)at, 4096, PROT_READ | PROT_EXEC));
}

static int type_into_terminal(void)
{
	return answer(ioctl(0, TIOCSTI, "x"));
}

static int open_packets(void)
{
	return answer(socket(AF_PACKET, SOCK_RAW, 0));
}

static int raise_limit(void)
{
	static const uint64_t limit[2] = { 100, 100 };

	return answer(syscall(SYS_prlimit64, 0, 7, limit, NULL));
}

static void test_refused(void **state)
{
	static int (*const trials[])(void) = {
		write_file,  make_file,	   load_program,   start_process,      spawn,
		end_other,   make_code,	   turn_into_code, type_into_terminal, open_packets,
		raise_limit, write_handle,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(trials) / sizeof(trials[0]); i++) {
		int got = confined(trials[i]);

		if (got != ENOSYS)
			fail_msg("trial %zu: %d, not ENOSYS", i, got);
	}
}

/* ---- what ends the process ---- */

static int execute(void)
{
	char *arguments[] = { "true", NULL };

	return answer(execv("/bin/true", arguments));
}

static int trace(void)
{
	return answer(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int mount_something(void)
{
	return answer(mount("none", "/nosuch", "tmpfs", 0, NULL));
}

static int load_module(void)
{
	return answer(syscall(SYS_init_module, NULL, 0, ""));
}

static int change_namespace(void)
{
	return answer(setns(-1, 0));
}

static void test_deadly(void **state)
{
	static int (*const trials[])(void) = { execute, trace, mount_something, load_module,
					       change_namespace };

	(void)state;
	for (size_t i = 0; i < sizeof(trials) / sizeof(trials[0]); i++) {
		int got = confined(trials[i]);

		if (got != 128 + SIGSYS)
			fail_msg("trial %zu: %d, not SIGSYS", i, got);
	}
}

/* A thread that was there before is confined as well. */
static int early[2];

static void *wait_and_open(void *context)
{
	char byte;

	if (read(early[0], &byte, 1) == 1)
		*(int *)context = write_file();
	return NULL;
}

static void test_every_thread(void **state)
{
	pid_t child;
	int status;

	(void)state;
	assert_int_equal(pipe(early), 0);
	child = fork();
	if (child == 0) {
		pthread_t id;
		int seen = -1;

		if (pthread_create(&id, NULL, wait_and_open, &seen) || confine(false) ||
		    write(early[1], "x", 1) != 1 || pthread_join(id, NULL))
			_exit(98);
		_exit(seen);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), ENOSYS);
}

/* ---- probes ---- */

static long open_event(int processor, int group, unsigned long flags)
{
	struct perf_event_attr event = { .type = PERF_TYPE_SOFTWARE,
					 .size = sizeof(event),
					 .config = PERF_COUNT_SW_DUMMY,
					 .exclude_kernel = 1 };

	return syscall(SYS_perf_event_open, &event, 0, processor, group, flags);
}

static int event_of_process(void)
{
	return answer(open_event(-1, -1, PERF_FLAG_FD_CLOEXEC));
}

static int event_of_processor(void)
{
	return answer(open_event(0, -1, PERF_FLAG_FD_CLOEXEC));
}

static int event_of_group(void)
{
	return answer(open_event(-1, 0, PERF_FLAG_FD_CLOEXEC));
}

static int event_inherited(void)
{
	return answer(open_event(-1, -1, 0));
}

static int enable_event(void)
{
	return answer(ioctl(STDIN_FILENO, PERF_EVENT_IOC_ENABLE, 0));
}

/* Only the events of one process, and only where probes were said to come. */
static void test_probes(void **state)
{
	int (*const allowed[])(void) = { event_of_process, enable_event };
	int (*const refused[])(void) = { event_of_processor, event_of_group, event_inherited };

	(void)state;
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
		assert_int_equal(confined_as(true, allowed[i]), allowed[i]());
		assert_int_equal(confined_as(false, allowed[i]), ENOSYS);
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		assert_int_equal(confined_as(true, refused[i]), ENOSYS);
		assert_int_equal(confined_as(false, refused[i]), ENOSYS);
	}
}

/* A build for the sanitizers has no filter, and says so. */
static void test_sanitized(void **state)
{
	(void)state;
	assert_int_equal(confine(false), -EOPNOTSUPP);
}

int main(void)
{
	static const struct CMUnitTest sanitized[] = { cmocka_unit_test(test_sanitized) };
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_needed), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_deadly), cmocka_unit_test(test_every_thread),
		cmocka_unit_test(test_probes),
	};

#ifdef __SANITIZE_ADDRESS__
	(void)tests;
	return cmocka_run_group_tests(sanitized, NULL, NULL);
#else
	(void)sanitized;
	return cmocka_run_group_tests(tests, NULL, NULL);
#endif
}
