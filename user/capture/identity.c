/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/identity.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/service.h"
#include "util/arena.h"

#define NONE UINT32_MAX

/* A process, in a hash chain and in the list by last use, newest first. */
struct entry {
	struct identity_process process;
	uint32_t chain;
	uint32_t newer, older;
};

struct set {
	struct identity labels;
	uint32_t chain;
};

struct identities {
	struct entry *entries; /* untouched, the room above entry_count takes no memory */
	size_t entry_count, entry_limit;
	uint32_t *entry_heads;
	size_t entry_mask;
	uint32_t newest, oldest;

	struct arena arena; /* of the labels */
	struct set *sets;
	size_t set_count, set_limit;
	uint32_t *set_heads;
	size_t set_mask;

	uint64_t evicted, refused;
	struct service_reader *reader;
};

static size_t power_above(size_t n)
{
	size_t size = 16;

	while (size < n)
		size *= 2;
	return size;
}

static int new_heads(size_t limit, uint32_t **ret, size_t *ret_mask)
{
	size_t size = power_above(limit);
	uint32_t *heads = malloc(size * sizeof(*heads));

	if (!heads)
		return -ENOMEM;
	memset(heads, 0xff, size * sizeof(*heads));
	*ret = heads;
	*ret_mask = size - 1;
	return 0;
}

/* ---- sets of labels ---- */

/* FNV-1a, the terminator included so that ("a", "") and ("", "a") differ. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
	do
		hash = (hash ^ (uint8_t)*text) * 0x100000001b3ULL;
	while (*text++);
	return hash;
}

static uint64_t hash_labels(const struct identity *labels)
{
	uint64_t hash = hash_text(0xcbf29ce484222325ULL, labels->service);

	hash = hash_text(hash, labels->namespace);
	hash = hash_text(hash, labels->pod);
	hash = hash_text(hash, labels->container);
	return hash ^ hash >> 32;
}

static bool equal_labels(const struct identity *a, const struct identity *b)
{
	return strcmp(a->service, b->service) == 0 && strcmp(a->namespace, b->namespace) == 0 &&
	       strcmp(a->pod, b->pod) == 0 && strcmp(a->container, b->container) == 0;
}

/* The four texts in one piece of memory, whose beginning is `service`. */
static int copy_labels(struct arena *arena, enum memory_use use, const struct identity *labels,
		       struct identity *ret)
{
	const char *const from[] = { labels->service, labels->namespace, labels->pod,
				     labels->container };
	const char **const to[] = { &ret->service, &ret->namespace, &ret->pod, &ret->container };
	size_t size = 0, used = 0;
	char *room;
	int i;

	for (i = 0; i < 4; i++)
		size += strlen(from[i]) + 1;
	room = arena_take(arena, use, size);
	if (!room)
		return -ENOMEM;
	for (i = 0; i < 4; i++) {
		*to[i] = room + used;
		used += (size_t)(stpcpy(room + used, from[i]) - (room + used)) + 1;
	}
	return 0;
}

/* The number of a set, newly given where it has none; IDENTITY_OTHER when there is no room. */
static uint32_t intern(struct identities *identities, enum memory_use use,
		       const struct identity *labels)
{
	uint32_t *head = &identities->set_heads[hash_labels(labels) & identities->set_mask];
	uint32_t i;

	for (i = *head; i != NONE; i = identities->sets[i].chain)
		if (equal_labels(&identities->sets[i].labels, labels))
			return i;
	if (identities->set_count == identities->set_limit ||
	    copy_labels(&identities->arena, use, labels,
			&identities->sets[identities->set_count].labels)) {
		identities->refused++;
		return IDENTITY_OTHER;
	}
	i = (uint32_t)identities->set_count++;
	identities->sets[i].chain = *head;
	*head = i;
	return i;
}

/* ---- processes ---- */

static uint32_t *find_head(const struct identities *identities, uint32_t tgid, uint64_t process)
{
	uint64_t hash = (process ^ (uint64_t)tgid << 32 ^ tgid) * 0x9e3779b97f4a7c15ULL;

	return &identities->entry_heads[hash >> 32 & identities->entry_mask];
}

static uint32_t find_entry(const struct identities *identities, uint32_t tgid, uint64_t process)
{
	uint32_t i = *find_head(identities, tgid, process);

	while (i != NONE && (identities->entries[i].process.tgid != tgid ||
			     identities->entries[i].process.process != process))
		i = identities->entries[i].chain;
	return i;
}

static void unlink_entry(struct identities *identities, uint32_t i)
{
	struct entry *entry = &identities->entries[i];

	if (entry->newer != NONE)
		identities->entries[entry->newer].older = entry->older;
	else
		identities->newest = entry->older;
	if (entry->older != NONE)
		identities->entries[entry->older].newer = entry->newer;
	else
		identities->oldest = entry->newer;
}

static void link_newest(struct identities *identities, uint32_t i)
{
	struct entry *entry = &identities->entries[i];

	entry->newer = NONE;
	entry->older = identities->newest;
	if (identities->newest != NONE)
		identities->entries[identities->newest].newer = i;
	else
		identities->oldest = i;
	identities->newest = i;
}

static uint32_t evict(struct identities *identities)
{
	uint32_t i = identities->oldest;
	struct entry *entry = &identities->entries[i];
	uint32_t *link = find_head(identities, entry->process.tgid, entry->process.process);

	while (*link != i)
		link = &identities->entries[*link].chain;
	*link = entry->chain;
	unlink_entry(identities, i);
	identities->evicted++;
	return i;
}

static void remember(struct identities *identities, const struct identity_process *process)
{
	uint32_t *head;
	uint32_t i;

	if (identities->entry_count < identities->entry_limit)
		i = (uint32_t)identities->entry_count++;
	else
		i = evict(identities);
	head = find_head(identities, process->tgid, process->process);
	identities->entries[i].process = *process;
	identities->entries[i].chain = *head;
	*head = i;
	link_newest(identities, i);
}

/* ---- resolving ---- */

static uint32_t resolve(struct identities *identities, struct identity_process *process,
			const struct event_process *hint)
{
	struct identity labels = { "", "", "", "" };
	char service[PROGRAM_NAME_SIZE];
	struct owner owner;

	if (service_read(identities->reader, process->tgid, hint, service, &owner))
		return IDENTITY_NONE;
	memcpy(process->container_id, owner.container, sizeof(process->container_id));
	memcpy(process->pod_uid, owner.pod, sizeof(process->pod_uid));
	labels.service = service;
	return intern(identities, MEMORY_TABLES, &labels);
}

uint32_t identity_resolve(struct identities *identities, uint32_t tgid, uint64_t process,
			  const struct event_process *hint)
{
	struct identity_process found = { .tgid = tgid, .process = process };
	uint32_t i = find_entry(identities, tgid, process);

	if (i != NONE) {
		struct identity_process *known = &identities->entries[i].process;

		unlink_entry(identities, i);
		link_newest(identities, i);
		if (known->identity == IDENTITY_NONE && hint)
			known->identity = resolve(identities, known, hint);
		return known->identity;
	}
	found.identity = resolve(identities, &found, hint);
	remember(identities, &found);
	return found.identity;
}

const struct identity *identity_get(const struct identities *identities, uint32_t identity)
{
	return &identities->sets[identity < identities->set_count ? identity : IDENTITY_NONE]
			.labels;
}

const struct identity_process *identity_process(const struct identities *identities, uint32_t tgid,
						uint64_t process)
{
	uint32_t i = find_entry(identities, tgid, process);

	return i == NONE ? NULL : &identities->entries[i].process;
}

struct identity_counts identity_counts(const struct identities *identities)
{
	return (struct identity_counts){
		.processes = identities->entry_count,
		.identities = identities->set_count,
		.evicted = identities->evicted,
		.refused = identities->refused,
	};
}

int identities_new(size_t processes, size_t sets, struct identities **ret)
{
	static const struct identity none = { "", "", "", "" };
	static const struct identity other = { "other", "", "", "" };
	struct identities *identities = calloc(1, sizeof(*identities));

	if (!identities)
		return -ENOMEM;
	identities->newest = identities->oldest = NONE;
	identities->entry_limit = processes;
	identities->set_limit = sets;
	identities->entries =
		memory_take_zeroed(MEMORY_FIXED, processes * sizeof(*identities->entries));
	identities->sets = memory_take_zeroed(MEMORY_FIXED, sets * sizeof(*identities->sets));
	if (!identities->entries || !identities->sets || service_reader_new(&identities->reader) ||
	    new_heads(processes, &identities->entry_heads, &identities->entry_mask) ||
	    new_heads(sets, &identities->set_heads, &identities->set_mask) ||
	    intern(identities, MEMORY_FIXED, &none) != IDENTITY_NONE ||
	    intern(identities, MEMORY_FIXED, &other) != IDENTITY_OTHER ||
	    identities->set_count != 2) {
		identities_free(identities);
		return -ENOMEM;
	}
	*ret = identities;
	return 0;
}

void identities_free(struct identities *identities)
{
	if (!identities)
		return;
	arena_free(&identities->arena);
	service_reader_free(identities->reader);
	memory_give(MEMORY_FIXED, identities->sets,
		    identities->set_limit * sizeof(*identities->sets));
	free(identities->set_heads);
	memory_give(MEMORY_FIXED, identities->entries,
		    identities->entry_limit * sizeof(*identities->entries));
	free(identities->entry_heads);
	free(identities);
}
