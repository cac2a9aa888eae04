/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/queries.h"

#include <errno.h>

#include "util/memory.h"

#define BUCKETS (2 * QUERIES_LIMIT)
#define TEXT_LIMIT UINT16_MAX
#define WAYS 8 /* names that share a place; the one given longest ago makes room */
#define GENERATIONS (UINT32_MAX / QUERIES_LIMIT)

struct entry {
	uint64_t hash;
	uint8_t *bytes; /* text, then summary; NULL: free */
	uint32_t generation;
	uint16_t text_size, summary_size;
	/* Index + 1 each, 0: none. */
	uint16_t next; /* of the same bucket; of those that are free */
	uint16_t newer, older;
};

/* A session's name and the query it has: packed side by side, newest first. */
struct name {
	uint32_t session, name, query;
};

static struct store {
	struct entry entry[QUERIES_LIMIT];
	uint16_t bucket[BUCKETS]; /* index + 1, 0: none */
	struct name name[QUERIES_NAMES / WAYS][WAYS];
	size_t memory;		 /* bytes of texts */
	uint32_t known;		 /* entries ever used: those beyond are free */
	uint16_t free;		 /* of those used before */
	uint16_t newest, oldest; /* by when they were put or asked for last */
	struct queries_counts counts;
} *store;

static uint32_t sessions;

int queries_begin(void)
{
	if (!store)
		store = memory_take_zeroed(MEMORY_FIXED, sizeof(*store));
	return store ? 0 : -ENOMEM;
}

static size_t entry_size(const struct entry *entry)
{
	return (size_t)entry->text_size + entry->summary_size;
}

/* ---- texts ---- */

static uint64_t mix(uint64_t sum, uint64_t word)
{
	sum = (sum ^ word) * 0x9e3779b97f4a7c15ULL;
	return sum ^ sum >> 29;
}

static uint64_t hash_of(struct bytes text)
{
	uint64_t sum = text.size;
	uint64_t word;

	for (; text.size >= sizeof(word); text = bytes_skip(text, sizeof(word))) {
		memcpy(&word, text.data, sizeof(word));
		sum = mix(sum, word);
	}
	word = 0;
	memcpy(&word, text.data, text.size);
	return mix(sum, word);
}

static struct query entry_query(const struct entry *entry)
{
	return (struct query){ .text = { entry->bytes, entry->text_size },
			       .summary = { entry->bytes + entry->text_size,
					    entry->summary_size } };
}

static uint32_t number_of(const struct entry *entry)
{
	return (entry->generation + 1) * QUERIES_LIMIT + (uint32_t)(entry - store->entry);
}

/* Texts that were cut may be the same while their summaries are not. */
static struct entry *find(uint64_t hash, struct bytes text, struct bytes summary)
{
	uint16_t next = store->bucket[hash % BUCKETS];

	for (; next; next = store->entry[next - 1].next) {
		struct entry *entry = &store->entry[next - 1];
		struct query query = entry_query(entry);

		if (entry->hash == hash && bytes_equal(query.text, text) &&
		    bytes_equal(query.summary, summary))
			return entry;
	}
	return NULL;
}

static uint16_t place_of(const struct entry *entry)
{
	return (uint16_t)(entry - store->entry + 1);
}

static void entry_unlink(const struct entry *entry)
{
	*(entry->newer ? &store->entry[entry->newer - 1].older : &store->newest) = entry->older;
	*(entry->older ? &store->entry[entry->older - 1].newer : &store->oldest) = entry->newer;
}

static void entry_link(struct entry *entry)
{
	entry->newer = 0;
	entry->older = store->newest;
	*(store->newest ? &store->entry[store->newest - 1].newer : &store->oldest) =
		place_of(entry);
	store->newest = place_of(entry);
}

static void entry_touch(struct entry *entry)
{
	if (store->newest == place_of(entry))
		return;
	entry_unlink(entry);
	entry_link(entry);
}

/* Frees an entry; its number is never given to another one (for a very long time). */
static void entry_drop(struct entry *entry)
{
	uint16_t *link = &store->bucket[entry->hash % BUCKETS];

	while (*link != place_of(entry))
		link = &store->entry[*link - 1].next;
	*link = entry->next;
	entry_unlink(entry);
	memory_give(MEMORY_TABLES, entry->bytes, entry_size(entry));
	store->memory -= entry_size(entry);
	entry->bytes = NULL;
	entry->generation = (entry->generation + 1) % (GENERATIONS - 1);
	entry->next = store->free;
	store->free = place_of(entry);
}

/*
 * Frees the entry that nobody wanted for longest: spans show a text some time after it was put, so
 * that those put last must not go first. False: there is none.
 */
static bool evict(void)
{
	if (!store->oldest)
		return false;
	entry_drop(&store->entry[store->oldest - 1]);
	store->counts.forgotten++;
	return true;
}

/* The next entry that is free, which it stays. */
static struct entry *entry_free(void)
{
	if (!store->free && store->known < QUERIES_LIMIT)
		return &store->entry[store->known];
	return store->free || evict() ? &store->entry[store->free - 1] : NULL;
}

/* A free entry with room for so many bytes. */
static struct entry *entry_new(size_t size)
{
	struct entry *entry;

	while (store->memory + size > QUERIES_MEMORY) {
		if (!evict())
			return NULL;
	}
	entry = entry_free();
	if (entry)
		entry->bytes = memory_take(MEMORY_TABLES, size);
	if (!entry || !entry->bytes)
		return NULL;
	if (store->free)
		store->free = entry->next;
	else
		store->known++;
	return entry;
}

uint32_t queries_put(const struct query *query)
{
	struct bytes text = bytes_first(query->text, TEXT_LIMIT);
	struct bytes summary = bytes_first(query->summary, TEXT_LIMIT);
	struct entry *entry;
	uint64_t hash;

	if (!store || !text.size)
		return QUERY_NONE;
	hash = hash_of(text);
	entry = find(hash, text, summary);
	if (!entry) {
		entry = entry_new(text.size + summary.size);
		if (!entry) {
			store->counts.refused++;
			return QUERY_NONE;
		}
		memcpy(entry->bytes, text.data, text.size);
		if (summary.size)
			memcpy(entry->bytes + text.size, summary.data, summary.size);
		entry->text_size = text.size;
		entry->summary_size = summary.size;
		store->memory += entry_size(entry);
		entry->hash = hash;
		entry->next = store->bucket[hash % BUCKETS];
		store->bucket[hash % BUCKETS] = place_of(entry);
		entry_link(entry);
	} else {
		entry_touch(entry);
	}
	return number_of(entry);
}

bool queries_get(uint32_t number, struct query *ret)
{
	struct entry *entry = store ? &store->entry[number % QUERIES_LIMIT] : NULL;

	if (!entry || !entry->bytes || number_of(entry) != number)
		return false;
	entry_touch(entry);
	*ret = entry_query(entry);
	return true;
}

/* ---- names ---- */

uint32_t queries_session(void)
{
	sessions += sessions == UINT32_MAX ? 2 : 1;
	return sessions;
}

static struct name *place(uint32_t session, uint32_t name)
{
	uint64_t hash = mix(session, (uint64_t)name << 32);

	return store->name[(hash >> 32) % (QUERIES_NAMES / WAYS)];
}

void queries_name(uint32_t session, uint32_t name, uint32_t query)
{
	struct name *names;
	unsigned int i = 0;

	if (!store || !session)
		return;
	names = place(session, name);
	while (i < WAYS - 1 && (names[i].session != session || names[i].name != name) &&
	       names[i].session)
		i++;
	if (names[i].session && (names[i].session != session || names[i].name != name))
		store->counts.renamed += names[i].query != QUERY_NONE;
	memmove(names + 1, names, i * sizeof(*names));
	names[0] = (struct name){ session, name, query };
}

uint32_t queries_named(uint32_t session, uint32_t name)
{
	const struct name *names;

	if (!store || !session)
		return QUERY_NONE;
	names = place(session, name);
	for (unsigned int i = 0; i < WAYS && names[i].session; i++) {
		if (names[i].session == session && names[i].name == name)
			return names[i].query;
	}
	return QUERY_NONE;
}

struct queries_counts queries_counts(void)
{
	return store ? store->counts : (struct queries_counts){ 0 };
}

void queries_end(void)
{
	if (!store)
		return;
	for (unsigned int i = 0; i < store->known; i++) {
		if (store->entry[i].bytes)
			memory_give(MEMORY_TABLES, store->entry[i].bytes,
				    entry_size(&store->entry[i]));
	}
	memory_give(MEMORY_FIXED, store, sizeof(*store));
	store = NULL;
}
