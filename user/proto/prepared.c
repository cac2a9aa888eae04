/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/prepared.h"

_Static_assert(PREPARED_LIMIT < PREPARED_SLOTS, "a probe ends at a free slot");
_Static_assert(PREPARED_SLOTS <= 256, "a slot's number is a byte");

#define MASK (PREPARED_SLOTS - 1)

uint32_t prepared_key(uint8_t kind, struct bytes name)
{
	uint64_t sum = (0xcbf29ce484222325ULL ^ kind) * 0x100000001b3ULL;
	uint32_t key;

	for (size_t i = 0; i < name.size; i++)
		sum = (sum ^ name.data[i]) * 0x100000001b3ULL;
	key = sum ^ sum >> 32;
	return key ? key : 1;
}

/* The slot of the key, or the free one where it would go. */
static unsigned int slot_of(const struct prepared *prepared, uint32_t key)
{
	unsigned int slot = (key ^ key >> 16) & MASK;

	while (prepared->keys[slot] && prepared->keys[slot] != key)
		slot = (slot + 1) & MASK;
	return slot;
}

uint8_t *prepared_find(struct prepared *prepared, uint32_t key)
{
	unsigned int slot = slot_of(prepared, key);

	return prepared->keys[slot] ? &prepared->values[slot] : NULL;
}

/* Frees a slot; those behind it move up, so that each is still found from where it belongs. */
static void slot_free(struct prepared *prepared, unsigned int hole)
{
	unsigned int slot = hole;

	for (;;) {
		uint32_t key;
		unsigned int home;

		prepared->keys[hole] = 0;
		do {
			slot = (slot + 1) & MASK;
			key = prepared->keys[slot];
			home = (key ^ key >> 16) & MASK;
		} while (key && ((slot - home) & MASK) < ((slot - hole) & MASK));
		if (!key)
			break;
		prepared->keys[hole] = key;
		prepared->values[hole] = prepared->values[slot];
		hole = slot;
	}
	prepared->count--;
}

void prepared_put(struct prepared *prepared, uint32_t key, uint8_t value)
{
	unsigned int slot = slot_of(prepared, key);

	if (!prepared->keys[slot] && prepared->count >= PREPARED_LIMIT) {
		while (!prepared->keys[prepared->victim & MASK])
			prepared->victim++;
		slot_free(prepared, prepared->victim++ & MASK);
		slot = slot_of(prepared, key);
	}
	if (!prepared->keys[slot]) {
		prepared->keys[slot] = key;
		prepared->count++;
	}
	prepared->values[slot] = value;
}

void prepared_remove(struct prepared *prepared, uint32_t key)
{
	unsigned int slot = slot_of(prepared, key);

	if (prepared->keys[slot])
		slot_free(prepared, slot);
}
