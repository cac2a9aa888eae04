/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture/identity.h"
#include "capture/owner.h"
#include "capture/procfs.h"
#include "util/clock.h"

static char directory[] = "/tmp/onlooker-identity-XXXXXX";

/* ---- real processes ---- */

static void write_script(const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(chmod(path, 0755), 0);
}

/* Starts argv in the test's directory; returns once the program has begun to run. */
static pid_t start(const char *file, const char *const *argv)
{
	char before[256], now[256];
	pid_t pid;
	int i;

	procfs_started_as((uint32_t)getpid(), before, sizeof(before));
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (chdir(directory) == 0)
			execvp(file, (char **)argv);
		_exit(127);
	}
	for (i = 0; i < 500; i++) {
		if (procfs_started_as((uint32_t)pid, now, sizeof(now)) == 0 &&
		    strcmp(now, before) != 0)
			return pid;
		usleep(10000);
	}
	fail_msg("%s did not start", file);
	return -1;
}

#define START(file, ...) start(file, (const char *const[]){ __VA_ARGS__, NULL })

static void finish(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* The one file the directory's script wrote its child's id to. */
static pid_t read_child(void)
{
	char path[128];
	int pid = 0, i;

	snprintf(path, sizeof(path), "%s/child", directory);
	for (i = 0; i < 1000 && pid == 0; i++) {
		FILE *file = fopen(path, "r");

		if (file && fscanf(file, "%d\n", &pid) != 1)
			pid = 0;
		if (file)
			fclose(file);
		if (pid == 0)
			usleep(10000);
	}
	assert_int_not_equal(pid, 0);
	unlink(path);
	return pid;
}

static struct identities *new_identities(void)
{
	struct identities *identities = NULL;

	assert_int_equal(identities_new(PROCESSES_LIMIT, IDENTITIES_LIMIT, &identities), 0);
	return identities;
}

static void served(struct identities *identities, pid_t pid, const char *service)
{
	uint32_t id = identity_resolve(identities, (uint32_t)pid, 1, NULL);

	assert_string_equal(identity_get(identities, id)->service, service);
}

/*
 * This machine's own cgroup may be a service or a container; the processes below are named by
 * their programs only where it is no service.
 */
static bool in_service(void)
{
	struct procfs_facts *facts = malloc(sizeof(*facts));
	struct owner owner;

	procfs_facts((uint32_t)getpid(), NULL, facts);
	owner_read(facts->cgroups, &owner);
	free(facts);
	return owner.service[0];
}

static void test_real_programs(void **state)
{
	struct identities *identities = new_identities();
	char link[128];
	pid_t pid;

	(void)state;
	if (in_service())
		skip();
	pid = START("/bin/sleep", "a title", "60");
	served(identities, pid, "sleep");
	finish(pid);
	snprintf(link, sizeof(link), "%s/my-sleeper", directory);
	assert_int_equal(symlink("/bin/sleep", link), 0);
	pid = START(link, "sleep", "60");
	served(identities, pid, "my-sleeper");
	finish(pid);
	write_script("app.py", "import time\ntime.sleep(60)\n");
	pid = START("/usr/bin/python3", "python3", "-u", "app.py");
	served(identities, pid, "app.py");
	finish(pid);
	write_script("serve", "#!/usr/bin/python3 -u\nimport time\ntime.sleep(60)\n");
	pid = START("./serve", "./serve", "x.y:z");
	served(identities, pid, "serve");
	finish(pid);
	write_script("uvicorn", "#!/usr/bin/python3\nimport time\ntime.sleep(60)\n");
	pid = START("./uvicorn", "./uvicorn", "--port", "80", "app.main:app");
	served(identities, pid, "uvicorn app.main:app");
	finish(pid);
	pid = START("/usr/bin/python3", "python3", "-m", "http.server", "--bind", "127.0.0.1", "0");
	served(identities, pid, "http.server");
	finish(pid);
	identities_free(identities);
}

static void test_real_workers(void **state)
{
	static const char *const methods[] = { "spawn", "forkserver", "fork" };
	struct identities *identities = new_identities();
	char script[512];
	pid_t pid, child;
	size_t i;

	(void)state;
	if (in_service())
		skip();
	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		snprintf(script, sizeof(script),
			 "import multiprocessing, os, time\n"
			 "def work():\n"
			 "    open('child.new', 'w').write('%%d\\n' %% os.getpid())\n"
			 "    os.rename('child.new', 'child')\n"
			 "    time.sleep(60)\n"
			 "if __name__ == '__main__':\n"
			 "    multiprocessing.set_start_method('%s')\n"
			 "    multiprocessing.Process(target=work, daemon=True).start()\n"
			 "    time.sleep(60)\n",
			 methods[i]);
		write_script("shop.py", script);
		/* By its path: else it may look for its library beside another python3. */
		pid = START("/usr/bin/python3", "/usr/bin/python3", "shop.py");
		child = read_child();
		served(identities, child, "shop.py");
		served(identities, pid, "shop.py");
		kill(child, SIGKILL);
		finish(pid);
	}
	identities_free(identities);
}

/* Titles written over the arguments: a fork is called as its parent, another program is not. */
static void test_real_titles(void **state)
{
	static const char title[] =
		"import ctypes, os, sys, time\n"
		"def entitle():\n"
		"    stat = open('/proc/self/stat').read().rsplit(')', 1)[1].split()\n"
		"    start, end = int(stat[45]), int(stat[46])\n"
		"    ctypes.memset(start, ord('x'), end - start - 1)\n"
		"    ctypes.memmove(start, b'titled:', 7)\n"
		"def tell(pid):\n"
		"    open('child.new', 'w').write('%d\\n' % pid)\n"
		"    os.rename('child.new', 'child')\n"
		"    time.sleep(60)\n";
	struct identities *identities = new_identities();
	char script[1024];
	pid_t pid, child;

	(void)state;
	if (in_service())
		skip();
	snprintf(script, sizeof(script),
		 "%sif os.fork() == 0:\n    entitle()\n    tell(os.getpid())\ntime.sleep(60)\n",
		 title);
	write_script("shop.py", script);
	pid = START("/usr/bin/python3", "python3", "shop.py");
	child = read_child();
	served(identities, child, "shop.py");
	kill(child, SIGKILL);
	finish(pid);
	snprintf(script, sizeof(script), "%sentitle()\ntell(os.getpid())\n", title);
	write_script("app.py", script);
	write_script("shop.py", "import subprocess\n"
				"subprocess.run(['/usr/bin/python3', 'app.py'])\n");
	pid = START("/usr/bin/python3", "python3", "shop.py");
	child = read_child();
	served(identities, child, "titled");
	kill(child, SIGKILL);
	finish(pid);
	identities_free(identities);
}

/* ---- the table ---- */

static struct event_process record(uint32_t tgid, const char *exec, const char *args, size_t size)
{
	struct event_process event = { .head = { .tgid = tgid }, .args_size = (uint32_t)size };

	snprintf(event.exec, sizeof(event.exec), "%s", exec);
	memcpy(event.args, args, size < sizeof(event.args) ? size : sizeof(event.args));
	return event;
}

static pid_t vanished(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	return pid;
}

static void test_hint(void **state)
{
	static const char args[] = "python3\0-m\0uvicorn\0a.b:app";
	struct identities *identities = new_identities();
	uint32_t gone = (uint32_t)vanished(), self = (uint32_t)getpid();
	struct event_process hint = record(gone, "/usr/bin/python3", args, sizeof(args));
	char cut[EVENT_ARGS_SIZE];
	uint32_t id;

	(void)state;
	assert_int_equal(identity_resolve(identities, gone, 7, NULL), IDENTITY_NONE);
	assert_string_equal(identity_get(identities, IDENTITY_NONE)->service, "");
	id = identity_resolve(identities, gone, 7, &hint);
	assert_string_equal(identity_get(identities, id)->service, "uvicorn a.b:app");
	assert_int_equal(identity_resolve(identities, gone, 7, NULL), id);
	/* /proc has another program under this number by now. */
	id = identity_resolve(identities, self, 7, &hint);
	assert_string_equal(identity_get(identities, id)->service, "uvicorn a.b:app");
	/* A last argument that was cut is not taken for a name. */
	memset(cut, 'x', sizeof(cut));
	memcpy(cut, "python3", 8);
	hint = record(gone, "/usr/bin/python3", cut, sizeof(cut));
	id = identity_resolve(identities, gone, 8, &hint);
	assert_string_equal(identity_get(identities, id)->service, "python3");
	hint = record(gone, "", "", 0);
	id = identity_resolve(identities, gone, 9, &hint);
	assert_int_equal(id, IDENTITY_NONE);
	identities_free(identities);
}

static void test_limits(void **state)
{
	struct identities *identities = NULL;
	uint32_t gone = (uint32_t)vanished();
	struct event_process hint;
	struct identity_counts counts;
	char name[16];
	uint32_t i, id;

	(void)state;
	assert_int_equal(identities_new(8, 5, &identities), 0);
	for (i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "/bin/p%u", i);
		hint = record(gone, name, name, strlen(name) + 1);
		id = identity_resolve(identities, gone, 100 + i, &hint);
		assert_int_equal(id, i < 3 ? i + 2 : IDENTITY_OTHER);
		/* used again and again, the first one stays */
		assert_int_equal(identity_resolve(identities, gone, 100, NULL), 2);
	}
	assert_string_equal(identity_get(identities, IDENTITY_OTHER)->service, "other");
	assert_string_equal(identity_get(identities, 2)->service, "p0");
	counts = identity_counts(identities);
	assert_int_equal(counts.processes, 8);
	assert_int_equal(counts.identities, 5);
	assert_int_equal(counts.evicted, 12);
	assert_int_equal(counts.refused, 17);
	assert_non_null(identity_process(identities, gone, 119));
	assert_non_null(identity_process(identities, gone, 100));
	assert_null(identity_process(identities, gone, 101));
	assert_null(identity_process(identities, gone, 112));
	assert_non_null(identity_process(identities, gone, 113));
	identities_free(identities);
}

/* Known processes cost a look-up, new ones no more than the contract says (with room for load). */
static void test_cost(void **state)
{
	struct identities *identities = new_identities();
	uint32_t self = (uint32_t)getpid();
	uint64_t begin = clock_now(), first, known;
	uint64_t i;

	(void)state;
	for (i = 0; i < 1000; i++)
		identity_resolve(identities, self, i, NULL);
	first = (clock_now() - begin) / 1000;
	begin = clock_now();
	for (i = 0; i < 100000; i++)
		identity_resolve(identities, self, i % 1000, NULL);
	known = (clock_now() - begin) / 100000;
	print_message("new %llu ns, known %llu ns\n", (unsigned long long)first,
		      (unsigned long long)known);
	assert_true(known * 20 < first);
	identities_free(identities);
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int tear_down(void **state)
{
	static const char *const names[] = { "app.py", "serve", "uvicorn", "shop.py",
					     "my-sleeper" };
	char path[128];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		unlink(path);
	}
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_real_programs), cmocka_unit_test(test_real_workers),
		cmocka_unit_test(test_real_titles),   cmocka_unit_test(test_hint),
		cmocka_unit_test(test_limits),	      cmocka_unit_test(test_cost),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
