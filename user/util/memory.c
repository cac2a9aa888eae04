/* SPDX-License-Identifier: Apache-2.0 */
#include "util/memory.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/clock.h"

#define OVERHEAD (2 * sizeof(size_t)) /* of malloc per block, at most */
#define TOP_KEPT (1 << 20)	      /* free bytes at the heap's end that stay */
#define HEAP_MOST ((uintptr_t)1 << 30)
#define ATTEMPTS 16
#define LOOK_NS (2 * NSEC_PER_SEC)
#define MUCH ((size_t)4 << 20) /* freed: worth returning */

static struct {
	size_t limit;
	size_t used[MEMORY_USES], guaranteed[MEMORY_USES];
	size_t left;	/* idle when memory was last returned: in pages that are in use as well */
	size_t other;	/* resident beside what is given out: programs, libraries, maps */
	uintptr_t heap; /* where the heap ended when the limit was set */
	bool in_heap;	/* malloc takes from there; the sanitizers' does not, and takes far more */
	uint64_t looked;
} memory = { .limit = SIZE_MAX };

static uintptr_t heap_end(void)
{
	return (uintptr_t)sbrk(0);
}

static size_t read_resident(void)
{
	unsigned long pages = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (!file)
		return 0;
	if (fscanf(file, "%*u %lu", &pages) != 1)
		pages = 0;
	fclose(file);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Bytes that may be given out in all. */
static size_t most(void)
{
	size_t gone = memory.other + MEMORY_MARGIN;

	if (memory.limit == SIZE_MAX)
		return SIZE_MAX / 2;
	return memory.limit > gone ? memory.limit - gone : 0;
}

void memory_limit(size_t limit, size_t tables, size_t scrapes)
{
	size_t rest;
	void *probe;

	/* All blocks in one heap, however large: its length bounds what they and their holes take.
	 */
	mallopt(M_MMAP_MAX, 0);
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_TRIM_THRESHOLD, TOP_KEPT);
	probe = malloc(TOP_KEPT);
	memory.in_heap = probe && heap_end() - (uintptr_t)probe < HEAP_MOST;
	free(probe);
	malloc_trim(0);
	memory.heap = heap_end();
	memory.other = memory.in_heap ? read_resident() : 0;
	memory.limit = limit;
	rest = most() > tables + scrapes ? most() - tables - scrapes : 0;
	memory.guaranteed[MEMORY_TABLES] = tables;
	memory.guaranteed[MEMORY_SCRAPES] = scrapes;
	memory.guaranteed[MEMORY_CONNECTIONS] = rest / 4;
	memory.guaranteed[MEMORY_STREAMS] = rest / 8;
}

size_t memory_used(void)
{
	size_t sum = 0;

	for (int i = 0; i < MEMORY_USES; i++)
		sum += memory.used[i];
	return sum;
}

size_t memory_room(enum memory_use use)
{
	size_t gone = OVERHEAD;

	for (int i = 0; i < MEMORY_USES; i++) {
		bool owed = i != (int)use && memory.guaranteed[i] > memory.used[i];

		gone += owed ? memory.guaranteed[i] : memory.used[i];
	}
	return most() > gone ? most() - gone : 0;
}

/* The heap has grown too long for this block: there was no hole that it fits into. */
static bool is_beyond(const void *block, size_t size)
{
	uintptr_t end = (uintptr_t)block + size;

	return memory.in_heap && end > memory.heap && end - memory.heap > most();
}

/* calloc knows which memory is fresh: that stays untouched. */
static void *get(size_t size, bool zeroed)
{
	return zeroed ? calloc(1, size) : malloc(size);
}

/* malloc may offer the same free blocks beyond the end again before it looks for others. */
static void *get_within(size_t size, bool zeroed)
{
	void *beyond[ATTEMPTS], *block;
	size_t n = 0, attempts = size > MUCH ? 1 : ATTEMPTS;

	do {
		block = get(size, zeroed);
		if (!block || !is_beyond(block, size))
			break;
		beyond[n++] = block;
		block = NULL;
	} while (n < attempts);
	while (n > 0)
		free(beyond[--n]);
	return block;
}

static void *take(enum memory_use use, size_t size, bool zeroed)
{
	void *block = NULL;

	if (use == MEMORY_FIXED)
		block = get(size, zeroed);
	else if (size <= memory_room(use))
		block = get_within(size, zeroed);
	if (!block)
		return NULL;
	memory.used[use] += size + OVERHEAD;
	return block;
}

void *memory_take(enum memory_use use, size_t size)
{
	return take(use, size, false);
}

void *memory_take_zeroed(enum memory_use use, size_t size)
{
	return take(use, size, true);
}

void memory_give(enum memory_use use, void *block, size_t size)
{
	if (!block)
		return;
	memory.used[use] -= size + OVERHEAD;
	free(block);
}

/* Resident, but neither given out nor of anybody else. */
static size_t read_idle(void)
{
	size_t resident = read_resident(), known = memory.other + memory_used();

	return resident > known ? resident - known : 0;
}

void memory_tick(uint64_t now)
{
	uintptr_t end = heap_end();
	size_t idle, resident, grown = end > memory.heap ? end - memory.heap : 0;

	if (now - memory.looked < LOOK_NS || !memory.in_heap)
		return;
	memory.looked = now;
	/* Pages of libraries come with their use. */
	resident = read_resident();
	if (resident > memory.other + grown)
		memory.other = resident - grown;
	idle = read_idle();
	if (idle >= memory.left + MUCH) {
		malloc_trim(TOP_KEPT);
		idle = memory.left = read_idle();
	}
	if (idle < memory.left)
		memory.left = idle;
}

/*
 * Of mappings that cannot be written, those without a page of our own: relocated constants and
 * another tool's breakpoints would be lost with it.
 */
void memory_release_code(void)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	unsigned long from, to, inode, own, begin = 0, length = 0;
	char *line = NULL, mode[5];
	size_t size = 0;

	while (file && getline(&line, &size, file) > 0) {
		if (sscanf(line, "%lx-%lx %4s %*s %*s %lu", &from, &to, mode, &inode) == 4) {
			begin = from;
			length = inode && mode[1] == '-' && mode[3] == 'p' ? to - from : 0;
		} else if (length && sscanf(line, "Anonymous: %lu", &own) == 1 && own == 0) {
			madvise((void *)begin, length, MADV_DONTNEED);
		}
	}
	free(line);
	if (file)
		fclose(file);
}
