/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may be shown of a Redis key: how it is made up. Between ':' and '/' a key has segments. One
 * is shown where it is one or two words of a vocabulary of ours, which holds no names; all others
 * are "?", and so is what follows the second one shown, since whole phrases can be secrets:
 *
 *	user:4711:profile	user:?:profile
 *	session:aZ3-x_9		session:?
 *	rate_limit:10.0.0.1	rate_limit:?
 *	alice@example.com	?
 *	user:alice		user:?
 */
#ifndef ONLOOKER_REDIS_SHAPE_H
#define ONLOOKER_REDIS_SHAPE_H

#include "bytes.h"

#define REDIS_KEY_SIZE 128  /* longer keys are "?" */
#define REDIS_SHAPE_SIZE 80 /* two segments of two words, three "?" and what joins them */

/* Writes a key's shape; returns its size, which is never 0. */
size_t redis_key_shape(struct bytes key, uint8_t out[REDIS_SHAPE_SIZE]);

/* Whether the vocabulary has this word. */
bool redis_shape_word(struct bytes text);

#endif
