/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is asked of databases, as spans may show it: each text is kept once for the process, with
 * its summary, under a number. Texts come from sql_text.h and redis_shape.h, never as they were
 * sent. Beside them: which of them the sessions have given names to.
 *
 * Bounded: where there is no room a text that was not asked for lately goes, and its number is not
 * known any more; likewise a session's name. One store for the process, owned by the event-loop
 * thread; empty, and without cost, until queries_begin().
 */
#ifndef ONLOOKER_QUERIES_H
#define ONLOOKER_QUERIES_H

#include "bytes.h"

#define QUERIES_LIMIT 4096	 /* texts; a power of two */
#define QUERIES_NAMES 65536	 /* names of sessions' statements and portals; a power of two */
#define QUERIES_MEMORY (4 << 20) /* bytes of texts */
#define QUERY_NONE 0

struct query {
	struct bytes text;
	struct bytes summary; /* may be empty */
};

/* What was not kept. */
struct queries_counts {
	uint64_t forgotten; /* texts that made room */
	uint64_t renamed;   /* names that made room */
	uint64_t refused;   /* texts that found none */
};

/* Makes the store. -ENOMEM. */
int queries_begin(void);
void queries_end(void);

/*
 * The number of a text with its summary, newly given where they have none. QUERY_NONE without a
 * store, for an empty text, or where there is no room. At most 65535 bytes of each are kept.
 */
uint32_t queries_put(const struct query *query);

/* What a number stands for, its views valid until the next put. False: not known (any more). */
bool queries_get(uint32_t number, struct query *ret);

/* A number for a session, so that its names are its own. Never 0. */
uint32_t queries_session(void);

/* Gives the session's name (a checksum) a query; QUERY_NONE takes it away. */
void queries_name(uint32_t session, uint32_t name, uint32_t query);

/* The query that the session's name was given, or QUERY_NONE. */
uint32_t queries_named(uint32_t session, uint32_t name);

struct queries_counts queries_counts(void);

#endif
