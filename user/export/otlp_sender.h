/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exporter's thread: what is in the queue gets to the collector, or is given up.
 *
 *	        a full batch waits, or `delay` is over
 *	[idle] ---------------------------------------> [posting] -- accepted: exported ----------+
 *	  ^                                               |   ^ |--- refused, unclear: dropped ---+
 *	  |                                  not now: wait|   | |--- not now, for `retry`: dropped+
 *	  |                                               v   | +                                 |
 *	  |                                            [waiting]                                  |
 *	  +---------------------------------------------------------------------------------------+
 *
 * What it waits for doubles from WAIT_LEAST to WAIT_MOST, less a random part; Retry-After counts
 * instead where it is longer, for the batches after this one too. Once stopped it waits no more,
 * and ends after `flush`.
 */
#ifndef ONLOOKER_OTLP_SENDER_H
#define ONLOOKER_OTLP_SENDER_H

#include "config.h"
#include "export/otlp.h"
#include "export/otlp_queue.h"

struct otlp_sender;

/* The event-loop thread's. Errors of otlp_sender_new() as otlp_open()'s; `config` is copied. */
int otlp_sender_new(const struct config_traces *config, struct otlp_sender **ret, char *error,
		    size_t size);
void otlp_sender_free(struct otlp_sender *sender);
struct otlp_queue *otlp_sender_queue(struct otlp_sender *sender);
void otlp_sender_wake(struct otlp_sender *sender); /* a span was added: are there enough? */
void otlp_sender_stop(struct otlp_sender *sender);
void otlp_sender_counts(const struct otlp_sender *sender, struct otlp_counts *ret);
enum otlp_news otlp_sender_news(struct otlp_sender *sender, char ret[OTLP_NEWS_SIZE]);

/* The thread's function. */
void *otlp_sender_run(void *sender);

#endif
