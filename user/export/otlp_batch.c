/* SPDX-License-Identifier: Apache-2.0 */
#include "export/otlp_batch.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

#include "export/otlp_encode.h"
#include "export/otlp_resource.h"
#include "util/clock.h"
#include "util/memory.h"
#include "version.h"

#define WINDOW_BITS (15 + 16) /* zlib.h: 16 more asks for the header of gzip */
#define MEMORY_LEVEL 8
#define HEAD_MOST 8   /* bytes of a span's tag and length */
#define GROUP_MOST 64 /* those of a resource, and the scope */
#define READINGS 4

struct resource {
	uint8_t data[OTLP_RESOURCE_MOST];
	size_t size;
	size_t spans; /* in this batch */
	size_t next;  /* where the next one goes in `sorted` */
};

struct otlp_batch {
	size_t spans_most, bytes_most;
	bool compress;
	z_stream stream;
	struct resource resources[OTLP_SLOTS];
	/* The message. */
	Otlp__InstrumentationScope scope;
	Otlp__ResourceSpans groups[OTLP_SLOTS], *group_list[OTLP_SLOTS];
	Otlp__ScopeSpans scoped[OTLP_SLOTS], *scoped_list[OTLP_SLOTS];
	size_t count;
	struct otlp_record **records; /* spans_most, as they came */
	ProtobufCBinaryData *sorted;  /* spans_most, by resource */
	uint8_t *body;
	size_t body_size, body_room;
};

/* ---- memory ---- */

/* For requests that reach `bytes` with their last span; what cannot be packed grows a bit. */
static size_t room_for(size_t bytes)
{
	size_t most = bytes + OTLP_SPAN_MOST + HEAD_MOST + OTLP_RESOURCE_MOST + GROUP_MOST;

	return most + most / 256 + 4096;
}

/* zlib's own memory is asked for once, and is of a fixed size. */
static int begin_stream(z_stream *stream)
{
	return deflateInit2(stream, Z_BEST_SPEED, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL,
			    Z_DEFAULT_STRATEGY) == Z_OK ?
		       0 :
		       -ENOMEM;
}

int otlp_batch_new(const struct config_traces *config, struct otlp_batch **ret)
{
	struct otlp_batch *batch = memory_take_zeroed(MEMORY_FIXED, sizeof(*batch));
	size_t most = config->batch < config->queue ? config->batch : config->queue;

	if (!batch)
		return -ENOMEM;
	batch->spans_most = most;
	batch->bytes_most = most * CONFIG_SPAN_BYTES;
	batch->body_room = room_for(batch->bytes_most);
	batch->records = memory_take(MEMORY_FIXED, most * sizeof(*batch->records));
	batch->sorted = memory_take(MEMORY_FIXED, most * sizeof(*batch->sorted));
	batch->body = memory_take_zeroed(MEMORY_FIXED, batch->body_room);
	batch->compress = config->compression == COMPRESSION_GZIP;
	if (!batch->records || !batch->sorted || !batch->body ||
	    (batch->compress && begin_stream(&batch->stream))) {
		batch->compress = false;
		otlp_batch_free(batch);
		return -ENOMEM;
	}
	*ret = batch;
	return 0;
}

void otlp_batch_free(struct otlp_batch *batch)
{
	if (!batch)
		return;
	if (batch->compress)
		deflateEnd(&batch->stream);
	memory_give(MEMORY_FIXED, batch->body, batch->body_room);
	memory_give(MEMORY_FIXED, batch->sorted, batch->spans_most * sizeof(*batch->sorted));
	memory_give(MEMORY_FIXED, batch->records, batch->spans_most * sizeof(*batch->records));
	memory_give(MEMORY_FIXED, batch, sizeof(*batch));
}

/* ---- taking ---- */

/* False: spans of the resource that had the slot until now are in this batch. */
static bool take_resource(struct otlp_batch *batch, const struct otlp_record *record)
{
	struct resource *resource = &batch->resources[record->slot];

	if (resource->spans)
		return false;
	memcpy(resource->data, record->data, record->bytes);
	resource->size = record->bytes;
	return true;
}

/* Returns how much longer it makes the request. */
static size_t take_span(struct otlp_batch *batch, struct otlp_record *record)
{
	struct resource *resource = &batch->resources[record->slot];
	size_t bytes = record->bytes + HEAD_MOST;

	batch->records[batch->count++] = record;
	if (!resource->spans++)
		bytes += resource->size + GROUP_MOST;
	return bytes;
}

static void take(struct otlp_batch *batch, struct otlp_queue *queue)
{
	struct otlp_record *record;
	size_t bytes = 0;

	for (int i = 0; i < OTLP_SLOTS; i++)
		batch->resources[i].spans = 0;
	batch->count = 0;
	while (batch->count < batch->spans_most && bytes < batch->bytes_most &&
	       (record = otlp_queue_peek(queue))) {
		if (record->kind == OTLP_SPAN)
			bytes += take_span(batch, record);
		else if (!take_resource(batch, record))
			break;
		otlp_queue_take(queue, record);
	}
}

/* ---- the message ---- */

/* What to add to the monotonic clock; of some readings the one that took least. */
static int64_t wall_offset(void)
{
	uint64_t least = UINT64_MAX;
	int64_t offset = 0;

	for (int i = 0; i < READINGS; i++) {
		uint64_t before = clock_now(), wall = clock_wall(), took = clock_now() - before;

		if (took < least) {
			least = took;
			offset = (int64_t)(wall - before - took / 2);
		}
	}
	return offset;
}

/* The groups and their places among the sorted spans; returns how many groups there are. */
static size_t lay_out(struct otlp_batch *batch)
{
	static const Otlp__ResourceSpans group = OTLP__RESOURCE_SPANS__INIT;
	static const Otlp__ScopeSpans scoped = OTLP__SCOPE_SPANS__INIT;
	size_t groups = 0, place = 0;

	for (int i = 0; i < OTLP_SLOTS; i++) {
		struct resource *resource = &batch->resources[i];

		if (!resource->spans)
			continue;
		resource->next = place;
		batch->groups[groups] = group;
		batch->scoped[groups] = scoped;
		batch->group_list[groups] = &batch->groups[groups];
		batch->scoped_list[groups] = &batch->scoped[groups];
		batch->groups[groups].resource.data = resource->data;
		batch->groups[groups].resource.len = resource->size;
		batch->groups[groups].scope_spans = &batch->scoped_list[groups];
		batch->groups[groups].n_scope_spans = 1;
		batch->scoped[groups].scope = &batch->scope;
		batch->scoped[groups].spans = batch->sorted + place;
		batch->scoped[groups].n_spans = resource->spans;
		place += resource->spans;
		groups++;
	}
	return groups;
}

/* Spans in the order they came, within their resource; with their times behind. */
static void sort(struct otlp_batch *batch)
{
	uint64_t offset = (uint64_t)wall_offset();

	for (size_t i = 0; i < batch->count; i++) {
		struct otlp_record *record = batch->records[i];
		uint8_t *times = record->data + record->bytes - OTLP_TIMES_SIZE;

		otlp_encode_times(record->begin + offset, record->end + offset, times);
		batch->sorted[batch->resources[record->slot].next++] =
			(ProtobufCBinaryData){ record->bytes, record->data };
	}
}

/* ---- the body ---- */

struct sink {
	ProtobufCBuffer base;
	struct otlp_batch *batch;
};

static void append_plain(ProtobufCBuffer *buffer, size_t size, const uint8_t *data)
{
	struct otlp_batch *batch = ((struct sink *)buffer)->batch;

	memcpy(batch->body + batch->body_size, data, size);
	batch->body_size += size;
}

static void append_packed(ProtobufCBuffer *buffer, size_t size, const uint8_t *data)
{
	z_stream *stream = &((struct sink *)buffer)->batch->stream;

	stream->next_in = (Bytef *)data;
	stream->avail_in = (uInt)size;
	deflate(stream, Z_NO_FLUSH);
}

static void write_body(struct otlp_batch *batch, const Otlp__ExportTraceServiceRequest *request)
{
	struct sink sink = { { batch->compress ? append_packed : append_plain }, batch };

	batch->body_size = 0;
	if (batch->compress) {
		deflateReset(&batch->stream);
		batch->stream.next_out = batch->body;
		batch->stream.avail_out = (uInt)batch->body_room;
	}
	otlp__export_trace_service_request__pack_to_buffer(request, &sink.base);
	if (batch->compress) {
		deflate(&batch->stream, Z_FINISH);
		batch->body_size = (size_t)batch->stream.total_out;
	}
}

size_t otlp_batch_fill(struct otlp_batch *batch, struct otlp_queue *queue)
{
	static const Otlp__InstrumentationScope scope = OTLP__INSTRUMENTATION_SCOPE__INIT;
	Otlp__ExportTraceServiceRequest request = OTLP__EXPORT_TRACE_SERVICE_REQUEST__INIT;

	take(batch, queue);
	if (!batch->count)
		return 0;
	batch->scope = scope;
	batch->scope.name = (char *)"onlooker";
	batch->scope.version = (char *)ONLOOKER_VERSION;
	request.n_resource_spans = lay_out(batch);
	request.resource_spans = batch->group_list;
	sort(batch);
	write_body(batch, &request);
	return batch->count;
}

const void *otlp_batch_body(const struct otlp_batch *batch, size_t *ret_size, bool *ret_packed)
{
	*ret_size = batch->body_size;
	*ret_packed = batch->compress;
	return batch->body;
}
