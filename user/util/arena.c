/* SPDX-License-Identifier: Apache-2.0 */
#include "util/arena.h"

#define PIECE (32 * 1024)
#define ALIGNMENT 8

struct arena_piece {
	struct arena_piece *next;
	enum memory_use use;
	_Alignas(ALIGNMENT) uint8_t bytes[PIECE];
};

void *arena_take(struct arena *arena, enum memory_use use, size_t size)
{
	struct arena_piece *piece;

	size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	if (size > PIECE)
		return NULL;
	if (size > arena->left) {
		piece = memory_take_zeroed(use, sizeof(*piece));
		if (!piece)
			return NULL;
		piece->use = use;
		piece->next = arena->pieces;
		arena->pieces = piece;
		arena->left = PIECE;
	}
	arena->left -= size;
	return arena->pieces->bytes + (PIECE - arena->left - size);
}

void arena_free(struct arena *arena)
{
	while (arena->pieces) {
		struct arena_piece *piece = arena->pieces;

		arena->pieces = piece->next;
		memory_give(piece->use, piece, sizeof(*piece));
	}
	arena->left = 0;
}
