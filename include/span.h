/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the spans sink yields and an exporter takes: one span, finished, of a trace that is kept.
 * All views in it are borrowed for the time of the call.
 */
#ifndef ONLOOKER_SPAN_H
#define ONLOOKER_SPAN_H

#include "bytes.h"

#define SPAN_TRACE_SIZE 16
#define SPAN_STATE_SIZE 512 /* of tracestate; W3C Trace Context, section 3.3.1.5 */
#define SPAN_ATTRIBUTES 24

enum span_kind {
	SPAN_SERVER = 2, /* values of OTLP's SpanKind */
	SPAN_CLIENT = 3,
};

enum span_status {
	SPAN_UNSET = 0, /* values of OTLP's StatusCode */
	SPAN_ERROR = 2,
};

/* The attributes there are, by the names of OpenTelemetry's semantic conventions. */
enum span_key {
	SPAN_HTTP_REQUEST_METHOD,
	SPAN_HTTP_RESPONSE_STATUS_CODE,
	SPAN_HTTP_ROUTE,
	SPAN_URL_PATH,
	SPAN_URL_SCHEME,
	SPAN_SERVER_ADDRESS,
	SPAN_SERVER_PORT,
	SPAN_CLIENT_ADDRESS,
	SPAN_NETWORK_PROTOCOL_VERSION,
	SPAN_USER_AGENT_ORIGINAL,
	SPAN_DB_SYSTEM_NAME,
	SPAN_DB_OPERATION_NAME,
	SPAN_DB_QUERY_TEXT,
	SPAN_DB_QUERY_SUMMARY,
	SPAN_DB_NAMESPACE,
	SPAN_DB_RESPONSE_STATUS_CODE,
	SPAN_ERROR_TYPE,
	SPAN_QUEUE_DURATION, /* seconds a request waited in the socket */
	SPAN_KEYS,
};

enum span_type {
	SPAN_TEXT,
	SPAN_INTEGER,
	SPAN_REAL,
};

struct span_attribute {
	uint8_t key;  /* enum span_key */
	uint8_t type; /* enum span_type: which of these it is */
	union {
		struct bytes text; /* any bytes; what is no UTF-8 is replaced */
		int64_t integer;
		double real;
	};
};

/* The process a span is of: identity.h. */
struct span_owner {
	uint32_t identity;
	uint32_t tgid; /* 0: not known, nor is `process` */
	uint64_t process;
};

struct span {
	uint8_t trace[SPAN_TRACE_SIZE]; /* not all zero */
	uint64_t id, parent;		/* most significant byte first on the wire; 0: no parent */
	uint8_t flags;			/* W3C trace-flags */
	bool remote;			/* the parent was named by a header */
	uint8_t kind;			/* enum span_kind */
	uint8_t status;			/* enum span_status */
	uint8_t attribute_count;
	uint64_t begin, end; /* CLOCK_MONOTONIC ns */
	struct span_owner owner;
	struct bytes name;
	struct bytes state; /* tracestate as it came, at most SPAN_STATE_SIZE */
	struct span_attribute attributes[SPAN_ATTRIBUTES];
};

/* Attributes in the order added; what is beyond SPAN_ATTRIBUTES is left out. */
static inline struct span_attribute *span_add(struct span *span, enum span_key key,
					      enum span_type type)
{
	static struct span_attribute beyond;
	struct span_attribute *ret = span->attribute_count < SPAN_ATTRIBUTES ?
					     &span->attributes[span->attribute_count++] :
					     &beyond;

	ret->key = (uint8_t)key;
	ret->type = (uint8_t)type;
	return ret;
}

static inline void span_add_text(struct span *span, enum span_key key, struct bytes text)
{
	span_add(span, key, SPAN_TEXT)->text = text;
}

static inline void span_add_integer(struct span *span, enum span_key key, int64_t integer)
{
	span_add(span, key, SPAN_INTEGER)->integer = integer;
}

static inline void span_add_real(struct span *span, enum span_key key, double real)
{
	span_add(span, key, SPAN_REAL)->real = real;
}

#endif
