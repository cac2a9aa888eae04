/* SPDX-License-Identifier: Apache-2.0 */
/* Spans and resources as messages of OTLP, serialised into memory that is there already. */
#ifndef ONLOOKER_OTLP_ENCODE_H
#define ONLOOKER_OTLP_ENCODE_H

#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "otlp.pb-c.h"
#include "span.h"

#define OTLP_TIMES_SIZE 18		   /* of a serialised SpanTimes: two tags, two fixed64 */
#define OTLP_TEXT_MOST 4096		   /* bytes of a text; longer ones are cut */
#define OTLP_ATTRIBUTES 96		   /* of one message at most */
#define OTLP_SPAN_MOST ((size_t)128 << 10) /* bytes of a span whose texts are the longest */
#define OTLP_REPAIRED 8192 /* bytes of those texts of a message that were no UTF-8 */

/* A message being made. Some 16 KB: one for each thread, kept. */
struct otlp_encoder {
	Otlp__Span span;
	Otlp__Status status;
	Otlp__Resource resource;
	Otlp__KeyValue pairs[OTLP_ATTRIBUTES];
	Otlp__AnyValue values[OTLP_ATTRIBUTES];
	Otlp__KeyValue *list[OTLP_ATTRIBUTES];
	size_t count; /* attributes */
	uint8_t trace[SPAN_TRACE_SIZE], id[sizeof(uint64_t)], parent[sizeof(uint64_t)];
	uint8_t repaired[OTLP_REPAIRED];
	size_t repaired_size;
};

/*
 * Lays a span out, all but its times; returns how many bytes it takes, which
 * otlp_encode_span_write() then writes. The span's views must hold until then.
 */
size_t otlp_encode_span(struct otlp_encoder *encoder, const struct span *span);
void otlp_encode_span_write(const struct otlp_encoder *encoder, uint8_t *ret);

/* A resource: begun, then its attributes, then its size, then written. Texts as above. */
void otlp_encode_resource(struct otlp_encoder *encoder);
void otlp_encode_text(struct otlp_encoder *encoder, const char *key, struct bytes text);
void otlp_encode_integer(struct otlp_encoder *encoder, const char *key, int64_t value);
size_t otlp_encode_resource_size(struct otlp_encoder *encoder);
void otlp_encode_resource_write(const struct otlp_encoder *encoder, uint8_t *ret);

/* A serialised SpanTimes; neither may be 0. Wall-clock ns. */
void otlp_encode_times(uint64_t begin, uint64_t end, uint8_t ret[OTLP_TIMES_SIZE]);

#endif
