/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must hold for any request headers. The input is a list of headers: 1 byte length (bit 7:
 * tracestate, else traceparent), so many bytes.
 *
 * What is read fits, is well-formed, and read once more, from one header, is the same.
 */
#include "util/trace_context.h"
#include "require.h"

static bool is_zero(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (bytes[i])
			return false;
	}
	return true;
}

/* The context as version 00 writes it. */
static void check_context(const struct trace_context *context)
{
	struct trace_context again;
	char text[64];
	size_t used = 3;

	if (!context->valid) {
		REQUIRE(is_zero((const uint8_t *)context, sizeof(*context)));
		return;
	}
	memcpy(text, "00-", 3);
	for (size_t i = 0; i < 16; i++)
		used += sprintf(text + used, "%02x", context->trace_id[i]);
	text[used++] = '-';
	for (size_t i = 0; i < 8; i++)
		used += sprintf(text + used, "%02x", context->parent_id[i]);
	used += sprintf(text + used, "-%02x", context->flags);
	REQUIRE(trace_parent_parse((struct bytes){ (uint8_t *)text, used }, &again));
	REQUIRE(!memcmp(&again, context, sizeof(again)));
}

static void check_state(struct bytes state)
{
	static struct trace_headers headers;
	struct bytes again;

	REQUIRE(state.size <= TRACE_STATE_SIZE);
	memset(&headers, 0, sizeof(headers));
	headers.context.valid = true;
	trace_headers_state(&headers, state);
	trace_headers_read(&headers, &again);
	REQUIRE(bytes_equal(state, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct trace_headers headers;
	struct trace_context context;
	struct bytes state;

	memset(&headers, 0, sizeof(headers));
	for (size_t at = 0; at < size;) {
		size_t length = data[at] & 0x7f, left = size - at - 1;
		bool is_state = data[at] & 0x80;
		uint8_t *copy;

		if (is_state)
			length *= 8;
		if (length > left)
			length = left;
		copy = malloc(length ? length : 1);
		memcpy(copy, data + at + 1, length);
		at += 1 + length;
		if (is_state)
			trace_headers_state(&headers, (struct bytes){ copy, length });
		else
			trace_headers_parent(&headers, (struct bytes){ copy, length });
		free(copy);
	}
	context = trace_headers_read(&headers, &state);
	REQUIRE(context.valid || !state.size);
	check_context(&context);
	check_state(state);
	return 0;
}
