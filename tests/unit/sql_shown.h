/* SPDX-License-Identifier: Apache-2.0 */
/* A text of SQL read in pieces, and what is shown of it. */
#ifndef ONLOOKER_SQL_SHOWN_H
#define ONLOOKER_SQL_SHOWN_H

#include "proto/sql_summary.h"
#include "proto/sql_text.h"

#define SHOWN_SIZE 4096

struct shown {
	char text[SHOWN_SIZE]; /* NUL-terminated */
	char summary[SQL_SUMMARY_SIZE + 1];
};

static inline void show_token(struct sql_text *text, struct sql_summary *summary,
			      const struct sql_lex *lex, const struct sql_token *token)
{
	enum sql_keyword keyword = KEYWORD_OTHER;

	if (token->kind == TOKEN_WORD)
		keyword = sql_keyword_of(token->text);
	sql_text_take(text, lex, token, keyword);
	if (!lex->doubtful)
		sql_summary_take(summary, token, keyword);
}

/* `room` is below SHOWN_SIZE; conforming: standard_conforming_strings is known to be on. */
static inline void show(struct shown *shown, struct bytes sql, size_t piece, size_t room,
			bool conforming)
{
	struct sql_lex lex;
	struct sql_text text;
	struct sql_summary summary;
	struct sql_token token;

	sql_lex_begin(&lex);
	lex.conforming = conforming;
	sql_text_begin(&text, (uint8_t *)shown->text, room);
	sql_summary_begin(&summary, (uint8_t *)shown->summary, SQL_SUMMARY_SIZE);
	while (sql.size) {
		struct bytes part = bytes_first(sql, piece);

		sql = bytes_skip(sql, piece);
		while (part.size) {
			part = bytes_skip(part, sql_lex_next(&lex, part, &token));
			if (token.kind)
				show_token(&text, &summary, &lex, &token);
		}
	}
	for (sql_lex_end(&lex, &token); token.kind; sql_lex_end(&lex, &token))
		show_token(&text, &summary, &lex, &token);
	shown->text[sql_text_end(&text, false)] = '\0';
	shown->summary[sql_summary_end(&summary)] = '\0';
}

#endif
