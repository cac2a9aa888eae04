/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/verdict.h"

#define SKIP_LEAST 16384     /* a shorter skip is not worth telling */
#define SKIP_MOST (1U << 30) /* positions in the verdict wrap */
#define SEARCH_TRIES 64	     /* midway: from then on only the beginnings of calls are looked at */
#define SEARCH_BYTES 1024

static void tell_skip(struct entry *entry, struct slot *slot, unsigned int direction)
{
	uint64_t edge = entry->edge[direction];
	uint64_t until = conversation_skips(&entry->conversation, direction);

	if (until >= edge + SKIP_LEAST) {
		if (until > edge + SKIP_MOST)
			until = edge + SKIP_MOST;
		slot->until[direction] = entry_narrow(entry, direction, until);
		__atomic_store_n(&slot->skipping[direction], 1, __ATOMIC_RELEASE);
		entry->told_skip[direction] = true;
	} else if (entry->told_skip[direction]) {
		__atomic_store_n(&slot->skipping[direction], 0, __ATOMIC_RELAXED);
		entry->told_skip[direction] = false;
	}
}

void verdict_tell(struct entry *entry, struct slot *slot)
{
	bool searching = conversation_searches(&entry->conversation, SEARCH_TRIES);
	uint32_t limit = searching ? SEARCH_BYTES : UINT32_MAX;

	if (conversation_deaf(&entry->conversation)) {
		slot->ignore = 1;
		return;
	}
	if (slot->hurried && !entry->conversation.pair.waiting.count)
		slot->hurried = 0;
	for (unsigned int i = 0; i < 2; i++) {
		tell_skip(entry, slot, i);
		if (slot->limit[i] != limit)
			slot->limit[i] = limit;
	}
}
