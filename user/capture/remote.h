/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another process as /proc shows it: its memory, its files, whether it still is. Named by a
 * descriptor of its folder, so that a later process of the same number is never taken for it.
 */
#ifndef ONLOOKER_REMOTE_H
#define ONLOOKER_REMOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REMOTE_PAGE 4096
#define REMOTE_PAGES 64

/* Large: not for the stack. Pages read once are kept until remote_forget(). */
struct remote {
	int folder; /* /proc/PID; -1 none */
	int memory;
	unsigned int reads, looks;   /* of pages, and in those, since remote_open(); see below */
	uint64_t kept[REMOTE_PAGES]; /* address of the page + 1; 0 none */
	uint8_t pages[REMOTE_PAGES][REMOTE_PAGE];
};

/*
 * What one process may cost, which may show anything of itself: then every address is unreadable.
 * Some 10 ms for the pages, 50 for the looks, of which CPython with 250 threads takes a tenth.
 */
#define REMOTE_READS 4000
#define REMOTE_LOOKS 2000000

/* An O_PATH descriptor of the process's folder, to be closed; -errno. */
int remote_folder(uint32_t tgid);

/* Whether the process of that folder is there, perhaps as a zombie. */
bool remote_lives(int folder);

/* Begins to read the process; the folder stays the caller's. remote_close() ends it. -errno. */
int remote_open(struct remote *remote, int folder);
void remote_close(struct remote *remote);

/* Whether the process has cost what it may. */
bool remote_spent(const struct remote *remote);

/* Memory may have changed. */
void remote_forget(struct remote *remote);

/* Copies `size` bytes from the process; false where not all of them are readable. */
bool remote_read(struct remote *remote, uint64_t address, void *ret, size_t size);

/*
 * The same past the kept pages and these bounds, for much at once; the bytes read from the
 * beginning on.
 */
size_t remote_bulk(const struct remote *remote, uint64_t address, void *ret, size_t size);

/* An aligned 64-bit word; 0 where there is none. */
uint64_t remote_word(struct remote *remote, uint64_t address);

/* What is mapped of a file from its beginning on. */
struct mapping {
	uint64_t start;
	const char *path; /* as in /proc/PID/maps, "(deleted)" included */
	bool executable;  /* the file that the process runs */
};

/* Calls `visit` for each file's first mapping, until it returns false. 0 or -errno. */
int remote_mappings(int folder, bool (*visit)(void *context, const struct mapping *mapping),
		    void *context);

/*
 * Opens the file of a mapping, for reading: -errno, -ENOENT where it was replaced, -ESTALE where
 * that was by something else than a file. The process may have put anything there.
 */
int remote_file(int folder, const struct mapping *mapping);

/* Whether a seccomp filter is in force for the process's first thread. */
bool remote_filtered(int folder);

#endif
