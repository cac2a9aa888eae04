/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/sql_keyword.h"

#define LONGEST 9
#define SAME_SIZE 20 /* words of one size, at most */

/* By size. */
static const struct {
	const char *text;
	uint8_t keyword;
} words[LONGEST + 1][SAME_SIZE] = {
	[2] = { { "AS", KEYWORD_AS },
		{ "BY", KEYWORD_BY },
		{ "DO", KEYWORD_DO },
		{ "IF", KEYWORD_IF },
		{ "IN", KEYWORD_IN },
		{ "IS", KEYWORD_IS },
		{ "ON", KEYWORD_ON },
		{ "OR", KEYWORD_OR },
		{ "TO", KEYWORD_TO } },
	[3] = { { "ALL", KEYWORD_ALL },
		{ "AND", KEYWORD_AND },
		{ "FOR", KEYWORD_FOR },
		{ "KEY", KEYWORD_KEY },
		{ "NOT", KEYWORD_NOT },
		{ "SET", KEYWORD_SET } },
	[4] = { { "CALL", KEYWORD_CALL },
		{ "CASE", KEYWORD_CASE },
		{ "COPY", KEYWORD_COPY },
		{ "DROP", KEYWORD_DROP },
		{ "ELSE", KEYWORD_ELSE },
		{ "FROM", KEYWORD_FROM },
		{ "INTO", KEYWORD_INTO },
		{ "JOIN", KEYWORD_JOIN },
		{ "LIKE", KEYWORD_LIKE },
		{ "LOCK", KEYWORD_LOCK },
		{ "MOVE", KEYWORD_MOVE },
		{ "NULL", KEYWORD_NULL },
		{ "ONLY", KEYWORD_ONLY },
		{ "THEN", KEYWORD_THEN },
		{ "TRUE", KEYWORD_TRUE },
		{ "VIEW", KEYWORD_VIEW },
		{ "WHEN", KEYWORD_WHEN },
		{ "WITH", KEYWORD_WITH } },
	[5] = { { "ALTER", KEYWORD_ALTER },
		{ "ARRAY", KEYWORD_ARRAY },
		{ "FALSE", KEYWORD_FALSE },
		{ "FETCH", KEYWORD_FETCH },
		{ "GROUP", KEYWORD_GROUP },
		{ "ILIKE", KEYWORD_ILIKE },
		{ "INDEX", KEYWORD_INDEX },
		{ "LIMIT", KEYWORD_LIMIT },
		{ "MERGE", KEYWORD_MERGE },
		{ "ORDER", KEYWORD_ORDER },
		{ "TABLE", KEYWORD_TABLE },
		{ "UNION", KEYWORD_UNION },
		{ "USING", KEYWORD_USING },
		{ "WHERE", KEYWORD_WHERE } },
	[6] = { { "CREATE", KEYWORD_CREATE },
		{ "DELETE", KEYWORD_DELETE },
		{ "EXCEPT", KEYWORD_EXCEPT },
		{ "EXISTS", KEYWORD_EXISTS },
		{ "HAVING", KEYWORD_HAVING },
		{ "INSERT", KEYWORD_INSERT },
		{ "OFFSET", KEYWORD_OFFSET },
		{ "RETURN", KEYWORD_RETURN },
		{ "SELECT", KEYWORD_SELECT },
		{ "UPDATE", KEYWORD_UPDATE },
		{ "VALUES", KEYWORD_VALUES },
		{ "WINDOW", KEYWORD_WINDOW } },
	[7] = { { "ANALYZE", KEYWORD_ANALYZE },
		{ "BETWEEN", KEYWORD_BETWEEN },
		{ "DECLARE", KEYWORD_DECLARE },
		{ "DEFAULT", KEYWORD_DEFAULT },
		{ "EXPLAIN", KEYWORD_EXPLAIN },
		{ "FORWARD", KEYWORD_FORWARD },
		{ "LATERAL", KEYWORD_LATERAL },
		{ "PREPARE", KEYWORD_PREPARE } },
	[8] = { { "ABSOLUTE", KEYWORD_ABSOLUTE },
		{ "BACKWARD", KEYWORD_BACKWARD },
		{ "DISTINCT", KEYWORD_DISTINCT },
		{ "PASSWORD", KEYWORD_PASSWORD },
		{ "RELATIVE", KEYWORD_RELATIVE },
		{ "TRUNCATE", KEYWORD_TRUNCATE } },
	[9] = { { "INTERSECT", KEYWORD_INTERSECT }, { "RETURNING", KEYWORD_RETURNING } },
};

enum sql_keyword sql_keyword_of(struct bytes text)
{
	uint8_t upper[LONGEST];

	if (text.size < 2 || text.size > LONGEST)
		return KEYWORD_OTHER;
	for (size_t i = 0; i < text.size; i++)
		upper[i] = text.data[i] >= 'a' && text.data[i] <= 'z' ? text.data[i] - 0x20 :
									text.data[i];
	for (size_t i = 0; i < SAME_SIZE && words[text.size][i].text; i++) {
		if (upper[0] == (uint8_t)words[text.size][i].text[0] &&
		    !memcmp(upper, words[text.size][i].text, text.size))
			return words[text.size][i].keyword;
	}
	return KEYWORD_OTHER;
}
