/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 (RFC 3629) read one character at a time, for texts that anyone may have written. */
#ifndef ONLOOKER_UTF8_H
#define ONLOOKER_UTF8_H

#include "bytes.h"

#define UTF8_INVALID 0xfffdU /* U+FFFD: what a byte that begins no valid sequence is read as */

/*
 * The first character of `in`, which is not empty, and in *ret_size the bytes it takes. A byte that
 * begins no valid, shortest-form sequence is UTF8_INVALID and one byte long.
 */
static inline uint32_t utf8_read(struct bytes in, size_t *ret_size)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const uint8_t *p = in.data;
	size_t size = p[0] < 0x80 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	uint32_t code = p[0];
	size_t i;

	*ret_size = 1;
	if (size == 1)
		return code;
	if (p[0] < 0xc2 || p[0] > 0xf4 || size > in.size)
		return UTF8_INVALID;
	code = p[0] & (0x7f >> size);
	for (i = 1; i < size; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return UTF8_INVALID;
		code = code << 6 | (p[i] & 0x3f);
	}
	if (code < least[size] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return UTF8_INVALID;
	*ret_size = size;
	return code;
}

/* Characters that move the cursor or change the terminal: C0, DEL and C1. */
static inline bool utf8_is_control(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0);
}

/* The text is valid and has no control characters. */
static inline bool utf8_is_clean(struct bytes text)
{
	size_t size;

	for (; text.size; text = bytes_skip(text, size)) {
		uint32_t code = utf8_read(text, &size);

		if (code == UTF8_INVALID || utf8_is_control(code))
			return false;
	}
	return true;
}

/*
 * Copies a text so that it is valid UTF-8 without control characters ('_' in their place), at most
 * size - 1 bytes, cut between characters.
 */
static inline void utf8_copy(char *ret, size_t size, const char *text)
{
	struct bytes in = { (const uint8_t *)text, strlen(text) };
	size_t used = 0, step;

	while (in.size > 0) {
		uint32_t code = utf8_read(in, &step);

		if (used + step >= size)
			break;
		if (code == UTF8_INVALID || utf8_is_control(code)) {
			ret[used++] = '_';
		} else {
			memcpy(ret + used, in.data, step);
			used += step;
		}
		in = bytes_skip(in, step);
	}
	ret[used] = '\0';
}

#endif
