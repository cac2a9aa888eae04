/* SPDX-License-Identifier: Apache-2.0 */
/* Borrowed bytes: a view that owns nothing and is never NUL-terminated. */
#ifndef ONLOOKER_BYTES_H
#define ONLOOKER_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
	const uint8_t *data;
	size_t size;
};

/* A view of a string literal. */
#define BYTES(literal) ((struct bytes){ (const uint8_t *)(literal), sizeof(literal) - 1 })

/* The view without its first n bytes; n beyond the end leaves an empty view. */
static inline struct bytes bytes_skip(struct bytes b, size_t n)
{
	if (n > b.size)
		n = b.size;
	if (!n)
		return b; /* NULL has no offsets, not even 0 */
	return (struct bytes){ b.data + n, b.size - n };
}

/* The first n bytes of the view, or all of it where it is shorter. */
static inline struct bytes bytes_first(struct bytes b, size_t n)
{
	return (struct bytes){ b.data, n < b.size ? n : b.size };
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool bytes_begin(struct bytes b, struct bytes prefix)
{
	return b.size >= prefix.size &&
	       (prefix.size == 0 || memcmp(b.data, prefix.data, prefix.size) == 0);
}

#endif
