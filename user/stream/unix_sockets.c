/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/unix_sockets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/memory.h"

#define NAMESPACES 256 /* read between two refreshes; of more, all sockets count as open */

/* The inodes of one network namespace's Unix sockets, sorted. */
struct listing {
	uint64_t space; /* inode of the namespace's file of them */
	uint64_t *inodes;
	size_t count, room;
	bool readable;
};

struct unix_sockets {
	struct listing listings[NAMESPACES];
	size_t count;
};

int unix_sockets_new(struct unix_sockets **ret)
{
	struct unix_sockets *sockets = calloc(1, sizeof(*sockets));

	if (!sockets)
		return -ENOMEM;
	*ret = sockets;
	return 0;
}

void unix_sockets_refresh(struct unix_sockets *sockets)
{
	for (size_t i = 0; i < sockets->count; i++)
		memory_give(MEMORY_STREAMS, sockets->listings[i].inodes,
			    sockets->listings[i].room * sizeof(*sockets->listings[i].inodes));
	sockets->count = 0;
}

void unix_sockets_free(struct unix_sockets *sockets)
{
	if (!sockets)
		return;
	unix_sockets_refresh(sockets);
	free(sockets);
}

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

static bool append(struct listing *listing, uint64_t inode)
{
	if (listing->count == listing->room) {
		size_t room = listing->room ? listing->room * 2 : 256;
		uint64_t *grown = memory_take(MEMORY_STREAMS, room * sizeof(*grown));

		if (!grown)
			return false;
		if (listing->count)
			memcpy(grown, listing->inodes, listing->count * sizeof(*grown));
		memory_give(MEMORY_STREAMS, listing->inodes, listing->room * sizeof(*grown));
		listing->inodes = grown;
		listing->room = room;
	}
	listing->inodes[listing->count++] = inode;
	return true;
}

/* Lines are "NUM: REFCOUNT PROTOCOL FLAGS TYPE STATE INODE [PATH]"; proc(5). */
static void read_listing(struct listing *listing, uint32_t tgid)
{
	unsigned long long inode;
	char path[64], *line = NULL;
	size_t size = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%u/net/unix", tgid);
	file = fopen(path, "re");
	if (!file)
		return;
	listing->readable = true;
	while (listing->readable && getline(&line, &size, file) > 0) {
		if (sscanf(line, "%*s %*s %*s %*s %*s %*s %llu", &inode) == 1)
			listing->readable = append(listing, inode);
	}
	if (ferror(file))
		listing->readable = false;
	free(line);
	fclose(file);
	if (listing->count)
		qsort(listing->inodes, listing->count, sizeof(*listing->inodes), compare);
}

static struct listing *find(struct unix_sockets *sockets, uint32_t tgid, uint64_t space)
{
	struct listing *listing;

	for (size_t i = 0; i < sockets->count; i++) {
		if (sockets->listings[i].space == space)
			return &sockets->listings[i];
	}
	if (sockets->count == NAMESPACES)
		return NULL;
	listing = &sockets->listings[sockets->count++];
	*listing = (struct listing){ .space = space };
	read_listing(listing, tgid);
	return listing;
}

bool unix_sockets_open(struct unix_sockets *sockets, uint32_t tgid, uint64_t inode)
{
	const struct listing *listing;
	struct stat status;
	char path[64];

	/* Anyone may look at it, unlike the link to the namespace; each has a file of its own. */
	snprintf(path, sizeof(path), "/proc/%u/net/unix", tgid);
	if (stat(path, &status)) {
		if (errno == EACCES || errno == EPERM)
			return true;
		/* Its owner is gone, but may have handed it on: most live in our own namespace. */
		tgid = (uint32_t)getpid();
		if (stat("/proc/self/net/unix", &status))
			return true;
	}
	listing = find(sockets, tgid, status.st_ino);
	if (!listing || !listing->readable)
		return true;
	return bsearch(&inode, listing->inodes, listing->count, sizeof(inode), compare) != NULL;
}
