/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP endpoint: GET /metrics and GET /health. It lives on the caller's event loop and never
 * waits: a scrape is written out at once and sent as fast as its reader takes it.
 *
 *	http_fd() is readable -> http_run(), again and again
 */
#ifndef ONLOOKER_PROMETHEUS_H
#define ONLOOKER_PROMETHEUS_H

#include "config.h"
#include "export/self.h"
#include "sink/series.h"

#define HTTP_REASON_SIZE 256

/* What is served. Functions are called on the loop's thread, from within http_run(). */
struct http_source {
	const struct series_set *series; /* outlives the endpoint */
	void (*refresh)(void *context);	 /* before a scrape is written; NULL: nothing to do */
	self_collect collect;		 /* NULL: nothing */
	/* Whether all is well; else why not, as a text. NULL: always. */
	bool (*healthy)(void *context, char reason[HTTP_REASON_SIZE]);
	void *context;
};

struct http;

/*
 * Listens. 0; -EADDRINUSE, -EADDRNOTAVAIL, -EACCES and the like as bind() says; -ENOMEM.
 * http_close() ends it.
 */
int http_open(const struct config_listen *listen, const struct http_source *source,
	      struct http **ret);
void http_close(struct http *http);

/* Readable, level-triggered, whenever http_run() has something to do, also when a time is over. */
int http_fd(const struct http *http);

/* Does what can be done without waiting, for some 2 ms plus the writing out of a scrape. */
void http_run(struct http *http);

#endif
