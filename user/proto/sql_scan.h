/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the statements in a text of SQL as PostgreSQL reads it (documentation: SQL Syntax, Lexical
 * Structure), in pieces of any size: quotes, dollar quotes and comments are followed, statements
 * end at semicolons outside of parentheses and of bodies BEGIN ATOMIC ... END. Of each the verb is
 * told, that of its main query where it begins WITH.
 */
#ifndef ONLOOKER_SQL_SCAN_H
#define ONLOOKER_SQL_SCAN_H

#include "proto/sql_verb.h"

struct sql_scan {
	uint64_t dollar;    /* checksum of the delimiter that ends the dollar quote */
	uint64_t candidate; /* ... of the one being read */
	uint32_t count;	    /* statements ended so far */
	uint16_t depth;	    /* parentheses */
	uint16_t base;	    /* ... around the main query of WITH */
	uint16_t nesting;   /* of comments */
	uint16_t begins;    /* of BEGIN ATOMIC and CASE in a routine's body */
	uint8_t mode;
	uint8_t before; /* the character before, where two make a token */
	uint8_t stage;	/* what is known of the statement at hand */
	uint8_t verb;
	bool name_next;	     /* WITH: the next word names a query */
	bool materialized;   /* CREATE: the word before was MATERIALIZED */
	bool closed;	     /* WITH: the token before was a closing parenthesis */
	uint8_t word_size;   /* may exceed SQL_WORD: too long to be of interest */
	char word[SQL_WORD]; /* upper case */
};

/* Begins a text: `scan` may have any content. */
void sql_scan_begin(struct sql_scan *scan);

/*
 * Reads a piece of text. The verb of each statement that ends in it goes to verbs[], at the index
 * of the statement; those from `room` on are only counted.
 */
void sql_scan_feed(struct sql_scan *scan, struct bytes text, uint8_t *verbs, size_t room);

/* The text is over: as if a semicolon followed. */
void sql_scan_end(struct sql_scan *scan, uint8_t *verbs, size_t room);

/* The verb of the statement at hand will not change by what follows. */
bool sql_scan_settled(const struct sql_scan *scan);

#endif
