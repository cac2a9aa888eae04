/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/wanted.h"

#include "proto/http1_details.h"
#include "proto/postgres_text.h"
#include "proto/queries.h"

struct details_store details_store;

int details_begin(void)
{
	int error;

	if (details_store.wanted)
		return 0;
	error = queries_begin();
	if (!error)
		error = drafts_init(&details_store.statements, sizeof(struct pg_draft));
	if (!error)
		error = drafts_init(&details_store.requests, sizeof(struct http1_draft));
	if (error) {
		details_end();
		return error;
	}
	details_store.wanted = true;
	return 0;
}

void details_end(void)
{
	details_store.wanted = false;
	drafts_free(&details_store.requests);
	drafts_free(&details_store.statements);
	queries_end();
}
