/* SPDX-License-Identifier: Apache-2.0 */
#include "export/otlp_encode.h"

#include <endian.h>

#include "util/utf8.h"

#define REPLACEMENT BYTES("\xef\xbf\xbd") /* U+FFFD */

/* trace.proto, enum SpanFlags: whether `remote` is known, and what it is. */
#define FLAG_HAS_REMOTE (1U << 8)
#define FLAG_REMOTE (1U << 9)

_Static_assert((int)SPAN_SERVER == OTLP__SPAN__SPAN_KIND__SPAN_KIND_SERVER, "kind");
_Static_assert((int)SPAN_CLIENT == OTLP__SPAN__SPAN_KIND__SPAN_KIND_CLIENT, "kind");
_Static_assert((int)SPAN_ERROR == OTLP__STATUS__STATUS_CODE__STATUS_CODE_ERROR, "status");

static const char *const keys[SPAN_KEYS] = {
	[SPAN_HTTP_REQUEST_METHOD] = "http.request.method",
	[SPAN_HTTP_RESPONSE_STATUS_CODE] = "http.response.status_code",
	[SPAN_HTTP_ROUTE] = "http.route",
	[SPAN_URL_PATH] = "url.path",
	[SPAN_URL_SCHEME] = "url.scheme",
	[SPAN_SERVER_ADDRESS] = "server.address",
	[SPAN_SERVER_PORT] = "server.port",
	[SPAN_CLIENT_ADDRESS] = "client.address",
	[SPAN_NETWORK_PROTOCOL_VERSION] = "network.protocol.version",
	[SPAN_USER_AGENT_ORIGINAL] = "user_agent.original",
	[SPAN_DB_SYSTEM_NAME] = "db.system.name",
	[SPAN_DB_OPERATION_NAME] = "db.operation.name",
	[SPAN_DB_QUERY_TEXT] = "db.query.text",
	[SPAN_DB_QUERY_SUMMARY] = "db.query.summary",
	[SPAN_DB_NAMESPACE] = "db.namespace",
	[SPAN_DB_RESPONSE_STATUS_CODE] = "db.response.status_code",
	[SPAN_ERROR_TYPE] = "error.type",
	[SPAN_QUEUE_DURATION] = "onlooker.queue.duration",
};

/* ---- texts ---- */

/* The length of the valid UTF-8 that the text begins with. */
static size_t valid_size(struct bytes text)
{
	size_t used = 0, step;

	while (used < text.size) {
		if (text.data[used] < 0x80) {
			used++;
			continue;
		}
		/* A character that is U+FFFD itself is three bytes long. */
		if (utf8_read(bytes_skip(text, used), &step) == UTF8_INVALID && step == 1)
			break;
		used += step;
	}
	return used;
}

/* So much of a text, not within a character: it has three bytes after its first at most. */
static struct bytes cut(struct bytes text, size_t most)
{
	size_t size = most;

	if (text.size <= most)
		return text;
	for (int i = 0; i < 3 && size && (text.data[size] & 0xc0) == 0x80; i++)
		size--;
	return bytes_first(text, size);
}

/* As much as has room of a text, with U+FFFD for each byte that is none. */
static struct bytes repair(struct otlp_encoder *encoder, struct bytes text)
{
	uint8_t *begin = encoder->repaired + encoder->repaired_size, *to = begin;
	uint8_t *end = encoder->repaired + sizeof(encoder->repaired);

	if (end > to + OTLP_TEXT_MOST)
		end = to + OTLP_TEXT_MOST;
	while (text.size > 0) {
		struct bytes valid = bytes_first(text, valid_size(text));
		struct bytes good = cut(valid, (size_t)(end - to));

		to = mempcpy(to, good.data, good.size);
		text = bytes_skip(text, good.size);
		if (!text.size || good.size < valid.size || (size_t)(end - to) < REPLACEMENT.size)
			break;
		to = mempcpy(to, REPLACEMENT.data, REPLACEMENT.size);
		text = bytes_skip(text, 1);
	}
	encoder->repaired_size += (size_t)(to - begin);
	return (struct bytes){ begin, (size_t)(to - begin) };
}

/* One collector refuses the whole batch for a text that is no UTF-8. */
static ProtobufCBinaryData clean(struct otlp_encoder *encoder, struct bytes text)
{
	text = cut(text, OTLP_TEXT_MOST);
	if (valid_size(text) < text.size)
		text = repair(encoder, text);
	return (ProtobufCBinaryData){ text.size, (uint8_t *)text.data };
}

/* ---- attributes ---- */

static Otlp__AnyValue *add(struct otlp_encoder *encoder, const char *key)
{
	static const Otlp__KeyValue pair = OTLP__KEY_VALUE__INIT;
	static const Otlp__AnyValue value = OTLP__ANY_VALUE__INIT;
	size_t i = encoder->count++;

	encoder->pairs[i] = pair;
	encoder->values[i] = value;
	encoder->list[i] = &encoder->pairs[i];
	encoder->pairs[i].key = (char *)key;
	encoder->pairs[i].value = &encoder->values[i];
	return &encoder->values[i];
}

void otlp_encode_text(struct otlp_encoder *encoder, const char *key, struct bytes text)
{
	Otlp__AnyValue *value = add(encoder, key);

	value->value_case = OTLP__ANY_VALUE__VALUE_STRING_VALUE;
	value->string_value = clean(encoder, text);
}

void otlp_encode_integer(struct otlp_encoder *encoder, const char *key, int64_t integer)
{
	Otlp__AnyValue *value = add(encoder, key);

	value->value_case = OTLP__ANY_VALUE__VALUE_INT_VALUE;
	value->int_value = integer;
}

static void add_attribute(struct otlp_encoder *encoder, const struct span_attribute *attribute)
{
	const char *key = keys[attribute->key];
	Otlp__AnyValue *value;

	switch (attribute->type) {
	case SPAN_TEXT:
		otlp_encode_text(encoder, key, attribute->text);
		break;
	case SPAN_INTEGER:
		otlp_encode_integer(encoder, key, attribute->integer);
		break;
	default:
		value = add(encoder, key);
		value->value_case = OTLP__ANY_VALUE__VALUE_DOUBLE_VALUE;
		value->double_value = attribute->real;
	}
}

/* ---- spans ---- */

static ProtobufCBinaryData view(uint8_t *data, size_t size)
{
	return (ProtobufCBinaryData){ size, data };
}

static void begin(struct otlp_encoder *encoder)
{
	encoder->count = 0;
	encoder->repaired_size = 0;
}

size_t otlp_encode_span(struct otlp_encoder *encoder, const struct span *span)
{
	static const Otlp__Span init = OTLP__SPAN__INIT;
	static const Otlp__Status status = OTLP__STATUS__INIT;
	uint64_t id = htobe64(span->id), parent = htobe64(span->parent);
	Otlp__Span *to = &encoder->span;

	begin(encoder);
	*to = init;
	memcpy(encoder->trace, span->trace, sizeof(encoder->trace));
	memcpy(encoder->id, &id, sizeof(id));
	memcpy(encoder->parent, &parent, sizeof(parent));
	to->trace_id = view(encoder->trace, sizeof(encoder->trace));
	to->span_id = view(encoder->id, sizeof(encoder->id));
	to->parent_span_id = view(encoder->parent, parent ? sizeof(encoder->parent) : 0);
	to->flags = span->flags | FLAG_HAS_REMOTE | (span->remote ? FLAG_REMOTE : 0);
	to->trace_state = clean(encoder, span->state);
	to->name = clean(encoder, span->name);
	to->kind = (Otlp__Span__SpanKind)span->kind;
	if (span->status != SPAN_UNSET) {
		encoder->status = status;
		encoder->status.code = (Otlp__Status__StatusCode)span->status;
		to->status = &encoder->status;
	}
	for (size_t i = 0; i < span->attribute_count; i++)
		add_attribute(encoder, &span->attributes[i]);
	to->attributes = encoder->list;
	to->n_attributes = encoder->count;
	return otlp__span__get_packed_size(to);
}

void otlp_encode_span_write(const struct otlp_encoder *encoder, uint8_t *ret)
{
	otlp__span__pack(&encoder->span, ret);
}

void otlp_encode_times(uint64_t begin_ns, uint64_t end_ns, uint8_t ret[OTLP_TIMES_SIZE])
{
	Otlp__SpanTimes times = OTLP__SPAN_TIMES__INIT;

	times.start_time_unix_nano = begin_ns;
	times.end_time_unix_nano = end_ns;
	otlp__span_times__pack(&times, ret);
}

/* ---- resources ---- */

void otlp_encode_resource(struct otlp_encoder *encoder)
{
	begin(encoder);
}

size_t otlp_encode_resource_size(struct otlp_encoder *encoder)
{
	static const Otlp__Resource init = OTLP__RESOURCE__INIT;

	encoder->resource = init;
	encoder->resource.attributes = encoder->list;
	encoder->resource.n_attributes = encoder->count;
	return otlp__resource__get_packed_size(&encoder->resource);
}

void otlp_encode_resource_write(const struct otlp_encoder *encoder, uint8_t *ret)
{
	otlp__resource__pack(&encoder->resource, ret);
}
