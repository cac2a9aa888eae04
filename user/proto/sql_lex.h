/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cuts a text of SQL into tokens as PostgreSQL does (documentation: SQL Syntax, Lexical Structure),
 * in pieces of any size. The tokens are the same ones however the text was cut.
 *
 * The bytes of a literal are never shown. Where it cannot be known where one ends, nothing that
 * follows can be told from it, and `doubtful` says so: a plain string with an odd number of
 * backslashes before a quote ends there with standard_conforming_strings on, and goes on with it
 * off.
 */
#ifndef ONLOOKER_SQL_LEX_H
#define ONLOOKER_SQL_LEX_H

#include "bytes.h"

#define TOKEN_SIZE 63 /* bytes of a name: the server cuts longer ones */

enum sql_kind {
	TOKEN_MORE = 0,	  /* no token is complete */
	TOKEN_WORD,	  /* key word or identifier, as written */
	TOKEN_IDENTIFIER, /* "...", U&"...", with its quotes */
	TOKEN_STRING,	  /* '...', E'...', B'...', X'...', N'...', U&'...', $tag$...$tag$ */
	TOKEN_NUMBER,	  /* and what clings to it */
	TOKEN_PARAMETER,  /* $1 */
	TOKEN_OPERATOR,
	TOKEN_MARK,  /* one of ( ) [ ] , ; . : */
	TOKEN_STRAY, /* what no token begins with */
};

struct sql_token {
	uint8_t kind; /* enum sql_kind */
	uint8_t mark;
	bool spaced; /* white space or a comment before it */
	bool torn;   /* the text ends inside of it */
	/*
	 * WORD, IDENTIFIER, PARAMETER, OPERATOR: empty where longer than TOKEN_SIZE (torn ones,
	 * too); valid until the next call.
	 */
	struct bytes text;
};

struct sql_lex {
	uint64_t dollar;    /* checksum of the delimiter that ends the dollar quote */
	uint64_t candidate; /* ... of the one being read */
	uint16_t nesting;   /* of comments */
	uint8_t mode;
	uint8_t quote;	   /* mode of the string that has perhaps ended */
	uint8_t gap;	   /* what came since */
	uint8_t after;	   /* mode after the operators at hand */
	uint8_t before;	   /* the character before, where two make a token */
	bool spaced;	   /* before the token at hand */
	bool slashed;	   /* an odd number of backslashes before what comes next */
	bool escaped;	   /* the token before is an E'...': a string may go on with it */
	bool conforming;   /* set by the caller: standard_conforming_strings is known to be on */
	bool doubtful;	   /* nothing after the string at hand is certain */
	uint8_t held_from; /* operators: those before were told */
	uint8_t held_size; /* may be TOKEN_SIZE + 1: too long */
	uint8_t held[TOKEN_SIZE];
};

/* Begins a text: `lex` may have any content. */
void sql_lex_begin(struct sql_lex *lex);

/*
 * Takes the next token from the piece of text `in`. Returns how many bytes are gone; they are all
 * gone where the token's kind is TOKEN_MORE.
 */
size_t sql_lex_next(struct sql_lex *lex, struct bytes in, struct sql_token *token);

/* The same, but tells parentheses and semicolons only. */
size_t sql_lex_bracket(struct sql_lex *lex, struct bytes in, struct sql_token *token);

/* The text is over: tells the tokens still to come, one a call, then TOKEN_MORE. */
void sql_lex_end(struct sql_lex *lex, struct sql_token *token);

#endif
