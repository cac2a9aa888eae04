/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILEID_KERNFS 0xfe /* a file handle that is the cgroup's id; kernels from 5.5 on */
#define DEPTH 32
#define CACHED 64
#define BASES 16

/* What the search by directory found, negative answers included ("" ); handles are quick enough. */
static struct {
	uint64_t id[CACHED];
	char *path[CACHED];
	unsigned int next;
} cache;

/* Where, in the highest mount of a hierarchy, our cgroup namespace's root is. */
struct base {
	char controllers[64];
	char path[512];
};

static struct {
	bool sought;
	size_t count;
	struct base list[BASES];
} bases;

/* The mount that shows most of version 2, of those that were looked at last. */
static struct {
	bool sought, found;
	struct cgroup_mount mount;
} widest;

/* Octal escapes of /proc/self/mountinfo. */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] && text[3]) {
			*to++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 |
				       (text[3] - '0'));
			text += 3;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
}

/*
 * The superblock's options name the controllers between others: "rw,cpu,cpuacct", "rw,xattr,
 * name=systemd". Those of /proc/PID/cgroup are what remains without the flags.
 */
static void take_controllers(char *options, char *ret, size_t size)
{
	static const char *const flags[] = { "rw",
					     "ro",
					     "seclabel",
					     "xattr",
					     "noprefix",
					     "clone_children",
					     "cpuset_v2_mode",
					     "favordynmods" };
	size_t used = 0, i;
	char *rest = NULL;
	char *word;

	ret[0] = '\0';
	for (word = strtok_r(options, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
		bool flag = strncmp(word, "release_agent=", 14) == 0;

		for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
			flag = flag || strcmp(word, flags[i]) == 0;
		if (!flag && used + strlen(word) + 2 < size)
			used += (size_t)snprintf(ret + used, size - used, "%s%s", used ? "," : "",
						 word);
	}
}

/* A line is "36 35 98:0 ROOT POINT OPTIONS [TAG]... - TYPE SOURCE SUPER_OPTIONS"; proc(5). */
static int parse_mount(const char *line, struct cgroup_mount *ret)
{
	const char *tail = strstr(line, " - cgroup");
	char options[512] = "";
	bool version2 = tail && tail[9] == '2';

	if (!tail || (!version2 && tail[9] != ' '))
		return -EINVAL;
	if (sscanf(line, "%*s %*s %*s %511s %255s", ret->root, ret->point) != 2 ||
	    sscanf(tail + 3, "%*s %*s %511s", options) != 1)
		return -EINVAL;
	unescape(ret->root);
	unescape(ret->point);
	if (version2)
		ret->controllers[0] = '\0';
	else
		take_controllers(options, ret->controllers, sizeof(ret->controllers));
	return 0;
}

/* As the kernel shows them to us. */
static size_t read_mounts(struct cgroup_mount *ret, size_t limit)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	size_t count = 0, size = 0;
	char *line = NULL;

	if (!file)
		return 0;
	while (count < limit && getline(&line, &size, file) > 0)
		if (parse_mount(line, &ret[count]) == 0)
			count++;
	free(line);
	fclose(file);
	return count;
}

/* `path` is below the mount's point: the same as the hierarchy has it. */
static int copy_relative(const struct cgroup_mount *mount, const char *path, char *ret, size_t size)
{
	const char *root = mount->root[1] ? mount->root : "";
	size_t prefix = strlen(mount->point);
	int n;

	if (strncmp(path, mount->point, prefix) != 0)
		return -ENOENT;
	path += prefix;
	n = snprintf(ret, size, "%s%s", root, root[0] || path[0] ? path : "/");
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

static int path_by_handle(const struct cgroup_mount *mount, uint64_t id, char *ret, size_t size)
{
	union {
		struct file_handle handle;
		char room[sizeof(struct file_handle) + sizeof(id)];
	} name = { .handle = { .handle_bytes = sizeof(id), .handle_type = FILEID_KERNFS } };
	char link[40], path[4096];
	int directory, fd;
	ssize_t n;
	int err;

	directory = open(mount->point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return -errno;
	memcpy(name.handle.f_handle, &id, sizeof(id));
	fd = open_by_handle_at(directory, &name.handle, O_PATH | O_CLOEXEC);
	err = fd < 0 ? -errno : 0;
	close(directory);
	if (err)
		return err == -ESTALE ? -ENOENT : err;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	err = n < 0 ? -errno : 0;
	close(fd);
	if (err)
		return err;
	path[n] = '\0';
	return copy_relative(mount, path, ret, size);
}

/* Depth first; `path` holds the directory and is put back. Returns 0 when found, with its path. */
static int search(char *path, size_t size, uint64_t id, unsigned int depth, unsigned int *budget)
{
	size_t used = strlen(path);
	struct dirent *entry;
	struct stat st;
	int err = -ENOENT;
	DIR *dir;

	if (*budget == 0 || depth == 0 || stat(path, &st) < 0)
		return -ENOENT;
	(*budget)--;
	if (st.st_ino == id)
		return 0;
	dir = opendir(path);
	if (!dir)
		return -ENOENT;
	while (err && (entry = readdir(dir))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.' ||
		    used + strlen(entry->d_name) + 2 > size)
			continue;
		snprintf(path + used, size - used, "/%s", entry->d_name);
		err = search(path, size, id, depth - 1, budget);
		if (err)
			path[used] = '\0';
	}
	closedir(dir);
	return err;
}

/* Whether that is what the handle told, and not that handles cannot be used. */
static bool is_told(int err)
{
	return err == 0 || err == -ENOENT || err == -ENAMETOOLONG;
}

static int search_below(const struct cgroup_mount *mount, uint64_t id, char *path, size_t size)
{
	unsigned int budget = CGROUP_SEARCH;

	snprintf(path, size, "%s", mount->point);
	return search(path, size, id, DEPTH, &budget);
}

/* Which path a cgroup has in what a mount shows, as the tree is now. */
static int path_below(const struct cgroup_mount *mount, uint64_t id, char *ret, size_t size)
{
	char path[4096];
	int err = path_by_handle(mount, id, ret, size);

	if (is_told(err))
		return err;
	err = search_below(mount, id, path, sizeof(path));
	return err ? err : copy_relative(mount, path, ret, size);
}

/* ---- a namespace of our own ---- */

bool cgroup_resolve(const char *base, const char *path, char *ret, size_t size)
{
	size_t used = strlen(base), step;

	if (used + 2 > size)
		return false;
	memcpy(ret, base, used + 1);
	for (; *path; path += step) {
		const char *last = memrchr(ret, '/', used);

		step = *path == '/' ? 1 : strcspn(path, "/");
		if (*path == '/')
			continue;
		if (step == 2 && memcmp(path, "..", 2) == 0 && last && strcmp(last, "/..") != 0) {
			used = (size_t)(last - ret);
		} else {
			if (used + 1 + step >= size)
				return false;
			ret[used++] = '/';
			memcpy(ret + used, path, step);
			used += step;
		}
		ret[used] = '\0';
	}
	if (used == 0)
		strcpy(ret, "/");
	return true;
}

/* How far above our namespace's root a mount's begins: of "/../.." 2, of "/" 0; -1: elsewhere. */
static int height(const struct cgroup_mount *mount)
{
	const char *root = mount->root;
	int levels = 0;

	if (!root[1])
		return 0;
	for (; strncmp(root, "/..", 3) == 0; root += 3)
		levels++;
	return *root ? -1 : levels;
}

static const struct base *find_base(const char *controllers)
{
	size_t i;

	for (i = 0; i < bases.count; i++)
		if (strcmp(bases.list[i].controllers, controllers) == 0)
			return &bases.list[i];
	return NULL;
}

/* `own` shows our namespace's root: where that is, one that reaches higher tells. */
static void add_base(const struct cgroup_mount *mounts, size_t count,
		     const struct cgroup_mount *own)
{
	struct base *base = &bases.list[bases.count];
	const struct cgroup_mount *highest = own;
	struct cgroup_mount whole;
	struct stat st;
	size_t i;

	for (i = 0; i < count; i++)
		if (strcmp(mounts[i].controllers, own->controllers) == 0 &&
		    height(&mounts[i]) > height(highest))
			highest = &mounts[i];
	if (highest == own || bases.count == BASES || find_base(own->controllers) ||
	    stat(own->point, &st) < 0)
		return;
	whole = *highest;
	strcpy(whole.root, "/");
	if (path_below(&whole, st.st_ino, base->path, sizeof(base->path)) == 0) {
		strcpy(base->controllers, own->controllers);
		bases.count++;
	}
}

static void seek_bases(const struct cgroup_mount *mounts, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (height(&mounts[i]) == 0)
			add_base(mounts, count, &mounts[i]);
	bases.sought = true;
}

static void choose_widest(const struct cgroup_mount *mounts, size_t count)
{
	const struct cgroup_mount *best = NULL;
	size_t i;

	for (i = 0; i < count; i++)
		if (!mounts[i].controllers[0] && (!best || (best->root[1] && !mounts[i].root[1])))
			best = &mounts[i];
	widest.sought = true;
	widest.found = best;
	if (best)
		widest.mount = *best;
}

size_t cgroup_mounts(struct cgroup_mount *ret, size_t limit)
{
	size_t count = read_mounts(ret, limit), i;
	char root[sizeof(ret->root)];

	if (!bases.sought)
		seek_bases(ret, count);
	for (i = 0; i < count; i++) {
		const struct base *base = find_base(ret[i].controllers);

		if (base && cgroup_resolve(base->path, ret[i].root, root, sizeof(root)))
			strcpy(ret[i].root, root);
	}
	choose_widest(ret, count);
	return count;
}

/* Not within another function's frame, of which each page would be touched each time. */
static __attribute__((noinline)) void look_at_mounts(void)
{
	struct cgroup_mount mounts[CGROUP_MOUNTS];

	cgroup_mounts(mounts, CGROUP_MOUNTS);
}

/* One line of /proc/PID/cgroup, without its end. False: as it is. */
static bool resolve_line(char *line, char *ret, size_t size)
{
	char *controllers = strchr(line, ':');
	char *path = controllers ? strchr(controllers + 1, ':') : NULL;
	const struct base *base;
	size_t head;

	if (!path)
		return false;
	*path = '\0';
	base = find_base(controllers + 1);
	*path++ = ':';
	head = (size_t)(path - line);
	if (!base || head >= size)
		return false;
	memcpy(ret, line, head);
	return cgroup_resolve(base->path, path, ret + head, size - head);
}

void cgroup_absolute(char *cgroups, size_t size)
{
	char *copy, *rest, *line;
	size_t used = 0;

	if (!bases.sought)
		look_at_mounts();
	copy = bases.count ? strdup(cgroups) : NULL;
	if (!copy)
		return;
	for (rest = copy; (line = strsep(&rest, "\n")) && *line && used + 1 < size;) {
		if (!resolve_line(line, cgroups + used, size - used - 1))
			snprintf(cgroups + used, size - used - 1, "%s", line);
		used += strlen(cgroups + used);
		cgroups[used++] = '\n';
	}
	cgroups[used] = '\0';
	free(copy);
}

/* ---- paths of ids ---- */

static int path_by_search(const struct cgroup_mount *mount, uint64_t id, char *ret, size_t size)
{
	unsigned int i;
	char path[4096];
	int err;

	for (i = 0; i < CACHED; i++)
		if (cache.path[i] && cache.id[i] == id)
			return cache.path[i][0] ? copy_relative(mount, cache.path[i], ret, size) :
						  -ENOENT;
	err = search_below(mount, id, path, sizeof(path));
	i = cache.next++ % CACHED;
	free(cache.path[i]);
	cache.path[i] = strdup(err ? "" : path);
	cache.id[i] = id;
	return err ? err : copy_relative(mount, path, ret, size);
}

int cgroup_path(uint64_t id, char *ret, size_t size)
{
	int err;

	if (id == 0)
		return -ENOENT;
	/* A machine may have thousands of mounts: not for each process that is gone already. */
	if (!widest.sought)
		look_at_mounts();
	if (!widest.found)
		return -ENOENT;
	err = path_by_handle(&widest.mount, id, ret, size);
	if (is_told(err))
		return err;
	return path_by_search(&widest.mount, id, ret, size);
}
