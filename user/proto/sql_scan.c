/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/sql_scan.h"

/*
 *	PLAIN --'--> QUOTE, ESCAPE --'--> PLAIN        --"--> IDENTIFIER --"--> PLAIN
 *	PLAIN -- -- --> LINE --\n--> PLAIN             --/\*--> COMMENT --*\/--> PLAIN
 *	PLAIN --$--> DELIMITER --$--> DOLLAR --$--> CLOSING --$--> PLAIN (the same delimiter)
 *	                  |                           |
 *	                  +-- no delimiter: PLAIN     +-- another one: DOLLAR
 */
enum mode {
	MODE_PLAIN,
	MODE_WORD,
	MODE_QUOTE,	 /* '...' */
	MODE_ESCAPE,	 /* E'...' */
	MODE_IDENTIFIER, /* "..." */
	MODE_LINE,	 /* -- ... */
	MODE_COMMENT,	 /* nested */
	MODE_DELIMITER,	 /* $tag of an opening $tag$ */
	MODE_DOLLAR,	 /* inside of $tag$ ... $tag$ */
	MODE_CLOSING,	 /* $tag of what may be the closing one */
};

enum stage {
	STAGE_EMPTY,   /* no word yet */
	STAGE_WITH,    /* WITH: the main verb is still to come */
	STAGE_CREATE,  /* CREATE: of what? */
	STAGE_TABLE,   /* CREATE TABLE: its tag is SELECT where AS follows */
	STAGE_ROUTINE, /* CREATE FUNCTION: its body may hold semicolons */
	STAGE_KNOWN,
};

static bool is(struct bytes word, const char *text)
{
	return word.data[0] == (uint8_t)text[0] && word.size == strlen(text) &&
	       !memcmp(word.data, text, word.size);
}

/* ---- one statement ---- */

static void statement_begin(struct sql_scan *scan)
{
	scan->depth = scan->base = scan->begins = 0;
	scan->stage = STAGE_EMPTY;
	scan->verb = SQL_OTHER;
	scan->name_next = scan->closed = scan->materialized = false;
}

static void statement_end(struct sql_scan *scan, uint8_t *verbs, size_t room)
{
	if (scan->stage != STAGE_EMPTY) {
		if (scan->count < room)
			verbs[scan->count] = scan->verb;
		scan->count++;
	}
	statement_begin(scan);
}

static void word_first(struct sql_scan *scan, struct bytes word)
{
	scan->verb = sql_verb(word);
	scan->stage = STAGE_KNOWN;
	if (is(word, "CREATE")) {
		scan->stage = STAGE_CREATE;
	} else if (is(word, "WITH")) {
		scan->stage = STAGE_WITH;
		scan->base = scan->depth;
		scan->name_next = true;
	}
}

/* WITH [RECURSIVE] name [(columns)] AS [[NOT] MATERIALIZED] (query), ... main query */
static void word_with(struct sql_scan *scan, struct bytes word)
{
	static const char *const mains[] = { "SELECT", "INSERT", "UPDATE", "DELETE",
					     "MERGE",  "VALUES", "TABLE" };

	if (scan->depth != scan->base)
		return;
	if (scan->name_next) {
		scan->name_next = is(word, "RECURSIVE");
		return;
	}
	for (size_t i = 0; i < sizeof(mains) / sizeof(mains[0]); i++) {
		if (is(word, mains[i])) {
			scan->verb = sql_verb(word);
			scan->stage = STAGE_KNOWN;
		}
	}
}

static void word_create(struct sql_scan *scan, struct bytes word)
{
	static const char *const between[] = { "GLOBAL", "LOCAL",   "TEMP",	    "TEMPORARY",
					       "OR",	 "REPLACE", "MATERIALIZED", "UNLOGGED" };
	bool view = scan->materialized && is(word, "VIEW");

	for (size_t i = 0; i < sizeof(between) / sizeof(between[0]); i++) {
		if (is(word, between[i])) {
			scan->materialized = word.data[0] == 'M';
			return;
		}
	}
	if (view || is(word, "TABLE"))
		scan->stage = STAGE_TABLE;
	else if (is(word, "FUNCTION") || is(word, "PROCEDURE"))
		scan->stage = STAGE_ROUTINE;
	else
		scan->stage = STAGE_KNOWN;
}

static void word_routine(struct sql_scan *scan, struct bytes word)
{
	if (scan->depth)
		return;
	if (is(word, "BEGIN") || (scan->begins && is(word, "CASE")))
		scan->begins += scan->begins < UINT16_MAX;
	else if (scan->begins && is(word, "END"))
		scan->begins--;
}

static void word_end(struct sql_scan *scan)
{
	struct bytes word = { (const uint8_t *)scan->word, scan->word_size };

	if (word.size > SQL_WORD)
		word = BYTES("?");
	switch (scan->stage) {
	case STAGE_EMPTY:
		word_first(scan, word);
		break;
	case STAGE_WITH:
		word_with(scan, word);
		break;
	case STAGE_CREATE:
		word_create(scan, word);
		break;
	case STAGE_TABLE:
		if (!scan->depth && is(word, "AS")) {
			scan->verb = sql_verb(BYTES("SELECT"));
			scan->stage = STAGE_KNOWN;
		}
		break;
	case STAGE_ROUTINE:
		word_routine(scan, word);
		break;
	}
	scan->closed = false;
}

/* ---- characters ---- */

static bool is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* What a word goes on with: letters, digits, all of other alphabets. */
static const bool is_word[256] = {
	['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true,
	['_'] = true,	      ['$'] = true,	    [0x80 ... 0xff] = true,
};

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* What a word or a delimiter begins with. */
static bool is_letter(uint8_t c)
{
	return is_word[c] && !is_digit(c) && c != '$';
}

static uint64_t checksum(uint64_t sum, uint8_t c)
{
	return (sum ^ c) * 0x100000001b3ULL;
}

static void parenthesis(struct sql_scan *scan, bool open)
{
	if (!open) {
		scan->depth -= scan->depth > 0;
		scan->closed = scan->depth == scan->base;
		return;
	}
	/* WITH a AS (...) (SELECT ...): the main query stands in parentheses itself. */
	if (scan->stage == STAGE_WITH && scan->closed && scan->depth == scan->base)
		scan->base++;
	scan->closed = false;
	scan->depth += scan->depth < UINT16_MAX;
}

/* A token that is neither word, comment nor parenthesis. */
static void other_token(struct sql_scan *scan)
{
	if (scan->stage == STAGE_EMPTY)
		scan->stage = STAGE_KNOWN; /* no statement begins like this */
	scan->closed = false;
}

static void plain(struct sql_scan *scan, uint8_t c, uint8_t *verbs, size_t room)
{
	uint8_t pair = scan->before;

	scan->before = 0;
	if (is_space(c))
		return;
	if (pair == '-' && c == '-') {
		scan->mode = MODE_LINE;
	} else if (pair == '/' && c == '*') {
		scan->mode = MODE_COMMENT;
		scan->nesting = 1;
	} else if (c == '-' || c == '/') {
		scan->before = c;
	} else if (is_letter(c) || is_digit(c)) {
		scan->mode = MODE_WORD;
		scan->word_size = 0;
	} else if (c == '\'') {
		other_token(scan);
		scan->mode = MODE_QUOTE;
	} else if (c == '"') {
		other_token(scan);
		if (scan->depth == scan->base)
			scan->name_next = false;
		scan->mode = MODE_IDENTIFIER;
	} else if (c == '$') {
		scan->mode = MODE_DELIMITER;
		scan->candidate = 0;
	} else if (c == '(' || c == ')') {
		parenthesis(scan, c == '(');
	} else if (c == ';' && !scan->depth && !scan->begins) {
		statement_end(scan, verbs, room);
	} else {
		other_token(scan);
		if (c == ',' && scan->stage == STAGE_WITH && scan->depth == scan->base)
			scan->name_next = true;
	}
}

/* As much of a word as is here; returns its size. What follows the word ends it. */
static size_t word(struct sql_scan *scan, struct bytes text)
{
	unsigned int size = scan->word_size;
	size_t i = 0;

	for (; i < text.size && is_word[text.data[i]]; i++) {
		uint8_t c = text.data[i];

		if (size < SQL_WORD)
			scan->word[size++] = c >= 'a' && c <= 'z' ? c - 0x20 : c;
		else
			size = SQL_WORD + 1;
	}
	scan->word_size = size;
	if (i == text.size)
		return i;
	scan->mode = MODE_PLAIN;
	if (text.data[i] == '\'' && size == 1 && scan->word[0] == 'E') {
		other_token(scan);
		scan->mode = MODE_ESCAPE;
		return i + 1;
	}
	word_end(scan);
	return i;
}

static void comment(struct sql_scan *scan, uint8_t c)
{
	uint8_t pair = scan->before;

	scan->before = c;
	if (pair == '/' && c == '*')
		scan->nesting += scan->nesting < UINT16_MAX;
	else if (pair == '*' && c == '/')
		scan->nesting--;
	else
		return;
	scan->before = 0;
	if (!scan->nesting)
		scan->mode = MODE_PLAIN;
}

/* $tag$: letters and digits, no digit at its begin. True where c does not belong to it. */
static bool delimiter(struct sql_scan *scan, uint8_t c)
{
	bool closing = scan->mode == MODE_CLOSING;

	if (c == '$' && (!closing || scan->candidate == scan->dollar)) {
		if (!closing)
			other_token(scan);
		scan->dollar = scan->candidate;
		scan->mode = closing ? MODE_PLAIN : MODE_DOLLAR;
		return false;
	}
	if (c == '$') { /* may begin the next one */
		scan->candidate = 0;
		return false;
	}
	if (is_letter(c) || (is_digit(c) && scan->candidate)) {
		scan->candidate = checksum(scan->candidate ? scan->candidate : 14695981039ULL, c);
		return false;
	}
	scan->mode = closing ? MODE_DOLLAR : MODE_PLAIN;
	if (!closing)
		other_token(scan);
	return true;
}

/* Where nothing but `end` (and, in an escape string, a backslash) matters. */
static size_t inside(struct sql_scan *scan, struct bytes text, uint8_t end, uint8_t after)
{
	const uint8_t *found = memchr(text.data, end, text.size);

	if (!found)
		return text.size;
	scan->mode = after;
	if (after == MODE_CLOSING)
		scan->candidate = 0;
	return found - text.data + 1;
}

static void escape(struct sql_scan *scan, uint8_t c)
{
	if (scan->before == '\\')
		scan->before = 0;
	else if (c == '\\')
		scan->before = c;
	else if (c == '\'')
		scan->mode = MODE_PLAIN;
}

void sql_scan_begin(struct sql_scan *scan)
{
	memset(scan, 0, sizeof(*scan));
}

void sql_scan_feed(struct sql_scan *scan, struct bytes text, uint8_t *verbs, size_t room)
{
	size_t i = 0;

	while (i < text.size) {
		struct bytes rest = bytes_skip(text, i);

		switch (scan->mode) {
		case MODE_PLAIN:
			plain(scan, text.data[i++], verbs, room);
			if (scan->mode == MODE_WORD)
				i--; /* its first character is the word's */
			break;
		case MODE_WORD:
			i += word(scan, rest);
			break;
		case MODE_QUOTE:
			i += inside(scan, rest, '\'', MODE_PLAIN);
			break;
		case MODE_IDENTIFIER:
			i += inside(scan, rest, '"', MODE_PLAIN);
			break;
		case MODE_LINE:
			i += inside(scan, rest, '\n', MODE_PLAIN);
			break;
		case MODE_DOLLAR:
			i += inside(scan, rest, '$', MODE_CLOSING);
			break;
		case MODE_ESCAPE:
			escape(scan, text.data[i++]);
			break;
		case MODE_COMMENT:
			comment(scan, text.data[i++]);
			break;
		default:
			i += !delimiter(scan, text.data[i]);
			break;
		}
	}
}

void sql_scan_end(struct sql_scan *scan, uint8_t *verbs, size_t room)
{
	if (scan->mode == MODE_WORD)
		word_end(scan);
	scan->mode = MODE_PLAIN;
	statement_end(scan, verbs, room);
}

bool sql_scan_settled(const struct sql_scan *scan)
{
	return scan->stage == STAGE_KNOWN;
}
