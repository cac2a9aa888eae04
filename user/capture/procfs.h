/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What /proc says of a process. Every text may be any bytes the process chose. A process may end
 * between two calls: each call answers for itself.
 */
#ifndef ONLOOKER_PROCFS_H
#define ONLOOKER_PROCFS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "event.h"

/*
 * Reads /proc/TGID/NAME, at most size - 1 bytes, and ends it with NUL. Returns the bytes read, or
 * -errno (-ENOENT, -ESRCH: the process is gone).
 */
ssize_t procfs_read(uint32_t tgid, const char *name, char *ret, size_t size);

/* The target of the link /proc/TGID/exe, without " (deleted)"; 0 or -errno, then "". */
int procfs_executable(uint32_t tgid, char *ret, size_t size);

/*
 * The file the process was started as (AT_EXECFN): a symbolic link keeps its name, a script is
 * itself and not its interpreter, and a changed title does not matter. 0 or -errno, then "".
 */
int procfs_started_as(uint32_t tgid, char *ret, size_t size);

/* The name of its first thread, which anyone may read: at most 15 bytes; 0 or -errno, then "". */
int procfs_thread_name(uint32_t tgid, char *ret, size_t size);

/* The parent's process id; 0 where it cannot be told. */
uint32_t procfs_parent(uint32_t tgid);

/*
 * Whether the process was forked from `parent` and runs on in the same program: an exec gives a new
 * auxiliary vector, full of random addresses. False where either cannot be read.
 */
bool procfs_forked(uint32_t tgid, uint32_t parent);

/* What names a process and what a watch rule asks for. */
struct procfs_facts {
	bool live;		   /* from /proc; else from the kernel's record */
	bool started_cut;	   /* `started_as` holds only the end of a long path */
	char started_as[PATH_MAX]; /* AT_EXECFN; "" unknown */
	char executable[PATH_MAX]; /* "" unknown */
	char cgroups[8192];	   /* lines as in /proc/PID/cgroup, cgroup_absolute(); "" unknown */
};

/*
 * Gathers the facts: from /proc, or, where the process is gone or another one has taken its number
 * or place (exec) since, from the kernel's record `hint`, which may be NULL.
 */
void procfs_facts(uint32_t tgid, const struct event_process *hint, struct procfs_facts *ret);

#endif
