/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must hold for any bytes taken as SQL. The input:
 *
 *	options	1 byte: bit 0: standard_conforming_strings is known to be on
 *	room	2 bytes: for the text that is shown
 *	seed	2 bytes: of the random pieces
 *	text	the rest
 *
 * The statements found, the text shown and the summary are the same however the text is cut. What
 * is shown fits, is clean UTF-8, has no literal in it, and shown once more is the same.
 */
#include "../unit/sql_shown.h"
#include "proto/sql_scan.h"
#include "util/utf8.h"
#include "require.h"

#define SQL_HEAD 5
#define VERBS 16

struct found {
	uint8_t verbs[VERBS];
	uint32_t count;
};

static struct bytes bytes_of(const char *text)
{
	return (struct bytes){ (const uint8_t *)text, strlen(text) };
}

/* A copy of exactly this size lets the sanitizer see every read beyond it. */
static uint8_t *copy_of(struct bytes text)
{
	uint8_t *copy = malloc(text.size ? text.size : 1);

	if (text.size)
		memcpy(copy, text.data, text.size);
	return copy;
}

/* The statements, read in pieces of up to `most` bytes, token by token or as the scanner likes. */
static void find(struct found *found, struct bytes sql, size_t most, unsigned int seed,
		 bool by_token)
{
	struct sql_scan scan;

	memset(found, 0, sizeof(*found));
	sql_scan_begin(&scan);
	while (sql.size) {
		size_t size = 1 + (size_t)rand_r(&seed) % most;
		struct bytes piece = bytes_first(sql, size);
		uint8_t *copy = copy_of(piece);
		struct sql_token token;

		sql = bytes_skip(sql, size);
		piece.data = copy;
		if (!by_token)
			sql_scan_feed(&scan, piece, found->verbs, VERBS);
		while (by_token && piece.size) {
			piece = bytes_skip(piece, sql_lex_next(&scan.lex, piece, &token));
			if (token.kind)
				sql_scan_take(&scan, &token, found->verbs, VERBS);
		}
		free(copy);
	}
	sql_scan_end(&scan, found->verbs, VERBS);
	found->count = scan.count;
}

static void check_scan(struct bytes sql, unsigned int seed)
{
	struct found whole, other;

	find(&whole, sql, SIZE_MAX / 2, seed, true);
	find(&other, sql, 1, seed, false);
	REQUIRE(!memcmp(&whole, &other, sizeof(whole)));
	find(&other, sql, 9, seed, true);
	REQUIRE(!memcmp(&whole, &other, sizeof(whole)));
	find(&other, sql, 30, seed, false);
	REQUIRE(!memcmp(&whole, &other, sizeof(whole)));
	find(&other, sql, SIZE_MAX / 2, seed, false);
	REQUIRE(!memcmp(&whole, &other, sizeof(whole)));
}

/* Nothing in it is a literal, or could be one by another reading. */
static void check_shown(const char *text)
{
	struct bytes rest = bytes_of(text);
	struct sql_token token;
	struct sql_lex lex;

	REQUIRE(utf8_is_clean(rest));
	sql_lex_begin(&lex);
	do {
		rest = bytes_skip(rest, sql_lex_next(&lex, rest, &token));
		if (!token.kind)
			sql_lex_end(&lex, &token);
		REQUIRE(token.kind != TOKEN_STRING && token.kind != TOKEN_NUMBER);
		REQUIRE(token.kind != TOKEN_STRAY && !token.torn);
	} while (token.kind);
	REQUIRE(!lex.doubtful);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct shown whole, other;
	struct bytes sql;
	unsigned int seed;
	size_t room;
	uint8_t *copy;
	bool on;

	if (size < SQL_HEAD)
		return 0;
	on = data[0] & 1;
	room = 8 + (data[1] << 8 | data[2]) % (SHOWN_SIZE - 9);
	seed = data[3] << 8 | data[4];
	sql = (struct bytes){ data + SQL_HEAD, size - SQL_HEAD };
	copy = copy_of(sql);
	sql.data = copy;
	check_scan(sql, seed);
	show(&whole, sql, SIZE_MAX, room, on);
	REQUIRE(strlen(whole.text) <= room && strlen(whole.summary) <= SQL_SUMMARY_SIZE);
	show(&other, sql, 1, room, on);
	REQUIRE(!strcmp(whole.text, other.text) && !strcmp(whole.summary, other.summary));
	show(&other, sql, 2 + seed % 16, room, on);
	REQUIRE(!strcmp(whole.text, other.text) && !strcmp(whole.summary, other.summary));
	check_shown(whole.text);
	REQUIRE(utf8_is_clean(bytes_of(whole.summary)));
	show(&other, bytes_of(whole.text), SIZE_MAX, room, on);
	if (strcmp(whole.text, other.text) != 0)
		fprintf(stderr, "%s\n%s\n", whole.text, other.text);
	REQUIRE(!strcmp(whole.text, other.text));
	free(copy);
	return 0;
}
