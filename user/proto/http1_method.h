/* SPDX-License-Identifier: Apache-2.0 */
/* The methods of HTTP as names: RFC 9110 section 9, RFC 5789, and those of programs' own. */
#ifndef ONLOOKER_HTTP1_METHOD_H
#define ONLOOKER_HTTP1_METHOD_H

#include <stdbool.h>

#include "bytes.h"

/* What the answer's framing must know of the request's method. */
enum http1_kind {
	HTTP1_PLAIN = 0,
	HTTP1_HEAD,
	HTTP1_CONNECT,
};

/* Whether a standard knows the method: of others one cannot be sure what they are. */
bool http1_method_registered(struct bytes method);

/*
 * The name of a method and, in *kind, its enum http1_kind. Methods are case-sensitive. One that no
 * standard knows has a name of its own while these are few and it is short; else it is OTHER.
 */
uint16_t http1_method(struct bytes method, uint64_t *kind);

#endif
