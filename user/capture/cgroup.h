/* SPDX-License-Identifier: Apache-2.0 */
/* Where cgroups are mounted, and which path a cgroup's id has. */
#ifndef ONLOOKER_CGROUP_H
#define ONLOOKER_CGROUP_H

#include <stddef.h>
#include <stdint.h>

#define CGROUP_MOUNTS 32

/* One hierarchy as mounted here. */
struct cgroup_mount {
	char controllers[64]; /* as the second field of /proc/PID/cgroup: "" for version 2 */
	char root[256];	      /* what of the hierarchy is mounted: "/" or a directory in it */
	char point[256];      /* where */
};

/* The mounts this process sees, at most `limit`; returns how many. */
size_t cgroup_mounts(struct cgroup_mount *ret, size_t limit);

/*
 * The path of the version 2 cgroup `id` below its mount, as /proc/PID/cgroup would give it. 0;
 * -ENOENT: no such cgroup (any more), or no such mount; -ENAMETOOLONG. Asks the kernel by file
 * handle, and without the privilege for that searches the tree, at most CGROUP_SEARCH directories.
 */
int cgroup_path(uint64_t id, char *ret, size_t size);

#define CGROUP_SEARCH 8192

#endif
