/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/sql_summary.h"

#include "proto/sql_verb.h"
#include "util/names.h"
#include "util/utf8.h"

/*
 *	NOTHING --FROM, JOIN, INTO ...--> NAME --a name--> DOT -- . --> PART --a name--> DOT
 *	   ^  ^-------- anything else ------+               |            |
 *	   +-------------- anything else -------------------+------------+
 */
enum await {
	AWAIT_NOTHING,
	AWAIT_NAME,
	AWAIT_DOT,  /* a name was written, which may go on */
	AWAIT_PART, /* ... and does */
};

static uint32_t bit(const struct sql_summary *summary)
{
	return summary->depth < 32 ? 1U << summary->depth : 0;
}

static bool put(struct sql_summary *summary, struct bytes text, bool apart)
{
	size_t blank = apart && summary->size;

	if (summary->size + blank + text.size > summary->room) {
		summary->over = true;
		return false;
	}
	if (blank)
		summary->out[summary->size++] = ' ';
	memcpy(summary->out + summary->size, text.data, text.size);
	summary->size += text.size;
	return true;
}

static void put_string(struct sql_summary *summary, const char *text)
{
	put(summary, (struct bytes){ (const uint8_t *)text, strlen(text) }, true);
}

/* The name as far as it was written is gone. */
static void name_drop(struct sql_summary *summary)
{
	summary->size = summary->name_at;
	summary->await = AWAIT_NOTHING;
}

static void name(struct sql_summary *summary, struct bytes text)
{
	bool first = summary->await == AWAIT_NAME;

	if (first)
		summary->name_at = summary->size;
	if (!text.size || !utf8_is_clean(text) || !put(summary, text, first))
		name_drop(summary);
	else
		summary->await = AWAIT_DOT;
}

static void await_name(struct sql_summary *summary, bool function)
{
	summary->await = AWAIT_NAME;
	summary->function = function;
}

/* ---- words ---- */

/* Statements that are queries, or have one in them. */
static bool is_query(enum sql_keyword first)
{
	switch (first) {
	case KEYWORD_COPY:
	case KEYWORD_DECLARE:
	case KEYWORD_DELETE:
	case KEYWORD_EXPLAIN:
	case KEYWORD_INSERT:
	case KEYWORD_MERGE:
	case KEYWORD_PREPARE:
	case KEYWORD_SELECT:
	case KEYWORD_UPDATE:
	case KEYWORD_WITH:
		return true;
	default:
		return false;
	}
}

/* The word begins a query, and is no part of FOR UPDATE, DO UPDATE, WHEN ... THEN UPDATE. */
static const char *operation(const struct sql_summary *summary, enum sql_keyword keyword)
{
	uint8_t before = summary->before;

	if (!is_query(summary->first) || before == KEYWORD_THEN)
		return NULL;
	switch (keyword) {
	case KEYWORD_SELECT:
		return "SELECT";
	case KEYWORD_INSERT:
		return "INSERT";
	case KEYWORD_DELETE:
		return "DELETE";
	case KEYWORD_MERGE:
		return "MERGE";
	case KEYWORD_UPDATE:
		return before == KEYWORD_FOR || before == KEYWORD_KEY || before == KEYWORD_DO ?
			       NULL :
			       "UPDATE";
	default:
		return NULL;
	}
}

/* The first word of a statement that is no query: CREATE, BEGIN ... */
static void command(struct sql_summary *summary, struct bytes text, enum sql_keyword keyword)
{
	uint8_t upper[SQL_WORD];
	struct bytes word = { upper, text.size <= SQL_WORD ? text.size : 0 };

	for (size_t i = 0; i < word.size; i++)
		upper[i] = text.data[i] >= 'a' && text.data[i] <= 'z' ? text.data[i] - 0x20 :
									text.data[i];
	put_string(summary, names_text(sql_verb_name(sql_verb(word))));
	if (keyword == KEYWORD_TABLE || keyword == KEYWORD_TRUNCATE || keyword == KEYWORD_LOCK ||
	    keyword == KEYWORD_COPY || keyword == KEYWORD_CALL)
		await_name(summary, false);
	if (keyword == KEYWORD_TRUNCATE || keyword == KEYWORD_LOCK)
		summary->lists |= bit(summary);
}

/* CREATE, ALTER, DROP: of what. */
static void definition(struct sql_summary *summary, enum sql_keyword keyword)
{
	bool table = keyword == KEYWORD_TABLE || keyword == KEYWORD_VIEW;

	if (keyword == KEYWORD_ON && summary->first == KEYWORD_CREATE &&
	    summary->lists & bit(summary)) {
		summary->lists &= ~bit(summary);
		await_name(summary, false);
	}
	if (summary->queries & bit(summary) || (!table && keyword != KEYWORD_INDEX))
		return;
	summary->queries |= bit(summary); /* it is told once */
	put_string(summary, keyword == KEYWORD_TABLE ? "TABLE" :
			    keyword == KEYWORD_VIEW  ? "VIEW" :
						       "INDEX");
	if (table)
		await_name(summary, false);
	if (summary->first == KEYWORD_DROP || keyword == KEYWORD_INDEX)
		summary->lists |= bit(summary);
}

/* Words inside of a query after which tables are named, or not any more. */
static void clause(struct sql_summary *summary, enum sql_keyword keyword)
{
	bool query = summary->queries & bit(summary);

	switch (keyword) {
	case KEYWORD_FROM:
	case KEYWORD_USING:
		if (!query || summary->before == KEYWORD_DISTINCT)
			return;
		summary->lists |= bit(summary);
		await_name(summary, true);
		break;
	case KEYWORD_JOIN:
		if (query)
			await_name(summary, true);
		break;
	case KEYWORD_INTO:
		if (query)
			await_name(summary, false);
		break;
	case KEYWORD_WHERE:
	case KEYWORD_GROUP:
	case KEYWORD_HAVING:
	case KEYWORD_WINDOW:
	case KEYWORD_UNION:
	case KEYWORD_INTERSECT:
	case KEYWORD_EXCEPT:
	case KEYWORD_ORDER:
	case KEYWORD_LIMIT:
	case KEYWORD_OFFSET:
	case KEYWORD_FETCH:
	case KEYWORD_FOR:
	case KEYWORD_RETURNING:
	case KEYWORD_SET:
	case KEYWORD_VALUES:
		summary->lists &= ~bit(summary);
		break;
	default:
		break;
	}
}

/* Words between the one that announces a table and its name. */
static bool is_between(enum sql_keyword keyword)
{
	return keyword == KEYWORD_ONLY || keyword == KEYWORD_LATERAL || keyword == KEYWORD_TABLE ||
	       keyword == KEYWORD_IF || keyword == KEYWORD_NOT || keyword == KEYWORD_EXISTS;
}

static void word(struct sql_summary *summary, const struct sql_token *token,
		 enum sql_keyword keyword)
{
	const char *query;
	bool begins = !summary->begun;

	if (summary->await == AWAIT_PART) {
		name(summary, token->text);
		return;
	}
	if (summary->await == AWAIT_NAME && is_between(keyword))
		return;
	if (begins) {
		summary->begun = true;
		summary->first = keyword;
	}
	if (summary->await == AWAIT_NAME && !keyword) {
		name(summary, token->text);
		return;
	}
	summary->await = AWAIT_NOTHING;
	query = operation(summary, keyword);
	if (query) {
		put_string(summary, query);
		summary->queries |= bit(summary);
		summary->lists &= ~bit(summary);
		if (keyword == KEYWORD_UPDATE)
			await_name(summary, false);
	} else if (begins && keyword != KEYWORD_WITH) {
		command(summary, token->text, keyword);
	} else if (is_query(summary->first)) {
		clause(summary, keyword);
	} else if (summary->first == KEYWORD_CREATE || summary->first == KEYWORD_ALTER ||
		   summary->first == KEYWORD_DROP) {
		definition(summary, keyword);
	}
	summary->before = keyword;
}

/* ---- marks ---- */

static void statement_begin(struct sql_summary *summary)
{
	summary->depth = 0;
	summary->queries = summary->lists = 0;
	summary->first = summary->before = KEYWORD_OTHER;
	summary->begun = false;
	summary->await = AWAIT_NOTHING;
}

static void mark(struct sql_summary *summary, uint8_t mark)
{
	uint8_t await = summary->await;

	if (mark == '.' && await == AWAIT_DOT) {
		if (put(summary, BYTES("."), false))
			summary->await = AWAIT_PART;
		else
			name_drop(summary);
		return;
	}
	if (await == AWAIT_PART || (mark == '(' && await == AWAIT_DOT && summary->function))
		name_drop(summary);
	summary->await = AWAIT_NOTHING;
	summary->before = KEYWORD_OTHER;
	switch (mark) {
	case '(':
		summary->depth += summary->depth < UINT16_MAX;
		summary->queries &= ~bit(summary);
		summary->lists &= ~bit(summary);
		break;
	case ')':
		summary->depth -= summary->depth > 0;
		break;
	case ',':
		if (summary->lists & bit(summary))
			await_name(summary, summary->queries & bit(summary));
		break;
	case ';':
		statement_begin(summary);
		break;
	}
}

void sql_summary_begin(struct sql_summary *summary, uint8_t *out, size_t room)
{
	memset(summary, 0, sizeof(*summary));
	summary->out = out;
	summary->room = room < SQL_SUMMARY_SIZE ? room : SQL_SUMMARY_SIZE;
}

void sql_summary_take(struct sql_summary *summary, const struct sql_token *token,
		      enum sql_keyword keyword)
{
	if (token->torn || token->kind == TOKEN_STRAY)
		summary->over = true;
	if (summary->over)
		return;
	if (token->kind == TOKEN_WORD) {
		word(summary, token, keyword);
	} else if (token->kind == TOKEN_MARK) {
		mark(summary, token->mark);
	} else if (token->kind == TOKEN_IDENTIFIER &&
		   (summary->await == AWAIT_NAME || summary->await == AWAIT_PART)) {
		name(summary, token->text);
	} else {
		if (summary->await == AWAIT_PART)
			name_drop(summary);
		summary->await = AWAIT_NOTHING;
		summary->before = KEYWORD_OTHER;
		summary->begun = true;
	}
}

size_t sql_summary_end(struct sql_summary *summary)
{
	if (summary->await == AWAIT_PART)
		name_drop(summary);
	return summary->size;
}
