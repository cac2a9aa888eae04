/* SPDX-License-Identifier: Apache-2.0 */
/* The running kernel's version, where nothing better tells what it can do. */
#ifndef ONLOOKER_KERNEL_H
#define ONLOOKER_KERNEL_H

#include <stdio.h>
#include <sys/utsname.h>

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

#endif
