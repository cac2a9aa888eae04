/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the two halves of the lexer share: sql_lex.c reads what is told, sql_skip.c what is not.
 *
 *	PLAIN --'--> QUOTE, ESCAPE --'--> ENDED --+-- ', or after a new line ' --> QUOTE, ESCAPE
 *	                                          +-- anything else --> PLAIN
 *	PLAIN --"--> NAME --"--> NAMED --+-- " --> NAME
 *	                                 +-- anything else --> PLAIN
 *	PLAIN --U--> WORD --&--> UNICODE --+-- ' --> QUOTE
 *	                                   +-- " --> NAME
 *	                                   +-- anything else --> OPERATOR
 *	PLAIN, OPERATOR -- -- --> LINE --\n--> PLAIN    --/\*--> COMMENT --*\/--> PLAIN
 *	OPERATOR -- its end --> SPLIT, until all of it is told --> PLAIN, LINE, COMMENT
 *	PLAIN --$--> FIRST --+-- digit --> PARAMETER --> PLAIN
 *	                     +-- letter, $ --> DELIMITER --$--> DOLLAR --$--> CLOSING --$--> PLAIN
 *	                                         |                |   ^          |
 *	                          no delimiter: PLAIN             +---+-- another one
 *	PLAIN --.--> DOT -- digit --> NUMBER --> PLAIN
 */
#ifndef ONLOOKER_SQL_MODES_H
#define ONLOOKER_SQL_MODES_H

#include "proto/sql_lex.h"

enum mode {
	MODE_PLAIN,
	MODE_WORD,
	MODE_UNICODE, /* U& */
	MODE_QUOTE,   /* '...' */
	MODE_ESCAPE,  /* E'...' */
	MODE_ENDED,   /* the quote that ends a string, unless it goes on */
	MODE_NAME,    /* "..." */
	MODE_NAMED,   /* the quote that ends it, unless another one follows */
	MODE_NUMBER,
	MODE_DOT,
	MODE_OPERATOR,
	MODE_SPLIT,
	MODE_LINE,	/* -- ... */
	MODE_COMMENT,	/* nested */
	MODE_FIRST,	/* $ */
	MODE_PARAMETER, /* $1 */
	MODE_DELIMITER, /* $tag of an opening $tag$ */
	MODE_DOLLAR,	/* inside of $tag$ ... $tag$ */
	MODE_CLOSING,	/* $tag of what may be the closing one */
};

enum gap {
	GAP_NONE,
	GAP_SPACE,
	GAP_LINE, /* with a new line in it: a quote continues the string */
};

/* Of a character. */
enum class {
	STRAY = 0,
	SPACE,
	LETTER, /* what a word or a delimiter begins with: letters, all of other alphabets */
	DIGIT,
	QUOTE,
	QUOTES,
	DOLLAR,
	OPERATOR,
	MARK,
	DOT,
};

extern const uint8_t sql_class[256]; /* enum class of a character */
extern const bool sql_word[256];     /* what a word goes on with */

/* A piece of text, where the lexer stands in it, and where the token at hand begins. */
struct cursor {
	struct bytes in;
	size_t at, begin;
};

static inline uint8_t here(const struct cursor *cursor)
{
	return cursor->in.data[cursor->at];
}

static inline void tell(struct sql_lex *lex, struct sql_token *token, enum sql_kind kind)
{
	token->kind = kind;
	token->spaced = lex->spaced;
	lex->spaced = false;
	lex->escaped = false;
}

/* The modes of sql_skip.c: each goes on from where the cursor stands, which is not at the end. */
void sql_line(struct sql_lex *lex, struct cursor *cursor);
void sql_comment(struct sql_lex *lex, struct cursor *cursor);
void sql_quote(struct sql_lex *lex, struct cursor *cursor);
void sql_escape(struct sql_lex *lex, struct cursor *cursor);
void sql_ended(struct sql_lex *lex, struct cursor *cursor, struct sql_token *token);
void sql_dollar_first(struct sql_lex *lex, struct cursor *cursor);
void sql_delimiter(struct sql_lex *lex, struct cursor *cursor, struct sql_token *token);
void sql_dollar(struct sql_lex *lex, struct cursor *cursor);

#endif
