/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/procfs.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/cgroup.h"

static int open_file(uint32_t tgid, const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/%s", tgid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

ssize_t procfs_read(uint32_t tgid, const char *name, char *ret, size_t size)
{
	size_t used = 0;
	ssize_t n = 0;
	int fd;

	ret[0] = '\0';
	fd = open_file(tgid, name);
	if (fd < 0)
		return fd;
	while (used < size - 1) {
		n = read(fd, ret + used, size - 1 - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		used += (size_t)n;
	}
	if (n < 0 && used == 0)
		n = -errno;
	else
		n = (ssize_t)used;
	ret[used] = '\0';
	close(fd);
	return n;
}

int procfs_executable(uint32_t tgid, char *ret, size_t size)
{
	static const char deleted[] = " (deleted)";
	const size_t tail = sizeof(deleted) - 1;
	char path[64];
	ssize_t n;

	ret[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%u/exe", tgid);
	n = readlink(path, ret, size - 1);
	if (n < 0)
		return -errno;
	ret[n] = '\0';
	if ((size_t)n > tail && strcmp(ret + (size_t)n - tail, deleted) == 0)
		ret[(size_t)n - tail] = '\0';
	return 0;
}

/*
 * The auxiliary vector is a list of (type, value) in the process's own word size. Read as 64-bit
 * pairs, a 32-bit process's first type has the value in its upper half.
 */
static uint64_t find_started_as(const char *vector, size_t size)
{
	const size_t limit = size / sizeof(Elf64_auxv_t);
	Elf64_auxv_t wide;
	Elf32_auxv_t narrow;
	size_t i;

	for (i = 0; i < limit; i++) {
		memcpy(&wide, vector + i * sizeof(wide), sizeof(wide));
		if (wide.a_type > UINT32_MAX)
			break;
		if (wide.a_type == AT_EXECFN)
			return wide.a_un.a_val;
	}
	for (i = 0; i < size / sizeof(narrow); i++) {
		memcpy(&narrow, vector + i * sizeof(narrow), sizeof(narrow));
		if (narrow.a_type == AT_EXECFN)
			return narrow.a_un.a_val;
	}
	return 0;
}

int procfs_started_as(uint32_t tgid, char *ret, size_t size)
{
	char vector[1024];
	uint64_t address;
	ssize_t n;
	int fd;

	ret[0] = '\0';
	n = procfs_read(tgid, "auxv", vector, sizeof(vector));
	if (n < 0)
		return (int)n;
	address = find_started_as(vector, (size_t)n);
	if (address == 0)
		return -ENODATA;
	fd = open_file(tgid, "mem");
	if (fd < 0)
		return fd;
	n = pread(fd, ret, size - 1, (off_t)address);
	n = n < 0 ? -errno : n;
	close(fd);
	ret[n < 0 ? 0 : n] = '\0';
	return n < 0 ? (int)n : 0;
}

int procfs_thread_name(uint32_t tgid, char *ret, size_t size)
{
	ssize_t n = procfs_read(tgid, "comm", ret, size);

	if (n > 0 && ret[n - 1] == '\n')
		ret[n - 1] = '\0';
	return n < 0 ? (int)n : 0;
}

uint32_t procfs_parent(uint32_t tgid)
{
	char text[1024];
	const char *line;

	if (procfs_read(tgid, "status", text, sizeof(text)) < 0)
		return 0;
	line = strstr(text, "\nPPid:");
	return line ? (uint32_t)strtoul(line + 6, NULL, 10) : 0;
}

bool procfs_forked(uint32_t tgid, uint32_t parent)
{
	char own[1024], other[1024];
	ssize_t n = procfs_read(tgid, "auxv", own, sizeof(own));

	return n > 0 && procfs_read(parent, "auxv", other, sizeof(other)) == n &&
	       memcmp(own, other, (size_t)n) == 0;
}

/* The record keeps only the end of a long path. */
static bool is_same_start(const char *path, const char *end)
{
	size_t size = strlen(path), tail = strlen(end);

	return size >= tail && strcmp(path + size - tail, end) == 0;
}

static void take_start(const struct event_process *hint, struct procfs_facts *ret)
{
	size_t size = strnlen(hint->exec, sizeof(hint->exec) - 1);

	memcpy(ret->started_as, hint->exec, size);
	ret->started_as[size] = '\0';
	ret->started_cut = hint->head.flags & EVENT_CUT;
}

void procfs_facts(uint32_t tgid, const struct event_process *hint, struct procfs_facts *ret)
{
	int err;

	ret->started_cut = false;
	err = procfs_started_as(tgid, ret->started_as, sizeof(ret->started_as));
	procfs_executable(tgid, ret->executable, sizeof(ret->executable));
	ret->live = procfs_read(tgid, "cgroup", ret->cgroups, sizeof(ret->cgroups)) >= 0;
	cgroup_absolute(ret->cgroups, sizeof(ret->cgroups));
	if (!hint)
		return;
	if (ret->live && err) {
		take_start(hint, ret); /* not ours to look into, but the kernel side could */
	} else if (!ret->live || !is_same_start(ret->started_as, hint->exec)) {
		ret->live = false;
		ret->executable[0] = '\0';
		take_start(hint, ret);
		memcpy(ret->cgroups, "0::", 4);
		if (cgroup_path(hint->cgroup, ret->cgroups + 3, sizeof(ret->cgroups) - 3) < 0)
			ret->cgroups[0] = '\0';
	}
}
