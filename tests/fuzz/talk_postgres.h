/* SPDX-License-Identifier: Apache-2.0 */
/* What can be asked in PostgreSQL's protocol 3.0: its documentation, chapter 55. */
#ifndef ONLOOKER_FUZZ_TALK_POSTGRES_H
#define ONLOOKER_FUZZ_TALK_POSTGRES_H

#include "talk.h"

struct statement {
	const char *text, *verb, *tag;
	char after; /* transaction status */
};

static const struct statement statements[] = {
	{ "SELECT 1", "SELECT", "SELECT 1", 0 },
	{ "INSERT INTO t VALUES (1)", "INSERT", "INSERT 0 1", 0 },
	{ "UPDATE t SET n = 1", "UPDATE", "UPDATE 3", 0 },
	{ "BEGIN", "BEGIN", "BEGIN", 'T' },
	{ "COMMIT", "COMMIT", "COMMIT", 'I' },
	{ "DELETE FROM t", "DELETE", "DELETE 0", 0 },
	{ "SELECT n FROM t", "SELECT", "SELECT 9", 0 },
	{ "CREATE TABLE t (n int)", "CREATE", "CREATE TABLE", 0 },
};

static void pg_number(struct text *text, uint32_t number, unsigned int bytes)
{
	while (bytes--)
		text_put(text, &(uint8_t){ number >> 8 * bytes }, 1);
}

static void pg_message(struct text *text, char type, const void *body, size_t size)
{
	text_put(text, &type, type ? 1 : 0);
	pg_number(text, size + 4, 4);
	text_put(text, body, size);
}

static void pg_string(struct text *text, char type, const char *string)
{
	pg_message(text, type, string, strlen(string) + 1);
}

static void pg_ready(struct talk *talk, struct text *text)
{
	pg_message(text, 'Z', &talk->status, 1);
}

static void pg_error(struct text *text)
{
	static const char body[] = "SERROR\0VERROR\0C42601\0Mwrong\0";

	pg_message(text, 'E', body, sizeof(body));
}

static void pg_row_description(struct text *text)
{
	static const char body[] = "\0\1n\0\0\0\0\0\0\0\0\0\0\x17\0\4\xff\xff\xff\xff\0";

	pg_message(text, 'T', body, sizeof(body));
}

static void pg_row(const struct talk *talk, struct text *text, size_t size)
{
	text_put(text, "D", 1);
	pg_number(text, 4 + 2 + 4 + size, 4);
	pg_number(text, 1, 2);
	pg_number(text, size, 4);
	text_fill(talk, text, size);
}

/* What a statement answers, up to its CommandComplete, or the error that takes its place. */
static void pg_result(struct talk *talk, const struct statement *statement, bool described,
		      bool failed, size_t size)
{
	struct text *answer = &talk->answers;

	if (failed) {
		pg_error(answer);
	} else {
		if (*statement->verb == 'S') {
			if (described)
				pg_row_description(answer);
			pg_row(talk, answer, size);
		}
		pg_string(answer, 'C', statement->tag);
		talk->status = statement->after ? statement->after : talk->status;
	}
	talk_fact(talk, statement->verb, 0, failed);
}

/* One question off, an error would be taken for another statement's. */
static bool pg_fails(const struct talk *talk, uint8_t how)
{
	return talk->batches && (how >> 4 & 1);
}

/* A simple query of up to two statements, the last of which may fail. */
static void pg_query(struct talk *talk, uint8_t what, uint8_t how)
{
	const struct statement *one = &statements[what & 7], *two = &statements[how & 7];
	bool twice = how >> 3 & 1, failed = pg_fails(talk, how);
	char text[128];

	snprintf(text, sizeof(text), "%s%s%s", one->text, twice ? "; " : "",
		 twice ? two->text : "");
	pg_string(&talk->written[LANE_REQUEST], 'Q', text);
	pg_result(talk, one, true, failed && !twice, how);
	if (twice)
		pg_result(talk, two, true, failed, how);
	pg_ready(talk, &talk->answers);
}

/* Parse, Bind, Execute of the unnamed statement. */
static void pg_execute(struct talk *talk, const struct statement *statement, bool failed,
		       size_t size)
{
	static const char bind[] = "\0\0\0\0\0\0\0", run[] = "\0\0\0\0", portal[] = "P";
	struct text *lane = &talk->written[LANE_REQUEST];
	char parse[128] = "";
	size_t length = strlen(statement->text);
	bool described = size % 2;

	memcpy(parse + 1, statement->text, length);
	pg_message(lane, 'P', parse, 1 + length + 1 + 2);
	pg_message(lane, 'B', bind, sizeof(bind));
	if (described)
		pg_message(lane, 'D', portal, sizeof(portal));
	pg_message(lane, 'E', run, sizeof(run));
	pg_message(&talk->answers, '1', "", 0);
	pg_message(&talk->answers, '2', "", 0);
	if (described && *statement->verb != 'S')
		pg_message(&talk->answers, 'n', "", 0);
	pg_result(talk, statement, described, failed, size);
}

/* Up to two executions before the Sync; after an error the rest is skipped. */
static void pg_extended(struct talk *talk, uint8_t what, uint8_t how)
{
	static const char skipped[] = "\0SELECT 2\0\0";
	bool twice = how >> 3 & 1, failed = pg_fails(talk, how);

	pg_execute(talk, &statements[what & 7], failed && !twice, how);
	if (twice)
		pg_execute(talk, &statements[how & 7], failed, how);
	if (failed)
		pg_message(&talk->written[LANE_REQUEST], 'P', skipped, sizeof(skipped));
	pg_message(&talk->written[LANE_REQUEST], 'S', "", 0);
	pg_ready(talk, &talk->answers);
}

static void pg_copy_out(struct talk *talk, uint8_t rows)
{
	char tag[32];

	snprintf(tag, sizeof(tag), "COPY %u", rows);
	pg_string(&talk->written[LANE_REQUEST], 'Q', "COPY t TO STDOUT");
	pg_message(&talk->answers, 'H', "\0\0\1\0", 5);
	for (unsigned int i = 0; i < rows; i++)
		pg_message(&talk->answers, 'd', "xx\n", 3);
	pg_message(&talk->answers, 'c', "", 0);
	pg_string(&talk->answers, 'C', tag);
	pg_ready(talk, &talk->answers);
	talk_fact(talk, "COPY", 0, false);
}

/* The data follow only when the server has said that it will take them. */
static void pg_copy_in(struct talk *talk, uint8_t rows)
{
	struct text *lane = &talk->written[LANE_REQUEST];

	talk_drain(talk);
	pg_string(lane, 'Q', "COPY t FROM STDIN");
	talk_emit_all(talk, LANE_REQUEST);
	pg_message(&talk->written[LANE_RESPONSE], 'G', "\0\0\1\0", 5);
	talk_emit_all(talk, LANE_RESPONSE);
	talk_ask(talk);
	for (unsigned int i = 0; i < rows; i++)
		pg_message(lane, 'd', "xx\n", 3);
	pg_message(lane, 'c', "", 0);
	pg_string(&talk->answers, 'C', "COPY 1");
	pg_ready(talk, &talk->answers);
	talk_fact(talk, "COPY", 0, false);
}

static void pg_ask(struct talk *talk, uint8_t what, uint8_t how)
{
	talk_ask(talk);
	if (what >> 3 == 7)
		pg_copy_in(talk, how & 15);
	else if (what >> 3 == 6)
		pg_copy_out(talk, how & 15);
	else if (what >> 3 & 1)
		pg_extended(talk, what, how);
	else
		pg_query(talk, what, how);
	talk_asked(talk);
}

/* Perhaps a refused SSLRequest, then start-up and trust. */
static void pg_begin(struct talk *talk, bool ssl)
{
	static const char ssl_request[] = "\x04\xd2\x16\x2f", start[] = "\0\3\0\0user\0e2e\0";
	static const char trust[4], key[8], setting[] = "server_version\0001";
	struct text *lane = &talk->written[LANE_REQUEST], *other = &talk->written[LANE_RESPONSE];

	talk->status = 'I';
	if (ssl) {
		pg_message(lane, 0, ssl_request, 4);
		talk_emit_all(talk, LANE_REQUEST);
		text_put(other, "N", 1);
		talk_emit_all(talk, LANE_RESPONSE);
	}
	pg_message(lane, 0, start, sizeof(start));
	talk_emit_all(talk, LANE_REQUEST);
	pg_message(other, 'R', trust, sizeof(trust));
	pg_message(other, 'S', setting, sizeof(setting));
	pg_message(other, 'K', key, sizeof(key));
	pg_ready(talk, other);
	talk_emit_all(talk, LANE_RESPONSE);
}

#endif
