/* SPDX-License-Identifier: Apache-2.0 */
/* The half of the lexer that steps over what is not told: comments, strings, dollar quotes. */
#include "proto/sql_modes.h"

/* ---- white space, comments ---- */

void sql_line(struct sql_lex *lex, struct cursor *cursor)
{
	while (cursor->at < cursor->in.size) {
		uint8_t c = cursor->in.data[cursor->at++];

		if (c == '\n' || c == '\r') {
			lex->mode = MODE_PLAIN;
			return;
		}
	}
}

void sql_comment(struct sql_lex *lex, struct cursor *cursor)
{
	while (cursor->at < cursor->in.size) {
		uint8_t c = cursor->in.data[cursor->at++];
		uint8_t pair = lex->before;

		lex->before = c;
		if (pair == '/' && c == '*')
			lex->nesting += lex->nesting < UINT16_MAX;
		else if (pair == '*' && c == '/')
			lex->nesting--;
		else
			continue;
		lex->before = 0;
		if (!lex->nesting) {
			lex->mode = MODE_PLAIN;
			return;
		}
	}
}

/* ---- strings ---- */

/* Whether an odd number of backslashes ends at `end`; those from `begin` on are at hand. */
static bool odd_slashes(const struct sql_lex *lex, const uint8_t *begin, const uint8_t *end)
{
	const uint8_t *p = end;

	while (p > begin && p[-1] == '\\')
		p--;
	return ((end - p) & 1) != (p == begin && lex->slashed);
}

void sql_quote(struct sql_lex *lex, struct cursor *cursor)
{
	const uint8_t *begin = cursor->in.data + cursor->at;
	const uint8_t *end = cursor->in.data + cursor->in.size;
	const uint8_t *found = memchr(begin, '\'', end - begin);

	lex->slashed = odd_slashes(lex, begin, found ? found : end);
	cursor->at = (found ? found + 1 : end) - cursor->in.data;
	if (!found)
		return;
	if (lex->slashed && (lex->escaped || !lex->conforming))
		lex->doubtful = true;
	lex->slashed = false;
	lex->mode = MODE_ENDED;
	lex->gap = GAP_NONE;
}

void sql_escape(struct sql_lex *lex, struct cursor *cursor)
{
	while (cursor->at < cursor->in.size) {
		uint8_t c = cursor->in.data[cursor->at++];

		if (lex->slashed) {
			lex->slashed = false;
		} else if (c == '\\') {
			lex->slashed = true;
		} else if (c == '\'') {
			lex->mode = MODE_ENDED;
			lex->gap = GAP_NONE;
			return;
		}
	}
}

/* Two quotes are one inside; strings with nothing but a new line between them are one. */
void sql_ended(struct sql_lex *lex, struct cursor *cursor, struct sql_token *token)
{
	for (; cursor->at < cursor->in.size; cursor->at++) {
		uint8_t c = here(cursor);

		if (c == '\'' && lex->gap != GAP_SPACE) {
			cursor->at++;
			lex->mode = lex->quote;
			return;
		}
		if (sql_class[c] != SPACE)
			break;
		if (lex->gap != GAP_LINE)
			lex->gap = c == '\n' || c == '\r' ? GAP_LINE : GAP_SPACE;
	}
	if (cursor->at == cursor->in.size)
		return;
	tell(lex, token, TOKEN_STRING);
	/* A comment may stand between the two as well: what follows may be the same string. */
	lex->escaped = lex->quote == MODE_ESCAPE;
	lex->spaced = lex->gap != GAP_NONE;
	lex->mode = MODE_PLAIN;
}

/* ---- dollars ---- */

static uint64_t checksum(uint64_t sum, uint8_t c)
{
	return ((sum ? sum : 0xcbf29ce484222325ULL) ^ c) * 0x100000001b3ULL;
}

void sql_dollar_first(struct sql_lex *lex, struct cursor *cursor)
{
	lex->candidate = 0;
	lex->mode = sql_class[here(cursor)] == DIGIT ? MODE_PARAMETER : MODE_DELIMITER;
}

/* $tag$: letters and digits, no digit at its begin. */
void sql_delimiter(struct sql_lex *lex, struct cursor *cursor, struct sql_token *token)
{
	bool closing = lex->mode == MODE_CLOSING;

	while (cursor->at < cursor->in.size) {
		uint8_t c = here(cursor);
		uint8_t class = sql_class[c];

		if (class == LETTER || (class == DIGIT && lex->candidate)) {
			lex->candidate = checksum(lex->candidate, c);
			cursor->at++;
			continue;
		}
		if (class == DOLLAR && closing && lex->candidate != lex->dollar) {
			lex->candidate = 0; /* may begin the next one */
			cursor->at++;
			continue;
		}
		cursor->at += class == DOLLAR;
		lex->held_size = 0;
		if (class == DOLLAR && !closing) {
			lex->dollar = lex->candidate;
			lex->mode = MODE_DOLLAR;
		} else if (class == DOLLAR) {
			lex->mode = MODE_PLAIN;
			tell(lex, token, TOKEN_STRING);
		} else if (closing) {
			lex->mode = MODE_DOLLAR;
		} else {
			lex->mode = MODE_PLAIN;
			tell(lex, token, TOKEN_STRAY);
		}
		return;
	}
}

void sql_dollar(struct sql_lex *lex, struct cursor *cursor)
{
	const uint8_t *begin = cursor->in.data + cursor->at;
	const uint8_t *found = memchr(begin, '$', cursor->in.size - cursor->at);

	cursor->at = found ? (size_t)(found - cursor->in.data) + 1 : cursor->in.size;
	if (!found)
		return;
	lex->mode = MODE_CLOSING;
	lex->candidate = 0;
}

/* ---- looking for brackets ---- */

/*
 * The bytes of the token or white space at the front, where it is all at hand and neither tells
 * anything nor begins what would have to be stepped over; else 0.
 */
static inline size_t dull(const uint8_t *data, size_t size)
{
	size_t i = 1;

	switch ((enum class)sql_class[data[0]]) {
	case SPACE:
		return 1;
	case LETTER:
		while (i < size && sql_word[data[i]])
			i++;
		return i < size && data[i] != '\'' && data[i] != '&' ? i : 0;
	case DIGIT:
		while (i < size && sql_word[data[i]])
			i++;
		return i < size && sql_class[data[i]] != OPERATOR && data[i] != '.' ? i : 0;
	case DOLLAR:
		while (i < size && sql_class[data[i]] == DIGIT)
			i++;
		return i < size && i > 1 ? i : 0;
	case OPERATOR:
		return size > 1 && sql_class[data[1]] != OPERATOR;
	case DOT:
		return size > 1 && sql_class[data[1]] != DIGIT;
	case MARK:
		return data[0] == ',' || data[0] == ':';
	default:
		return 0;
	}
}

size_t sql_lex_bracket(struct sql_lex *lex, struct bytes in, struct sql_token *token)
{
	size_t at = 0;

	do {
		size_t size = 1;

		while (lex->mode == MODE_PLAIN && at < in.size && size) {
			size = dull(in.data + at, in.size - at);
			lex->escaped &= !size || sql_class[in.data[at]] == SPACE;
			at += size;
		}
		at += sql_lex_next(lex, bytes_skip(in, at), token);
	} while (token->kind && (token->kind != TOKEN_MARK || !memchr("();", token->mark, 3)));
	return at;
}
