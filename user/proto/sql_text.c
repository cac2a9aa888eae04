/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/sql_text.h"

#include "util/utf8.h"

#define NOWHERE UINT16_MAX
#define PARAMETER_SIZE 6 /* $65535 */

/* What was written last: where blanks go, and whether a sign is one. */
enum last {
	LAST_NONE,
	LAST_BEFORE_VALUE, /* a key word that a value follows */
	LAST_VALUE,	   /* names, literals, other words */
	LAST_OPERATOR,
	LAST_SIGN, /* an operator + or - before a value */
	LAST_OPEN,
	LAST_CLOSE,
	LAST_COMMA,
	LAST_JOINT, /* . and : */
};

/*
 *	NONE --SET--> NAME -- =, TO --> VALUE -- a word after a value --> NONE
 *	                 \-- ( --> NONE         (any other word is one)
 */
enum setting {
	SETTING_NONE,
	SETTING_NAME,
	SETTING_VALUE,
};

/* ---- output ---- */

/* All that was taken stays; a mark of what was not. */
static void cut(struct sql_text *text)
{
	if (text->over)
		return;
	text->over = true;
	if (text->size)
		text->out[text->size++] = ' ';
	memcpy(text->out + text->size, SQL_TEXT_CUT.data, SQL_TEXT_CUT.size);
	text->size += SQL_TEXT_CUT.size;
}

static bool blank_before(const struct sql_text *text, enum last kind, bool spaced)
{
	switch ((enum last)text->last) {
	case LAST_NONE:
	case LAST_OPEN:
	case LAST_JOINT:
		return false;
	case LAST_SIGN:
		return spaced || kind == LAST_OPERATOR;
	case LAST_OPERATOR:
	case LAST_COMMA:
		return kind != LAST_CLOSE && kind != LAST_COMMA && kind != LAST_JOINT;
	default:
		if (kind == LAST_OPEN)
			return spaced;
		return kind != LAST_CLOSE && kind != LAST_COMMA && kind != LAST_JOINT;
	}
}

static struct sql_list *list_here(struct sql_text *text)
{
	struct sql_list *list = text->lists ? &text->list[text->lists - 1] : NULL;

	return list && list->depth == text->depth ? list : NULL;
}

static void put(struct sql_text *text, struct bytes token, enum last kind, bool spaced)
{
	size_t room = text->room - SQL_TEXT_CUT.size - 1;
	struct sql_list *list = list_here(text);
	bool blank = blank_before(text, kind, spaced);

	if (text->size + blank + token.size > room) {
		cut(text);
		return;
	}
	if (blank)
		text->out[text->size++] = ' ';
	if (list && list->begin == NOWHERE && kind != LAST_COMMA)
		list->begin = text->size;
	memcpy(text->out + text->size, token.data, token.size);
	text->size += token.size;
	text->last = kind;
}

static void put_literal(struct sql_text *text)
{
	for (unsigned int i = 0; i < text->lists; i++)
		text->list[i].literal = true;
	if (text->last == LAST_VALUE && text->setting == SETTING_VALUE)
		text->setting = SETTING_NONE;
	/* Never so that it could be taken for a part of an operator. */
	put(text, BYTES("?"), LAST_VALUE, true);
}

/* A name, unless it is too long or not of this character set. */
static void put_name(struct sql_text *text, struct bytes name, enum last kind, bool spaced)
{
	if (!name.size || !utf8_is_clean(name))
		put_literal(text);
	else
		put(text, name, kind, spaced);
}

/* ---- lists ---- */

static void list_begin(struct sql_text *text, bool rows)
{
	if (text->lists == SQL_LISTS)
		return;
	text->list[text->lists++] = (struct sql_list){
		.depth = text->depth, .begin = NOWHERE, .previous = NOWHERE, .rows = rows
	};
}

/* An element is complete: gone where it is the one before it once more. */
static void element_end(struct sql_text *text, struct sql_list *list)
{
	size_t size = text->size - list->begin;
	uint16_t begin = list->begin;

	list->begin = NOWHERE;
	if (begin == NOWHERE || text->over)
		return;
	if (list->literal && list->previous != NOWHERE && list->end - list->previous == (int)size &&
	    !memcmp(text->out + begin, text->out + list->previous, size)) {
		text->size = list->end;
		return;
	}
	list->literal = false;
	list->previous = begin;
	list->end = text->size;
}

/* Rows end where anything but a comma and the next one follows. */
static void rows_end(struct sql_text *text, const struct sql_token *token)
{
	struct sql_list *list = list_here(text);
	bool row = token->mark == '(' && text->last == LAST_COMMA;

	if (list && list->rows && !row && !(token->mark == ',' && text->last == LAST_CLOSE))
		text->lists--;
}

static void open(struct sql_text *text, const struct sql_token *token)
{
	uint8_t word = text->word;
	struct sql_list *list;
	bool row, inside;

	if (token->mark == '(' && word == KEYWORD_VALUES)
		list_begin(text, true);
	list = list_here(text);
	row = list && list->rows;
	inside = row || (token->mark == '(' && word == KEYWORD_IN) ||
		 (token->mark == '[' && word == KEYWORD_ARRAY);
	put(text, (struct bytes){ &token->mark, 1 }, LAST_OPEN, token->spaced);
	text->depth += text->depth < UINT16_MAX;
	if (inside)
		list_begin(text, false);
	text->setting = SETTING_NONE;
}

static void close(struct sql_text *text, const struct sql_token *token)
{
	struct sql_list *list = list_here(text);

	if (list) {
		element_end(text, list);
		text->lists--;
	}
	text->depth -= text->depth > 0;
	put(text, (struct bytes){ &token->mark, 1 }, LAST_CLOSE, false);
	list = list_here(text);
	if (list && list->rows)
		element_end(text, list);
}

/* ---- tokens ---- */

static void statement_begin(struct sql_text *text)
{
	text->lists = text->depth = 0;
	text->word = text->first = KEYWORD_OTHER;
	text->setting = SETTING_NONE;
	text->begun = false;
}

static void mark(struct sql_text *text, const struct sql_token *token)
{
	struct sql_list *list = list_here(text);

	switch (token->mark) {
	case '(':
	case '[':
		open(text, token);
		break;
	case ')':
	case ']':
		close(text, token);
		break;
	case ';':
		text->ended = text->size != 0;
		statement_begin(text);
		break;
	case ',':
		if (list && !list->rows)
			element_end(text, list);
		put(text, BYTES(","), LAST_COMMA, false);
		break;
	default:
		put(text, (struct bytes){ &token->mark, 1 }, LAST_JOINT, false);
		break;
	}
}

/* The word or name is a value that SET gives. */
static bool is_set(struct sql_text *text)
{
	if (text->setting != SETTING_VALUE)
		return false;
	if (text->last == LAST_VALUE)
		text->setting = SETTING_NONE;
	return text->setting == SETTING_VALUE;
}

/* ALTER ROLE ... PASSWORD: without quotes it is an error, but a password all the same. */
static bool is_password(const struct sql_text *text, enum sql_keyword keyword)
{
	return text->word == KEYWORD_PASSWORD && !text->depth && keyword != KEYWORD_NULL &&
	       (text->first == KEYWORD_CREATE || text->first == KEYWORD_ALTER);
}

/* What is a value by its word: the rest are names and key words. */
static bool is_value(struct sql_text *text, enum sql_keyword keyword)
{
	struct sql_list *list = list_here(text);

	if (text->last == LAST_JOINT)
		return false;
	switch (keyword) {
	case KEYWORD_TRUE:
	case KEYWORD_FALSE:
		return text->word != KEYWORD_IS && text->word != KEYWORD_NOT;
	case KEYWORD_NULL:
	case KEYWORD_DEFAULT: /* in lists, so that lists with them are as short */
		return list && !list->rows && list->begin == NOWHERE;
	default:
		return false;
	}
}

static void word(struct sql_text *text, const struct sql_token *token, enum sql_keyword keyword)
{
	bool leads = keyword && keyword <= KEYWORD_BEFORE_VALUE && text->last != LAST_JOINT;

	if (bytes_equal(token->text, SQL_TEXT_CUT)) {
		cut(text);
		return;
	}
	if (is_set(text) || is_password(text, keyword) || is_value(text, keyword)) {
		put_literal(text);
		return;
	}
	put_name(text, token->text, leads ? LAST_BEFORE_VALUE : LAST_VALUE, token->spaced);
	if (!text->begun)
		text->first = keyword;
	if (keyword == KEYWORD_SET && (text->first == KEYWORD_SET || text->first == KEYWORD_ALTER ||
				       text->first == KEYWORD_CREATE))
		text->setting = SETTING_NAME;
	else if (keyword == KEYWORD_TO && text->setting == SETTING_NAME)
		text->setting = SETTING_VALUE;
	text->word = keyword;
}

static void operator(struct sql_text *text, const struct sql_token *token)
{
	struct bytes name = token->text;
	bool sign = name.size == 1 && (name.data[0] == '-' || name.data[0] == '+') &&
		    text->last != LAST_VALUE && text->last != LAST_CLOSE;
	bool literal = name.size && name.data[name.size - 1] == '?';
	uint16_t at = text->size;
	uint8_t after = text->last;

	if (bytes_equal(name, BYTES("?"))) {
		put_literal(text);
		return;
	}
	put_name(text, name, literal ? LAST_VALUE : sign ? LAST_SIGN : LAST_OPERATOR, true);
	if (literal) {
		for (unsigned int i = 0; i < text->lists; i++)
			text->list[i].literal = true;
	}
	text->sign_at = at;
	text->sign_after = after;
	if (text->setting == SETTING_NAME && bytes_equal(name, BYTES("=")))
		text->setting = SETTING_VALUE;
}

static void literal(struct sql_text *text, const struct sql_lex *lex, const struct sql_token *token)
{
	if (token->kind == TOKEN_NUMBER && text->last == LAST_SIGN) {
		text->size = text->sign_at;
		text->last = text->sign_after;
	}
	put_literal(text);
	if (token->torn || (token->kind == TOKEN_STRING && lex->doubtful))
		cut(text);
}

/* ---- all of it ---- */

void sql_text_begin(struct sql_text *text, uint8_t *out, size_t room)
{
	memset(text, 0, sizeof(*text));
	text->out = out;
	text->room = room < SQL_TEXT_ROOM_MAX ? room : SQL_TEXT_ROOM_MAX;
}

void sql_text_take(struct sql_text *text, const struct sql_lex *lex, const struct sql_token *token,
		   enum sql_keyword keyword)
{
	if (text->over)
		return;
	if (text->ended && !(token->kind == TOKEN_MARK && token->mark == ';')) {
		text->ended = false;
		put(text, BYTES(";"), LAST_COMMA, false);
	}
	rows_end(text, token);
	switch ((enum sql_kind)token->kind) {
	case TOKEN_WORD:
		word(text, token, keyword);
		text->begun = true;
		return;
	case TOKEN_IDENTIFIER:
		if (token->torn)
			cut(text);
		else if (is_set(text) || is_password(text, KEYWORD_OTHER))
			put_literal(text);
		else
			put_name(text, token->text, LAST_VALUE, token->spaced);
		break;
	case TOKEN_STRING:
	case TOKEN_NUMBER:
		literal(text, lex, token);
		break;
	case TOKEN_PARAMETER:
		if (token->text.size && token->text.size <= PARAMETER_SIZE)
			put(text, token->text, LAST_VALUE, token->spaced);
		else
			put_literal(text);
		break;
	case TOKEN_OPERATOR:
		operator(text, token);
		break;
	case TOKEN_MARK:
		mark(text, token);
		if (token->mark == ';')
			return;
		break;
	default:
		cut(text);
		break;
	}
	text->word = KEYWORD_OTHER;
	text->begun = true;
}

size_t sql_text_end(struct sql_text *text, bool more)
{
	if (more)
		cut(text);
	return text->size;
}
