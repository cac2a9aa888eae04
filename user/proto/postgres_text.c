/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/postgres_text.h"

#include <strings.h>

#include "proto/wanted.h"
#include "proto/queries.h"
#include "util/utf8.h"

#define CONFORMING BYTES("standard_conforming_strings")
#define STATE_SIZE 5 /* SQLSTATE */

/* ---- texts ---- */

void pg_text_begin(struct pg_state *state)
{
	struct pg_draft *draft;

	drafts_end(&details_store.statements,
		   state->draft); /* one that was never read to its end */
	state->draft = drafts_begin(&details_store.statements);
	draft = drafts_find(&details_store.statements, state->draft);
	if (!draft)
		return;
	state->scan.lex.conforming = state->conforming;
	sql_text_begin(&draft->text, draft->out, sizeof(draft->out));
	sql_summary_begin(&draft->summary, draft->brief, sizeof(draft->brief));
}

static bool is_named(struct bytes text, struct bytes name)
{
	return text.size == name.size &&
	       !strncasecmp((const char *)text.data, (const char *)name.data, text.size);
}

/*
 * SET with the name of the setting, perhaps in quotes, or set_config(), of whose arguments nothing
 * is known: what the server will say of it comes later.
 */
static bool may_set(const struct sql_token *token)
{
	struct bytes text = token->text;

	if (token->kind == TOKEN_IDENTIFIER && text.size > 1)
		text = bytes_first(bytes_skip(text, 1), text.size - 2);
	else if (token->kind != TOKEN_WORD)
		return false;
	return is_named(text, CONFORMING) || is_named(text, BYTES("set_config"));
}

static void take(struct pg_state *state, struct pg_draft *draft, const struct sql_token *token)
{
	enum sql_keyword keyword = KEYWORD_OTHER;

	if (token->kind == TOKEN_WORD)
		keyword = sql_keyword_of(token->text);
	if (may_set(token))
		state->conforming = state->scan.lex.conforming = false;
	sql_text_take(&draft->text, &state->scan.lex, token, keyword);
	if (!state->scan.lex.doubtful)
		sql_summary_take(&draft->summary, token, keyword);
}

void pg_text_feed(struct pg_state *state, struct bytes piece, uint8_t *verbs, size_t room)
{
	struct pg_draft *draft = drafts_find(&details_store.statements, state->draft);
	struct sql_token token;

	if (!draft) {
		sql_scan_feed(&state->scan, piece, verbs, room);
		return;
	}
	while (piece.size) {
		piece = bytes_skip(piece, sql_lex_next(&state->scan.lex, piece, &token));
		if (!token.kind)
			return;
		take(state, draft, &token);
		sql_scan_take(&state->scan, &token, verbs, room);
	}
}

bool pg_text_open(const struct pg_state *state)
{
	const struct pg_draft *draft = drafts_find(&details_store.statements, state->draft);

	return draft && !draft->text.over;
}

uint32_t pg_text_end(struct pg_state *state, bool more, uint8_t *verbs, size_t room)
{
	struct pg_draft *draft = drafts_find(&details_store.statements, state->draft);
	struct sql_lex *lex = &state->scan.lex;
	struct sql_token token;
	struct query query;
	uint32_t number;

	if (!draft)
		return QUERY_NONE;
	for (sql_lex_end(lex, &token); token.kind; sql_lex_end(lex, &token)) {
		/* Of a text that goes on, the last token is not known. */
		if (!more)
			take(state, draft, &token);
		sql_scan_take(&state->scan, &token, verbs, room);
	}
	query.text = (struct bytes){ draft->out, sql_text_end(&draft->text, more) };
	query.summary = (struct bytes){ draft->brief, sql_summary_end(&draft->summary) };
	number = queries_put(&query);
	drafts_end(&details_store.statements, state->draft);
	state->draft = 0;
	return number;
}

/* ---- names ---- */

void pg_text_name(struct pg_state *state, uint8_t kind, uint32_t key, uint32_t query)
{
	if (!key) {
		state->unnamed_query[kind == 'P'] = query;
		return;
	}
	if (!state->session)
		state->session = queries_session();
	queries_name(state->session, key, query);
}

uint32_t pg_text_named(const struct pg_state *state, uint8_t kind, uint32_t key)
{
	return key ? queries_named(state->session, key) : state->unnamed_query[kind == 'P'];
}

/* ---- what else is said ---- */

/* Cuts a string off that ends in a zero byte; false: there is none. */
static bool string(struct bytes *in, struct bytes *ret)
{
	const uint8_t *end = in->size ? memchr(in->data, '\0', in->size) : NULL;

	if (!end)
		return false;
	*ret = bytes_first(*in, end - in->data);
	*in = bytes_skip(*in, ret->size + 1);
	return true;
}

static uint32_t put(struct bytes text)
{
	struct query query = { .text = text };

	return utf8_is_clean(text) ? queries_put(&query) : QUERY_NONE;
}

/* Names and values by turns, up to an empty name; the database is named as the user by default. */
uint32_t pg_text_database(struct bytes parameters)
{
	struct bytes name, value, user = { 0 };

	while (string(&parameters, &name) && name.size && string(&parameters, &value)) {
		if (bytes_equal(name, BYTES("database")) && value.size)
			return put(value);
		if (bytes_equal(name, BYTES("user")))
			user = value;
	}
	return put(user);
}

/* Fields, each of a type and a string, up to a zero byte. */
uint32_t pg_text_error(struct bytes body)
{
	struct bytes field;

	while (string(&body, &field) && field.size) {
		if (field.data[0] != 'C')
			continue;
		field = bytes_skip(field, 1);
		for (size_t i = 0; i < field.size; i++) {
			if (!((field.data[i] >= '0' && field.data[i] <= '9') ||
			      (field.data[i] >= 'A' && field.data[i] <= 'Z')))
				return QUERY_NONE;
		}
		return field.size == STATE_SIZE ? put(field) : QUERY_NONE;
	}
	return QUERY_NONE;
}

void pg_text_parameter(struct pg_state *state, struct bytes body, bool whole)
{
	struct bytes name, value;

	if (!whole) /* perhaps that one */
		state->conforming = false;
	else if (string(&body, &name) && bytes_equal(name, CONFORMING) && string(&body, &value))
		state->conforming = bytes_equal(value, BYTES("on"));
}
