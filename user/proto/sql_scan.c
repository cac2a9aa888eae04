/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/sql_scan.h"

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

static void take_word(struct sql_scan *scan, struct bytes text)
{
	uint8_t upper[SQL_WORD];
	struct bytes word = { upper, text.size };

	scan->closed = false;
	if (scan->stage == STAGE_KNOWN)
		return;
	for (size_t i = 0; i < text.size && i < SQL_WORD; i++) {
		uint8_t c = text.data[i];

		upper[i] = c >= 'a' && c <= 'z' ? c - 0x20 : c;
	}
	if (!text.size || text.size > SQL_WORD)
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
}

static void parenthesis(struct sql_scan *scan, bool open)
{
	if (!open) {
		scan->depth -= scan->depth > 0;
		scan->closed = scan->depth == scan->base;
		return;
	}
	/* WITH a AS (...) ((SELECT ...)): the main query stands in parentheses itself. */
	if (scan->stage == STAGE_WITH && scan->closed && scan->depth == scan->base)
		scan->base++;
	else
		scan->closed = false;
	scan->depth += scan->depth < UINT16_MAX;
}

/* A token that is neither word nor parenthesis. */
static void take_other(struct sql_scan *scan, const struct sql_token *token)
{
	if (scan->stage == STAGE_EMPTY)
		scan->stage = STAGE_KNOWN; /* no statement begins like this */
	scan->closed = false;
	if (scan->stage != STAGE_WITH || scan->depth != scan->base)
		return;
	if (token->kind == TOKEN_IDENTIFIER)
		scan->name_next = false;
	else if (token->kind == TOKEN_MARK && token->mark == ',')
		scan->name_next = true;
}

void sql_scan_take(struct sql_scan *scan, const struct sql_token *token, uint8_t *verbs,
		   size_t room)
{
	if (token->kind == TOKEN_WORD)
		take_word(scan, token->text);
	else if (token->kind == TOKEN_MARK && (token->mark == '(' || token->mark == ')'))
		parenthesis(scan, token->mark == '(');
	else if (token->kind == TOKEN_MARK && token->mark == ';' && !scan->depth && !scan->begins)
		statement_end(scan, verbs, room);
	else
		take_other(scan, token);
}

void sql_scan_begin(struct sql_scan *scan)
{
	memset(scan, 0, sizeof(*scan));
}

void sql_scan_feed(struct sql_scan *scan, struct bytes text, uint8_t *verbs, size_t room)
{
	struct sql_token token;

	while (text.size) {
		/* Of what is known only the end is looked for. */
		if (scan->stage == STAGE_KNOWN)
			text = bytes_skip(text, sql_lex_bracket(&scan->lex, text, &token));
		else
			text = bytes_skip(text, sql_lex_next(&scan->lex, text, &token));
		if (token.kind)
			sql_scan_take(scan, &token, verbs, room);
	}
}

void sql_scan_end(struct sql_scan *scan, uint8_t *verbs, size_t room)
{
	struct sql_token token;

	for (sql_lex_end(&scan->lex, &token); token.kind; sql_lex_end(&scan->lex, &token))
		sql_scan_take(scan, &token, verbs, room);
	statement_end(scan, verbs, room);
}

bool sql_scan_settled(const struct sql_scan *scan)
{
	return scan->stage == STAGE_KNOWN;
}
