/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/budget.h"

#include <errno.h>
#include <stdlib.h>

#include "util/memory.h"
#include "util/share.h"

#define SLOTS_LEAST 256 /* a power of two */

struct holder {
	uint16_t used;
	bool closed;
};

struct budget {
	uint32_t *slots; /* identity and name; 0: free, as no service needs to be admitted NAME_NONE
			  */
	size_t mask;
	size_t used;
	size_t identities;
	struct holder holders[];
};

int budget_new(size_t identities, struct budget **ret)
{
	struct budget *budget = calloc(1, sizeof(*budget) + identities * sizeof(struct holder));
	uint32_t *slots = memory_take_zeroed(MEMORY_TABLES, SLOTS_LEAST * sizeof(*slots));

	if (!budget || !slots) {
		free(budget);
		memory_give(MEMORY_TABLES, slots, SLOTS_LEAST * sizeof(*slots));
		return -ENOMEM;
	}
	budget->slots = slots;
	budget->mask = SLOTS_LEAST - 1;
	budget->identities = identities;
	*ret = budget;
	return 0;
}

void budget_free(struct budget *budget)
{
	if (!budget)
		return;
	memory_give(MEMORY_TABLES, budget->slots, (budget->mask + 1) * sizeof(*budget->slots));
	free(budget);
}

/* The slot that holds `key`, or the free one where it belongs. */
static uint32_t *find_slot(uint32_t *slots, size_t mask, uint32_t key)
{
	size_t i = (key * 0x9e3779b97f4a7c15ULL) >> 32 & mask;

	while (slots[i] && slots[i] != key)
		i = (i + 1) & mask;
	return &slots[i];
}

/* Keeps the table at most half full. */
static bool make_room(struct budget *budget)
{
	size_t mask = budget->mask * 2 + 1;
	uint32_t *slots;

	if (budget->used * 2 < budget->mask)
		return true;
	slots = memory_take_zeroed(MEMORY_TABLES, (mask + 1) * sizeof(*slots));
	if (!slots)
		return false;
	for (size_t i = 0; i <= budget->mask; i++)
		if (budget->slots[i])
			*find_slot(slots, mask, budget->slots[i]) = budget->slots[i];
	memory_give(MEMORY_TABLES, budget->slots, (budget->mask + 1) * sizeof(*budget->slots));
	budget->slots = slots;
	budget->mask = mask;
	return true;
}

bool budget_full(const struct budget *budget, uint32_t identity, uint64_t limit)
{
	return identity >= budget->identities || budget->holders[identity].used >= limit ||
	       !share_allows(budget->holders[identity].used, 1, budget->used, BUDGET_LIMIT);
}

bool budget_admit(struct budget *budget, uint32_t identity, uint16_t name, uint64_t limit,
		  bool final)
{
	uint32_t key = identity << 16 | name;
	struct holder *holder;

	if (name == 0)
		return true;
	if (identity >= budget->identities)
		return false;
	if (*find_slot(budget->slots, budget->mask, key) == key)
		return true;
	holder = &budget->holders[identity];
	if (holder->closed || budget_full(budget, identity, limit) || !make_room(budget)) {
		holder->closed = final;
		return false;
	}
	*find_slot(budget->slots, budget->mask, key) = key;
	budget->used++;
	holder->used++;
	return true;
}
