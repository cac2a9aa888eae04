/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/sql_verb.h"

#include "util/names.h"

static const char *const verbs_known[] = {
	"OTHER",
	"SELECT",
	"INSERT",
	"UPDATE",
	"DELETE",
	"BEGIN",
	"COMMIT",
	"ROLLBACK",
	"COPY",
	"SET",
	"SHOW",
	"RESET",
	"SAVEPOINT",
	"RELEASE",
	"FETCH",
	"MOVE",
	"DECLARE",
	"CLOSE",
	"EXECUTE",
	"PREPARE",
	"DISCARD",
	"DEALLOCATE",
	"LISTEN",
	"NOTIFY",
	"UNLISTEN",
	"LOCK",
	"CREATE",
	"ALTER",
	"DROP",
	"TRUNCATE",
	"COMMENT",
	"GRANT",
	"REVOKE",
	"ANALYZE",
	"VACUUM",
	"EXPLAIN",
	"CALL",
	"DO",
	"MERGE",
	"REINDEX",
	"CLUSTER",
	"REFRESH",
	"LOAD",
	"IMPORT",
	"REASSIGN",
	"SECURITY",
	"CHECKPOINT",
	"BASE_BACKUP",
	"IDENTIFY_SYSTEM",
	"START_REPLICATION",
	"CREATE_REPLICATION_SLOT",
	"DROP_REPLICATION_SLOT",
	"READ_REPLICATION_SLOT",
	"ALTER_REPLICATION_SLOT",
	"TIMELINE_HISTORY",
	"UPLOAD_MANIFEST",
};

#define UNKNOWN_LIMIT 32 /* first words of tags that a peer made up cost no more */
#define VERBS (sizeof(verbs_known) / sizeof(verbs_known[0]))

static unsigned int unknown; /* tags that have been given a name */

_Static_assert(VERBS <= 1 << SQL_VERB_BITS, "a verb is a small number");

static const struct {
	const char *word, *verb;
} translations[] = {
	{ "END", "COMMIT" },	{ "ABORT", "ROLLBACK" }, { "START", "BEGIN" },
	{ "VALUES", "SELECT" }, { "TABLE", "SELECT" },	 { "ANALYSE", "ANALYZE" },
};

static bool is(struct bytes word, const char *text)
{
	return word.data[0] == (uint8_t)text[0] && word.size == strlen(text) &&
	       !memcmp(word.data, text, word.size);
}

uint8_t sql_verb(struct bytes word)
{
	if (!word.size)
		return SQL_OTHER;
	for (size_t i = 0; i < sizeof(translations) / sizeof(translations[0]); i++) {
		if (is(word, translations[i].word)) {
			const char *verb = translations[i].verb;

			word = (struct bytes){ (const uint8_t *)verb, strlen(verb) };
			break;
		}
	}
	for (size_t i = 1; i < VERBS; i++) {
		if (is(word, verbs_known[i]))
			return i;
	}
	return SQL_OTHER;
}

uint16_t sql_verb_name(uint8_t verb)
{
	const char *text = verbs_known[verb < VERBS ? verb : SQL_OTHER];

	return names_intern(NAME_OPERATION, (struct bytes){ (const uint8_t *)text, strlen(text) });
}

uint16_t sql_tag_name(struct bytes tag)
{
	size_t size = 0;
	uint16_t name;
	uint8_t verb;

	while (size < tag.size &&
	       ((tag.data[size] >= 'A' && tag.data[size] <= 'Z') || tag.data[size] == '_'))
		size++;
	if (size < tag.size && tag.data[size] != ' ' && tag.data[size] != '\0')
		size = 0;
	tag.size = size;
	verb = sql_verb(tag);
	if (verb || size < 2 || size > SQL_WORD)
		return sql_verb_name(verb);
	name = names_find(tag);
	if (name != NAME_NONE)
		return name;
	if (unknown == UNKNOWN_LIMIT)
		return sql_verb_name(SQL_OTHER);
	unknown++;
	return names_intern(NAME_OPERATION, tag);
}
