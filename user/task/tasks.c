/* SPDX-License-Identifier: Apache-2.0 */
#include "task/tasks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/memory.h"

#define NONE UINT32_MAX

struct entry {
	uint64_t task;
	uint64_t ancestors[EVENT_ANCESTORS];
	uint32_t tgid;
	uint32_t chain; /* next of the same hash */
	uint32_t newer, older;
};

/* The entries form one list, from the one told of last to the one told of longest ago. */
struct tasks {
	struct entry *entries;
	uint32_t *heads;
	uint32_t mask;
	uint32_t limit, count;
	uint32_t newest, oldest;
	uint64_t evicted;
};

/* ---- the table ---- */

static uint32_t *find_head(const struct tasks *tasks, uint32_t tgid, uint64_t task)
{
	uint64_t hash = (task ^ (uint64_t)tgid << 40) * 0x9e3779b97f4a7c15ULL;

	return &tasks->heads[hash >> 32 & tasks->mask];
}

static uint32_t find(const struct tasks *tasks, uint32_t tgid, uint64_t task)
{
	uint32_t i = *find_head(tasks, tgid, task);

	while (i != NONE && (tasks->entries[i].task != task || tasks->entries[i].tgid != tgid))
		i = tasks->entries[i].chain;
	return i;
}

static void unlink_entry(struct tasks *tasks, uint32_t i)
{
	const struct entry *entry = &tasks->entries[i];

	*(entry->newer != NONE ? &tasks->entries[entry->newer].older : &tasks->newest) =
		entry->older;
	*(entry->older != NONE ? &tasks->entries[entry->older].newer : &tasks->oldest) =
		entry->newer;
}

static void link_newest(struct tasks *tasks, uint32_t i)
{
	struct entry *entry = &tasks->entries[i];

	entry->newer = NONE;
	entry->older = tasks->newest;
	*(tasks->newest != NONE ? &tasks->entries[tasks->newest].newer : &tasks->oldest) = i;
	tasks->newest = i;
}

/* An entry to be filled: a new one, or the oldest. */
static uint32_t take(struct tasks *tasks)
{
	uint32_t i = tasks->oldest, *link;

	if (tasks->count < tasks->limit)
		return tasks->count++;
	link = find_head(tasks, tasks->entries[i].tgid, tasks->entries[i].task);
	while (*link != i)
		link = &tasks->entries[*link].chain;
	*link = tasks->entries[i].chain;
	unlink_entry(tasks, i);
	tasks->evicted++;
	return i;
}

void tasks_told(struct tasks *tasks, const struct event_task *event)
{
	uint32_t i = find(tasks, event->head.tgid, event->head.task);
	struct entry *entry;
	uint32_t *head;

	if (i != NONE) {
		unlink_entry(tasks, i);
		link_newest(tasks, i);
		return; /* its descent never changes */
	}
	i = take(tasks);
	entry = &tasks->entries[i];
	entry->task = event->head.task;
	entry->tgid = event->head.tgid;
	memcpy(entry->ancestors, event->ancestors, sizeof(entry->ancestors));
	head = find_head(tasks, entry->tgid, entry->task);
	entry->chain = *head;
	*head = i;
	link_newest(tasks, i);
}

/* ---- descent ---- */

const uint64_t *tasks_ancestors(const struct tasks *tasks, uint32_t tgid, uint64_t task)
{
	uint32_t i = TASK_KIND(task) == TASK_BORN ? find(tasks, tgid, task) : NONE;

	return i == NONE ? NULL : tasks->entries[i].ancestors;
}

static bool is_born_since(uint64_t task, uint64_t since)
{
	return TASK_KIND(task) == TASK_BORN && TASK_VALUE(task) >= since;
}

uint64_t task_root(const struct tasks *tasks, uint32_t tgid, uint64_t task, uint64_t since)
{
	const uint64_t *ancestors = tasks_ancestors(tasks, tgid, task);
	uint64_t root = task;

	for (int i = 0; ancestors && i < EVENT_ANCESTORS && is_born_since(ancestors[i], since); i++)
		root = ancestors[i];
	return root;
}

bool task_within(const struct tasks *tasks, uint32_t tgid, uint64_t task, uint64_t root)
{
	const uint64_t *ancestors;

	if (task == root)
		return true;
	ancestors = tasks_ancestors(tasks, tgid, task);
	for (int i = 0; ancestors && i < EVENT_ANCESTORS && ancestors[i]; i++) {
		if (ancestors[i] == root)
			return true;
	}
	return false;
}

/* ---- life ---- */

int tasks_new(size_t limit, struct tasks **ret)
{
	struct tasks *tasks = calloc(1, sizeof(*tasks));
	size_t heads = 1;

	if (!tasks)
		return -ENOMEM;
	while (heads < limit)
		heads *= 2;
	tasks->limit = (uint32_t)limit;
	tasks->mask = (uint32_t)(heads - 1);
	tasks->newest = tasks->oldest = NONE;
	tasks->entries = memory_take_zeroed(MEMORY_FIXED, limit * sizeof(*tasks->entries));
	tasks->heads = memory_take(MEMORY_FIXED, heads * sizeof(*tasks->heads));
	if (!tasks->entries || !tasks->heads) {
		tasks_free(tasks);
		return -ENOMEM;
	}
	memset(tasks->heads, 0xff, heads * sizeof(*tasks->heads));
	*ret = tasks;
	return 0;
}

void tasks_free(struct tasks *tasks)
{
	if (!tasks)
		return;
	memory_give(MEMORY_FIXED, tasks->entries, tasks->limit * sizeof(*tasks->entries));
	memory_give(MEMORY_FIXED, tasks->heads, (tasks->mask + 1ULL) * sizeof(*tasks->heads));
	free(tasks);
}

struct tasks_counts tasks_counts(const struct tasks *tasks)
{
	return (struct tasks_counts){ .known = tasks->count, .evicted = tasks->evicted };
}
