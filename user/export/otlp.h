/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exporter of spans: OTLP/HTTP, protobuf. Spans are serialised at once into a queue of fixed
 * size; a thread of its own makes batches of them and posts these. Whatever the collector does,
 * otlp_push() never waits and no memory grows: what has no room is dropped and counted.
 *
 *	open() -> start() -> push(), push() ... -> close()
 *
 * All functions are for the event-loop thread.
 */
#ifndef ONLOOKER_OTLP_H
#define ONLOOKER_OTLP_H

#include "capture/identity.h"
#include "config.h"
#include "export/self.h"
#include "span.h"

enum otlp_drop {
	OTLP_DROP_QUEUE_FULL,
	OTLP_DROP_TOO_LARGE,   /* more than OTLP_SPAN_MOST bytes */
	OTLP_DROP_REJECTED,    /* by the collector, which took the others of the batch */
	OTLP_DROP_REFUSED,     /* by a status that means never */
	OTLP_DROP_UNCLEAR,     /* the answer was none of OTLP: taken or not */
	OTLP_DROP_UNREACHABLE, /* tried again for as long as configured */
	OTLP_DROP_SHUTDOWN,    /* left over at the end */
	OTLP_DROPS,
};

struct otlp_counts {
	uint64_t exported, dropped[OTLP_DROPS]; /* spans */
	uint64_t failures;			/* batches given up, whole */
	uint64_t retries;			/* attempts that were not a batch's first */
	size_t queued;				/* spans, those on their way included */
};

struct otlp;

/*
 * Makes an exporter as `config`, which outlives it, says. Call it before memory_limit(), and before
 * privileges are given up. -errno: `error` is one line for the user that names the key. NULL is
 * given where no traces are wanted; all functions below accept it.
 */
int otlp_open(const struct config_traces *config, struct otlp **ret, char *error, size_t size);

/* Begins, once privileges were given up. `identities` outlives the last push. 0 or -errno. */
int otlp_start(struct otlp *otlp, const struct identities *identities);

/* Takes a span; before otlp_start() it is dropped. About a microsecond, no memory. */
void otlp_push(struct otlp *otlp, const struct span *span);

struct otlp_counts otlp_counts(const struct otlp *otlp);

/* Writes onlooker_spans_* and onlooker_export_*; zeros where no traces are wanted. */
void otlp_report(const struct otlp *otlp, struct self_writer *writer);

#define OTLP_NEWS_SIZE 320

enum otlp_news {
	OTLP_NO_NEWS,
	OTLP_FAILING, /* spans do not get there, or not all of them: the text says why */
	OTLP_RESUMED, /* they do again */
	OTLP_WARNED,  /* they do, but the collector has something to say: the text */
};

/* What has changed that the user should be told, and the text that goes with it. Never waits. */
enum otlp_news otlp_news(struct otlp *otlp, char ret[OTLP_NEWS_SIZE]);

/*
 * Sends what waits, for as long as configured at most, and frees the exporter. Returns how many
 * spans were not sent any more.
 */
uint64_t otlp_close(struct otlp *otlp);

#endif
