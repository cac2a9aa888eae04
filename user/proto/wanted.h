/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether protocols tell more of a request than metrics need: texts of queries, heads of HTTP
 * requests. Off at first, and then without cost; on for all connections or for none.
 */
#ifndef ONLOOKER_WANTED_H
#define ONLOOKER_WANTED_H

#include <stdbool.h>

#include "util/drafts.h"

/* What is being read: of statements struct pg_draft, of requests struct http1_draft. */
extern struct details_store {
	bool wanted;
	struct drafts statements;
	struct drafts requests;
} details_store;

static inline bool details_wanted(void)
{
	return details_store.wanted;
}

/* From now on they are wanted. -ENOMEM: they are not. */
int details_begin(void);

/* They are not wanted any more; what was kept is freed. */
void details_end(void);

#endif
