/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What spans show of an HTTP request beside what metrics count. Nothing else of its head is kept:
 * no query, no cookies, no authorization.
 */
#ifndef ONLOOKER_DETAILS_H
#define ONLOOKER_DETAILS_H

#include "bytes.h"
#include "util/trace_context.h"

struct details {
	struct bytes scheme;	/* of a target that has one ("https"), else empty */
	struct bytes authority; /* of the target, else of Host: a name, perhaps with ":" and port */
	struct bytes agent;	/* User-Agent */
	struct bytes state;	/* tracestate, empty where `context` is not valid */
	struct trace_context context;
	uint8_t minor; /* of the version HTTP/1.x */
};

#endif
