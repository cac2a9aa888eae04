/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Posting to a collector, by libcurl: OpenTelemetry Protocol Specification, "OTLP/HTTP". The
 * library and what it needs take some 10 MB, so it is loaded only by who posts.
 */
#ifndef ONLOOKER_OTLP_HTTP_H
#define ONLOOKER_OTLP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"

#define OTLP_TEXT_SIZE 256

enum otlp_verdict {
	OTLP_ACCEPTED,	/* by all but `rejected` spans */
	OTLP_AGAIN,	/* not now: a failed connection, no answer in time, 429, 502, 503, 504 */
	OTLP_REFUSED,	/* for good, by another status */
	OTLP_UNCLEAR,	/* a success whose body is no ExportTraceServiceResponse */
	OTLP_CUT_SHORT, /* by the waker */
};

struct otlp_answer {
	enum otlp_verdict verdict;
	uint64_t rejected; /* spans, of those in the request */
	uint64_t after;	   /* ns: not before they have passed (Retry-After); 0: not said */
	/*
	 * What was wrong, for the user; of what was accepted whole, what the collector warns of, ""
	 * nothing. Printable ASCII.
	 */
	char text[OTLP_TEXT_SIZE];
};

struct otlp_http;

/*
 * Makes ready to post as `config` says (which outlives it). Call it in the only thread, before
 * privileges are given up. -errno: `error` is one line for the user that names the key.
 */
int otlp_http_new(const struct config_traces *config, struct otlp_http **ret, char *error,
		  size_t size);
void otlp_http_free(struct otlp_http *http);

/* How somebody else ends a wait. */
struct otlp_waker {
	int fd;				  /* an eventfd, not blocking: read once it is readable */
	uint64_t (*until)(void *context); /* asked then: until when to go on at most, in
					     CLOCK_MONOTONIC ns */
	void *context;
};

/* Posts a body and waits for the answer for `timeout` ns at most. */
void otlp_http_post(struct otlp_http *http, const void *body, size_t size, bool packed,
		    uint64_t timeout, const struct otlp_waker *waker, struct otlp_answer *ret);

/* Waits until then, or to be woken. False: the waker's time is over. */
bool otlp_http_wait(struct otlp_http *http, const struct otlp_waker *waker, uint64_t until);

#endif
