/* SPDX-License-Identifier: Apache-2.0 */
#include "export/text.h"

#include <math.h>
#include <stdio.h>

#include "util/clock.h"
#include "util/memory.h"

#define ROOM_LEAST 4096

static bool grow(struct text *text, size_t size)
{
	size_t room = text->room ? text->room : ROOM_LEAST;
	char *data;

	while (room - text->size < size)
		room *= 2;
	data = text->failed ? NULL : memory_take(MEMORY_SCRAPES, room);
	if (!data) {
		text->failed = true;
		return false;
	}
	if (text->size)
		memcpy(data, text->data, text->size);
	memory_give(MEMORY_SCRAPES, text->data, text->room);
	text->data = data;
	text->room = room;
	return true;
}

void text_free(struct text *text)
{
	memory_give(MEMORY_SCRAPES, text->data, text->room);
	text->data = NULL;
	text->size = text->room = 0;
}

bool text_reserve(struct text *text, size_t size)
{
	return (!text->failed && text->room - text->size >= size) || grow(text, size);
}

size_t text_digits(uint64_t value, char *ret)
{
	char digits[20];
	size_t i = sizeof(digits);

	do
		digits[--i] = (char)('0' + value % 10);
	while (value /= 10);
	memcpy(ret, digits + i, sizeof(digits) - i);
	return sizeof(digits) - i;
}

void text_unsigned(struct text *text, uint64_t value)
{
	char digits[20];

	text_put(text, digits, text_digits(value, digits));
}

void text_signed(struct text *text, int64_t value)
{
	if (value < 0)
		text_put(text, "-", 1);
	text_unsigned(text, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void text_seconds(struct text *text, uint64_t ns, bool point)
{
	uint64_t rest = ns % NSEC_PER_SEC;
	char fraction[] = ".000000000";
	size_t size = sizeof(fraction) - 1, i;

	text_unsigned(text, ns / NSEC_PER_SEC);
	for (i = size; rest; rest /= 10)
		fraction[--i] = (char)('0' + rest % 10);
	while (size > 1 && fraction[size - 1] == '0')
		size--;
	if (size > 1)
		text_put(text, fraction, size);
	else if (point)
		text_put(text, ".0", 2);
}

void text_double(struct text *text, double value)
{
	char number[32];

	if (isnan(value))
		text_puts(text, "NaN");
	else if (isinf(value))
		text_puts(text, value > 0 ? "+Inf" : "-Inf");
	else if (value == floor(value) && fabs(value) < 1e15)
		text_signed(text, (int64_t)value);
	else
		text_put(text, number, (size_t)snprintf(number, sizeof(number), "%.15g", value));
}
