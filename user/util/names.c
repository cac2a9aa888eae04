/* SPDX-License-Identifier: Apache-2.0 */
#include "util/names.h"

#include "util/arena.h"
#include "util/share.h"

#define BUCKETS 131072 /* a power of two, more than twice NAMES_LIMIT: probes stay short */

_Static_assert(NAMES_LIMIT <= UINT16_MAX, "a name is 16 bits");
_Static_assert(BUCKETS > 2 * NAMES_LIMIT, "the table never fills");

static const size_t budgets[NAME_KINDS] = { NAMES_OPERATIONS, NAMES_PEERS, NAMES_ROUTES };

static struct {
	uint16_t bucket[BUCKETS]; /* 0: free */
	char *text[NAMES_LIMIT];
	struct arena arena;
	size_t used;
	size_t kind_used[NAME_KINDS];
	uint16_t held[NAME_KINDS][NAMES_HOLDERS + 1];
	uint64_t refused;
} names = { .text = { "", "other" }, .used = 2 };

/* FNV-1a, folded. */
static size_t hash(struct bytes text)
{
	uint64_t value = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < text.size; i++)
		value = (value ^ text.data[i]) * 0x100000001b3ULL;
	return (value ^ value >> 29) & (BUCKETS - 1);
}

static bool same(const char *name, struct bytes text)
{
	return strncmp(name, (const char *)text.data, text.size) == 0 && name[text.size] == '\0';
}

/* Of a text only so much is kept. */
static struct bytes cut(struct bytes text)
{
	text = bytes_first(text, NAME_SIZE - 1);
	return bytes_first(text, text.size ? strnlen((const char *)text.data, text.size) : 0);
}

/* The bucket that holds the text, or the free one where it belongs. */
static size_t find_bucket(struct bytes text)
{
	size_t i = hash(text);

	while (names.bucket[i] && !same(names.text[names.bucket[i]], text))
		i = (i + 1) & (BUCKETS - 1);
	return i;
}

uint16_t names_find(struct bytes text)
{
	text = cut(text);
	if (!text.size)
		return NAME_NONE;
	if (bytes_equal(text, BYTES("other")))
		return NAME_OTHER;
	return names.bucket[find_bucket(text)];
}

static bool has_room(enum name_kind kind, uint32_t holder)
{
	if (holder == NAMES_NOBODY)
		return names.kind_used[kind] < budgets[kind];
	return share_allows(names.held[kind][holder], 1, names.kind_used[kind], budgets[kind]);
}

uint16_t names_intern(enum name_kind kind, struct bytes text)
{
	return names_intern_for(kind, NAMES_NOBODY, text);
}

uint16_t names_intern_for(enum name_kind kind, uint32_t holder, struct bytes text)
{
	uint16_t known = names_find(text);
	char *copy = NULL;
	size_t i;

	text = cut(text);
	if (known != NAME_NONE || !text.size)
		return known;
	if (holder > NAMES_HOLDERS)
		holder = NAMES_HOLDERS;
	i = find_bucket(text);
	if (has_room(kind, holder))
		copy = arena_take(&names.arena, MEMORY_TABLES, text.size + 1);
	if (!copy) {
		names.refused++;
		return NAME_OTHER;
	}
	memcpy(copy, text.data, text.size);
	names.kind_used[kind]++;
	names.held[kind][holder]++;
	names.text[names.used] = copy;
	names.bucket[i] = names.used;
	return names.used++;
}

const char *names_text(uint16_t name)
{
	return name < names.used ? names.text[name] : "";
}

uint64_t names_refused(void)
{
	return names.refused;
}
