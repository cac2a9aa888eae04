/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names that a database session has given to statements and portals, each with a byte of the
 * caller's: a table of fixed size inside a connection's state. Names are known by their checksum.
 * When it is full a new name takes the place of another one, which is then unknown.
 */
#ifndef ONLOOKER_PREPARED_H
#define ONLOOKER_PREPARED_H

#include "bytes.h"

#define PREPARED_SLOTS 256 /* a power of two */
#define PREPARED_LIMIT 224

struct prepared {
	uint32_t keys[PREPARED_SLOTS]; /* 0: free */
	uint8_t values[PREPARED_SLOTS];
	uint16_t count;
	uint8_t victim; /* where to look for the next one to be forgotten */
};

/* The key of a name of a kind (any character): never 0. */
uint32_t prepared_key(uint8_t kind, struct bytes name);

/* The value of a name, or NULL where it is not known; valid until the next put or remove. */
uint8_t *prepared_find(struct prepared *prepared, uint32_t key);

/* Gives a name a value, in place of the one it had. */
void prepared_put(struct prepared *prepared, uint32_t key, uint8_t value);

/* Forgets a name, if it is known. */
void prepared_remove(struct prepared *prepared, uint32_t key);

#endif
