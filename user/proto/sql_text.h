/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A statement as it may be shown: db.query.text of OpenTelemetry's conventions for database spans
 * (section "Sanitization of db.query.text"). Made from the lexer's tokens in one pass, into a
 * buffer of the caller's.
 *
 *	literals of every form, TRUE and FALSE, the sign of a number	?
 *	IN (1, 2, 3), ARRAY[1, 2], VALUES (1, 'a'), (2, NULL)		IN (?), ARRAY[?], VALUES (?)
 *	SET name = value, ALTER ... SET name TO value			SET name = ?
 *	comments, white space						one blank, where one is due
 *	names, "quoted names", operators, $1, NULL			as they are
 *
 * What is longer than the server takes it, or no token at all, is no name. Where the text ends
 * inside of a literal, does not fit, or what follows cannot be told from a literal, it is cut after
 * a token and ends in SQL_TEXT_CUT. A text made of such a text is the same text.
 */
#ifndef ONLOOKER_SQL_TEXT_H
#define ONLOOKER_SQL_TEXT_H

#include "proto/sql_keyword.h"
#include "proto/sql_lex.h"

#define SQL_TEXT_CUT BYTES("\xe2\x80\xa6") /* an ellipsis, after a blank */
#define SQL_TEXT_ROOM_MAX 32768
#define SQL_LISTS 8 /* nested ones whose elements are compared; in deeper ones all are shown */

/* A list whose equal elements are shown once. Positions are in the output. */
struct sql_list {
	uint16_t depth;	   /* of brackets around its elements */
	uint16_t begin;	   /* of the element at hand */
	uint16_t previous; /* begin and end of the one before */
	uint16_t end;
	bool rows;    /* VALUES: its elements are rows */
	bool literal; /* there is one in the element at hand */
};

struct sql_text {
	uint8_t *out;
	uint16_t room, size;
	uint16_t sign_at; /* the sign just written, and what came before it */
	uint16_t depth;	  /* brackets */
	uint8_t sign_after;
	uint8_t last;	 /* what was written last */
	uint8_t word;	 /* enum sql_keyword: the token before, where it was one */
	uint8_t first;	 /* ... of the statement */
	uint8_t setting; /* SET: what is to come */
	bool begun;	 /* the statement has a token */
	bool ended;	 /* a semicolon is due before the next token */
	bool over;	 /* nothing more is taken: cut */
	uint8_t lists;
	struct sql_list list[SQL_LISTS];
};

/* Begins a text in `out` of `room` bytes (8 to SQL_TEXT_ROOM_MAX); `text` may have any content. */
void sql_text_begin(struct sql_text *text, uint8_t *out, size_t room);

/* Adds the token that `lex` has just told, `keyword` being that of a word. */
void sql_text_take(struct sql_text *text, const struct sql_lex *lex, const struct sql_token *token,
		   enum sql_keyword keyword);

/* No token is to come. cut: the statement went on. Returns the size; valid UTF-8. */
size_t sql_text_end(struct sql_text *text, bool cut);

#endif
