/* SPDX-License-Identifier: Apache-2.0 */
/* The running kernel: its version, where nothing better tells what it can do, and its numbers. */
#ifndef ONLOOKER_KERNEL_H
#define ONLOOKER_KERNEL_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define KERNEL_PIDS "pid:[4026531836]" /* PROC_PID_INIT_INO of the kernel's proc_ns.h */

#define KERNEL(major, minor) ((major) * 1000U + (minor))

/* To be compared with KERNEL(); 0 where it cannot be told. */
static inline unsigned int kernel_version(void)
{
	unsigned int major = 0, minor = 0;
	struct utsname name;

	if (uname(&name) || sscanf(name.release, "%u.%u", &major, &minor) != 2)
		return 0;
	return KERNEL(major, minor);
}

/* Whether /proc numbers processes as the kernel side does: not in a pid namespace of its own. */
static inline bool kernel_pids(void)
{
	char text[sizeof(KERNEL_PIDS)] = "";

	return readlink("/proc/self/ns/pid", text, sizeof(text) - 1) == sizeof(text) - 1 &&
	       strcmp(text, KERNEL_PIDS) == 0;
}

#endif
