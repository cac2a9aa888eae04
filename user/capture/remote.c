/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ADDRESSES (1ULL << 47)

int remote_folder(uint32_t tgid)
{
	char path[32];
	int folder;

	snprintf(path, sizeof(path), "/proc/%u", tgid);
	folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return folder < 0 ? -errno : folder;
}

bool remote_lives(int folder)
{
	return faccessat(folder, "stat", F_OK, 0) == 0;
}

int remote_open(struct remote *remote, int folder)
{
	remote->folder = folder;
	remote->memory = openat(folder, "mem", O_RDONLY | O_CLOEXEC);
	remote->reads = remote->looks = 0;
	remote_forget(remote);
	return remote->memory < 0 ? -errno : 0;
}

void remote_close(struct remote *remote)
{
	if (remote->memory >= 0)
		close(remote->memory);
	remote->memory = -1;
}

bool remote_spent(const struct remote *remote)
{
	return remote->reads >= REMOTE_READS || remote->looks >= REMOTE_LOOKS;
}

void remote_forget(struct remote *remote)
{
	memset(remote->kept, 0, sizeof(remote->kept));
}

/* The page of an address, NULL where it is unreadable. */
static const uint8_t *find_page(struct remote *remote, uint64_t address)
{
	uint64_t start = address & ~(uint64_t)(REMOTE_PAGE - 1);
	size_t i = start / REMOTE_PAGE % REMOTE_PAGES;

	if (remote->kept[i] == start + 1)
		return remote->pages[i];
	if (address < REMOTE_PAGE || address >= ADDRESSES || remote->reads >= REMOTE_READS)
		return NULL;
	remote->reads++;
	remote->kept[i] = 0;
	if (pread(remote->memory, remote->pages[i], REMOTE_PAGE, (off_t)start) != REMOTE_PAGE)
		return NULL;
	remote->kept[i] = start + 1;
	return remote->pages[i];
}

bool remote_read(struct remote *remote, uint64_t address, void *ret, size_t size)
{
	uint8_t *out = ret;

	if (remote->looks >= REMOTE_LOOKS)
		return false;
	remote->looks++;
	while (size > 0) {
		size_t offset = address % REMOTE_PAGE;
		size_t piece = REMOTE_PAGE - offset < size ? REMOTE_PAGE - offset : size;
		const uint8_t *page = find_page(remote, address);

		if (!page)
			return false;
		memcpy(out, page + offset, piece);
		out += piece;
		address += piece;
		size -= piece;
	}
	return true;
}

size_t remote_bulk(const struct remote *remote, uint64_t address, void *ret, size_t size)
{
	ssize_t n = address < ADDRESSES ? pread(remote->memory, ret, size, (off_t)address) : 0;

	return n < 0 ? 0 : (size_t)n;
}

uint64_t remote_word(struct remote *remote, uint64_t address)
{
	uint64_t word = 0;

	if (address % sizeof(word) != 0 || !remote_read(remote, address, &word, sizeof(word)))
		return 0;
	return word;
}

/* ---- mappings ---- */

static FILE *open_text(int folder, const char *name)
{
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");

	if (fd >= 0 && !file)
		close(fd);
	return file;
}

/* "start-end perms offset dev inode   path"; false for what is no file's beginning. */
static bool read_mapping(char *line, struct mapping *ret)
{
	uint64_t offset;
	int at = 0;

	if (sscanf(line, "%lx-%*x %*s %lx %*s %*s %n", &ret->start, &offset, &at) != 2 || !at)
		return false;
	line[strcspn(line, "\n")] = '\0';
	ret->path = line + at;
	return offset == 0 && ret->path[0] == '/';
}

int remote_mappings(int folder, bool (*visit)(void *context, const struct mapping *mapping),
		    void *context)
{
	FILE *file = open_text(folder, "maps");
	char executable[PATH_MAX] = "";
	struct mapping mapping;
	char *line = NULL;
	size_t room = 0;
	bool more = true;

	if (!file)
		return -errno;
	if (readlinkat(folder, "exe", executable, sizeof(executable) - 1) < 0)
		executable[0] = '\0';
	while (more && getline(&line, &room, file) > 0) {
		if (!read_mapping(line, &mapping))
			continue;
		mapping.executable = strcmp(mapping.path, executable) == 0;
		more = visit(context, &mapping);
	}
	free(line);
	fclose(file);
	return 0;
}

/* For reading what was found: opening what is no plain file may wait, or do something. */
static int reopen(int found)
{
	char path[32];
	struct stat status;
	int fd;

	if (fstat(found, &status) || !S_ISREG(status.st_mode))
		return -ESTALE;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", found);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* In another root a path leads there; of a process in a chroot's it may be ours. */
int remote_file(int folder, const struct mapping *mapping)
{
	char path[PATH_MAX + 8];
	int found, fd;

	if (mapping->executable) {
		found = openat(folder, "exe", O_PATH | O_CLOEXEC);
	} else {
		snprintf(path, sizeof(path), "root%s", mapping->path);
		found = openat(folder, path, O_PATH | O_CLOEXEC);
		if (found < 0 && errno == ENOENT)
			found = open(mapping->path, O_PATH | O_CLOEXEC);
	}
	if (found < 0)
		return -errno;
	fd = reopen(found);
	close(found);
	return fd;
}

bool remote_filtered(int folder)
{
	FILE *file = open_text(folder, "status");
	bool found = false;
	char line[256];

	while (file && !found && fgets(line, sizeof(line), file))
		found = strncmp(line, "Seccomp:\t2", 10) == 0;
	if (file)
		fclose(file);
	return found;
}
