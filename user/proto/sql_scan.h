/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the statements in a text of SQL, in pieces of any size: they end at semicolons outside of
 * parentheses and of bodies BEGIN ATOMIC ... END. Of each the verb is told, that of its main query
 * where it begins WITH.
 */
#ifndef ONLOOKER_SQL_SCAN_H
#define ONLOOKER_SQL_SCAN_H

#include "proto/sql_lex.h"
#include "proto/sql_verb.h"

struct sql_scan {
	struct sql_lex lex;
	uint32_t count;	 /* statements ended so far */
	uint16_t depth;	 /* parentheses */
	uint16_t base;	 /* ... around the main query of WITH */
	uint16_t begins; /* of BEGIN ATOMIC and CASE in a routine's body */
	uint8_t stage;	 /* what is known of the statement at hand */
	uint8_t verb;
	bool name_next;	   /* WITH: the next word names a query */
	bool materialized; /* CREATE: the word before was MATERIALIZED */
	bool closed;	   /* WITH: parentheses that begin now are the main query's */
};

/* Begins a text: `scan` may have any content. */
void sql_scan_begin(struct sql_scan *scan);

/*
 * Reads a piece of text. The verb of each statement that ends in it goes to verbs[], at the index
 * of the statement; those from `room` on are only counted.
 */
void sql_scan_feed(struct sql_scan *scan, struct bytes text, uint8_t *verbs, size_t room);

/* The same for a token of the text, taken from `scan->lex`. */
void sql_scan_take(struct sql_scan *scan, const struct sql_token *token, uint8_t *verbs,
		   size_t room);

/* The text is over: as if a semicolon followed. */
void sql_scan_end(struct sql_scan *scan, uint8_t *verbs, size_t room);

/* The verb of the statement at hand will not change by what follows. */
bool sql_scan_settled(const struct sql_scan *scan);

#endif
