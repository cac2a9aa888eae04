/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The span of an exchange: name, status and attributes as OpenTelemetry's semantic conventions for
 * HTTP and databases have them.
 */
#ifndef ONLOOKER_SPAN_FILL_H
#define ONLOOKER_SPAN_FILL_H

#include "sink/node.h"

/*
 * Fills in all but the ids, flags and tracestate. Its views are valid until the next call, and as
 * long as the node and what is known of queries.
 */
void span_fill(struct span *ret, const struct node *node);

#endif
