/* SPDX-License-Identifier: Apache-2.0 */
#include "util/trace_context.h"

#define PARENT_SIZE 55 /* version 00: nothing follows the flags */
#define VERSION_FORBIDDEN 0xff
#define KEY_SIZE 256
#define VALUE_SIZE 256

/* OWS of RFC 9110 section 5.6.3. */
static struct bytes trim(struct bytes text)
{
	while (text.size && (text.data[0] == ' ' || text.data[0] == '\t'))
		text = bytes_skip(text, 1);
	while (text.size && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t'))
		text.size--;
	return text;
}

/* ---- traceparent ---- */

/* HEXDIGLC: upper-case letters are none. */
static int digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* So many bytes written as twice as many digits. False: they are not. */
static bool hex(const uint8_t *text, uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		bytes[i] = high << 4 | low;
	}
	return true;
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < size; i++)
		sum |= bytes[i];
	return !sum;
}

/*
 *	0  3                                36               53 55
 *	00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
 *
 * Versions after 00 may add fields after a dash.
 */
bool trace_parent_parse(struct bytes value, struct trace_context *ret)
{
	struct trace_context context = { .valid = true };
	const uint8_t *text;
	uint8_t version;

	value = trim(value);
	text = value.data;
	if (value.size < PARENT_SIZE || text[2] != '-' || text[35] != '-' || text[52] != '-')
		return false;
	if (!hex(text, &version, 1) || version == VERSION_FORBIDDEN)
		return false;
	if (value.size > PARENT_SIZE && (!version || text[PARENT_SIZE] != '-'))
		return false;
	if (!hex(text + 3, context.trace_id, sizeof(context.trace_id)) ||
	    !hex(text + 36, context.parent_id, sizeof(context.parent_id)) ||
	    !hex(text + 53, &context.flags, 1))
		return false;
	if (is_zero(context.trace_id, sizeof(context.trace_id)) ||
	    is_zero(context.parent_id, sizeof(context.parent_id)))
		return false;
	context.flags &= TRACE_SAMPLED | TRACE_RANDOM;
	*ret = context;
	return true;
}

void trace_headers_parent(struct trace_headers *headers, struct bytes value)
{
	headers->parents += headers->parents < UINT8_MAX;
	if (headers->parents > 1 || !trace_parent_parse(value, &headers->context))
		headers->context = (struct trace_context){ 0 };
}

/* ---- tracestate ---- */

static bool key_character(uint8_t c, bool first)
{
	if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
		return true;
	return !first && c && memchr("_-*/@", c, 5);
}

/* key "=" value; *ret_key its checksum. */
static bool member_parse(struct bytes member, uint64_t *ret_key)
{
	const uint8_t *equals = memchr(member.data, '=', member.size);
	size_t key = equals ? (size_t)(equals - member.data) : 0;
	struct bytes value = bytes_skip(member, key + 1);
	uint64_t sum = 0xcbf29ce484222325ULL;

	if (!key || key > KEY_SIZE || !value.size || value.size > VALUE_SIZE)
		return false;
	for (size_t i = 0; i < key; i++) {
		if (!key_character(member.data[i], i == 0))
			return false;
		sum = (sum ^ member.data[i]) * 0x100000001b3ULL;
	}
	for (size_t i = 0; i < value.size; i++) {
		uint8_t c = value.data[i];

		if (c < ' ' || c > '~' || c == '=')
			return false;
	}
	*ret_key = sum;
	return true;
}

/* Takes out the last member of those kept that is a large one. False: there is none. */
static bool drop_large(struct trace_headers *headers)
{
	size_t end = headers->state_size;

	while (end) {
		size_t begin = end;

		while (begin && headers->state[begin - 1] != ',')
			begin--;
		if (end - begin > TRACE_STATE_LARGE) {
			/* With the comma after it, or else the one before it. */
			bool last = end == headers->state_size;
			size_t to = begin - (last && begin);
			size_t from = end + !last;

			memmove(headers->state + to, headers->state + from,
				headers->state_size - from);
			headers->state_size -= from - to;
			return true;
		}
		end = begin - (begin != 0);
	}
	return false;
}

/* Whole members are left out: the large ones first, then those at the end. */
static void member_keep(struct trace_headers *headers, struct bytes member)
{
	size_t comma = headers->state_size != 0;

	if (headers->state_full)
		return;
	while (headers->state_size + comma + member.size > TRACE_STATE_SIZE) {
		if (member.size > TRACE_STATE_LARGE)
			return;
		if (!drop_large(headers)) {
			headers->state_full = true;
			return;
		}
		comma = headers->state_size != 0;
	}
	if (comma)
		headers->state[headers->state_size++] = ',';
	memcpy(headers->state + headers->state_size, member.data, member.size);
	headers->state_size += member.size;
}

static bool member_take(struct trace_headers *headers, struct bytes member)
{
	uint64_t key;

	if (!member.size)
		return true;
	if (headers->members == TRACE_STATE_MEMBERS || !member_parse(member, &key))
		return false;
	for (unsigned int i = 0; i < headers->members; i++) {
		if (headers->keys[i] == key)
			return false;
	}
	headers->keys[headers->members++] = key;
	member_keep(headers, member);
	return true;
}

void trace_headers_state(struct trace_headers *headers, struct bytes value)
{
	while (value.size && !headers->state_bad) {
		const uint8_t *comma = memchr(value.data, ',', value.size);
		size_t size = comma ? (size_t)(comma - value.data) : value.size;

		headers->state_bad = !member_take(headers, trim(bytes_first(value, size)));
		value = bytes_skip(value, size + 1);
	}
}

struct trace_context trace_headers_read(const struct trace_headers *headers,
					struct bytes *ret_state)
{
	bool shown = headers->context.valid && !headers->state_bad;

	*ret_state = (struct bytes){ headers->state, shown ? headers->state_size : 0 };
	return headers->context;
}
