/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request to the collector, made from what waits in the queue: the spans grouped by resource,
 * serialised as an ExportTraceServiceRequest, packed or plain. For the exporter's thread.
 */
#ifndef ONLOOKER_OTLP_BATCH_H
#define ONLOOKER_OTLP_BATCH_H

#include <stdbool.h>

#include "config.h"
#include "export/otlp_queue.h"

struct otlp_batch;

/* For batches as `config` wants them. All memory is taken here, as MEMORY_FIXED. 0 or -ENOMEM. */
int otlp_batch_new(const struct config_traces *config, struct otlp_batch **ret);
void otlp_batch_free(struct otlp_batch *batch);

/*
 * Takes from the queue as many spans as one request may have, and makes the request. Their times
 * become times of the wall clock as it is now. Returns how many spans there are; 0: none wait. The
 * records have to stay until the next call.
 */
size_t otlp_batch_fill(struct otlp_batch *batch, struct otlp_queue *queue);

/* The request's body, until the next fill, and whether it is gzip's. */
const void *otlp_batch_body(const struct otlp_batch *batch, size_t *ret_size, bool *ret_packed);

#endif
