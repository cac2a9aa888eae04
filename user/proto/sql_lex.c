/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/sql_modes.h"

/* ---- tokens ---- */

static void hold(struct sql_lex *lex, struct bytes text)
{
	if (lex->held_size + text.size > TOKEN_SIZE) {
		lex->held_size = TOKEN_SIZE + 1;
	} else if (text.size) {
		memcpy(lex->held + lex->held_size, text.data, text.size);
		lex->held_size += text.size;
	}
}

/* The token at hand ends where the lexer stands; its text is what was held and what is here. */
static void tell_text(struct sql_lex *lex, struct cursor *cursor, struct sql_token *token,
		      enum sql_kind kind)
{
	struct bytes text = { cursor->in.data + cursor->begin, cursor->at - cursor->begin };

	if (lex->held_size) {
		hold(lex, text);
		text = (struct bytes){ lex->held, lex->held_size };
	}
	token->text = text.size <= TOKEN_SIZE ? text : (struct bytes){ 0 };
	lex->held_size = 0;
	lex->mode = MODE_PLAIN;
	tell(lex, token, kind);
}

static void tell_mark(struct sql_lex *lex, struct sql_token *token, uint8_t mark)
{
	token->mark = mark;
	lex->mode = MODE_PLAIN;
	tell(lex, token, TOKEN_MARK);
}

/* ---- words, names, numbers ---- */

static void name(struct sql_lex *lex, struct cursor *cursor)
{
	const uint8_t *begin = cursor->in.data + cursor->at;
	const uint8_t *found = memchr(begin, '"', cursor->in.size - cursor->at);

	cursor->at = found ? (size_t)(found - cursor->in.data) + 1 : cursor->in.size;
	if (found)
		lex->mode = MODE_NAMED;
}

static void named(struct sql_lex *lex, struct cursor *cursor, struct sql_token *token)
{
	if (here(cursor) == '"') {
		cursor->at++;
		lex->mode = MODE_NAME;
	} else {
		tell_text(lex, cursor, token, TOKEN_IDENTIFIER);
	}
}

static void parameter(struct sql_lex *lex, struct cursor *cursor, struct sql_token *token)
{
	while (cursor->at < cursor->in.size && sql_class[here(cursor)] == DIGIT)
		cursor->at++;
	if (cursor->at < cursor->in.size)
		tell_text(lex, cursor, token, TOKEN_PARAMETER);
}

static void string_begin(struct sql_lex *lex, uint8_t mode)
{
	lex->mode = lex->quote = mode;
	lex->slashed = false;
	lex->held_size = 0;
}

/* A word of one letter that a quote follows is the begin of a string. */
static void word(struct sql_lex *lex, struct cursor *cursor, struct sql_token *token)
{
	const uint8_t *data = cursor->in.data;
	size_t i = cursor->at, size;
	uint8_t first;

	while (i < cursor->in.size && sql_word[data[i]])
		i++;
	cursor->at = i;
	if (i == cursor->in.size)
		return;
	size = lex->held_size + (i - cursor->begin);
	if (size == 1 && (data[i] == '\'' || data[i] == '&')) {
		first = (lex->held_size ? lex->held[0] : data[cursor->begin]) | 0x20;
		if (data[i] == '\'' && first && strchr("ebxn", first)) {
			cursor->at++;
			string_begin(lex, first == 'e' ? MODE_ESCAPE : MODE_QUOTE);
			return;
		}
		if (data[i] == '&' && first == 'u') {
			cursor->at++;
			lex->mode = MODE_UNICODE;
			return;
		}
	}
	tell_text(lex, cursor, token, TOKEN_WORD);
}

static void unicode(struct sql_lex *lex, struct cursor *cursor, struct sql_token *token)
{
	uint8_t c = here(cursor);

	if (c == '\'') {
		cursor->at++;
		string_begin(lex, MODE_QUOTE);
	} else if (c == '"') {
		cursor->at++;
		lex->mode = MODE_NAME;
	} else { /* a column named u, and an operator */
		hold(lex,
		     (struct bytes){ cursor->in.data + cursor->begin, cursor->at - cursor->begin });
		token->text = (struct bytes){ lex->held, 1 };
		tell(lex, token, TOKEN_WORD);
		lex->mode = MODE_OPERATOR;
		lex->held_from = 1;
		lex->before = '&';
	}
}

/* With all that clings to it, in whatever form: 1_000, 0x1f, 1e-5, .5, and what is none. */
static void number(struct sql_lex *lex, struct cursor *cursor, struct sql_token *token)
{
	for (; cursor->at < cursor->in.size; cursor->at++) {
		uint8_t c = here(cursor);
		bool sign = (c == '-' || c == '+') && lex->before == 'e';

		if (!sql_word[c] && c != '.' && !sign) {
			lex->mode = MODE_PLAIN;
			tell(lex, token, TOKEN_NUMBER);
			return;
		}
		if ((c | 0x20) == 'x')
			lex->candidate = 1; /* hexadecimal: "e" is a digit */
		lex->before = lex->candidate ? 0 : c | 0x20;
	}
}

static void dot(struct sql_lex *lex, struct cursor *cursor, struct sql_token *token)
{
	if (sql_class[here(cursor)] == DIGIT)
		lex->mode = MODE_NUMBER;
	else
		tell_mark(lex, token, '.');
}

/* ---- operators ---- */

/*
 * One operator of those held: it ends in + or - only if it has one of ~ ! @ # ^ & | ` ? % in it, so
 * that "=-1" is an equality with a negative number.
 */
static void split(struct sql_lex *lex, struct sql_token *token)
{
	const uint8_t *text = lex->held + lex->held_from;
	size_t size = lex->held_size - lex->held_from;
	bool special = false;

	if (lex->held_size > TOKEN_SIZE) {
		lex->held_from = lex->held_size;
		token->text = (struct bytes){ 0 };
	} else {
		for (size_t i = 0; i < size; i++)
			special |= memchr("~!@#^&|`?%", text[i], 10) != NULL;
		while (size > 1 && !special && (text[size - 1] == '+' || text[size - 1] == '-'))
			size--;
		token->text = (struct bytes){ text, size };
		lex->held_from += size;
	}
	lex->mode = MODE_SPLIT;
	if (lex->held_from >= lex->held_size) {
		lex->held_size = 0;
		lex->mode = lex->after;
	}
	tell(lex, token, TOKEN_OPERATOR);
	lex->spaced = lex->mode == MODE_LINE || lex->mode == MODE_COMMENT;
}

static void comment_begin(struct sql_lex *lex, uint8_t *mode, bool is_line)
{
	*mode = is_line ? MODE_LINE : MODE_COMMENT;
	lex->nesting = 1;
	lex->before = 0;
	lex->spaced = true;
}

static void operators(struct sql_lex *lex, struct cursor *cursor, struct sql_token *token)
{
	lex->after = MODE_PLAIN;
	for (; cursor->at < cursor->in.size; cursor->at++) {
		uint8_t c = here(cursor);
		uint8_t pair = lex->before;
		bool is_line = c == '-' && pair == '-';

		if (sql_class[c] != OPERATOR)
			break;
		if (is_line || (c == '*' && pair == '/')) {
			lex->held_size -= lex->held_size <= TOKEN_SIZE;
			cursor->at++;
			if (lex->held_size > lex->held_from) {
				bool spaced = lex->spaced;

				comment_begin(lex, &lex->after, is_line);
				lex->spaced = spaced;
				split(lex, token);
			} else {
				lex->held_size = 0;
				comment_begin(lex, &lex->mode, is_line);
			}
			return;
		}
		lex->before = c;
		hold(lex, (struct bytes){ &c, 1 });
	}
	if (cursor->at < cursor->in.size)
		split(lex, token);
}

/* ---- all of it ---- */

static void plain(struct sql_lex *lex, struct cursor *cursor, struct sql_token *token)
{
	uint8_t c;

	while (sql_class[c = here(cursor)] == SPACE) {
		lex->spaced = true;
		if (++cursor->at == cursor->in.size)
			return;
	}
	cursor->begin = cursor->at;
	lex->held_size = lex->held_from = 0;
	switch ((enum class)sql_class[c]) {
	case LETTER:
		lex->mode = MODE_WORD;
		return; /* its first character is the word's */
	case DIGIT:
		lex->candidate = lex->before = 0;
		lex->mode = MODE_NUMBER;
		return;
	case OPERATOR:
		lex->before = 0;
		lex->mode = MODE_OPERATOR;
		return;
	case QUOTE:
		string_begin(lex, MODE_QUOTE);
		break;
	case QUOTES:
		lex->mode = MODE_NAME;
		break;
	case DOLLAR:
		lex->mode = MODE_FIRST;
		break;
	case DOT:
		lex->candidate = lex->before = 0;
		lex->mode = MODE_DOT;
		break;
	case MARK:
		tell_mark(lex, token, c);
		break;
	default:
		tell(lex, token, TOKEN_STRAY);
		break;
	}
	cursor->at++;
}

static void step(struct sql_lex *lex, struct cursor *cursor, struct sql_token *token)
{
	switch ((enum mode)lex->mode) {
	case MODE_PLAIN:
		plain(lex, cursor, token);
		break;
	case MODE_WORD:
		word(lex, cursor, token);
		break;
	case MODE_UNICODE:
		unicode(lex, cursor, token);
		break;
	case MODE_QUOTE:
		sql_quote(lex, cursor);
		break;
	case MODE_ESCAPE:
		sql_escape(lex, cursor);
		break;
	case MODE_ENDED:
		sql_ended(lex, cursor, token);
		break;
	case MODE_NAME:
		name(lex, cursor);
		break;
	case MODE_NAMED:
		named(lex, cursor, token);
		break;
	case MODE_NUMBER:
		number(lex, cursor, token);
		break;
	case MODE_DOT:
		dot(lex, cursor, token);
		break;
	case MODE_OPERATOR:
		operators(lex, cursor, token);
		break;
	case MODE_SPLIT:
		split(lex, token);
		break;
	case MODE_LINE:
		sql_line(lex, cursor);
		break;
	case MODE_COMMENT:
		sql_comment(lex, cursor);
		break;
	case MODE_FIRST:
		sql_dollar_first(lex, cursor);
		break;
	case MODE_PARAMETER:
		parameter(lex, cursor, token);
		break;
	case MODE_DELIMITER:
	case MODE_CLOSING:
		sql_delimiter(lex, cursor, token);
		break;
	case MODE_DOLLAR:
		sql_dollar(lex, cursor);
		break;
	}
}

/* Modes whose tokens' texts are told: of one that goes on in the next piece they are held. */
static bool is_told(uint8_t mode)
{
	return mode == MODE_WORD || mode == MODE_UNICODE || mode == MODE_NAME ||
	       mode == MODE_NAMED || mode == MODE_FIRST || mode == MODE_PARAMETER;
}

void sql_lex_begin(struct sql_lex *lex)
{
	memset(lex, 0, sizeof(*lex));
}

/*
 * The common tokens, whole at hand: words and marks that no other token can begin with. Returns
 * where the lexer stands; nothing was told where that is before something else.
 */
static size_t common(struct sql_lex *lex, struct bytes in, size_t at, struct sql_token *token)
{
	const uint8_t *data = in.data;
	bool spaced = lex->spaced;
	size_t begin;
	uint8_t c;

	while (sql_class[c = data[at]] == SPACE) {
		spaced = true;
		if (++at == in.size)
			goto out;
	}
	begin = at;
	if (sql_class[c] == MARK) {
		token->kind = TOKEN_MARK;
		token->mark = c;
		at++;
	} else if (sql_class[c] == LETTER) {
		do {
			at++;
		} while (at < in.size && sql_word[data[at]]);
		if (at == in.size || (at == begin + 1 && (data[at] == '\'' || data[at] == '&'))) {
			at = begin;
			goto out;
		}
		token->kind = TOKEN_WORD;
		token->text.data = data + begin;
		token->text.size = at - begin <= TOKEN_SIZE ? at - begin : 0;
	} else {
		goto out;
	}
	token->spaced = spaced;
	lex->escaped = spaced = false;
out:
	lex->spaced = spaced;
	return at;
}

size_t sql_lex_next(struct sql_lex *lex, struct bytes in, struct sql_token *token)
{
	struct cursor cursor = { .in = in };

	*token = (struct sql_token){ 0 };
	while (cursor.at < in.size) {
		if (lex->mode == MODE_PLAIN)
			cursor.at = common(lex, in, cursor.at, token);
		if (!token->kind && cursor.at < in.size)
			step(lex, &cursor, token);
		if (token->kind)
			return cursor.at;
	}
	if (in.size && is_told(lex->mode))
		hold(lex, bytes_skip(in, cursor.begin));
	return in.size;
}

void sql_lex_end(struct sql_lex *lex, struct sql_token *token)
{
	struct cursor cursor = { .in = BYTES(" ") };

	*token = (struct sql_token){ 0 };
	switch ((enum mode)lex->mode) {
	case MODE_PLAIN:
	case MODE_LINE:
	case MODE_COMMENT:
		return;
	case MODE_ENDED:
	case MODE_QUOTE:
	case MODE_ESCAPE:
	case MODE_DOLLAR:
	case MODE_CLOSING:
		token->torn = lex->mode != MODE_ENDED;
		tell(lex, token, TOKEN_STRING);
		break;
	case MODE_NAME:
		token->torn = true;
		tell(lex, token, TOKEN_IDENTIFIER);
		break;
	default: /* a blank ends it */
		token->torn = lex->mode == MODE_DELIMITER || lex->mode == MODE_FIRST;
		while (!token->kind && lex->mode != MODE_PLAIN)
			step(lex, &cursor, token);
		return;
	}
	lex->mode = MODE_PLAIN;
}
