/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may be shown of the statements of a PostgreSQL session, where it is wanted (wanted.h): made
 * while their texts are read, and found again when a prepared one is executed.
 */
#ifndef ONLOOKER_POSTGRES_TEXT_H
#define ONLOOKER_POSTGRES_TEXT_H

#include "proto/postgres.h"
#include "proto/sql_summary.h"
#include "proto/sql_text.h"

#define PG_SHOWN 2048 /* bytes of a text that are shown */

struct pg_draft {
	struct sql_text text;
	struct sql_summary summary;
	uint8_t out[PG_SHOWN];
	uint8_t brief[SQL_SUMMARY_SIZE];
};

/* The text of a Query or Parse begins; state->scan has just begun. */
void pg_text_begin(struct pg_state *state);

/* As sql_scan_feed(), for the draft as well. */
void pg_text_feed(struct pg_state *state, struct bytes piece, uint8_t *verbs, size_t room);

/* More of the text is of use: the rest of it would be shown. */
bool pg_text_open(const struct pg_state *state);

/*
 * The text is over, or (more) as much of it as is read: to be called before sql_scan_end(). Returns
 * the query (queries.h).
 */
uint32_t pg_text_end(struct pg_state *state, bool more, uint8_t *verbs, size_t room);

/* Gives a statement (kind 'S') or portal ('P') its query; key 0 is the unnamed one. */
void pg_text_name(struct pg_state *state, uint8_t kind, uint32_t key, uint32_t query);

/* The query that it was given, or QUERY_NONE. */
uint32_t pg_text_named(const struct pg_state *state, uint8_t kind, uint32_t key);

/* The database that a startup packet's body (after the version) asks for; it is kept as a query. */
uint32_t pg_text_database(struct bytes parameters);

/* The SQLSTATE in the body of an ErrorResponse, as far as it is here; it is kept as a query. */
uint32_t pg_text_error(struct bytes body);

/* Notes the body of a ParameterStatus; not `whole`: it is cut. */
void pg_text_parameter(struct pg_state *state, struct bytes body, bool whole);

#endif
