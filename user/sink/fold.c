/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/fold.h"

#include "sink/target.h"
#include "util/utf8.h"

#define HEX_LEAST 8
#define TOKEN_LEAST 20
#define DIGITS_IN_ROW 4
#define TURNS_LEAST 4 /* between letters and digits */

#define PLACEHOLDER BYTES("{id}")

/* What a segment consists of. */
struct census {
	size_t digits, letters, others;
	size_t hex; /* hexadecimal digits */
	size_t dashes;
	size_t row;	/* the longest row of decimal digits */
	size_t turns;	/* from letters to digits and back */
	size_t changes; /* of case between neighbours */
};

enum kind {
	KIND_OTHER,
	KIND_DIGIT,
	KIND_LOWER,
	KIND_UPPER,
};

static enum kind kind_of(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return KIND_DIGIT;
	if (c >= 'a' && c <= 'z')
		return KIND_LOWER;
	return c >= 'A' && c <= 'Z' ? KIND_UPPER : KIND_OTHER;
}

/* Bytes of UTF-8 beyond ASCII are letters of some script. */
static struct census take_census(struct bytes s)
{
	enum kind before = KIND_OTHER, last = KIND_OTHER; /* last: but others */
	struct census census = { 0 };
	size_t row = 0;

	for (size_t i = 0; i < s.size; i++) {
		uint8_t c = s.data[i];
		enum kind kind = kind_of(c);

		census.digits += kind == KIND_DIGIT;
		census.letters += kind >= KIND_LOWER || c >= 0x80;
		census.others += kind == KIND_OTHER && c < 0x80;
		census.dashes += c == '-';
		census.hex += kind == KIND_DIGIT || (kind >= KIND_LOWER && (c | 0x20) <= 'f');
		row = kind == KIND_DIGIT ? row + 1 : 0;
		if (row > census.row)
			census.row = row;
		if (kind >= KIND_LOWER && before >= KIND_LOWER)
			census.changes += kind != before;
		if (kind != KIND_OTHER && last != KIND_OTHER)
			census.turns += (kind == KIND_DIGIT) != (last == KIND_DIGIT);
		before = kind;
		last = kind != KIND_OTHER ? kind : last;
	}
	return census;
}

static bool is_digit(uint8_t c)
{
	return kind_of(c) == KIND_DIGIT;
}

/* YYYY-MM-DD and whatever follows. */
static bool begins_with_date(struct bytes s)
{
	static const uint8_t digits[] = { 0, 1, 2, 3, 5, 6, 8, 9 };

	if (s.size < 10 || s.data[4] != '-' || s.data[7] != '-')
		return false;
	for (size_t i = 0; i < sizeof(digits); i++)
		if (!is_digit(s.data[digits[i]]))
			return false;
	return true;
}

static bool ends_with(struct bytes s, struct bytes end)
{
	return s.size >= end.size && memcmp(s.data + s.size - end.size, end.data, end.size) == 0;
}

static bool is_email(struct bytes s)
{
	const uint8_t *at = memchr(s.data, '@', s.size);

	if (at)
		return at > s.data && at + 1 < s.data + s.size;
	at = memmem(s.data, s.size, "%40", 3);
	return at && at > s.data && at + 3 < s.data + s.size;
}

static bool is_base64(struct bytes s)
{
	return s.size >= HEX_LEAST && (ends_with(s, BYTES("=")) || ends_with(s, BYTES("%3D")) ||
				       ends_with(s, BYTES("%3d")));
}

/* UUIDs too, in braces also. */
static bool is_hex(const struct census *census)
{
	size_t punctuation = census->others;

	if (census->hex < HEX_LEAST || !census->digits ||
	    census->hex != census->digits + census->letters)
		return false;
	return punctuation == 0 || (census->hex == 32 && census->dashes == 4 && punctuation <= 6);
}

static bool is_token(struct bytes s, const struct census *census)
{
	if (s.size < TOKEN_LEAST || !census->letters)
		return false;
	return census->digits || census->changes >= s.size / 3;
}

bool fold_variable(struct bytes segment)
{
	struct bytes s = segment;
	struct census census;

	if (!s.size)
		return false;
	census = take_census(s);
	if (census.digits && !census.letters)
		return true;
	if (census.row >= DIGITS_IN_ROW || begins_with_date(s) || is_hex(&census))
		return true;
	if (s.size >= HEX_LEAST && census.turns >= TURNS_LEAST)
		return true;
	return is_token(s, &census) || is_email(s) || is_base64(s);
}

/* Appends as many whole characters as fit into `room`, made harmless. Returns the bytes written. */
static size_t put(char *ret, size_t room, struct bytes in)
{
	size_t used = 0, step;

	while (in.size > 0) {
		uint32_t code = utf8_read(in, &step);
		bool harmless = code != UTF8_INVALID && !utf8_is_control(code);

		if (used + (harmless ? step : 1) > room)
			break;
		if (harmless)
			memcpy(ret + used, in.data, step);
		else
			ret[used] = '_';
		used += harmless ? step : 1;
		in = bytes_skip(in, step);
	}
	return used;
}

size_t fold_path(struct bytes path, char *ret, size_t size)
{
	size_t room = size - 1, used = 0;

	while (path.size > 0 && used < room) {
		struct bytes text, segment = target_segment(path, &text);

		if (fold_variable(text))
			text = PLACEHOLDER;
		used += put(ret + used, room - used, text);
		path = bytes_skip(path, segment.size);
		if (path.size > 0 && used < room) {
			ret[used++] = '/';
			path = bytes_skip(path, 1);
		}
	}
	ret[used] = '\0';
	return used;
}
