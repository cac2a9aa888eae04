/* SPDX-License-Identifier: Apache-2.0 */
/* What is shown of statements: read from stdin, each up to a zero byte, and written alike. */
#include <stdio.h>
#include <stdlib.h>

#include "proto/sql_text.h"

static void take(struct sql_text *text, const struct sql_lex *lex, const struct sql_token *token)
{
	sql_text_take(text, lex, token,
		      token->kind == TOKEN_WORD ? sql_keyword_of(token->text) : KEYWORD_OTHER);
}

static void show(struct bytes sql)
{
	static uint8_t out[SQL_TEXT_ROOM_MAX];
	struct sql_lex lex;
	struct sql_text text;
	struct sql_token token;

	sql_lex_begin(&lex);
	sql_text_begin(&text, out, sizeof(out));
	while (sql.size) {
		sql = bytes_skip(sql, sql_lex_next(&lex, sql, &token));
		if (token.kind)
			take(&text, &lex, &token);
	}
	for (sql_lex_end(&lex, &token); token.kind; sql_lex_end(&lex, &token))
		take(&text, &lex, &token);
	fwrite(out, 1, sql_text_end(&text, false), stdout);
	putchar('\0');
}

int main(void)
{
	char *sql = NULL;
	size_t room = 0;
	ssize_t size;

	while ((size = getdelim(&sql, &room, '\0', stdin)) > 0)
		show((struct bytes){ (uint8_t *)sql, size - 1 });
	free(sql);
	return 0;
}
