/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scrapes written out and on their way to readers. There are few at a time: a reader who takes too
 * long, or whose scrape is the oldest of too many, gets no more of it.
 */
#ifndef ONLOOKER_SCRAPE_H
#define ONLOOKER_SCRAPE_H

#include <microhttpd.h>

#include "export/exposition.h"

struct scrape;

struct scrapes {
	const struct series_set *series;
	void (*refresh)(void *context); /* before one is written; may be NULL */
	self_collect collect;		/* may be NULL */
	void *context;
	struct scrape *newest;
	struct MHD_Response *fresh[2][2]; /* by format, and whether packed */
};

/*
 * A scrape with its headers, owned by `scrapes`: written now, or since the last scrapes_forget().
 * NULL without memory. All responses must be gone before `scrapes` is.
 */
struct MHD_Response *scrapes_response(struct scrapes *scrapes, enum exposition format, bool gzip);

/* What was written is old: the next one who asks gets a new scrape. */
void scrapes_forget(struct scrapes *scrapes);

#endif
