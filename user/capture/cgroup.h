/* SPDX-License-Identifier: Apache-2.0 */
/* Where cgroups are mounted, and which path a cgroup's id has. */
#ifndef ONLOOKER_CGROUP_H
#define ONLOOKER_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CGROUP_MOUNTS 128

/* One hierarchy as mounted here. */
struct cgroup_mount {
	char controllers[64]; /* as the second field of /proc/PID/cgroup: "" for version 2 */
	char root[512];	      /* what of the hierarchy is mounted: "/" or a directory in it */
	char point[256];      /* where */
};

/*
 * The mounts this process sees, at most `limit`; returns how many.
 *
 * In a cgroup namespace of its own, as containers are, it is shown all paths as they are seen from
 * there: "/../../kubepods/...". Where a hierarchy is also mounted from higher up (the host's
 * /sys/fs/cgroup), roots and all paths below are given as that mount has them: "/kubepods/...".
 */
size_t cgroup_mounts(struct cgroup_mount *ret, size_t limit);

/* The same for the lines of a /proc/PID/cgroup, in place; one that has no room stays as it is. */
void cgroup_absolute(char *cgroups, size_t size);

/*
 * What `path` is that is seen from `base` ("": the top): from "/a/b", "/../c" is "/a/c". False:
 * it does not fit, and `ret` holds anything.
 */
bool cgroup_resolve(const char *base, const char *path, char *ret, size_t size);

/*
 * The path of the version 2 cgroup `id` below its mount, as cgroup_absolute() would give it. 0;
 * -ENOENT: no such cgroup (any more), or no such mount when they were looked at last;
 * -ENAMETOOLONG. Asks the kernel by file handle, and without the privilege for that searches the
 * tree, at most CGROUP_SEARCH directories.
 */
int cgroup_path(uint64_t id, char *ret, size_t size);

#define CGROUP_SEARCH 8192

#endif
