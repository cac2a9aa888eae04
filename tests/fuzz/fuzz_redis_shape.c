/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must hold for any Redis key, the input: the shape fits, is at most four words of the
 * vocabulary and marks between them, and is the shape of such a shape. A key that differs in what
 * is not shown has a shape that differs in nothing.
 */
#include "proto/redis_shape.h"
#include "require.h"

static void check_words(const uint8_t *shape, size_t size)
{
	unsigned int shown = 0;

	for (size_t i = 0; i < size;) {
		size_t length = 0;

		while (i + length < size && shape[i + length] >= 'a' && shape[i + length] <= 'z')
			length++;
		if (length)
			REQUIRE(redis_shape_word((struct bytes){ shape + i, length }));
		else
			REQUIRE(memchr(":/?_-.", shape[i], 6));
		shown += length != 0;
		i += length ? length : 1;
	}
	REQUIRE(shown <= 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t shape[REDIS_SHAPE_SIZE], again[REDIS_SHAPE_SIZE];
	uint8_t *copy = malloc(size ? size : 1);
	size_t length, other;

	if (size)
		memcpy(copy, data, size);
	length = redis_key_shape((struct bytes){ copy, size }, shape);
	REQUIRE(length && length <= REDIS_SHAPE_SIZE);
	check_words(shape, length);
	other = redis_key_shape((struct bytes){ shape, length }, again);
	REQUIRE(other == length && !memcmp(shape, again, length));
	for (size_t i = 0; i < size; i++) {
		if (copy[i] >= '0' && copy[i] <= '9')
			copy[i] = '0' + (copy[i] + 7) % 10;
		else if (copy[i] >= 'A' && copy[i] <= 'Z')
			copy[i] ^= 1;
	}
	other = redis_key_shape((struct bytes){ copy, size }, again);
	REQUIRE(other == length && !memcmp(shape, again, length));
	free(copy);
	return 0;
}
