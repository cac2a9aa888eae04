/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A statement in a few words, its operations and their targets in the order written: "SELECT
 * travels", "INSERT orders SELECT carts". db.query.summary of OpenTelemetry's conventions for
 * database spans (section "Generating a summary of the query text"). Operations are named as
 * metrics name them. Nothing but names of tables is taken from the text.
 */
#ifndef ONLOOKER_SQL_SUMMARY_H
#define ONLOOKER_SQL_SUMMARY_H

#include "proto/sql_keyword.h"
#include "proto/sql_lex.h"

#define SQL_SUMMARY_SIZE 255 /* the conventions' bound */

/* Depth is counted in parentheses; of those beyond 31 nothing is told. */
struct sql_summary {
	uint8_t *out;
	uint16_t room, size;
	uint16_t name_at; /* where the name just written begins */
	uint16_t depth;
	uint32_t queries; /* by depth: what FROM says is a table */
	uint32_t lists;	  /* by depth: after a comma comes another one */
	uint8_t await;	  /* what the next token may be */
	uint8_t first;	  /* enum sql_keyword: of the statement */
	uint8_t before;	  /* ... the word before */
	bool begun;	  /* the statement has a word */
	bool function;	  /* what is awaited, or was written, is none where "(" follows */
	bool over;	  /* there is no room */
};

/* Begins a summary in `out` of `room` bytes; `summary` may have any content. */
void sql_summary_begin(struct sql_summary *summary, uint8_t *out, size_t room);

/*
 * Adds a token, `keyword` being that of a word. Not to be called once the lexer is doubtful; what
 * is no SQL ends the summary.
 */
void sql_summary_take(struct sql_summary *summary, const struct sql_token *token,
		      enum sql_keyword keyword);

/* No token is to come. Returns the size; valid UTF-8. */
size_t sql_summary_end(struct sql_summary *summary);

#endif
