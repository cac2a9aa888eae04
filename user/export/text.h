/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A text that grows as it is written. Without memory it becomes, and stays, `failed`: what is
 * written then is dropped, so that only the end needs to look.
 */
#ifndef ONLOOKER_TEXT_H
#define ONLOOKER_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct text {
	char *data; /* whoever has the struct owns it: text_free() */
	size_t size, room;
	bool failed;
};

/* Frees what was written; the text is empty then. */
void text_free(struct text *text);

/* Makes room for `size` more bytes. False: there is none. */
bool text_reserve(struct text *text, size_t size);

/* Decimal digits into `ret`, which has room for 20; returns how many. */
size_t text_digits(uint64_t value, char *ret);

void text_unsigned(struct text *text, uint64_t value);
void text_signed(struct text *text, int64_t value);

/* Nanoseconds as seconds, exactly and as short as can be; with `point`, 1 is "1.0". */
void text_seconds(struct text *text, uint64_t ns, bool point);

/* A number as the text formats want it: whole ones without a point, NaN, +Inf and -Inf by name. */
void text_double(struct text *text, double value);

static inline void text_put(struct text *text, const char *data, size_t size)
{
	if (!text_reserve(text, size))
		return;
	memcpy(text->data + text->size, data, size);
	text->size += size;
}

static inline void text_puts(struct text *text, const char *string)
{
	text_put(text, string, strlen(string));
}

#endif
